//! What happens when a number becomes infinite or NaN.
//!
//! Kernels lower the flag to the index of the first bad step; from then on the optimizers change nothing, so that
//! the state is that before the step. The step is then replayed op by op, to name the op that began it.

use crate::error::{Error, Result};
use crate::exec::Run;
use crate::plan::{Access, Op, Section, Step};
use crate::shape::Dtype;
use crate::trainer::{InFlight, Trainer};

impl Trainer {
    /// What is wrong with a submission that lowered the flag to `bad`. Afterwards training stands where the bad step
    /// was to begin, as if nothing had been submitted since, but for its rows: those behind them come next.
    pub(super) fn not_finite(&mut self, submission: &InFlight, bad: u32) -> Result<Error> {
        let InFlight { steps, first, .. } = submission;
        // A flag that names no step of the submission is the first step's to explain.
        let index = if steps.iter().any(|step| step.index == bad) { bad } else { steps[0].index };
        self.step = first + u64::from(index.wrapping_sub(steps[0].index));
        // Later submissions, which found the flag lowered, have filled the window with other rows since. The order of an
        // epoch stays until all its submissions are settled.
        self.bring(&submission.brought)?;
        self.executor.submit(steps, &[Run { section: Section::Window, slot: 0 }])?;
        let error = self.replay(steps, index)?;
        // Training may go on from the state before the step, with other settings.
        self.executor.write(self.view("flag")?, 0, &[u32::MAX])?;
        let batches = steps.iter().filter(|step| step.index == index).map(|step| step.epoch_step as usize + 1);
        if let (Some(loaded), Some(used)) = (&mut self.loaded, batches.max()) {
            loaded.go_back(used * self.description.batch);
        }
        Ok(error)
    }

    /// Runs the ops of one step singly, until one puts out a number that is not finite.
    fn replay(&mut self, steps: &[Step], index: u32) -> Result<Error> {
        let once = |run: &Run| matches!(run.section, Section::Window | Section::Report);
        for run in Run::submission(steps) {
            if once(&run) || steps[run.slot].index != index {
                continue;
            }
            for number in 0..self.executor.plan().ops(run.section).len() {
                self.executor.submit_op(steps, run, number)?;
                let op = self.executor.plan().ops(run.section)[number].clone();
                if let Some(error) = self.first_bad(&op, run.section, number, &steps[run.slot])? {
                    return Ok(error);
                }
            }
        }
        Ok(Error::Device {
            device: self.device.to_string(),
            problem: format!(
                "step {} raised the flag of numbers that are not finite, but not again when replayed",
                self.step
            ),
            remedy: "the device does not compute the same twice: do not trust it".into(),
        })
    }

    fn first_bad(&mut self, op: &Op, section: Section, index: usize, step: &Step) -> Result<Option<Error>> {
        let computed = |access| matches!(access, Access::Write | Access::Accumulate);
        let written = op.kernel.bindings.iter().zip(&op.views).filter(|(binding, _)| computed(binding.access));
        for (_, id) in written {
            let view = self.executor.plan().get(*id).clone();
            if self.executor.plan().allocation_of(*id).dtype != Dtype::F32 {
                continue;
            }
            // Rows beyond the live ones hold what earlier steps left there.
            let [first, rows] = match op.most_rows() {
                Some(batch) if batch == view.shape.rows => [step.first_row as usize, step.rows as usize],
                _ => [0, view.shape.rows],
            };
            let live = rows * view.shape.columns;
            let values = self.executor.read(*id, step.slot as usize)?.wait_f32()?;
            if let Some(at) = values[..live].iter().position(|value| !value.is_finite()) {
                return Ok(Some(Error::NotFinite {
                    step: self.step,
                    op: self.executor.plan().op_name(section, index),
                    layer: op.layer_name(),
                    row: first + at / view.shape.columns,
                    column: at % view.shape.columns,
                    view: view.name,
                    value: values[at],
                }));
            }
        }
        Ok(None)
    }
}
