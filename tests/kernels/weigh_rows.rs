//! Tests of `weigh_rows`: losses of rows and their gradients, times the weights of the rows.

use super::case::{Case, Fill, Values, over_batches};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::kernels::weigh_rows;
use wgrad::plan::Section;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    over_batches(case).into_iter().chain([u32::MAX, 2].map(too_large)).collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize) -> Case {
    let rows = Shape::new(shape.rows, 1);
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let weight = case.batch("weight", rows, Fill::Positive(3.0));
    // As in plans, the loss has no window: four windows are all that WebGPU guarantees per op.
    let loss = case.tensor("row_loss.unweighted", rows, Fill::Real(2.0));
    let unweighted = case.batch("grad.unweighted", shape, Fill::Real(1.0));
    let row_loss = case.batch_output("row_loss", Dtype::F32, rows);
    let grad = case.batch_output("grad", Dtype::F32, shape);
    let flag = case.flag(u32::MAX);
    let op = weigh_rows::op(&case.plan, weight, [loss, unweighted], [row_loss, grad], flag);
    case.with(op)
}

/// The loss of the second row is finite, but its product with the weight is not. An earlier step may have set the flag.
fn too_large(flag: u32) -> Case {
    let mut case = case(Shape::new(3, 2), 3, Values::Special, 1);
    let views = case.op().views.clone();
    case.set_f32(views[0], &[1.0, 2.0, 0.0]);
    case.set_f32(views[1], &[1.0, 3e38, 3e38]);
    case.set_f32(views[2], &[1.0, 0.5, -1.0, 3.0, 1e30, 2.0]);
    case.set(views[5], vec![flag]);
    case
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let [weight, loss, unweighted] = [0, 1, 2].map(|view| seen.numbers(view));
    let columns = seen.shape(2).columns;
    // What exceeds the numbers of f32 is infinite.
    let stored = |loss: f64| if (loss as f32).is_finite() { loss } else { f64::from(loss as f32) };
    let losses: Vec<f64> = (0..seen.rows()).map(|r| stored(weight[r] * loss[r])).collect();
    let grads = (0..seen.live(2)).map(|i| weight[i / columns] * unweighted[i]).collect();
    let flag = seen.flag(5, &losses);
    vec![Expected::Numbers(losses), Expected::Numbers(grads), flag]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.001) > 20_000);
    whole_numbers_are_exact(&cases());
}

#[test]
fn a_weight_of_0_leaves_nothing_of_a_row() {
    let case = too_large(u32::MAX);
    let seen = Seen::new(&case);
    assert_eq!((seen.results(3)[2], &seen.results(4)[4..]), (0.0, &[0.0, 0.0][..]));
}
