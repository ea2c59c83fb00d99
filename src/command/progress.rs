//! Progress of training: a bar on a terminal, otherwise a line per epoch.

use std::collections::{BTreeSet, VecDeque};
use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use wgrad::data::{columns, counted, shown};
use wgrad::trainer::{Finding, Restored};
use wgrad::{Epoch, Evaluation, History, Progress};

use super::lines::{WIDTH, sparkline, wrapped};
use super::report::{Output, number, score};
use super::train::networks::Member;

const TEMPLATE: &str = "{bar:14} {eta:>4}  {wide_msg}";

/// Number of epochs that are printed after training on a terminal. The best epoch is always printed, too.
const EPOCH_LINES: usize = 10;

/// Width of the sparkline, in columns.
const SPARKLINE: usize = 48;

/// Time over which samples per second are averaged.
const WINDOW: Duration = Duration::from_secs(3);

/// Reports epochs as a bar, as lines or as JSON.
pub struct Reporter<'a> {
    output: &'a mut Output,
    bar: Option<ProgressBar>,
    json: bool,
    /// Number of the network, if there are several.
    network: Option<usize>,
    epochs: usize,
    /// Number of rows per epoch, and per step (`batch_size`).
    rows: usize,
    batch_size: usize,
    throughput: Throughput,
    /// Text with the results of the last epoch.
    message: String,
    resumed: Option<Resumption>,
}

/// Continuation of a run from a checkpoint.
#[derive(Clone)]
pub struct Resumption {
    /// Number of steps before the checkpoint.
    pub step: u64,
    /// Settings that have changed since, with both values.
    pub changed: Vec<String>,
}

/// Throughput in rows per second over the last [`WINDOW`]. Each entry has a time, and the number of rows done until
/// then.
struct Throughput(VecDeque<(Instant, u64)>);

#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<usize>,
    epochs: usize,
    #[serde(flatten)]
    epoch: &'a Epoch,
    samples_per_second: f64,
}

#[derive(Serialize)]
struct Resumed<'a> {
    event: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<usize>,
    step: u64,
    epochs: usize,
    /// Number of matrix multiplications whose tile sizes were changed to those in the checkpoint.
    #[serde(skip_serializing_if = "is_zero")]
    restored_tiles: usize,
    /// Problems of damaged checkpoints that were skipped, all newer than the one used.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    skipped_checkpoints: &'a [String],
    /// Reasons why the bits may differ from those of an uninterrupted training run.
    differences: &'a [String],
    /// Settings that have changed.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    changed: &'a [String],
}

#[derive(Serialize)]
struct NewRun<'a> {
    event: &'static str,
    /// Checkpoint folders of other training runs, each with one setting that differs.
    other_checkpoints: &'a [String],
}

#[derive(Serialize)]
struct Found<'a> {
    event: &'static str,
    epoch: usize,
    #[serde(flatten)]
    finding: &'a Finding,
    remedy: &'static str,
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Returns a progress bar without colors; `None` if output is quiet, or standard error is not a terminal.
pub fn bar(template: &str, length: u64, output: &Output) -> Option<ProgressBar> {
    let style = ProgressStyle::with_template(template).ok()?;
    has_bar(output).then(|| ProgressBar::new(length).with_style(style))
}

fn has_bar(output: &Output) -> bool {
    !output.is_quiet() && std::io::stderr().is_terminal()
}

impl Throughput {
    fn new(now: Instant) -> Self {
        Self([(now, 0)].into())
    }

    /// Records that `rows` rows are done at the time `now`, counted from the start of training.
    fn add(&mut self, now: Instant, rows: u64) {
        self.0.push_back((now, rows));
        // Drops old entries, except the newest one that is at least as old as the window.
        while self.0.len() > 2 && now.duration_since(self.0[1].0) >= WINDOW {
            self.0.pop_front();
        }
    }

    /// Restarts the measurement, with `rows` rows done so far.
    fn restart(&mut self, now: Instant, rows: u64) {
        self.0 = [(now, rows)].into();
    }

    fn rows_per_second(&self) -> f64 {
        let (Some((from, before)), Some((to, after))) = (self.0.front(), self.0.back()) else { return 0.0 };
        let seconds = to.duration_since(*from).as_secs_f64();
        if seconds > 0.0 { after.saturating_sub(*before) as f64 / seconds } else { 0.0 }
    }
}

impl<'a> Reporter<'a> {
    /// Creates a reporter for `epochs` epochs of `rows` rows, in steps of `batch_size` rows. `member` is the network,
    /// if there are several.
    pub fn new(
        output: &'a mut Output,
        json: bool,
        member: Option<Member>,
        epochs: usize,
        rows: usize,
        batch_size: usize,
    ) -> Self {
        let length = (epochs as u64).saturating_mul(rows as u64);
        let bar = if json { None } else { bar(TEMPLATE, length, output) };
        let throughput = Throughput::new(Instant::now());
        let (message, network) = (String::new(), member.map(|member| member.number));
        let mut reporter =
            Self { output, bar, json, network, epochs, rows, batch_size, throughput, message, resumed: None };
        if let Some(Member { number, count }) = member.filter(|_| !json) {
            reporter.print(&format!("network {number} of {count}"));
        }
        reporter
    }

    /// Reports progress within an epoch, after a group of steps was submitted to the device.
    pub fn submitted(&mut self, progress: &Progress) {
        let rows = self.rows_after(progress.epoch - 1, progress.step);
        self.throughput.add(Instant::now(), rows);
        if let Some(bar) = &self.bar {
            bar.set_position(rows);
            bar.set_message(short(&format!("{}{}", self.message, self.samples())));
        }
    }

    /// Returns the number of rows that whole epochs, and then steps of the next epoch, have processed.
    fn rows_after(&self, epochs: usize, steps: usize) -> u64 {
        epochs.saturating_mul(self.rows).saturating_add(steps.saturating_mul(self.batch_size).min(self.rows)) as u64
    }

    /// Reports that training continues from a checkpoint.
    pub fn resumed(&mut self, restored: &Restored) {
        let Restored { step, epochs, restored_tiles, skipped_checkpoints, differences, accepted, .. } = restored;
        self.resumed = Some(Resumption { step: *step, changed: accepted.clone() });
        let steps_before = (*epochs as u64).saturating_mul(self.rows.div_ceil(self.batch_size.max(1)) as u64);
        let steps = step.saturating_sub(steps_before) as usize;
        self.throughput.restart(Instant::now(), self.rows_after(*epochs, steps));
        if self.json {
            return self.output.json(&Resumed {
                event: "resumed",
                network: self.network,
                step: *step,
                epochs: *epochs,
                restored_tiles: *restored_tiles,
                skipped_checkpoints,
                differences,
                changed: accepted,
            });
        }
        let list = |title: &str, texts: &[String]| match texts {
            [] => String::new(),
            _ => format!("; {title}: {}", texts.join(", ")),
        };
        let (exact, changed) = (list("not bit-exact", differences), list("changed", accepted));
        let tiles = if *restored_tiles > 0 {
            format!("; with the checkpoint's tile sizes for {restored_tiles} matrix multiplications")
        } else {
            String::new()
        };
        let of = if *epochs > self.epochs { format!(", more than the {} wanted", self.epochs) } else { String::new() };
        let skipped = skipped_checkpoints.iter().map(|problem| format!("checkpoint skipped: {problem}"));
        let text =
            format!("resumed after step {step}, with {} done{of}{tiles}{exact}{changed}", counted(*epochs, "epoch"));
        for text in skipped.chain([text]) {
            self.print(&text);
        }
    }

    /// Reports that training starts from the beginning, since there is no checkpoint of these settings. `others` has
    /// the checkpoint folders of other settings.
    pub fn new_run(&mut self, others: &[String]) {
        if self.json {
            return self.output.json(&NewRun { event: "new_run", other_checkpoints: others });
        }
        let others = others.split_first().map_or(String::new(), |(first, rest)| {
            let more = if rest.is_empty() { String::new() } else { format!(" (and {} others)", rest.len()) };
            format!("; {first}{more}")
        });
        self.print(&format!("no checkpoint has these settings, so training starts from the beginning{others}"));
    }

    /// Reports a problem of the network after an epoch.
    pub fn finding(&mut self, epoch: usize, finding: &Finding) {
        if self.json {
            let remedy = finding.kind.remedy();
            return self.output.json(&Found { event: "finding", epoch, finding, remedy });
        }
        self.print(&format!("health, epoch {epoch}: {finding}"));
    }

    /// Prints a text, above the bar if there is one.
    fn print(&mut self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(wrapped("", "  ", &shown(text))),
            None => self.output.print(text),
        }
    }

    /// Returns the checkpoint from which the run continued; `None` if it began anew.
    pub fn continued(&self) -> Option<Resumption> {
        self.resumed.clone()
    }

    /// Reports the end of an epoch.
    pub fn epoch(&mut self, epoch: &Epoch) {
        self.throughput.add(Instant::now(), (epoch.epoch * self.rows) as u64);
        self.message = line(epoch, self.epochs);
        let text = format!("{}{}", self.message, self.samples());
        match &self.bar {
            Some(bar) => bar.set_message(short(&text)),
            None if self.json => {
                let samples_per_second = self.throughput.rows_per_second();
                let Self { network, epochs, .. } = *self;
                self.output.json(&Event { event: "epoch", network, epochs, epoch, samples_per_second });
            }
            None => self.output.print_unwrapped(fitting(&text)),
        }
    }

    /// Formats the throughput: `  12k samples/s`.
    fn samples(&self) -> String {
        match self.throughput.rows_per_second() {
            rate if rate >= 1e7 => format!("  {:.0}M samples/s", rate / 1e6),
            rate if rate >= 1e4 => format!("  {:.0}k samples/s", rate / 1e3),
            rate => format!("  {rate:.0} samples/s"),
        }
    }
}

impl Drop for Reporter<'_> {
    /// Removes the bar before the summary or an error is printed.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Shortens the line of an epoch, to fit behind the bar.
fn short(line: &str) -> String {
    line.replace("  validation ", "  ")
}

/// Formats the results of an epoch: `epoch  5/40  loss 0.1234  validation accuracy 97.5 %`.
fn line(epoch: &Epoch, epochs: usize) -> String {
    let digits = epochs.to_string().len();
    let further = |(name, value): (&String, &f64)| format!(", {name} {}", number(*value));
    let further = |found: &Evaluation| found.metrics.iter().map(further).collect::<String>();
    let validation = epoch.validation.as_ref().map(|found| format!("  validation {}{}", score(found), further(found)));
    format!("epoch {:>digits$}/{epochs}  loss {}{}", epoch.epoch, number(epoch.loss), validation.unwrap_or_default())
}

/// Breaks the line of an epoch if it is too long, as with some metrics.
fn fitting(line: &str) -> String {
    if columns(line) <= WIDTH { line.into() } else { wrapped("", "  ", line) }
}

/// Prints a sparkline of the loss. If a progress bar was shown instead of a line per epoch, prints the lines of some
/// epochs first.
pub fn print_history(output: &mut Output, history: &History, epochs: usize) {
    if has_bar(output) {
        for place in chosen(history.epochs.len(), history.best.map(|best| best - 1)) {
            let epoch = &history.epochs[place];
            let best = if history.best == Some(epoch.epoch) { "  (best)" } else { "" };
            output.print_unwrapped(fitting(&format!("{}{best}", line(epoch, epochs))));
        }
    }
    if let [first, .., last] = &history.epochs[..] {
        let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.loss).collect();
        let (first, last) = (number(first.loss), number(last.loss));
        output.print_unwrapped(format!("loss {first} {} {last}", sparkline(&losses, SPARKLINE)));
    }
}

/// Returns the indices of the epochs to print: evenly spaced ones, including the first and the last, and the best.
fn chosen(epochs: usize, best: Option<usize>) -> BTreeSet<usize> {
    let lines = EPOCH_LINES.min(epochs);
    let even = (0..lines).map(|line| line * (epochs - 1) / (lines - 1).max(1));
    even.chain(best.filter(|best| *best < epochs)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_of_bars_are_well_formed_and_without_colors() {
        for template in [TEMPLATE, crate::command::verify::TEMPLATE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
            // A style would follow a dot: `{bar:20.cyan}`.
            assert!(!template.contains('.') && !template.contains('\x1b'), "{template}");
        }
    }

    #[test]
    fn epochs_are_chosen_evenly_with_the_first_best_and_last() {
        let list = |epochs, best| chosen(epochs, best).into_iter().collect::<Vec<_>>();
        assert_eq!(list(3, Some(1)), [0, 1, 2]);
        assert_eq!(list(1, None), [0]);
        assert_eq!(list(0, None), [0; 0]);
        let many = list(100, Some(42));
        assert_eq!((many[0], many[many.len() - 1], many.len(), many.contains(&42)), (0, 99, 11, true));
    }

    #[test]
    fn throughput_is_that_of_the_last_seconds() {
        let began = Instant::now();
        let at = |seconds| began + Duration::from_secs(seconds);
        let mut throughput = Throughput::new(began);
        assert_eq!(throughput.rows_per_second(), 0.0);
        for second in 1..=10 {
            throughput.add(at(second), second * 100);
        }
        assert_eq!(throughput.rows_per_second(), 100.0);
        for second in 11..=14 {
            throughput.add(at(second), 1000 + (second - 10) * 500);
        }
        assert_eq!(throughput.rows_per_second(), 500.0);
        throughput.restart(at(20), 5);
        throughput.add(at(21), 25);
        assert_eq!(throughput.rows_per_second(), 20.0);
    }
}
