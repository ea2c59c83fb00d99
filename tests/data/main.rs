//! Data sets, through the public door only.

mod constructors;
mod form;
mod generated;
mod gzipped;
mod header;
mod idx;
mod inspect;
mod number_formats;
mod rows;
mod sources;
mod split;
mod standardization;
mod table;

use std::fmt::Debug;

use wgrad::{Dataset, Result, Targets};

/// The message of what must fail.
fn message<T: Debug>(result: Result<T>) -> String {
    result.expect_err("this must fail").to_string()
}

/// Each row's class.
fn indices(dataset: &Dataset) -> &[u32] {
    match dataset.targets() {
        Targets::Classes { indices, .. } => indices,
        Targets::Numbers { .. } => panic!("{} has numbers as targets", dataset.name()),
    }
}

/// The target numbers, row-major.
fn values(dataset: &Dataset) -> &[f64] {
    match dataset.targets() {
        Targets::Numbers { values, .. } => values,
        Targets::Classes { .. } => panic!("{} has classes as targets", dataset.name()),
    }
}

/// Number of rows of each class.
fn class_counts(dataset: &Dataset) -> Vec<usize> {
    (0..dataset.outputs())
        .map(|class| indices(dataset).iter().filter(|&&index| index as usize == class).count())
        .collect()
}

/// A data set of one column that holds each row's number, with classes in blocks of the given sizes.
fn blocks(sizes: &[usize]) -> Result<Dataset> {
    let classes: Vec<u32> = (0..).zip(sizes).flat_map(|(class, &size)| vec![class; size]).collect();
    let input: Vec<f32> = (0..classes.len()).map(|row| row as f32).collect();
    Dataset::classes("blocks", 1, &input, &classes, (0..sizes.len()).map(|class| class.to_string()))
}
