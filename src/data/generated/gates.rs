//! Logic gates.

use crate::data::inputs::Inputs;
use crate::data::{Dataset, Targets};

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
            values: rows.iter().map(|&(a, b)| f64::from(output(a, b))).collect(),
            columns: vec![name.into()],
        },
        class_column: None,
    }
}
