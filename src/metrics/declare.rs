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

/// Parameter of a metric. Its value is stored as an f64.
pub(crate) struct Parameter {
    pub(crate) name: &'static str,
    pub(crate) default: f64,
    pub(crate) kind: ParameterKind,
}

/// Kind of a parameter: the values that it may have.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum ParameterKind {
    /// Whole number of at least 1.
    Whole,
    /// Number of at least 0.
    NotNegative,
    /// Number from 0 to 1.
    Fraction,
    /// Index in [`Average::ALL`](crate::metrics::Average::ALL), stored as a number.
    Average,
}

/// Function that computes a metric, and the data that it needs. `[f64; 2]` has the values of the metric's parameters.
pub(crate) enum Compute {
    /// The metric is the weighted mean of the returned values over all rows.
    Rows(fn(&Row<'_>, [f64; 2]) -> f64),
    /// The metric is Σ |weighted sum over a bin| / total weight. The function returns a row's bin and value.
    Bins(fn(&Row<'_>) -> (usize, f64)),
    /// The metric is computed from the confusion matrix.
    Counts(fn(&Counts, [f64; 2]) -> Result<f64>),
    /// The metric is computed for each class or label, and then averaged.
    Averaged(fn(ClassCounts, [f64; 2]) -> f64),
    /// The metric is computed from several labels per row.
    Labels(fn(&LabelScores<'_>) -> f64),
    /// The metric is computed from the rows sorted by score. With two classes, the score is that of class 1. With more
    /// classes, each class is ranked against all others, and the metric is the mean over classes. The function returns
    /// `None` if the metric is undefined, such as for a class without rows.
    Ranking(fn(&Ranking) -> Option<f64>),
    /// The metric is computed for each target column, and then averaged.
    Columns(fn(&Column, [f64; 2]) -> f64),
}

/// Declares metrics. It creates `ALL`, a list of [`Declaration`]s, and a public function for each metric.
///
/// A declaration has these parts, in this order: documentation; name; parameters with kind and default; formula; kind
/// of predictions that the metric needs; the better direction, `larger` or `smaller`; range; example with its value;
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
            /// See [`Metric::compute`](crate::metrics::Metric::compute).
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
