//! What the device can do at most: `--peak-gflops`, `--bandwidth-gbs`.

use wgrad::plan::Rates;

/// Options of commands that compare with what a device can do. Nothing is assumed that was not given.
#[derive(clap::Args)]
pub struct RateOptions {
    /// Operations that the device can do in a second, in 10⁹ FLOP/s, from its data sheet: shows what arithmetic takes at least
    #[arg(long, value_name = "X", value_parser = rate, allow_negative_numbers = true, help_heading = "Floors")]
    peak_gflops: Option<f64>,
    /// Bytes that its memory can move in a second, in 10⁹ bytes/s: shows what memory takes at least
    #[arg(long, value_name = "X", value_parser = rate, allow_negative_numbers = true, help_heading = "Floors")]
    bandwidth_gbs: Option<f64>,
}

impl RateOptions {
    /// As the library wants it.
    pub fn rates(&self) -> Rates {
        Rates { flops: self.peak_gflops.map(|giga| 1e9 * giga), bytes: self.bandwidth_gbs.map(|giga| 1e9 * giga) }
    }
}

fn rate(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|rate: &f64| (1e-3..=1e9).contains(rate));
    number.ok_or_else(|| "it must be a number from 0.001 to 1000000000".into())
}
