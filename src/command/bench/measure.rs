//! Times of training a network on a device.

use std::fmt;
use std::time::Instant;

use serde::Serialize;
use wgrad::exec::Counters;
use wgrad::trainer::Labels;
use wgrad::{Dataset, Result, Targets, Trainer};

use super::Arguments;
use super::workload::Workload;
use crate::command::lines::wrapped;

/// Number of repetitions of a measurement; their spread shows how reliable it is.
const REPETITIONS: usize = 9;

/// Smallest number of repetitions of a measurement. Quartiles need at least four.
const FEWEST: usize = 4;

/// Number of submissions (groups of steps that are sent to the device at once) that fill the device's queue. Once it is
/// full, the host waits for the device, so that a repetition takes as long as its steps.
const IN_FLIGHT: usize = 3;

/// Amount of work to measure.
#[derive(Clone, Copy)]
pub enum Effort {
    /// Time in seconds: of all repetitions in [`measure`], of a single one in [`repeat`].
    Seconds(f64),
    /// Number of steps of each repetition.
    Steps(usize),
}

/// Times of one network on one device.
#[derive(Serialize)]
pub struct Measurement {
    pub network: &'static str,
    pub device: String,
    /// Number of matrix multiplications whose tile sizes come from a tuning file.
    pub tuned: usize,
    /// Time from opening the device to the loss of the first step.
    pub first_seconds: f64,
    /// Time per step: median of the repetitions.
    pub step_seconds: f64,
    /// Quartiles of the time per step.
    pub quartiles_seconds: [f64; 2],
    pub repetitions: usize,
    /// Steps of all repetitions.
    pub steps: usize,
    pub steps_per_submission: f64,
    pub samples_per_second: f64,
    pub gflop_per_second: f64,
    /// Bytes copied between host and device per step, in both directions; `None` on the CPU, which copies nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_bytes_per_step: Option<f64>,
}

/// Time, steps and submissions of one repetition.
struct Repetition {
    seconds: f64,
    steps: usize,
    submissions: usize,
}

/// Opens the device called `device`, trains the network on it, and returns the times.
pub fn measure(workload: &Workload, device: &str, arguments: &Arguments, effort: Effort) -> Result<Measurement> {
    let data = workload.data()?;
    let began = Instant::now();
    let device = arguments.on(device.parse()?)?;
    let builder = Trainer::builder(workload.network.clone()).loss(workload.loss).optimizer(workload.optimizer);
    let builder = workload.clipping.builder(builder).batch(workload.batch);
    let mut trainer = arguments.tuning_on(&device)?.train(builder).build(&device)?;
    first_step(&mut trainer, &data, workload.batch)?;
    let first_seconds = began.elapsed().as_secs_f64();
    trainer.load(&data)?;
    // The first steps are not measured, since they are slower: shaders are compiled, caches are cold, and clock rates
    // are low. In a long training run, that hardly matters.
    let (warm_up, each) = match effort {
        Effort::Seconds(seconds) => (0.2 * seconds, Effort::Seconds(0.8 * seconds / REPETITIONS as f64)),
        steps => (0.0, steps),
    };
    for _ in 0..IN_FLIGHT {
        repeat(&mut trainer, Effort::Seconds(warm_up / IN_FLIGHT as f64))?;
    }
    let before = host_bytes(&trainer);
    let mut repetitions = repetitions(&mut trainer, each)?;
    let host_bytes = host_bytes(&trainer) - before;
    repetitions.sort_by(|a, b| a.step().total_cmp(&b.step()));
    let count = repetitions.len();
    let [quarter, median, three_quarters] = [1, 2, 3].map(|quarter| repetitions[count * quarter / 4].step());
    let sum = |count: fn(&Repetition) -> usize| repetitions.iter().map(count).sum::<usize>();
    let (steps, submissions) = (sum(|r| r.steps), sum(|r| r.submissions));
    Ok(Measurement {
        network: workload.name,
        device: device.to_string(),
        tuned: trainer.tuned()?.tuned,
        first_seconds,
        step_seconds: median,
        quartiles_seconds: [quarter, three_quarters],
        repetitions: count,
        steps,
        steps_per_submission: steps as f64 / submissions as f64,
        samples_per_second: workload.batch as f64 / median,
        gflop_per_second: workload.flops as f64 / median / 1e9,
        host_bytes_per_step: (host_bytes > 0).then(|| host_bytes as f64 / steps as f64),
    })
}

fn host_bytes(trainer: &Trainer) -> u64 {
    let Counters { uploaded_bytes, downloaded_bytes, .. } = trainer.counters();
    uploaded_bytes + downloaded_bytes
}

fn first_step(trainer: &mut Trainer, data: &Dataset, batch: usize) -> Result<()> {
    let input = &data.input()[..batch * data.inputs()];
    let numbers: Vec<f32>;
    let targets = match data.targets() {
        Targets::Classes { indices, .. } => Labels::Classes(&indices[..batch]),
        Targets::Numbers { values, columns } => {
            numbers = values[..batch * columns.len()].iter().map(|value| *value as f32).collect();
            Labels::Numbers(&numbers)
        }
    };
    trainer.step(input, targets)?.value().map(drop)
}

/// Runs [`REPETITIONS`] repetitions. If slow submissions make them take twice the time of `effort`, it stops early, but
/// not before [`FEWEST`] repetitions.
fn repetitions(trainer: &mut Trainer, effort: Effort) -> Result<Vec<Repetition>> {
    let mut repetitions: Vec<Repetition> = Vec::new();
    while repetitions.len() < REPETITIONS {
        repetitions.push(repeat(trainer, effort)?);
        let spent: f64 = repetitions.iter().map(|repetition| repetition.seconds).sum();
        let enough = matches!(effort, Effort::Seconds(each) if spent > 2.0 * each * REPETITIONS as f64);
        if enough && repetitions.len() >= FEWEST {
            break;
        }
    }
    Ok(repetitions)
}

/// Runs one repetition: whole submissions, at least one, until the time has passed or the steps are done.
fn repeat(trainer: &mut Trainer, effort: Effort) -> Result<Repetition> {
    let (began, first) = (Instant::now(), trainer.steps());
    let mut done = Repetition { seconds: 0.0, steps: 0, submissions: 0 };
    loop {
        trainer.advance()?;
        done.steps = (trainer.steps() - first) as usize;
        done.submissions += 1;
        done.seconds = began.elapsed().as_secs_f64();
        let enough = match effort {
            Effort::Seconds(seconds) => done.seconds >= seconds,
            Effort::Steps(steps) => done.steps >= steps,
        };
        if enough {
            return Ok(done);
        }
    }
}

impl Repetition {
    fn step(&self) -> f64 {
        self.seconds / self.steps as f64
    }
}

impl Measurement {
    /// Returns the header line of the table.
    pub fn head() -> String {
        line(["first", "step", "quartiles", "samples/s", "GFLOP/s"].map(String::from), "device")
    }
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [low, high] = self.quartiles_seconds.map(time);
        let figures = [
            time(self.first_seconds),
            time(self.step_seconds),
            format!("{low} – {high}"),
            format!("{:.0}", self.samples_per_second),
            format!("{:.3}", self.gflop_per_second),
        ];
        let tuned = if self.tuned > 0 { format!(", {} tuned", self.tuned) } else { String::new() };
        f.write_str(&line(figures, &format!("{}{tuned}", self.device)))
    }
}

fn line([first, step, quartiles, samples, flops]: [String; 5], device: &str) -> String {
    let figures = format!("{first:>9} {step:>9} {quartiles:>21} {samples:>9} {flops:>8}  ");
    wrapped(&figures, &" ".repeat(figures.chars().count()), device)
}

/// Formats a time: `1.23 ms`.
fn time(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", 1e3 * s),
        s => format!("{:.1} µs", 1e6 * s),
    }
}
