//! One period of a sine.

use std::f64::consts::TAU;

use super::{check, shuffled};
use crate::data::{Dataset, Targets};
use crate::error::Result;
use crate::rng::{Philox, Stream};

/// The regression that everybody draws first: column `x` in even steps over \[0, 2π\], target `y` = sin x + noise, in
/// shuffled order.
///
/// `noise` is the standard deviation of what is added to the target: no model's R² is above 1 − noise² / (½ + noise²),
/// but by luck. The same arguments give the same rows.
///
/// ```
/// let sine = wgrad::data::sine(200, 0.1, 0)?;
/// assert_eq!((sine.len(), sine.inputs(), sine.outputs()), (200, 1, 1));
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// Fewer than 2 or more than 2²⁴ rows, or a noise that is negative or not finite as an f32.
pub fn sine(rows: usize, noise: f64, seed: u64) -> Result<Dataset> {
    check("sine", rows, 2, ("noise", noise))?;
    let mut random = Philox::new(seed, Stream::Data, 0);
    let angles: Vec<f64> =
        shuffled(rows, &mut random).into_iter().map(|row| TAU * row as f64 / (rows - 1) as f64).collect();
    let values = angles.iter().map(|angle| f64::from((angle.sin() + noise * random.normal()) as f32)).collect();
    let input = angles.iter().map(|&angle| angle as f32).collect();
    Dataset::assemble("sine".into(), vec!["x".into()], input, Targets::Numbers { values, columns: vec!["y".into()] })
}
