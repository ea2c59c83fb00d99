//! Tests of `row_norm`: layer normalization and root mean square normalization.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use approx::assert_abs_diff_eq;
use wgrad::kernels::row_norm::{self, Params};
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// Rows around 0, rows far from it, and rows of equal numbers, with and without a mean; and one whose variance overflows.
pub fn cases() -> Vec<Case> {
    let fills = [Fill::Real(2.0), Fill::Between(20.0, 22.0), Fill::Same(0.75f32.to_bits())];
    let all = fills.into_iter().flat_map(|fill| [true, false].map(|centered| (fill, centered)));
    all.flat_map(|(fill, centered)| {
        over_rows(|shape, live, values, seed| case(shape, live, values, seed, fill, centered))
    })
    .chain([huge()])
    .collect()
}

fn huge() -> Case {
    let mut case = case(Shape::new(1, 2), 1, Values::Special, 2, Fill::Real(1.0), true);
    let views = case.op().views.clone();
    case.set_f32(views[0], &[1e30, -1e30]);
    case.set_f32(views[1], &[0.5, 2.0]);
    case
}

fn case(shape: Shape, live: usize, values: Values, seed: usize, fill: Fill, centered: bool) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let input = case.batch("input", shape, fill);
    let weight = case.tensor("weight", Shape::vector(shape.columns), Fill::Real(1.5));
    let bias = case.tensor("bias", Shape::vector(shape.columns), Fill::Between(0.5, 1.0));
    let output = case.batch_output("output", Dtype::F32, shape);
    let statistics = case.batch_output("statistics", Dtype::F32, Shape::new(shape.rows, 2));
    let op = row_norm::op(&case.plan, centered, [input, weight, bias, output, statistics]);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (input, weight, bias) = (seen.numbers(0), seen.numbers(1), seen.numbers(2));
    let (mut outputs, mut statistics) = (Vec::new(), Vec::new());
    for row in input[..seen.live(0)].chunks(weight.len()) {
        let count = row.len() as f64;
        let mean = if seen.params::<Params>().centered == 1 { row.iter().sum::<f64>() / count } else { 0.0 };
        let variance = row.iter().map(|x| x * x - 2.0 * x * mean + mean * mean).sum::<f64>() / count;
        let overflows = variance > f64::from(f32::MAX);
        let scale = if overflows { f64::INFINITY } else { 1.0 / (variance.max(0.0) + 1e-5).sqrt() };
        outputs.extend((0..row.len()).map(|c| (row[c] - mean) * scale * weight[c] + bias[c]));
        statistics.extend([mean, scale]);
    }
    vec![Expected::Numbers(outputs), Expected::Numbers(statistics)]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.01) > 100_000);
}

/// PyTorch 2.15: `torch.nn.functional.layer_norm` and `rms_norm` of [1, 2, 4] with eps 1e-5, weight [1, 2, -1] and bias 0.5.
#[test]
fn rows_are_those_of_pytorch() {
    for (centered, wanted) in
        [(1, [-0.569_041_53, -0.034_520_77, -0.836_301_9]), (0, [0.877_964_2, 2.011_856_8, -1.011_856_8])]
    {
        let p = Params { columns: 3, centered };
        let (mut output, mut statistics) = ([0.0; 3], [0.0; 2]);
        row_norm::reference(&p, 1, &[1.0, 2.0, 4.0], &[1.0, 2.0, -1.0], &[0.5; 3], &mut output, &mut statistics);
        for (found, wanted) in output.iter().zip(wanted) {
            assert_abs_diff_eq!(*found, wanted, epsilon = 1e-6);
        }
    }
}
