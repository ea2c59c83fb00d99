//! Two moons.

use std::f64::consts::PI;

use super::{check, plane};
use crate::data::Dataset;
use crate::error::Result;
use crate::rng::{Philox, Stream};

/// Two half circles that reach into each other, as scikit-learn's `make_moons`: the `outer` one around (0, 0) above,
/// the `inner` one around (1, ½) below, both of radius 1, with evenly spaced points. Classes are `outer` (`rows / 2`
/// rows) and `inner` (the others), in shuffled order.
///
/// `noise` is the standard deviation of what is added to each coordinate. The same arguments give the same rows.
///
/// ```
/// let moons = wgrad::data::two_moons(200, 0.1, 0)?;
/// assert_eq!((moons.len(), moons.inputs(), moons.outputs()), (200, 2, 2));
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// Fewer than 2 or more than 2²⁴ rows, or a noise that is negative or not finite as an f32.
pub fn two_moons(rows: usize, noise: f64, seed: u64) -> Result<Dataset> {
    check("two_moons", rows, 2, ("noise", noise))?;
    let outer = rows / 2;
    let mut random = Philox::new(seed, Stream::Data, 0);
    let names = ["outer", "inner"].map(String::from).into();
    plane("two_moons", rows, noise, &mut random, names, |row| (moon_point(row, outer, rows), usize::from(row >= outer)))
}

/// The first `outer` of `rows` points go around the outer moon, the others around the inner one.
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
