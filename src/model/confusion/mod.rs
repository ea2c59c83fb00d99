//! Confusion matrix, and metrics per class: precision, recall and F1.

mod of_model;
mod table;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::error::{Error, Result, collected};
use crate::metrics::{ClassCounts, Counts};

/// Largest number of classes for which JSON contains the matrix. Its size is the square of this number.
const MOST_IN_JSON: usize = 100;

/// Confusion matrix: number of rows per pair of actual and predicted class.
///
/// Metrics are those of scikit-learn with all classes as `labels` and `zero_division=0`: a quotient 0/0 is 0, such as
/// the precision of a class that is never predicted or the recall of a class without rows.
///
/// [`Display`](std::fmt::Display) writes lines of at most 80 characters: the metrics of each class, the five most
/// frequent errors if there are more than ten classes, and the matrix. With more than 30 classes, it writes the ten
/// classes with the lowest F1 and the ten most frequent errors instead. The JSON has the fields `classes`, with the
/// [`ClassMetrics`] of each class, and `confusion`, with the counts \[actual\]\[predicted\]. With more than 100
/// classes, `confusion` is left out. Memory grows with the number of rows and classes, not with the square of the
/// number of classes.
///
/// # Examples
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
    /// Numbers of rows, as f64, which represents whole numbers up to 2⁵³ exactly.
    counts: Counts,
}

/// Metrics of one class. Precision, recall and F1 are from 0 to 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ClassMetrics {
    /// Name of the class.
    pub class: String,
    /// Fraction of the rows predicted as this class that belong to it.
    pub precision: f64,
    /// Fraction of the rows of this class that are predicted as this class.
    pub recall: f64,
    /// F1 score: 2·precision·recall / (precision + recall).
    pub f1: f64,
    /// Number of rows of this class.
    pub support: u64,
}

impl Confusion {
    /// Creates the matrix from the names of all classes, and the actual and predicted class of each row, as indices
    /// from 0.
    ///
    /// # Errors
    /// There are no rows, `actual` and `predicted` differ in length, or an index has no name.
    ///
    /// # Examples
    /// ```
    /// use wgrad::model::Confusion;
    /// let names = ["cat", "dog"].map(String::from).to_vec();
    /// let confusion = Confusion::new(names, &[0, 0, 1], &[0, 1, 1])?;
    /// assert_eq!((confusion.count(0, 1), confusion.rows()), (1, 3));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn new(classes: Vec<String>, actual: &[u32], predicted: &[u32]) -> Result<Self> {
        if actual.is_empty() || actual.len() != predicted.len() {
            return Err(Error::Shape {
                place: "confusion matrix".into(),
                found_what: "the number of predicted classes is".into(),
                found: predicted.len(),
                wanted_what: "the number of actual classes, at least 1, is".into(),
                wanted: actual.len(),
                remedy: "give one actual and one predicted class per row".into(),
            });
        }
        let mut counts = Counts::new(collected("classes", classes.len(), (0..).take(classes.len()))?)?;
        for (row, (&actual, &predicted)) in actual.iter().zip(predicted).enumerate() {
            let largest = actual.max(predicted);
            if largest as usize >= classes.len() {
                let wanted = format!("below the number of classes, {}", classes.len());
                return Err(Error::value(format!("confusion matrix, row {row} (from 0)"), "class", largest, &wanted));
            }
            counts.add(actual, predicted, 1.0);
        }
        Ok(Self { classes, counts })
    }

    /// Returns the names of the classes.
    ///
    /// # Examples
    /// ```
    /// use wgrad::model::Confusion;
    /// # let names = ["cat", "dog", "owl"].map(String::from).to_vec();
    /// let confusion = Confusion::new(names, &[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1])?;
    /// assert_eq!(confusion.classes(), ["cat", "dog", "owl"]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Returns the number of rows of class `actual` that were predicted as class `predicted`, both from 0.
    ///
    /// # Panics
    /// There is no such class.
    ///
    /// # Examples
    /// ```
    /// use wgrad::model::Confusion;
    /// # let names = ["cat", "dog", "owl"].map(String::from).to_vec();
    /// let confusion = Confusion::new(names, &[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1])?;
    /// assert_eq!(confusion.count(2, 1), 1);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn count(&self, actual: usize, predicted: usize) -> u64 {
        let classes = self.classes.len();
        assert!(actual.max(predicted) < classes, "class {} of {classes}", actual.max(predicted));
        self.counts.pair(actual, predicted) as u64
    }

    /// Returns the number of rows.
    ///
    /// # Examples
    /// ```
    /// use wgrad::model::Confusion;
    /// # let names = ["cat", "dog", "owl"].map(String::from).to_vec();
    /// let confusion = Confusion::new(names, &[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1])?;
    /// assert_eq!(confusion.rows(), 5);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn rows(&self) -> u64 {
        self.counts.total() as u64
    }

    /// Returns the fraction of rows whose predicted class is the actual one.
    ///
    /// # Examples
    /// ```
    /// use wgrad::model::Confusion;
    /// # let names = ["cat", "dog", "owl"].map(String::from).to_vec();
    /// let confusion = Confusion::new(names, &[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1])?;
    /// assert_eq!(confusion.accuracy(), 0.6);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn accuracy(&self) -> f64 {
        self.counts.right() / self.counts.total()
    }

    /// Returns the metrics of a class, given its index from 0.
    ///
    /// # Panics
    /// There is no such class.
    ///
    /// # Examples
    /// ```
    /// use wgrad::model::Confusion;
    /// # let names = ["cat", "dog", "owl"].map(String::from).to_vec();
    /// let confusion = Confusion::new(names, &[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1])?;
    /// assert_eq!(confusion.class(0).precision, 0.5);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn class(&self, class: usize) -> ClassMetrics {
        let found = self.counts.class(class);
        ClassMetrics {
            class: self.classes[class].clone(),
            precision: found.precision(),
            recall: found.recall(),
            f1: found.f_beta(1.0),
            support: found.support as u64,
        }
    }

    /// Returns the metrics of each class, in order.
    ///
    /// # Examples
    /// ```
    /// use wgrad::model::Confusion;
    /// # let names = ["cat", "dog", "owl"].map(String::from).to_vec();
    /// let confusion = Confusion::new(names, &[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1])?;
    /// assert_eq!(confusion.per_class().len(), 3);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn per_class(&self) -> Vec<ClassMetrics> {
        (0..self.classes.len()).map(|class| self.class(class)).collect()
    }

    /// Returns the unweighted mean of the metrics over all classes (macro average). Its `support` is the number of all
    /// rows.
    ///
    /// # Examples
    /// ```
    /// use wgrad::model::Confusion;
    /// # let names = ["cat", "dog", "owl"].map(String::from).to_vec();
    /// let confusion = Confusion::new(names, &[0, 1, 2, 2, 2], &[0, 0, 2, 2, 1])?;
    /// assert_eq!(confusion.macro_average().precision, 0.5);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn macro_average(&self) -> ClassMetrics {
        ClassMetrics {
            class: "macro average".into(),
            precision: self.counts.mean(ClassCounts::precision),
            recall: self.counts.mean(ClassCounts::recall),
            f1: self.counts.mean(|class| class.f_beta(1.0)),
            support: self.rows(),
        }
    }

    /// Returns the row of the matrix for one actual class: the number of rows per predicted class.
    fn row(&self, actual: usize) -> Vec<u64> {
        (0..self.classes.len()).map(|predicted| self.count(actual, predicted)).collect()
    }
}

impl Serialize for Confusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let has_matrix = self.classes.len() <= MOST_IN_JSON;
        let mut fields = serializer.serialize_struct("Confusion", 1 + usize::from(has_matrix))?;
        fields.serialize_field("classes", &self.per_class())?;
        if has_matrix {
            let counts: Vec<Vec<u64>> = (0..self.classes.len()).map(|class| self.row(class)).collect();
            fields.serialize_field("confusion", &counts)?;
        } else {
            fields.skip_field("confusion")?;
        }
        fields.end()
    }
}
