//! Circles, spirals, blobs and the sine, against their formulas computed in another way.

use std::f32::consts::TAU;

use approx::assert_abs_diff_eq;
use wgrad::{Dataset, Result, data};

use crate::{class_counts, indices, message, values};

/// Points of a class.
fn points(data: &Dataset, class: u32) -> Vec<[f32; 2]> {
    let rows = (0..data.len()).filter(|&row| indices(data)[row] == class);
    rows.map(|row| [data.input_row(row)[0], data.input_row(row)[1]]).collect()
}

/// Angle of a point in turns, from 0 up to 1.
fn turns([x, y]: [f32; 2]) -> f32 {
    (y.atan2(x) / TAU).rem_euclid(1.0)
}

/// Distance of two angles around the circle, in turns.
fn apart(a: f32, b: f32) -> f32 {
    let away = (a - b).rem_euclid(1.0);
    away.min(1.0 - away)
}

#[test]
fn circles_have_their_radii_and_even_steps() -> Result<()> {
    let circles = data::circles(101, 0.0, 3)?;
    assert_eq!(circles.class_names(), Some(&["outer", "inner"].map(String::from)[..]));
    assert_eq!((circles.name(), class_counts(&circles)), ("circles", vec![50, 51]));
    for (class, radius) in [(0, 1.0), (1, 0.5)] {
        let points = points(&circles, class);
        let mut angles: Vec<f32> = points.iter().map(|&point| (turns(point) + 1e-3).rem_euclid(1.0) - 1e-3).collect();
        angles.sort_by(f32::total_cmp);
        for (step, (angle, point)) in angles.iter().zip(&points).enumerate() {
            assert_abs_diff_eq!(point[0].hypot(point[1]), radius, epsilon = 1e-6);
            assert_abs_diff_eq!(*angle, step as f32 / points.len() as f32, epsilon = 1e-6);
        }
    }
    Ok(())
}

#[test]
fn the_angle_of_a_spiral_grows_with_its_radius() -> Result<()> {
    let spirals = data::spirals(301, 3, 0.0, 3)?;
    assert_eq!(spirals.class_names(), Some(&["arm0", "arm1", "arm2"].map(String::from)[..]));
    assert_eq!((spirals.name(), class_counts(&spirals)), ("spirals", vec![101, 100, 100]));
    for arm in 0..3 {
        let mut points = points(&spirals, arm);
        points.sort_by(|a, b| a[0].hypot(a[1]).total_cmp(&b[0].hypot(b[1])));
        for (step, point) in points.iter().enumerate() {
            let radius = point[0].hypot(point[1]);
            assert_abs_diff_eq!(radius, (step + 1) as f32 / points.len() as f32, epsilon = 1e-6);
            assert!(apart(turns(*point), arm as f32 / 3.0 + 1.5 * radius) < 1e-5, "arm {arm}: {point:?}");
        }
    }
    Ok(())
}

#[test]
fn blobs_lie_around_centers_that_the_seed_draws() -> Result<()> {
    let blobs = data::blobs(4001, 4, 0.5, 3)?;
    assert_eq!((blobs.name(), class_counts(&blobs)), ("blobs", vec![1001, 1000, 1000, 1000]));
    assert_eq!(blobs.class_names().map(|names| names[3].as_str()), Some("blob3"));
    let still = data::blobs(4, 4, 0.0, 3)?;
    for class in 0..4 {
        let (points, center) = (points(&blobs, class), points(&still, class)[0]);
        assert!(center.iter().all(|coordinate| coordinate.abs() <= 10.0), "{center:?}");
        for axis in 0..2 {
            let away = points.iter().map(|point| f64::from(point[axis] - center[axis]));
            let mean = away.clone().sum::<f64>() / points.len() as f64;
            let deviation = (away.map(|value| value * value).sum::<f64>() / points.len() as f64).sqrt();
            // Four standard errors of 1,000 draws: 4 × 0.5 / √1,000 of the mean, 4 × 0.5 / √2,000 of the deviation.
            assert_abs_diff_eq!(mean, 0.0, epsilon = 0.063);
            assert_abs_diff_eq!(deviation, 0.5, epsilon = 0.045);
        }
    }
    let centers = |seed| data::blobs(4, 4, 0.0, seed).map(|data| points(&data, 0));
    assert_ne!(centers(3)?, centers(4)?);
    // Centers use the whole square.
    let many = data::blobs(400, 400, 0.0, 1)?;
    for (axis, sign) in [(0, 1.0), (0, -1.0), (1, 1.0), (1, -1.0)] {
        assert!((0..400).any(|row| sign * many.input_row(row)[axis] > 9.0), "axis {axis}, {sign}");
    }
    Ok(())
}

#[test]
fn a_sine_has_even_steps_and_the_noise_asked_for() -> Result<()> {
    let sine = data::sine(5000, 0.2, 3)?;
    assert_eq!((sine.name(), sine.columns(), sine.outputs()), ("sine", &["x".to_string()][..], 1));
    let mut steps = sine.input().to_vec();
    assert!(!steps.is_sorted(), "rows are shuffled");
    steps.sort_by(f32::total_cmp);
    steps.iter().enumerate().for_each(|(step, x)| assert_abs_diff_eq!(*x, TAU * step as f32 / 4999.0, epsilon = 1e-5));
    let input = sine.input();
    let noise = input.iter().zip(values(&sine)).map(|(x, y)| y - f64::from(*x).sin());
    let deviation = (noise.map(|value| value * value).sum::<f64>() / 5000.0).sqrt();
    assert_abs_diff_eq!(deviation, 0.2, epsilon = 0.008);
    let still = data::sine(50, 0.0, 3)?;
    still
        .input()
        .iter()
        .zip(values(&still))
        .for_each(|(x, y)| assert_abs_diff_eq!(f64::from(x.sin()), *y, epsilon = 1e-6));
    Ok(())
}

/// Generator from rows, noise and seed.
type Generator = fn(usize, f64, u64) -> Result<Dataset>;

fn generators() -> [(&'static str, Generator); 5] {
    [
        ("two_moons", data::two_moons),
        ("circles", data::circles),
        ("spirals", |rows, noise, seed| data::spirals(rows, 2, noise, seed)),
        ("blobs", |rows, noise, seed| data::blobs(rows, 2, noise, seed)),
        ("sine", data::sine),
    ]
}

#[test]
fn the_seed_decides_rows_and_noise() -> Result<()> {
    for (name, generate) in generators() {
        let data = generate(200, 0.1, 3)?;
        assert_eq!(data, generate(200, 0.1, 3)?, "{name}");
        assert_ne!(data.input(), generate(200, 0.1, 4)?.input(), "{name}");
        assert_ne!(data, generate(200, 0.2, 3)?, "{name}");
        assert_eq!(generate(2, 0.0, 0)?.len(), 2, "{name}");
    }
    for data in [data::circles(200, 0.1, 3)?, data::spirals(200, 2, 0.1, 3)?, data::blobs(200, 2, 0.1, 3)?] {
        let turns = indices(&data).windows(2).filter(|pair| pair[0] != pair[1]).count();
        // Neither sorted nor alternating.
        assert!((60..140).contains(&turns), "{}: classes change {turns} times in 200 rows", data.name());
    }
    Ok(())
}

#[test]
fn arguments_out_of_range_are_named() {
    for (name, generate) in generators() {
        let noise = if name == "blobs" { "deviation" } else { "noise" };
        for rows in [0, 1, (1 << 24) + 1, usize::MAX] {
            let told = message(generate(rows, 0.1, 0));
            assert_eq!(told, format!("{name}: rows is {rows}, but must be from 2 to 16777216"));
        }
        for (bad, shown) in [(f64::NAN, "NaN"), (-0.5, "-0.5"), (f64::INFINITY, "inf")] {
            let told = message(generate(10, bad, 0));
            assert_eq!(told, format!("{name}: {noise} is {shown}, but must be finite and at least 0"));
        }
        let told = message(generate(10, 1e300, 0));
        assert!(
            told.contains(&format!("data set `{name}`, row ")) && told.contains("not a finite 32-bit number"),
            "{told}"
        );
    }
    let wanted = "but must be from 2 to the number of rows, 10";
    for bad in [0, 1, 11, usize::MAX] {
        assert_eq!(message(data::spirals(10, bad, 0.1, 0)), format!("spirals: arms is {bad}, {wanted}"));
        assert_eq!(message(data::blobs(10, bad, 0.1, 0)), format!("blobs: clusters is {bad}, {wanted}"));
    }
}
