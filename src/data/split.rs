//! Splitting a data set into training, validation and test set.

use super::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::rng::{Philox, Stream};

/// Fractions below this are rounding errors: 1 − 0.7 − 0.3 leaves no test set.
const ROUNDING: f64 = 1e-9;

/// Fewest rows that the `wgrad` command splits, 20; 15 % of them is a set of 3. Smaller data sets are trained and evaluated on
/// all rows.
pub const FEWEST_TO_SPLIT: usize = 20;

/// Fractions of the training, validation and test set, and the seed that draws their rows.
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
    /// Creates a split with these fractions for the training and the validation set, from 0 to 1. The rest is the test set. The
    /// seed is 0.
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

    /// Sets the seed that draws the rows; the default is 0.
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

    /// Fractions of training, validation and test set.
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
    /// Splits the rows into training, validation and test set, in this order. Every row is in exactly one of them.
    ///
    /// The split is stratified: the rows of each class are divided in proportion, to within two rows. The size of each set is
    /// its fraction of all rows, to within one row. Rows are shuffled. The same seed gives the same sets. A set with the fraction
    /// 0 is empty.
    ///
    /// # Errors
    /// The training fraction is outside (0, 1], the validation fraction is outside \[0, 1\], their sum is above 1, or a fraction
    /// above 0 is too small for one row.
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

    /// Stratum of each row: its class, or 0 if the targets are numbers.
    fn strata(&self) -> Vec<usize> {
        match &self.targets {
            Targets::Classes { indices, .. } => indices.iter().map(|&class| class as usize).collect(),
            Targets::Numbers { .. } => vec![0; self.len()],
        }
    }
}

/// Assigns rows to the three sets. The sizes per class are determined first. Then each row, in shuffled order, goes to the
/// first set that still needs its class.
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

fn take_one(rows: &mut usize) -> bool {
    let some = *rows > 0;
    *rows -= usize::from(some);
    some
}

/// Returns `fraction` of each count. The sum is `fraction` of the counts' sum, rounded half up; the largest remainders are
/// rounded up. Ties are broken at random, since rare classes would otherwise go to the same set for every seed.
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
