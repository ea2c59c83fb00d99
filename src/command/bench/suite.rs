//! `wgrad bench --suite`: times of single ops and of the steps of several networks on one device, each with its lower
//! bound.

use std::time::{Duration, Instant};

use serde::Serialize;
use wgrad::TrainingSpec;
use wgrad::plan::{Plan, Rates, Section};
use wgrad::{Device, Error, Result};

use super::measure::{Effort, Measurement, measure};
use super::ops::{self, Measured, Settings};
use super::roofline::Roofline;
use super::workload::{SUITE, Workload};
use super::{Arguments, show_current};
use crate::command::lines::wrapped;
use crate::command::names::names;
use crate::command::rates::RateOptions;
use crate::command::report::Output;

/// Time for measuring an op, as a fraction of the time for measuring a network.
const OP_SHARE: f64 = 0.1;

/// Options that set a single network, or its number of steps. They conflict with `--suite`.
const ONE_NETWORK: [&str; 12] = [
    "hidden",
    "init",
    "loss",
    "optimizer",
    "learning_rate",
    "weight_decay",
    "momentum",
    "clip_norm",
    "clip_tensor_norm",
    "clip_value",
    "batch",
    "steps",
];

/// Options of the suite.
#[derive(clap::Args)]
pub struct SuiteOptions {
    /// Measures single ops, and steps of more networks
    ///
    /// For developers of wgrad, to find slow operations (ops); see SUITE below.
    #[arg(long, help_heading = "Suite", conflicts_with_all = ONE_NETWORK)]
    suite: bool,
    /// Networks of --suite: NAME,NAME [default: all]
    ///
    /// Names are moons, digits, mnist, wide, narrow, layer and square. The option can be repeated.
    #[arg(long, value_name = "NAME", value_parser = names::<String>(&SUITE), value_delimiter = ',')]
    #[arg(hide_possible_values = true)]
    #[arg(requires = "suite", help_heading = "Suite")]
    only: Vec<String>,
    /// Measures the ops of --suite with every tile size
    ///
    /// Without --tiles, a matrix multiplication is measured only with the tile size that training uses. The CPU has no
    /// tiles, so there --tiles has no effect.
    #[arg(long, requires = "suite", help_heading = "Suite")]
    tiles: bool,
    #[command(flatten)]
    rates: RateOptions,
}

/// Device and networks of the suite.
#[derive(Serialize)]
struct Start<'a> {
    event: &'static str,
    wgrad: &'static str,
    device: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    driver: Option<String>,
    /// Clock that measures single ops: `gpu`, or `host`, which includes launch overhead.
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

/// Measurement of a network's training steps.
#[derive(Serialize)]
struct StepEvent {
    event: &'static str,
    #[serde(flatten)]
    measurement: Measurement,
    #[serde(flatten)]
    roofline: Roofline,
    /// Dispatches per step.
    dispatches: usize,
    /// Number of serial levels. Dispatches of one level do not depend on each other.
    levels: usize,
    /// Dispatches per submission (several steps sent at once), in addition to the dispatches of its steps.
    dispatches_per_submission: usize,
}

#[derive(Serialize)]
struct Summary {
    event: &'static str,
    ops: usize,
    steps: usize,
    seconds: f64,
}

impl SuiteOptions {
    /// Returns `true` if the suite is asked for.
    ///
    /// # Errors
    /// Returns an error if peak rates are given without `--suite`.
    pub fn is_requested(&self) -> Result<bool> {
        if !self.suite && self.rates.rates() != Rates::default() {
            let problem = "only the suite computes a roofline from rates";
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

/// Runs the suite on the device of `--device`, by default a GPU.
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
    // A GPU with timestamps measures ops by its own clock.
    let (timed, clock) = match device.clone().timed() {
        Ok(timed) if timed.is_gpu() => (timed, "gpu"),
        _ => (device.clone(), "host"),
    };
    let names = workloads.iter().map(|workload| workload.name).collect();
    show_start(&start(&timed, clock, names, rates), json, output);
    let budget = Duration::from_secs_f64(OP_SHARE * seconds);
    let tuning = arguments.tuning_on(&device)?;
    let settings = Settings { budget, tuning: &tuning, tiles: options.tiles, rates };
    // Steps come before ops: measuring ops compiles shaders, which would shorten the time to the first loss.
    let trained: Vec<_> = workloads.iter().filter(|workload| workload.trained).collect();
    for workload in &trained {
        show_current(output, &format!("{}, steps …", workload.name));
        let measurement = measure(workload, name, arguments, Effort::Seconds(seconds))?;
        show_current(output, "");
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

/// Measures and prints each op of the network. Returns the number of ops.
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
        let title = wrapped("", "  ", &workload.to_string());
        output.line(format!("\n{title}\n{}", line(head, &roofline, "op, shapes, tile")));
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
    let tile = op.tile.as_ref().map(|tile| format!(", {tile}{}", if op.chosen { "" } else { " (not used)" }));
    let what = format!("{} {}{}", op.kernel, op.shapes, tile.unwrap_or_default());
    line(cells, &op.roofline.named(|_, cell| cell), &what)
}

fn line([layer, median, best, rate]: [String; 4], roofline: &[String], what: &str) -> String {
    let roofline = roofline.iter().map(|cell| format!(" {cell:>13}")).collect::<String>();
    format!("{layer:>5} {median:>10} {best:>10} {rate:>9}{roofline}\n{}", wrapped("      ", "        ", what))
}

/// Returns the event `step`: the measurement, with the dispatches, serial levels and roofline of the plan.
fn step(workload: &Workload, device: &Device, measurement: Measurement, settings: Settings<'_>) -> Result<StepEvent> {
    let new = TrainingSpec::new(workload.network.clone(), workload.loss, workload.optimizer, workload.batch);
    let plan = Plan::for_training(&TrainingSpec { data_rows: Some(workload.batch.saturating_mul(8)), ..new })?;
    let plan = device.specialize(settings.tuning.apply(plan, device)?.0)?;
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
        dispatches_per_submission: count([Section::Window, Section::Report]),
    })
}

fn show_step(workload: &Workload, step: &StepEvent, json: bool, output: &mut Output) {
    if json {
        return output.json(step);
    }
    let title = wrapped("", "  ", &workload.to_string());
    output.line(format!("\n{title}\n{}\n{}", Measurement::head(), step.measurement));
    let roofline = step.roofline.named(|name, cell| format!("; {name} {cell}")).concat();
    let StepEvent { dispatches, levels, dispatches_per_submission, .. } = step;
    let text = format!(
        "per step: {dispatches} dispatches in {levels} serial levels{roofline}; per submission: \
         {dispatches_per_submission} more"
    );
    output.line(wrapped("", "  ", &text));
}
