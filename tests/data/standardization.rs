//! Standardization: fitted values, scaling and errors.

use approx::assert_abs_diff_eq;
use wgrad::{Dataset, Result, Split, Standardization, Targets, data};

use crate::{indices, message};

/// Mean and population standard deviation of a column, by Welford's method, which the library does not use.
fn moments(data: &Dataset, column: usize) -> (f64, f64) {
    let (mut mean, mut squares) = (0.0, 0.0);
    for row in 0..data.len() {
        let value = data.value(row, column);
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
    let fitted = Standardization::fit(&data)?;
    assert_eq!(fitted.columns(), 2);
    assert_eq!(fitted.mean(), [3.0, 0.0]);
    assert_eq!(fitted.scale(), [(8.0f64 / 3.0).sqrt(), 8.0f64.sqrt()]);
    let mut rows = [3.0, 8.0f32.sqrt(), 3.0 + 2.0 * fitted.scale()[0] as f32, 0.0];
    fitted.apply(&mut rows)?;
    assert_eq!(rows[..2], [0.0, 1.0]);
    assert_abs_diff_eq!(rows[2], 2.0, epsilon = 4.0 * f32::EPSILON);
    assert_eq!(rows[3], 0.0);
    Ok(())
}

#[test]
fn the_fitted_data_set_has_mean_0_and_deviation_1() -> Result<()> {
    let (train, validation, _) = data::iris().split(Split::parts(0.7, 0.15).seed(7))?;
    let fitted = Standardization::fit(&train)?;
    let (scaled, other) = (train.clone().standardized(&fitted)?, validation.standardized(&fitted)?);
    for column in 0..train.inputs() {
        let (mean, deviation) = moments(&scaled, column);
        assert_abs_diff_eq!(mean, 0.0, epsilon = 1e-6);
        assert_abs_diff_eq!(deviation, 1.0, epsilon = 1e-6);
        assert!(moments(&other, column).0.abs() > 1e-3, "fitted on the training set alone");
    }
    assert_eq!(indices(&scaled), indices(&train), "targets stay");
    Ok(())
}

#[test]
fn a_constant_column_has_scale_1() -> Result<()> {
    let data = Dataset::numbers("d", 2, &[0.1, 1.0, 0.1, 2.0, 0.1, 3.0], 1, &[0.0; 3])?;
    let fitted = Standardization::fit(&data)?;
    assert_eq!((fitted.mean()[0], fitted.scale()[0]), (f64::from(0.1f32), 1.0));
    let scaled = data.standardized(&fitted)?;
    assert_eq!([0, 1, 2].map(|row| scaled.input_row(row)[0]), [0.0; 3]);
    Ok(())
}

#[test]
fn a_large_offset_costs_no_digits() -> Result<()> {
    // Σx² / n − mean² in f32 would be 0 or negative here: 4097² has 25 bits.
    let data = Dataset::numbers("d", 1, &[4095.0, 4097.0], 1, &[0.0; 2])?;
    let fitted = Standardization::fit(&data)?;
    assert_eq!((fitted.mean(), fitted.scale()), (&[4096.0][..], &[1.0][..]));
    Ok(())
}

#[test]
fn an_empty_set_can_be_scaled_but_not_fitted() -> Result<()> {
    let (train, _, test) = data::iris().split(Split::parts(0.7, 0.3))?;
    assert!(test.clone().standardized(&Standardization::fit(&train)?)?.is_empty());
    assert_eq!(
        message(Standardization::fit(&test)),
        "data set `iris`: it has 0 rows to fit a standardization on; fit it on a data set with at least 1 row"
    );
    Ok(())
}

#[test]
fn widths_must_agree() -> Result<()> {
    let fitted = Standardization::fit(&data::iris())?;
    assert_eq!(
        message(data::xor().standardized(&fitted)),
        "data set `xor`: the number of input columns is 2, but the standardization was fitted on 4; fit it on a part of this data set"
    );
    assert_eq!(
        message(fitted.apply(&mut [0.0; 7])),
        "standardization: 7 values are not a multiple of 4 columns; pass whole rows of the columns it was fitted on"
    );
    Ok(())
}

#[test]
fn a_value_too_far_away_is_refused() -> Result<()> {
    let fitted = Standardization::new(vec![0.0, 0.0], vec![1.0, 1e-30])?;
    let far = Dataset::numbers("d", 2, &[1.0, 0.0, 1.0, 1e30], 1, &[0.0; 2])?;
    assert_eq!(
        message(far.standardized(&fitted)),
        "data set `d`, row 1, column `input1`: inf is not a finite 32-bit number; replace it, or remove the row"
    );
    Ok(())
}

#[test]
fn it_survives_a_file() -> Result<()> {
    let fitted = Standardization::fit(&data::digits())?;
    let text = serde_json::to_string(&fitted).expect("plain numbers");
    let read: Standardization = serde_json::from_str(&text).expect("what was just written");
    assert_eq!(read, fitted);
    Ok(())
}

#[test]
fn a_damaged_file_is_refused() {
    let refused = |text| serde_json::from_str::<Standardization>(text).expect_err("this must fail").to_string();
    assert_eq!(
        refused(r#"{"mean": [1, 2], "scale": [1]}"#),
        "standardization: the number of scales is 1, but the number of means is 2; give every column one of each"
    );
    assert_eq!(
        refused(r#"{"mean": [1, 2], "scale": [1, 0]}"#),
        "standardization, column 1: the scale is 0, but must be finite and above 0"
    );
    assert_eq!(
        message(Standardization::new(vec![f64::NAN], vec![1.0])),
        "standardization, column 0: the mean is NaN, but must be finite"
    );
    assert_eq!(message(Standardization::new(vec![], vec![])), "standardization: columns is 0, but must be at least 1");
}

#[test]
fn one_scale_for_all_columns_is_that_of_all_values() {
    let data = Dataset::numbers("four", 2, &[1.0, 3.0, 5.0, 7.0], 1, &[0.0, 1.0]).expect("a data set");
    let all = Standardization::fit_all(&data).expect("fitted");
    // Deviations from 4 are ±1 and ±3; the mean of their squares is 5.
    assert_eq!((all.mean(), all.scale()), (&[4.0; 2][..], &[5.0f64.sqrt(); 2][..]));
    assert!(all.is_uniform() && !Standardization::fit(&data).expect("fitted").is_uniform());
}

/// Mean and deviation of 10,000,000 values near 2³¹, multiples of 1/8: the exact ones are known.
#[test]
fn fits_are_exact_at_ten_million_rows_and_a_large_offset() {
    let (rows, offset) = (10_000_000, 2.0f64.powi(31) + 0.5);
    let values: Vec<f64> = (0..rows).map(|row| offset + (row % 1000) as f64 / 8.0).collect();
    let data = Dataset::table("d", ["x"], values, numbers(vec![0.0; rows])).expect("a data set");
    let fitted = Standardization::fit(&data).expect("fitted");
    // Of 0 to 999: mean 499.5, variance (1000² − 1) / 12.
    let wanted = (offset + 499.5 / 8.0, ((1e6 - 1.0) / 12.0f64).sqrt() / 8.0);
    assert_abs_diff_eq!(fitted.mean()[0] - wanted.0, 0.0, epsilon = 1e-6);
    assert_abs_diff_eq!(fitted.scale()[0] / wanted.1, 1.0, epsilon = 1e-9);
}

/// The first value, from which deviations are taken, is far from all others.
#[test]
fn a_first_value_far_away_costs_no_digits() {
    let mut values: Vec<f64> = (0..100_000).map(|row| 3e9 + f64::from(row % 7)).collect();
    values[0] = -999.0;
    let count = values.len() as f64;
    let data = Dataset::table("d", ["x"], values.clone(), numbers(vec![0.0; values.len()])).expect("a data set");
    let fitted = Standardization::fit(&data).expect("fitted");
    // Exact in i128.
    let sum: i128 = values.iter().map(|value| *value as i128).sum();
    let squares: i128 = values.iter().map(|value| (*value as i128).pow(2)).sum();
    let variance = (squares * count as i128 - sum * sum) as f64 / (count * count);
    assert_abs_diff_eq!(fitted.mean()[0] / (sum as f64 / count), 1.0, epsilon = 1e-14);
    assert_abs_diff_eq!(fitted.scale()[0] / variance.sqrt(), 1.0, epsilon = 1e-12);
}

fn numbers(values: Vec<f64>) -> Targets {
    Targets::Numbers { values, columns: vec!["y".into()] }
}

#[test]
fn digits_beyond_f32_are_kept_until_values_are_scaled() -> Result<()> {
    // Seconds since 1970, and a target of 3·10⁹ ± 1.
    let text = "t,y\n1700000000,2999999999\n1700000001,3000000000\n1700000002,3000000001\n";
    let data = Dataset::from_csv_text("d", text, None)?;
    assert_eq!([0, 1, 2].map(|row| data.value(row, 0)), [1_700_000_000.0, 1_700_000_001.0, 1_700_000_002.0]);
    let scaled = data.clone().standardized(&Standardization::fit(&data)?)?;
    let scaled = scaled.standardized_targets(&Standardization::fit_targets(&data)?)?;
    let one = (2.0f64 / 3.0).sqrt().recip();
    let Targets::Numbers { values, .. } = scaled.targets() else { panic!("they are numbers") };
    for (row, wanted) in [-one, 0.0, one].into_iter().enumerate() {
        assert_abs_diff_eq!(scaled.value(row, 0), wanted, epsilon = 1e-7);
        assert_abs_diff_eq!(values[row], wanted, epsilon = 1e-7);
    }
    assert_eq!(*data.input(), [1.7e9; 3], "as f32 they are one number");
    Ok(())
}

#[test]
fn numbers_that_are_exact_as_f32_are_stored_as_f32() -> Result<()> {
    let exact = Dataset::from_csv_text("d", "a,y\n1,0.5\n2,0.25\n", None)?;
    assert_eq!(exact.checksum(), Dataset::numbers("d", 1, &[1.0, 2.0], 1, &[0.5, 0.25])?.checksum());
    let close = |digits: &str| Dataset::from_csv_text("d", &format!("a,y\n1,0.5\n{digits},0.25\n"), None);
    assert_ne!(close("1700000001")?.checksum(), close("1700000002")?.checksum(), "other data have other checksums");
    Ok(())
}
