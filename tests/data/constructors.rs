//! Data sets from slices: contents and errors.

use wgrad::{Dataset, Result, Targets};

use crate::{indices, message, values};

#[test]
fn classes_hold_what_was_given() -> Result<()> {
    let data = Dataset::classes("three", 2, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[1, 0, 1], ["no", "yes"])?;
    assert_eq!((data.name(), data.len(), data.inputs(), data.outputs()), ("three", 3, 2, 2));
    assert!(!data.is_empty());
    assert_eq!(data.columns(), ["input0", "input1"]);
    assert_eq!(*data.input(), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    assert_eq!(*data.input_row(2), [5.0, 6.0]);
    assert_eq!(indices(&data), [1, 0, 1]);
    assert_eq!(data.class_names(), Some(&["no".to_string(), "yes".to_string()][..]));
    Ok(())
}

#[test]
fn numbers_hold_what_was_given() -> Result<()> {
    let data = Dataset::numbers("two", 1, &[1.0, 2.0], 3, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
    assert_eq!((data.len(), data.inputs(), data.outputs()), (2, 1, 3));
    assert_eq!(data.class_names(), None);
    let columns = ["target0", "target1", "target2"].map(String::from).to_vec();
    assert_eq!(data.targets(), &Targets::Numbers { values: vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0], columns });
    Ok(())
}

#[test]
fn sizes_must_agree() {
    let numbers = |columns, input: &[f32], outputs, values: &[f32]| {
        message(Dataset::numbers("d", columns, input, outputs, values))
    };
    assert_eq!(numbers(0, &[1.0], 1, &[1.0]), "data set `d`: columns is 0, but must be at least 1");
    assert_eq!(numbers(2, &[], 1, &[]), "data set `d`: it has 0 rows; pass at least 1 row");
    assert_eq!(
        numbers(3, &[0.0; 7], 1, &[0.0; 2]),
        "data set `d`: input holds 7 values, which is not a multiple of 3 columns; pass whole rows, row after row"
    );
    assert_eq!(numbers(1, &[1.0], 0, &[1.0]), "data set `d`: outputs is 0, but must be at least 1");
    assert_eq!(
        numbers(1, &[0.0; 3], 2, &[0.0; 5]),
        "data set `d`: targets holds 5 values, which is not a multiple of 2 outputs; pass whole rows, row after row"
    );
    assert_eq!(
        numbers(1, &[0.0; 3], 2, &[0.0; 4]),
        "data set `d`: the number of targets is 2, but the number of input rows is 3; give every row one target"
    );
}

#[test]
fn classes_must_fit() {
    let classes = |classes: &[u32], names: &[&str]| {
        message(Dataset::classes("d", 1, &[0.0, 1.0, 2.0], classes, names.iter().copied()))
    };
    assert_eq!(
        classes(&[0, 1, 0, 1], &["a", "b"]),
        "data set `d`: the number of targets is 4, but the number of input rows is 3; give every row one target"
    );
    assert_eq!(
        classes(&[0, 1, 2], &["a", "b"]),
        "data set `d`, row 2: its class is 2, but there are 2 class names, counted from 0; correct the class, or name all classes"
    );
    assert_eq!(
        classes(&[0, 1, 0], &["a", "b", "a"]),
        "data set `d`: class name `a` appears at 0 and again at 2, counted from 0; rename one of them"
    );
}

#[test]
fn numbers_must_be_finite() {
    for (bad, shown) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let told = format!("{shown} is not a finite 32-bit number; replace it, or remove the row");
        let input = [0.0, 1.0, 2.0, 3.0, 4.0, bad];
        let classes = Dataset::classes("d", 2, &input, &[0, 0, 0], ["a"]);
        assert_eq!(message(classes), format!("data set `d`, row 2, column `input1`: {told}"));
        let targets = Dataset::numbers("d", 1, &[0.0, 1.0], 2, &[0.0, 1.0, bad, 3.0]);
        assert_eq!(message(targets), format!("data set `d`, row 1, column `target0`: {told}"));
    }
}

#[test]
fn a_selection_takes_rows_in_the_given_order() -> Result<()> {
    let classes = Dataset::classes("d", 2, &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0], &[0, 1, 2], ["a", "b", "c"])?;
    let selection = classes.select(&[2, 0, 2]);
    assert_eq!(*selection.input(), [4.0, 5.0, 0.0, 1.0, 4.0, 5.0]);
    assert_eq!(indices(&selection), [2, 0, 2]);
    assert_eq!(selection.class_names().map(<[_]>::len), Some(3), "classes without rows stay");

    let numbers = Dataset::numbers("d", 1, &[0.0, 1.0], 2, &[5.0, 6.0, 7.0, 8.0])?;
    assert_eq!(values(&numbers.select(&[1])), [7.0, 8.0]);
    assert!(numbers.select(&[]).is_empty());
    Ok(())
}

#[test]
fn two_classes_become_one_number() -> Result<()> {
    let data = Dataset::classes("d", 1, &[5.0, 6.0, 7.0], &[1, 0, 1], ["benign", "malignant"])?.class_as_number()?;
    assert_eq!(*data.input(), [5.0, 6.0, 7.0]);
    assert_eq!(data.targets(), &Targets::Numbers { values: vec![1.0, 0.0, 1.0], columns: vec!["malignant".into()] });
    assert_eq!(message(data.class_as_number()), "data set `d`: its targets are numbers, not classes; use it as it is");
    assert_eq!(
        message(Dataset::classes("d", 1, &[5.0], &[0], ["a", "b", "c"])?.class_as_number()),
        "data set `d`: it has 3 classes, but one number can stand for only 2; keep the classes, and train with softmax_cross_entropy"
    );
    Ok(())
}

/// A model would refuse duplicate names, but only after training.
#[test]
fn duplicate_column_names_are_refused() {
    let table = |columns: [&str; 2], targets: [&str; 2]| {
        let columns_of_targets = targets.map(String::from).to_vec();
        let targets = Targets::Numbers { values: vec![0.5, 1.5], columns: columns_of_targets };
        Dataset::table("d", columns, vec![1.0, 2.0], targets)
    };
    let problem =
        |kind| format!("data set `d`: {kind} name `a` appears at 0 and again at 1, counted from 0; rename one of them");
    assert_eq!(message(table(["a", "a"], ["y", "z"])), problem("column"));
    assert_eq!(message(table(["a", "b"], ["a", "a"])), problem("target column"));
    assert!(table(["a", "b"], ["a", "b"]).is_ok(), "an autoencoder's targets are its inputs");
}

#[test]
fn a_data_set_can_move_to_another_thread() {
    fn moves<T: Send + Sync + Clone + 'static>() {}
    moves::<Dataset>();
}
