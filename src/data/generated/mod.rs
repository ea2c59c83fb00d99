//! Generated data sets. The same arguments give the same rows. Arguments are checked before anything is allocated.

mod blobs;
mod circles;
mod gates;
mod sine;
mod spirals;
mod two_moons;

pub use blobs::blobs;
pub use circles::circles;
pub use gates::{and, or, xor};
pub use sine::sine;
pub use spirals::spirals;
pub use two_moons::two_moons;

use super::{Dataset, Targets};
use crate::error::{Error, Result};
use crate::rng::Philox;

/// Maximum number of rows, which take about 400 MB. A typing error in the number is thus refused before memory is
/// exhausted.
const MOST_ROWS: usize = 1 << 24;

/// Refuses an invalid number of rows, and an invalid noise. `noise` has the argument's name and value.
fn check(generator: &str, rows: usize, fewest: usize, noise: (&str, f64)) -> Result<()> {
    if !(fewest..=MOST_ROWS).contains(&rows) {
        return Err(Error::value(generator, "rows", rows, &format!("from {fewest} to {MOST_ROWS}")));
    }
    let (name, deviation) = noise;
    if !(deviation.is_finite() && deviation >= 0.0) {
        return Err(Error::value(generator, name, deviation, "finite and at least 0"));
    }
    Ok(())
}

/// Refuses fewer than two classes, and more classes than rows.
fn check_classes(generator: &str, name: &str, classes: usize, rows: usize) -> Result<()> {
    if !(2..=rows).contains(&classes) {
        return Err(Error::value(generator, name, classes, &format!("from 2 to the number of rows, {rows}")));
    }
    Ok(())
}

/// Returns the row indices from 0 to `rows` − 1 in random order.
fn shuffled(rows: usize, random: &mut Philox) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    random.shuffle(&mut order);
    order
}

/// Creates a data set of points in the plane, in random order. `point` returns the coordinates and the class of a row,
/// without noise.
fn plane(
    name: &str,
    rows: usize,
    noise: f64,
    random: &mut Philox,
    classes: Vec<String>,
    point: impl Fn(usize) -> ([f64; 2], usize),
) -> Result<Dataset> {
    let (mut input, mut indices) = (Vec::with_capacity(2 * rows), Vec::with_capacity(rows));
    for row in shuffled(rows, random) {
        let (place, class) = point(row);
        input.extend(place.map(|coordinate| (coordinate + noise * random.normal()) as f32));
        indices.push(class as u32);
    }
    let targets = Targets::Classes { indices, names: classes };
    Dataset::assemble(name.into(), ["x", "y"].map(String::from).into(), input, targets)
}
