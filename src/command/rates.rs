//! Peak rates of the device: `--peak-gflops`, `--bandwidth-gbs`.

use clap::Arg;
use wgrad::plan::Rates;

use super::help::with_details;
use super::numbers::within;

/// Options of commands that compare times with a device's peak rates. A rate that is not given adds no lower bound.
#[derive(clap::Args)]
pub struct RateOptions {
    /// Peak arithmetic rate of the device in 10⁹ FLOP/s
    ///
    /// From its data sheet. It adds a lower bound of each op's time, from its number of floating-point operations
    /// (roofline).
    #[arg(long, value_name = "X", value_parser = rate, allow_negative_numbers = true)]
    #[arg(help_heading = "Roofline", hide_short_help = true)]
    peak_gflops: Option<f64>,
    /// Peak memory bandwidth of the device in 10⁹ bytes/s
    ///
    /// From its data sheet. It adds a lower bound of each op's time, from the bytes that it reads and writes
    /// (roofline).
    #[arg(long, value_name = "X", value_parser = rate, allow_negative_numbers = true)]
    #[arg(help_heading = "Roofline", hide_short_help = true)]
    bandwidth_gbs: Option<f64>,
}

impl RateOptions {
    /// Returns the rates, in operations and in bytes per second.
    pub fn rates(&self) -> Rates {
        Rates { flops: self.peak_gflops.map(|giga| 1e9 * giga), bytes: self.bandwidth_gbs.map(|giga| 1e9 * giga) }
    }
}

/// Adds a sentence to the help of an option, if it is a rate.
pub fn detailed(option: Arg, sentence: &str) -> Arg {
    let is_rate = ["peak_gflops", "bandwidth_gbs"].iter().any(|name| option.get_id() == name);
    if is_rate { with_details(option, sentence) } else { option }
}

fn rate(text: &str) -> Result<f64, String> {
    within(text, 1e-3..=1e9)
}
