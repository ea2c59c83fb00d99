//! `dense_forward` in lockstep over awkward shapes.

use wgrad::exec::Executor;
use wgrad::exec::gpu::Gpu;
use wgrad::exec::lockstep;
use wgrad::kernels::dropout::{self, Mask};
use wgrad::network::Activation;
use wgrad::plan::Section;

use crate::common::device;
use crate::plans::{Dense, Values, find, read, run, step, write};

/// Rows, inputs, outputs: 1, the register tile's 4 and a workgroup's 32 with their neighbors, primes.
const SHAPES: [(usize, usize, usize); 14] = [
    (1, 3, 4),
    (3, 1, 5),
    (4, 5, 1),
    (5, 4, 3),
    (15, 16, 17),
    (16, 17, 15),
    (17, 15, 16),
    (31, 64, 65),
    (32, 33, 31),
    (33, 31, 32),
    (64, 65, 31),
    (65, 127, 64),
    (127, 31, 65),
    (1, 127, 64),
];

#[test]
fn dense_forward_equals_its_reference() {
    let Some(device) = device() else { return };
    let (mut compared, mut expected, mut runs) = (0, 0, 0);
    for (number, (rows, inputs, outputs)) in SHAPES.into_iter().enumerate() {
        let dense = Dense::new(rows, inputs, outputs);
        // A quarter of the functions for each shape, so that each function has three shapes or four.
        for function in Activation::all().skip(number % 4).step_by(4) {
            for (rate, values) in [(0.0, Values::Real), (0.0, Values::Whole), (0.3, Values::Real), (0.3, Values::Whole)]
            {
                let plan = dense.plan(function, Mask::new(2, rate));
                let mut gpu = Gpu::new(&device, plan.clone()).expect("the plan fits");
                dense.fill(&mut gpu, values);
                for live in [0, 1, rows - 1, rows] {
                    let report = lockstep::run(&plan, &mut gpu, &[step(live)], &[run(Section::Evaluate, 0)]);
                    let report =
                        report.unwrap_or_else(|e| panic!("{dense:?} {function:?} {rate} {values:?} {live}: {e}"));
                    let exact = values == Values::Whole && rate == 0.0;
                    if exact && [Activation::identity(), Activation::relu(), Activation::step()].contains(&function) {
                        assert_eq!(report.ops[0].worst, 0.0, "whole numbers must be exact");
                    }
                    compared += report.elements();
                    expected += rows * outputs;
                    runs += 1;
                }
            }
        }
    }
    println!("dense_forward: {compared} elements compared in {runs} runs on {}", device.adapter());
    assert_eq!(compared, expected);
}

#[test]
fn each_batch_of_a_window_has_its_own_rows() {
    let Some(device) = device() else { return };
    let dense = Dense { steps: 3, ..Dense::new(5, 7, 9) };
    let plan = dense.plan(Activation::tanh(), Mask::new(2, 0.3));
    let mut gpu = Gpu::new(&device, plan.clone()).expect("the plan fits");
    dense.fill(&mut gpu, Values::Real);
    let steps = [5, 1, 4].map(step);
    let runs = [2, 0, 1].map(|batch_index| run(Section::Evaluate, batch_index));
    let report = lockstep::run(&plan, &mut gpu, &steps, &runs).expect("the device computes right");
    println!("windows: {} elements compared", report.elements());
    assert_eq!(report.elements(), 3 * 5 * 9);
    let output = find(&plan, "output");
    let mut slots =
        (0..3).map(|batch_index| gpu.read(output, batch_index).and_then(|t| t.wait()).expect("the device answers"));
    let (first, second, third) = (slots.next(), slots.next(), slots.next());
    assert!(first != second && second != third && first != third, "three slots hold the same");
}

#[test]
fn masks_are_those_of_the_cpu_bit_for_bit() {
    let Some(device) = device() else { return };
    let (dense, mask) = (Dense::new(61, 3, 67), Mask::new(5, 0.3));
    let plan = dense.plan(Activation::identity(), mask);
    let mut gpu = Gpu::new(&device, plan.clone()).expect("the plan fits");
    for (name, count) in [("input", 61 * 3), ("weight", 67 * 3), ("bias", 67)] {
        write(&mut gpu, name, 0, &vec![1.0; count]);
    }
    let step = step(61);
    gpu.submit(&[step], &[run(Section::Evaluate, 0)]).expect("the device works");
    let output = read(&mut gpu, "output");
    let mut dropped = 0;
    for (row, words) in output.chunks_exact(67).enumerate() {
        for (column, word) in words.iter().enumerate() {
            let kept = dropout::keeps(mask.threshold, &step, mask.layer, row, column);
            assert_eq!(*word, if kept { (4.0 * mask.scale).to_bits() } else { 0 }, "row {row}, column {column}");
            dropped += usize::from(!kept);
        }
    }
    println!("masks: {} bits compared, {dropped} dropped", output.len());
    assert!((0.25..0.35).contains(&(dropped as f64 / output.len() as f64)), "{dropped} dropped");
}

#[test]
fn extremes_stay_finite_and_nan_passes() {
    let Some(device) = device() else { return };
    let inputs = [f32::NAN, 100.0, -100.0, 3e38, -3e38];
    for function in Activation::all() {
        let dense = Dense::new(inputs.len(), 1, 2);
        let mut gpu = Gpu::new(&device, dense.plan(function, Mask::NONE)).expect("the plan fits");
        write(&mut gpu, "input", 0, &inputs);
        write(&mut gpu, "weight", 0, &[1.0, 1.0]);
        write(&mut gpu, "bias", 0, &[0.0, 0.0]);
        gpu.submit(&[step(inputs.len())], &[run(Section::Evaluate, 0)]).expect("the device works");
        let output: Vec<f32> = bytemuck::cast_vec(read(&mut gpu, "output"));
        assert!(output[0].is_nan(), "{function:?} of NaN is {}", output[0]);
        for (x, y) in inputs.iter().zip(output.chunks_exact(2)).skip(1) {
            let wanted = function.apply(*x);
            assert!(
                (y[0] - wanted).abs() <= 1e-5 * wanted.abs().max(1e-30),
                "{function:?}({x}) is {}, not {wanted}",
                y[0]
            );
        }
    }
}
