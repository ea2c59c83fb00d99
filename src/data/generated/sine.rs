//! One period of a sine.

use std::f64::consts::TAU;

use super::{check, shuffled};
use crate::data::{Dataset, Targets};
use crate::error::Result;
use crate::rng::{Philox, Stream};

/// Returns one period of a sine, for regression. Column `x` has equal steps over \[0, 2π\]. The target `y` is sin x
/// plus noise. Rows are shuffled.
///
/// `noise` is the standard deviation of Gaussian noise on the target. The expected R² of the best possible model is
/// 1 − noise² / (½ + noise²). The same arguments give the same rows.
///
/// # Errors
/// `rows` is below 2 or above 2²⁴, or `noise` is negative, not finite, or so large that a target is not finite as f32.
///
/// # Examples
/// ```
/// let sine = wgrad::data::sine(200, 0.1, 0)?;
/// assert_eq!((sine.len(), sine.inputs(), sine.outputs()), (200, 1, 1));
/// # Ok::<(), wgrad::Error>(())
/// ```
pub fn sine(rows: usize, noise: f64, seed: u64) -> Result<Dataset> {
    check("sine", rows, 2, ("noise", noise))?;
    let mut random = Philox::new(seed, Stream::Data, 0);
    let angles: Vec<f64> =
        shuffled(rows, &mut random).into_iter().map(|row| TAU * row as f64 / (rows - 1) as f64).collect();
    let values = angles.iter().map(|angle| f64::from((angle.sin() + noise * random.normal()) as f32)).collect();
    let input = angles.iter().map(|&angle| angle as f32).collect();
    Dataset::assemble("sine".into(), vec!["x".into()], input, Targets::Numbers { values, columns: vec!["y".into()] })
}
