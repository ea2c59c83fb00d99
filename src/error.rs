//! The error type. Each message states the problem, its place, the value found, the limit, and the remedy.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::text::shown;

/// Error of this library. Its text is one line with the place, the problem and, in most cases, a remedy.
///
/// # Examples
/// ```
/// use wgrad::{Error, Network};
/// let error = Network::parse(2, "8 rleu 3").expect_err("there is no such layer");
/// assert!(matches!(&error, Error::Unknown { nearest: Some(nearest), .. } if nearest == "relu"));
/// assert!(error.to_string().starts_with("unknown layer `rleu`, did you mean `relu`?"));
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Two sizes that must be equal differ.
    Shape {
        /// Place: a layer, an op, an argument.
        place: String,
        /// Words before the found size in the message: `the number of values is`.
        found_what: String,
        /// Size that was found.
        found: usize,
        /// Words before the expected size in the message: `the network expects`.
        wanted_what: String,
        /// Expected size.
        wanted: usize,
        /// Advice on how to correct the problem.
        remedy: String,
    },
    /// A value is outside its allowed range.
    #[non_exhaustive]
    Value {
        /// Place: a layer, an option.
        place: String,
        /// Name of the value.
        name: String,
        /// Value that was given.
        found: String,
        /// Allowed values.
        wanted: String,
    },
    /// A name is unknown.
    Unknown {
        /// Kind of thing that was named: a layer, a loss function, an option.
        kind: &'static str,
        /// Name as given.
        name: String,
        /// Nearest known name, if one is close.
        nearest: Option<String>,
        /// All known names.
        known: String,
    },
    /// Settings that are valid by themselves do not fit together.
    #[non_exhaustive]
    Conflict {
        /// Place: a setting, an option or a file.
        place: String,
        /// Description of the problem.
        problem: String,
        /// Advice on how to correct the problem.
        remedy: String,
    },
    /// Data cannot be used.
    #[non_exhaustive]
    Data {
        /// Place: data set, row and column.
        place: String,
        /// Description of the problem.
        problem: String,
        /// Advice on how to correct the problem.
        remedy: String,
    },
    /// An op or allocation exceeds a limit of the device.
    #[non_exhaustive]
    Limit {
        /// Op or allocation that exceeds the limit.
        op: String,
        /// Limited quantity, with its unit.
        what: &'static str,
        /// Amount that the op needs.
        needed: u64,
        /// Amount that the device allows.
        allowed: u64,
        /// Advice on how to correct the problem.
        remedy: String,
    },
    /// Memory could not be allocated.
    #[non_exhaustive]
    Memory {
        /// Purpose of the memory.
        what: String,
        /// Requested size in bytes.
        bytes: u64,
        /// Advice on how to correct the problem.
        remedy: String,
    },
    /// An output of a network is NaN or infinite, so there is no prediction.
    #[non_exhaustive]
    Output {
        /// Computation, and the data that it ran on.
        place: String,
        /// Row of the data, from 0.
        row: usize,
        /// Index of the network's output, from 0.
        output: usize,
        /// Value of the output.
        value: f32,
    },
    /// A loss or gradient became infinite or NaN. Parameters and optimizer state keep their values from before the
    /// step.
    #[non_exhaustive]
    NotFinite {
        /// Step index, from 0.
        step: u64,
        /// First op whose output is not finite.
        op: String,
        /// Layer of the op, or `no layer`.
        layer: String,
        /// View (named part of the device's memory) that the op wrote.
        view: String,
        /// Row in the view. If the view has one row per row of the batch, this is the row's index in the whole step,
        /// which may have several micro-batches.
        row: usize,
        /// Column in the view.
        column: usize,
        /// Value at this place: infinite or NaN.
        value: f32,
        /// Advice that fits the settings of the training. Boxed, since every `Result` is as large as the largest error.
        remedy: Box<str>,
    },
    /// An update wrote an infinite or NaN parameter or optimizer state. All other parameters were updated as well, so
    /// training cannot continue from here.
    StateNotFinite {
        /// Step index, from 0.
        step: u64,
        /// Tensor: `layer0.weight` for a parameter, `adam.v.layer0.weight` for optimizer state.
        view: String,
        /// Row in the tensor.
        row: usize,
        /// Column in the tensor.
        column: usize,
        /// Value at this place: infinite or NaN.
        value: f32,
    },
    /// A result of a device differs from the reference by more than its tolerance.
    Mismatch {
        /// Op: section, index and kernel.
        op: String,
        /// Name of the array with the difference, such as `output`.
        view: String,
        /// Row of the array.
        row: usize,
        /// Column of the array.
        column: usize,
        /// Value from the device.
        device: f64,
        /// Value from the reference implementation.
        reference: f64,
        /// Largest difference that rounding can explain.
        tolerance: f64,
    },
    /// A file could not be read or written.
    #[non_exhaustive]
    File {
        /// Path of the file.
        path: PathBuf,
        /// Action that failed, such as `writing`.
        action: &'static str,
        /// Error of the operating system.
        source: std::io::Error,
    },
    /// The content of a file is not valid.
    #[non_exhaustive]
    Format {
        /// Path of the file.
        path: PathBuf,
        /// Description of the problem.
        problem: String,
        /// Advice on how to correct the problem.
        remedy: String,
    },
    /// A device is missing, cannot be opened, or has stopped responding.
    #[non_exhaustive]
    Device {
        /// Name of the device, as requested.
        device: String,
        /// Description of the problem.
        problem: String,
        /// Advice on how to correct the problem.
        remedy: String,
    },
}

impl fmt::Display for Error {
    /// Writes one line; control characters from files and drivers are escaped by [`shown`].
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

/// `Result` with [`Error`] as its error type.
pub type Result<T> = std::result::Result<T, Error>;

/// Returns an empty vector with capacity for `count` elements, for sizes that a user chooses. If memory is short, it
/// returns an error that names `what`; a plain `Vec` would abort the process.
///
/// # Errors
/// Returns [`Error::Memory`] if the allocation fails.
pub(crate) fn try_with_capacity<T>(what: &str, count: usize) -> Result<Vec<T>> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(count).map_err(|_| Error::Memory {
        what: what.into(),
        bytes: (count as u64).saturating_mul(size_of::<T>() as u64),
        remedy: "use a smaller batch, fewer rows or a smaller network".into(),
    })?;
    Ok(vector)
}

/// Collects `count` elements into a vector. Like [`room`], it returns an error if memory is short.
///
/// # Errors
/// Returns [`Error::Memory`] if the allocation fails.
pub(crate) fn collected<T>(what: &str, count: usize, elements: impl IntoIterator<Item = T>) -> Result<Vec<T>> {
    let mut all = try_with_capacity(what, count)?;
    all.extend(elements);
    Ok(all)
}

/// Copies values to a new vector. Like [`room`], it returns an error if memory is short.
///
/// # Errors
/// Returns [`Error::Memory`] if the allocation fails.
pub(crate) fn copied<T: Copy>(what: &str, values: &[T]) -> Result<Vec<T>> {
    let mut copy = try_with_capacity(what, values.len())?;
    copy.extend_from_slice(values);
    Ok(copy)
}

/// Largest number of problems that are listed in one error.
const MOST_PROBLEMS: usize = 5;

impl Error {
    /// Combines problems into one error, so that a user can correct all of them at once.
    ///
    /// # Errors
    /// Returns an error if there is at least one problem.
    pub(crate) fn combine(mut problems: Vec<Self>) -> Result<()> {
        match problems.len() {
            0 => Ok(()),
            1 => problems.pop().map_or(Ok(()), Err),
            count => {
                let listed = problems.iter().take(MOST_PROBLEMS).enumerate();
                let listed: Vec<String> = listed.map(|(at, one)| format!("({}) {}", at + 1, one.message())).collect();
                let more = count.saturating_sub(MOST_PROBLEMS);
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                let problem = format!("{}{more}", listed.join(" "));
                Err(Self::data(format!("{count} problems"), problem, "correct all of them"))
            }
        }
    }

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
                format!("{what}: needs {bytes} bytes, but the allocation failed; {remedy}")
            }
            Self::Output { place, row, output, value } => format!(
                "{place}, row {row} (from 0): output {output} of the network is {value}, not a finite number; check for \
                 inputs far outside the training data, or train again"
            ),
            Self::NotFinite { step, op, layer, view, row, column, value, remedy } => format!(
                "step {step}: {op} ({layer}) produced {value} at row {row}, column {column} of {view}; the parameters are \
                 those before this step: {remedy}"
            ),
            Self::StateNotFinite { step, view, row, column, value } => format!(
                "step {step}: the update set {view} to {value} at row {row}, column {column}; the other parameters were \
                 updated too, so training cannot continue from here: restore an earlier checkpoint, or train again with \
                 a lower learning rate, or with scaled inputs and targets"
            ),
            Self::Mismatch { op, view, row, column, device, reference, tolerance } => format!(
                "{op}: {view}[{row}, {column}] is {device}, reference {reference}, tolerance {tolerance}; the device's result \
                 cannot be trusted"
            ),
            Self::File { path, action, source } => {
                let remedy = if source.kind() == std::io::ErrorKind::NotFound { "; check the path" } else { "" };
                format!("{}: {action} failed: {source}{remedy}", path.display())
            }
            Self::Format { path, problem, remedy } => format!("{}: {problem}; {remedy}", path.display()),
            Self::Device { device, problem, remedy } => format!("device `{device}`: {problem}; {remedy}"),
        }
    }

    /// Creates an [`Error::Unknown`] that suggests the nearest of `known`: one at a small edit distance, or one that
    /// begins with `name`.
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

    /// Creates an [`Error::Value`].
    pub fn value(place: impl Into<String>, name: &str, found: impl ToString, wanted: &str) -> Self {
        Self::Value { place: place.into(), name: name.into(), found: found.to_string(), wanted: wanted.into() }
    }

    /// Creates an [`Error::Data`].
    pub fn data(place: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Data { place: place.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// Creates an [`Error::Conflict`].
    pub fn conflict(place: impl Into<String>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Conflict { place: place.into(), problem: problem.into(), remedy: remedy.into() }
    }

    /// Creates an [`Error::File`].
    pub fn file(path: &Path, action: &'static str, source: std::io::Error) -> Self {
        Self::File { path: path.into(), action, source }
    }

    /// Creates an [`Error::Format`].
    pub fn format(path: &Path, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Format { path: path.into(), problem: problem.into(), remedy: remedy.into() }
    }
}
