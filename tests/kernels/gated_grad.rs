//! Tests of `gated_grad`: the gradient of gated units.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::gated::{GATES, double};
use super::memory::Seen;
use super::prove::prove;
use wgrad::Activation;
use wgrad::elementwise::{Function, Side};
use wgrad::kernels::gated::Params;
use wgrad::kernels::gated_grad;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    let gates = GATES.into_iter();
    gates.flat_map(|gate| over_rows(|shape, live, values, seed| case(shape, live, values, seed, gate))).collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize, gate: Activation) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let double = Shape::new(shape.rows, 2 * shape.columns);
    let grad_output = case.batch("grad_output", shape, Fill::Real(1.0));
    let input = case.batch("input", double, Fill::Real(3.0));
    let grad_input = case.batch_output("grad_input", Dtype::F32, double);
    let op = gated_grad::op(&case.plan, gate, [grad_output, input, grad_input]);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let [grad_output, input] = [0, 1].map(|binding| seen.numbers(binding));
    let p = seen.params::<Params>();
    let columns = p.columns as usize;
    let gradient = |i: usize| {
        let (r, c) = (i / (2 * columns), i % columns);
        let [a, b] = [c, columns + c].map(|c| input[r * 2 * columns + c]);
        let (grad, gate) = (grad_output[r * columns + c], double(p, 0, b));
        let argument = if Function::ALL[p.function as usize].derivative_from == Side::Input { b } else { gate };
        if i % (2 * columns) < columns { grad * gate } else { grad * a * double(p, 1, argument) }
    };
    vec![Expected::Numbers((0..seen.live(2)).map(gradient).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.02) > 100_000);
}
