//! What is seen while a network trains: a bar on a terminal, else a line for each epoch.

use std::io::IsTerminal;
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use wgrad::data::shown;
use wgrad::trainer::Restored;
use wgrad::{Device, Epoch, Progress};

use super::report::{Output, score};

const TEMPLATE: &str = "{bar:20} {msg}, {eta} left on {prefix}";

/// Tells of epochs, on a bar, in lines or as JSON.
pub struct Reporter<'a> {
    output: &'a mut Output,
    bar: Option<ProgressBar>,
    json: bool,
    epochs: usize,
    /// Rows of an epoch.
    rows: usize,
    /// What turns the losses of training into the units of the table.
    began: Instant,
    /// Epochs that an earlier run had done, where this one goes on with it.
    before: Option<usize>,
}

#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    epochs: usize,
    #[serde(flatten)]
    epoch: &'a Epoch,
    samples_per_second: f64,
}

#[derive(Serialize)]
struct Resumed<'a> {
    event: &'static str,
    step: u64,
    epochs: usize,
    /// Products of a GPU's that are cut as when the checkpoint was made, and would else be cut otherwise.
    #[serde(skip_serializing_if = "is_zero")]
    recut: usize,
    /// Damage of newer checkpoints.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    passed_over: &'a [String],
    /// What keeps it from being bit-exact.
    differences: &'a [String],
}

#[derive(Serialize)]
struct BegunAnew<'a> {
    event: &'static str,
    /// Folders of checkpoints, each with a setting that differs.
    other_checkpoints: &'a [String],
}

fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// A bar for people who wait at a terminal. It has no colours, whatever NO_COLOR says.
pub fn bar(template: &str, length: u64, output: &Output) -> Option<ProgressBar> {
    let style = ProgressStyle::with_template(template).ok()?;
    let seen = !output.is_quiet() && std::io::stderr().is_terminal();
    seen.then(|| ProgressBar::new(length).with_style(style))
}

impl<'a> Reporter<'a> {
    /// For `epochs` epochs of `rows` rows on `device`, from now on.
    pub fn new(output: &'a mut Output, json: bool, device: &Device, epochs: usize, rows: usize) -> Self {
        let length = (epochs as u64).saturating_mul(rows as u64);
        // The name comes last, where a narrow terminal cuts it off.
        let bar =
            if json { None } else { bar(TEMPLATE, length, output) }.map(|bar| bar.with_prefix(device.to_string()));
        Self { output, bar, json, epochs, rows, began: Instant::now(), before: None }
    }

    /// What moves the bar on after a submission of steps of so many rows.
    pub fn on_submission(&self, batch_size: usize) -> impl FnMut(&Progress) + Send + use<> {
        let (bar, rows) = (self.bar.clone(), self.rows);
        move |progress| {
            if let Some(bar) = &bar {
                let of_epoch = (progress.step * batch_size).min(rows);
                bar.set_position(((progress.epoch - 1) * rows + of_epoch) as u64);
            }
        }
    }

    /// Tells that training goes on from a checkpoint.
    pub fn resumed(&mut self, restored: &Restored) {
        let Restored { step, epochs, recut, passed_over, differences, .. } = restored;
        self.before = Some(*epochs);
        if self.json {
            return self.output.json(&Resumed {
                event: "resumed",
                step: *step,
                epochs: *epochs,
                recut: *recut,
                passed_over,
                differences,
            });
        }
        let exact =
            if restored.is_exact() { String::new() } else { format!("; not bit-exact: {}", differences.join(", ")) };
        let tiles = if *recut > 0 { format!("; with its own tiles for {recut} products") } else { String::new() };
        let passed_over = passed_over.iter().map(|problem| format!("checkpoint passed over: {problem}"));
        let text = format!("resumed after step {step}, with {epochs} epochs done{tiles}{exact}");
        for text in passed_over.chain([text]) {
            self.tell(&text);
        }
    }

    /// Tells that training begins anew, since all checkpoints are of other settings.
    pub fn begun_anew(&mut self, others: &[String]) {
        if self.json {
            return self.output.json(&BegunAnew { event: "begun_anew", other_checkpoints: others });
        }
        let Some((first, rest)) = others.split_first() else { return };
        let more = if rest.is_empty() { String::new() } else { format!(" (and {} others)", rest.len()) };
        self.tell(&format!("no checkpoint of these settings, so training begins anew; {first}{more}"));
    }

    /// Tells something above the bar. Names in it may be a checkpoint's.
    fn tell(&mut self, text: &str) {
        let text = shown(text);
        match &self.bar {
            Some(bar) => bar.println(text),
            None => self.output.tell(text),
        }
    }

    /// Whether it does.
    pub fn is_resumed(&self) -> bool {
        self.before.is_some()
    }

    /// Tells of an epoch.
    pub fn epoch(&mut self, epoch: &Epoch) {
        let rows = (epoch.epoch - self.before.unwrap_or(0)) * self.rows;
        let samples_per_second = rows as f64 / self.began.elapsed().as_secs_f64();
        let text = format!("{}  {samples_per_second:.0} samples/s", self.text(epoch));
        match &self.bar {
            Some(bar) => bar.set_message(text),
            None if self.json => {
                self.output.json(&Event { event: "epoch", epochs: self.epochs, epoch, samples_per_second })
            }
            None => self.output.tell(text),
        }
    }

    fn text(&self, epoch: &Epoch) -> String {
        let validation = epoch.validation.as_ref().map(|found| format!("  validation {}", score(found)));
        format!("epoch {}/{}  loss {:.4}{}", epoch.epoch, self.epochs, epoch.loss, validation.unwrap_or_default())
    }
}

impl Drop for Reporter<'_> {
    /// Leaves the terminal clean, for the summary or for an error.
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressStyle;

    #[test]
    fn templates_of_bars_are_well_formed() {
        for template in [super::TEMPLATE, crate::command::verify::TEMPLATE] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }

    /// Styles stand behind a point: `{bar:20.cyan}`.
    #[test]
    fn bars_have_no_colours() {
        for template in [super::TEMPLATE, crate::command::verify::TEMPLATE] {
            assert!(!template.contains('.') && !template.contains('\x1b'), "{template}");
        }
    }
}
