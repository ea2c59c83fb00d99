//! Tests of `slope_grad`: the gradients of PReLU and scaling.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::slope_grad::{self, Params};
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// One slope and one per column, with and without positive elements kept, many rows, and sums that are not finite.
pub fn cases() -> Vec<Case> {
    let kinds = [(false, false), (false, true), (true, false), (true, true)].into_iter();
    let all = kinds.flat_map(|kind| over_rows(|shape, live, values, seed| case(shape, live, values, seed, kind)));
    let many = [(5000, 4999), (70_000, 69_999)]
        .map(|(rows, live)| case(Shape::new(rows, 1), live, Values::Real, rows, (false, true)));
    let broken = [u32::MAX, 2].map(|flag| {
        let mut case = case(Shape::new(4, 2), 3, Values::Special, 1, (false, false));
        let views = case.op().views.clone();
        case.set_f32(views[0], &[3e38; 8]);
        case.set_f32(views[1], &[1.0; 8]);
        case.set(views[5], vec![flag]);
        case
    });
    all.chain(many).chain(broken).collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize, (is_shared, keeps): (bool, bool)) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let grad_output = case.batch("grad_output", shape, Fill::Real(1.0));
    let input = case.batch("input", shape, Fill::Real(2.0));
    let weights = if is_shared { 1 } else { shape.columns };
    let weight = case.tensor("weight", Shape::vector(weights), Fill::Real(1.5));
    let grad_weight = case.output("grad_weight", Dtype::F32, Shape::vector(shape.columns));
    let grad_input = case.batch_output("grad_input", Dtype::F32, shape);
    let flag = case.flag(u32::MAX);
    let op = slope_grad::op(&case.plan, keeps, [grad_output, input, weight, grad_weight, grad_input, flag]);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let [grad_output, input, weight] = [0, 1, 2].map(|binding| seen.numbers(binding));
    let (keeps, columns) = (seen.params::<Params>().keeps_positive == 1, seen.shape(0).columns);
    let is_kept = |i: usize| keeps && input[i] > 0.0;
    let inputs = |i: usize| {
        let slope = if weight.len() == 1 { weight[0] } else { weight[i % columns] };
        grad_output[i] * if is_kept(i) { 1.0 } else { slope }
    };
    let in_range = |sum: f64| if sum > f64::from(f32::MAX) { f64::INFINITY } else { sum };
    let column = |c: usize| (0..seen.rows()).map(move |r| r * columns + c);
    let of_weight =
        |c: usize| in_range(column(c).filter(|i| !is_kept(*i)).map(|i| grad_output[i] * input[i]).sum::<f64>());
    let weights: Vec<f64> = (0..columns).map(of_weight).collect();
    let flag = seen.flag(5, &weights);
    let inputs = (0..seen.live(1)).map(inputs).collect();
    vec![Expected::Numbers(weights), Expected::Numbers(inputs), flag]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.01) > 100_000);
}
