//! Tests of `element_loss`: the mean over columns of each loss per element, with its gradient.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use approx::assert_abs_diff_eq;
use wgrad::Loss;
use wgrad::elementwise::Range;
use wgrad::kernels::shared::row_loss::Params;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// All losses per element.
pub fn losses() -> impl Iterator<Item = Loss> {
    Loss::all().filter(|loss| loss.function().element().is_some())
}

/// Kinds of targets, and outputs of that size.
fn fills(loss: Loss) -> &'static [(Fill, f64)] {
    match loss.function().range {
        Range::Any => &[(Fill::Real(3.0), 3.0)],
        Range::NotNegative => &[(Fill::Positive(3.0), 3.0)],
        Range::Unit => &[(Fill::Bit, 5.0), (Fill::Between(0.0, 1.0), 5.0)],
        Range::Bit => &[(Fill::Bit, 3.0)],
        Range::Class | Range::Distribution => panic!("{loss} has no loss per element"),
    }
}

pub fn cases() -> Vec<Case> {
    let of_loss = |loss: Loss| {
        let fills = fills(loss).iter();
        fills.flat_map(move |fill| over_rows(|shape, live, values, seed| case(loss, shape, live, values, seed, *fill)))
    };
    losses()
        .flat_map(of_loss)
        .chain(losses().flat_map(broken))
        .chain(losses().map(edges))
        .chain([extreme(), sure()])
        .collect()
}

fn case(loss: Loss, shape: Shape, live: usize, values: Values, seed: usize, (targets, size): (Fill, f64)) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let output = case.batch("output", shape, Fill::Real(size));
    let target = case.batch("target", shape, targets);
    let row_loss = case.batch_output("row_loss", Dtype::F32, Shape::new(shape.rows, 1));
    let grad = case.batch_output("grad", Dtype::F32, shape);
    let flag = case.flag(u32::MAX);
    let op = wgrad::kernels::loss::op(loss, &case.plan, output, target, row_loss, grad, flag);
    case.with(op)
}

/// Rows of these outputs and targets.
fn rows(loss: Loss, columns: usize, output: &[f32], target: &[f32]) -> Case {
    let shape = Shape::new(output.len() / columns, columns);
    let mut case = case(loss, shape, shape.rows, Values::Special, 1, (Fill::Bit, 1.0));
    let views = case.op().views.clone();
    case.set_f32(views[0], output);
    case.set_f32(views[1], target);
    case
}

/// A row whose loss is infinite, with a flag that is not set, and one that an earlier step has set.
fn broken(loss: Loss) -> [Case; 2] {
    [u32::MAX, 2].map(|flag| {
        let (output, target) = ([0.5, 1.0, f32::NEG_INFINITY, 2.0, 1.0, 0.0], [1.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        let mut case = rows(loss, 2, &output, &target);
        let view = case.op().views[4];
        case.set(view, vec![flag]);
        case
    })
}

/// Outputs where losses bend or jump, on both sides and there, and far away.
fn edges(loss: Loss) -> Case {
    let near = [0.0, -0.0, 1e-30, -1e-30, 1e-6, -1e-4, 0.25, -0.25, 0.5, 0.99, 1.0, -1.0, 1.01, 2.0, -3.0, 7.5, -20.0];
    let output: Vec<f32> = near.iter().flat_map(|z| [*z, *z]).collect();
    let target: Vec<f32> = near.iter().flat_map(|_| [1.0, 0.0]).collect();
    rows(loss, 1, &output, &target)
}

/// Binary cross-entropy of one logit: confidently right, and confidently wrong.
fn extreme() -> Case {
    let (output, target) = ([100.0, -100.0, 100.0, -100.0, 1e4, -1e4], [1.0, 0.0, 0.0, 1.0, 0.0, 1.0]);
    rows(Loss::binary_cross_entropy(), 1, &output, &target)
}

/// Binary cross-entropy close to 0, down to the smallest normal number, which 1 + e⁻|ᶻ| would round away.
fn sure() -> Case {
    let z = [0.25, 1.0, 8.0, 12.0, 15.0, 17.0, 20.5, 40.3, 63.7, 80.0, 87.0, 1e-8, 1e-30];
    let output: Vec<f32> = z.iter().flat_map(|z| [*z, -z, *z]).collect();
    let target: Vec<f32> = z.iter().flat_map(|_| [1.0, 0.0, 0.999]).collect();
    rows(Loss::binary_cross_entropy(), 1, &output, &target)
}

/// The declared loss and its derivative in f64; `tests/losses.rs` compares them with PyTorch.
fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (output, target, n) = (seen.numbers(0), seen.numbers(1), seen.shape(0).columns);
    let loss = seen.params::<Params>().loss();
    let [value, derivative] = loss.function().element().expect("a loss per element").double;
    let parameters = loss.parameters().map(f64::from);
    let of_row =
        |r: usize| (r * n..(r + 1) * n).map(|i| value(output[i], target[i], parameters)).sum::<f64>() / n as f64;
    let scale = f64::from(seen.step().loss_scale) / n as f64;
    let losses: Vec<f64> = (0..seen.rows()).map(of_row).collect();
    let grads = (0..seen.live(0)).map(|i| derivative(output[i], target[i], parameters) * scale).collect();
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
fn a_perceptron_output_of_zero_says_no() {
    let case = rows(Loss::perceptron(), 1, &[0.0, 0.0], &[0.0, 1.0]);
    let seen = Seen::new(&case);
    assert_eq!(seen.results(3), [0.0, -f64::from(seen.step().loss_scale)]);
}

#[test]
fn the_flag_records_the_first_step_in_which_a_loss_is_not_finite_and_only_then() {
    let is_recorded = |loss, bad| {
        let case = rows(loss, 2, &[0.0, 1.0, 2.0, bad], &[1.0, 0.0, 1.0, 0.0]);
        let word = Seen::new(&case).result_words(4)[0];
        assert!([case.step().index, u32::MAX].contains(&word));
        word != u32::MAX
    };
    for loss in losses() {
        assert!(
            [f32::NAN, f32::INFINITY].iter().all(|bad| is_recorded(loss, *bad)) && !is_recorded(loss, 2.5),
            "{loss}"
        );
    }
    assert_eq!([1e18, 1e20].map(|bad| is_recorded(Loss::mean_squared_error(), bad)), [false, true]);
    assert!(!is_recorded(Loss::perceptron(), 3e38) && !is_recorded(Loss::binary_cross_entropy(), -1e30));
}
