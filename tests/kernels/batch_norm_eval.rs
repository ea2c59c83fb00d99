//! Tests of `batch_norm_eval`: batch normalization in evaluation.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use approx::assert_abs_diff_eq;
use wgrad::kernels::batch_norm_eval::{self, Params};
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Variances of ordinary size, and of 0.
pub fn cases() -> Vec<Case> {
    let fills = [Fill::Between(0.25, 2.0), Fill::Same(0)];
    let all = fills.into_iter();
    all.flat_map(|var| over_rows(|shape, live, values, seed| case(shape, live, values, seed, var))).collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize, var: Fill) -> Case {
    let mut case = Case::new(Section::Evaluate, live, values, seed);
    let input = case.batch("input", shape, Fill::Real(2.0));
    let mut vector = |name, fill| case.tensor(name, Shape::vector(shape.columns), fill);
    let (weight, bias) = (vector("weight", Fill::Real(1.5)), vector("bias", Fill::Between(0.5, 1.0)));
    let (mean, var) = (vector("running_mean", Fill::Real(1.0)), vector("running_var", var));
    let output = case.batch_output("output", Dtype::F32, shape);
    let op = batch_norm_eval::op(&case.plan, [input, weight, bias, mean, var, output]);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let [input, weight, bias, mean, var] = [0, 1, 2, 3, 4].map(|binding| seen.numbers(binding));
    let output = |i: usize| {
        let c = i % weight.len();
        (input[i] - mean[c]) / (var[c] + 1e-5).sqrt() * weight[c] + bias[c]
    };
    vec![Expected::Numbers((0..seen.live(0)).map(output).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.01) > 50_000);
}

/// PyTorch 2.15: `torch.nn.functional.batch_norm` of [1, 2, 4] with mean [0.5, 1, -1], variance [0.25, 4, 1], weight
/// [1, 2, -1] and bias 0.5.
#[test]
fn rows_are_those_of_pytorch() {
    let (vectors, mut output) = ([[1.0, 2.0, -1.0], [0.5; 3], [0.5, 1.0, -1.0], [0.25, 4.0, 1.0]], [0.0; 3]);
    let p = Params { columns: 3 };
    batch_norm_eval::reference(&p, 1, &[1.0, 2.0, 4.0], vectors.each_ref().map(|vector| &vector[..]), &mut output);
    for (found, wanted) in output.iter().zip(PYTORCH) {
        assert_abs_diff_eq!(*found, wanted, epsilon = 1e-6);
    }
}

const PYTORCH: [f32; 3] = [1.499_98, 1.499_998_8, -4.499_975];
