//! Splitting a data set into training, validation and test set.

use super::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::rng::{Philox, Stream};

/// Tolerance for rounding errors of fractions. For example, 1 − 0.7 − 0.3 is slightly above 0, but leaves no test set.
const ROUNDING: f64 = 1e-9;

/// Minimum number of rows that the `wgrad` command splits by default: 20, of which 15 % are 3 rows. Smaller data sets
/// are trained and evaluated on all rows.
pub const FEWEST_TO_SPLIT: usize = 20;

/// Fractions of training, validation and test set, and the random seed of the split.
///
/// # Examples
/// ```
/// use wgrad::{Split, data};
/// let (train, validation, test) = data::iris().split(Split::parts(0.6, 0.2).seed(1))?;
/// assert_eq!((train.len(), validation.len(), test.len()), (90, 30, 30));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    train: f64,
    validation: f64,
    seed: u64,
}

impl Split {
    /// Creates a split from the fractions of the training and the validation set, each from 0 to 1. The remaining rows
    /// are the test set. The seed is 0.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Split, data};
    /// let (train, _, test) = data::digits().split(Split::parts(0.8, 0.0))?;
    /// assert_eq!(train.len() + test.len(), 1797);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn parts(train: f64, validation: f64) -> Self {
        Self { train, validation, seed: 0 }
    }

    /// Sets the random seed; the default is 0. Another seed assigns other rows to the sets.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Split, data};
    /// let [one, other] = [1, 2].map(|seed| data::iris().split(Split::parts(0.7, 0.3).seed(seed)));
    /// assert_ne!(one?.0, other?.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Returns the fractions of training, validation and test set. Invalid fractions are an error.
    fn fractions(self) -> Result<[f64; 3]> {
        if !(self.train > 0.0 && self.train <= 1.0) {
            return Err(Error::value("split", "the fraction for training", self.train, "above 0 and at most 1"));
        }
        if !(0.0..=1.0).contains(&self.validation) {
            return Err(Error::value("split", "the fraction for validation", self.validation, "from 0 to 1"));
        }
        let test = 1.0 - self.train - self.validation;
        if test < -ROUNDING {
            let sum = format!("{} + {} = {}", self.train, self.validation, self.train + self.validation);
            return Err(Error::value("split", "the sum of training and validation", sum, "at most 1"));
        }
        Ok([self.train, self.validation, if test < ROUNDING { 0.0 } else { test }])
    }
}

impl Dataset {
    /// Splits the rows into training, validation and test set, and returns them in this order. Every row is in exactly
    /// one set.
    ///
    /// The split is stratified: each set has nearly the same proportion of each class, to within two rows per class.
    /// The size of a set is its fraction of all rows, to within one row. Rows are shuffled. The same seed gives the
    /// same sets. A set with the fraction 0 is empty.
    ///
    /// # Errors
    /// The training fraction is outside (0, 1], the validation fraction is outside \[0, 1\], the sum of both is above
    /// 1, or a set with a fraction above 0 would get no row.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Split, data};
    /// let (train, validation, test) = data::iris().split(Split::parts(0.7, 0.15).seed(7))?;
    /// assert_eq!((train.len(), validation.len(), test.len()), (105, 23, 22));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn split(&self, split: Split) -> Result<(Self, Self, Self)> {
        let fractions = split.fractions()?;
        let parts = assign(&self.strata(), fractions, &mut Philox::new(split.seed, Stream::Split, 0));
        for ((rows, fraction), name) in parts.iter().zip(fractions).zip(["training", "validation", "test"]) {
            if rows.is_empty() && fraction > 0.0 {
                let problem = format!("{name} would get 0 of {} rows with a fraction of {fraction:.3}", self.len());
                return Err(Error::data(self.place(), problem, "give it a larger fraction, or 0 to leave it empty"));
            }
        }
        let [train, validation, test] = parts.map(|rows| self.select(&rows));
        Ok((train, validation, test))
    }

    /// Stratum of each row: the class of the row, or 0 for all rows if the targets are numbers.
    fn strata(&self) -> Vec<usize> {
        match &self.targets {
            Targets::Classes { indices, .. } => indices.iter().map(|&class| class as usize).collect(),
            Targets::Numbers { .. } => vec![0; self.len()],
        }
    }
}

/// Assigns the index of each row to one of the three sets. First, the number of rows per class and set is determined.
/// Then each row, in shuffled order, goes to the first set that still needs a row of its class.
fn assign(strata: &[usize], [train, validation, test]: [f64; 3], random: &mut Philox) -> [Vec<usize>; 3] {
    let mut left = vec![0; strata.iter().max().map_or(0, |last| last + 1)];
    strata.iter().for_each(|&class| left[class] += 1);
    let mut wanted_train = share(&left, train, random);
    left.iter_mut().zip(&wanted_train).for_each(|(rows, taken)| *rows -= taken);
    let held_out = validation + test;
    let mut wanted_validation = share(&left, if held_out > 0.0 { validation / held_out } else { 0.0 }, random);

    let mut order: Vec<usize> = (0..strata.len()).collect();
    random.shuffle(&mut order);
    let mut parts = [vec![], vec![], vec![]];
    for row in order {
        let wanted = [&mut wanted_train[strata[row]], &mut wanted_validation[strata[row]]];
        let part = wanted.into_iter().position(take_one).unwrap_or(2);
        parts[part].push(row);
    }
    parts
}

/// Subtracts one from `rows`, and returns true; returns false if `rows` is 0.
fn take_one(rows: &mut usize) -> bool {
    let some = *rows > 0;
    *rows -= usize::from(some);
    some
}

/// Returns the number of rows of each class that a set gets: `fraction` of `counts`. The sum is `fraction` of all rows,
/// rounded half up, so the classes with the largest remainders are rounded up. Ties are broken at random, since rare
/// classes would otherwise go to the same set for every seed.
fn share(counts: &[usize], fraction: f64, random: &mut Philox) -> Vec<usize> {
    let exact = |class: usize| counts[class] as f64 * fraction;
    let mut shares: Vec<usize> = (0..counts.len()).map(|class| exact(class) as usize).collect();
    let wanted = (counts.iter().sum::<usize>() as f64 * fraction + ROUNDING).round() as usize;
    let missing = wanted - shares.iter().sum::<usize>();

    let mut classes: Vec<usize> = (0..counts.len()).collect();
    random.shuffle(&mut classes);
    classes.sort_by(|&a, &b| exact(b).fract().total_cmp(&exact(a).fract()));
    classes[..missing].iter().for_each(|&class| shares[class] += 1);
    shares
}
