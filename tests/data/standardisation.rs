//! Standardisation: what it fits, what it does, what it refuses.

use approx::assert_abs_diff_eq;
use wgrad::{Dataset, Result, Split, Standardisation, data};

use crate::{indices, message};

/// Mean and population standard deviation of a column, by Welford's method: not the way of the library.
fn moments(data: &Dataset, column: usize) -> (f64, f64) {
    let (mut mean, mut squares) = (0.0, 0.0);
    for row in 0..data.len() {
        let value = f64::from(data.input_row(row)[column]);
        let before = value - mean;
        mean += before / (row + 1) as f64;
        squares += before * (value - mean);
    }
    (mean, (squares / data.len() as f64).sqrt())
}

#[test]
fn a_worked_example() -> Result<()> {
    // Column 0: 1, 3, 5 → mean 3, squares 4 + 0 + 4, deviation √(8/3). Column 1: -2, -2, 4 → mean 0, √(24/3).
    let data = Dataset::numbers("d", 2, &[1.0, -2.0, 3.0, -2.0, 5.0, 4.0], 1, &[0.0; 3])?;
    let fitted = Standardisation::fit(&data)?;
    assert_eq!(fitted.columns(), 2);
    assert_eq!(fitted.mean(), [3.0, 0.0]);
    assert_eq!(fitted.scale(), [(8.0f64 / 3.0).sqrt() as f32, 8.0f64.sqrt() as f32]);
    let mut rows = [3.0, 8.0f32.sqrt(), 3.0 + 2.0 * fitted.scale()[0], 0.0];
    fitted.apply(&mut rows)?;
    assert_eq!(rows[..2], [0.0, 1.0]);
    assert_abs_diff_eq!(rows[2], 2.0, epsilon = 4.0 * f32::EPSILON);
    assert_eq!(rows[3], 0.0);
    Ok(())
}

#[test]
fn the_part_it_was_fitted_on_has_mean_0_and_deviation_1() -> Result<()> {
    let (train, validation, _) = data::iris().split(Split::parts(0.7, 0.15).seed(7))?;
    let fitted = Standardisation::fit(&train)?;
    let (scaled, other) = (train.clone().standardised(&fitted)?, validation.standardised(&fitted)?);
    for column in 0..train.inputs() {
        let (mean, deviation) = moments(&scaled, column);
        assert_abs_diff_eq!(mean, 0.0, epsilon = 1e-6);
        assert_abs_diff_eq!(deviation, 1.0, epsilon = 1e-6);
        assert!(moments(&other, column).0.abs() > 1e-3, "fitted on the training part alone");
    }
    assert_eq!(indices(&scaled), indices(&train), "targets stay");
    Ok(())
}

#[test]
fn a_constant_column_has_scale_1() -> Result<()> {
    let data = Dataset::numbers("d", 2, &[0.1, 1.0, 0.1, 2.0, 0.1, 3.0], 1, &[0.0; 3])?;
    let fitted = Standardisation::fit(&data)?;
    assert_eq!((fitted.mean()[0], fitted.scale()[0]), (0.1, 1.0));
    let scaled = data.standardised(&fitted)?;
    assert_eq!([0, 1, 2].map(|row| scaled.input_row(row)[0]), [0.0; 3]);
    Ok(())
}

#[test]
fn a_large_offset_costs_no_digits() -> Result<()> {
    // Σx² / n − mean² in f32 would be 0 or negative here: 4097² has 25 bits.
    let data = Dataset::numbers("d", 1, &[4095.0, 4097.0], 1, &[0.0; 2])?;
    let fitted = Standardisation::fit(&data)?;
    assert_eq!((fitted.mean(), fitted.scale()), (&[4096.0][..], &[1.0][..]));
    Ok(())
}

#[test]
fn an_empty_part_stays_empty_but_fits_nothing() -> Result<()> {
    let (train, _, test) = data::iris().split(Split::parts(0.7, 0.3))?;
    assert!(test.clone().standardised(&Standardisation::fit(&train)?)?.is_empty());
    assert_eq!(
        message(Standardisation::fit(&test)),
        "data set `iris`: it has 0 rows to fit a standardisation on; fit it on a part whose fraction is above 0"
    );
    Ok(())
}

#[test]
fn widths_must_agree() -> Result<()> {
    let fitted = Standardisation::fit(&data::iris())?;
    assert_eq!(
        message(data::xor().standardised(&fitted)),
        "data set `xor`: the number of input columns is 2, but the standardisation was fitted on 4; fit it on a part of this data set"
    );
    assert_eq!(
        message(fitted.apply(&mut [0.0; 7])),
        "standardisation: 7 values are not a multiple of 4 columns; pass whole rows of the columns it was fitted on"
    );
    Ok(())
}

#[test]
fn a_value_too_far_away_is_refused() -> Result<()> {
    let fitted = Standardisation::new(vec![0.0, 0.0], vec![1.0, 1e-30])?;
    let far = Dataset::numbers("d", 2, &[1.0, 0.0, 1.0, 1e30], 1, &[0.0; 2])?;
    assert_eq!(
        message(far.standardised(&fitted)),
        "data set `d`, row 1, column `input1`: inf is not a finite number; replace it, or leave the row out"
    );
    Ok(())
}

#[test]
fn it_survives_a_file() -> Result<()> {
    let fitted = Standardisation::fit(&data::digits())?;
    let text = serde_json::to_string(&fitted).expect("plain numbers");
    let read: Standardisation = serde_json::from_str(&text).expect("what was just written");
    assert_eq!(read, fitted);
    Ok(())
}

#[test]
fn a_damaged_file_is_refused() {
    let refused = |text| serde_json::from_str::<Standardisation>(text).expect_err("this must fail").to_string();
    assert_eq!(
        refused(r#"{"mean": [1, 2], "scale": [1]}"#),
        "standardisation: the number of scales is 1, but the number of means is 2; give every column one of each"
    );
    assert_eq!(
        refused(r#"{"mean": [1, 2], "scale": [1, 0]}"#),
        "standardisation, column 1: the scale is 0, but must be finite and above 0"
    );
    assert_eq!(
        message(Standardisation::new(vec![f32::NAN], vec![1.0])),
        "standardisation, column 0: the mean is NaN, but must be finite"
    );
    assert_eq!(message(Standardisation::new(vec![], vec![])), "standardisation: columns is 0, but must be at least 1");
}

#[test]
fn one_scale_for_all_columns_is_that_of_all_values() {
    let data = Dataset::numbers("four", 2, &[1.0, 3.0, 5.0, 7.0], 1, &[0.0, 1.0]).expect("a data set");
    let all = Standardisation::fit_all(&data).expect("fitted");
    // Deviations from 4 are ±1 and ±3: their squares have the mean 5.
    assert_eq!((all.mean(), all.scale()), (&[4.0; 2][..], &[5.0f32.sqrt(); 2][..]));
    assert!(all.is_uniform() && !Standardisation::fit(&data).expect("fitted").is_uniform());
}
