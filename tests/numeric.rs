//! Building blocks of the fast CPU kernels: blocked matrix multiplication, and vectorized exponentials.

use wgrad::numeric::{
    Matrix, MatrixMut, cosine_of_turns, cosine_of_turns_f64, erf, erf_f64, exponential, log_1p, matmul, tanh,
};
use wgrad::rng::{Philox, Stream};

/// Rows, columns and terms: none; around tiles of six rows, panels of 64 columns, parts of 64 and 128 terms and blocks of 512;
/// rows further apart than a page, and more of them than are packed at once; small batches, which are transposed, with more rows,
/// terms and columns than are transposed at once.
const SIZES: [(usize, usize, usize); 33] = [
    (0, 5, 3),
    (5, 0, 3),
    (5, 3, 0),
    (1, 1, 1),
    (1, 65, 2),
    (5, 16, 7),
    (6, 17, 31),
    (7, 64, 64),
    (13, 63, 255),
    (12, 65, 256),
    (3, 129, 257),
    (11, 31, 600),
    (61, 97, 131),
    (193, 70, 5),
    (9, 1025, 19),
    (1031, 6, 11),
    (1031, 70, 0),
    (1031, 6, 300),
    (1280, 6, 512),
    (1, 200, 1030),
    (4, 193, 64),
    (70, 200, 1030),
    (260, 530, 530),
    (8, 1025, 200),
    (300, 70, 140),
    (300, 65, 1030),
    (2, 300, 4200),
    (288, 300, 150),
    (289, 300, 150),
    (7, 64, 600),
    (7, 1025, 1030),
    (1031, 70, 530),
    (70, 16, 600),
];

/// Whole numbers, whose sums here are exact.
fn whole(count: usize, seed: u32) -> Vec<f32> {
    let mut random = Philox::new(1, Stream::Data, seed);
    (0..count).map(|_| random.below(7) as f32 - 3.0).collect()
}

fn real(count: usize, seed: u32) -> Vec<f32> {
    let mut random = Philox::new(2, Stream::Data, seed);
    (0..count).map(|_| (2.0 * random.uniform() - 1.0) as f32).collect()
}

/// Operands of a matrix multiplication, from row-major memory of them or of their transposes.
fn operands<'a>(
    (m, n, k): (usize, usize, usize),
    a_transposed: bool,
    b_transposed: bool,
    a: &'a [f32],
    b: &'a [f32],
) -> (Matrix<'a>, Matrix<'a>) {
    (
        if a_transposed { Matrix::new(a, k, m).transposed() } else { Matrix::new(a, m, k) },
        if b_transposed { Matrix::new(b, n, k).transposed() } else { Matrix::new(b, k, n) },
    )
}

#[test]
fn matmuls_of_whole_numbers_are_exact_for_all_transposes() {
    for (seed, (m, n, k)) in SIZES.into_iter().enumerate() {
        let (a, b, bias) = (whole(m * k, seed as u32), whole(k * n, 100 + seed as u32), whole(n, 200));
        for (a_transposed, b_transposed) in [(false, false), (false, true), (true, false), (true, true)] {
            let (left, right) = operands((m, n, k), a_transposed, b_transposed, &a, &b);
            let mut wanted = Vec::new();
            for i in 0..m {
                for j in 0..n {
                    let in_a = |l: usize| if a_transposed { l * m + i } else { i * k + l };
                    let in_b = |l: usize| if b_transposed { j * k + l } else { l * n + j };
                    wanted.push((0..k).map(|l| a[in_a(l)] * b[in_b(l)]).sum::<f32>());
                }
            }
            let with_bias: Vec<f32> = wanted.iter().enumerate().map(|(at, sum)| sum + bias[at % n]).collect();
            let mut found = vec![f32::NAN; m * n + 1];
            matmul(left, right, None, MatrixMut::new(&mut found, m, n));
            assert!(found[..m * n] == wanted, "{m}×{n}, {k} terms, {a_transposed}, {b_transposed}");
            matmul(left, right, Some(&bias), MatrixMut::new(&mut found, m, n));
            assert!(found[..m * n] == with_bias, "{m}×{n}, {k} terms, {a_transposed}, {b_transposed}, with bias");
            assert!(found[m * n].is_nan(), "{m}×{n}, {k} terms: one element too many was written");
        }
    }
}

/// A matrix multiplication has the same bits for any part of rows and columns, and any layout of the operands.
#[test]
fn bits_depend_on_nothing_but_the_numbers() {
    let transposed = |values: &[f32], rows: usize, columns: usize| -> Vec<f32> {
        (0..rows * columns).map(|at| values[at % rows * columns + at / rows]).collect()
    };
    for (seed, (m, n, k)) in SIZES.into_iter().enumerate() {
        let (a, b) = (real(m * k, seed as u32), real(k * n, 100 + seed as u32));
        let (a_other, b_other) = (transposed(&a, m, k), transposed(&b, k, n));
        let mut whole = vec![f32::NAN; m * n];
        matmul(Matrix::new(&a, m, k), Matrix::new(&b, k, n), None, MatrixMut::new(&mut whole, m, n));
        for (a_transposed, b_transposed) in [(false, false), (false, true), (true, false), (true, true)] {
            let (a, b) = (if a_transposed { &a_other } else { &a }, if b_transposed { &b_other } else { &b });
            let (left, right) = operands((m, n, k), a_transposed, b_transposed, a, b);
            for (rows, columns) in [(0..m, 0..n), (m / 3..m - m / 5, n / 2..n)] {
                // Elements outside the part must not be written.
                let mut part = vec![f32::NAN; m * n];
                let out = MatrixMut::new(&mut part, m, n).into_part(rows.clone(), columns.clone());
                matmul(left.rows(rows.clone()), right.columns(columns.clone()), None, out);
                for (at, found) in part.into_iter().enumerate() {
                    let (row, column) = (at / n, at % n);
                    let what = format!("{m}×{n}, {k} terms, {a_transposed}, {b_transposed}: {row}, {column}");
                    if rows.contains(&row) && columns.contains(&column) {
                        assert_eq!(found.to_bits(), whole[at].to_bits(), "{what}");
                    } else {
                        assert!(found.is_nan(), "{what} was written");
                    }
                }
            }
        }
    }
}

/// Largest error over every 499th f32 in a range, in units in the last place of the exact value.
fn worst(from: f32, to: f32, found: fn(f32) -> f32, exact: fn(f64) -> f64) -> f64 {
    let numbers = (0..=u32::MAX).step_by(499).map(f32::from_bits).filter(|x| (from..=to).contains(x));
    let mut count = 0;
    let errors = numbers.map(|x| {
        count += 1;
        let wanted = exact(f64::from(x));
        let unit =
            f64::from(f32::from_bits((wanted as f32).abs().to_bits() & 0x7F80_0000)).max(f64::from(f32::MIN_POSITIVE));
        let error = (f64::from(found(x)) - wanted).abs() / (unit * f64::from(f32::EPSILON));
        // A NaN is a large error.
        if error.is_nan() { f64::INFINITY } else { error }
    });
    let worst = errors.fold(0.0, f64::max);
    assert!(count > 2_000_000, "only {count} numbers were tried");
    worst
}

#[test]
fn exponentials_are_within_their_units() {
    let found = [
        ("exponential", worst(-87.33, 88.0, exponential, f64::exp), 1.0),
        ("erf", worst(-4.5, 4.5, erf, erf_f64), 1.5),
        ("log_1p", worst(0.0, 1.0, log_1p, f64::ln_1p), 2.5),
        ("cosine_of_turns", worst(-4.0, 4.0, cosine_of_turns, cosine_of_turns_f64), 3.5),
        ("tanh", worst(-10.0, 10.0, tanh, f64::tanh), 2.0),
    ];
    for (name, error, allowed) in found {
        println!("{name}: at most {error:.2} units in the last place, {allowed} allowed");
        assert!(error <= allowed && error > 0.3, "{name}: {error} units");
    }
}

#[test]
fn exponentials_at_the_edges() {
    assert_eq!([0.0, -88.0, f32::NEG_INFINITY].map(exponential), [1.0, 0.0, 0.0]);
    assert_eq!([0.0, 4.0, -200.0, f32::INFINITY, f32::NEG_INFINITY].map(erf), [0.0, 1.0, -1.0, 1.0, -1.0]);
    assert_eq!([0.0, 1e-30, f32::INFINITY].map(log_1p), [0.0, 1e-30, f32::INFINITY]);
    // Values of the table in Abramowitz and Stegun, 7.1.
    for (x, wanted) in [(0.5, 0.520_499_877_8), (1.0, 0.842_700_792_9), (2.0, 0.995_322_265_0)] {
        approx::assert_abs_diff_eq!(erf_f64(x), wanted, epsilon = 1e-10);
    }
    assert_eq!([0.0, 0.25, -0.75, 0.5, 1e9].map(cosine_of_turns), [1.0, 0.0, 0.0, -1.0, 1.0]);
    for (t, wanted) in
        [(1.0 / 6.0, 0.5), (1.0 / 12.0, 0.75f64.sqrt()), (0.125, 0.5f64.sqrt()), (-0.4375, -0.923_879_532_5)]
    {
        approx::assert_abs_diff_eq!(cosine_of_turns_f64(t), wanted, epsilon = 1e-10);
    }
    assert_eq!([0.0, 10.0, -10.0].map(tanh), [0.0, 1.0, -1.0]);
    assert_eq!(tanh(-0.0).to_bits(), (-0.0f32).to_bits());
    assert!([erf, exponential, log_1p, tanh].iter().all(|f| f(f32::NAN).is_nan()));
}
