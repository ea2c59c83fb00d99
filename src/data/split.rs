//! Cutting a data set into parts for training, validation and test.

use super::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::rng::{Philox, Stream};

/// Fractions below this are rounding: 1 − 0.7 − 0.3 is no test part.
const ROUNDING: f64 = 1e-9;

/// Sets of fewer rows are better trained and evaluated on all rows, as the command does: 15 % of 20 rows is a part of 3.
pub const FEWEST_TO_SPLIT: usize = 20;

/// How a data set is cut: what fraction of its rows goes where, and by which seed they are drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    train: f64,
    validation: f64,
    seed: u64,
}

impl Split {
    /// Fractions of the rows for training and for validation; what remains of 1 is for the test. The seed is 0.
    pub fn parts(train: f64, validation: f64) -> Self {
        Self { train, validation, seed: 0 }
    }

    /// Draws the rows by another seed.
    pub fn seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Fractions for training, validation, test.
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
    /// Cuts the rows into parts for training, validation and test, in this order; every row is in exactly one.
    ///
    /// Classes are spread over the parts in proportion, each to within two rows; each part's size is its fraction
    /// of the rows to within one. Rows of a part are in shuffled order. The same seed gives the same parts. A part of
    /// fraction 0 is an empty data set.
    ///
    /// ```
    /// use wgrad::{Split, data};
    /// let (train, validation, test) = data::iris().split(Split::parts(0.7, 0.15).seed(7))?;
    /// assert_eq!((train.len(), validation.len(), test.len()), (105, 23, 22));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// A fraction for training outside (0, 1] or for validation outside \[0, 1\], fractions of a sum above 1, or a
    /// fraction above 0 of too few rows to give one.
    pub fn split(&self, split: Split) -> Result<(Self, Self, Self)> {
        let fractions = split.fractions()?;
        let parts = assign(&self.strata(), fractions, &mut Philox::new(split.seed, Stream::Split, 0));
        for ((rows, fraction), name) in parts.iter().zip(fractions).zip(["training", "validation", "test"]) {
            if rows.is_empty() && fraction > 0.0 {
                let problem = format!("{name} would get 0 of {} rows, being {fraction:.3} of them", self.len());
                return Err(Error::data(self.place(), problem, "give it a larger fraction, or 0 to leave it empty"));
            }
        }
        let [train, validation, test] = parts.map(|rows| self.select(&rows));
        Ok((train, validation, test))
    }

    /// Each row's class; numbers are all of one.
    fn strata(&self) -> Vec<usize> {
        match &self.targets {
            Targets::Classes { indices, .. } => indices.iter().map(|&class| class as usize).collect(),
            Targets::Numbers { .. } => vec![0; self.len()],
        }
    }
}

/// The rows of each part. Sizes per class are settled first, then rows come in shuffled order and take the first
/// part that still wants their class.
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

/// `fraction` of each count, rounded so that the sum is `fraction` of the sum, half a row being one: the largest
/// remainders are rounded up. Equal remainders are drawn, or else rare classes would go to the same part whatever
/// the seed.
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
