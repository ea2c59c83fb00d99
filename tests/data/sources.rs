//! Embedded and generated data sets.

use approx::assert_abs_diff_eq;
use wgrad::{Dataset, Result, Split, Targets, data};

use crate::{class_counts, indices};

#[test]
fn digits_are_8_by_8_pixels_of_ten_classes() {
    let digits = data::digits();
    assert_eq!((digits.name(), digits.len(), digits.inputs(), digits.outputs()), ("digits", 1797, 64, 10));
    let names: Vec<String> = (0..10).map(|digit| digit.to_string()).collect();
    assert_eq!(digits.class_names(), Some(&names[..]));
    assert_eq!(class_counts(&digits), [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]);
    assert_eq!((digits.columns()[0].as_str(), digits.columns()[63].as_str()), ("pixel_0_0", "pixel_7_7"));
    assert!(digits.input().iter().all(|&pixel| (0.0..=16.0).contains(&pixel)));
    assert!(digits.input().contains(&16.0));
    // Second row of pixels of the first digit, a zero.
    assert_eq!((indices(&digits)[0], &digits.input_row(0)[8..16]), (0, &[0., 0., 13., 15., 10., 15., 5., 0.][..]));
}

#[test]
fn iris_has_50_rows_of_each_species() {
    let iris = data::iris();
    assert_eq!((iris.name(), iris.len(), iris.inputs(), iris.outputs()), ("iris", 150, 4, 3));
    assert_eq!(iris.columns(), ["sepal_length_cm", "sepal_width_cm", "petal_length_cm", "petal_width_cm"]);
    assert_eq!(iris.class_names(), Some(&["setosa", "versicolor", "virginica"].map(String::from)[..]));
    assert_eq!(class_counts(&iris), [50, 50, 50]);
    assert_eq!((indices(&iris)[0], &*iris.input_row(0)), (0, &[5.1, 3.5, 1.4, 0.2][..]));
    assert_eq!((indices(&iris)[149], &*iris.input_row(149)), (2, &[5.9, 3.0, 5.1, 1.8][..]));
}

#[test]
fn the_example_of_the_readme_splits_all_rows() -> Result<()> {
    let (train, validation, test) = data::digits().split(Split::parts(0.7, 0.15).seed(7))?;
    assert_eq!(train.len(), 1258);
    assert_eq!(train.len() + validation.len() + test.len(), 1797);
    Ok(())
}

/// Points of one moon, sorted by x.
fn moon(moons: &Dataset, class: u32) -> Vec<[f32; 2]> {
    let rows = (0..moons.len()).filter(|&row| indices(moons)[row] == class);
    let mut points: Vec<[f32; 2]> = rows.map(|row| [moons.input_row(row)[0], moons.input_row(row)[1]]).collect();
    points.sort_by(|a, b| a[0].total_cmp(&b[0]));
    points
}

fn two_moons(rows: usize, noise: f64, seed: u64) -> Dataset {
    data::two_moons(rows, noise, seed).expect("rows and a noise")
}

#[test]
fn moons_are_half_circles() {
    // Five rows: two ends of the outer moon; two ends and the lowest point of the inner one.
    let moons = two_moons(5, 0.0, 1);
    assert_eq!(moons.class_names(), Some(&["outer", "inner"].map(String::from)[..]));
    for (class, points) in [(0, vec![[-1.0, 0.0], [1.0, 0.0]]), (1, vec![[0.0, 0.5], [1.0, -0.5], [2.0, 0.5]])] {
        let found = moon(&moons, class);
        assert_eq!(found.len(), points.len());
        for (found, point) in found.iter().zip(&points) {
            assert_abs_diff_eq!(found[..], point[..], epsilon = 1e-6);
        }
    }
}

#[test]
fn every_point_of_a_moon_is_on_its_side_of_its_circle() {
    let moons = two_moons(201, 0.0, 4);
    assert_eq!(class_counts(&moons), [100, 101]);
    for [x, y] in moon(&moons, 0) {
        assert_abs_diff_eq!(x.hypot(y), 1.0, epsilon = 1e-6);
        assert!(y >= -1e-6);
    }
    for [x, y] in moon(&moons, 1) {
        assert_abs_diff_eq!((x - 1.0).hypot(y - 0.5), 1.0, epsilon = 1e-6);
        assert!(y <= 0.5 + 1e-6);
    }
}

#[test]
fn noise_has_the_deviation_asked_for() {
    let (plain, noisy) = (two_moons(5000, 0.0, 9), two_moons(5000, 0.2, 9));
    assert_eq!(plain.targets(), noisy.targets(), "noise does not change the order");
    let noise: Vec<f64> = noisy.input().iter().zip(plain.input().iter()).map(|(a, b)| f64::from(a - b)).collect();
    let mean = noise.iter().sum::<f64>() / noise.len() as f64;
    let deviation = (noise.iter().map(|value| value * value).sum::<f64>() / noise.len() as f64).sqrt();
    // 10,000 draws: four standard errors are 4 × 0.2 / 100 of the mean and 4 × 0.2 / √20,000 of the deviation.
    assert_abs_diff_eq!(mean, 0.0, epsilon = 0.008);
    assert_abs_diff_eq!(deviation, 0.2, epsilon = 0.006);
}

#[test]
fn moons_are_shuffled_by_their_seed() {
    let moons = two_moons(100, 0.1, 3);
    assert_eq!(moons, two_moons(100, 0.1, 3));
    assert_ne!(moons.input(), two_moons(100, 0.1, 4).input());
    let turns = indices(&moons).windows(2).filter(|pair| pair[0] != pair[1]).count();
    assert!(turns > 25, "classes change {turns} times in 100 rows; in order they would change once");
}

#[test]
fn gates_are_their_truth_tables() {
    for (gate, name, outputs) in [
        (data::and(), "and", [0.0, 0.0, 0.0, 1.0]),
        (data::or(), "or", [0.0, 1.0, 1.0, 1.0]),
        (data::xor(), "xor", [0.0, 1.0, 1.0, 0.0]),
    ] {
        assert_eq!((gate.name(), gate.len(), gate.inputs(), gate.outputs()), (name, 4, 2, 1));
        assert_eq!(gate.columns(), ["a", "b"]);
        assert_eq!(*gate.input(), [0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]);
        assert_eq!(gate.targets(), &Targets::Numbers { values: outputs.to_vec(), columns: vec![name.into()] });
    }
}
