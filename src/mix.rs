//! Mixing of the rows of a batch in training: mixup and CutMix.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::rng::{Philox, Stream};

/// Mixing of each row of a batch with the row at its place from the other end of the batch. In every step, the share λ
/// of a row's own inputs is drawn from the distribution Beta(alpha, alpha), once for all rows. The loss is λ times that
/// of the row's own target, and 1 − λ times that of the other row's target.
///
/// Small values of `alpha` give shares near 0 and 1; 1 gives all shares alike.
///
/// # Examples
/// ```
/// use wgrad::{Device, Fit, Loss, Network, Trainer, data};
/// let builder = Trainer::builder(Network::input(4).dense(16).relu().dense(3)).loss(Loss::softmax_cross_entropy());
/// let mut trainer = builder.mix(wgrad::Mix::mixup(0.2)).build(&Device::cpu())?;
/// trainer.fit(&data::iris(), Fit::epochs(2))?;
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Mix {
    /// Mixup (Zhang et al. 2018): inputs are λ·x + (1 − λ)·x′, with the other row's inputs x′.
    Mixup {
        /// Both parameters of the beta distribution, from 0.001 to 1000.
        alpha: f64,
    },
    /// CutMix (Yun et al. 2019), for rows: a run of neighboring columns is the other row's. Its length is the share
    /// 1 − λ of the columns, rounded, and its start is drawn; behind the last column comes the first. λ is then the
    /// share of the columns that are left.
    Cutmix {
        /// Both parameters of the beta distribution, from 0.001 to 1000.
        alpha: f64,
    },
}

/// Mixing of one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Shares {
    /// Share λ of a row's own target.
    pub(crate) own: f64,
    /// First column of the other row's inputs.
    pub(crate) first: usize,
    /// Number of these columns.
    pub(crate) columns: usize,
}

impl Shares {
    /// Rows stay as they are.
    pub(crate) const UNMIXED: Self = Self { own: 1.0, first: 0, columns: 0 };
}

impl Mix {
    /// Creates mixup.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Mix::mixup(0.2), wgrad::Mix::Mixup { alpha: 0.2 });
    /// ```
    pub fn mixup(alpha: f64) -> Self {
        Self::Mixup { alpha }
    }

    /// Creates CutMix.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Mix::cutmix(1.0), wgrad::Mix::Cutmix { alpha: 1.0 });
    /// ```
    pub fn cutmix(alpha: f64) -> Self {
        Self::Cutmix { alpha }
    }

    fn named(&self) -> (&'static str, f64) {
        match *self {
            Self::Mixup { alpha } => ("mixup", alpha),
            Self::Cutmix { alpha } => ("cutmix", alpha),
        }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// An `alpha` out of range.
    ///
    /// # Examples
    /// ```
    /// assert!(wgrad::Mix::mixup(0.2).check().is_ok());
    /// assert!(wgrad::Mix::mixup(0.0).check().is_err());
    /// ```
    pub fn check(&self) -> Result<()> {
        let (name, alpha) = self.named();
        match (0.001..=1000.0).contains(&alpha) {
            true => Ok(()),
            false => Err(Error::value(name, "alpha", alpha, "from 0.001 to 1000")),
        }
    }

    /// Draws the shares of step `index`, for rows of `columns` inputs.
    pub(crate) fn draw(&self, seed: u64, index: u64, columns: usize) -> Shares {
        let mut random = Philox::new(seed, Stream::Mix, index as u32);
        let own = beta(&mut random, self.named().1);
        match self {
            Self::Mixup { .. } => Shares { own, ..Shares::UNMIXED },
            Self::Cutmix { .. } => {
                let others = ((1.0 - own) * columns as f64).round() as usize;
                let first = random.below(columns as u32) as usize;
                Shares { own: 1.0 - others as f64 / columns as f64, first, columns: others }
            }
        }
    }
}

impl std::fmt::Display for Mix {
    /// Writes `mixup(0.2)` or `cutmix(0.2)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (name, alpha) = self.named();
        write!(f, "{name}({alpha})")
    }
}

/// Returns a number with the distribution Beta(alpha, alpha): the share of one of two gamma numbers in their sum. Their
/// logarithms do not underflow for a small `alpha`.
fn beta(random: &mut Philox, alpha: f64) -> f64 {
    let [one, other] = [0; 2].map(|_| log_gamma(random, alpha));
    1.0 / (1.0 + (other - one).exp())
}

/// Returns the logarithm of a gamma number of shape `alpha`, by the method of Marsaglia and Tsang (2000). A shape below
/// 1 is raised by 1: the number is then multiplied by u^(1/alpha), with a uniform u.
fn log_gamma(random: &mut Philox, alpha: f64) -> f64 {
    if alpha < 1.0 {
        return log_gamma(random, alpha + 1.0) + (1.0 - random.uniform()).ln() / alpha;
    }
    let d = alpha - 1.0 / 3.0;
    loop {
        let x = random.normal();
        let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 && (1.0 - random.uniform()).ln() < 0.5 * x * x + d * (1.0 - v + v.ln()) {
            return (d * v).ln();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAWS: u64 = 40_000;

    fn shares(mix: Mix) -> Vec<f64> {
        (0..DRAWS).map(|index| mix.draw(7, index, 12).own).collect()
    }

    /// Distribution function of Beta(alpha, alpha) at 0.01, 0.2 and 0.4, and its variance: SciPy 1.18's `stats.beta`.
    #[test]
    fn shares_have_the_beta_distribution() {
        for (alpha, below, variance) in [
            (0.2, [0.20977769006775232, 0.39272216435257096, 0.4677473492903859], 0.17857142857142858),
            (1.0, [0.01, 0.2, 0.4], 1.0 / 12.0),
            (4.0, [3.4166980000000003e-07, 0.03334400000000001, 0.289792], 0.027777777777777776),
        ] {
            let (shares, n) = (shares(Mix::mixup(alpha)), DRAWS as f64);
            for (limit, wanted) in [0.01, 0.2, 0.4].into_iter().zip(below) {
                let found = shares.iter().filter(|share| **share < limit).count() as f64 / n;
                let sigma = (wanted * (1.0 - wanted) / n).sqrt();
                assert!((found - wanted).abs() < 5.0 * sigma + 1e-4, "{found} of Beta({alpha}) below {limit}");
            }
            let spread = shares.iter().map(|share| (share - 0.5).powi(2)).sum::<f64>() / n;
            // No fourth moment around 1/2 is above a quarter of the variance.
            assert!(
                (spread - variance).abs() < 5.0 * (0.25 * variance / n).sqrt(),
                "variance {spread} of Beta({alpha})"
            );
            assert!(shares.iter().all(|share| (0.0..=1.0).contains(share)));
        }
        assert!(shares(Mix::mixup(0.001)).iter().all(|share| (0.0..=1.0).contains(share)));
    }

    #[test]
    fn cutmix_has_the_share_of_its_columns() {
        let mix = Mix::cutmix(1.0);
        let mut starts = [false; 12];
        for index in 0..DRAWS {
            let Shares { own, first, columns } = mix.draw(7, index, 12);
            starts[first] = true;
            assert!((own - (12 - columns) as f64 / 12.0).abs() < 1e-15);
            // Rounded from the share that mixup has.
            assert!((own - Mix::mixup(1.0).draw(7, index, 12).own).abs() <= 1.0 / 24.0 + 1e-12);
        }
        assert_eq!(starts, [true; 12]);
    }

    #[test]
    fn steps_and_seeds_have_shares_of_their_own() {
        let mix = Mix::mixup(1.0);
        assert_eq!(mix.draw(7, 3, 5), mix.draw(7, 3, 5));
        assert_ne!(mix.draw(7, 3, 5), mix.draw(7, 4, 5));
        assert_ne!(mix.draw(7, 3, 5), mix.draw(8, 3, 5));
    }
}
