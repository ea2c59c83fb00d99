//! Sums over the rows of a batch do not drift: they are as accurate for a million rows as for one, and have the same bits for any
//! number of threads.
//!
//! Equal rows are the hard case: a simple sum in f32 rounds each of them in the same direction.

use wgrad::lower::{TrainingSpec, lower};
use wgrad::numeric::{Matrix, MatrixMut, column_sum, matmul_over_rows};
use wgrad::plan::{Plan, Section};
use wgrad::rng::{Philox, Stream};
use wgrad::specialize::{DeviceLimits, Limits, specialize};
use wgrad::{Dense, Device, Error, Init, Loss, Network, Sgd, Trainer};

/// Largest relative error of a mean, a sum or a norm over any number of rows.
const RELATIVE: f64 = 1e-6;

/// Numbers whose sums round at different places.
const CONSTANTS: [f32; 6] = [0.1, 0.3, 0.7, 1.7, std::f32::consts::LN_10, 123.4];

/// Numbers of equal terms: near common batch sizes, near the starts of chunks, and many.
const EQUAL: [usize; 9] = [32, 33, 63, 64, 65, 96, 127, 128, 1_000_000];

fn near(found: f32, wanted: f64, place: &str) {
    let error = (f64::from(found) / wanted - 1.0).abs();
    assert!(error <= RELATIVE, "{place}: {found} is {error:e} off {wanted}");
}

fn trainer(network: Network, loss: Loss, batch: usize, threads: usize) -> Trainer {
    let builder = Trainer::builder(network).loss(loss).optimizer(Sgd::new(1e-3)).batch(batch);
    builder.build(&Device::cpu().threads(threads)).expect("a network")
}

#[test]
fn the_loss_of_equal_rows_is_that_of_one() {
    for rows in [1, 4_096, 100_000, 1_000_000] {
        let network = Network::input(1).layer(Dense::new(10).init(Init::Zeros));
        let mut trainer = trainer(network, Loss::softmax_cross_entropy(), rows, 2);
        let classes: Vec<u32> = (0..rows as u32).map(|row| row % 10).collect();
        let loss = trainer.step(&vec![1.0; rows], &classes).and_then(|loss| loss.value()).expect("finite");
        near(loss, 10f64.ln(), &format!("{rows} rows"));
    }
}

/// With weight gradients that are split into slices of the batch, and with others.
#[test]
fn gradients_of_equal_rows_are_those_of_one() {
    for (inputs, rows) in [(1, 1_000_000), (3, 300_001), (2, 1_023), (1, 65), (2, 96), (1, 128)] {
        for constant in CONSTANTS {
            let mut gradients = [1, 2, 3].map(|threads| {
                let network = Network::input(inputs).layer(Dense::new(1).init(Init::Zeros));
                let mut trainer = trainer(network, Loss::mean_squared_error(), rows, threads);
                let input = vec![constant; rows * inputs];
                trainer.step(&input, &vec![constant; rows]).and_then(|loss| loss.value()).expect("finite");
                trainer.gradients().expect("read")
            });
            let (c, place) = (f64::from(constant), format!("{rows} rows of {constant}"));
            for tensor in &gradients[0] {
                let wanted = if tensor.values.len() == inputs && tensor.name.ends_with("weight") {
                    -2.0 * c * c
                } else {
                    -2.0 * c
                };
                tensor.values.iter().for_each(|value| near(*value, wanted, &format!("{place}, {}", tensor.name)));
            }
            gradients.rotate_left(1);
            assert!(gradients.windows(2).all(|two| two[0] == two[1]), "{place}: bits depend on the threads");
        }
    }
}

/// Also with so many rows that slices of them are added, and with any part of the output.
#[test]
fn matmuls_over_rows_are_near_those_in_f64() {
    let (m, n) = (7, 70);
    for rows in [31, 32, 33, 1_024, 1_025, 200_001] {
        let mut random = Philox::new(3, Stream::Data, rows as u32);
        let mut positive = |count: usize| (0..count).map(|_| random.uniform() as f32).collect::<Vec<_>>();
        let (a, b) = (positive(rows * m), positive(rows * n));
        let (left, right) = (Matrix::new(&a, rows, m).transposed(), Matrix::new(&b, rows, n));
        let mut found = vec![f32::NAN; m * n];
        matmul_over_rows(left, right, MatrixMut::new(&mut found, m, n));
        for (at, value) in found.iter().enumerate().step_by(61) {
            let terms = (0..rows).map(|r| f64::from(a[r * m + at / n]) * f64::from(b[r * n + at % n]));
            near(*value, terms.sum(), &format!("{rows} random rows"));
        }
        let mut part = vec![f32::NAN; m * n];
        let out = MatrixMut::new(&mut part, m, n).into_part(2..5, 3..69);
        matmul_over_rows(left.rows(2..5), right.columns(3..69), out);
        for (at, value) in part.iter().enumerate() {
            let inside = (2..5).contains(&(at / n)) && (3..69).contains(&(at % n));
            assert!(value.is_nan() != inside && (!inside || value.to_bits() == found[at].to_bits()), "{rows}: {at}");
        }
        let sums = &mut vec![f32::NAN; n];
        column_sum(right, sums);
        sums.iter()
            .enumerate()
            .for_each(|(c, sum)| near(*sum, (0..rows).map(|r| f64::from(b[r * n + c])).sum(), "a column"));
    }
    for (constant, rows) in CONSTANTS.into_iter().flat_map(|constant| EQUAL.map(|rows| (constant, rows))) {
        let (ones, equal) = (vec![1.0; rows], vec![constant; rows]);
        let mut found = [f32::NAN];
        let left = Matrix::new(&ones, rows, 1).transposed();
        matmul_over_rows(left, Matrix::new(&equal, rows, 1), MatrixMut::new(&mut found, 1, 1));
        near(found[0], rows as f64 * f64::from(constant), &format!("{rows} equal terms"));
    }
}

/// The largest number of micro-batches per step, with equal gradients: a simple sum rounds each in the same direction.
#[test]
fn gradients_of_many_micro_batches_are_those_of_one() {
    for device in [Device::reference(), Device::cpu().threads(2)] {
        for (batch, batches) in [(4, 1_024), (3, 1_000)] {
            for constant in CONSTANTS {
                let network = Network::input(1).layer(Dense::new(1).init(Init::Zeros));
                let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(1e-3));
                let mut trainer = builder.batch(batch).accumulate(1_024).build(&device).expect("a network");
                let rows = vec![constant; batch * batches];
                trainer.step(&rows, &rows).and_then(|loss| loss.value()).expect("finite");
                let c = f64::from(constant);
                for (tensor, wanted) in trainer.gradients().expect("read").iter().zip([-2.0 * c * c, -2.0 * c]) {
                    let place = format!("{batches} batches of {constant} on {device}, {}", tensor.name);
                    near(tensor.values[0], wanted, &place);
                }
            }
        }
    }
}

/// Squares of f32 overflow above 1.8e19 and underflow below 1e-23; norms do neither.
#[test]
fn finite_gradients_are_clipped_whatever_their_size() {
    for size in [1e-12f32, 1.0, 1e18] {
        let network = Network::input(1).layer(Dense::new(1).init(Init::Zeros));
        let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(1.0)).batch(2);
        let mut trainer = builder.clip_norm(1e-9).build(&Device::cpu()).expect("a network");
        let loss = trainer.step(&[1e3, 1e3], &[size; 2]).and_then(|loss| loss.value());
        assert!(loss.is_ok(), "{size}: {loss:?}");
        let moved: Vec<f32> =
            trainer.parameters().expect("read").into_iter().flat_map(|tensor| tensor.values).collect();
        let norm = moved.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        // The clip factor divides by the norm and a millionth, as PyTorch's does.
        let gradient = 2.0 * f64::from(size) * (1e6f64 + 1.0).sqrt();
        let wanted = gradient * (1e-9 / (gradient + 1e-6)).min(1.0);
        assert!((norm / wanted - 1.0).abs() <= 1e-5, "{size}: moved by {norm}, not {wanted}");
    }
}

/// Advice omits what is already set, and what has had no effect yet.
#[test]
fn advice_depends_on_the_settings() {
    let error = |clip: Option<f64>, steps: usize| {
        let network = Network::input(1).layer(Dense::new(1).init(Init::Zeros));
        let mut builder = Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(1e15)).batch(1);
        if let Some(norm) = clip {
            builder = builder.clip_norm(norm);
        }
        let mut trainer = builder.build(&Device::cpu()).expect("a network");
        let input = if steps == 0 { f32::MAX } else { 1.0 };
        let mut run = || trainer.step(&[input], &[1e18]).and_then(|loss| loss.value());
        (0..9).find_map(|_| run().err()).expect("it overflows").to_string()
    };
    let (free, clipped, first) = (error(None, 1), error(Some(1e30), 1), error(None, 0));
    assert!(free.contains("lower the learning rate, clip the gradient norm"), "{free}");
    assert!(clipped.contains("lower the learning rate or the norm") && !clipped.contains("clip the"), "{clipped}");
    assert!(
        first.contains("step 0") && first.contains("check the inputs") && !first.contains("learning rate"),
        "{first}"
    );
}

/// Mesa's llvmpipe ends the loops of an invocation after 65,535 iterations in total.
#[test]
fn no_shader_loops_longer_than_the_device_allows() {
    let large = Limits { binding_bytes: 1 << 40, allocation_bytes: 1 << 40, workgroups: u32::MAX, ..Limits::default() };
    let limits = Limits { loop_rounds: 65_535, ..large };
    let rounds = |plan: &Plan| {
        let ops = Section::ALL.into_iter().flat_map(|section| plan.ops(section));
        let of = |op: &wgrad::plan::Op| {
            let shapes: Vec<_> = op.views.iter().map(|view| plan.shape(*view)).collect();
            op.kernel.shader.rounds.map_or(0, |rounds| rounds(op, &shapes))
        };
        ops.map(of).max().unwrap_or(0)
    };
    for (inputs, layers, batch) in [
        (3, "4 relu 2", 10_000_000),
        (400_000, "dense(70, bias=false) 1", 2),
        (8, "dense(400000, bias=false) tanh 2", 3),
    ] {
        for limits in [limits, Limits { software: true, ..limits }] {
            let network = Network::parse(inputs, layers).expect("a network");
            let loss = if layers.ends_with('2') { Loss::softmax_cross_entropy() } else { Loss::mean_squared_error() };
            let spec = TrainingSpec::new(network, loss, Sgd::new(0.1), batch);
            let spec = TrainingSpec { clip_norm: Some(1.0), evaluate_rows: 10, ..spec };
            for plan in [lower(&spec), Plan::for_training(&spec)] {
                let plan = specialize(plan.expect("a plan"), &DeviceLimits::Gpu(limits)).expect("it is cut");
                assert!((1_000..=65_535).contains(&rounds(&plan)), "{layers}: {} rounds", rounds(&plan));
            }
            let plan = lower(&spec).expect("a plan");
            let few = specialize(plan, &DeviceLimits::Gpu(Limits { loop_rounds: 100, ..limits }));
            let Err(Error::Limit { what, allowed: 100, .. }) = few else { panic!("{few:?}") };
            assert_eq!(what, "iterations of an invocation's loops");
        }
    }
}
