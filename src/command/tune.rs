//! `wgrad tune`: autotunes the tile sizes of a network's matrix multiplications on a GPU.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueHint;
use serde::Serialize;
use wgrad::data::{quoted, shown};
use wgrad::specialize::{Machine, Tuning};
use wgrad::tune::{Event, Report, Tune};
use wgrad::{Device, Error, Result};

use super::fused_step::FusedStepOption;
use super::lines::wrapped;
use super::names::names;
use super::numbers::whole_within;
use super::paths::{check_result, on_disk};
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

A GPU multiplies matrices in tiles. Which tile size is fastest depends on the
GPU and on the sizes of the layers. Without autotuning, built-in rules choose.
This command times all tile sizes that the device allows and that give the same
results as the CPU. A tile size replaces that of the rules if it is faster in
two measurements, by more than 3 %. The choices are stored in the cache folder,
usually ~/.cache/wgrad, for this GPU, its driver and this version of wgrad.
`train`, `plan`, `bench` and `verify` then use them for matrix multiplications
of the same sizes, and print that they do. A resumed training run keeps the tile
sizes of its checkpoint. If you stop the command by Ctrl-C, nothing is stored.

A fused step has no separate matrix multiplications to tune. If you train with
--fused-step never, give that option here, too.
";

/// Message if there is no matrix multiplication to tune.
const NOTHING_TO_TUNE: &str = "\
nothing to tune: the device runs this network as a fused step, without separate
  matrix multiplications; `--fused-step never` tunes those of its layers";

/// Options of `wgrad tune`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    subject: Subject,
    /// gpu, or a GPU's number or name
    ///
    /// `wgrad devices` lists the GPUs. A part of the name is enough, in upper or lower case. The environment variable
    /// WGRAD_DEVICE sets another default. `cpu` is an error, since the CPU has no tiles.
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
    /// Time of all measurements, in milliseconds
    ///
    /// Each tile size runs at least three times, so that slow ones can take longer. Compiling and checking take
    /// additional time.
    #[arg(long, value_name = "N", value_parser = milliseconds, default_value = "400", allow_negative_numbers = true)]
    #[arg(help_heading = "Device")]
    milliseconds: u64,
    /// Also writes the tile sizes to FILE
    ///
    /// Name the file with --autotune to use it. With the environment variable WGRAD_PIPELINE_CACHE=off, nothing is
    /// stored, so that this option is required.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    #[arg(value_parser = on_disk())]
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
    /// Time of a step's matrix multiplications with the default tile sizes, in seconds.
    heuristic_seconds: f64,
    /// Time of a step's matrix multiplications with the chosen tile sizes, in seconds.
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

/// Autotunes the tile sizes, and stores them.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let spec = arguments.subject.spec()?;
    if let Some(path) = &arguments.out {
        check_result(path)?;
    }
    let tune = Tune::network(&spec)?.budget(Duration::from_millis(arguments.milliseconds));
    let device = arguments.fused_step.of(Device::named(&arguments.device)?)?;
    arguments.check_storage(&device)?;
    let start =
        Start { event: "start", network: spec.network.to_string(), batch: spec.micro_batch, machine: device.machine() };
    if arguments.json {
        output.json(&start);
    } else {
        output.print(format!("{}, batch size {}, on {device}", start.network, start.batch));
        output.print("");
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
    /// Returns an error if the tile sizes would be lost: no file is named, and the cache is off.
    fn check_storage(&self, device: &Device) -> Result<()> {
        if self.out.is_none() && device.machine().is_some_and(|machine| Tuning::cache_path(&machine).is_none()) {
            let problem = "nothing would be stored, since `WGRAD_PIPELINE_CACHE` is off or there is no folder";
            return Err(Error::conflict("tune", problem, "name a file with `--out`"));
        }
        Ok(())
    }

    fn finish(&self, report: &Report, output: &mut Output) -> Result<()> {
        if let Some(path) = &self.out {
            report.tuning.save(path)?;
        }
        let kept = if report.matmuls.is_empty() { None } else { report.tuning.add_to_cache()? };
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
        if report.matmuls.is_empty() {
            output.line(NOTHING_TO_TUNE);
            return Ok(());
        }
        output.folded(&report.to_string(), SHAPE);
        for (matmul, tile, problem) in report.refused() {
            output.line(wrapped("", "  ", &shown(&format!("refused: {}, {tile}: {problem}", matmul.choice))));
        }
        kept.iter().for_each(|path| output.print(format!("stored for this adapter, driver and version: {path}")));
        out.iter().for_each(|path| output.print(format!("next: wgrad train … --autotune {}", quoted(path))));
        Ok(())
    }
}
