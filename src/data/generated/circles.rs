//! Two circles.

use std::f64::consts::TAU;

use super::{check, plane};
use crate::data::Dataset;
use crate::error::Result;
use crate::rng::{Philox, Stream};

/// Radius of the inner circle; that of the outer one is 1.
const INNER: f64 = 0.5;

/// A circle within a circle around (0, 0), as scikit-learn's `make_circles` with `factor=0.5`: radius 1 and ½, points
/// evenly spaced from (1, 0) and (½, 0) on. Classes are `outer` (`rows / 2` rows) and `inner` (the others), in shuffled
/// order. No straight line tells them apart.
///
/// `noise` is the standard deviation of what is added to each coordinate. The same arguments give the same rows.
///
/// ```
/// let circles = wgrad::data::circles(200, 0.1, 0)?;
/// assert_eq!((circles.len(), circles.inputs(), circles.outputs()), (200, 2, 2));
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// Fewer than 2 or more than 2²⁴ rows, or a noise that is negative or not finite as an f32.
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
