//! `wgrad tune`: which tile suits each product of a network on this GPU?

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueHint;
use serde::Serialize;
use wgrad::data::shown;
use wgrad::model::check_replaceable;
use wgrad::specialize::Machine;
use wgrad::tune::{Event, Report, Tune};
use wgrad::{Device, Error, Result};

use super::fused_step::FusedStepOption;
use super::names::names;
use super::progress::bar;
use super::report::Output;
use super::subject::Subject;
use super::verify::TEMPLATE;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad tune digits
  wgrad tune --inputs 784 --outputs 10 --network \"512 relu 256 relu\" --batch 128
  wgrad tune digits --device radeon --out tuned.json
  wgrad train digits --tuning tuned.json
  wgrad train digits --tuning none

Without it, rules choose how a GPU's products are cut, from shapes and limits.
Here each way that the device allows is run and timed, once it has computed the
same numbers as the CPU. Winners are kept beside the compiled shaders, for this
adapter, driver and version: `train`, `plan`, `bench` and `verify` then take
them, and say so. A checkpoint has the tiles that it was made with, and goes on
with them, whatever was tuned since. Ctrl-C leaves all as it was. A narrow
network's step may be one op, without products: `--fused-step never` tunes for
trainings that say so, too.
";

/// What to tune for, where, and for how long.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    subject: Subject,
    /// gpu, or a GPU's number or part of its name, as `wgrad devices` lists them
    #[arg(long, value_name = "NAME", env = "WGRAD_DEVICE", default_value = "gpu", help_heading = "Device")]
    #[arg(value_parser = names::<String>(&Device::NAMES), hide_possible_values = true)]
    device: String,
    #[command(flatten)]
    fused_step: FusedStepOption,
    /// Time to measure in, in all; compiling and checking come on top, and three runs of each way are made in any case
    #[arg(long, value_name = "N", value_parser = milliseconds, default_value = "400", allow_negative_numbers = true)]
    milliseconds: u64,
    /// Writes this network's tiles to a file, too
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    out: Option<PathBuf>,
    /// One JSON object a line: start, product …, summary
    #[arg(long, help_heading = "Output")]
    json: bool,
}

fn milliseconds(text: &str) -> std::result::Result<u64, String> {
    let number = text.parse().ok().filter(|number| (1..=3_600_000).contains(number));
    number.ok_or_else(|| "it must be a whole number from 1 to 3600000".into())
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
    /// Seconds of all products of a step by the heuristic's tiles…
    heuristic_seconds: f64,
    /// …and by the chosen ones.
    chosen_seconds: f64,
    matmuls: usize,
    changed: usize,
    device_clock: bool,
    /// Where the tiles are kept for this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    out: Option<String>,
}

/// Tunes, and writes what came of it.
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
        output.tell(format!("{}, batches of {}, on {device}\n", start.network, start.batch));
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
            let problem = "nothing is kept on disk, as `WGRAD_PIPELINE_CACHE` says, or for want of a folder";
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
        output.text(&report.to_string());
        for (matmul, tile, problem) in report.refused() {
            output.line(format!("refused: {}, {tile}: {problem}", matmul.choice));
        }
        kept.iter().for_each(|path| output.tell(format!("kept for this adapter, driver and version: {}", shown(path))));
        out.iter().for_each(|path| output.tell(format!("next: wgrad train … --tuning {}", wgrad::data::quoted(path))));
        Ok(())
    }
}
