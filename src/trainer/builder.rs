//! Builder of a trainer.

use std::collections::VecDeque;

use crate::data::Standardization;
use crate::device::Device;
use crate::error::{Error, Result, collected};
use crate::loss::Loss;
use crate::lower::{InputStorage, TrainingSpec};
use crate::mix::Mix;
use crate::model::{Tensor, evaluate_rows};
use crate::network::{Initial, Network};
use crate::optim::{Adam, Average, Optimizer, ParameterGroup};
use crate::schedule::Schedule;
use crate::specialize::{Tuning, TuningPolicy};
use crate::trainer::tuned::Planner;
use crate::trainer::{PendingLosses, Profile, SubmissionSizer, Trainer};

/// Builder of a [`Trainer`]: the network and all settings of its training. [`Trainer::builder`] creates one.
///
/// # Examples
/// ```
/// use wgrad::{Adam, Device, Loss, Network, Schedule, Trainer};
/// let trainer = Trainer::builder(Network::input(4).dense(16).relu().dense(3))
///     .loss(Loss::softmax_cross_entropy())
///     .optimizer(Adam::new(0.01))
///     .schedule(Schedule::cosine(500))
///     .batch(32)
///     .seed(7)
///     .build(&Device::cpu())?;
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    network: Network,
    loss: Option<Loss>,
    optimizer: Optimizer,
    schedule: Schedule,
    groups: Vec<ParameterGroup>,
    average: Option<Average>,
    mix: Option<Mix>,
    clip_norm: Option<f64>,
    clip_tensor_norm: Option<f64>,
    clip_value: Option<f64>,
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

// Rustdoc lists the functions of `Trainer` in the order of the modules. This module is the first, so `builder` leads.
impl Trainer {
    /// Creates a builder with the settings for training `network`.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Device, Loss, Network, Trainer};
    /// let builder = Trainer::builder(Network::input(2).dense(8).relu().dense(1));
    /// let trainer = builder.loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn builder(network: Network) -> Builder {
        Builder::new(network)
    }
}

impl Builder {
    pub(super) fn new(network: Network) -> Self {
        Self {
            network,
            loss: None,
            optimizer: Adam::default().into(),
            schedule: Schedule::Constant,
            groups: Vec::new(),
            average: None,
            mix: None,
            clip_norm: None,
            clip_tensor_norm: None,
            clip_value: None,
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

    /// Sets the loss function. There is no default.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error());
    /// let trainer = builder.build(&Device::cpu())?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = Some(loss);
        self
    }

    /// Sets the optimizer, default [`Adam`] at a learning rate of 0.001.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let trainer = builder.optimizer(wgrad::Sgd::new(0.1).momentum(0.9)).build(&Device::cpu())?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn optimizer(mut self, optimizer: impl Into<Optimizer>) -> Self {
        self.optimizer = optimizer.into();
        self
    }

    /// Sets the learning rate schedule, default [`Schedule::Constant`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// use wgrad::Schedule;
    /// // The learning rate of step t is 0.99ᵗ times the optimizer's.
    /// let trainer = builder.schedule(Schedule::from_fn(1000, |step| 0.99f64.powf(step as f64))).build(&Device::cpu())?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn schedule(mut self, schedule: Schedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Adds a parameter group: settings for some parameters alone. It can freeze them, multiply their learning rate by
    /// a factor, leave out weight decay, add penalties, or limit norms. If two groups set the same for a parameter, the
    /// later group counts. By default all parameters have the optimizer's settings.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// use wgrad::ParameterGroup;
    /// let builder = Trainer::builder(Network::input(2).dense(4).tanh().dense(1)).loss(Loss::binary_cross_entropy());
    /// let mut trainer = builder.group(ParameterGroup::of("0").frozen()).build(&Device::cpu())?;
    /// let before = trainer.parameters()?;
    /// trainer.fit(&data::xor(), wgrad::Fit::epochs(3))?;
    /// let after = trainer.parameters()?;
    /// assert_eq!(before[..2], after[..2], "layer 0 is frozen");
    /// assert_ne!(before[2..], after[2..]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn group(mut self, group: ParameterGroup) -> Self {
        self.groups.push(group);
        self
    }

    /// Averages the parameters over the steps. Evaluations, predictions, the choice of the best epoch and the model
    /// then use the average. [`Trainer::parameters`] still returns the parameters without averaging. Off by default.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let mut trainer = builder.average(wgrad::Average::ema(0.99)).build(&Device::cpu())?;
    /// trainer.fit(&data::xor(), wgrad::Fit::epochs(3))?;
    /// let model = trainer.model()?;
    /// assert_eq!(model.parameters, trainer.averaged_parameters()?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn average(mut self, average: Average) -> Self {
        self.average = Some(average);
        self
    }

    /// Mixes the rows of each batch in training: [mixup or CutMix](Mix). Off by default.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let mut trainer = builder.mix(wgrad::Mix::mixup(0.2)).build(&Device::cpu())?;
    /// trainer.fit(&data::xor(), wgrad::Fit::epochs(3))?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn mix(mut self, mix: Mix) -> Self {
        self.mix = Some(mix);
        self
    }

    /// Clips the gradients: if their global norm exceeds `norm`, all gradients are scaled so that the norm equals
    /// `norm`, as in PyTorch's `clip_grad_norm_`. Off by default. Cannot be combined with [`Builder::clip_value`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let trainer = builder.clip_norm(1.0).build(&Device::cpu())?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn clip_norm(mut self, norm: f64) -> Self {
        self.clip_norm = Some(norm);
        self
    }

    /// Clips the gradients of each tensor by their own norm: if it exceeds `norm`, they are scaled so that it equals
    /// `norm`, as with PyTorch's `clip_grad_norm_` on each tensor alone, and as Keras's `clipnorm`. Off by default.
    /// Cannot be combined with [`Builder::clip_norm`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let trainer = builder.clip_tensor_norm(1.0).build(&Device::cpu())?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn clip_tensor_norm(mut self, norm: f64) -> Self {
        self.clip_tensor_norm = Some(norm);
        self
    }

    /// Clips each element of the gradients to ±`value`, as PyTorch's `clip_grad_value_`. Off by default. Cannot be
    /// combined with [`Builder::clip_norm`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let trainer = builder.clip_value(0.5).build(&Device::cpu())?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn clip_value(mut self, value: f64) -> Self {
        self.clip_value = Some(value);
        self
    }

    /// Sets the batch size, default 64: the number of rows that pass through the network at once.
    ///
    /// A step has one batch, or several with [gradient accumulation](Builder::accumulate). If the data set has fewer
    /// rows than a batch, memory is allocated for these rows only. [`Trainer::step`] always allocates memory for a full
    /// batch.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let mut trainer = builder.batch(2).build(&Device::cpu())?;
    /// trainer.fit(&data::xor(), wgrad::Fit::epochs(1))?;
    /// assert_eq!(trainer.steps(), 2, "4 rows in batches of 2");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn batch(mut self, rows: usize) -> Self {
        self.batch = rows;
        self
    }

    /// Sets the number of batches per step, default 1, at most 1024. This is gradient accumulation: the gradients of
    /// these batches are added up before the optimizer uses them.
    ///
    /// Except for rounding, a step with n batches gives the same result as a step with one n times larger batch,
    /// including dropout. [Batch normalization](crate::Layer::BatchNorm) is an exception: it uses the statistics of
    /// each batch. So are [mixed rows](Builder::mix), whose pairs are of one batch. A step needs memory for the
    /// activations of one batch only. The last step of an epoch may have fewer
    /// batches.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let mut trainer = builder.batch(2).accumulate(2).build(&Device::cpu())?;
    /// trainer.fit(&data::xor(), wgrad::Fit::epochs(1))?;
    /// assert_eq!(trainer.steps(), 1, "4 rows in one step of 2 batches");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn accumulate(mut self, batches: usize) -> Self {
        self.accumulate = batches;
        self
    }

    /// Sets the seed of initialization, shuffling, dropout and mixing, default 0.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let [mut one, mut same] = [builder.clone().seed(7).build(&Device::cpu())?, builder.seed(7).build(&Device::cpu())?];
    /// assert_eq!(one.parameters()?, same.parameters()?);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the scaling of inputs; by default they are not scaled. All functions of the trainer take raw inputs and
    /// scale them. Fit the scaling on the training set alone.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let train = data::xor();
    /// let trainer = builder.preprocessing(wgrad::Standardization::fit(&train)?).build(&Device::cpu())?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn preprocessing(mut self, standardization: Standardization) -> Self {
        self.preprocessing = Some(standardization);
        self
    }

    /// Scales each target column to mean 0 and standard deviation 1 for training. Off by default. The loss function
    /// must allow it; see [`Loss::scales_targets`].
    ///
    /// Prices in the hundred thousands then train as well as sizes in meters. The scaling is fitted on the first data
    /// set that the trainer trains on, and is stored in the model.
    ///
    /// Predictions, evaluations and the losses of a [`Fit`](crate::Fit) are in the targets' units. With several target
    /// columns, training losses are means over the scaled columns instead. [`Trainer::step`], [`Trainer::advance`] and
    /// gradients use the loss on scaled targets.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, Device, Fit, Loss, Network, Trainer};
    /// let prices = Dataset::from_rows([[0.0], [1.0], [2.0], [3.0]], [100_000.0, 200_000.0, 300_000.0, 400_000.0])?;
    /// let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error()).scale_targets();
    /// let mut trainer = builder.optimizer(wgrad::Adam::new(0.1)).build(&Device::cpu())?;
    /// trainer.fit(&prices, Fit::epochs(300))?;
    /// assert!((trainer.predict(&[1.5])?[0] - 250_000.0).abs() < 100.0);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn scale_targets(mut self) -> Self {
        self.scale_targets = true;
        self
    }

    /// Scales targets like [`Builder::scale_targets`], with this scaling instead of a fitted one.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
    /// let scaling = wgrad::Standardization::new(vec![250_000.0], vec![100_000.0])?;
    /// let trainer = builder.target_scaling(scaling).build(&Device::cpu())?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn target_scaling(mut self, standardization: Standardization) -> Self {
        self.target_scaling = Some(standardization);
        self.scale_targets()
    }

    /// Sets the number of steps per submission: the steps that are sent to the device at once.
    ///
    /// By default, the inputs of these steps take at most a few megabytes. On a GPU a submission also lasts at most
    /// about a tenth of a second. The first submission has one step, and its measured time determines the size of the
    /// next. The results have the same bits for any number of steps per submission.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let mut trainer = builder.batch(1).steps_per_submission(3).build(&Device::cpu())?;
    /// trainer.load(&data::xor())?;
    /// assert_eq!(trainer.advance()?.losses.len(), 3);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn steps_per_submission(mut self, steps: usize) -> Self {
        self.steps_per_submission = Some(steps);
        self
    }

    /// Measures the time of each op; see [`Trainer::profile`].
    ///
    /// Ops then run one after another. Training takes longer and gives the same bits. On a GPU the device's clock
    /// measures each op. The GPU is reopened for this, with timestamps. On the CPU the host's clock measures each op.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let mut trainer = builder.profile().build(&Device::cpu())?;
    /// trainer.fit(&data::xor(), wgrad::Fit::epochs(1))?;
    /// for op in trainer.profile().unwrap().ops() {
    ///     println!("{}: {} s", op.kernel, op.secs);
    /// }
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn profile(mut self) -> Self {
        self.profile = true;
        self
    }

    /// Uses the tile sizes of a tuning for a GPU's matrix multiplications. A heuristic chooses the tile sizes that the
    /// tuning does not contain. An entry that the device or the shapes do not allow is an error of [`Builder::build`].
    ///
    /// The library never searches for a tuning file by itself, so results depend only on the tuning that a program
    /// passes. Checkpoints store the tile sizes.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// use wgrad::tune::Tuning;
    /// let trainer = builder.tuning(Tuning::default()).build(&Device::cpu())?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = TuningPolicy::Pinned(tuning);
        self
    }

    /// Uses the tile sizes of a tuning, except those that the device or the shapes do not allow. [`Trainer::tuned`]
    /// returns the ignored entries. On the CPU this has no effect, since the CPU needs no tile sizes.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// use wgrad::tune::Tuning;
    /// let trainer = builder.suggest_tuning(Tuning::default()).build(&Device::cpu())?;
    /// assert!(trainer.tuned()?.ignored.is_empty());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn suggest_tuning(mut self, tuning: Tuning) -> Self {
        self.tuning = TuningPolicy::Suggested(tuning);
        self
    }

    /// Trains with primitive ops, one per mathematical operation, instead of fused ones. This is slower, and gives the
    /// same results except for rounding.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let trainer = builder.primitive().build(&Device::cpu())?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn primitive(mut self) -> Self {
        self.fused = false;
        self
    }

    /// Checks all settings, allocates parameters and optimizer state on `device`, and draws the initial parameters.
    ///
    /// The memory for steps depends on the number of rows. [`Trainer::load`] or the first [`Trainer::step`] allocates
    /// it.
    ///
    /// # Errors
    /// Settings that are missing, wrong or in conflict; a device that cannot hold the parameters, measure times for a
    /// profile, or use the tile sizes of [`Builder::tuning`]; sizes beyond the device's limits.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// let trainer = builder.build(&Device::cpu())?;
    /// let error = Trainer::builder(Network::input(2).dense(2)).build(&Device::cpu()).unwrap_err();
    /// assert_eq!(error.to_string(), "trainer: no loss is set; add `.loss(…)`");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn build(self, device: &Device) -> Result<Trainer> {
        let loss = self.loss.ok_or_else(|| Error::conflict("trainer", "no loss is set", "add `.loss(…)`"))?;
        if self.steps_per_submission == Some(0) {
            return Err(Error::value("trainer", "steps_per_submission", 0, "at least 1"));
        }
        if self.scale_targets && !loss.scales_targets() {
            let problem = format!("{loss} cannot be used with scaled targets");
            return Err(Error::conflict("trainer", problem, "remove `.scale_targets()`, or use mean_squared_error"));
        }
        self.schedule.check()?;
        self.optimizer.check_schedule(&self.schedule)?;
        check_columns("preprocessing", self.preprocessing.as_ref(), "input", self.network.inputs())?;
        let target_columns = loss.target_columns(self.network.outputs());
        check_columns("target scaling", self.target_scaling.as_ref(), "target", target_columns)?;
        let device = &if self.profile { device.clone().timed()? } else { device.clone() };
        // Checked here, before the sizes of the network's layers are used.
        self.network.check()?;
        let spec = TrainingSpec {
            groups: self.groups,
            average: self.average,
            mix: self.mix,
            clip_norm: self.clip_norm,
            clip_tensor_norm: self.clip_tensor_norm,
            clip_value: self.clip_value,
            accumulate: self.accumulate,
            evaluate_rows: evaluate_rows(&self.network, device),
            ..TrainingSpec::new(self.network, loss, self.optimizer, self.batch)
        };
        let planner = Planner::new(self.tuning, self.fused, &spec, device.limits())?;
        let mut executor = device.executor(planner.evaluation_plan(&spec)?)?;
        // Compile the shaders of steps now, so that no step waits for them. The CPU has none.
        let steps = [(None, InputStorage::Numbers), (Some(1), InputStorage::Numbers), (Some(1), InputStorage::Bytes)];
        for (data_rows, data_inputs) in steps.into_iter().filter(|_| device.is_gpu()) {
            let spec = TrainingSpec { data_rows, data_inputs, ..spec.clone() };
            executor.prepare(&planner.plan(&spec)?)?;
        }
        let parameters = initial_parameters(&spec.network, self.seed)?;
        let mut trainer = Trainer {
            batch: spec.micro_batch,
            accumulate: spec.accumulate,
            built_learning_rate: spec.optimizer.learning_rate(),
            needs_step_plan: true,
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
        };
        trainer.write_parameters(&parameters)?;
        Ok(trainer)
    }
}

/// Checks that a scaling has the network's number of columns.
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

/// Returns the initial parameters of a network: random weights, and constants for all other parameters.
fn initial_parameters(network: &Network, seed: u64) -> Result<Vec<Tensor>> {
    let mut parameters = Vec::new();
    for (number, tensor) in network.tensors() {
        let name = format!("layer{number}.{}", tensor.name);
        let values = match tensor.initial {
            Initial::Weights(init) => {
                let following = network.activation_after(number);
                let init = init.unwrap_or_else(|| network.default_init(number));
                let [outputs, inputs] = [tensor.shape.first(), tensor.shape.last()].map(|n| n.copied().unwrap_or(1));
                init.weights(inputs, outputs, following, seed, number as u32)?
            }
            Initial::Constant(value) => {
                collected(&name, tensor.elements(), std::iter::repeat_n(value, tensor.elements()))?
            }
        };
        parameters.push(Tensor { name, shape: tensor.shape, values });
    }
    Ok(parameters)
}
