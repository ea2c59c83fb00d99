//! `wgrad bench`: training speed of each device.

mod measure;
mod ops;
mod roofline;
mod suite;
mod workload;

use std::io::{IsTerminal, Write};

use serde::Serialize;
use wgrad::data::shown;
use wgrad::{Device, Error, Result};

use super::autotune::{TuningOptions, TuningSource};
use super::fused_step::FusedStepOption;
use super::lines::wrapped;
use super::names::names;
use super::numbers::{count, within};
use super::rates;
use super::recipe::{Options, of_sizes};
use super::report::Output;
use measure::{Effort, Measurement, measure};
use workload::Workload;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad bench                  three networks, on the CPU and on every GPU
  wgrad bench --hidden \"512 relu 256 relu\" --inputs 784 --batch 128
  wgrad bench --hidden \"512 relu\" --device cpu --device gpu --json
  wgrad bench --suite          single ops, and more networks, on one device
  wgrad bench --suite --only layer,square --tiles
  wgrad bench --suite --peak-gflops 20000 --bandwidth-gbs 500

OUTPUT
  first      time from opening the device to the loss of the first step
  step       median time per training step, of four to nine repetitions
  quartiles  a quarter of the repetitions is faster, a quarter is slower
  samples/s  rows per second: batch size / step
  GFLOP/s    10⁹ floating-point operations per second; a multiply-add is two

NETWORKS
  Without --hidden, these are moons (2 → 16 → 16 → 2 units, batch size 64),
  digits (64 → 128 → 64 → 10, batch size 64) and mnist (784 → 512 → 256 → 10,
  batch size 128), with relu, softmax_cross_entropy and adam, not adamw. All
  other options of Network and Training need --hidden. Rows are random numbers.

SUITE
  For developers of wgrad, to find slow operations (ops). Measures one device:
  that of --device, by default the best GPU; without a GPU, name one. --hidden
  and all options of Network and Training are errors. Besides the networks above
  there are wide (1,024 → 4,096 → 4,096 → 1,024 units, batch size 512) and
  narrow (64 inputs, eight layers of 64 units, 16 outputs, batch size 16,384).
  Their training steps are measured, and each op of a step alone. Of layer
  (1,024 inputs, units and outputs, batch size 512) and square (4,096 of each,
  batch size 4,096), only the ops are measured. Each op runs many times in a
  row, so that launch overhead is negligible, for a tenth of --seconds. On a GPU
  with timestamps (see `wgrad devices`), the GPU's clock measures the ops;
  otherwise it is the host's. --peak-gflops and --bandwidth-gbs are the device's
  peak rates, from its data sheet; each time is then compared with its lower
  bound (roofline). With --json, the objects are start, step …, op …, summary.

Let no other program run meanwhile, since it would distort the times.
";

/// Options of `wgrad bench`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(mut_args(|option| of_sizes("3 networks").shown(option)))]
#[command(mut_args(|option| rates::detailed(option, "It needs --suite.")))]
pub struct Arguments {
    #[command(flatten)]
    recipe: Options,
    /// Number of inputs, with --hidden [default: 64]
    #[arg(long, value_name = "N", value_parser = count, requires = "hidden", allow_negative_numbers = true)]
    #[arg(help_heading = "Network")]
    inputs: Option<usize>,
    /// Number of outputs, with --hidden [default: 10]
    #[arg(long, value_name = "N", value_parser = count, requires = "hidden", allow_negative_numbers = true)]
    #[arg(help_heading = "Network")]
    outputs: Option<usize>,
    /// Device, as in `wgrad train` [default: all]
    ///
    /// The option can be repeated, but not with --suite. By default, the CPU and all GPUs are measured, simulated ones
    /// too, or with --suite the best GPU. A device that cannot be measured is an error only if it is named. The
    /// environment variable WGRAD_DEVICE has no effect.
    #[arg(long, value_name = "NAME", value_parser = names::<String>(&Device::NAMES), hide_possible_values = true)]
    #[arg(help_heading = "Device")]
    device: Vec<String>,
    /// Seconds per network and device
    ///
    /// A fifth of it is for warming up. Networks with slow steps take longer.
    #[arg(long, value_name = "X", value_parser = seconds, default_value = "2", allow_negative_numbers = true)]
    #[arg(help_heading = "Time")]
    seconds: f64,
    /// Minimum of steps per repetition, in place of --seconds
    ///
    /// A repetition has whole submissions (groups of steps that are sent to the device at once), so it can have more
    /// steps. The time per step is the median of nine repetitions. --suite does not accept the option.
    #[arg(long, value_name = "N", value_parser = count, conflicts_with = "seconds", allow_negative_numbers = true)]
    #[arg(help_heading = "Time")]
    steps: Option<usize>,
    /// Prints JSON, one object per line: start, measurement …, summary
    ///
    /// A device that could not be measured has an object `unmeasured`. With --suite, the objects are start, step …,
    /// op …, summary.
    #[arg(long, help_heading = "Output")]
    json: bool,
    #[command(flatten)]
    tuning: TuningOptions,
    #[command(flatten)]
    fused_step: FusedStepOption,
    #[command(flatten)]
    suite: suite::SuiteOptions,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    within(text, 0.01..=3600.0)
}

#[derive(Serialize)]
struct Start<'a> {
    event: &'static str,
    wgrad: &'static str,
    devices: &'a [String],
    networks: Vec<String>,
}

#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    #[serde(flatten)]
    measurement: &'a Measurement,
}

/// A device that could not be measured.
#[derive(Serialize)]
struct Unmeasured<'a> {
    event: &'static str,
    device: &'a str,
    problem: String,
}

#[derive(Serialize)]
struct Summary {
    event: &'static str,
    fastest: Vec<Fastest>,
}

/// The fastest device for one network.
#[derive(Serialize)]
struct Fastest {
    network: String,
    device: String,
    /// Time of the second-fastest device divided by the time of the fastest. `None` if only one device was measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Measures every network on every device.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    arguments.tuning.check_readable()?;
    if arguments.suite.is_requested()? {
        return suite::run(arguments, output);
    }
    let workloads = arguments.workloads()?;
    let names = arguments.devices()?;
    let effort = arguments.steps.map_or(Effort::Seconds(arguments.seconds), Effort::Steps);
    if arguments.json {
        let networks = workloads.iter().map(Workload::to_string).collect();
        output.json(&Start { event: "start", wgrad: env!("CARGO_PKG_VERSION"), devices: &names, networks });
    } else {
        output.line(format!("wgrad {}, training on random rows", env!("CARGO_PKG_VERSION")));
    }
    let mut fastest = Vec::new();
    for workload in &workloads {
        if !arguments.json {
            output.line(format!("\n{}\n{}", wrapped("", "  ", &workload.to_string()), Measurement::head()));
        }
        let mut found = Vec::new();
        for name in &names {
            show_current(output, &format!("{}, {name} …", workload.name));
            let result = measure(workload, name, arguments, effort);
            show_current(output, "");
            match result {
                Ok(measurement) => {
                    show(&measurement, arguments.json, output);
                    found.push(measurement);
                }
                // A device that fails is an error only if `--device` names it.
                Err(error) if arguments.device.is_empty() => show_problem(name, &error, arguments.json, output),
                Err(error) => return Err(error),
            }
        }
        if let Some(best) = best(workload, &mut found) {
            if !arguments.json {
                output.line(wrapped("", "  ", &best.to_string()));
            }
            fastest.push(best);
        }
    }
    if arguments.json {
        output.json(&Summary { event: "summary", fastest });
    }
    Ok(())
}

fn show(measurement: &Measurement, json: bool, output: &mut Output) {
    if json {
        output.json(&Event { event: "measurement", measurement });
    } else {
        output.line(measurement.to_string());
    }
}

fn show_problem(device: &str, error: &Error, json: bool, output: &mut Output) {
    let problem = error.to_string();
    if json {
        output.json(&Unmeasured { event: "unmeasured", device, problem });
    } else {
        output.line(wrapped("", "  ", &shown(&format!("{device}: not measured: {problem}"))));
    }
}

/// Shows the current measurement on a terminal, in a line that the next call overwrites.
fn show_current(output: &Output, what: &str) {
    if !output.is_quiet() && std::io::stderr().is_terminal() {
        write!(std::io::stderr(), "\r\x1b[K{}", shown(what)).ok();
    }
}

/// Sorts the measurements by speed. Returns the fastest device and the second-fastest; `None` if there are no
/// measurements.
fn best(workload: &Workload, found: &mut [Measurement]) -> Option<Fastest> {
    found.sort_by(|a, b| a.step_seconds.total_cmp(&b.step_seconds));
    let (first, next) = (found.first()?, found.get(1));
    Some(Fastest {
        network: workload.name.into(),
        device: first.device.clone(),
        factor: next.map(|next| next.step_seconds / first.step_seconds),
        next: next.map(|next| next.device.clone()),
    })
}

impl std::fmt::Display for Fastest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { network, device, .. } = self;
        match (&self.next, self.factor) {
            (Some(next), Some(factor)) => {
                write!(f, "{network}: {device} is fastest, {factor:.1} times as fast as {next}")
            }
            _ => write!(f, "{network}: only {device} was measured"),
        }
    }
}

impl Arguments {
    fn workloads(&self) -> Result<Vec<Workload>> {
        if self.recipe.hidden.is_some() {
            let recipe = self.recipe.for_sizes(self.inputs.unwrap_or(64), self.outputs.unwrap_or(10))?;
            return Ok(vec![Workload::new("this network", recipe)?]);
        }
        self.recipe.check_none_given("bench", "add `--hidden \"128 relu\"`")?;
        Workload::usual()
    }

    /// Returns the device, with the setting of `--fused-step` if it is a GPU.
    fn on(&self, device: Device) -> Result<Device> {
        if device.is_gpu() { self.fused_step.of(device) } else { Ok(device) }
    }

    /// Returns the tile sizes to use on a device; none on the CPU.
    fn tuning_on(&self, device: &Device) -> Result<TuningSource> {
        if device.is_gpu() { self.tuning.choose(device) } else { Ok(TuningSource::BuiltIn) }
    }

    /// Returns the names of the devices to measure. Opens each device that `--device` names, so that an unknown name is
    /// an error before any measurement.
    fn devices(&self) -> Result<Vec<String>> {
        if self.device.is_empty() {
            return Ok(everywhere());
        }
        for name in &self.device {
            name.parse::<Device>()?;
        }
        Ok(self.device.clone())
    }
}

/// Returns the names of all devices: `cpu`, and the index of every GPU adapter.
fn everywhere() -> Vec<String> {
    let names = std::iter::once("cpu".to_string());
    #[cfg(feature = "gpu")]
    // By index, since two GPUs may have the same name.
    let names = names.chain((0..wgrad::exec::gpu::GpuDevice::list().len()).map(|index| index.to_string()));
    names.collect()
}
