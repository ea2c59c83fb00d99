//! Long sums on a device: they are complete and do not drift.

use std::collections::BTreeSet;

use cases::case::{Case, Fill, Values};
use wgrad::exec::Executor;
use wgrad::exec::gpu::Gpu;
use wgrad::kernels::dense_grad_weight;
use wgrad::plan::Section;
use wgrad::shape::Shape;
use wgrad::{Dense, Device, Init, Loss, Network, Sgd, Trainer};

use crate::common::device;
use crate::kernels::tiles;
use crate::plans::read;

/// Largest relative error of a sum, for any number of terms.
const RELATIVE: f64 = 1e-6;

fn near(found: f32, wanted: f64, place: &str) {
    let error = (f64::from(found) / wanted - 1.0).abs();
    assert!(error <= RELATIVE, "{place}: {found} is {error:e} off {wanted}");
}

/// More rows than the limit of llvmpipe's loops, at four rows per iteration.
#[test]
fn sums_over_many_equal_rows_are_those_of_one() {
    let Some(device) = device() else { return };
    let device = Device::from(device);
    for (rows, bias) in [(300_000, true), (300_000, false), (2_049, true)] {
        let dense = Dense::new(1).init(Init::Zeros);
        let network = Network::input(1).layer(if bias { dense } else { dense.without_bias() });
        let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(1e-3));
        let mut trainer = builder.clip_norm(1.0).batch(rows).build(&device).expect("it is cut into parts");
        let step = trainer.step(&vec![0.3; rows], &vec![1.7f32; rows]);
        near(step.and_then(|loss| loss.value()).expect("finite"), f64::from(1.7f32).powi(2), "loss");
        let gradients = trainer.gradients().expect("read");
        let wanted = [-2.0 * f64::from(1.7f32) * f64::from(0.3f32), -2.0 * f64::from(1.7f32)];
        for (tensor, wanted) in gradients.iter().zip(wanted) {
            near(tensor.values[0], wanted, &format!("{rows} rows: {}", tensor.name));
        }
        assert_eq!(gradients.len(), 1 + usize::from(bias));
    }
}

/// Tests each tile that a device can have, of which a trainer uses one.
#[test]
fn every_core_sums_many_equal_rows() {
    let Some(device) = device() else { return };
    let mut cores = BTreeSet::new();
    for rows in [64, 2_048, 5_000] {
        let mut case = Case::new(Section::Gradients, rows, Values::Real, 0);
        let shape = Shape::new(rows, 1);
        let [gradient, input] = ["gradient", "input"].map(|name| case.batch(name, shape, Fill::Real(1.0)));
        let [weight, bias] = case.pair_of_outputs(["weight", "bias"], [Shape::new(1, 1); 2]);
        let flag = case.flag(u32::MAX);
        let op = dense_grad_weight::op(&case.plan, gradient, input, weight, bias, flag);
        let mut case = case.with(op);
        for tile in tiles(&device, &case) {
            let tile = tile.expect("it is a product");
            let mut plan = case.plan.clone();
            plan.set_tiles(|_, _| Some(tile));
            let mut gpu = Gpu::new(&device, plan).expect("the plan fits");
            for (g, x) in [(0.1, 0.3), (0.7, 1.0), (123.4, 1.7), (std::f32::consts::LN_10, 0.1)] {
                case.set_f32(gradient, &vec![g; rows]);
                case.set_f32(input, &vec![x; rows]);
                case.load(&mut gpu);
                gpu.submit(&case.steps, &[case.run()]).expect("the device works");
                let (g, x) = (f64::from(g), f64::from(x));
                for (name, term) in [("weight", g * x), ("bias", g)] {
                    let found = f32::from_bits(read(&mut gpu, name)[0]);
                    near(found, rows as f64 * term, &format!("{name} of {rows} rows by {tile}"));
                }
            }
            cores.insert(tile.to_string());
        }
    }
    println!("{} tiles: {}", cores.len(), cores.into_iter().collect::<Vec<_>>().join(", "));
}

/// Tests the largest number of batches per step.
#[test]
fn sums_over_many_equal_batches_are_those_of_one() {
    let Some(device) = device() else { return };
    let network = Network::input(1).layer(Dense::new(1).init(Init::Zeros));
    let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(1e-3));
    let mut trainer = builder.batch(4).accumulate(1_024).build(&Device::from(device)).expect("a trainer");
    let step = trainer.step(&vec![0.3; 4_096], &vec![1.7f32; 4_096]);
    near(step.and_then(|loss| loss.value()).expect("finite"), f64::from(1.7f32).powi(2), "loss");
    let wanted = [-2.0 * f64::from(1.7f32) * f64::from(0.3f32), -2.0 * f64::from(1.7f32)];
    for (tensor, wanted) in trainer.gradients().expect("read").iter().zip(wanted) {
        near(tensor.values[0], wanted, &tensor.name);
    }
}

#[test]
fn sums_over_many_columns_are_whole() {
    let Some(device) = device() else { return };
    const COLUMNS: usize = 300_000;
    for dense in [Dense::new(1), Dense::new(1).without_bias()] {
        let network = Network::input(COLUMNS).layer(dense);
        let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(1e-3)).batch(1);
        let mut trainer = builder.build(&Device::from(device.clone())).expect("it is cut into parts");
        let mut parameters = trainer.parameters().expect("read");
        parameters[0].values.fill(1.0);
        trainer.set_parameters(&parameters).expect("of their size");
        assert_eq!(trainer.predict(&vec![1.0; COLUMNS]).expect("a prediction"), [COLUMNS as f32]);
    }
}
