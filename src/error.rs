//! The one error type. Every message says what went wrong, where, both numbers, and the remedy.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::text::shown;

/// What can go wrong when a network is described, trained, saved or loaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Two sizes that must agree do not.
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
    Conflict {
        /// Where.
        place: String,
        /// What does not go together.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// Data that cannot be used; `place` names row and column.
    Data {
        /// Data set, row and column.
        place: String,
        /// What is wrong there.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// An op needs more than the device offers.
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
    /// The system gives no memory for what was asked for.
    Memory {
        /// What it is for.
        what: String,
        /// How much it takes.
        bytes: u64,
        /// What to do about it.
        remedy: String,
    },
    /// A network puts out a number of which no prediction can be made.
    Output {
        /// What is computed, and on which data.
        place: String,
        /// Row of the data, from 0.
        row: usize,
        /// Output of the network, from 0.
        output: usize,
        /// Its value, NaN or infinite.
        value: f32,
    },
    /// A loss or gradient became infinite or NaN; parameters and optimizer state are those before the step.
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
    /// An update wrote an infinite or NaN parameter or optimizer state. The rest of the state has had this update, too.
    StateNotFinite {
        /// Step index, from 0.
        step: u64,
        /// The tensor: `layer0.weight` for a parameter, `adam.v.layer0.weight` for a state.
        view: String,
        /// Row in the tensor.
        row: usize,
        /// Column in the tensor.
        column: usize,
        /// The value.
        value: f32,
    },
    /// A device computed something that its reference does not confirm.
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
        tolerance: f64,
    },
    /// A file could not be read or written.
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// A file was read but its content is not what it should be.
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// A device that cannot be had or stopped answering.
    Device {
        /// The device as asked for.
        device: String,
        /// What is wrong.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
}

impl fmt::Display for Error {
    /// In one line: what comes from a file or a driver is escaped by [`shown`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.message()))
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File { source, .. } => Some(source),
            Self::Shape { .. }
            | Self::Value { .. }
            | Self::Unknown { .. }
            | Self::Conflict { .. }
            | Self::Data { .. }
            | Self::Limit { .. }
            | Self::Memory { .. }
            | Self::Output { .. }
            | Self::NotFinite { .. }
            | Self::StateNotFinite { .. }
            | Self::Mismatch { .. }
            | Self::Format { .. }
            | Self::Device { .. } => None,
        }
    }
}

/// A result whose error is [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An empty vector with room for `count` elements, where a user says how many: an error where a plain `Vec` would end the
/// process.
///
/// # Errors
/// [`Error::Memory`].
pub(crate) fn room<T>(what: &str, count: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(count).map_err(|_| Error::Memory {
        what: what.into(),
        bytes: (count as u64).saturating_mul(size_of::<T>() as u64),
        remedy: "use a smaller batch, fewer rows or a smaller network".into(),
    })?;
    Ok(vector)
}

/// Elements, of which a user says how many there are.
///
/// # Errors
/// [`Error::Memory`].
pub(crate) fn collected<T>(what: &str, count: usize, elements: impl IntoIterator<Item = T>) -> Result<Vec<T>> {
    let mut all = room(what, count)?;
    all.extend(elements);
    Ok(all)
}

/// A copy of what a user has given, or asks for.
///
/// # Errors
/// [`Error::Memory`].
pub(crate) fn copied<T: Copy>(what: &str, values: &[T]) -> Result<Vec<T>> {
    let mut copy = room(what, values.len())?;
    copy.extend_from_slice(values);
    Ok(copy)
}

impl Error {
    fn message(&self) -> String {
        match self {
            Self::Shape { place, found_what, found, wanted_what, wanted, remedy } => {
                format!("{place}: {found_what} {found}, but {wanted_what} {wanted}; {remedy}")
            }
            Self::Value { place, name, found, wanted } => {
                format!("{place}: {name} is {found}, but must be {wanted}")
            }
            Self::Unknown { kind, name, nearest, known } => {
                let nearest = nearest.as_ref().map(|name| format!(", did you mean `{name}`?")).unwrap_or_default();
                format!("unknown {kind} `{name}`{nearest}; known: {known}")
            }
            Self::Conflict { place, problem, remedy } | Self::Data { place, problem, remedy } => {
                format!("{place}: {problem}; {remedy}")
            }
            Self::Limit { op, what, needed, allowed, remedy } => {
                format!("{op}: needs {needed} {what}, but the device allows {allowed}; {remedy}")
            }
            Self::Memory { what, bytes, remedy } => {
                format!("{what}: needs {bytes} bytes, but the system gives no more memory; {remedy}")
            }
            Self::Output { place, row, output, value } => format!(
                "{place}, row {row} (from 0): output {output} of the network is {value}, not a finite number; look for \
                 inputs far from those trained on, or train again"
            ),
            Self::NotFinite { step, op, layer, view, row, column, value, remedy } => format!(
                "step {step}: {op} ({layer}) produced {value} at row {row}, column {column} of {view}; parameters are as \
                 before this step: {remedy}"
            ),
            Self::StateNotFinite { step, view, row, column, value } => format!(
                "step {step}: its update made {view} {value} at row {row}, column {column}; all other parameters have had \
                 this update, so that nothing can be kept or go on from here: restore an earlier checkpoint, or train \
                 again with a lower learning rate, or with inputs and targets scaled"
            ),
            Self::Mismatch { op, view, row, column, device, reference, tolerance } => format!(
                "{op}: {view}[{row}, {column}] is {device}, reference {reference}, tolerance {tolerance}; the device's result \
                 cannot be trusted"
            ),
            Self::File { path, action, source } => format!("{}: {action} failed: {source}", path.display()),
            Self::Format { path, problem, remedy } => format!("{}: {problem}; {remedy}", path.display()),
            Self::Device { device, problem, remedy } => format!("device `{device}`: {problem}; {remedy}"),
        }
    }

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
