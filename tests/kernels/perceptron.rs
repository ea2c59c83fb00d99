//! Tests of `perceptron`: Rosenblatt's perceptron criterion, with its gradient.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::{perceptron, shared::row_loss};
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    over_rows(case).into_iter().chain(broken()).collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let output = case.batch("output", shape, Fill::Real(3.0));
    let target = case.batch("target", shape, Fill::Bit);
    let row_loss = case.batch_output("row_loss", Dtype::F32, Shape::new(shape.rows, 1));
    let grad = case.batch_output("grad", Dtype::F32, shape);
    let flag = case.flag(u32::MAX);
    let op = row_loss::op(&perceptron::KERNEL, &case.plan, output, target, row_loss, grad, flag);
    case.with(op)
}

/// Returns max(0, −(2t − 1)·z), which is 0 where sign and target agree, and its gradient, the perceptron rule.
fn formula(z: f64, t: f64) -> (f64, f64) {
    let wrong = (z > 0.0) != (t == 1.0);
    let sign = 1.0 - 2.0 * t;
    ((sign * z).max(0.0), if wrong { sign } else { 0.0 })
}

/// A row whose loss is infinite, with a flag that is not set, and one that an earlier step has set.
fn broken() -> [Case; 2] {
    [u32::MAX, 2].map(|flag| {
        let (output, target): ([[f32; 2]; 3], [[f32; 2]; 3]) =
            ([[0.5, 1.0], [f32::NEG_INFINITY, 2.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]);
        let mut case = case(Shape::new(3, 2), 3, Values::Special, 1);
        let views = case.op().views.clone();
        case.set_f32(views[0], output.as_flattened());
        case.set_f32(views[1], target.as_flattened());
        case.set(views[4], vec![flag]);
        case
    })
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (output, target, n) = (seen.numbers(0), seen.numbers(1), seen.shape(0).columns);
    let element = |i: usize| formula(output[i], target[i]);
    let loss = |r: usize| (0..n).map(|c| element(r * n + c).0).sum::<f64>() / n as f64;
    let scale = f64::from(seen.step().loss_scale) / n as f64;
    let losses: Vec<f64> = (0..seen.rows()).map(loss).collect();
    let grads = (0..seen.live(0)).map(|i| element(i).1 * scale).collect();
    let flag = seen.flag(4, &losses);
    vec![Expected::Numbers(losses), Expected::Numbers(grads), flag]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.001) > 20_000);
}

#[test]
fn an_output_of_zero_says_no() {
    let mut case = case(Shape::new(2, 1), 2, Values::Special, 0);
    let views = case.op().views.clone();
    case.set_f32(views[0], &[0.0, 0.0]);
    case.set_f32(views[1], &[0.0, 1.0]);
    let seen = Seen::new(&case);
    assert_eq!(seen.results(3), [0.0, -f64::from(seen.step().loss_scale)]);
}

#[test]
fn the_flag_is_lowered_to_the_step_where_a_loss_is_not_finite_and_only_then() {
    for (bad, lowered) in [(3e38, false), (f32::NAN, true), (f32::INFINITY, true)] {
        let mut case = case(Shape::new(3, 1), 2, Values::Special, 2);
        let views = case.op().views.clone();
        case.set_f32(views[0], &[1.0, bad]);
        case.set_f32(views[1], &[1.0, 0.0]);
        let expected = if lowered { case.step().index } else { u32::MAX };
        assert_eq!(Seen::new(&case).result_words(4), [expected], "{bad}");
    }
}
