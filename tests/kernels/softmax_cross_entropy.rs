//! Tests of `softmax_cross_entropy`: softmax and cross-entropy from logits, with the gradient.

use super::case::{Case, Fill, Values, over_rows};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use approx::{assert_abs_diff_eq, assert_relative_eq};
use wgrad::Loss;
use wgrad::kernels::shared::row_loss;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    let mut cases = over_rows(|shape, live, values, seed| case(shape, live, values, seed, 4.0));
    cases.extend(over_rows(|shape, live, _, seed| case(shape, live, Values::Special, seed, 1e4)));
    cases.extend(over_rows(|shape, live, values, seed| {
        case_of(Loss::smoothed_cross_entropy(0.125), shape, live, values, seed, 4.0)
    }));
    cases.push(extreme());
    cases.push(sure());
    cases.extend(broken());
    cases
}

fn case(shape: Shape, live: usize, values: Values, seed: usize, range: f64) -> Case {
    case_of(Loss::softmax_cross_entropy(), shape, live, values, seed, range)
}

fn case_of(loss: Loss, shape: Shape, live: usize, values: Values, seed: usize, range: f64) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let output = case.batch("output", shape, Fill::Real(range));
    let target = case.batch("target", Shape::new(shape.rows, 1), Fill::Below(shape.columns as u32));
    let row_loss = case.batch_output("row_loss", Dtype::F32, Shape::new(shape.rows, 1));
    let grad = case.batch_output("grad", Dtype::F32, shape);
    let flag = case.flag(u32::MAX);
    let op = wgrad::kernels::loss::op(loss, &case.plan, output, target, row_loss, grad, flag);
    case.with(op)
}

/// A row whose loss is infinite, with a flag that is not set, and one that an earlier step has set.
fn broken() -> [Case; 2] {
    [u32::MAX, 2].map(|flag| {
        let mut case = rows_of_two(&[[0.5, 1.0], [1.0, f32::NEG_INFINITY]], &[1, 1]);
        let view = case.op().views[4];
        case.set(view, vec![flag]);
        case
    })
}

/// Rows that are confidently right, confidently wrong, and undecided.
fn extreme() -> Case {
    rows_of_two(&[[1e4, -1e4], [1e4, -1e4], [-1e4, -1e4], [3e38, 3e38]], &[0, 1, 1, 0])
}

/// Rows whose loss is close to 0, ties, and differences of logits that are not exact in f32.
fn sure() -> Case {
    // The first four leave an argument of ln(1 + x) just below 1, where all terms of its series count.
    let z = [0.002, 0.01, 0.03, 0.1, 0.25, 1.0, 8.0, 12.0, 15.0, 17.0, 20.5, 40.3, 63.7, 80.0, 86.0, 1e-8, 1e-30, 0.0];
    let mut rows: Vec<[f32; 2]> = z.iter().flat_map(|z| [[*z, 0.3], [0.7, -z], [-z / 2.0, z / 2.0]]).collect();
    let mut class: Vec<u32> =
        rows.iter().enumerate().map(|(r, z)| u32::from(z[1] > z[0]) ^ u32::from(r % 5 == 4)).collect();
    // In f32, this difference is off by 3.1e-6. It is the whole loss, since the class is the likely one.
    rows.push([2.3, -62.5]);
    class.push(0);
    rows_of_two(&rows, &class)
}

fn rows_of_two(output: &[[f32; 2]], target: &[u32]) -> Case {
    let mut case = case(Shape::new(output.len(), 2), output.len(), Values::Special, 2, 1.0);
    let views = case.op().views.clone();
    case.set_f32(views[0], output.as_flattened());
    case.set(views[1], target.to_vec());
    case
}

/// Returns −ln softmax(z)_t = ln Σⱼ e^(zⱼ − z_t), and softmax(z) − [c = t], with the largest logit subtracted.
fn formula(z: &[f64], t: usize) -> (f64, Vec<f64>) {
    let largest = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = z.iter().map(|z| (z - largest).exp()).sum();
    // Sum over the other classes: softmax(z)_t − 1 would cancel, and the loss is ln(1 + others).
    let others: f64 = (0..z.len()).filter(|c| *c != t).map(|c| (z[c] - largest).exp()).sum();
    let gradient = |c: usize| if c == t { -others / sum } else { (z[c] - largest).exp() / sum };
    let loss = (largest - z[t]) + (others + (z[t] - largest).exp_m1()).ln_1p();
    (loss, (0..z.len()).map(gradient).collect())
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (output, target, n) = (seen.numbers(0), seen.words(1), seen.shape(0).columns);
    let [epsilon, ..] = seen.params::<row_loss::Params>().loss().parameters().map(f64::from);
    let scale = f64::from(seen.step().loss_scale);
    let (mut losses, mut grads) = (Vec::new(), Vec::new());
    for (r, row) in output[..seen.live(0)].chunks(n).enumerate() {
        let class = target[r] as usize;
        let (mut loss, mut grad) = formula(row, class);
        if epsilon > 0.0 {
            // Targets are (1 − ε)·[c = t] + ε/n, so both are mixed with the mean over all classes.
            let (all, grads): (Vec<f64>, Vec<Vec<f64>>) = (0..n).map(|class| formula(row, class)).unzip();
            let mixed = |own: f64, sum: f64| (1.0 - epsilon) * own + epsilon / n as f64 * sum;
            loss = mixed(loss, all.iter().sum());
            grad = (0..n).map(|c| mixed(grad[c], grads.iter().map(|grad| grad[c]).sum())).collect();
        }
        losses.push(loss);
        grads.extend(grad.iter().map(|g| g * scale));
    }
    let flag = seen.flag(4, &losses);
    vec![Expected::Numbers(losses), Expected::Numbers(grads), flag]
}

#[test]
fn cpu_kernels_are_right() {
    let (plain, smoothed): (Vec<Case>, Vec<Case>) =
        cases().into_iter().partition(|case| case.op().params::<row_loss::Params>().alpha == 0.0);
    assert!(prove(&plain, oracle, 0.001) > 30_000);
    // The gradient cancels where a probability is near its smoothed target of ε/n.
    assert!(prove(&smoothed, oracle, 0.005) > 30_000);
}

#[test]
fn large_logits_do_not_overflow_and_wrong_rows_have_the_full_gradient() {
    let case = extreme();
    let seen = Seen::new(&case);
    let (losses, grads, scale) = (seen.results(2), seen.results(3), f64::from(seen.step().loss_scale));
    assert_eq!(losses[..2], [0.0, 2e4]);
    assert_abs_diff_eq!(losses[2], 2f64.ln(), epsilon = 1e-6);
    assert_abs_diff_eq!(losses[3], 2f64.ln(), epsilon = 1e-6);
    assert_eq!(grads[..8], [0.0, 0.0, 1.0, -1.0, 0.5, -0.5, -0.5, 0.5].map(|g| g * scale));
}

/// Numbers by `tests/golden/losses.py`: logits, class, loss and gradient.
#[test]
fn losses_and_gradients_are_those_of_pytorch() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("../golden/losses.json")).expect("JSON");
    let numbers = |value: &serde_json::Value| -> Vec<f64> {
        value.as_array().expect("numbers").iter().map(|number| number.as_f64().expect("a number")).collect()
    };
    for text in ["softmax_cross_entropy", "softmax_cross_entropy(label_smoothing=0.125)"] {
        for row in golden[text].as_array().expect("rows") {
            let (z, class) = (numbers(&row[0]), row[1].as_u64().expect("a class") as u32);
            let loss: Loss = text.parse().expect("a loss");
            let mut case = case_of(loss, Shape::new(1, z.len()), 1, Values::Special, 0, 1.0);
            let views = case.op().views.clone();
            case.set_f32(views[0], &z.iter().map(|z| *z as f32).collect::<Vec<_>>());
            case.set(views[1], vec![class]);
            let seen = Seen::new(&case);
            assert_relative_eq!(seen.results(2)[0], row[2].as_f64().expect("a loss"), max_relative = 1e-6);
            let scale = f64::from(seen.step().loss_scale);
            for (found, wanted) in seen.results(3).iter().zip(numbers(&row[3])) {
                assert_abs_diff_eq!(found / scale, wanted, epsilon = 1e-6);
            }
        }
    }
}

#[test]
fn the_gradient_is_the_loss_derivative() {
    let z = [0.3, -1.0, 2.0];
    for c in 0..3 {
        let at = |step: f64| formula(&std::array::from_fn::<f64, 3, _>(|i| z[i] + step * f64::from(i == c)), 1).0;
        assert_relative_eq!((at(1e-5) - at(-1e-5)) / 2e-5, formula(&z, 1).1[c], max_relative = 1e-8);
    }
}

#[test]
fn the_flag_records_the_first_step_in_which_a_loss_is_not_finite_and_only_then() {
    for (bad, is_recorded) in [(1e4, false), (-3e38, false), (f32::NAN, true), (f32::INFINITY, true)] {
        for place in [0, 1] {
            let mut row = [0.5, 0.5];
            row[place] = bad;
            let case = rows_of_two(&[[1.0, 2.0], row, [3.0, 1.0]], &[1, 0, 1]);
            let expected = if is_recorded { case.step().index } else { u32::MAX };
            assert_eq!(Seen::new(&case).result_words(4), [expected], "{bad} at {place}");
        }
    }
}
