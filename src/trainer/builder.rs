//! Describes a training before it begins.

use std::collections::VecDeque;

use crate::data::Standardization;
use crate::device::Device;
use crate::error::{Error, Result, collected};
use crate::init::Init;
use crate::loss::Loss;
use crate::lower::{InputStorage, TrainingSpec};
use crate::model::{Tensor, evaluate_rows, write_parameters};
use crate::network::Network;
use crate::optim::{Adam, Optimizer};
use crate::schedule::Schedule;
use crate::specialize::{Tuning, TuningPolicy};
use crate::trainer::tuned::Planner;
use crate::trainer::{PendingLosses, Profile, SubmissionSizer, Trainer};

/// Describes a training; made by [`Trainer::builder`].
#[derive(Clone, Debug)]
pub struct Builder {
    network: Network,
    loss: Option<Loss>,
    optimizer: Optimizer,
    schedule: Schedule,
    clip_norm: Option<f64>,
    batch: usize,
    accumulate: usize,
    seed: u64,
    preprocessing: Option<Standardization>,
    scale_targets: bool,
    target_scaling: Option<Standardization>,
    steps_per_submission: Option<usize>,
    fused: bool,
    profile: bool,
    tuning: TuningPolicy,
}

impl Builder {
    pub(super) fn new(network: Network) -> Self {
        Self {
            network,
            loss: None,
            optimizer: Adam::default().into(),
            schedule: Schedule::Constant,
            clip_norm: None,
            batch: 64,
            accumulate: 1,
            seed: 0,
            preprocessing: None,
            scale_targets: false,
            target_scaling: None,
            steps_per_submission: None,
            fused: true,
            profile: false,
            tuning: TuningPolicy::default(),
        }
    }

    /// Sets the loss; there is no default, since it says what the targets mean.
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = Some(loss);
        self
    }

    /// Sets the optimizer, default [`Adam`] at 0.001.
    pub fn optimizer(mut self, optimizer: impl Into<Optimizer>) -> Self {
        self.optimizer = optimizer.into();
        self
    }

    /// Sets how the learning rate changes, default not at all.
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Scales gradients whose global norm is larger down to `norm`, as PyTorch's `clip_grad_norm_`.
    pub fn clip_norm(mut self, norm: f64) -> Self {
        self.clip_norm = Some(norm);
        self
    }

    /// Sets the batch size, default 64: the rows that pass through the network at once. A step has as many, or a multiple of
    /// them: see [`Builder::accumulate`]. On a data set with fewer rows a batch is all of them, and takes the memory of as many;
    /// only [`Trainer::step`] makes room for a batch as large as this.
    pub fn batch(mut self, rows: usize) -> Self {
        self.batch = rows;
        self
    }

    /// Sets the batches of a step, default 1, at most 1024. Their gradients are added before the optimizer takes them, so
    /// that a step is one with a batch of `batches` times the rows, to the same dropout, but for how sums are rounded, and
    /// with the activations of a single batch in memory. The last step of an epoch may have fewer.
    pub fn accumulate(mut self, batches: usize) -> Self {
        self.accumulate = batches;
        self
    }

    /// Sets the seed of initialisation, shuffling and dropout, default 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Scales inputs, which stay raw everywhere outside; fit it on the training part alone.
    pub fn preprocessing(mut self, standardization: Standardization) -> Self {
        self.preprocessing = Some(standardization);
        self
    }

    /// Scales target columns to mean 0 and standard deviation 1 while training with mean squared error, default off: prices
    /// in the hundred thousands then train as well as sizes in metres. The scaling is fitted on the first data set that is
    /// trained on, and is stored in the model. Predictions, evaluations, and the losses of a [`Fit`](crate::Fit) are in the
    /// targets' units: training losses for a single target column, while those of several are means over the scaled columns.
    /// [`Trainer::step`], [`Trainer::advance`] and gradients are of the loss on scaled targets.
    ///
    /// ```
    /// use wgrad::{Dataset, Device, Fit, Loss, Network, Trainer};
    /// let prices = Dataset::from_rows([[0.0], [1.0], [2.0], [3.0]], [100_000.0, 200_000.0, 300_000.0, 400_000.0])?;
    /// let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::MeanSquaredError).scale_targets();
    /// let mut trainer = builder.optimizer(wgrad::Adam::new(0.1)).build(&Device::cpu())?;
    /// trainer.fit(&prices, Fit::epochs(300))?;
    /// assert!((trainer.predict(&[1.5])?[0] - 250_000.0).abs() < 100.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn scale_targets(mut self) -> Self {
        self.scale_targets = true;
        self
    }

    /// [`Builder::scale_targets`] with a scaling that is known before any data set is.
    pub fn target_scaling(mut self, standardization: Standardization) -> Self {
        self.target_scaling = Some(standardization);
        self.scale_targets()
    }

    /// Sets the steps of one submission. Without it there are as many as make a window of a few megabytes, and on a GPU no
    /// more than a tenth of a second is long enough for, by a clock that begins with a submission of one step. What a
    /// number of steps results in does not depend on it; how many [`Trainer::advance`] takes does.
    pub fn steps_per_submission(mut self, steps: usize) -> Self {
        self.steps_per_submission = Some(steps);
        self
    }

    /// Notes when each op of each step ran: see [`Trainer::profile`]. Ops then run one after the other, so that training
    /// takes longer, to the same bits: on a GPU each is a pass of its own, timed by the device; on the CPU it has the host's
    /// clock, and rows do not go through several ops while they are in cache. A GPU is opened anew for it.
    pub fn profile(mut self) -> Self {
        self.profile = true;
        self
    }

    /// Cuts a GPU's products as a tuning says, and by the heuristic where it says nothing. Without it nothing is looked for
    /// on disk: a training's bits depend on no file that nobody has named. Whichever tiles there are, a checkpoint has
    /// them.
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = TuningPolicy::Pinned(tuning);
        self
    }

    /// The same where the device and the shapes allow it: what does not fit is left to the heuristic, and told by
    /// [`Trainer::tuned`]. On the CPU it says nothing.
    pub fn suggest_tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = TuningPolicy::Suggested(tuning);
        self
    }

    /// Trains with primitive ops instead of fused ones: slower, and the same within rounding.
    pub fn primitive(mut self) -> Self {
        self.fused = false;
        self
    }

    /// Checks everything, takes memory for parameters and the optimizer's state on `device`, and draws the initial parameters.
    /// What a step needs depends on how many rows there are: memory for it is taken by [`Trainer::load`], or by the first
    /// [`Trainer::step`].
    ///
    /// # Errors
    /// Parts that are missing, wrong, or do not go together; a device that cannot hold the parameters, tell times for a
    /// profile, or cut products as a pinned tuning says; sizes beyond the device's limits.
    pub fn build(self, device: &Device) -> Result<Trainer> {
        let loss = self.loss.ok_or_else(|| Error::conflict("trainer", "no loss is set", "add `.loss(…)`"))?;
        if self.steps_per_submission == Some(0) {
            return Err(Error::value("trainer", "steps_per_submission", 0, "at least 1"));
        }
        if self.scale_targets && loss != Loss::MeanSquaredError {
            let problem = format!("targets are to be scaled, but {loss} needs them as they are");
            return Err(Error::conflict("trainer", problem, "leave `.scale_targets()` out, or use mean_squared_error"));
        }
        self.schedule.check()?;
        check_columns("preprocessing", self.preprocessing.as_ref(), "input", self.network.inputs())?;
        check_columns("target scaling", self.target_scaling.as_ref(), "output", self.network.outputs())?;
        let device = &if self.profile { device.clone().timed()? } else { device.clone() };
        // Before anything is made of its sizes.
        self.network.check()?;
        let spec = TrainingSpec {
            clip_norm: self.clip_norm,
            accumulate: self.accumulate,
            evaluate_rows: evaluate_rows(&self.network, device),
            ..TrainingSpec::new(self.network, loss, self.optimizer, self.batch)
        };
        let planner = Planner::new(self.tuning, self.fused, &spec, device.target())?;
        let mut executor = device.executor(planner.plan_at_rest(&spec)?)?;
        // What steps need beyond that, so that none of them waits for a compiler; the host has none.
        let steps = [(None, InputStorage::Numbers), (Some(1), InputStorage::Numbers), (Some(1), InputStorage::Bytes)];
        for (data_rows, data_inputs) in steps.into_iter().filter(|_| device.is_gpu()) {
            let spec = TrainingSpec { data_rows, data_inputs, ..spec.clone() };
            executor.prepare(&planner.plan(&spec)?)?;
        }
        write_parameters(executor.as_mut(), &initial_parameters(&spec.network, self.seed)?)?;
        Ok(Trainer {
            batch: spec.micro_batch,
            accumulate: spec.accumulate,
            at_rest: true,
            spec,
            planner,
            schedule: self.schedule,
            seed: self.seed,
            device: device.clone(),
            executor,
            preprocessing: self.preprocessing,
            scale_targets: self.scale_targets,
            target_scaling: self.target_scaling,
            columns: None,
            classes: None,
            targets: Vec::new(),
            steps_per_submission: self.steps_per_submission,
            step: 0,
            epoch: 0,
            loaded: None,
            in_flight: VecDeque::new(),
            pending_losses: PendingLosses::default(),
            sizer: SubmissionSizer::default(),
            profile: self.profile.then(Profile::new),
            checkpoint_folder: None,
        })
    }
}

/// Checks that a scaling has as many columns as the network has.
pub(super) fn check_columns(place: &str, scaling: Option<&Standardization>, what: &str, wanted: usize) -> Result<()> {
    let Some(found) = scaling.map(Standardization::columns).filter(|found| *found != wanted) else { return Ok(()) };
    Err(Error::Shape {
        place: place.into(),
        found_what: "columns are".into(),
        found,
        wanted_what: format!("the network's {what} columns are"),
        wanted,
        remedy: format!("fit the {place} on the same columns"),
    })
}

/// Weights drawn as the layers say, biases zero.
fn initial_parameters(network: &Network, seed: u64) -> Result<Vec<Tensor>> {
    let mut parameters = Vec::new();
    for (number, dense, inputs) in network.dense_layers() {
        let following = network.activation_after(number);
        let init = dense.init.unwrap_or_else(|| Init::default_before(following));
        let values = init.weights(inputs, dense.outputs, following, seed, number as u32)?;
        parameters.push(Tensor { name: format!("layer{number}.weight"), shape: vec![dense.outputs, inputs], values });
        if dense.bias {
            let values = collected("biases", dense.outputs, std::iter::repeat_n(0.0, dense.outputs))?;
            parameters.push(Tensor { name: format!("layer{number}.bias"), shape: vec![dense.outputs], values });
        }
    }
    Ok(parameters)
}
