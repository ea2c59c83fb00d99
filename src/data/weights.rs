//! Weights of rows, given for each row or by class.

use std::fmt;
use std::str::FromStr;

use super::{Dataset, Targets, check};
use crate::error::{Error, Result};

/// Weights of classes, for classes that differ in frequency or importance. The weight of each row is multiplied by the
/// weight of its class.
///
/// # Examples
/// ```
/// use wgrad::{Dataset, data::ClassWeights};
/// let data = Dataset::from_rows([[1.0], [2.0], [3.0], [4.0]], ["no", "no", "no", "yes"])?;
/// let balanced = data.clone().class_weighted(&ClassWeights::Balanced)?;
/// let third = 4.0 / (2.0 * 3.0);
/// assert_eq!(balanced.weights(), Some(&[third, third, third, 2.0][..]));
/// let named = data.class_weighted(&"yes=3".parse()?)?;
/// assert_eq!(named.weights(), Some(&[1.0, 1.0, 1.0, 3.0][..]));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClassWeights {
    /// Weight n / (k·n_c) for a class with n_c of the n rows, if k classes have rows. All classes then have the same
    /// total weight, as with scikit-learn's `class_weight="balanced"`.
    Balanced,
    /// Names of classes, with their weights. All other classes have the weight 1.
    Named(Vec<(String, f64)>),
}

impl fmt::Display for ClassWeights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Balanced => f.write_str("balanced"),
            Self::Named(weights) => {
                let texts: Vec<_> = weights.iter().map(|(name, weight)| format!("{name}={weight}")).collect();
                f.write_str(&texts.join(","))
            }
        }
    }
}

impl FromStr for ClassWeights {
    type Err = Error;

    /// Parses `balanced`, or names and weights such as `no=1,yes=5`.
    fn from_str(text: &str) -> Result<Self> {
        if text.trim().eq_ignore_ascii_case("balanced") {
            return Ok(Self::Balanced);
        }
        let weight = |part: &str| {
            let (name, weight) = part.rsplit_once('=')?;
            Some((name.trim().to_string(), weight.trim().parse().ok()?))
        };
        let weights: Option<Vec<_>> = text.split(',').map(weight).collect();
        let wrong = || Error::value("class weights", "text", format!("`{text}`"), "`balanced`, or as in `no=1,yes=5`");
        weights.map(Self::Named).ok_or_else(wrong)
    }
}

impl ClassWeights {
    /// Returns the weight of each class. `indices` has the class of each row, and `place` is for error messages.
    fn of(&self, place: &str, indices: &[u32], names: &[String]) -> Result<Vec<f64>> {
        let mut weights = vec![1.0; names.len()];
        match self {
            Self::Balanced => {
                let mut counts = vec![0.0; names.len()];
                indices.iter().for_each(|class| counts[*class as usize] += 1.0);
                let classes = counts.iter().filter(|count| **count > 0.0).count() as f64;
                let balanced = |count: &f64| indices.len() as f64 / (classes * count.max(1.0));
                weights = counts.iter().map(balanced).collect();
            }
            Self::Named(named) => {
                for (name, weight) in named {
                    let known: Vec<&str> = names.iter().map(String::as_str).collect();
                    let class = known.iter().position(|known| known == name);
                    let class = class.ok_or_else(|| Error::unknown("class", name, &known))?;
                    if !(weight.is_finite() && *weight >= 0.0) {
                        let name = format!("the weight of class `{name}`");
                        return Err(Error::value(place, &name, weight, "finite and at least 0"));
                    }
                    weights[class] = *weight;
                }
            }
        }
        Ok(weights)
    }
}

impl Dataset {
    /// Sets the weight of each row, at least 0. Training then minimizes the weighted mean Σ w·l / Σ w of the losses l,
    /// with sums over the rows of a step. Evaluations are weighted in the same way. A row of weight 2 counts as two
    /// equal rows; only the ratios of weights matter.
    ///
    /// PyTorch's weighted `CrossEntropyLoss` and scikit-learn's `sample_weight` compute the same mean. If all rows of a
    /// step have the weight 0, its loss is 0 and there is no gradient. A [`Standardization`](super::Standardization)
    /// ignores the weights.
    ///
    /// # Errors
    /// The number of weights differs from the number of rows; a weight is negative or not finite; all weights are 0.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Dataset;
    /// let data = Dataset::from_rows([[0.0], [1.0]], [1.0, 3.0])?.weighted(vec![1.0, 0.5])?;
    /// assert_eq!(data.weights(), Some(&[1.0, 0.5][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn weighted(self, weights: Vec<f32>) -> Result<Self> {
        let place = self.place();
        check_weights(&place, &weights, self.len())?;
        let data = Self { weights: Some(weights), ..self };
        data.check_weights()?;
        Ok(data)
    }

    /// Multiplies the weight of each row by the weight of its class. Rows without a weight count as weight 1.
    ///
    /// # Errors
    /// The targets are numbers; a class is unknown; a weight is negative or not finite; all weights become 0.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::data::{ClassWeights, iris};
    /// // Each class has a third of the rows.
    /// assert_eq!(iris().class_weighted(&ClassWeights::Balanced)?.weights(), Some(&[1.0; 150][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn class_weighted(self, weights: &ClassWeights) -> Result<Self> {
        let Targets::Classes { indices, names } = &self.targets else {
            let problem = "its targets are numbers, so there are no classes to weigh";
            return Err(Error::conflict(self.place(), problem, "give a weight for each row instead"));
        };
        let of_class = weights.of(&self.place(), indices, names)?;
        let own = |row: usize| self.weights.as_ref().map_or(1.0, |weights| f64::from(weights[row]));
        let product = |(row, class): (usize, &u32)| (own(row) * of_class[*class as usize]) as f32;
        let weights = indices.iter().enumerate().map(product).collect();
        self.weighted(weights)
    }

    /// Returns the weight of each row; `None` if all rows count alike.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::data::xor().weights(), None);
    /// ```
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// Refuses weights that are all 0.
    pub(crate) fn check_weights(&self) -> Result<()> {
        match &self.weights {
            Some(weights) if weights.iter().all(|weight| *weight == 0.0) => {
                let remedy = "give at least one row a weight above 0";
                Err(Error::data(self.place(), format!("the weights of all {} rows are 0", self.len()), remedy))
            }
            _ => Ok(()),
        }
    }
}

/// Refuses weights if their number differs from the number of rows, or if one is negative or not finite.
pub(crate) fn check_weights(place: &str, weights: &[f32], rows: usize) -> Result<()> {
    check::same_rows(place, "weight", weights.len(), rows)?;
    match weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        None => Ok(()),
        Some(row) => {
            let place = format!("{place}, row {row} (from 0)");
            Err(Error::value(place, "the weight", weights[row], "finite and at least 0"))
        }
    }
}
