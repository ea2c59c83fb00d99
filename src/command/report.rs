//! Output of the command: human-readable lines, or one JSON object per line.

use std::fmt;
use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

use anstream::{AutoStream, ColorChoice};
use serde::Serialize;
use wgrad::data::{
    PreparedColumn, Warning, counted, preparation_table, quoted, shown, shown_json, shown_lines, warning_lines,
};
use wgrad::metrics::Metric;
use wgrad::model::{Confusion, Metadata};
use wgrad::{Dataset, Device, Error, Evaluation, Loss, Model, Result};

use super::autotune::TuningReport;
use super::baseline::Baseline;
use super::lines::{folded, wrapped};
use super::recipe::Clipping;

/// Largest number of notes that are printed about a table. Warnings of one kind have the same limit.
const MOST_NOTES: usize = 5;

/// Style of the result on a terminal.
const RESULT: anstyle::Style = anstyle::Style::new().bold();

/// Standard output. Once its reader has closed it (`wgrad … | head`), lines are dropped without an error.
pub struct Output {
    quiet: bool,
    closed: bool,
    failure: Option<std::io::Error>,
}

impl Output {
    /// Creates the output. If `quiet` is true, progress and notes are not printed.
    pub fn new(quiet: bool) -> Self {
        Self { quiet, closed: false, failure: None }
    }

    /// Returns `true` if progress and notes are not printed.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Prints a text on the progress of a command, in lines of 80 columns, unless the output is quiet.
    pub fn print(&mut self, text: impl AsRef<str>) {
        self.print_unwrapped(wrapped("", "  ", &shown(text.as_ref())));
    }

    /// Like [`Output::print`], but without wrapping lines, for tables and commands to copy.
    pub fn print_unwrapped(&mut self, text: impl AsRef<str>) {
        if !self.quiet {
            self.line(text);
        }
    }

    /// Like [`Output::print`], in bold on a terminal with colors.
    fn print_result(&mut self, text: &str) {
        let text = wrapped("", "  ", &shown(text));
        if self.quiet {
            return;
        }
        match AutoStream::choice(&std::io::stdout()) {
            ColorChoice::Never => self.line(text),
            _ => self.bytes(format!("{RESULT}{text}{RESULT:#}\n").as_bytes()),
        }
    }

    /// Prints a note on standard error, since notes are not results. Control characters are escaped.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            writeln!(std::io::stderr(), "{}", wrapped("note: ", "  ", &shown(text.as_ref()))).ok();
        }
    }

    /// Prints a warning on standard error, also if the output is quiet. Control characters are escaped.
    pub fn warning(&self, text: impl AsRef<str>) {
        writeln!(std::io::stderr(), "{}", wrapped("warning: ", "  ", &shown(text.as_ref()))).ok();
    }

    /// Prints notes on how columns are read: the first five, and the number of further notes.
    pub fn notes(&self, notes: &[String]) {
        notes.iter().take(MOST_NOTES).for_each(|note| self.note(note));
        if let Some(more) = notes.len().checked_sub(MOST_NOTES).filter(|more| *more > 0) {
            self.note(format!("… and {more} more of how columns are read"));
        }
    }

    /// Prints a line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.text(&format!("{}\n", text.as_ref()));
    }

    /// Prints human-readable lines. Control characters are escaped.
    pub fn text(&mut self, text: &str) {
        self.bytes(shown_lines(text).as_bytes());
    }

    /// Prints human-readable lines of at most 80 columns. In tables that are wider, the last column moves below each
    /// row if it is called `name`.
    pub fn folded(&mut self, text: &str, name: &str) {
        self.bytes(folded(&shown_lines(text), name).as_bytes());
    }

    /// Prints the contents of a file: unchanged, except that control characters are escaped on a terminal.
    pub fn file(&mut self, bytes: &[u8]) {
        if std::io::stdout().is_terminal() {
            self.text(&String::from_utf8_lossy(bytes));
        } else {
            self.bytes(bytes);
        }
    }

    /// Prints an object as a line of JSON, at once, so that a reader sees it while training continues.
    pub fn json(&mut self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.bytes(format!("{}\n", shown_json(&text)).as_bytes()),
            Err(error) => self.failure = Some(error.into()),
        }
    }

    /// Prints bytes that need no escapes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        let mut stdout = std::io::stdout().lock();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            self.closed = true;
            self.failure = (error.kind() != ErrorKind::BrokenPipe).then_some(error);
        }
    }

    /// Returns an error if something could not be written. It is no error if the reader of the output has closed it.
    pub fn finish(self) -> Result<()> {
        self.failure.map_or(Ok(()), |error| Err(Error::file(Path::new("standard output"), "writing", error)))
    }
}

/// Returns the score: `accuracy 97.5 %` or `R² 0.912`; the loss if there is neither.
pub fn score(evaluation: &Evaluation) -> String {
    match evaluation.score() {
        Some(("accuracy", value)) => format!("accuracy {:.1} %", 100.0 * value),
        Some((_, value)) => format!("R² {value:.3}"),
        None => format!("loss {}", number(evaluation.loss)),
    }
}

/// Formats accuracy (with exact match and F1 for several labels) or R² (with MAE and RMSE), then the loss. If there is
/// no score, formats only the loss.
pub fn score_and_loss(evaluation: &Evaluation) -> String {
    let errors = [("MAE", evaluation.mae), ("RMSE", evaluation.rmse)];
    let errors = errors.into_iter().filter_map(|(name, error)| Some(format!("{name} {}", significant(error?))));
    let labels = [("exact match", evaluation.exact_match), ("F1", evaluation.f1)].into_iter();
    let labels = labels.filter_map(|(name, share)| Some(format!("{name} {:.1} %", 100.0 * share?)));
    let loss = evaluation.score().map(|_| format!("loss {}", number(evaluation.loss)));
    std::iter::once(score(evaluation)).chain(labels).chain(errors).chain(loss).collect::<Vec<_>>().join(", ")
}

/// Like [`score_and_loss`], followed by `metric`, which chose the best epoch, if it is one of `evaluation.metrics`.
pub fn score_with(evaluation: &Evaluation, metric: Option<&str>) -> String {
    let score = score_and_loss(evaluation);
    match metric.and_then(|metric| Some((metric, evaluation.metrics.get(metric)?))) {
        Some((metric, value)) => format!("{score}, {metric} {}", number(*value)),
        None => score,
    }
}

/// Formats further metrics: balanced accuracy, log loss, and ROC-AUC for two classes, or explained variance. `None` if
/// there are none.
pub fn further_metrics(evaluation: &Evaluation, class_count: Option<usize>) -> Option<String> {
    type Shown = (&'static str, &'static str, fn(f64) -> String);
    let metrics: [Shown; 4] = [
        ("balanced_accuracy", "balanced accuracy", |value| format!("{:.1} %", 100.0 * value)),
        ("log_loss", "log loss", number),
        ("roc_auc", "ROC-AUC", |value| format!("{value:.3}")),
        ("explained_variance", "explained variance", |value| format!("{value:.3}")),
    ];
    let metrics = metrics.iter().filter(|(key, ..)| *key != "roc_auc" || class_count == Some(2));
    let text = |(key, name, format): &Shown| Some(format!("{name} {}", format(*evaluation.metrics.get(*key)?)));
    let found: Vec<String> = metrics.filter_map(text).collect();
    (!found.is_empty()).then(|| found.join(", "))
}

/// Formats a loss: with four decimals from 0.001 to 10, otherwise with five significant digits.
pub fn number(loss: f64) -> String {
    if (1e-3..10.0).contains(&loss) { format!("{loss:.4}") } else { significant(loss) }
}

/// Formats a number of any size with five significant digits: `14021`, `0.013254`, `3.1000e25`.
pub fn significant(number: f64) -> String {
    match number.abs() {
        0.0 => "0".into(),
        size if !(1e-4..1e9).contains(&size) => format!("{number:.4e}"),
        size => format!("{number:.*}", (4 - size.log10().floor() as i32).max(0) as usize),
    }
}

/// Formats a learning rate with two significant digits: `0.0021`, `3e-5`.
pub fn rounded(rate: f64) -> String {
    let rounded: f64 = format!("{rate:.1e}").parse().unwrap_or(rate);
    if rounded >= 1e-4 { rounded.to_string() } else { format!("{rounded:e}") }
}

/// Settings of a training run, printed before it begins.
#[derive(Serialize)]
pub struct Start<'a> {
    pub event: &'static str,
    pub data: &'a str,
    pub rows: Rows,
    pub inputs: usize,
    pub outputs: usize,
    pub network: String,
    pub parameters: usize,
    pub loss: Loss,
    pub optimizer: &'static str,
    pub learning_rate: f64,
    pub schedule: &'a str,
    #[serde(skip_serializing_if = "is_zero")]
    pub warmup_steps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plateau: Option<String>,
    #[serde(flatten)]
    pub clipping: Clipping,
    /// Average of the parameters, as text such as `ema(decay=0.999)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average: Option<&'a str>,
    /// Mixing of rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mix: Option<String>,
    /// Groups of parameters with settings of their own, as text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    pub batch: usize,
    pub accumulate: usize,
    /// Number of networks; each is trained for `epochs`.
    #[serde(skip_serializing_if = "is_one")]
    pub networks: usize,
    pub epochs: usize,
    pub seed: u64,
    pub device: String,
    pub reason: &'a str,
    /// Tile sizes of a GPU's matrix multiplications, if they were tuned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuning: Option<TuningReport>,
    pub model: String,
    /// Sentence on the split, if it was by a column.
    #[serde(rename = "split", skip_serializing_if = "Option::is_none")]
    pub split_note: Option<&'a str>,
    /// Warnings of the inspection of a table, and of its split.
    #[serde(skip_serializing_if = "<[Warning]>::is_empty")]
    pub warnings: &'a [Warning],
    /// Columns of a table, with the inputs that they become.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub columns: Option<&'a [PreparedColumn]>,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn is_one(number: &usize) -> bool {
    *number == 1
}

/// Number of rows of each set.
#[derive(Serialize)]
pub struct Rows {
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

/// Threshold of two classes.
#[derive(Serialize)]
pub struct Decision {
    threshold: f64,
    /// Class that is predicted above the threshold.
    #[serde(rename = "class_above_threshold")]
    class: String,
}

/// Returns the threshold of a model, if it has one.
pub fn decision(metadata: &Metadata) -> Option<Decision> {
    let class = metadata.classes.as_ref().and_then(|classes| classes.last().cloned());
    Some(Decision { threshold: metadata.threshold?, class: class.unwrap_or_else(|| "1".into()) })
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "threshold {}: `{}` is predicted above this probability", number(self.threshold), self.class)
    }
}

/// Result of a training run.
#[derive(Serialize)]
pub struct Summary {
    pub event: &'static str,
    /// Set of the evaluation: `test`, `validation` without a test set, or `all` (the training set) without either.
    pub evaluated_on: &'static str,
    #[serde(flatten)]
    pub evaluation: Evaluation,
    /// Scores of the best constant answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    #[serde(flatten)]
    pub confusion: Option<Confusion>,
    /// Number of networks whose mean is the model.
    #[serde(skip_serializing_if = "is_one")]
    pub networks: usize,
    /// Temperature of the probabilities, chosen on the validation set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Threshold of two classes.
    #[serde(flatten)]
    pub threshold: Option<Decision>,
    /// Number of epochs and of steps, of all networks together.
    pub epochs: usize,
    pub steps: u64,
    /// Epoch whose parameters were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_epoch: Option<usize>,
    /// Metric by which the best epoch was chosen; `None` if it was the loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    pub seconds: f64,
    /// `true` if training was resumed from a checkpoint. `seconds` is then the time since it was resumed.
    pub resumed: bool,
    /// `true` if the time limit has stopped training.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub time_limit_reached: bool,
    pub device: String,
    pub reason: String,
    pub model: String,
    /// Path of the picture of the learning curves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plot: Option<String>,
}

/// Checkpoint of a training run that was stopped.
#[derive(Serialize)]
pub struct Stopped<'a> {
    pub event: &'static str,
    /// Number of the network, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<usize>,
    pub step: u64,
    pub checkpoint: &'a str,
    /// Command that resumes training.
    pub resume: &'a str,
}

/// Computes the confusion matrix. `None` if the model does not predict one class per row, or the data do not have one
/// class per row.
pub fn confusion(model: &Model, device: &Device, data: &Dataset, found: &Evaluation) -> Result<Option<Confusion>> {
    let has_classes = model.metadata.class_count().is_some() && found.accuracy.is_some();
    has_classes.then(|| model.confusion_on(device, data)).transpose()
}

/// Returns `batch size 32`, or `batch size 4 × 32 (gradient accumulation)`.
pub fn batch_size(batch: usize, accumulate: usize) -> String {
    match accumulate {
        1 => format!("batch size {batch}"),
        _ => format!("batch size {accumulate} × {batch} (gradient accumulation)"),
    }
}

/// Prints the settings of a training run; `inspect` is the command that shows all warnings.
pub fn print_start(output: &mut Output, start: &Start<'_>, inspect: &str) {
    // On standard error, since standard output may be a file that nobody looks at.
    if !output.is_quiet() {
        // The note `many_values` only states how the target is read by default. `inspect` prints it.
        let shown = start.warnings.iter().filter(|warning| warning.kind != "many_values").cloned().collect::<Vec<_>>();
        for warning in warning_lines(&shown, Some(inspect)).lines() {
            writeln!(std::io::stderr(), "{}", wrapped("", "  ", warning)).ok();
        }
    }
    let columns = start.columns.unwrap_or_default();
    if !columns.is_empty() && !output.is_quiet() {
        output.bytes(preparation_table(columns, false).as_bytes());
    }
    let Start { rows: Rows { train, validation, test }, data, inputs, seed, .. } = start;
    let sets = match (validation, test) {
        (0, 0) => "all to train and to evaluate on".into(),
        (0, _) => format!("{train} to train on, {test} to test"),
        (_, 0) => format!("{train} to train on, {validation} to validate"),
        _ => format!("{train} to train on, {validation} to validate, {test} to test"),
    };
    let wide = match columns.iter().filter(|column| column.inputs > 0).count() {
        used if columns.is_empty() || used == *inputs => format!("{inputs} columns"),
        used => format!("{used} columns ({inputs} inputs)"),
    };
    output.print(format!("{data}: {} rows of {wide}, {sets}", train + validation + test));
    start.split_note.iter().for_each(|note| output.print(note));
    output.print(format!("network: {}, {} parameters", start.network, start.parameters));
    let (optimizer, rate, schedule) = (start.optimizer, start.learning_rate, start.schedule);
    let warmup = match start.warmup_steps {
        0 => String::new(),
        steps => format!(", warm-up of {steps} steps"),
    };
    let plateau = start.plateau.as_ref().map_or(String::new(), |plateau| format!(", plateau({plateau})"));
    let Clipping { clip_norm, clip_tensor_norm, clip_value } = start.clipping;
    let clip = [("a norm of ", clip_norm), ("a norm per tensor of ", clip_tensor_norm), ("±", clip_value)];
    let clip = clip.map(|(what, limit)| limit.map(|limit| format!(", gradients clipped to {what}{limit}")));
    let clip = clip.into_iter().flatten().collect::<String>();
    let (batch, epochs) = (batch_size(start.batch, start.accumulate), start.epochs);
    let loss = start.loss;
    output.print(format!(
        "{loss}, {optimizer} at {rate} ({schedule}{warmup}{plateau}){clip}, {batch}, {}, seed {seed}",
        counted(epochs, "epoch")
    ));
    if start.networks > 1 {
        output.print(format!("{} networks with different seeds; the model is their mean", start.networks));
    }
    if let Some(average) = start.average {
        output.print(format!("average of the parameters: {average}"));
    }
    if let Some(mix) = &start.mix {
        output.print(format!("rows of a batch are mixed: {mix}"));
    }
    if !start.groups.is_empty() {
        output.print(format!("parameters: {}", start.groups.join("; ")));
    }
    output.print(format!("device: {} ({})", start.device, start.reason));
    start.tuning.iter().flat_map(TuningReport::lines).for_each(|line| output.print(line));
}

/// Returns `the lowest validation loss`, or `the best validation roc_auc`.
pub fn best_by(metric: Option<Metric>) -> String {
    metric.map_or("the lowest validation loss".into(), |metric| format!("the best validation {metric}"))
}

/// Prints the results of a training run, and the next command to try.
pub fn print_summary(output: &mut Output, data: &str, summary: &Summary) {
    let Summary { evaluation, epochs, steps, seconds, model, .. } = summary;
    let which = match summary.evaluated_on {
        "all" => "all rows, which it was trained on:",
        set => set,
    };
    let metric = summary.metric.map(|metric| metric.to_string());
    output.print_result(&format!("{which} {} on {} rows", score_with(evaluation, metric.as_deref()), evaluation.rows));
    if let Some(baseline) = &summary.baseline {
        output.print(baseline.line());
        baseline.warn(evaluation, output);
    }
    let resumed = if summary.resumed { " since it was resumed" } else { "" };
    let by = best_by(summary.metric);
    let best = summary.best_epoch.map(|epoch| format!("; kept epoch {epoch}, with {by}"));
    let s = if *epochs == 1 { "" } else { "s" };
    let networks = if summary.networks > 1 { format!("{} networks, ", summary.networks) } else { String::new() };
    let epochs = format!("{networks}{epochs} epoch{s}");
    output.print(format!("{epochs}, {steps} steps in {seconds:.2} s{resumed}{}", best.unwrap_or_default()));
    if let Some(temperature) = summary.temperature {
        output.print(format!("probabilities calibrated on the validation set: temperature {}", number(temperature)));
    }
    if let Some(threshold) = &summary.threshold {
        output.print(threshold.to_string());
    }
    if let Some(confusion) = &summary.confusion {
        output.print_unwrapped(format!("\n{}", confusion));
    }
    output.print(format!("model: {model}"));
    if let Some(plot) = &summary.plot {
        output.print(format!("curves: {plot}"));
    }
    output.print_unwrapped(format!("next: wgrad predict {} {data}", quoted(model)));
}

#[cfg(test)]
mod tests {
    use super::significant;

    #[test]
    fn numbers_of_any_size_have_five_digits() {
        let cases = [
            (0.0, "0"),
            (14_021.4, "14021"),
            (1_402_143.0, "1402143"),
            (-2.5, "-2.5000"),
            (0.013_254_44, "0.013254"),
            (3.1e25, "3.1000e25"),
            (2e-7, "2.0000e-7"),
        ];
        for (number, text) in cases {
            assert_eq!(significant(number), text);
        }
    }
}
