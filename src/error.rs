//! The one error type. Every message says what went wrong, where, both numbers, and the remedy.

use std::path::{Path, PathBuf};

/// What can go wrong when a network is described, trained, saved or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Two sizes that must agree do not.
    #[error("{place}: {found_what} {found}, but {wanted_what} {wanted}; {remedy}")]
    Shape {
        /// Where: a layer, an op, an argument.
        place: String,
        /// What has the size that was found, as the start of a clause: `input has columns`.
        found_what: String,
        /// The size that was found.
        found: usize,
        /// What asks for another size: `the network expects`.
        wanted_what: String,
        /// The size that is asked for.
        wanted: usize,
        /// What to do about it.
        remedy: String,
    },
    /// A value outside what is allowed.
    #[error("{place}: {name} is {found}, but must be {wanted}")]
    Value {
        /// Where: a layer, an option.
        place: String,
        /// Name of the value.
        name: String,
        /// What was given.
        found: String,
        /// What is allowed.
        wanted: String,
    },
    /// A name that is not known.
    #[error("unknown {kind} `{name}`{}; known: {known}", nearest.as_ref().map(|n| format!(", did you mean `{n}`?")).unwrap_or_default())]
    Unknown {
        /// What was being named: a layer, a loss, an option.
        kind: &'static str,
        /// The name as given.
        name: String,
        /// The nearest known name, where one is near.
        nearest: Option<String>,
        /// All known names.
        known: String,
    },
    /// Parts that are each valid but do not go together.
    #[error("{place}: {problem}; {remedy}")]
    Conflict {
        /// Where.
        place: String,
        /// What does not go together.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// Data that cannot be used; `place` names row and column.
    #[error("{place}: {problem}; {remedy}")]
    Data {
        /// Data set, row and column.
        place: String,
        /// What is wrong there.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// An op needs more than the device offers.
    #[error("{op}: needs {needed} {what}, but the device allows {allowed}; {remedy}")]
    Limit {
        /// The op.
        op: String,
        /// What is limited, with its unit.
        what: &'static str,
        /// How much the op needs.
        needed: u64,
        /// How much the device allows.
        allowed: u64,
        /// What to do about it.
        remedy: String,
    },
    /// A loss or gradient became infinite or NaN; parameters and optimizer state are those before the step.
    #[error(
        "step {step}: {op} ({layer}) produced {value} at row {row}, column {column} of {view}; parameters are as before this step: {remedy}"
    )]
    NotFinite {
        /// Step index, from 0.
        step: u64,
        /// The first op whose output is not finite.
        op: String,
        /// The layer it belongs to, or `no layer`.
        layer: String,
        /// The view that it wrote.
        view: String,
        /// Row in the view; for what has a row for each of the batch's, the row of the step.
        row: usize,
        /// Column in the view.
        column: usize,
        /// The value.
        value: f32,
        /// What to do about it, from what is set; boxed, since every `Result` is as large as the largest error.
        remedy: Box<str>,
    },
    /// A device computed something that its reference does not confirm.
    #[error(
        "{op}: {view}[{row}, {column}] is {device}, reference {reference}, bound {bound}; the device's result cannot be trusted"
    )]
    Mismatch {
        /// The op: section, number and kernel.
        op: String,
        /// The view that differs.
        view: String,
        /// Row in the view.
        row: usize,
        /// Column in the view.
        column: usize,
        /// The device's value.
        device: f64,
        /// The reference's value.
        reference: f64,
        /// The largest difference that rounding can explain.
        bound: f64,
    },
    /// A file could not be read or written.
    #[error("{}: {action} failed: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A file was read but its content is not what it should be.
    #[error("{}: {problem}; {remedy}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// A device that cannot be had or stopped answering.
    #[error("device `{device}`: {problem}; {remedy}")]
    Device {
        /// The device as asked for.
        device: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
}

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Unknown`] that suggests the nearest of `known`, where one is near or begins so.
    pub fn unknown(kind: &'static str, name: &str, known: &[&str]) -> Self {
        let lower = name.to_lowercase();
        let begins = |k: &str| lower.chars().count() >= 3 && k.starts_with(&lower);
        let nearest = known
            .iter()
            .map(|k| (strsim::damerau_levenshtein(&lower, k), *k))
            .filter(|(distance, k)| *distance <= 1 + k.len() / 3 || begins(k))
            .min()
            .map(|(_, k)| k.to_string());
        Self::Unknown { kind, name: name.into(), nearest, known: known.join(", ") }
    }

    /// An [`Error::Value`].
    pub fn value(place: impl Into<String>, name: &str, found: impl ToString, wanted: &str) -> Self {
        Self::Value { place: place.into(), name: name.into(), found: found.to_string(), wanted: wanted.into() }
    }

    /// An [`Error::Data`].
    pub fn data(place: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Data { place: place.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// An [`Error::Conflict`].
    pub fn conflict(place: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Conflict { place: place.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// An [`Error::File`].
    pub fn file(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::File { path: path.into(), action, source }
    }

    /// An [`Error::Format`].
    pub fn format(path: &Path, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Format { path: path.into(), problem: problem.into(), remedy: remedy.into() }
    }
}
