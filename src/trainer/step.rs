//! Steps on rows that the caller passes, for custom training loops.

use std::fmt;

use crate::data::check_weights;
use crate::error::{Error, Result, copied};
use crate::exec::{Run, Ticket};
use crate::lower::Reduction;
use crate::model::{Labels, check_finite, prepared, target_words};
use crate::plan::Section;
use crate::trainer::Trainer;
use crate::trainer::in_flight::{HostWrite, Losses, WeightedSteps, step_loss};

/// Loss of one step, which a GPU may still be computing.
pub struct StepLoss {
    ticket: Ticket,
    batches: usize,
}

impl fmt::Debug for StepLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepLoss").field("batches", &self.batches).finish_non_exhaustive()
    }
}

impl StepLoss {
    /// Waits for the loss and returns it: the mean over the step's rows, computed before the step's update.
    ///
    /// # Errors
    /// A device that does not answer.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// let loss: f32 = trainer.step(&[0.0, 0.0], &[1.0, 3.0])?.value()?;
    /// assert_eq!(loss, 5.0, "the first bias is 0, so the loss is (1² + 3²) / 2");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn value(self) -> Result<f32> {
        Ok(step_loss(&self.ticket.wait_f32()?[..self.batches]))
    }
}

impl Trainer {
    /// Takes one step on the given rows, of which there may be at most the batch size times the number of
    /// [accumulated](crate::trainer::Builder::accumulate) batches. Pass raw inputs and targets: the trainer scales
    /// them. A data set that was [loaded](Trainer::load) is unloaded.
    ///
    /// # Errors
    /// Rows, columns or targets that do not fit; a batch of one row with
    /// [batch normalization](crate::Layer::BatchNorm); targets whose scaling is not known yet; [`Error::NotFinite`],
    /// with the parameters from before the bad step; [`Error::StateNotFinite`] if an update overflows. On a GPU these
    /// last two errors may come from one of the two previous steps.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Device, Loss, Network, Sgd, Trainer};
    /// let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
    /// let mut trainer = builder.optimizer(Sgd::new(0.1)).build(&Device::cpu())?;
    /// for _ in 0..200 {
    ///     let loss = trainer.step(&[0.0, 1.0, 2.0], &[1.0, 3.0, 5.0])?;
    /// }
    /// assert!((trainer.predict(&[3.0])?[0] - 7.0).abs() < 0.1);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn step<'a>(&mut self, features: &[f32], targets: impl Into<Labels<'a>>) -> Result<StepLoss> {
        self.step_on(features, targets.into(), None)
    }

    /// Takes one step like [`Trainer::step`], with a weight per row, at least 0. The loss is the weighted mean Σ w·l /
    /// Σ w over the step's rows, as with [`Dataset::weighted`](crate::Dataset::weighted).
    ///
    /// # Errors
    /// As [`Trainer::step`]; a number of weights that differs from the number of rows; a weight that is negative or not
    /// finite.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
    /// # let mut trainer = builder.build(&Device::cpu())?;
    /// let loss = trainer.step_weighted(&[0.0, 0.0], &[1.0, 3.0], &[3.0, 1.0])?.value()?;
    /// assert_eq!(loss, 3.0, "the first bias is 0, so the loss is (3 · 1² + 1 · 3²) / 4");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn step_weighted<'a>(
        &mut self,
        features: &[f32],
        targets: impl Into<Labels<'a>>,
        weights: &[f32],
    ) -> Result<StepLoss> {
        self.step_on(features, targets.into(), Some(weights))
    }

    fn step_on(&mut self, features: &[f32], targets: Labels<'_>, weights: Option<&[f32]>) -> Result<StepLoss> {
        let (input, rows) = self.step_input(features)?;
        let target = self.step_targets(targets, rows)?;
        weights.map_or(Ok(()), |weights| check_weights("step", weights, rows))?;
        self.unload(if weights.is_some() { Reduction::WeightedMean } else { Reduction::Mean })?;
        let mut steps = WeightedSteps::default();
        steps.add(self.records(0, rows), rows, weights);
        let batches = steps.steps.len();
        let mut host_writes: Vec<HostWrite> = Vec::new();
        let weight = weights.map(|weights| ("weight", bytemuck::cast_slice(weights).to_vec()));
        for (name, words) in [("input", bytemuck::cast_vec(input)), ("target", target)].into_iter().chain(weight) {
            let each = words.len() / rows * self.spec.micro_batch;
            for (batch_index, part) in words.chunks(each).enumerate() {
                host_writes.push((name, batch_index, copied(name, part)?));
            }
        }
        self.submit(steps, host_writes, Losses::Caller)?;
        Ok(StepLoss { ticket: self.executor.read(self.view("loss")?, 0)?, batches })
    }

    /// Returns the scaled inputs of a step, and its number of rows.
    fn step_input(&self, features: &[f32]) -> Result<(Vec<f32>, usize)> {
        let input = prepared(&self.spec.network, self.preprocessing.as_ref(), features)?;
        let rows = input.len() / self.spec.network.inputs();
        let most = self.passed_rows_spec(Reduction::Mean).batch_size();
        if rows <= most {
            self.check_single_row("step", rows, self.batch)?;
            return Ok((input, rows));
        }
        Err(Error::Shape {
            place: "step".into(),
            found_what: "rows are".into(),
            found: rows,
            wanted_what: "a step has at most".into(),
            wanted: most,
            remedy: "give fewer rows, or build the trainer with a larger `batch` or `accumulate`".into(),
        })
    }

    /// Returns the scaled targets of a step's rows as words.
    fn step_targets(&self, targets: Labels<'_>, rows: usize) -> Result<Vec<u32>> {
        let scaled;
        let targets = match (targets, &self.target_scaling) {
            (Labels::Numbers(numbers), Some(scaling)) => {
                scaled = scaling.scaled(numbers)?;
                Labels::Numbers(&scaled)
            }
            (Labels::Numbers(_), None) if self.scale_targets => {
                let remedy = "load a data set before, or build the trainer with `target_scaling`";
                return Err(Error::conflict("step", "the scaling of the targets is not known yet", remedy));
            }
            (targets, _) => targets,
        };
        target_words(self.network(), self.spec.loss, targets, rows)
    }

    /// Takes one step on the given rows with a loss function that the closure `loss` computes on the host, for
    /// prototypes.
    ///
    /// The closure receives the outputs of the network, of shape `[rows, outputs]`, row-major: logits, or scaled
    /// numbers. It returns the loss of the step, and the gradient of this loss with respect to each output, in the same
    /// shape. This function returns the loss. Predictions and evaluations still use the builder's loss function.
    ///
    /// Otherwise the step is the same as that of [`Trainer::step`], with the same dropout and optimizer. It waits for
    /// the device, and computes the forward pass twice. ARCHITECTURE.md describes how to declare a loss function that
    /// runs on the device.
    ///
    /// # Errors
    /// As [`Trainer::step`]; outputs that are not finite; a loss or a gradient that is not finite, or a gradient of
    /// another length; [gradient accumulation](crate::trainer::Builder::accumulate).
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Device, Loss, Network, Sgd, Trainer};
    /// let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
    /// let mut trainer = builder.optimizer(Sgd::new(0.1)).build(&Device::cpu())?;
    /// // The fourth power of errors.
    /// let targets = [1.0, 3.0];
    /// let loss = trainer.step_with(&[0.0, 0.0], |outputs| {
    ///     let errors: Vec<f32> = outputs.iter().zip(targets).map(|(output, target)| output - target).collect();
    ///     let mean = errors.iter().map(|error| f64::from(error.powi(4))).sum::<f64>() / 2.0;
    ///     (mean, errors.iter().map(|error| 4.0 * error.powi(3) / 2.0).collect())
    /// })?;
    /// assert_eq!(loss, (1.0 + 81.0) / 2.0, "the first bias is 0");
    /// assert_eq!(trainer.gradients()?[1].values, [-2.0 - 54.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn step_with(&mut self, features: &[f32], loss: impl FnOnce(&[f32]) -> (f64, Vec<f32>)) -> Result<f64> {
        if self.accumulate > 1 {
            let problem = format!("a step has {} batches", self.accumulate);
            return Err(Error::conflict("step_with", problem, "build the trainer without `accumulate`"));
        }
        if let Some(mix) = self.spec.mix {
            let problem = format!("rows are mixed by {mix}, and the targets are not known here");
            return Err(Error::conflict("step_with", problem, "build the trainer without `mix`"));
        }
        let (input, rows) = self.step_input(features)?;
        self.unload(Reduction::Host)?;
        self.settle(0)?;
        let mut steps = WeightedSteps::default();
        steps.add(self.records(0, rows), rows, None);
        let (columns, input) = (self.spec.network.outputs(), bytemuck::cast_vec(input));
        let mut host_writes = vec![("input", 0, input), ("grad.output", 0, vec![0.0f32.to_bits(); rows * columns])];
        self.write_from_host(&host_writes)?;
        // This submission is for the outputs alone. With output gradients of 0, its backward pass computes zeros.
        self.executor.submit(&steps.steps, &[Run { section: Section::Gradients, batch_index: 0 }])?;
        let outputs = self.executor.read(self.view("output")?, 0)?.wait_f32()?;
        let outputs = &outputs[..rows * columns];
        check_finite("step_with", 0, columns, outputs.iter().copied())?;
        let (value, gradient) = loss(outputs);
        check_own_loss(value, &gradient, rows * columns)?;
        host_writes[1].2 = bytemuck::cast_vec(gradient);
        self.submit(steps, host_writes, Losses::Caller)?;
        Ok(value)
    }
}

/// Checks the loss and the gradient that the closure of [`Trainer::step_with`] returns. The gradient must have `wanted`
/// numbers.
fn check_own_loss(value: f64, gradient: &[f32], wanted: usize) -> Result<()> {
    if gradient.len() != wanted {
        return Err(Error::Shape {
            place: "step_with".into(),
            found_what: "the number of gradients is".into(),
            found: gradient.len(),
            wanted_what: "the number of outputs is".into(),
            wanted,
            remedy: "return the gradient by each output of each row".into(),
        });
    }
    if !value.is_finite() {
        return Err(Error::value("step_with", "the loss", value, "finite"));
    }
    match gradient.iter().position(|number| !number.is_finite()) {
        None => Ok(()),
        Some(at) => Err(Error::value("step_with", &format!("gradient {at}"), gradient[at], "finite")),
    }
}
