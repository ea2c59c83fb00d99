//! Tests of `mean_loss`: the loss of each step of a submission.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::mean_loss;
use wgrad::plan::{Contents, Section};
use wgrad::shape::{Dtype, Shape};

/// Different batch sizes. Each case has 1, 2 or 3 steps, the last with fewer rows, in a window with room for one more
/// batch.
pub fn cases() -> Vec<Case> {
    let batches = [1, 3, 4, 5, 15, 16, 17, 63, 64, 65, 131, 2, 7, 9, 1000, 5000];
    let both = |(seed, batch)| [Values::Real, Values::Whole].map(|values| case(batch, values, seed));
    batches.into_iter().enumerate().flat_map(both).collect()
}

fn case(batch: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Report, batch - batch / 3, values, seed);
    let (current, all) =
        case.plan.windowed("row_loss", Dtype::F32, Shape::new(batch, 1), case.steps.len() + 1, Contents::Host);
    for batch_index in 0..case.steps.len() {
        case.steps[batch_index].rows =
            (if batch_index + 1 == case.steps.len() { batch - batch / 3 } else { batch }) as u32;
        let fill =
            Case::new(Section::Report, 0, values, seed + 100 * batch_index).tensor_words(case.steps[batch_index].rows);
        case.inputs.push(super::case::Input { view: current, batch_index, words: fill });
    }
    case.batch_index = 0;
    let loss = case.output("loss", Dtype::F32, Shape::new(case.steps.len() + 1, 1));
    let op = mean_loss::op(&case.plan, all, loss);
    case.with(op)
}

impl Case {
    fn tensor_words(mut self, count: u32) -> Vec<u32> {
        self.tensor("numbers", Shape::vector(count as usize), Fill::Positive(3.0));
        self.inputs.remove(0).words
    }
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (losses, stride) = (seen.numbers(0), seen.shape(0).columns);
    let mean = |(s, step): (usize, &wgrad::plan::Step)| {
        let rows = &losses[s * stride..s * stride + step.rows as usize];
        f64::from(step.loss_scale) * rows.iter().sum::<f64>()
    };
    vec![Expected::Numbers(seen.case.steps.iter().enumerate().map(mean).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.0) > 40);
}

#[test]
fn dead_rows_do_not_count() {
    // Inactive rows are poisoned, as is the batch of the window that has no step.
    let case = case(17, Values::Real, 2);
    let seen = Seen::new(&case);
    assert!(seen.numbers(0)[16].is_finite() && seen.numbers(0)[2 * 64 + 12].is_nan());
    assert!(seen.results(1)[..3].iter().all(|loss| loss.is_finite()) && seen.results(1)[3].is_nan());
}
