//! Which classes are taken for which: counts, and what follows from them for each class.

mod of_model;
mod table;

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::error::{Error, Result};

/// With more classes, the counts of all pairs are no part of the JSON: 50,000 classes have 2.5 billion.
const MOST_IN_JSON: usize = 100;

/// How many rows of each actual class were predicted as each class.
///
/// Metrics are scikit-learn's, for all classes as its `labels` and with `zero_division=0`: what would be 0/0, as the
/// precision of a class that is never predicted or the recall of one without rows, counts 0. Printed, it is a table of
/// the classes and the counts, at most 100 columns wide; with more than 20 classes the worst ten, and the ten most
/// frequent confusions. As JSON: `classes`, a [`ClassMetrics`] each, and `confusion`, the counts \[actual\]\[predicted\];
/// with more than 100 classes `confusion` is left out. Memory grows with the rows and the classes, not the classes' square.
///
/// ```
/// use wgrad::model::Confusion;
/// let names = ["cat", "dog", "owl"].map(String::from).to_vec();
/// let confusion = Confusion::new(names, &[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1])?;
/// assert_eq!((confusion.count(2, 1), confusion.accuracy()), (1, 0.6));
/// let cat = confusion.class(0);
/// assert_eq!((cat.precision, cat.recall, cat.support), (0.5, 1.0, 1));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    classes: Vec<String>,
    /// Rows of (actual, predicted); only of pairs that occur.
    counts: BTreeMap<(u32, u32), u64>,
    /// Rows of each class.
    support: Vec<u64>,
    /// Rows predicted as each class.
    told: Vec<u64>,
}

/// How well one class is told from the others; from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassMetrics {
    /// Name of the class.
    pub class: String,
    /// Share of the rows predicted as this class that are of it.
    pub precision: f64,
    /// Share of the rows of this class that are predicted as it.
    pub recall: f64,
    /// 2·precision·recall / (precision + recall).
    pub f1: f64,
    /// Number of rows of this class.
    pub support: u64,
}

impl Confusion {
    /// Counts rows: class indices \[rows\] each, below the number of names.
    ///
    /// # Errors
    /// No rows; as many actual classes as predicted ones are not given; an index that has no name.
    pub fn new(classes: Vec<String>, actual: &[u32], predicted: &[u32]) -> Result<Self> {
        if actual.is_empty() || actual.len() != predicted.len() {
            return Err(Error::Shape {
                place: "confusion".into(),
                found_what: "the number of predicted classes is".into(),
                found: predicted.len(),
                wanted_what: "the number of actual ones, at least 1, is".into(),
                wanted: actual.len(),
                remedy: "give one of each for every row".into(),
            });
        }
        let (mut counts, mut support, mut told) = (BTreeMap::new(), vec![0; classes.len()], vec![0; classes.len()]);
        for (row, (&actual, &predicted)) in actual.iter().zip(predicted).enumerate() {
            let largest = actual.max(predicted);
            if largest as usize >= classes.len() {
                let wanted = format!("below the number of classes, {}", classes.len());
                return Err(Error::value(format!("confusion, row {row} (from 0)"), "class", largest, &wanted));
            }
            *counts.entry((actual, predicted)).or_default() += 1;
            support[actual as usize] += 1;
            told[predicted as usize] += 1;
        }
        Ok(Self { classes, counts, support, told })
    }

    /// Names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Number of rows of class `actual` that were predicted as class `predicted`, both counted from 0.
    ///
    /// # Panics
    /// Where there is no such class.
    pub fn count(&self, actual: usize, predicted: usize) -> u64 {
        let classes = self.classes.len();
        assert!(actual.max(predicted) < classes, "class {} of {classes}", actual.max(predicted));
        self.counts.get(&(actual as u32, predicted as u32)).copied().unwrap_or(0)
    }

    /// Number of rows.
    pub fn rows(&self) -> u64 {
        self.support.iter().sum()
    }

    /// Share of rows that are predicted as what they are.
    pub fn accuracy(&self) -> f64 {
        let right: u64 = (0..self.classes.len()).map(|class| self.count(class, class)).sum();
        share(right, self.rows())
    }

    /// Metrics of a class, counted from 0.
    ///
    /// # Panics
    /// Where there is no such class.
    pub fn class(&self, class: usize) -> ClassMetrics {
        let (right, support, told) = (self.count(class, class), self.support[class], self.told[class]);
        ClassMetrics {
            class: self.classes[class].clone(),
            precision: share(right, told),
            recall: share(right, support),
            // 2pr / (p + r) without its own 0/0.
            f1: share(2 * right, support + told),
            support,
        }
    }

    /// Metrics of every class, in order.
    pub fn per_class(&self) -> Vec<ClassMetrics> {
        (0..self.classes.len()).map(|class| self.class(class)).collect()
    }

    /// Means over all classes, each counting the same; the support is the number of rows.
    pub fn macro_average(&self) -> ClassMetrics {
        let all = self.per_class();
        let mean = |metric: fn(&ClassMetrics) -> f64| all.iter().map(metric).sum::<f64>() / all.len() as f64;
        ClassMetrics {
            class: "macro average".into(),
            precision: mean(|class| class.precision),
            recall: mean(|class| class.recall),
            f1: mean(|class| class.f1),
            support: self.rows(),
        }
    }

    /// What the rows of a class were predicted as.
    fn row(&self, actual: usize) -> Vec<u64> {
        (0..self.classes.len()).map(|predicted| self.count(actual, predicted)).collect()
    }
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

impl Serialize for Confusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let whole = self.classes.len() <= MOST_IN_JSON;
        let mut fields = serializer.serialize_struct("Confusion", 1 + usize::from(whole))?;
        fields.serialize_field("classes", &self.per_class())?;
        if whole {
            let counts: Vec<Vec<u64>> = (0..self.classes.len()).map(|class| self.row(class)).collect();
            fields.serialize_field("confusion", &counts)?;
        } else {
            fields.skip_field("confusion")?;
        }
        fields.end()
    }
}
