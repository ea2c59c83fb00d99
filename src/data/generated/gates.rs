//! Logic gates.

use crate::data::inputs::Inputs;
use crate::data::{Dataset, Targets};

/// Returns the truth table of AND: four rows of two inputs and one target, all 0 or 1.
///
/// # Examples
/// ```
/// assert_eq!(wgrad::data::and().target_values(), Some(&[0.0, 0.0, 0.0, 1.0][..]));
/// ```
pub fn and() -> Dataset {
    gate("and", |a, b| a & b)
}

/// Returns the truth table of OR: four rows of two inputs and one target, all 0 or 1.
///
/// # Examples
/// ```
/// assert_eq!(wgrad::data::or().target_values(), Some(&[0.0, 1.0, 1.0, 1.0][..]));
/// ```
pub fn or() -> Dataset {
    gate("or", |a, b| a | b)
}

/// Returns the truth table of XOR: four rows of two inputs and one target, all 0 or 1. XOR is the smallest data set
/// that a single layer cannot learn (Minsky and Papert, *Perceptrons*, 1969).
///
/// # Examples
/// ```
/// assert_eq!(wgrad::data::xor().target_values(), Some(&[0.0, 1.0, 1.0, 0.0][..]));
/// ```
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
            values: rows.iter().map(|&(a, b)| f64::from(output(a, b))).collect(),
            columns: vec![name.into()],
        },
        class_column: None,
        weights: None,
    }
}
