//! Spirals.

use std::f64::consts::TAU;

use super::{check, check_classes, plane};
use crate::data::Dataset;
use crate::error::Result;
use crate::rng::{Philox, Stream};

/// Number of turns of an arm around the center.
const TURNS: f64 = 1.5;

/// Returns interleaved Archimedean spirals around (0, 0).
///
/// Arm k of n has the radius t and the angle 2π (k / n + 1.5 t), with t in equal steps over (0, 1]. Classes are `arm0`,
/// `arm1`, …, with equally many rows, to within one. Rows are shuffled. The data set follows K. J. Lang and M. J.
/// Witbrock, *Learning to tell two spirals apart* (1988), whose two arms make three turns.
///
/// `noise` is the standard deviation of Gaussian noise in each coordinate; neighboring arms are 2 / (3 n) apart for n
/// arms. The same arguments give the same rows.
///
/// # Errors
/// `rows` is below 2 or above 2²⁴, `arms` is below 2 or above `rows`, or `noise` is negative, not finite, or so large
/// that a coordinate is not finite as f32.
///
/// # Examples
/// ```
/// let spirals = wgrad::data::spirals(300, 3, 0.02, 0)?;
/// assert_eq!((spirals.len(), spirals.inputs(), spirals.outputs()), (300, 2, 3));
/// # Ok::<(), wgrad::Error>(())
/// ```
pub fn spirals(rows: usize, arms: usize, noise: f64, seed: u64) -> Result<Dataset> {
    check("spirals", rows, 2, ("noise", noise))?;
    check_classes("spirals", "arms", arms, rows)?;
    let mut random = Philox::new(seed, Stream::Data, 0);
    let names = (0..arms).map(|arm| format!("arm{arm}")).collect();
    plane("spirals", rows, noise, &mut random, names, |row| {
        let (arm, step) = (row % arms, row / arms + 1);
        let points = (rows - arm).div_ceil(arms);
        let along = step as f64 / points as f64;
        let (sine, cosine) = (TAU * (arm as f64 / arms as f64 + TURNS * along)).sin_cos();
        ([along * cosine, along * sine], arm)
    })
}
