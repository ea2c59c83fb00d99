//! Data sets, through the public API only.

mod constructors;
mod faults;
mod files;
mod form;
mod generated;
mod gzipped;
mod header;
mod idx;
mod inspect;
mod kinds;
mod number_formats;
mod rows;
mod sources;
mod split;
mod standardization;
mod table;

use std::fmt::Debug;

use wgrad::{Dataset, Result};

/// Message of a result that must be an error.
fn message<T: Debug>(result: Result<T>) -> String {
    result.expect_err("this must fail").to_string()
}

/// Class of each row.
fn indices(dataset: &Dataset) -> &[u32] {
    dataset.class_indices().expect("its targets are classes")
}

/// Target numbers, row-major.
fn values(dataset: &Dataset) -> &[f64] {
    dataset.target_values().expect("its targets are numbers")
}

/// Number of rows of each class.
fn class_counts(dataset: &Dataset) -> Vec<usize> {
    (0..dataset.outputs())
        .map(|class| indices(dataset).iter().filter(|&&index| index as usize == class).count())
        .collect()
}

/// A data set of one column that holds the row index, with classes in blocks of the given sizes.
fn blocks(sizes: &[usize]) -> Result<Dataset> {
    let classes: Vec<u32> = (0..).zip(sizes).flat_map(|(class, &size)| vec![class; size]).collect();
    let input: Vec<f32> = (0..classes.len()).map(|row| row as f32).collect();
    Dataset::classes("blocks", 1, &input, &classes, (0..sizes.len()).map(|class| class.to_string()))
}
