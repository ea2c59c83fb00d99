//! The macro that declares metrics; see [`metrics!`].

use crate::error::Result;
use crate::metrics::column::Column;
use crate::metrics::counts::{ClassCounts, Counts};
use crate::metrics::labels::LabelScores;
use crate::metrics::ranking::Ranking;
use crate::metrics::{Needs, Row};

/// Declaration of a metric.
pub(crate) struct Declaration {
    pub(crate) name: &'static str,
    pub(crate) parameters: &'static [Parameter],
    /// Formula as readable text.
    pub(crate) formula: &'static str,
    pub(crate) needs: Needs,
    pub(crate) larger_is_better: bool,
    /// Smallest and largest value.
    pub(crate) range: [f64; 2],
    pub(crate) compute: Compute,
}

/// Parameter of a metric; its value is stored as a number.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) default: f64,
    pub(crate) kind: ParameterKind,
}

/// Values that a parameter may have.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum ParameterKind {
    /// Whole number of at least 1.
    Whole,
    /// Number of at least 0.
    NotNegative,
    /// Number from 0 to 1.
    Fraction,
    /// Index in [`Average::ALL`](crate::metrics::Average::ALL).
    Average,
}

/// Computation of a metric.
pub(crate) enum Compute {
    /// Mean over the rows of a term per row.
    Rows(fn(&Row<'_>, [f64; 2]) -> f64),
    /// Σ |sum of the terms of a bin| / number of rows. The function returns the bin and the term of a row.
    Bins(fn(&Row<'_>) -> (usize, f64)),
    /// From the counts of actual and predicted classes.
    Counts(fn(&Counts, [f64; 2]) -> Result<f64>),
    /// From the counts of each class, averaged over classes or labels.
    Averaged(fn(ClassCounts, [f64; 2]) -> f64),
    /// From several labels per row.
    Labels(fn(&LabelScores<'_>) -> f64),
    /// From the rows sorted by score. With two classes, the score is that of class 1. Otherwise the metric is the mean
    /// over all classes, each against the rest. `None` if no row, or every row, is of a class.
    Ranking(fn(&Ranking) -> Option<f64>),
    /// Mean over target columns.
    Columns(fn(&Column, [f64; 2]) -> f64),
}

/// Declares metrics as `ALL`, a list of [`Declaration`]s, and a public function for each.
///
/// A declaration has documentation, the function's name and parameters with kind and default, a readable formula, the
/// kind of predictions that the metric needs, which values are better, its range, an example with its value, and the
/// computation in f64.
macro_rules! metrics {
    ($(
        $(#[$doc:meta])*
        pub fn $name:ident($($p:ident: $type:ty = $kind:ident $default:literal),*);
        formula $formula:literal, from $needs:ident, $better:ident is better, range [$least:expr, $most:expr];
        example ($example:literal) = $value:literal;
        $compute:expr;
    )*) => {
        pub(crate) const ALL: &[$crate::metrics::declare::Declaration] = &[$($crate::metrics::declare::Declaration {
            name: stringify!($name),
            parameters: &[$($crate::metrics::declare::Parameter {
                name: stringify!($p),
                default: $default,
                kind: $crate::metrics::declare::ParameterKind::$kind,
            }),*],
            formula: $formula,
            needs: $crate::metrics::Needs::$needs,
            larger_is_better: $crate::metrics::declare::better!($better),
            range: [$least, $most],
            compute: $compute,
        }),*];

        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// As [`Metric::compute`](crate::metrics::Metric::compute).
            ///
            /// # Examples
            /// ```
            /// use wgrad::metrics::{self, Average, Predictions};
            #[doc = concat!("let found = metrics::", stringify!($name), "(", $example, ")?;")]
            #[doc = concat!("let wanted: f64 = ", $value, ";")]
            /// assert!((found - wanted).abs() < 1e-12, "{found}");
            /// # let _ = Average::Macro;
            /// # Ok::<(), wgrad::Error>(())
            /// ```
            pub fn $name(predictions: &$crate::metrics::Predictions<'_> $(, $p: $type)*) -> $crate::error::Result<f64> {
                $crate::metrics::Metric::with_values(stringify!($name), &[$($crate::metrics::IntoNumber::number($p)),*])?
                    .compute(predictions)
            }
        )*
    };
}

/// Maps `larger` to `true`, and `smaller` to `false`.
macro_rules! better {
    (larger) => {
        true
    };
    (smaller) => {
        false
    };
}
pub(crate) use {better, metrics};
