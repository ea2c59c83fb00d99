//! Network, loss and optimizer: their options, and the defaults of each data set.

use clap::{Arg, Args, ValueEnum};
use serde::Serialize;
use wgrad::lower::TrainingSpec;
use wgrad::trainer::Builder;
use wgrad::{AdamW, Dataset, Error, Init, Loss, Network, Optimizer, Result};

use super::columns::{Columns, Task};
use super::data;
use super::help::with_default;
use super::names::names;
use super::numbers::{count, number};

/// Options that all commands with a network share.
#[derive(Args)]
pub struct Options {
    /// Hidden layers, "64 relu 32 relu"
    ///
    /// "128 relu dropout(0.2) 64 relu" is an example; "" is none. 128 is a dense layer of 128 units with bias;
    /// dense(128, bias=false, init=he_normal) sets its options (`wgrad list initializations`). Activation functions are
    /// relu, leaky_relu(0.01), gelu, silu, mish, elu, selu, tanh, sigmoid, softplus, …: `wgrad list activations`. In
    /// training, dropout(0.2) drops each unit with probability 0.2. batch_norm normalizes each unit over the batch;
    /// layer_norm and rms_norm normalize each row over its units: `wgrad list layers`. A residual block in brackets
    /// adds its input to its output, as in "64 relu [64 relu 64] relu". The output layer is added automatically.
    #[arg(long, alias = "network", value_name = "LAYERS", help_heading = "Network", allow_negative_numbers = true)]
    pub hidden: Option<String>,
    /// Initialization of weights [default: by activation]
    ///
    /// For dense layers without init of their own, the output layer too. The default is he_uniform before relu and
    /// functions like it, zeros at the end of a residual block, else xavier_uniform. `wgrad list initializations`
    /// prints all.
    #[arg(long, value_name = "NAME", help_heading = "Network", hide_short_help = true)]
    #[arg(value_parser = names::<Init>(&Init::NAMES), hide_possible_values = true)]
    pub init: Option<Init>,
    /// Loss function
    ///
    /// softmax_cross_entropy is for classes, mean_squared_error for numbers, binary_cross_entropy for two classes or
    /// numbers from 0 to 1; short names are cross_entropy, mse and bce. Parameters are in parentheses, as in
    /// "huber(delta=0.5)". `wgrad list losses` prints all, with their tasks.
    #[arg(long, value_name = "NAME", value_parser = names::<Loss>(&Loss::NAMES), hide_possible_values = true)]
    #[arg(help_heading = "Network")]
    pub loss: Option<Loss>,
    /// Optimizer: adam, rmsprop, sgd, … [default: adamw]
    ///
    /// Settings are in parentheses, as in "rmsprop(alpha=0.9, centered=true)". sgd_momentum is sgd with a momentum of
    /// 0.9. Upper and lower case are the same. `wgrad list optimizers` prints all names, settings and defaults.
    #[arg(long, value_name = "NAME", value_parser = names::<Optimizer>(&Optimizer::NAMES))]
    #[arg(hide_possible_values = true, help_heading = "Training")]
    pub optimizer: Option<Optimizer>,
    /// Learning rate
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, help_heading = "Training")]
    pub learning_rate: Option<f64>,
    /// Weight decay [default: adamw 0.01, others 0]
    ///
    /// For a table, without --optimizer and without `--preset fast`, the default is 0.1.
    ///
    /// adamw, adamw_schedule_free, adan, lamb and lion shrink the parameters directly (decoupled). Others add X times
    /// the parameter to its gradient (L2); nadam and radam have an option `decoupled`. It applies to weights and
    /// biases;
    /// --no-decay of `wgrad train` excludes some.
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true)]
    #[arg(help_heading = "Training", hide_short_help = true)]
    pub weight_decay: Option<f64>,
    /// Momentum of sgd or rmsprop [default: 0; sgd_momentum: 0.9]
    ///
    /// It needs --optimizer sgd, sgd_momentum or rmsprop.
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true)]
    #[arg(help_heading = "Training", hide_short_help = true)]
    pub momentum: Option<f64>,
    #[command(flatten)]
    pub clipping: Clipping,
    /// Batch size in rows
    #[arg(long, value_name = "ROWS", value_parser = count, allow_negative_numbers = true, help_heading = "Training")]
    pub batch: Option<usize>,
}

/// Gradient clipping, of one kind at most.
#[derive(Args, Clone, Copy, Default, Serialize)]
pub struct Clipping {
    /// Gradient clipping: largest global norm [default: none]
    ///
    /// The norm is that of the gradients of all parameters together. If it is larger, all gradients are scaled down to
    /// it, as PyTorch's clip_grad_norm_ does.
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true)]
    #[arg(help_heading = "Training", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Gradient clipping: largest norm per tensor [default: none]
    ///
    /// The gradients of each weight matrix and each bias are scaled down to X if their own norm is larger. It cannot be
    /// used with --clip-norm.
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true, conflicts_with = "clip_norm")]
    #[arg(help_heading = "Training", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_tensor_norm: Option<f64>,
    /// Gradient clipping: largest value [default: none]
    ///
    /// Each element of a gradient is clipped to ±X, as PyTorch's clip_grad_value_ does. It cannot be used with
    /// --clip-norm.
    #[arg(long, value_name = "X", value_parser = number, allow_negative_numbers = true)]
    #[arg(conflicts_with_all = ["clip_norm", "clip_tensor_norm"])]
    #[arg(help_heading = "Training", hide_short_help = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_value: Option<f64>,
}

impl Clipping {
    /// Returns the keys of the options, and their values.
    pub fn settings(self) -> [(&'static str, Option<f64>); 3] {
        [("clip_norm", self.clip_norm), ("clip_tensor_norm", self.clip_tensor_norm), ("clip_value", self.clip_value)]
    }

    /// Returns the spec with this clipping.
    pub fn spec(self, spec: TrainingSpec) -> TrainingSpec {
        let Self { clip_norm, clip_tensor_norm, clip_value } = self;
        TrainingSpec { clip_norm, clip_tensor_norm, clip_value, ..spec }
    }

    /// Returns the builder with this clipping.
    pub fn builder(self, builder: Builder) -> Builder {
        let builder = self.clip_norm.into_iter().fold(builder, Builder::clip_norm);
        let builder = self.clip_tensor_norm.into_iter().fold(builder, Builder::clip_tensor_norm);
        self.clip_value.into_iter().fold(builder, Builder::clip_value)
    }
}

/// Help texts on the defaults that differ between commands: for each option its name, its default, and further
/// sentences.
pub struct Defaults([(&'static str, &'static str, &'static [&'static str]); 4]);

const LOSS_OF_DATA: &str = "By default, classes take softmax_cross_entropy, and so does a target column of 0 and 1, which \
                            is read as two classes in a table of five or more rows. With fewer rows, such a target \
                            takes binary_cross_entropy. Other numbers, and `--task regression`, take \
                            mean_squared_error.";
const OWN_RATE: &str =
    "With --optimizer, even adamw, the default is the optimizer's own, which `wgrad list optimizers` prints.";
const RATE_OF_DATA: &str = "Else it is 0.006 for tables of fewer than 2,000 rows, and 0.004 for larger ones; built-in data \
                            sets have their own.";
const SMALLER_BATCH: &str = "It is reduced to the number of rows to train on, if there are fewer.";

/// Defaults of commands that take a data set.
pub const OF_DATA: Defaults = Defaults([
    ("hidden", "by data set", &[]),
    ("loss", "by target", &[LOSS_OF_DATA]),
    ("learning_rate", "by data set or optimizer", &[OWN_RATE, RATE_OF_DATA]),
    ("batch", "by data set", &[SMALLER_BATCH]),
]);

/// Defaults of commands that take a data set, or numbers of inputs and outputs.
pub const OF_DATA_OR_SIZES: Defaults = Defaults([
    ("hidden", "see `wgrad train`", &["Without DATA, the default is \"64 relu 64 relu\"."]),
    (
        "loss",
        "by target or outputs",
        &[LOSS_OF_DATA, "Without DATA, one output takes mean_squared_error, several take softmax_cross_entropy."],
    ),
    ("learning_rate", "by data set or optimizer", &[OWN_RATE, RATE_OF_DATA, "Without DATA, it is 0.002."]),
    ("batch", "see `wgrad train`", &[SMALLER_BATCH, "Without DATA, the default is 32."]),
]);

/// Defaults of commands that take numbers of inputs and outputs in place of a table. `hidden` is the help text on the
/// default of `--hidden`.
pub const fn of_sizes(hidden: &'static str) -> Defaults {
    Defaults([
        ("hidden", hidden, &[]),
        (
            "loss",
            "by outputs",
            &["By default, one output takes mean_squared_error, several take softmax_cross_entropy."],
        ),
        ("learning_rate", "by optimizer", &[OWN_RATE, "Else it is 0.002."]),
        ("batch", "32", &[]),
    ])
}

impl Defaults {
    /// Adds the default of an option to its help, if there is one.
    pub fn shown(&self, option: Arg) -> Arg {
        match self.0.iter().find(|(name, ..)| option.get_id() == name) {
            Some((_, default, sentences)) => with_default(option, default, sentences),
            None => option,
        }
    }
}

/// Value of `--preset`: a trade-off between training time and score.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Preset {
    /// Small network, in about half of the default's time.
    Fast,
    /// Mean of several networks of the default recipe, which differ in their seeds.
    Best,
}

impl Preset {
    /// Number of networks of [`Preset::Best`].
    pub const NETWORKS: usize = 4;
}

/// Defaults of a data set.
pub struct Usual {
    pub hidden: &'static str,
    pub learning_rate: f64,
    pub weight_decay: f64,
    pub epochs: usize,
    pub batch: usize,
}

impl Usual {
    /// Returns the default of the option with this key; `None` if it does not depend on the data set.
    pub fn value(&self, option: &str) -> Option<String> {
        Some(match option {
            "hidden" => self.hidden.into(),
            "learning_rate" => self.learning_rate.to_string(),
            "epochs" => self.epochs.to_string(),
            "batch" => self.batch.to_string(),
            _ => return None,
        })
    }
}

/// Number of rows below which a table gets more dropout and more epochs.
const SMALL: usize = 2000;

/// Defaults of a data set by name, and of tables by their number of rows. They were chosen on the validation set alone,
/// with AdamW, a cosine schedule over all steps, and the parameters of the epoch with the lowest validation loss.
///
/// | data | number of seeds | validation | other settings |
/// |---|---|---|---|
/// | digits | 10 | 98.3 % | 97.9 % with 128 units; 98.3 % with two layers or more dropout, in twice the time |
/// | iris | 20 | 96.3 % | 95.9 % with relu |
/// | moons | 5 | 96.4 % | 96.0 % with one layer |
/// | circles | 5 | 99.7 % | 99.6 % with one layer |
/// | spirals | 5 | 98.2 % | 98.0 % with moons' network and 60 epochs; 97.9 % with a third layer |
/// | blobs, which overlap | 5 | 92.3 % | 92.1 % with relu, 91.6 % with moons' network |
/// | sine | 5 | R² 0.980 | R² 0.966 with 16 tanh; 0.979 with two layers of tanh |
///
/// Other tables: benches/results/2026-11-30-tables-recipe.md and 2026-12-01-tables-bins.md have the figures.
/// [`Preset::Fast`] is the former default, with bins.
pub fn usual(source: &str, rows: usize, preset: Option<Preset>) -> Usual {
    let (is_fast, is_small) = (preset == Some(Preset::Fast), rows < SMALL);
    let (hidden, learning_rate, weight_decay, epochs, batch) = match source {
        "digits" => ("256 relu dropout(0.3)", 2e-3, 0.01, 40, 32),
        "iris" => ("16 tanh", 1e-2, 0.01, 100, 16),
        "mnist" => ("512 relu 256 relu", 1e-3, 0.01, 5, 128),
        "moons" | "two_moons" | "circles" => ("32 relu 32 relu", 1e-2, 0.01, 30, 32),
        "spirals" => ("64 relu 64 relu", 1e-2, 0.01, 100, 32),
        "blobs" => ("16 tanh", 1e-2, 0.01, 30, 32),
        "sine" => ("32 relu 32 relu", 1e-2, 0.01, 60, 32),
        "and" | "or" | "xor" => ("8 tanh", 5e-2, 0.01, 100, 4),
        _ if is_fast && is_small => ("64 tanh dropout(0.5)", 2e-2, 0.01, 100, 16),
        _ if is_fast => ("64 relu 64 relu", 2e-3, 0.01, 60, 32),
        _ if is_small => ("scaling 128 mish dropout(0.4) 128 mish dropout(0.4)", 6e-3, 0.1, 70, 64),
        _ => ("scaling 128 mish dropout(0.2) 128 mish dropout(0.2)", 4e-3, 0.1, 40, 64),
    };
    Usual { hidden, learning_rate, weight_decay, epochs, batch }
}

/// All settings of a training step.
pub struct Recipe {
    pub network: Network,
    pub loss: Loss,
    pub optimizer: Optimizer,
    pub clipping: Clipping,
    pub batch: usize,
}

impl Options {
    /// Returns the settings for the training set `data`. `source` is the name of its data set or table, and `rows` the
    /// number of all rows before the split. A batch is never larger than `data`. With `--task regression` among the
    /// options of columns, the default loss is the mean squared error, for targets of 0 and 1, too.
    pub fn for_data(
        &self,
        source: &str,
        data: &Dataset,
        rows: usize,
        preset: Option<Preset>,
        columns: &Columns,
    ) -> Result<Recipe> {
        let of_task = (columns.task == Some(Task::Regression)).then(Loss::mean_squared_error);
        let loss = self.loss.or(of_task).unwrap_or_else(|| data::usual_loss(data));
        self.recipe(&usual(source, rows, preset), data.inputs(), data::outputs(data, loss), loss, data.len())
    }

    /// Returns the settings for a network with these numbers of inputs and outputs, without a data set.
    pub fn for_sizes(&self, inputs: usize, outputs: usize) -> Result<Recipe> {
        let usual_loss = if outputs == 1 { Loss::mean_squared_error() } else { Loss::softmax_cross_entropy() };
        let usual = usual("", usize::MAX, Some(Preset::Fast));
        self.recipe(&usual, inputs, outputs, self.loss.unwrap_or(usual_loss), usize::MAX)
    }

    fn recipe(&self, usual: &Usual, inputs: usize, outputs: usize, loss: Loss, rows: usize) -> Result<Recipe> {
        let hidden = self.hidden.as_deref().unwrap_or(usual.hidden).to_lowercase();
        let network = Network::parse(inputs, &format!("{hidden} {outputs}"))?;
        let network = self.init.into_iter().fold(network, Network::with_init);
        let optimizer = self.optimizer(usual)?;
        // The library accepts a learning rate of 0, but training would change nothing.
        if !(optimizer.learning_rate() as f32 > 0.0) {
            let (place, rate) = (format!("optimizer {}", optimizer.name()), optimizer.learning_rate());
            return Err(Error::value(place, "learning_rate", rate, "above 0 and finite as an f32"));
        }
        let batch = self.batch.unwrap_or(usual.batch).min(rows);
        Ok(Recipe { network, loss, optimizer, clipping: self.clipping, batch })
    }

    fn optimizer(&self, usual: &Usual) -> Result<Optimizer> {
        let mut optimizer = match (self.optimizer, self.learning_rate) {
            (None, rate) => AdamW::new(rate.unwrap_or(usual.learning_rate)).weight_decay(usual.weight_decay).into(),
            (Some(optimizer), None) => optimizer,
            (Some(optimizer), Some(rate)) => optimizer.with_learning_rate(rate),
        };
        if let Some(momentum) = self.momentum {
            let name = optimizer.name();
            let has_none = |_| {
                Error::conflict(
                    "`--momentum`",
                    format!("{name} has no momentum"),
                    "leave it out, or use `--optimizer sgd`",
                )
            };
            optimizer = optimizer.with_momentum(momentum).map_err(has_none)?;
        }
        if let Some(decay) = self.weight_decay {
            optimizer = optimizer.with_weight_decay(decay);
        }
        Ok(optimizer)
    }

    /// Returns an error if an option such as `--batch` is given. Commands call it if no network is given, since these
    /// options apply to one network. `remedy` is the remedy in the error.
    pub fn check_none_given(&self, command: &str, remedy: &str) -> Result<()> {
        let Self { hidden: _, init, loss, optimizer, learning_rate, weight_decay, momentum, clipping, batch } = self;
        let clips = clipping.settings().iter().any(|(_, limit)| limit.is_some());
        let has_number = clips || [learning_rate, weight_decay, momentum].iter().any(|number| number.is_some());
        if init.is_none() && loss.is_none() && optimizer.is_none() && batch.is_none() && !has_number {
            return Ok(());
        }
        let problem =
            "initialization, loss, optimizer, learning rate and batch size are those of one network, but none is given";
        Err(Error::conflict(command, problem, remedy))
    }
}
