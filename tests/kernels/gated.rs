//! Tests of `gated`: units of which one half is the gate of the other.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::Activation;
use wgrad::elementwise::Function;
use wgrad::kernels::gated::{self, Params};
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Gates of networks: sigmoid, silu and gelu; and the identity, of which whole numbers stay whole.
pub const GATES: [Activation; 4] =
    [Activation::sigmoid(), Activation::silu(), Activation::gelu(), Activation::identity()];

pub fn cases() -> Vec<Case> {
    let gates = GATES.into_iter();
    gates.flat_map(|gate| over_rows(|shape, live, values, seed| case(shape, live, values, seed, gate))).collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize, gate: Activation) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let input = case.batch("input", Shape::new(shape.rows, 2 * shape.columns), Fill::Real(3.0));
    let output = case.batch_output("output", Dtype::F32, shape);
    let op = gated::op(&case.plan, gate, input, output);
    case.with(op)
}

/// Function in f64, from its declaration, which `tests/activations.rs` compares with PyTorch.
pub fn double(p: &Params, which: usize, argument: f64) -> f64 {
    (Function::ALL[p.function as usize].double[which])(argument, [p.alpha, p.beta].map(f64::from))
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (input, p) = (seen.numbers(0), seen.params::<Params>());
    let columns = p.columns as usize;
    let output = |i: usize| {
        let a = i / columns * 2 * columns + i % columns;
        input[a] * double(p, 0, input[a + columns])
    };
    vec![Expected::Numbers((0..seen.live(1)).map(output).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.01) > 100_000);
}
