//! `wgrad bench --suite`: one device, measured whole: single ops, and steps of networks of all kinds, each beside what the
//! device could do at best.

use std::time::{Duration, Instant};

use serde::Serialize;
use wgrad::fuse::fuse;
use wgrad::lower::{TrainingSpec, lower};
use wgrad::plan::{Plan, Rates, Section};
use wgrad::{Device, Error, Result};

use super::measure::{Effort, Measurement, measure};
use super::ops::{self, Measured, Settings};
use super::roofline::Roofline;
use super::workload::{SUITE, Workload};
use super::{Arguments, tell};
use crate::command::names::names;
use crate::command::rates::RateOptions;
use crate::command::report::Output;

/// The part of a network's time that one of its ops is measured for.
const OP_SHARE: f64 = 0.1;

/// Options of the suite.
#[derive(clap::Args)]
pub struct SuiteOptions {
    /// Measures one device whole: single ops and steps of many networks, beside what it could do at best
    #[arg(long, help_heading = "Suite", conflicts_with_all = ["network", "loss", "optimizer", "learning_rate", "batch", "steps"])]
    suite: bool,
    /// Only this network; may be given again, or several with commas
    #[arg(long, value_name = "NAME", value_parser = names::<String>(&SUITE), value_delimiter = ',')]
    #[arg(requires = "suite", help_heading = "Suite")]
    only: Vec<String>,
    /// Measures products in all ways to cut them, not only in the one that is taken
    #[arg(long, requires = "suite", help_heading = "Suite")]
    tiles: bool,
    #[command(flatten)]
    rates: RateOptions,
}

/// What is measured, and where.
#[derive(Serialize)]
struct Start<'a> {
    event: &'static str,
    wgrad: &'static str,
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    /// What single ops are timed by: `gpu`, or `host`, which has the handing over in it.
    clock: &'static str,
    networks: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peak_gflops: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bandwidth_gbs: Option<f64>,
}

#[derive(Serialize)]
struct OpEvent<'a> {
    event: &'static str,
    #[serde(flatten)]
    op: &'a Measured,
}

/// A network's fused steps.
#[derive(Serialize)]
struct StepEvent {
    event: &'static str,
    #[serde(flatten)]
    measurement: Measurement,
    #[serde(flatten)]
    roofline: Roofline,
    /// Of a step.
    dispatches: usize,
    /// How many of them wait for one another.
    levels: usize,
    /// Dispatches of a submission besides those of its steps.
    dispatches_a_submission: usize,
}

#[derive(Serialize)]
struct Summary {
    event: &'static str,
    ops: usize,
    steps: usize,
    seconds: f64,
}

impl SuiteOptions {
    /// Whether the suite is asked for.
    ///
    /// # Errors
    /// Rates without it: there is nothing to compare them with.
    pub fn asked(&self) -> Result<bool> {
        if !self.suite && self.rates.rates() != Rates::default() {
            let problem = "only the suite has roofline to compute from rates";
            return Err(Error::conflict("`--peak-gflops`, `--bandwidth-gbs`", problem, "add `--suite`"));
        }
        Ok(self.suite)
    }

    fn workloads(&self) -> Result<Vec<Workload>> {
        if let Some(name) = self.only.iter().find(|name| !SUITE.contains(&name.as_str())) {
            return Err(Error::unknown("network", name, &SUITE));
        }
        let wanted = |name: &&str| self.only.is_empty() || self.only.iter().any(|only| only == name);
        SUITE.into_iter().filter(wanted).map(Workload::named).collect()
    }
}

/// Measures the device that is named, a GPU where none is.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let Arguments { suite: options, seconds, json, .. } = arguments;
    let (seconds, json) = (*seconds, *json);
    let name = match &arguments.device[..] {
        [] => "gpu",
        [name] => name,
        _ => return Err(Error::conflict("bench --suite", "it measures one device", "give one `--device`")),
    };
    let (began, workloads, rates) = (Instant::now(), options.workloads()?, options.rates.rates());
    let device = arguments.on(Device::named(name)?)?;
    // Only a GPU has a clock of its own, and not every one.
    let (timed, clock) = match device.clone().timed() {
        Ok(timed) if timed.is_gpu() => (timed, "gpu"),
        _ => (device.clone(), "host"),
    };
    let names = workloads.iter().map(|workload| workload.name).collect();
    show_start(&start(&timed, clock, names, rates), json, output);
    let budget = Duration::from_secs_f64(OP_SHARE * seconds);
    let tuning = arguments.tuning_on(&device)?;
    let settings = Settings { budget, tuning: &tuning, tiles: options.tiles, rates };
    // Steps first: later on, shaders would be compiled, and their first loss sooner there.
    let trained: Vec<_> = workloads.iter().filter(|workload| workload.trained).collect();
    for workload in &trained {
        tell(output, &format!("{}, steps …", workload.name));
        let measurement = measure(workload, name, arguments, Effort::Seconds(seconds))?;
        tell(output, "");
        show_step(workload, &step(workload, &device, measurement, settings)?, json, output);
    }
    let mut ops = 0;
    for workload in &workloads {
        ops += measure_ops(workload, &timed, settings, json, output)?;
    }
    if json {
        output.json(&Summary { event: "summary", ops, steps: trained.len(), seconds: began.elapsed().as_secs_f64() });
    }
    Ok(())
}

fn start<'a>(device: &Device, clock: &'static str, networks: Vec<&'a str>, rates: Rates) -> Start<'a> {
    #[cfg(feature = "gpu")]
    let driver = device.as_gpu().map(|gpu| gpu.adapter().driver.clone());
    #[cfg(not(feature = "gpu"))]
    let driver = None;
    let [peak_gflops, bandwidth_gbs] = [rates.flops, rates.bytes].map(|rate| rate.map(|rate| rate / 1e9));
    let (event, wgrad, device) = ("start", env!("CARGO_PKG_VERSION"), device.to_string());
    Start { event, wgrad, device, driver, clock, networks, peak_gflops, bandwidth_gbs }
}

fn show_start(start: &Start<'_>, json: bool, output: &mut Output) {
    if json {
        return output.json(start);
    }
    output.line(format!("wgrad {} on {}", start.wgrad, start.device));
    if let Some(driver) = &start.driver {
        output.line(format!("driver {driver}"));
    }
    output.line(format!("ops by the {}'s clock", if start.clock == "gpu" { "GPU" } else { "host" }));
}

/// Shows each op of the network; returns how many there were.
fn measure_ops(
    workload: &Workload,
    device: &Device,
    settings: Settings<'_>,
    json: bool,
    output: &mut Output,
) -> Result<usize> {
    if !json {
        let roofline = Roofline::new(Default::default(), settings.rates, 1.0).named(|name, _| name.into());
        let head = ["layer", "µs", "best µs", "GFLOP/s"].map(String::from);
        output.line(format!("\n{workload}\n{}", line(head, &roofline, "op, shapes, and how it is cut")));
    }
    let mut count = 0;
    ops::measure(workload, device, settings, |op| {
        count += 1;
        if json {
            output.json(&OpEvent { event: "op", op });
        } else {
            output.line(row(op));
        }
    })?;
    Ok(count)
}

fn row(op: &Measured) -> String {
    let cells = [
        op.layer.map_or_else(|| "-".into(), |layer| layer.to_string()),
        format!("{:.2}", 1e6 * op.seconds),
        format!("{:.2}", 1e6 * op.best_seconds),
        format!("{:.2}", op.gflop_per_second),
    ];
    let tile = op.tile.as_ref().map(|tile| format!(", {tile}{}", if op.chosen { "" } else { " (not taken)" }));
    let what = format!("{} {}{}", op.kernel, op.shapes, tile.unwrap_or_default());
    line(cells, &op.roofline.named(|_, cell| cell), &what)
}

fn line([layer, median, best, rate]: [String; 4], roofline: &[String], what: &str) -> String {
    let roofline = roofline.iter().map(|cell| format!(" {cell:>13}")).collect::<String>();
    format!("{layer:>5} {median:>12} {best:>12} {rate:>10}{roofline}  {what}")
}

/// A measurement of steps with what the device's plan says of one.
fn step(workload: &Workload, device: &Device, measurement: Measurement, settings: Settings<'_>) -> Result<StepEvent> {
    let new = TrainingSpec::new(workload.network.clone(), workload.loss, workload.optimizer, workload.batch);
    let plan = fuse(&lower(&TrainingSpec { data_rows: Some(workload.batch.saturating_mul(8)), ..new })?)?;
    let plan = device.specialize(settings.tuning.cut(plan, device)?.0)?;
    let count = |sections: [Section; 2]| sections.map(|section| plan.ops(section).len()).iter().sum();
    let of_step = [Section::Gradients, Section::Update];
    let deepest = |plan: &Plan, section| plan.levels(section).into_iter().max().unwrap_or(0);
    Ok(StepEvent {
        event: "step",
        roofline: Roofline::new(
            of_step.map(|section| plan.section_work(section)).into_iter().sum(),
            settings.rates,
            measurement.step_seconds,
        ),
        measurement,
        dispatches: count(of_step),
        levels: of_step.map(|section| deepest(&plan, section)).iter().sum(),
        dispatches_a_submission: count([Section::Window, Section::Report]),
    })
}

fn show_step(workload: &Workload, step: &StepEvent, json: bool, output: &mut Output) {
    if json {
        return output.json(step);
    }
    output.line(format!("\n{workload}\n{}\n{}", Measurement::head(), step.measurement));
    let roofline = step.roofline.named(|name, cell| format!("; {name} {cell}")).concat();
    let StepEvent { dispatches, levels, dispatches_a_submission, .. } = step;
    output.line(format!(
        "a step: {dispatches} dispatches in {levels} serial levels, and {dispatches_a_submission} a submission{roofline}"
    ));
}
