//! Data sets from rows in memory.

use wgrad::{Dataset, Result, Targets};

use super::message;

/// The same three rows of two columns, as each supported type.
#[test]
#[expect(clippy::needless_borrows_for_generic_args, reason = "forms that users write")]
fn rows_come_as_arrays_vectors_and_flat_slices() -> Result<()> {
    let expected = Dataset::numbers("rows", 2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 1, &[10.0, 20.0, 30.0])?;
    let arrays: [[f32; 2]; 3] = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]];
    let vectors: Vec<Vec<f64>> = vec![vec![1.0, 2.0], vec![3.0, 4.0], vec![5.0, 6.0]];
    let flat = [1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0];
    let targets = vec![10.0_f32, 20.0, 30.0];
    assert_eq!(Dataset::from_rows(arrays, [10.0, 20.0, 30.0])?, expected);
    assert_eq!(Dataset::from_rows(&arrays, &targets)?, expected);
    assert_eq!(Dataset::from_rows(&vectors, &targets[..])?, expected);
    assert_eq!(Dataset::from_rows(vectors, &[10.0_f64, 20.0, 30.0])?, expected);
    assert_eq!(Dataset::from_rows(flat.chunks(2), targets)?, expected);
    Ok(())
}

/// 2²⁴ + 1 is the first whole number that an f32 rounds.
#[test]
fn doubles_keep_their_digits() -> Result<()> {
    let data = Dataset::from_rows([[16_777_217.0], [16_777_216.0]], [0.1, 16_777_217.0])?;
    assert_eq!(data.target_values(), Some(&[0.1, 16_777_217.0][..]));
    let scaling = wgrad::Standardization::fit(&data)?;
    assert_eq!((scaling.mean()[0], scaling.scale()[0]), (16_777_216.5, 0.5));
    Ok(())
}

#[test]
#[expect(clippy::needless_borrows_for_generic_args, reason = "forms that users write")]
fn classes_come_as_indices_of_any_type_and_as_names() -> Result<()> {
    let rows = [[0.0_f32], [1.0], [2.0]];
    let all = [
        Dataset::from_rows(rows, [2, 0, 2])?,
        Dataset::from_rows(rows, vec![2_u32, 0, 2])?,
        Dataset::from_rows(rows, &[2_u8, 0, 2])?,
        Dataset::from_rows(rows, &vec![2_usize, 0, 2])?,
        Dataset::from_rows(rows, [2_i64, 0, 2])?,
    ];
    for data in all {
        // A class without rows is included.
        let names = ["0", "1", "2"].map(String::from).to_vec();
        assert_eq!(*data.targets(), Targets::Classes { indices: vec![2, 0, 2], names });
        assert_eq!((data.class_indices(), data.target_values()), (Some(&[2, 0, 2][..]), None));
        assert_eq!((data.len(), data.outputs()), (3, 3));
    }
    for data in
        [Dataset::from_rows(rows, ["b", "a", "b"])?, Dataset::from_rows(rows, ["b", "a", "b"].map(String::from))?]
    {
        assert_eq!(data.class_names(), Some(&["a", "b"].map(String::from)[..]));
        assert_eq!(data.class_indices(), Some(&[1, 0, 1][..]));
    }
    Ok(())
}

#[test]
fn rows_may_have_several_targets() -> Result<()> {
    let rows = [[0.0], [1.0]];
    let data = Dataset::from_rows(rows, [[1.0_f32, 2.0], [3.0, 4.0]])?;
    assert_eq!((data.outputs(), data.target_values()), (2, Some(&[1.0, 2.0, 3.0, 4.0][..])));
    assert_eq!(data.target_columns(), ["target0", "target1"]);
    assert_eq!(Dataset::from_rows(rows, vec![vec![1.0_f64, 2.0], vec![3.0, 4.0]])?, data);
    assert_eq!(data.named("pairs").name(), "pairs");
    Ok(())
}

#[test]
fn rows_that_do_not_fit_are_named() {
    let says = |result: Result<Dataset>, parts: &[&str]| {
        let message = message(result);
        parts.iter().for_each(|part| assert!(message.contains(part), "`{part}` is not in: {message}"));
    };
    let none: [[f32; 2]; 0] = [];
    says(Dataset::from_rows(none, [0; 0]), &["0 rows"]);
    says(Dataset::from_rows([vec![], vec![0.0_f32; 0]], [0, 1]), &["columns is 0"]);
    says(Dataset::from_rows([vec![1.0], vec![1.0, 2.0]], [0, 1]), &["row 1", "inputs is 2", "row 0 is 1"]);
    says(Dataset::from_rows([[1.0], [2.0]], [0, 1, 0]), &["targets is 3", "rows is 2"]);
    says(Dataset::from_rows([[1.0], [2.0]], [0, -1]), &["row 1", "class index is -1", "from 0 to 1048575"]);
    says(Dataset::from_rows([[1.0], [2.0]], [0, u32::MAX]), &["row 1", "class index is 4294967295"]);
    says(Dataset::from_rows([[1.0], [2.0]], [0, usize::MAX]), &["row 1", "class index is 9223372036854775807"]);
    says(Dataset::from_rows([[1.0], [f64::NAN]], [0, 1]), &["row 1, column `input0`", "NaN"]);
    says(Dataset::from_rows([[1.0], [2.0]], [0.0, f64::INFINITY]), &["row 1", "target0", "inf"]);
    says(Dataset::from_rows([[1.0], [2.0]], [vec![0.0], vec![0.0, 1.0]]), &["row 1", "targets is 2", "row 0 is 1"]);
}
