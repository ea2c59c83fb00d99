//! Data sets made on the spot.

use std::f64::consts::PI;

use super::inputs::Inputs;
use super::{Dataset, Targets};
use crate::error::{Error, Result};
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
/// Fewer than 2 or more than 2³² − 1 rows, or a noise that is negative or not finite.
pub fn two_moons(rows: usize, noise: f64, seed: u64) -> Result<Dataset> {
    if rows < 2 || u32::try_from(rows).is_err() {
        return Err(Error::value("two_moons", "rows", rows, &format!("from 2 to {}", u32::MAX)));
    }
    if !(noise.is_finite() && noise >= 0.0) {
        return Err(Error::value("two_moons", "noise", noise, "finite and at least 0"));
    }
    let mut random = Philox::new(seed, Stream::Data, 0);
    let mut order: Vec<usize> = (0..rows).collect();
    random.shuffle(&mut order);
    let outer = rows / 2;
    let input = order.iter().flat_map(|&row| moon_point(row, outer, rows));
    Ok(Dataset {
        name: "two_moons".into(),
        columns: ["x", "y"].map(String::from).into(),
        input: Inputs::Numbers(input.map(|coordinate| (coordinate + noise * random.normal()) as f32).collect()),
        targets: Targets::Classes {
            indices: order.iter().map(|&row| u32::from(row >= outer)).collect(),
            names: ["outer", "inner"].map(String::from).into(),
        },
    })
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

/// The four rows of "a and b", with 0 and 1 as inputs and as the one target.
pub fn and() -> Dataset {
    gate("and", |a, b| a & b)
}

/// The four rows of "a or b", with 0 and 1 as inputs and as the one target.
pub fn or() -> Dataset {
    gate("or", |a, b| a | b)
}

/// The four rows of "either a or b", with 0 and 1 as inputs and as the one target: the smallest set that no single
/// layer can learn (Minsky and Papert, *Perceptrons*, 1969).
pub fn xor() -> Dataset {
    gate("xor", |a, b| a ^ b)
}

fn gate(name: &str, output: fn(u8, u8) -> u8) -> Dataset {
    let rows = [(0, 0), (0, 1), (1, 0), (1, 1)];
    Dataset {
        name: name.into(),
        columns: ["a", "b"].map(String::from).into(),
        input: Inputs::Numbers(rows.iter().flat_map(|&(a, b)| [f32::from(a), f32::from(b)]).collect()),
        targets: Targets::Numbers {
            values: rows.iter().map(|&(a, b)| f32::from(output(a, b))).collect(),
            columns: vec![name.into()],
        },
    }
}
