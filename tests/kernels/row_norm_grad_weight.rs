//! Tests of `row_norm_grad_weight`: the gradients with respect to weight and bias.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::row_norm_grad_weight;
use wgrad::plan::Section;
use wgrad::shape::Shape;

/// Includes enough rows that an invocation on a GPU sums in blocks at several levels.
pub fn cases() -> Vec<Case> {
    let many = [(5000, 4999), (70_000, 69_999)].map(|(rows, live)| case(Shape::new(rows, 1), live, Values::Real, rows));
    over_rows(case).into_iter().chain(many).chain(broken()).collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let grad_output = case.batch("grad_output", shape, Fill::Real(1.0));
    let input = case.batch("input", shape, Fill::Real(2.0));
    let statistics = case.batch("statistics", Shape::new(shape.rows, 2), Fill::Between(0.25, 2.0));
    let [weight, bias] = case.pair_of_outputs(["grad_weight", "grad_bias"], [Shape::vector(shape.columns); 2]);
    let flag = case.flag(u32::MAX);
    let op = row_norm_grad_weight::op(&case.plan, [grad_output, input, statistics, weight, bias, flag]);
    case.with(op)
}

/// An infinite gradient of a weight, one of both with a flag that is not set and one that an earlier step has set, and
/// infinite gradients of the biases alone.
fn broken() -> Vec<Case> {
    let with = |(binding, flag)| {
        let mut case = case(Shape::new(4, 2), 3, Values::Special, 1);
        let views = case.op().views.clone();
        for view in [0, 1] {
            let mut numbers = [0.5; 8];
            if view == binding {
                numbers[3] = f32::INFINITY;
            }
            case.set_f32(views[view], &numbers);
        }
        case.set(views[5], vec![flag]);
        case
    };
    let biases = {
        let mut case = case(Shape::new(4, 2), 3, Values::Special, 1);
        let views = case.op().views.clone();
        // Rows at their means: only the sums of the gradients overflow.
        case.set_f32(views[0], &[3e38; 8]);
        case.set_f32(views[1], &[0.5; 8]);
        case.set_f32(views[2], &[0.5; 8]);
        case
    };
    [(0, u32::MAX), (1, u32::MAX), (0, 2)].into_iter().map(with).chain([biases]).collect()
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let [grad_output, input, statistics] = [0, 1, 2].map(|binding| seen.numbers(binding));
    let columns = seen.shape(0).columns;
    let sum = |term: &dyn Fn(usize) -> f64| (0..seen.rows()).map(term).sum::<f64>();
    let normal = |at: usize, r: usize| (input[at] - statistics[2 * r]) * statistics[2 * r + 1];
    let weights: Vec<f64> =
        (0..columns).map(|c| sum(&|r| grad_output[r * columns + c] * normal(r * columns + c, r))).collect();
    // In f32 a sum beyond the range is infinite.
    let in_range = |sum: f64| if sum > f64::from(f32::MAX) { f64::INFINITY } else { sum };
    let biases: Vec<f64> = (0..columns).map(|c| in_range(sum(&|r| grad_output[r * columns + c]))).collect();
    let flag = seen.flag(5, &[weights.clone(), biases.clone()].concat());
    vec![Expected::Numbers(weights), Expected::Numbers(biases), flag]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.01) > 1_600);
}
