//! Handling of numbers that become infinite or NaN.
//!
//! A word on the device, the flag, holds the index of the first bad step. The kernels of losses, gradients and the
//! gradient norm write the index of the current step to the flag if a result is not finite. From then on the optimizers
//! change nothing, so parameters and optimizer state stay as they were before the bad step. The host then replays that
//! step op by op, to find the op with the first bad number.
//!
//! An update that overflows writes the index of the next step to the flag. The host then searches for the bad number in
//! the updated parameters and optimizer state. `Trainer::finite` checks all tensors that leave the trainer.

use crate::error::{Error, Result};
use crate::exec::Run;
use crate::model::{Tensor, read_tensors};
use crate::plan::{Access, Op, Plan, Section, Step, ViewId};
use crate::shape::Dtype;
use crate::specialize::traced;
use crate::trainer::checkpoint::stored;
use crate::trainer::{InFlight, Trainer};

impl Trainer {
    /// Returns the error of a submission after which the flag holds the step index `bad`.
    ///
    /// Sets the trainer back to just before the bad step, except that the step's rows count as used. If an update has
    /// overflowed, the trainer is set to just after that step.
    pub(super) fn not_finite(&mut self, submission: &InFlight, bad: u32) -> Result<Error> {
        let InFlight { steps, first, .. } = submission;
        let overflow = first_not_finite(&self.state()?);
        let bad = if overflow.is_some() { bad.wrapping_sub(1) } else { bad };
        // A flag that names no step of the submission is attributed to its first step.
        let index = if steps.iter().any(|step| step.index == bad) { bad } else { steps[0].index };
        self.step = first + u64::from(index.wrapping_sub(steps[0].index));
        let error = if let Some(overflow) = overflow {
            self.step += 1;
            self.state_error(overflow)
        } else {
            // Later submissions have filled the window with other rows, so the window is filled again. The device still
            // has the row order of this epoch.
            self.write_from_host(&submission.host_writes)?;
            self.executor.submit(steps, &[Run { section: Section::Window, batch_index: 0 }])?;
            self.replay(steps, index)?
        };
        // The flag is cleared, since training may continue from the state before the step, with other settings.
        self.executor.write(self.view("flag")?, 0, &[u32::MAX])?;
        let batches = steps.iter().filter(|step| step.index == index).map(|step| step.epoch_batch as usize + 1);
        if let (Some(loaded), Some(used)) = (&mut self.loaded, batches.max()) {
            loaded.seek(used * self.spec.micro_batch);
        }
        Ok(error)
    }

    /// Returns parameters and optimizer state.
    pub(super) fn state(&mut self) -> Result<Vec<Tensor>> {
        let mut tensors = Vec::new();
        for prefix in stored(self.spec.optimizer, self.spec.average.is_some()) {
            tensors.extend(read_tensors(self.executor.as_mut(), &self.spec.network, &prefix)?);
        }
        Ok(tensors)
    }

    /// Returns `tensors` if all their numbers are finite. Every function that returns parameters or optimizer state
    /// calls this function.
    ///
    /// # Errors
    /// [`Error::StateNotFinite`].
    pub(super) fn finite(&self, tensors: Vec<Tensor>) -> Result<Vec<Tensor>> {
        match first_not_finite(&tensors) {
            Some(overflow) => Err(self.state_error(overflow)),
            None => Ok(tensors),
        }
    }

    fn state_error(&self, Overflow { view, row, column, value }: Overflow) -> Error {
        Error::StateNotFinite { step: self.step.saturating_sub(1), view, row, column, value }
    }

    /// Runs the ops of one step one by one, until an output is not finite. Returns the error that names this op. A
    /// fused step is replayed with its [traced build](traced), which stores the results of each stage, so that the
    /// error can name the stage.
    fn replay(&mut self, steps: &[Step], index: u32) -> Result<Error> {
        let plan = self.executor.plan().clone();
        let traced = match traced(&plan)? {
            Some(traced) => self.executor.adopt(traced).is_ok(),
            None => false,
        };
        let error = self.replay_op_by_op(steps, index);
        if traced {
            self.executor.adopt(plan)?;
        }
        error
    }

    fn replay_op_by_op(&mut self, steps: &[Step], index: u32) -> Result<Error> {
        let plan = self.executor.plan().clone();
        let once = |run: &Run| matches!(run.section, Section::Window | Section::Report);
        for run in Run::submission(steps) {
            if once(&run) || steps[run.batch_index].index != index {
                continue;
            }
            for number in 0..plan.ops(run.section).len() {
                self.executor.submit_op(steps, run, number)?;
                if let Some(error) = self.first_bad(&plan, run.section, number, &steps[run.batch_index])? {
                    return Ok(error);
                }
            }
        }
        Ok(Error::Device {
            device: self.device.to_string(),
            problem: format!("step {} had a number that is not finite, but none when it was replayed", self.step),
            remedy: "the device does not give the same result twice: do not trust it".into(),
        })
    }

    /// Returns an error for the first number in an op's outputs that is not finite; `None` if all are finite.
    fn first_bad(&mut self, plan: &Plan, section: Section, index: usize, step: &Step) -> Result<Option<Error>> {
        let op = &plan.ops(section)[index];
        for (id, layer) in outputs(plan, op) {
            let view = plan.get(id);
            // Rows of the view beyond those of the batch have values of earlier steps.
            let [first, rows] = match op.most_rows() {
                Some(batch) if batch == view.shape.rows => [step.first_row as usize, step.rows as usize],
                _ => [0, view.shape.rows],
            };
            let live = rows * view.shape.columns;
            let values = self.executor.read(id, step.batch_index as usize)?.wait_f32()?;
            if let Some(at) = values[..live].iter().position(|value| !value.is_finite()) {
                let (view, row, column) = plan.element(view, at);
                return Ok(Some(Error::NotFinite {
                    step: self.step,
                    op: plan.op_name(section, index),
                    layer: match layer.or(view.layer()) {
                        Some(number) => format!("layer {number}"),
                        None => "no layer".into(),
                    },
                    row: first + row,
                    column,
                    view: view.name.clone(),
                    value: values[at],
                    remedy: remedy(self.step, self.spec.clip_norm.or(self.spec.clip_tensor_norm)),
                }));
            }
        }
        Ok(None)
    }
}

/// Position and value of a number that is not finite.
struct Overflow {
    view: String,
    row: usize,
    column: usize,
    value: f32,
}

/// Returns the first number that is not finite. Optimizer states are searched before parameters, since a bad state may
/// be the cause of a bad parameter.
fn first_not_finite(tensors: &[Tensor]) -> Option<Overflow> {
    let (parameters, states): (Vec<_>, Vec<_>) = tensors.iter().partition(|tensor| tensor.name.starts_with("layer"));
    states.into_iter().chain(parameters).find_map(not_finite_in)
}

fn not_finite_in(tensor: &Tensor) -> Option<Overflow> {
    let at = tensor.values.iter().position(|value| !value.is_finite())?;
    // A bias is one row.
    let columns = tensor.shape.last().copied().unwrap_or(1).max(1);
    Some(Overflow { view: tensor.name.clone(), row: at / columns, column: at % columns, value: tensor.values[at] })
}

/// Returns the remedy for the error message. In the first step, the learning rate cannot be the cause, and clipping
/// would not help. Clipping is not suggested if the norm is clipped already.
fn remedy(step: u64, clip_norm: Option<f64>) -> Box<str> {
    match (step, clip_norm) {
        (0, _) => "check the inputs and targets, and scale large ones".into(),
        (_, None) => "lower the learning rate, clip the gradient norm, or check the inputs".into(),
        (_, Some(norm)) => {
            format!("lower the learning rate or the norm that gradients are clipped to ({norm}), or check the inputs")
                .into()
        }
    }
}

/// View, and the layer whose op writes the view in a plan without a fused step, if there is such a layer.
type Output = (ViewId, Option<usize>);

/// Returns the `f32` views that an op writes, in the order in which the op computes them.
fn outputs(plan: &Plan, op: &Op) -> Vec<Output> {
    let computed = |access| matches!(access, Access::Write | Access::Accumulate);
    let written = op.kernel.bindings.iter().zip(&op.views).filter(|(binding, _)| computed(binding.access));
    let numbers = written.filter(|(_, id)| plan.allocation_of(**id).dtype == Dtype::F32);
    let (traces, others): (Vec<_>, Vec<_>) = numbers.partition(|(binding, _)| binding.trace);
    let mut others: Vec<Output> = others.into_iter().map(|(_, id)| (*id, op.layer)).collect();
    let Some((_, trace)) = traces.first() else { return others };
    let [mut all, backward] = stages(plan, **trace);
    // The last of `others` is the loss per row, which is computed between forward and backward pass. Sums over rows
    // come at the end.
    all.extend(others.pop());
    all.extend(backward);
    all.extend(others);
    all
}

/// Returns the views that store the stages of a fused step: those of the forward pass, and those of the backward pass.
/// The forward views hold the activated output of each dense layer. The backward views go from the last dense layer to
/// the first, and hold the gradient of each layer's output before the activation.
fn stages(plan: &Plan, trace: ViewId) -> [Vec<Output>; 2] {
    let views = plan.within(trace);
    let (outputs, gradients) = views.split_at(views.len() / 2);
    let layer = |id: &ViewId| plan.get(*id).layer();
    let forward = outputs.iter().zip(gradients).map(|(output, gradient)| (*output, layer(gradient))).collect();
    let dense = gradients.last().and_then(layer);
    let mut above = outputs.last().and_then(layer).filter(|last| dense != Some(*last));
    let mut backward = Vec::new();
    for gradient in gradients.iter().rev() {
        backward.push((*gradient, above));
        above = layer(gradient);
    }
    [forward, backward]
}
