//! Two moons.

use std::f64::consts::PI;

use super::{check, plane};
use crate::data::Dataset;
use crate::error::Result;
use crate::rng::{Philox, Stream};

/// Returns two interleaved half circles, like scikit-learn's `make_moons`.
///
/// The half circles have the radius 1 and evenly spaced points. The upper one is around (0, 0), and the lower one
/// around (1, ½). The class `outer` is the upper one and has `rows / 2` rows. The class `inner` is the lower one and
/// has the remaining rows. Rows are shuffled. `noise` is the standard deviation of Gaussian noise in each coordinate.
/// The same arguments give the same rows.
///
/// # Errors
/// `rows` is below 2 or above 2²⁴, or `noise` is negative, not finite, or so large that a coordinate is not finite as
/// f32.
///
/// # Examples
/// ```
/// let moons = wgrad::data::two_moons(200, 0.1, 0)?;
/// assert_eq!((moons.len(), moons.inputs(), moons.outputs()), (200, 2, 2));
/// # Ok::<(), wgrad::Error>(())
/// ```
pub fn two_moons(rows: usize, noise: f64, seed: u64) -> Result<Dataset> {
    check("two_moons", rows, 2, ("noise", noise))?;
    let outer = rows / 2;
    let mut random = Philox::new(seed, Stream::Data, 0);
    let names = ["outer", "inner"].map(String::from).into();
    plane("two_moons", rows, noise, &mut random, names, |row| (moon_point(row, outer, rows), usize::from(row >= outer)))
}

/// Returns the point of a row. The first `outer` of `rows` points are on the outer moon, the remaining ones on the
/// inner moon.
fn moon_point(row: usize, outer: usize, rows: usize) -> [f64; 2] {
    let angle = |index: usize, points: usize| PI * index as f64 / (points - 1).max(1) as f64;
    if row < outer {
        let (sine, cosine) = angle(row, outer).sin_cos();
        [cosine, sine]
    } else {
        let (sine, cosine) = angle(row - outer, rows - outer).sin_cos();
        [1.0 - cosine, 0.5 - sine]
    }
}
