//! `wgrad bench`: which device trains this network fastest, and by how much?

mod measure;
mod ops;
mod roofline;
mod suite;
mod workload;

use std::io::{IsTerminal, Write};

use serde::Serialize;
use wgrad::data::shown;
use wgrad::{Device, Error, Result};

use super::count;
use super::fused_step::FusedStepOption;
use super::names::names;
use super::recipe::Options;
use super::report::Output;
use super::tuning::{Chosen, TuningOptions};
use measure::{Effort, Measurement, measure};
use workload::Workload;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad bench                  three networks, on the CPU and on every adapter
  wgrad bench --network \"512 relu 256 relu\" --inputs 784 --batch 128
  wgrad bench --network \"512 relu\" --device cpu --device gpu --json
  wgrad bench --suite          one device whole, the GPU if nothing is said
  wgrad bench --suite --only layer,square --tiles
  wgrad bench --suite --peak-gflops 20000 --bandwidth-gbs 500

PRINTED
  first     from opening the device to the first step's loss: what a short
            training pays for
  step      median time of a step, and the quartiles of all repetitions
  GFLOP/s   from the plan's operations, a multiplication and an addition counted
            as two

SUITE
  Steps of moons, digits, mnist, wide and narrow, and each op of theirs, of a
  layer of 1024 in batches of 512, and of one of 4096 in batches of 4096, alone:
  so often in one submission that handing it over costs nothing, by the GPU's
  own clock where it has one. With the device's two rates, which nobody but you
  can know, each time stands beside the least that it could be. --json gives
  start, step …, op …, summary. An op is measured for a tenth of --seconds.

Times are of training as `wgrad train` does it, on random rows: steps in
submissions, their losses read. Nothing else should run meanwhile.
";

/// What to measure, where, and for how long.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    recipe: Options,
    /// Input columns of the network [default: 64]
    #[arg(long, value_name = "N", value_parser = count, requires = "network", allow_negative_numbers = true)]
    #[arg(help_heading = "Network")]
    inputs: Option<usize>,
    /// Outputs of the network [default: 10]
    #[arg(long, value_name = "N", value_parser = count, requires = "network", allow_negative_numbers = true)]
    #[arg(help_heading = "Network")]
    outputs: Option<usize>,
    /// auto, cpu, reference, gpu or a part of a GPU's name; may be given again [default: the CPU and all adapters]
    #[arg(long, value_name = "NAME", value_parser = names::<String>(&Device::NAMES), hide_possible_values = true)]
    #[arg(help_heading = "Device")]
    device: Vec<String>,
    /// Time for each network on each device
    #[arg(long, value_name = "X", value_parser = seconds, default_value = "2")]
    seconds: f64,
    /// Steps of a repetition, instead of what fits the time; whole submissions are run
    #[arg(long, value_name = "N", value_parser = count, conflicts_with = "seconds", allow_negative_numbers = true)]
    steps: Option<usize>,
    /// One JSON object a line: start, measurement …, summary
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
    let number = text.parse().ok().filter(|seconds: &f64| (0.01..=3600.0).contains(seconds));
    number.ok_or_else(|| "it must be a number from 0.01 to 3600".into())
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
    /// How many times as long the next best takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    factor: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// Measures every network on every device.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    if arguments.suite.asked()? {
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
            output.line(format!("\n{workload}\n{}", Measurement::head()));
        }
        let mut found = Vec::new();
        for name in &names {
            tell(output, &format!("{}, {name} …", workload.name));
            let result = measure(workload, name, arguments, effort);
            tell(output, "");
            match result {
                Ok(measurement) => {
                    show(&measurement, arguments.json, output);
                    found.push(measurement);
                }
                // Of the adapters that nobody asked for, one that cannot do it is news and no error.
                Err(error) if arguments.device.is_empty() => show_problem(name, &error, arguments.json, output),
                Err(error) => return Err(error),
            }
        }
        if let Some(best) = best(workload, &mut found) {
            if !arguments.json {
                output.line(best.to_string());
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
        output.line(format!("{device}: not measured: {problem}"));
    }
}

/// What is under way, on a line of its own that the next one replaces; only for people who wait at a terminal.
fn tell(output: &Output, what: &str) {
    if !output.is_quiet() && std::io::stderr().is_terminal() {
        write!(std::io::stderr(), "\r\x1b[K{}", shown(what)).ok();
    }
}

/// The fastest of the devices, and how far the next one is behind.
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
        let Options { network, loss, optimizer, learning_rate, batch } = &self.recipe;
        if network.is_some() {
            let recipe = self.recipe.for_sizes(self.inputs.unwrap_or(64), self.outputs.unwrap_or(10))?;
            return Ok(vec![Workload::new("this network", recipe)?]);
        }
        if loss.is_some() || optimizer.is_some() || learning_rate.is_some() || batch.is_some() {
            let problem = "loss, optimizer, learning rate and batch are those of one network, but none is given";
            return Err(Error::conflict("bench", problem, "add `--network \"128 relu\"`"));
        }
        Workload::usual()
    }

    /// A device with steps as they are wanted of GPUs.
    fn on(&self, device: Device) -> Result<Device> {
        if device.is_gpu() { self.fused_step.of(device) } else { Ok(device) }
    }

    /// How its products are cut: options that are for GPUs say nothing of the CPU beside them.
    fn tuning_on(&self, device: &Device) -> Result<Chosen> {
        if device.is_gpu() { self.tuning.choose(device) } else { Ok(Chosen::Nothing) }
    }

    /// Names of the devices to measure, which can all be opened if they were asked for.
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

/// The CPU and every adapter.
fn everywhere() -> Vec<String> {
    let names = std::iter::once("cpu".to_string());
    #[cfg(feature = "gpu")]
    // By number, since names need not be different.
    let names = names.chain((0..wgrad::exec::gpu::GpuDevice::list().len()).map(|index| index.to_string()));
    names.collect()
}
