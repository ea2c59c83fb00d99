//! Batches of an evaluation: runs the sections `evaluate` and `score` of a plan over the rows of a data set.

use std::collections::VecDeque;

use crate::error::{Error, Result};
use crate::exec::{Executor, Run};
use crate::model::InputRows;
use crate::plan::{Plan, Section, Step, ViewId};

/// Sums over all rows of an evaluation.
#[derive(Default)]
pub(super) struct Totals {
    /// Sum over all rows of loss times weight.
    pub(super) loss: f64,
    /// Sum of the weights. Without weights, the number of rows.
    pub(super) weight: f64,
    /// Number of correct predictions; `None` if the device does not count them.
    pub(super) correct: Option<u64>,
}

/// Receives the outputs of each batch.
pub(super) type Receiver<'a> = dyn FnMut(&Batch<'_>, &[f32]) -> Result<()> + 'a;

/// Runs all rows through the network. `target` is in the format that kernels read. The device counts correct
/// predictions if `counts` is set and the loss function allows it. Outputs are read only if there is a receiver.
pub(super) fn run(
    executor: &mut dyn Executor,
    input: &InputRows<'_>,
    target: &[u32],
    counts: bool,
    mut receiver: Option<&mut Receiver<'_>>,
) -> Result<Totals> {
    let views = Views::of(executor.plan())?;
    let (batch_size, columns) = (executor.plan().shape(views.input).rows, executor.plan().shape(views.output).columns);
    let weights = input.data.weights();
    let counted = views.correct.filter(|_| counts);
    let batches = Batch::all(target, target.len() / input.data.len(), batch_size);
    let mut totals = Totals { correct: counted.map(|_| 0), ..Totals::default() };
    let mut in_flight = VecDeque::new();
    for (number, batch) in batches.iter().enumerate() {
        submit(executor, &views, input, batch)?;
        let correct = counted.map(|view| executor.read(view, 0)).transpose()?;
        let outputs = receiver.is_some().then(|| executor.read(views.output, 0)).transpose()?;
        // With weights, the host computes the mean, in f64.
        let losses = executor.read(if weights.is_some() { views.row_loss } else { views.loss }, 0)?;
        in_flight.push_back((batch, losses, correct, outputs));
        let most = if number + 1 < batches.len() { executor.in_flight() } else { 0 };
        while in_flight.len() > most {
            let Some((batch, losses, correct, outputs)) = in_flight.pop_front() else { break };
            let (mean, weight) = batch.mean(&losses.wait_f32()?, weights);
            if !mean.is_finite() {
                return Err(not_finite(executor, &views, input, batch, mean)?);
            }
            totals.loss += mean * weight;
            totals.weight += weight;
            if let (Some(total), Some(correct)) = (&mut totals.correct, correct) {
                *total += u64::from(correct.wait()?[0]);
            }
            if let (Some(receiver), Some(outputs)) = (&mut receiver, outputs) {
                receiver(batch, &outputs.wait_f32()?[..batch.rows * columns])?;
            }
        }
    }
    Ok(totals)
}

/// Views that an evaluation writes and reads.
struct Views {
    input: ViewId,
    target: ViewId,
    output: ViewId,
    row_loss: ViewId,
    loss: ViewId,
    correct: Option<ViewId>,
}

impl Views {
    fn of(plan: &Plan) -> Result<Self> {
        Ok(Self {
            input: plan.named("evaluate.input")?,
            target: plan.named("evaluate.target")?,
            output: plan.named("evaluate.output")?,
            row_loss: plan.named("evaluate.row_loss")?,
            loss: plan.named("evaluate.loss")?,
            correct: plan.find("evaluate.correct"),
        })
    }
}

/// Rows that are evaluated at once, with their targets.
pub(super) struct Batch<'a> {
    /// Index of the first row in the data set.
    pub(super) first: usize,
    pub(super) rows: usize,
    pub(super) target: &'a [u32],
}

impl<'a> Batch<'a> {
    /// Returns the mean loss of the batch, and the sum of its weights. Without weights, `losses` holds only this mean,
    /// and the sum is the number of rows. With weights, it holds the loss of each row, and the mean is weighted. If all
    /// weights are 0, the mean of finite losses is 0.
    fn mean(&self, losses: &[f32], weights: Option<&[f32]>) -> (f64, f64) {
        let Some(weights) = weights else { return (losses[0].into(), self.rows as f64) };
        let weights = &weights[self.first..self.first + self.rows];
        let product = |(loss, weight): (&f32, &f32)| f64::from(*loss) * f64::from(*weight);
        let sum: f64 = losses.iter().zip(weights).map(product).sum();
        let weight: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        (if weight == 0.0 { sum } else { sum / weight }, weight)
    }

    /// Splits targets of shape [rows, columns] into batches.
    fn all(target: &'a [u32], columns: usize, batch_size: usize) -> Vec<Self> {
        let parts = target.chunks(batch_size * columns).enumerate();
        parts
            .map(|(number, target)| Self { first: number * batch_size, rows: target.len() / columns, target })
            .collect()
    }
}

fn submit(executor: &mut dyn Executor, views: &Views, input: &InputRows<'_>, batch: &Batch<'_>) -> Result<()> {
    let rows = input.get(batch.first..batch.first + batch.rows)?;
    executor.write(views.input, 0, bytemuck::cast_slice(&rows))?;
    executor.write(views.target, 0, batch.target)?;
    let step = Step { rows: batch.rows as u32, loss_scale: (1.0 / batch.rows as f64) as f32, ..Step::default() };
    executor.submit(&[step], &[Section::Evaluate, Section::Score].map(|section| Run { section, batch_index: 0 }))
}

/// Returns the error for a batch whose mean loss is not finite. It names the first row whose loss is not finite, if
/// there is one.
fn not_finite(
    executor: &mut dyn Executor,
    views: &Views,
    input: &InputRows<'_>,
    batch: &Batch<'_>,
    mean: f64,
) -> Result<Error> {
    // A later batch may have overwritten the losses, so this batch runs again.
    submit(executor, views, input, batch)?;
    let (first, rows) = (batch.first, batch.rows);
    let losses = executor.read(views.row_loss, 0)?.wait_f32()?;
    let place = format!("evaluation on data set `{}`", input.data.name());
    let of = input.data.len();
    let (place, problem) = match losses.iter().take(rows).position(|loss| !loss.is_finite()) {
        Some(row) => (format!("{place}, row {} of {of} (from 0)", first + row), format!("the loss is {}", losses[row])),
        None => (
            format!("{place}, rows {first} to {} of {of} (from 0)", first + rows - 1),
            format!("the mean loss is {mean}"),
        ),
    };
    let remedy = "check for values far outside the training data, or train again with a lower learning rate or with \
                  targets in larger units";
    Ok(Error::data(place, format!("{problem}, not a finite number"), remedy))
}
