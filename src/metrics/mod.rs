//! Metrics of predictions, with scikit-learn's formulas and conventions. Each metric is a function, such as
//! [`accuracy`]. A [`Metric`] is a metric as a value, such as one that a user chose by name.
//!
//! All metrics take [`Predictions`]. These are actual classes with predicted classes, scores or probabilities; target
//! numbers with predicted numbers; or several labels per row with their scores. Each row may have a weight.
//! [`Model::evaluate`](crate::Model::evaluate) computes all metrics that suit a model, with default parameters. Metrics
//! are computed in f64. Sums over rows are compensated, so their error does not grow with the number of rows.
//!
//! ```
//! use wgrad::metrics::{self, Metric, Predictions};
//! let (actual, predicted) = ([0, 1, 2, 2, 2], [0, 0, 2, 2, 1]);
//! let predictions = Predictions::classes(&actual, &predicted);
//! assert_eq!(metrics::accuracy(&predictions)?, 0.6);
//! let metric: Metric = "recall(average=micro)".parse()?;
//! assert_eq!(metric.compute(&predictions)?, 0.6);
//! // Only the first two rows count. The first counts three times as much as the second.
//! assert_eq!(metrics::accuracy(&predictions.weights(&[3.0, 1.0, 0.0, 0.0, 0.0]))?, 0.75);
//! # Ok::<(), wgrad::Error>(())
//! ```

mod column;
mod counts;
mod declare;
mod labels;
mod predictions;
mod ranking;
mod scorer;
mod sum;
mod table;

pub use predictions::Predictions;
pub use table::*;

pub(crate) use counts::{ClassCounts, Counts};
pub(crate) use labels::LabelScores;
pub(crate) use scorer::{Scorer, of_numbers};

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::text::{Term, number, option, term};
use declare::{Compute, Declaration, ParameterKind};

/// Metric with its parameters. As text, it is its name if all parameters have their defaults, otherwise its name and
/// all parameters.
///
/// # Examples
/// ```
/// use wgrad::metrics::Metric;
/// let metric: Metric = "f_beta(beta=2)".parse()?;
/// assert_eq!(metric.to_string(), "f_beta(beta=2, average=macro)");
/// assert_eq!("f_beta".parse::<Metric>()?.to_string(), "f_beta");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Metric {
    /// Index in the table of metrics.
    place: usize,
    values: [f64; 2],
}

/// Kind of predictions that a metric needs. A metric that needs classes also accepts scores and probabilities. A metric
/// that needs scores also accepts probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Needs {
    /// Actual and predicted classes.
    Classes,
    /// Actual classes and a score per class.
    Scores,
    /// Actual classes and a probability per class.
    Probabilities,
    /// Targets and outputs that are numbers.
    Numbers,
    /// Several labels per row, each with a score.
    Labels,
}

impl Needs {
    /// Returns `true` if predictions of the kind `given` have all that is needed.
    pub(crate) fn is_met_by(self, given: Self) -> bool {
        match self {
            Self::Numbers => given == Self::Numbers,
            Self::Classes => !matches!(given, Self::Numbers | Self::Labels),
            Self::Scores => matches!(given, Self::Scores | Self::Probabilities),
            Self::Probabilities => given == Self::Probabilities,
            Self::Labels => given == Self::Labels,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Classes => "classes",
            Self::Scores => "scores",
            Self::Probabilities => "probabilities",
            Self::Numbers => "numbers",
            Self::Labels => "labels",
        }
    }
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Method of averaging a metric over classes or labels, as scikit-learn's parameter `average`.
///
/// # Examples
/// ```
/// use wgrad::metrics::{Average, Predictions, precision};
/// let predictions = Predictions::classes(&[0, 0, 0, 1], &[0, 0, 1, 1]);
/// assert_eq!(precision(&predictions, Average::Binary)?, 0.5);
/// assert_eq!(precision(&predictions, Average::Macro)?, (1.0 + 0.5) / 2.0);
/// assert_eq!(precision(&predictions, Average::Weighted)?, (3.0 * 1.0 + 1.0 * 0.5) / 4.0);
/// assert_eq!(precision(&predictions, Average::Micro)?, 0.75);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Average {
    /// Unweighted mean over classes.
    #[default]
    Macro,
    /// One metric over all classes, computed from the sums of their counts.
    Micro,
    /// Mean over classes, weighted by the number of rows of each class.
    Weighted,
    /// Metric of class 1, without an average. It is an error for classes above 1, and for several labels per row.
    Binary,
}

impl Average {
    const ALL: [(Self, &'static str); 4] =
        [(Self::Macro, "macro"), (Self::Micro, "micro"), (Self::Weighted, "weighted"), (Self::Binary, "binary")];

    /// Returns the average at index `number` of [`Self::ALL`].
    fn at(number: f64) -> Self {
        Self::ALL.get(number as usize).map_or_else(Self::default, |(average, _)| *average)
    }
}

/// Type of a metric's parameter. Its values are converted to the f64 that [`Metric`] stores.
trait IntoNumber {
    fn number(self) -> f64;
}

impl IntoNumber for f64 {
    fn number(self) -> f64 {
        self
    }
}

impl IntoNumber for usize {
    fn number(self) -> f64 {
        self as f64
    }
}

impl IntoNumber for Average {
    fn number(self) -> f64 {
        self as usize as f64
    }
}

/// Row of a classification: its actual class, its predicted class, and its scores.
pub(crate) struct Row<'a> {
    pub(crate) actual: u32,
    pub(crate) predicted: u32,
    /// Score of each class, at least two; empty if only classes are known.
    pub(crate) scores: &'a [f64],
}

impl Row<'_> {
    /// Returns the rank of the actual class by score: 1 is the highest score. Among equal scores, the class with the
    /// larger index ranks first, as in scikit-learn. With only two classes, the predicted class ranks first.
    fn rank(&self) -> f64 {
        if self.scores.len() == 2 {
            return if self.actual == self.predicted { 1.0 } else { 2.0 };
        }
        let actual = self.actual as usize;
        let own = self.scores[actual];
        let is_before = |(class, score): &(usize, &f64)| **score > own || (**score == own && *class > actual);
        1.0 + self.scores.iter().enumerate().filter(is_before).count() as f64
    }

    fn brier_score(&self) -> f64 {
        let error = |(class, q): (usize, &f64)| (q - f64::from(class == self.actual as usize)).powi(2);
        let squares = self.scores.iter().enumerate().map(error).collect::<sum::Sum>().value();
        if self.scores.len() == 2 { squares / 2.0 } else { squares }
    }
}

/// Names of metrics in other libraries, each with wgrad's name for it.
const SYNONYMS: [(&str, &str); 4] =
    [("auc", "roc_auc"), ("auroc", "roc_auc"), ("auprc", "pr_auc"), ("average_precision", "pr_auc")];

impl Metric {
    /// Names of all metrics.
    pub const NAMES: [&str; ALL.len()] = {
        let mut names = [""; ALL.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = ALL[at].name;
            at += 1;
        }
        names
    };

    /// Returns all metrics, with the default of every parameter.
    ///
    /// # Examples
    /// ```
    /// use wgrad::metrics::Metric;
    /// assert!(Metric::all().any(|metric| metric.name() == "roc_auc"));
    /// ```
    pub fn all() -> impl Iterator<Item = Self> {
        ALL.iter().enumerate().map(|(place, declaration)| {
            let value = |at: usize| declaration.parameters.get(at).map_or(0.0, |parameter| parameter.default);
            Self { place, values: [value(0), value(1)] }
        })
    }

    /// Creates a metric from its name and the values of all its parameters.
    fn with_values(name: &str, values: &[f64]) -> Result<Self> {
        let mut metric = Self::named(name)?;
        metric.values.iter_mut().zip(values).for_each(|(value, given)| *value = *given);
        metric.check()
    }

    fn named(name: &str) -> Result<Self> {
        Self::all().find(|metric| metric.name() == name).ok_or_else(|| {
            let synonym = SYNONYMS.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
            match (Error::unknown("metric", name, &Self::NAMES), synonym) {
                (Error::Unknown { kind, name, known, .. }, Some((_, meant))) => {
                    Error::Unknown { kind, name, nearest: Some((*meant).into()), known }
                }
                (other, _) => other,
            }
        })
    }

    fn check(self) -> Result<Self> {
        for (parameter, value) in self.declaration().parameters.iter().zip(self.values) {
            let (is_allowed, wanted) = match parameter.kind {
                ParameterKind::Whole => (value >= 1.0 && value.fract() == 0.0, "a whole number of at least 1"),
                ParameterKind::NotNegative => (value >= 0.0 && value.is_finite(), "finite and at least 0"),
                ParameterKind::Fraction => ((0.0..=1.0).contains(&value), "between 0 and 1"),
                ParameterKind::Average => ((0.0..Average::ALL.len() as f64).contains(&value), "an average"),
            };
            if !is_allowed {
                return Err(Error::value(format!("metric `{}`", self.name()), parameter.name, value, wanted));
            }
        }
        Ok(self)
    }

    fn declaration(&self) -> &'static Declaration {
        &ALL[self.place]
    }

    fn compute_kind(&self) -> &'static Compute {
        &self.declaration().compute
    }

    /// Returns `true` if the metric can be computed from predictions of this kind. Labels also suit three kinds of
    /// metrics that are made for classes: means over rows of a function of classes, averages over classes, and
    /// rankings. Each label is then a class of its own.
    pub(crate) fn suits(&self, kind: Needs) -> bool {
        let needs = self.needs();
        match (kind, self.compute_kind()) {
            (Needs::Labels, Compute::Averaged(_) | Compute::Ranking(_)) => true,
            (Needs::Labels, Compute::Rows(_)) => needs == Needs::Classes,
            _ => needs.is_met_by(kind),
        }
    }

    /// Returns the value of the parameter `average`; [`Average::Macro`] if the metric has no such parameter.
    fn average(&self) -> Average {
        let mut values = self.declaration().parameters.iter().zip(self.values);
        let average = values.find(|(parameter, _)| parameter.kind == ParameterKind::Average);
        average.map_or_else(Average::default, |(_, value)| Average::at(value))
    }

    /// Returns `true` if the metric sorts all rows by score, so that their scores must be kept.
    pub(crate) fn is_of_ranking(&self) -> bool {
        matches!(self.compute_kind(), Compute::Ranking(_))
    }

    /// Returns the name.
    ///
    /// # Examples
    /// ```
    /// let metric: wgrad::metrics::Metric = "pinball(quantile=0.9)".parse()?;
    /// assert_eq!(metric.name(), "pinball");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn name(&self) -> &'static str {
        self.declaration().name
    }

    /// Returns the name with the values of all parameters.
    ///
    /// # Examples
    /// ```
    /// let metric: wgrad::metrics::Metric = "pinball".parse()?;
    /// assert_eq!(metric.signature(), "pinball(quantile=0.5)");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn signature(&self) -> String {
        let text = |(parameter, value): (&declare::Parameter, f64)| match parameter.kind {
            ParameterKind::Average => format!("{}={}", parameter.name, Average::ALL[value as usize].1),
            _ => format!("{}={value}", parameter.name),
        };
        let values: Vec<_> = self.declaration().parameters.iter().zip(self.values).map(text).collect();
        term(self.name(), &values)
    }

    /// Returns the formula as readable text: t is the actual class or target, p the predicted class, q a probability, s
    /// a score, y an output.
    ///
    /// # Examples
    /// ```
    /// let metric: wgrad::metrics::Metric = "mae".parse()?;
    /// assert_eq!(metric.formula(), "mean of |y - t|");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn formula(&self) -> &'static str {
        self.declaration().formula
    }

    /// Returns the kind of predictions that the metric needs.
    ///
    /// # Examples
    /// ```
    /// use wgrad::metrics::{Metric, Needs};
    /// assert_eq!("log_loss".parse::<Metric>()?.needs(), Needs::Probabilities);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn needs(&self) -> Needs {
        self.declaration().needs
    }

    /// Returns `true` if larger values are better.
    ///
    /// # Examples
    /// ```
    /// use wgrad::metrics::Metric;
    /// assert!("r2".parse::<Metric>()?.larger_is_better() && !"mae".parse::<Metric>()?.larger_is_better());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn larger_is_better(&self) -> bool {
        self.declaration().larger_is_better
    }

    /// Returns the smallest and the largest value that the metric can have.
    ///
    /// # Examples
    /// ```
    /// let metric: wgrad::metrics::Metric = "r2".parse()?;
    /// assert_eq!(metric.range(), [f64::NEG_INFINITY, 1.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn range(&self) -> [f64; 2] {
        self.declaration().range
    }

    /// Computes the metric from predictions.
    ///
    /// # Errors
    /// There are no rows; the lengths of the slices do not match; a value is not finite, or a probability is outside
    /// \[0, 1\]; the probabilities of a row do not sum to 1; a class has no score; a weight is negative; all weights
    /// are 0; the metric needs another kind of predictions, or is undefined for these.
    ///
    /// # Examples
    /// ```
    /// use wgrad::metrics::{Metric, Predictions};
    /// let metric: Metric = "mae".parse()?;
    /// assert_eq!(metric.compute(&Predictions::numbers(&[1.0, 2.0], &[2.0, 5.0]))?, 2.0);
    /// assert!(metric.compute(&Predictions::classes(&[0, 1], &[0, 1])).is_err());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn compute(&self, predictions: &Predictions<'_>) -> Result<f64> {
        if !self.suits(predictions.kind()) {
            let (needed, given) = (self.needs().name(), predictions.kind().name());
            let problem = format!("it needs {needed}, but the predictions are {given}");
            let remedy = format!("use `Predictions::{needed}`, or another metric");
            return Err(Error::conflict(format!("metric `{self}`"), problem, remedy));
        }
        predictions.compute(*self)
    }
}

/// Returns the error for a metric that is undefined for the given rows.
fn undefined(name: &str, why: &str) -> Error {
    Error::data(format!("metric `{name}`"), format!("it is undefined, since {why}"), "use other rows or another metric")
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_default = Self::all().any(|default| default == *self);
        f.write_str(&if is_default { self.name().into() } else { self.signature() })
    }
}

impl fmt::Debug for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Metric({self})")
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}

impl TryFrom<String> for Metric {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl FromStr for Metric {
    type Err = Error;

    /// Parses a name, or a name with parameters, such as `f_beta(beta=2, average=macro)`. Other parameters have their
    /// defaults.
    fn from_str(text: &str) -> Result<Self> {
        let term = Term::parse("metric", text)?;
        let mut metric = Self::named(term.name)?;
        let parameters = metric.declaration().parameters;
        let options = term.named("metric", &parameters.iter().map(|parameter| parameter.name).collect::<Vec<_>>())?;
        let place = format!("metric `{}`", term.name);
        for (value, parameter) in metric.values.iter_mut().zip(parameters) {
            let Some(text) = option(&options, parameter.name) else { continue };
            *value = match parameter.kind {
                ParameterKind::Average => {
                    let names = Average::ALL.map(|(_, name)| name);
                    let place = names.iter().position(|name| *name == text);
                    place.ok_or_else(|| Error::unknown("average", text, &names))? as f64
                }
                _ => number(&place, parameter.name, text, "a number")?,
            };
        }
        metric.check()
    }
}
