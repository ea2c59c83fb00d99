//! Two circles.

use std::f64::consts::TAU;

use super::{check, plane};
use crate::data::Dataset;
use crate::error::Result;
use crate::rng::{Philox, Stream};

/// Radius of the inner circle. The outer circle has the radius 1.
const INNER: f64 = 0.5;

/// Returns two circles around (0, 0), like scikit-learn's `make_circles` with `factor=0.5`. They are not linearly
/// separable.
///
/// The radii are 1 and ½. Points are evenly spaced, starting at (1, 0) and (½, 0). The class `outer` has `rows / 2`
/// rows, and the class `inner` has the remaining rows. Rows are shuffled. `noise` is the standard deviation of Gaussian
/// noise in each coordinate. The same arguments give the same rows.
///
/// # Errors
/// `rows` is below 2 or above 2²⁴, or `noise` is negative, not finite, or so large that a coordinate is not finite as
/// f32.
///
/// # Examples
/// ```
/// let circles = wgrad::data::circles(200, 0.1, 0)?;
/// assert_eq!((circles.len(), circles.inputs(), circles.outputs()), (200, 2, 2));
/// # Ok::<(), wgrad::Error>(())
/// ```
pub fn circles(rows: usize, noise: f64, seed: u64) -> Result<Dataset> {
    check("circles", rows, 2, ("noise", noise))?;
    let outer = rows / 2;
    let mut random = Philox::new(seed, Stream::Data, 0);
    let names = ["outer", "inner"].map(String::from).into();
    plane("circles", rows, noise, &mut random, names, |row| {
        let inner = row >= outer;
        let (index, points, radius) = if inner { (row - outer, rows - outer, INNER) } else { (row, outer, 1.0) };
        let (sine, cosine) = (TAU * index as f64 / points as f64).sin_cos();
        ([radius * cosine, radius * sine], usize::from(inner))
    })
}
