//! Tests of `dense_forward_sum`: output = drop(f(Σₚ partial + bias)).

use super::activation::{FUNCTIONS, formula};
use super::case::{Case, Fill, Values, over_matmuls};
use super::compare::Expected;
use super::dropout::keeps;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::activation::Function;
use wgrad::kernels::dense_forward;
use wgrad::kernels::dense_forward_sum::{self, Params};
use wgrad::kernels::dropout::Mask;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Every activation function, with and without dropout.
pub fn cases() -> Vec<Case> {
    [0.0, 0.5]
        .into_iter()
        .flat_map(|rate| over_matmuls(move |sizes, live, v, seed| case(rate, sizes, live, v, seed)))
        .collect()
}

fn case(rate: f32, [rows, outputs, k]: [usize; 3], live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let partial = case.tensor("partial", Shape::new(1 + k % 4, rows * outputs), Fill::Real(1.0));
    let bias = case.tensor("bias", Shape::vector(outputs), Fill::Real(1.0));
    let output = case.batch_output("output", Dtype::F32, Shape::new(rows, outputs));
    let mask = if rate > 0.0 { Mask::new(seed, rate) } else { Mask::NONE };
    let function: Function = FUNCTIONS[(seed + if rate > 0.0 { 3 } else { 0 }) % 6].into();
    let layer = dense_forward::Params {
        inputs: 0,
        outputs: outputs as u32,
        function: function.code,
        slope: function.slope,
        layer: mask.layer,
        threshold: mask.threshold,
        scale: mask.scale,
    };
    let op = dense_forward_sum::op(&case.plan, &layer, partial, bias, output);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let p: &Params = seen.params();
    let [partial, bias] = [0, 1].map(|binding| seen.numbers(binding));
    let (parts, outputs) = (seen.shape(0), seen.shape(2).columns);
    let element = |i: usize| {
        let (r, o) = (i / outputs, i % outputs);
        let sum: f64 = (0..parts.rows).map(|part| partial[part * parts.columns + i]).sum();
        let y = formula(p.function, f64::from(p.slope), sum + bias[o]).0;
        if keeps(p.threshold, seen.step(), p.layer, r, o) { y * f64::from(p.scale) } else { 0.0 }
    };
    vec![Expected::Numbers((0..seen.live(2)).map(element).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.005) > 70_000);
}
