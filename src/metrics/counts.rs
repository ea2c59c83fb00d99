//! Confusion matrix, and the metrics that are computed from it alone.

use std::collections::BTreeMap;

use crate::error::{Error, Result, collected};
use crate::metrics::Average;
use crate::metrics::sum::Sum;

/// Confusion matrix: the total weight of the rows for each pair of actual and predicted class. Without weights, this is
/// the number of rows. Only pairs that occur are stored, so memory does not grow with the square of the number of
/// classes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Counts {
    /// Classes in ascending order. The index of a class in this list is also its index in the fields below.
    labels: Vec<u32>,
    /// Weight for each pair of indices (actual, predicted) that occurs.
    pairs: BTreeMap<(u32, u32), Sum>,
    /// Total weight of the rows of each actual class.
    support: Vec<Sum>,
    /// Total weight of the rows of each predicted class.
    predicted: Vec<Sum>,
}

/// Total weights of rows for one class or label, by outcome.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ClassCounts {
    /// Weight of the rows that are of the class and predicted as it: true positives.
    pub(crate) right: f64,
    /// Weight of the rows that are of the class.
    pub(crate) support: f64,
    /// Weight of the rows that are predicted as the class.
    pub(crate) predicted: f64,
}

impl ClassCounts {
    /// Returns the sums over several classes or labels.
    pub(crate) fn total(classes: &[Self]) -> Self {
        Self {
            right: sum(classes.iter().map(|class| class.right)),
            support: sum(classes.iter().map(|class| class.support)),
            predicted: sum(classes.iter().map(|class| class.predicted)),
        }
    }

    /// Returns right / predicted: the fraction of the rows predicted as the class that are of the class. It is 0 for
    /// 0/0.
    pub(crate) fn precision(self) -> f64 {
        ratio(self.right, self.predicted)
    }

    /// Returns right / support: the fraction of the rows of the class that are predicted as it. It is 0 for 0/0.
    pub(crate) fn recall(self) -> f64 {
        ratio(self.right, self.support)
    }

    /// Returns the F-score (1 + β²)·P·R / (β²·P + R) of precision P and recall R. It is 0 if both are 0.
    pub(crate) fn f_beta(self, beta: f64) -> f64 {
        let square = beta * beta;
        ratio((1.0 + square) * self.right, square * self.support + self.predicted)
    }
}

/// Returns `part / whole`, or 0 if `whole` is 0, as scikit-learn does with `zero_division=0`.
fn ratio(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

impl Counts {
    /// Creates an empty confusion matrix for these classes, in ascending order.
    pub(crate) fn new(labels: Vec<u32>) -> Result<Self> {
        let zeros = || collected("counts of classes", labels.len(), labels.iter().map(|_| Sum::default()));
        Ok(Self { support: zeros()?, predicted: zeros()?, pairs: BTreeMap::new(), labels })
    }

    /// Adds a row. Callers check the classes first: a row with a class that is not in `labels` is ignored.
    pub(crate) fn add(&mut self, actual: u32, predicted: u32, weight: f64) {
        let place = |class: u32| match self.labels.get(class as usize) {
            Some(same) if *same == class => Ok(class as usize),
            _ => self.labels.binary_search(&class),
        };
        let (Ok(actual), Ok(predicted)) = (place(actual), place(predicted)) else { return };
        self.pairs.entry((actual as u32, predicted as u32)).or_default().add(weight);
        self.support[actual].add(weight);
        self.predicted[predicted].add(weight);
    }

    pub(crate) fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns the weight of a pair of actual and predicted class, given their indices.
    pub(crate) fn pair(&self, actual: usize, predicted: usize) -> f64 {
        self.pairs.get(&(actual as u32, predicted as u32)).map_or(0.0, |sum| sum.value())
    }

    /// Returns each pair of indices (actual, predicted) that occurs, with its weight.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = ((usize, usize), f64)> {
        self.pairs.iter().map(|(&(actual, predicted), sum)| ((actual as usize, predicted as usize), sum.value()))
    }

    /// Returns the weights of the class at index `place`.
    ///
    /// # Panics
    /// If `place` is not below the number of classes.
    pub(crate) fn class(&self, place: usize) -> ClassCounts {
        let (support, predicted) = (self.support[place].value(), self.predicted[place].value());
        ClassCounts { right: self.pair(place, place), support, predicted }
    }

    /// Returns the weights of all classes, in ascending order of class.
    pub(crate) fn classes(&self) -> impl Iterator<Item = ClassCounts> {
        (0..self.len()).map(|place| self.class(place))
    }

    /// Returns the total weight of all rows.
    pub(crate) fn total(&self) -> f64 {
        sum(self.support.iter().map(|sum| sum.value()))
    }

    /// Returns the total weight of the correct rows: the predicted class is the actual one.
    pub(crate) fn right(&self) -> f64 {
        sum(self.classes().map(|class| class.right))
    }

    /// Returns the unweighted mean of a metric over all classes.
    pub(crate) fn mean(&self, metric: impl Fn(ClassCounts) -> f64) -> f64 {
        sum(self.classes().map(metric)) / self.len() as f64
    }

    /// Returns the average of a metric over all classes. [`Average::Binary`] is the metric of class 1 alone.
    ///
    /// # Errors
    /// The average is [`Average::Binary`], and there is a class above 1.
    pub(crate) fn average(&self, average: Average, metric: impl Fn(ClassCounts) -> f64) -> Result<f64> {
        if let Some(value) = average.of(&self.classes().collect::<Vec<_>>(), &metric) {
            return Ok(value);
        }
        if let Some(class) = self.labels.iter().find(|class| **class > 1) {
            let wanted = "0 or 1; for more than two classes, use macro, micro or weighted";
            return Err(Error::value("average=binary", "a class", class, wanted));
        }
        let one = self.labels.iter().position(|class| *class == 1).map(|at| self.class(at));
        Ok(metric(one.unwrap_or_default()))
    }

    /// Returns the mean recall of the classes that have rows.
    pub(crate) fn balanced_accuracy(&self) -> f64 {
        let (mut recalls, mut count) = (Sum::default(), 0.0);
        for class in self.classes().filter(|class| class.support > 0.0) {
            recalls.add(class.recall());
            count += 1.0;
        }
        recalls.value() / count
    }

    /// Returns the Matthews correlation coefficient. It is 0 if all actual classes or all predicted classes are equal.
    pub(crate) fn matthews_correlation(&self) -> f64 {
        let total = self.total();
        let one_class = |weights: &[Sum]| weights.iter().filter(|sum| sum.value() > 0.0).count() < 2;
        if one_class(&self.support) || one_class(&self.predicted) {
            return 0.0;
        }
        let both = sum(self.classes().map(|class| class.right * total - class.support * class.predicted));
        let actual = sum(self.classes().map(|class| class.support * (total - class.support)));
        let predicted = sum(self.classes().map(|class| class.predicted * (total - class.predicted)));
        // Rounding may give a little more than 1.
        (both / (actual * predicted).sqrt()).clamp(-1.0, 1.0)
    }

    /// Returns Cohen's kappa: the agreement beyond chance. `None` if all rows are of one class and predicted as it.
    pub(crate) fn cohen_kappa(&self) -> Option<f64> {
        let total = self.total();
        if self.pairs.len() == 1 && self.pairs.keys().all(|(actual, predicted)| actual == predicted) {
            return None;
        }
        // Sums the weights of wrong rows, instead of 1 minus that of correct rows: a small sum then keeps all its
        // digits.
        let wrong = sum(self.pairs().filter(|((actual, predicted), _)| actual != predicted).map(|(_, weight)| weight));
        let expected = sum(self.classes().map(|class| class.support / total * (total - class.predicted)));
        Some(1.0 - wrong / expected)
    }
}

impl Average {
    /// Returns the average of a metric over classes or labels; `None` for [`Average::Binary`], which averages nothing.
    pub(crate) fn of(self, classes: &[ClassCounts], metric: impl Fn(ClassCounts) -> f64) -> Option<f64> {
        let support = classes.iter().map(|class| class.support);
        match self {
            Self::Macro => Some(sum(classes.iter().map(|class| metric(*class))) / classes.len() as f64),
            Self::Weighted => {
                Some(ratio(sum(classes.iter().map(|class| class.support * metric(*class))), sum(support)))
            }
            Self::Micro => Some(metric(ClassCounts::total(classes))),
            Self::Binary => None,
        }
    }
}

fn sum(terms: impl Iterator<Item = f64>) -> f64 {
    terms.collect::<Sum>().value()
}
