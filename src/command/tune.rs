//! `wgrad tune`: autotunes the tile sizes of a network's matrix multiplications on a GPU.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueHint;
use serde::Serialize;
use wgrad::data::{quoted, shown};
use wgrad::model::check_replaceable;
use wgrad::specialize::Machine;
use wgrad::tune::{Event, Report, Tune};
use wgrad::{Device, Error, Result};

use super::fused_step::FusedStepOption;
use super::lines::wrapped;
use super::names::names;
use super::numbers::whole_within;
use super::progress::bar;
use super::report::Output;
use super::subject::Subject;
use super::verify::{SHAPE, TEMPLATE};

const EXAMPLES: &str = "\
EXAMPLES
  wgrad tune digits
  wgrad tune --inputs 784 --outputs 10 --hidden \"512 relu 256 relu\" --batch 128
  wgrad tune digits --device radeon --out tuned.json
  wgrad train digits --autotune tuned.json
  wgrad train digits --autotune none

Without autotuning, rules choose the tile sizes from shapes and limits. Here
all tile sizes that the device allows are timed, if their results are those of
the CPU. The fastest are stored beside the compiled shaders, for this adapter,
driver and version: `train`, `plan`, `bench` and `verify` then use them, and
print that they do. A checkpoint has its own tile sizes, and training resumes
with them. Ctrl-C changes nothing. A fused step has no matrix multiplications
of its own: `--fused-step never` tunes for trainings with that option.
";

/// Network, device and time of an autotuning.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    subject: Subject,
    /// gpu, or a GPU's number or name
    ///
    /// `wgrad devices` lists the GPUs. A part of a name will do. The environment variable WGRAD_DEVICE sets it, too.
    #[arg(
        long,
        value_name = "NAME",
        env = "WGRAD_DEVICE",
        hide_env = true,
        default_value = "gpu",
        help_heading = "Device"
    )]
    #[arg(value_parser = names::<String>(&Device::NAMES), hide_possible_values = true)]
    device: String,
    #[command(flatten)]
    fused_step: FusedStepOption,
    /// Time to measure for, in all
    ///
    /// Compiling and checking come on top. Each tile size runs at least three times.
    #[arg(long, value_name = "N", value_parser = milliseconds, default_value = "400", allow_negative_numbers = true)]
    #[arg(help_heading = "Device")]
    milliseconds: u64,
    /// Writes the tile sizes to a file, too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    out: Option<PathBuf>,
    /// Prints JSON, one object per line: start, matmul …, summary
    #[arg(long, help_heading = "Output")]
    json: bool,
}

fn milliseconds(text: &str) -> std::result::Result<u64, String> {
    whole_within(text, 1..=3_600_000)
}

#[derive(Serialize)]
struct Start {
    event: &'static str,
    network: String,
    batch: usize,
    machine: Option<Machine>,
}

#[derive(Serialize)]
struct Summary {
    event: &'static str,
    /// Seconds of a step's matrix multiplications with the heuristic's tile sizes.
    heuristic_seconds: f64,
    /// Seconds with the chosen tile sizes.
    chosen_seconds: f64,
    matmuls: usize,
    changed: usize,
    device_clock: bool,
    /// File in which the tile sizes are stored for this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<String>,
}

/// Autotunes, and stores the result.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let spec = arguments.subject.spec()?;
    if let Some(path) = &arguments.out {
        check_replaceable(path)?;
    }
    let tune = Tune::network(&spec)?.budget(Duration::from_millis(arguments.milliseconds));
    let device = arguments.fused_step.of(Device::named(&arguments.device)?)?;
    let start =
        Start { event: "start", network: spec.network.to_string(), batch: spec.micro_batch, machine: device.machine() };
    if arguments.json {
        output.json(&start);
    } else {
        output.tell(format!("{}, batch size {}, on {device}", start.network, start.batch));
        output.tell("");
    }
    let bar = bar(TEMPLATE, 0, output);
    let report = tune.run(&device, |event| match (event, &bar) {
        (Event::Progress { what, done, total }, Some(bar)) => {
            bar.set_length(*total as u64);
            bar.set_position(*done as u64);
            bar.set_message(what.clone());
        }
        (Event::Matmul(_), _) if arguments.json => output.json(event),
        _ => {}
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    arguments.finish(&report?, output)
}

impl Arguments {
    fn finish(&self, report: &Report, output: &mut Output) -> Result<()> {
        if let Some(path) = &self.out {
            report.tuning.save(path)?;
        }
        let kept = report.tuning.keep()?;
        if kept.is_none() && self.out.is_none() {
            let problem = "nothing is stored, since `WGRAD_PIPELINE_CACHE` is off or there is no folder";
            return Err(Error::conflict("tune", problem, "name a file with `--out`"));
        }
        let [kept, out] = [&kept, &self.out].map(|path| path.as_ref().map(|path| path.display().to_string()));
        if self.json {
            let [heuristic_seconds, chosen_seconds] = report.secs();
            let (matmuls, changed) = (report.matmuls.len(), report.changed());
            let device_clock = report.device_clock;
            let event = "summary";
            output.json(&Summary {
                event,
                heuristic_seconds,
                chosen_seconds,
                matmuls,
                changed,
                device_clock,
                kept,
                out,
            });
            return Ok(());
        }
        output.folded(&report.to_string(), SHAPE);
        for (matmul, tile, problem) in report.refused() {
            output.line(wrapped("", "  ", &shown(&format!("refused: {}, {tile}: {problem}", matmul.choice))));
        }
        kept.iter().for_each(|path| output.tell(format!("stored for this adapter, driver and version: {path}")));
        out.iter().for_each(|path| output.tell(format!("next: wgrad train … --autotune {}", quoted(path))));
        Ok(())
    }
}
