//! What the command says on standard output: lines for people, or one JSON object a line.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

use serde::Serialize;
use wgrad::data::{Warning, quoted, shown, shown_json, shown_lines, warning_lines};
use wgrad::model::Confusion;
use wgrad::{Dataset, Device, Error, Evaluation, Loss, Model, Result};

use super::tuning::Followed;

/// Notes of one table that are written, as many as warnings of one kind.
const MOST_NOTES: usize = 5;

/// Standard output. Once its reader has gone away (`wgrad … | head`), lines are dropped in silence.
pub struct Output {
    quiet: bool,
    closed: bool,
    failure: Option<std::io::Error>,
}

impl Output {
    /// Standard output; a quiet one says only what was asked for in itself.
    pub fn new(quiet: bool) -> Self {
        Self { quiet, closed: false, failure: None }
    }

    /// Whether nothing is to be told that was not asked for.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Writes a line that tells how things go, and not what was asked for.
    pub fn tell(&mut self, text: impl AsRef<str>) {
        if !self.quiet {
            self.line(text);
        }
    }

    /// Writes a line on standard error that who reads the results should know, and that is no part of them. Control characters are
    /// escaped.
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            writeln!(std::io::stderr(), "note: {}", shown(text.as_ref())).ok();
        }
    }

    /// Writes notes of how columns are read, of many the first.
    pub fn notes(&self, notes: &[String]) {
        notes.iter().take(MOST_NOTES).for_each(|note| self.note(note));
        if let Some(more) = notes.len().checked_sub(MOST_NOTES).filter(|more| *more > 0) {
            self.note(format!("… and {more} more of how columns are read"));
        }
    }

    /// Writes a line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.text(&format!("{}\n", text.as_ref()));
    }

    /// Writes lines for people, without control characters, wherever they came from.
    pub fn text(&mut self, text: &str) {
        self.bytes(shown_lines(text).as_bytes());
    }

    /// Writes what could be a file, and is one for whoever redirects it: as it is, but not to a terminal.
    pub fn file(&mut self, bytes: &[u8]) {
        if std::io::stdout().is_terminal() {
            self.text(&String::from_utf8_lossy(bytes));
        } else {
            self.bytes(bytes);
        }
    }

    /// Writes an object as a line of JSON, at once, so that a reader sees it while training goes on.
    pub fn json(&mut self, value: &impl Serialize) {
        match serde_json::to_string(value) {
            Ok(text) => self.bytes(format!("{}\n", shown_json(&text)).as_bytes()),
            Err(error) => self.failure = Some(error.into()),
        }
    }

    /// Writes bytes of our own.
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

    /// Tells whether all could be written that somebody wanted to read.
    pub fn finish(self) -> Result<()> {
        self.failure.map_or(Ok(()), |error| Err(Error::file(Path::new("standard output"), "writing", error)))
    }
}

/// `accuracy 97.5 %` or `R² 0.912`.
pub fn score(evaluation: &Evaluation) -> String {
    match evaluation.score() {
        Some(("accuracy", value)) => format!("accuracy {:.1} %", 100.0 * value),
        Some((_, value)) => format!("R² {value:.3}"),
        None => format!("loss {}", loss(evaluation)),
    }
}

/// Score, errors of a regression, and loss; the loss alone where there is no score.
pub fn score_and_loss(evaluation: &Evaluation) -> String {
    let errors = [("MAE", evaluation.mae), ("RMSE", evaluation.rmse)];
    let errors = errors.into_iter().filter_map(|(name, error)| Some(format!("{name} {}", significant(error?))));
    let loss = evaluation.score().map(|_| format!("loss {}", loss(evaluation)));
    std::iter::once(score(evaluation)).chain(errors).chain(loss).collect::<Vec<_>>().join(", ")
}

/// Losses on scaled targets and of classes are about 1; squares of a table's unit can be anything.
fn loss(evaluation: &Evaluation) -> String {
    if evaluation.rmse.is_some() { significant(evaluation.loss) } else { format!("{:.4}", evaluation.loss) }
}

/// A number of any size to five significant digits: `14021`, `0.013254`, `3.1000e25`.
pub fn significant(number: f64) -> String {
    match number.abs() {
        0.0 => "0".into(),
        size if !(1e-4..1e9).contains(&size) => format!("{number:.4e}"),
        size => format!("{number:.*}", (4 - size.log10().floor() as i32).max(0) as usize),
    }
}

/// What is settled before training begins.
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
    pub schedule: &'static str,
    pub batch: usize,
    pub accumulate: usize,
    pub epochs: usize,
    pub seed: u64,
    pub device: String,
    pub reason: &'a str,
    /// How a GPU's products are cut, where that was tuned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuning: Option<Followed>,
    pub model: String,
    /// Warnings of the inspection of a table, and of its split.
    #[serde(skip_serializing_if = "<[Warning]>::is_empty")]
    pub warnings: &'a [Warning],
}

/// Rows of each part.
#[derive(Serialize)]
pub struct Rows {
    pub train: usize,
    pub validation: usize,
    pub test: usize,
}

/// What came of training.
#[derive(Serialize)]
pub struct Summary {
    pub event: &'static str,
    /// `test`, or `all`: the rows that were trained on too.
    pub evaluated_on: &'static str,
    #[serde(flatten)]
    pub evaluation: Evaluation,
    #[serde(flatten)]
    pub confusion: Option<Confusion>,
    pub epochs: usize,
    pub steps: u64,
    /// The epoch whose parameters were kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_epoch: Option<usize>,
    pub seconds: f64,
    /// Whether an earlier run had done a part, which is not in the seconds.
    pub resumed: bool,
    pub device: String,
    pub reason: String,
    pub model: String,
    /// The picture of the learning curves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plot: Option<String>,
}

/// What is left of a training that was stopped.
#[derive(Serialize)]
pub struct Stopped<'a> {
    pub event: &'static str,
    pub step: u64,
    pub checkpoint: &'a str,
    /// What to type to go on.
    pub resume: &'a str,
}

/// Which classes are taken for which, where every row has one class and is told to be of one.
pub fn confusion(model: &Model, device: &Device, data: &Dataset, found: &Evaluation) -> Result<Option<Confusion>> {
    let told = model.metadata.class_count().is_some() && found.accuracy.is_some();
    told.then(|| model.confusion_on(device, data)).transpose()
}

/// Tells people of each class, behind a blank line.
pub fn tell_confusion(output: &mut Output, confusion: Option<&Confusion>) {
    if let Some(confusion) = confusion {
        output.text(&format!("\n{confusion}"));
    }
}

/// `batches of 32`, `steps of 4 batches of 32`
pub fn batches(batch: usize, accumulate: usize) -> String {
    match accumulate {
        1 => format!("batches of {batch}"),
        _ => format!("steps of {accumulate} batches of {batch}"),
    }
}

/// Tells people how training begins; `inspect` is the command that shows all warnings.
pub fn tell_start(output: &mut Output, start: &Start<'_>, inspect: &str) {
    // Not on standard output, which may be a file that nobody looks at.
    if !output.is_quiet() {
        write!(std::io::stderr(), "{}", warning_lines(start.warnings, Some(inspect))).ok();
    }
    let data = shown(start.data);
    let Start { rows: Rows { train, validation, test }, inputs, seed, batch, accumulate, epochs, .. } = start;
    output.tell(match test {
        0 => format!("{data}: {train} rows of {inputs} columns, too few to split: trained and evaluated on all"),
        _ => format!("{data}: {train} rows of {inputs} columns to train on, {validation} to validate, {test} to test (seed {seed})"),
    });
    output.tell(format!("network: {}, {} parameters", start.network, start.parameters));
    let (optimizer, rate, schedule) = (start.optimizer, start.learning_rate, start.schedule);
    let batches = batches(*batch, *accumulate);
    output.tell(format!("{}, {optimizer} at {rate} ({schedule}), {batches}, {epochs} epochs", start.loss));
    output.tell(format!("device: {} ({})", start.device, start.reason));
    start.tuning.iter().flat_map(Followed::lines).for_each(|line| output.tell(line));
}

/// Tells people what came of training, and what to do next.
pub fn tell_summary(output: &mut Output, data: &str, summary: &Summary) {
    let Summary { evaluation, epochs, steps, seconds, model, .. } = summary;
    let which = if summary.evaluated_on == "test" { "test" } else { "all rows, which it was trained on:" };
    output.tell(format!(
        "{which} {} on {} rows, after {epochs} epochs ({steps} steps) in {seconds:.2} s{}",
        score_and_loss(evaluation),
        evaluation.rows,
        if summary.resumed { " since it was resumed" } else { "" },
    ));
    if let Some(confusion) = &summary.confusion {
        output.tell(format!("\n{}", confusion.to_string().trim_end()));
    }
    let best = summary.best_epoch.map(|epoch| format!(" (epoch {epoch}, the lowest validation loss)"));
    let gap = if summary.confusion.is_some() { "\n" } else { "" };
    output.tell(format!("{gap}model: {}{}", shown(model), best.unwrap_or_default()));
    if let Some(plot) = &summary.plot {
        output.tell(format!("curves: {}", shown(plot)));
    }
    output.tell(format!("next: wgrad predict {} {data}", quoted(model)));
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
