//! Submissions in flight: groups of steps that were sent to the device, and whose losses and errors the host does not
//! know yet.
//!
//! A GPU receives the next submissions before earlier ones are done. [`Executor::in_flight`] returns the number of
//! submissions that may be unfinished. After each submission, the host starts to read the losses, and the flag that
//! reports numbers that are not finite. It waits for these only after it has made newer submissions. The number of
//! submissions in flight affects only when the host receives losses and errors, not the results.
//!
//! [`Executor::in_flight`]: crate::exec::Executor::in_flight

use std::time::Instant;

use crate::error::Result;
use crate::exec::{Run, Ticket};
use crate::plan::Step;
use crate::trainer::Trainer;

/// Submission in flight.
pub(super) struct InFlight {
    /// Step records of the submission, one per batch.
    pub(super) steps: Vec<Step>,
    /// Index of the submission's first step, counted since training began.
    pub(super) first: u64,
    /// Sum of the weights of the rows of each step; without weights the number of rows.
    pub(super) weights: Vec<f64>,
    /// Words that the host wrote for the submission.
    pub(super) host_writes: Vec<HostWrite>,
    /// Time of the submission.
    at: Instant,
    flag: Ticket,
    /// Readback of the losses; `None` if the caller of [`Trainer::step`] receives the loss.
    losses: Option<Ticket>,
}

/// Words that the host writes for a submission: name of the view, index of the batch in the submission, and the words.
pub(super) type HostWrite = (&'static str, usize, Vec<u32>);

/// Returns the loss of a step, the mean over all its rows, by adding up the contributions of its batches.
pub(super) fn step_loss(losses: &[f32]) -> f32 {
    losses.iter().map(|loss| f64::from(*loss)).sum::<f64>() as f32
}

/// Losses of steps that the host has received but not returned to the caller yet.
#[derive(Default)]
pub(super) struct PendingLosses {
    pub(super) losses: Vec<f32>,
    /// Number of rows of each step.
    pub(super) rows: Vec<usize>,
    /// Sum of the weights of each step's rows: the weight of the step in a mean of losses.
    pub(super) weights: Vec<f64>,
}

/// Records of steps, and the sum of the weights of the rows of each step.
#[derive(Default)]
pub(super) struct WeightedSteps {
    pub(super) steps: Vec<Step>,
    pub(super) weights: Vec<f64>,
}

impl WeightedSteps {
    /// Adds a step, given by the records of its batches and the number of its rows. If its rows have weights, the loss
    /// of the step is their weighted mean: `loss_scale` becomes 1 / Σ weight, or 0 if all weights are 0.
    pub(super) fn add(&mut self, batches: impl Iterator<Item = Step>, rows: usize, weights: Option<&[f32]>) {
        let weight = weights.map_or(rows as f64, |weights| weights.iter().map(|weight| f64::from(*weight)).sum());
        let loss_scale = if weight > 0.0 { (1.0 / weight) as f32 } else { 0.0 };
        self.steps.extend(batches.map(|batch| Step { loss_scale, ..batch }));
        self.weights.push(weight);
    }
}

/// Receiver of the losses of a submission.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Losses {
    /// The trainer, for [`Trainer::advance`].
    Trainer,
    /// The caller of [`Trainer::step`], which gets a [`StepLoss`](crate::trainer::StepLoss).
    Caller,
}

impl Trainer {
    /// Writes the host's words, and submits the steps: the section `window`, then the gradients and the update of each
    /// step, then `report`. Then waits until no more submissions are in flight than the executor allows.
    pub(super) fn submit(&mut self, steps: WeightedSteps, host_writes: Vec<HostWrite>, losses: Losses) -> Result<()> {
        let WeightedSteps { steps, weights } = steps;
        self.write_from_host(&host_writes)?;
        let at = Instant::now();
        let runs = Run::submission(&steps);
        match &mut self.profile {
            Some(profile) => {
                let at = profile.now();
                let spans = self.executor.submit_timed(&steps, &runs)?;
                profile.add(self.executor.plan(), at, &spans);
            }
            None => self.executor.submit(&steps, &runs)?,
        }
        let flag = self.executor.read(self.view("flag")?, 0)?;
        let losses = match losses {
            Losses::Trainer => Some(self.executor.read(self.view("loss")?, 0)?),
            Losses::Caller => None,
        };
        let first = self.step;
        self.step += Step::groups(&steps).count() as u64;
        self.in_flight.push_back(InFlight { steps, first, weights, host_writes, at, flag, losses });
        self.settle(self.executor.in_flight())
    }

    /// Writes the words that a submission needs from the host.
    pub(super) fn write_from_host(&mut self, host_writes: &[HostWrite]) -> Result<()> {
        host_writes
            .iter()
            .try_for_each(|(name, batch_index, words)| self.executor.write(self.view(name)?, *batch_index, words))
    }

    /// Waits until at most `most` submissions are in flight, and adds the losses of finished ones to the pending
    /// losses.
    ///
    /// # Errors
    /// A device that does not answer; a number that is not finite.
    pub(super) fn settle(&mut self, most: usize) -> Result<()> {
        while self.in_flight.len() > most {
            let Some(oldest) = self.in_flight.pop_front() else { break };
            let settled = self.settle_one(oldest);
            if settled.is_err() {
                // After a bad step, later submissions have changed nothing. On a lost device, they never finish.
                self.in_flight.clear();
                return settled;
            }
        }
        Ok(())
    }

    fn settle_one(&mut self, mut submission: InFlight) -> Result<()> {
        let mut flag = std::mem::replace(&mut submission.flag, Ticket::ready(Vec::new()));
        let waited = !flag.poll()?;
        let flag = flag.wait()?[0];
        self.sizer.note(submission.at, Instant::now(), waited, Step::groups(&submission.steps).count());
        if flag != u32::MAX {
            return Err(self.not_finite(&submission, flag)?);
        }
        if let Some(losses) = submission.losses {
            let losses = losses.wait_f32()?;
            let mut rest = losses.as_slice();
            for batches in Step::groups(&submission.steps) {
                let (own, others) = rest.split_at(batches.len());
                self.pending_losses.losses.push(step_loss(own));
                self.pending_losses.rows.push(batches.iter().map(|batch| batch.rows as usize).sum());
                rest = others;
            }
            self.pending_losses.weights.append(&mut submission.weights);
        }
        Ok(())
    }
}
