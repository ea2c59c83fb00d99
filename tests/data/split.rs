//! Splits: every row once, the requested sizes, classes in proportion, the same rows for the same seed.

use wgrad::{Dataset, Result, Split, data};

use crate::{blocks, class_counts, indices, message, values};

/// Class sizes that do not divide evenly, with rare classes and an empty one.
const SIZES: [usize; 7] = [101, 37, 13, 3, 1, 0, 1];

const FRACTIONS: [[f64; 3]; 6] =
    [[0.7, 0.15, 0.15], [0.6, 0.3, 0.1], [0.7, 0.3, 0.0], [0.8, 0.0, 0.2], [1.0, 0.0, 0.0], [0.333, 0.333, 0.334]];

fn parts(dataset: &Dataset, [train, validation, _]: [f64; 3], seed: u64) -> Result<[Dataset; 3]> {
    dataset.split(Split::parts(train, validation).seed(seed)).map(<[Dataset; 3]>::from)
}

#[test]
fn every_row_is_in_exactly_one_part_with_its_target() -> Result<()> {
    let data = blocks(&SIZES)?;
    for fractions in FRACTIONS {
        let parts = parts(&data, fractions, 3)?;
        let mut rows: Vec<f32> = parts.iter().flat_map(|part| part.input().into_owned()).collect();
        rows.sort_by(f32::total_cmp);
        assert_eq!(rows, *data.input(), "{fractions:?}");
        for part in &parts {
            assert_eq!(part.class_names(), data.class_names());
            let classes: Vec<u32> = part.input().iter().map(|&row| indices(&data)[row as usize]).collect();
            assert_eq!(indices(part), classes, "{fractions:?}");
        }
    }
    Ok(())
}

#[test]
fn parts_and_classes_have_the_sizes_asked_for() -> Result<()> {
    let data = blocks(&SIZES)?;
    for (fractions, seed) in FRACTIONS.into_iter().zip(0..) {
        for (part, fraction) in parts(&data, fractions, seed)?.iter().zip(fractions) {
            let away = part.len() as f64 - data.len() as f64 * fraction;
            assert!(away.abs() <= 1.0, "{fractions:?}: a part has {} rows", part.len());
            for (count, size) in class_counts(part).into_iter().zip(SIZES) {
                let away = count as f64 - size as f64 * fraction;
                assert!(away.abs() < 2.0, "{fractions:?}: a part has {count} of {size} rows of a class");
            }
        }
    }
    Ok(())
}

#[test]
fn fractions_that_divide_evenly_are_exact() -> Result<()> {
    let [train, validation, test] = parts(&blocks(&[100, 40, 20])?, [0.7, 0.15, 0.15], 0)?;
    assert_eq!(class_counts(&train), [70, 28, 14]);
    assert_eq!(class_counts(&validation), [15, 6, 3]);
    assert_eq!(class_counts(&test), [15, 6, 3]);
    Ok(())
}

#[test]
fn half_a_row_goes_to_the_earlier_part() -> Result<()> {
    // 45 rows are left for validation and test; 1 − 0.7 − 0.15 is a little more than 0.15.
    let parts = parts(&data::iris(), [0.7, 0.15, 0.15], 7)?;
    assert_eq!(parts.map(|part| part.len()), [105, 23, 22]);
    Ok(())
}

#[test]
fn a_fraction_of_0_gives_an_empty_part() -> Result<()> {
    let (train, validation, test) = data::iris().split(Split::parts(0.7, 0.3))?;
    assert_eq!((train.len(), validation.len(), test.len()), (105, 45, 0));
    assert!(test.is_empty() && !validation.is_empty());
    assert_eq!((test.inputs(), test.outputs()), (4, 3));
    Ok(())
}

#[test]
fn the_seed_alone_decides() -> Result<()> {
    let data = data::iris();
    let split = Split::parts(0.7, 0.15);
    assert_eq!(data.split(split.seed(7))?, data.split(split.seed(7))?);
    assert_eq!(data.split(split)?, data.split(split.seed(0))?, "0 by default");
    assert_ne!(data.split(split.seed(7))?.0, data.split(split.seed(8))?.0);
    // The upper 32 bits of the seed count, too.
    assert_ne!(data.split(split.seed(7))?.0, data.split(split.seed(7 + (1 << 32)))?.0);
    Ok(())
}

#[test]
fn which_rare_classes_are_held_out_is_drawn() -> Result<()> {
    let data = blocks(&[1; 20])?;
    let held_out = |seed| parts(&data, [0.5, 0.25, 0.25], seed).map(|[_, _, test]| class_counts(&test));
    assert_ne!(held_out(1)?, held_out(2)?);
    Ok(())
}

#[test]
fn numbers_are_shuffled_and_keep_their_rows() -> Result<()> {
    let input: Vec<f32> = (0..100).map(|row| row as f32).collect();
    let twice: Vec<f32> = input.iter().map(|value| 2.0 * value).collect();
    let [train, validation, test] = parts(&Dataset::numbers("line", 1, &input, 1, &twice)?, [0.7, 0.2, 0.1], 5)?;
    assert_eq!((train.len(), validation.len(), test.len()), (70, 20, 10));
    for part in [&train, &validation, &test] {
        assert!(part.input().iter().zip(values(part)).all(|(input, target)| 2.0 * f64::from(*input) == *target));
        assert!(!part.input().is_sorted(), "rows of a part come in shuffled order");
    }
    // Both ends of the line are in the training set; without shuffling they would not be.
    assert!(train.input().iter().any(|&row| row < 15.0) && train.input().iter().any(|&row| row >= 85.0));
    Ok(())
}

#[test]
fn fractions_must_make_sense() {
    let refused = |train, validation| message(data::xor().split(Split::parts(train, validation)));
    let training = |found| format!("split: the fraction for training is {found}, but must be above 0 and at most 1");
    let validation = |found| format!("split: the fraction for validation is {found}, but must be from 0 to 1");
    assert_eq!(refused(0.0, 0.5), training("0"));
    assert_eq!(refused(70.0, 15.0), training("70"));
    assert_eq!(refused(f64::NAN, 0.5), training("NaN"));
    assert_eq!(refused(0.5, -0.1), validation("-0.1"));
    assert_eq!(refused(0.5, 1.5), validation("1.5"));
    assert_eq!(refused(0.5, f64::NAN), validation("NaN"));
    assert_eq!(
        refused(0.75, 0.5),
        "split: the sum of training and validation is 0.75 + 0.5 = 1.25, but must be at most 1"
    );
}

#[test]
fn a_part_must_not_come_out_empty() {
    let refused = |train, validation| message(data::xor().split(Split::parts(train, validation)));
    let told = |name, fraction| {
        format!(
            "data set `xor`: {name} would get 0 of 4 rows with a fraction of {fraction}; give it a larger fraction, or 0 to leave it empty"
        )
    };
    assert_eq!(refused(0.1, 0.5), told("training", "0.100"));
    assert_eq!(refused(0.7, 0.05), told("validation", "0.050"));
    assert_eq!(refused(0.7, 0.25), told("test", "0.050"));
}
