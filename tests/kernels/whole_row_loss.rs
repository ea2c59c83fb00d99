//! Tests of `whole_row_loss` and `whole_row_loss_of_classes`: losses of whole rows, with their gradients.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use approx::{assert_abs_diff_eq, assert_relative_eq};
use wgrad::Loss;
use wgrad::elementwise::{Range, Row, Targets};
use wgrad::kernels::shared::row_loss::Params;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

/// All losses of whole rows, with one and with eight levels of quantiles.
pub fn losses() -> impl Iterator<Item = Loss> {
    let eight = Loss::quantiles([0.05, 0.1, 0.25, 0.4, 0.5, 0.75, 0.9, 0.99]);
    Loss::all().chain([Loss::quantiles([0.25]), eight]).filter(|loss| loss.function().row().is_some())
}

/// Kinds of targets.
fn fills(loss: Loss, columns: usize) -> Vec<Fill> {
    match loss.function().range {
        Range::Any => vec![Fill::Real(3.0)],
        // Sums of rows are far from 1, so that a forgotten sum shows.
        Range::Distribution => vec![Fill::Bit, Fill::Between(0.0, 1.0)],
        Range::Class => vec![Fill::Below(columns as u32)],
        Range::NotNegative | Range::Unit | Range::Bit => panic!("{loss} is no loss of whole rows"),
    }
}

pub fn cases() -> Vec<Case> {
    losses()
        .flat_map(of_loss)
        .chain(losses().flat_map(broken))
        .chain([extreme_soft(), extreme_normal(), extreme_cosine()])
        .collect()
}

fn of_loss(loss: Loss) -> Vec<Case> {
    let of_fill = |number: usize| {
        over_rows(move |shape, live, values, seed| {
            let shape =
                Shape::new(shape.rows, shape.columns.div_ceil(loss.outputs_per_target()) * loss.outputs_per_target());
            case(loss, shape, live, values, seed, fills(loss, shape.columns)[number])
        })
    };
    (0..fills(loss, 1).len()).flat_map(of_fill).collect()
}

fn case(loss: Loss, shape: Shape, live: usize, values: Values, seed: usize, targets: Fill) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let output = case.batch("output", shape, Fill::Real(3.0));
    let target = case.batch("target", Shape::new(shape.rows, loss.target_columns(shape.columns)), targets);
    let row_loss = case.batch_output("row_loss", Dtype::F32, Shape::new(shape.rows, 1));
    let grad = case.batch_output("grad", Dtype::F32, shape);
    let flag = case.flag(u32::MAX);
    let op = wgrad::kernels::loss::op(loss, &case.plan, output, target, row_loss, grad, flag);
    case.with(op)
}

/// Rows of these outputs and targets.
fn rows(loss: Loss, columns: usize, output: &[f32], target: &[f32]) -> Case {
    let shape = Shape::new(output.len() / columns, columns);
    let mut case = case(loss, shape, shape.rows, Values::Special, 1, fills(loss, columns)[0]);
    let views = case.op().views.clone();
    case.set_f32(views[0], output);
    if loss.function().range == Range::Class {
        case.set(views[1], target.iter().map(|class| *class as u32).collect());
    } else {
        case.set_f32(views[1], target);
    }
    case
}

/// A row whose loss is infinite or NaN, with a flag that is not set, and one that an earlier step has set.
fn broken(loss: Loss) -> [Case; 2] {
    [u32::MAX, 2].map(|flag| {
        let columns = 8;
        let mut output: Vec<f32> = (0..3 * columns).map(|i| i as f32 / 4.0 - 2.0).collect();
        output[columns + 2] = f32::INFINITY;
        let target = vec![0.0; 3 * loss.target_columns(columns)];
        let outputs = columns / loss.outputs_per_target() * loss.outputs_per_target();
        let output: Vec<f32> = output.chunks(columns).flat_map(|row| &row[..outputs]).copied().collect();
        let mut case = rows(loss, outputs, &output, &target[..3 * loss.target_columns(outputs)]);
        let view = case.op().views[4];
        case.set(view, vec![flag]);
        case
    })
}

/// Kullback–Leibler divergence where exponentials overflow, with certain and with tiny targets.
fn extreme_soft() -> Case {
    let mut output =
        vec![1e4, -1e4, 0.0, 100.0, -100.0, -100.0, 3e38, 3e38, 0.0, -200.0, -201.0, -300.0, 5.0, -5.0, 0.5];
    let mut target = vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.5, 0.25, 0.25, 0.5, 0.5, 0.0, 1.0, 1e-39, 1e-30];
    // The exponential of a difference to any other number than the last would overflow.
    output.extend([-100.0, 0.0, 200.0]);
    target.extend([0.0, 0.25, 0.75]);
    rows(Loss::kl_divergence(), 3, &output, &target)
}

/// Variances near 0 and without limit, on both sides of the added variance, and errors of 0.
fn extreme_normal() -> Case {
    let output = [
        0.0, -1e30, 0.5, -100.0, 1.0, -14.0, 2.0, -13.6, -3.0, 60.0, 0.5, 88.0, -0.25, 100.0, 1e15, 1e4, 4.0, 0.0,
        1e-3, -13.8,
    ];
    rows(Loss::gaussian_nll(), 2, &output, &[0.0, 0.5, 1.25, 2.0, 7.0, -0.5, 0.0, -1e15, 4.5, 0.0])
}

/// Vectors whose squares overflow or are flushed, of zeros, and parallel, opposite and orthogonal ones. The last targets are so
/// much larger than the outputs that each needs a maximum of its own.
fn extreme_cosine() -> Case {
    let output = [1e30, 2e30, 1e-30, 2e-30, 0.0, 0.0, 3.0, 4.0, 3.0, 4.0, 3.0, 4.0, 1e-6, -1e-6, 0.0, 5.0, 1e-3, 2e-3];
    let target = [2e30, -1.5e30, 1.0, 2.0, 1.0, -1.0, 6.0, 8.0, -3.0, -4.0, 4.0, -3.0, 1.0, 2.0, 0.0, 0.0, 1e25, 2e25];
    rows(Loss::cosine(), 2, &output, &target)
}

/// The declared loss and its derivatives in f64; `tests/losses.rs` compares them with PyTorch.
fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (output, n) = (seen.numbers(0), seen.shape(0).columns);
    let loss = seen.params::<Params>().loss();
    let (each, scale) = (loss.target_columns(n), f64::from(seen.step().loss_scale));
    let (mut losses, mut grads) = (Vec::new(), Vec::new());
    for (r, outputs) in output[..seen.live(0)].chunks(n).enumerate() {
        let numbers: Vec<f64>;
        let targets = if loss.function().range == Range::Class {
            Targets::Class(seen.words(1)[r] as usize)
        } else {
            numbers = seen.numbers(1)[r * each..(r + 1) * each].to_vec();
            Targets::Numbers(&numbers)
        };
        let (meaning, parameters) = (loss.function().output, loss.parameters().map(f64::from));
        let mut grad = vec![0.0; n];
        let row = Row { meaning, parameters, outputs, targets };
        losses.push((loss.function().row().expect("a loss of whole rows").double)(&row, &mut grad));
        grads.extend(grad.iter().map(|g| g * scale));
    }
    // Beyond the range of f32, a loss is infinite.
    let in_range = |x: f64| if x.abs() > f64::from(f32::MAX) { x.signum() * f64::INFINITY } else { x };
    let losses: Vec<f64> = losses.into_iter().map(in_range).collect();
    let flag = seen.flag(4, &losses);
    vec![Expected::Numbers(losses), Expected::Numbers(grads), flag]
}

#[test]
fn cpu_kernels_are_right() {
    for loss in losses() {
        let cases: Vec<Case> = cases().into_iter().filter(|case| case.op().params::<Params>().loss() == loss).collect();
        assert!(prove(&cases, oracle, 0.02) > 20_000, "{loss}");
    }
}

#[test]
fn nothing_overflows() {
    let case = extreme_soft();
    let seen = Seen::new(&case);
    let (losses, grads, scale) = (seen.results(2), seen.results(3), f64::from(seen.step().loss_scale));
    assert_eq!(losses[..2], [0.0, 200.0]);
    assert_eq!(grads[..6], [0.0, 0.0, 0.0, 1.0, -1.0, 0.0].map(|g| g * scale));
    let case = extreme_normal();
    let losses = Seen::new(&case).results(2);
    assert!(losses.iter().all(|loss| loss.is_finite()), "{losses:?}");
    // An error of 0 with a variance of 10⁻⁶, and a variance of e¹⁰⁰.
    assert_relative_eq!(losses[0], 1e-6f64.ln() / 2.0, max_relative = 1e-6);
    assert_relative_eq!(losses[6], 50.0, max_relative = 1e-6);
    let case = extreme_cosine();
    let losses = Seen::new(&case).results(2);
    // z·t is −1, and the lengths are √5 and 2.5, times 10³⁰.
    for (place, wanted) in [(0, 1.0 + 1.0 / (2.5 * 5f64.sqrt())), (2, 1.0), (3, 0.0), (4, 2.0), (5, 1.0), (7, 1.0)] {
        assert_abs_diff_eq!(losses[place], wanted, epsilon = 1e-6);
    }
}

#[test]
fn the_flag_records_the_first_step_in_which_a_loss_is_not_finite_and_only_then() {
    for loss in losses() {
        for (bad, is_recorded) in [(f32::NAN, true), (2.5, false)] {
            let columns = 3 * loss.outputs_per_target();
            let mut output = vec![0.5; 2 * columns];
            output[columns] = bad;
            let case = rows(loss, columns, &output, &vec![1.0; 2 * loss.target_columns(columns)]);
            let expected = if is_recorded { case.step().index } else { u32::MAX };
            assert_eq!(Seen::new(&case).result_words(4), [expected], "{loss}: {bad}");
        }
    }
}
