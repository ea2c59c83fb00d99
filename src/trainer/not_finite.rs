//! What happens when a number becomes infinite or NaN.
//!
//! Kernels lower the flag to the index of the first bad step; from then on the optimizers change nothing, so that
//! the state is that before the step. The step is then replayed op by op, to name the op that began it.

use crate::error::{Error, Result};
use crate::exec::Run;
use crate::plan::{Access, Lane, Op, Section, Step};
use crate::shape::Dtype;
use crate::trainer::{InFlight, Trainer};

impl Trainer {
    /// What is wrong with a submission that lowered the flag to `bad`. Afterwards training stands where the bad step
    /// was to begin, as if nothing had been submitted since, but for its rows: those behind them come next.
    pub(super) fn not_finite(&mut self, submission: &InFlight, bad: u32) -> Result<Error> {
        let InFlight { steps, first, .. } = submission;
        // A flag that names no step of the submission is the first step's to explain.
        let slot = steps.iter().position(|step| step.index == bad).unwrap_or(0);
        self.step = *first;
        // Later submissions, which found the flag lowered, have filled the window with other rows since. The order of an
        // epoch stays until all its submissions are settled.
        self.bring(&submission.brought)?;
        self.executor.submit(steps, &[Run { section: Section::Window, slot: 0 }])?;
        let error = self.replay(steps, slot)?;
        // Training may go on from the state before the step, with other settings.
        self.executor.write(self.view("flag")?, 0, &[u32::MAX])?;
        self.step = first + slot as u64;
        if let Some(loaded) = &mut self.loaded {
            loaded.go_back((steps[slot].epoch_step as usize + 1) * self.description.batch);
        }
        Ok(error)
    }

    /// Runs the ops of one step singly, until one puts out a number that is not finite.
    fn replay(&mut self, steps: &[Step], slot: usize) -> Result<Error> {
        for section in [Section::Gradients, Section::Update] {
            for index in 0..self.executor.plan().ops(section).len() {
                self.executor.submit_op(steps, Run { section, slot }, index)?;
                let op = self.executor.plan().ops(section)[index].clone();
                if let Some(error) = self.first_bad(&op, section, index, &steps[slot])? {
                    return Ok(error);
                }
            }
        }
        Ok(Error::Device {
            device: self.device.to_string(),
            problem: format!(
                "step {} raised the flag of numbers that are not finite, but not again when replayed",
                self.step + slot as u64
            ),
            remedy: "the device does not compute the same twice: do not trust it".into(),
        })
    }

    fn first_bad(&mut self, op: &Op, section: Section, index: usize, step: &Step) -> Result<Option<Error>> {
        let written = op.kernel.bindings.iter().zip(&op.views).filter(|(binding, _)| binding.access == Access::Write);
        for (_, id) in written {
            let view = self.executor.plan().get(*id).clone();
            if self.executor.plan().allocation_of(*id).dtype != Dtype::F32 {
                continue;
            }
            // Rows beyond the live ones hold what earlier steps left there.
            let rows = if op.kernel.lane == Lane::BatchRow { step.rows as usize } else { view.shape.rows };
            let live = rows * view.shape.columns;
            let values = self.executor.read(*id, step.slot as usize)?.wait_f32()?;
            if let Some(at) = values[..live].iter().position(|value| !value.is_finite()) {
                return Ok(Some(Error::NotFinite {
                    step: self.step + u64::from(step.slot),
                    op: self.executor.plan().op_name(section, index),
                    layer: op.layer_name(),
                    row: at / view.shape.columns,
                    column: at % view.shape.columns,
                    view: view.name,
                    value: values[at],
                }));
            }
        }
        Ok(None)
    }
}
