//! What the command says on standard output: lines for people, or one JSON object a line.

use std::io::{ErrorKind, Write};
use std::path::Path;

use serde::Serialize;
use wgrad::{Error, Evaluation, Result};

/// Standard output. Once its reader has gone away (`wgrad … | head`), lines are dropped in silence.
#[derive(Default)]
pub struct Output {
    closed: bool,
    failure: Option<std::io::Error>,
}

impl Output {
    /// Writes a line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.bytes(format!("{}\n", text.as_ref()).as_bytes());
    }

    /// Writes an object as a line of JSON, at once, so that a reader sees it while training goes on.
    pub fn json(&mut self, value: &impl Serialize) {
        // Our records have text keys and no map of anything else, so they always serialise.
        self.line(serde_json::to_string(value).expect("records serialise"));
    }

    /// Writes bytes.
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

/// `accuracy 97.5 %` or `r2 0.912`.
pub fn score(evaluation: &Evaluation) -> String {
    match evaluation.score() {
        Some(("accuracy", value)) => format!("accuracy {:.1} %", 100.0 * value),
        Some((name, value)) => format!("{name} {value:.3}"),
        None => format!("loss {:.4}", evaluation.loss),
    }
}

/// A word as it must be typed in a shell.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.into() } else { format!("'{}'", word.replace('\'', r"'\''")) }
}
