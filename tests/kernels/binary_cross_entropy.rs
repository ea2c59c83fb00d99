//! Tests of `binary_cross_entropy`: binary cross-entropy from logits, with its gradient.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use approx::{assert_abs_diff_eq, assert_relative_eq};
use wgrad::kernels::{binary_cross_entropy, shared::row_loss};
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    let mut cases = over_rows(|shape, live, values, seed| case(shape, live, values, seed, Fill::Bit));
    cases.extend(over_rows(|shape, live, values, seed| case(shape, live, values, seed, Fill::Between(0.0, 1.0))));
    cases.push(extreme());
    cases.push(sure());
    cases.extend(broken());
    cases
}

fn case(shape: Shape, live: usize, values: Values, seed: usize, targets: Fill) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let output = case.batch("output", shape, Fill::Real(5.0));
    let target = case.batch("target", shape, targets);
    let row_loss = case.batch_output("row_loss", Dtype::F32, Shape::new(shape.rows, 1));
    let grad = case.batch_output("grad", Dtype::F32, shape);
    let flag = case.flag(u32::MAX);
    let op = row_loss::op(&binary_cross_entropy::KERNEL, &case.plan, output, target, row_loss, grad, flag);
    case.with(op)
}

/// Rows with one logit: confidently right, and confidently wrong.
fn extreme() -> Case {
    one_column(&[100.0, -100.0, 100.0, -100.0, 1e4, -1e4], &[1.0, 0.0, 0.0, 1.0, 0.0, 1.0])
}

/// Rows whose loss is close to 0, down to the smallest normal number, which 1 + e⁻|ᶻ| would round away.
fn sure() -> Case {
    let z = [0.25, 1.0, 8.0, 12.0, 15.0, 17.0, 20.5, 40.3, 63.7, 80.0, 87.0, 1e-8, 1e-30];
    let output: Vec<f32> = z.iter().flat_map(|z| [*z, -z, *z]).collect();
    let target: Vec<f32> = z.iter().flat_map(|_| [1.0, 0.0, 0.999]).collect();
    one_column(&output, &target)
}

fn one_column(output: &[f32], target: &[f32]) -> Case {
    let mut case = case(Shape::new(output.len(), 1), output.len(), Values::Special, 1, Fill::Bit);
    let views = case.op().views.clone();
    case.set_f32(views[0], output);
    case.set_f32(views[1], target);
    case
}

/// Returns −t·ln σ(z) − (1 − t)·ln σ(−z), and σ(z) − t.
fn formula(z: f64, t: f64) -> (f64, f64) {
    // ln σ(z) is −ln(1 + e⁻ᶻ), and z − ln(1 + eᶻ) where e⁻ᶻ is too large.
    let log_sigmoid = |z: f64| if z > -30.0 { -(-z).exp().ln_1p() } else { z - z.exp().ln_1p() };
    // σ(z) − t, from σ(−|z|) where 1 − t cancels.
    let side = 1.0 / (1.0 + z.abs().exp());
    (-t * log_sigmoid(z) - (1.0 - t) * log_sigmoid(-z), if z > 0.0 { (1.0 - t) - side } else { side - t })
}

/// A row whose loss is infinite, with a flag that is not set, and one that an earlier step has set.
fn broken() -> [Case; 2] {
    [u32::MAX, 2].map(|flag| {
        let (output, target): ([[f32; 2]; 3], [[f32; 2]; 3]) =
            ([[0.5, 1.0], [f32::NEG_INFINITY, 2.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]);
        let mut case = case(Shape::new(3, 2), 3, Values::Special, 1, Fill::Bit);
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
    assert!(prove(&cases(), oracle, 0.001) > 40_000);
}

#[test]
fn nothing_overflows_and_wrong_rows_have_the_full_gradient() {
    let case = extreme();
    let seen = Seen::new(&case);
    let (losses, grads, scale) = (seen.results(2), seen.results(3), f64::from(seen.step().loss_scale));
    for (i, (loss, grad)) in
        [(0.0, 0.0), (0.0, 0.0), (100.0, 1.0), (100.0, -1.0), (1e4, 1.0), (1e4, -1.0)].into_iter().enumerate()
    {
        assert_abs_diff_eq!(losses[i], loss, epsilon = 1e-30);
        assert_abs_diff_eq!(grads[i], grad * scale, epsilon = 1e-30);
    }
}

#[test]
fn the_gradient_is_the_loss_derivative() {
    for (z, t) in [(-3.0, 0.0), (0.4, 1.0), (2.0, 0.3)] {
        let finite = (formula(z + 1e-5, t).0 - formula(z - 1e-5, t).0) / 2e-5;
        assert_relative_eq!(finite, formula(z, t).1, max_relative = 1e-8);
    }
}

#[test]
fn the_flag_is_lowered_to_the_step_where_a_loss_is_not_finite_and_only_then() {
    for (bad, lowered) in [(0.5, false), (-1e30, false), (f32::NAN, true), (f32::INFINITY, true)] {
        let case = one_column(&[0.0, bad, 2.0], &[1.0, 0.0, 1.0]);
        let expected = if lowered { case.step().index } else { u32::MAX };
        assert_eq!(Seen::new(&case).result_words(4), [expected], "{bad}");
    }
}
