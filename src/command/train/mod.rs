//! Command `wgrad train`: splits and scales the data, trains and evaluates a network, and saves the model.

pub mod builder;
mod finish;
mod job;
pub mod networks;
mod profile;
mod save_split;
pub mod split;
mod stopping;
mod texts;
mod threshold;
mod watching;

use std::path::{Path, PathBuf};

use clap::ValueHint;
use wgrad::data::ClassWeights;
use wgrad::metrics::Metric;
use wgrad::model::{Origin, check_replaceable};
use wgrad::{Average, Dataset, Error, Mix, Model, Optimizer, ParameterGroup, Result, Schedule};

use super::autotune::TuningOptions;
use super::columns::Columns;
use super::data;
use super::device::DeviceOptions;
use super::fused_step::FusedStepOption;
use super::groups::GroupOptions;
use super::names::names;
use super::numbers::{Amount, count, number, seed};
use super::plot::{PictureFile, same_file};
use super::rates::{self, RateOptions};
use super::recipe::{self, Options, Preset, Recipe};
use super::report::Output;
use crate::command::paths::on_disk;
use job::Job;
use networks::End;
use split::{Sets, SplitOptions};
use texts::{AverageText, ScheduleText};
use threshold::Threshold;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad train digits
  wgrad train xor --hidden \"4 tanh\" --epochs 300
  wgrad train house.csv --target price --hidden \"64 relu 64 relu\" --patience 10
  wgrad train house.csv --validation 0.2 --test new_houses.csv
  wgrad train house.csv --preset best
  wgrad train iris --seed 7 --threads 2 --json | tail -1
  wgrad train mnist --data-dir mnist --plot curves.svg
  wgrad train digits --checkpoint run --resume
  wgrad train run.toml --seed 3

DEFAULTS
  Tables: a scaling layer, two layers of 128 units with mish and dropout 0.2,
  weight decay 0.1, batches of 64 rows, 40 epochs; with fewer than 2,000 rows:
  dropout 0.4, 70 epochs; from 1,000 rows to train on, 16 bins per column of
  numbers. Built-in data sets have their own defaults. Training prints these
  settings at its start.

CHECKPOINTS
  Ctrl-C stops training with a checkpoint, and prints the command to resume it.
  With --checkpoint, one is also written every 60 seconds (--checkpoint-secs),
  after each best epoch so far, and at the end. The same command line with
  --resume continues from the newest checkpoint. On the same device, the model
  is the same, bit for bit, as without the interruption. Without --checkpoint,
  checkpoints are deleted once the model is saved.

RUN FILES
  Every option can be set in a file, which `wgrad init` writes:
    data = \"digits\"
    learning_rate = 0.01
    json = true
  Options on the command line override the environment variable WGRAD_DEVICE,
  and both override the file.

PROFILE
  --profile prints a table of the operations (ops) of a step: total time, time
  per call, and rates. --peak-gflops and --bandwidth-gbs add lower bounds of the
  time (roofline). Ops then run one by one, so that training takes longer. The
  model is the same, bit for bit. A GPU measures the time by its own clock.

OUTPUT
  epoch lines   loss: mean over the rows of the training set during the epoch;
                accuracy or R² on the validation set, if there is one
  result line   accuracy (classes) or R², MAE and RMSE (numbers), and the loss,
                of the saved model on the test set (without one, see --test)
  --json        the same as JSON, and the validation loss

The loss mean_squared_error is in the square of the target column's unit: the
target is scaled for training, but all losses, metrics and predictions are
scaled back. With binary_cross_entropy, there is no accuracy if a target is
neither 0 nor 1.
";

/// Options of `wgrad train`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(mut_args(|option| recipe::OF_DATA.shown(option)))]
#[command(mut_args(|option| rates::detailed(option, "It needs --profile.")))]
pub struct Arguments {
    #[arg(help = "Data set (digits, iris, moons, …), or path of a table or run file")]
    #[arg(long_help = format!("{}. `*.toml` is a run file: options, as `wgrad init` writes them", data::LONG_HELP))]
    #[arg(value_parser = names::<String>(&data::NAMES).case_sensitive(), hide_possible_values = true, value_hint = ValueHint::FilePath)]
    data: String,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    split: SplitOptions,
    /// Writes train.csv, validation.csv, test.csv to FOLDER
    ///
    /// The files are written before training. Each file has the rows of one set; a set without rows has no file. Rows
    /// of a table keep all columns, including dropped ones. Rows of a built-in data set or of standard input have the
    /// inputs as numbers, and the target. Existing files with other rows are replaced only with --force. Even --force
    /// replaces no file that this run reads or writes.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Data", hide_short_help = true)]
    #[arg(value_parser = on_disk())]
    save_split: Option<PathBuf>,
    #[command(flatten)]
    recipe: Options,
    #[command(flatten)]
    groups: GroupOptions,
    /// Preset: fast, or best (mean of 4 networks)
    ///
    /// fast is for tables: a smaller network, which takes about half of the default's time. Its learning rate
    /// is 0.02 for tables of fewer than 2,000 rows, and 0.002 for larger ones. Built-in data sets have one recipe, so
    /// that fast changes nothing.
    ///
    /// best trains four networks with different seeds, one after the other, and stores one model with the units of all:
    /// its outputs (numbers or logits) are the means of theirs. Its probabilities are then calibrated by the
    /// temperature that is best on the validation set, if its gain there is significant at the 5 % level. --plot,
    /// --health and --profile show the last network; --log-dir has a folder for each. --time-limit is that of all
    /// networks together.
    ///
    /// Other options override the preset.
    #[arg(long, value_name = "NAME", hide_possible_values = true, help_heading = "Training")]
    preset: Option<Preset>,
    /// Gradient accumulation: batches per step [default: 1]
    ///
    /// Gradients of N batches are added before each update. A step then has N times as many rows as --batch, but needs
    /// the memory for the layers' outputs of only one batch.
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 1, hide_default_value = true)]
    #[arg(allow_negative_numbers = true, help_heading = "Training", hide_short_help = true)]
    accumulate: usize,
    /// Learning rate schedule [default: cosine]
    ///
    /// adamw_schedule_free needs none: with it, the default is constant.
    ///
    /// Options of a schedule are in parentheses, as in "step(steps=100, factor=0.5)" or "multi_step(30 60,
    /// factor=0.1)". Steps are optimizer steps. By default, cosine, cosine_log, one_cycle and polynomial end with the
    /// last step. `wgrad list schedules` prints all names, options and defaults.
    #[arg(long, value_name = "NAME")]
    #[arg(value_parser = names::<ScheduleText>(&Schedule::NAMES), hide_possible_values = true)]
    #[arg(help_heading = "Training")]
    schedule: Option<ScheduleText>,
    /// Warm-up: steps, or fraction of all steps [default: 0]
    ///
    /// A number of steps, or a fraction below 1. The learning rate increases linearly over these steps. Then the
    /// schedule begins.
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(Amount), allow_negative_numbers = true)]
    #[arg(help_heading = "Training", hide_short_help = true)]
    warmup: Option<Amount>,
    /// Average of the parameters, "ema(decay=0.999)" [default: none]
    ///
    /// The model, evaluations and the choice of the best epoch use it in place of the last parameters. ema is an
    /// exponential moving average; warm_up=true lets its decay begin small. "swa(start_epoch=10, every=50)" is
    /// stochastic weight averaging: the mean of the parameters after every 50 steps, by default every epoch, once 10
    /// epochs are done.
    #[arg(long, value_name = "NAME", value_parser = names::<AverageText>(&Average::NAMES))]
    #[arg(hide_possible_values = true, help_heading = "Training", hide_short_help = true)]
    average: Option<AverageText>,
    /// Mixup: mixes rows by Beta(ALPHA, ALPHA), as 0.2 [default: none]
    ///
    /// In training, each row of a batch is mixed with another one: λ times its inputs, and 1 − λ times those of the
    /// other. The loss is λ times that of its own target, and 1 − λ times that of the other's. λ is drawn from the
    /// distribution Beta(ALPHA, ALPHA) in each step; a small ALPHA mixes most batches only a little.
    #[arg(long, value_name = "ALPHA", value_parser = number, allow_negative_numbers = true)]
    #[arg(help_heading = "Training", hide_short_help = true)]
    mixup: Option<f64>,
    /// CutMix: takes columns from other rows, as 0.2 [default: none]
    ///
    /// As --mixup, but each row has a run of neighboring columns of the other row. λ is the share of its own columns.
    /// It cannot be used with --mixup.
    #[arg(long, value_name = "ALPHA", value_parser = number, allow_negative_numbers = true, conflicts_with = "mixup")]
    #[arg(help_heading = "Training", hide_short_help = true)]
    cutmix: Option<f64>,
    /// Number of epochs [default: by data set, 5 to 100]
    ///
    /// An epoch is a pass over the training set.
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = "Training")]
    epochs: Option<usize>,
    /// Stops N epochs after the best one [default: never]
    ///
    /// Early stopping: training ends if the validation loss, or the chosen metric, has not improved for N epochs.
    /// It needs a validation set.
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = "Training")]
    patience: Option<usize>,
    /// Metric of the best epoch, as "roc_auc" [default: the loss]
    ///
    /// It needs a validation set. The epoch with the best value on it is kept, and early stopping counts from this
    /// epoch. `wgrad list metrics` prints the names. Parameters of a metric are in parentheses, as in "f_beta(beta=2)".
    #[arg(long, value_name = "METRIC", help_heading = "Training", hide_short_help = true)]
    #[arg(value_parser = names::<Metric>(&Metric::NAMES), hide_possible_values = true)]
    metric: Option<Metric>,
    /// Weights of classes: balanced, or "no=1,yes=5" [default: none]
    ///
    /// The weight of each row of the training set is multiplied by the weight of its class. balanced gives each class
    /// the same total weight: rows / (classes · rows of the class) per row. Classes that are not named have the weight
    /// 1. Validation and test set are not weighted by class.
    #[arg(long, value_name = "WEIGHTS", help_heading = "Training", hide_short_help = true)]
    class_weight: Option<ClassWeights>,
    /// Threshold of two classes: auto, or 0.3 [default: 0.5]
    ///
    /// The second class is predicted if its probability is above the threshold. auto chooses the threshold with the
    /// highest balanced accuracy on the validation set, which it needs. The model stores the threshold, and `predict`,
    /// `evaluate` and the confusion matrix use it. Training and the choice of the best epoch do not depend on it.
    #[arg(long, value_name = "P", help_heading = "Training", allow_negative_numbers = true, hide_short_help = true)]
    threshold: Option<Threshold>,
    /// Random seed
    ///
    /// The seed determines the split, the initial weights, the order of rows, dropout and mixing. It does not change
    /// generated data sets such as moons.
    #[arg(long, value_name = "N", value_parser = seed, default_value_t = 0, allow_negative_numbers = true)]
    #[arg(help_heading = "Training")]
    seed: u64,
    #[command(flatten)]
    device: DeviceOptions,
    #[command(flatten)]
    tuning: TuningOptions,
    #[command(flatten)]
    fused_step: FusedStepOption,
    #[command(flatten)]
    stopping: stopping::Stopping,
    #[command(flatten)]
    watching: watching::Watching,
    /// File of the model [default: DATA.safetensors]
    ///
    /// DATA is the name of the data set, or the file name of the table without extensions. A model of the same data and
    /// settings is replaced. Any other file is replaced only with --force. Without --force, such a FILE is an error,
    /// and the default name becomes DATA-2.safetensors, and so on.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    #[arg(value_parser = on_disk())]
    out: Option<PathBuf>,
    /// Replaces files of other data or settings
    ///
    /// Such files are the model, and the files of --save-split.
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Draws learning curves: *.svg or *.png
    ///
    /// An existing file is replaced.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Output")]
    #[arg(value_parser = on_disk())]
    plot: Option<PathBuf>,
    /// Dark background for the picture of --plot
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    dark: bool,
    /// Measures the time of each operation (op) of a step
    ///
    /// Prints a table after training, or with --json one object per op. Training takes longer, since the ops run one by
    /// one. The model is the same, bit for bit. A GPU needs timestamps for this option; `wgrad devices` shows if it has
    /// them.
    #[arg(long, help_heading = "Profile", hide_short_help = true)]
    profile: bool,
    /// Writes a timeline of the ops, with --profile
    ///
    /// FILE is a JSON trace of the first 200,000 runs of ops. Open it in <https://ui.perfetto.dev>, or in about:tracing
    /// of Chrome. An existing file is replaced.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Profile", hide_short_help = true)]
    #[arg(value_parser = on_disk())]
    trace: Option<PathBuf>,
    #[command(flatten)]
    rates: RateOptions,
    /// Prints JSON, one object per line: start, epoch …, summary
    ///
    /// The field `event` has the kind of the object. --resume adds `resumed` or `new_run`, --profile `op` objects,
    /// and --health `finding` objects and `health`. After Ctrl-C, `stopped` replaces `summary`.
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// Names of the settings that may change when training is resumed.
const RESUMABLE: [&str; 7] =
    ["epochs", "patience", "schedule", "warmup", "plateau", "optimizer.learning_rate", "resumed"];

/// Trains and saves the model. Returns the exit code.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<u8> {
    let mut job = Job::prepare(arguments, output)?;
    job.print_start(output)?;
    match job.train(output)? {
        End::Whole(outcome) => job.finish(outcome, output).map(|()| 0),
        End::Stopped(folder, member) => {
            job.print_stopped(&folder, member, output);
            Ok(stopping::INTERRUPTED)
        }
    }
}

/// Settings of a training run that depend on its data.
struct Settings<'a> {
    sets: &'a Sets,
    recipe: &'a Recipe,
    epochs: usize,
    warmup_steps: u64,
}

impl Arguments {
    /// Number of networks to train.
    fn networks(&self) -> usize {
        if self.preset == Some(Preset::Best) { Preset::NETWORKS } else { 1 }
    }

    /// Returns the number of warm-up steps. It must be below `steps`, the number of all steps.
    fn warmup_steps(&self, steps: u64) -> Result<u64> {
        let warmup = self.warmup.map_or(0, |warmup| warmup.of(steps as usize)) as u64;
        if warmup >= steps {
            let problem = format!("the warm-up has {warmup} steps, but training has {steps} in all");
            return Err(Error::conflict("`--warmup`", problem, "give fewer steps, or more `--epochs`"));
        }
        Ok(warmup)
    }

    /// Returns the text of the schedule.
    fn schedule_text(&self, optimizer: &Optimizer) -> &str {
        let usual = if optimizer.is_schedule_free() { "constant" } else { "cosine" };
        self.schedule.as_ref().map_or(usual, |schedule| &schedule.0)
    }

    fn schedule(&self, optimizer: &Optimizer, steps: u64, warmup_steps: u64) -> Result<Schedule> {
        // The learning rate of the first step is above 0, so that this step already changes the parameters.
        let start = if warmup_steps > 0 { 1.0 / warmup_steps as f64 } else { 0.0 };
        Ok(Schedule::parse(self.schedule_text(optimizer), steps - warmup_steps)?.after_warmup(start, warmup_steps))
    }

    /// Returns the file of the model. With `--out`, a file that must not be replaced is an error. Without `--out`, it
    /// is the first usable file of `DATA.safetensors`, `DATA-2.safetensors`, … A file is usable if it does not exist,
    /// or has a model of the same data and settings.
    fn model_path(&self, wanted: &Path, origin: &Origin) -> Result<PathBuf> {
        let path = match self.out {
            Some(_) => wanted.into(),
            None => numbered(wanted)
                .find(|path| self.overwriting(path, origin, self.stopping.is_resumed()).is_none())
                .unwrap_or_default(),
        };
        if let Some(problem) = self.overwriting(&path, origin, self.stopping.is_resumed()) {
            let remedy = "name another file with `--out`, or replace it with `--force`";
            return Err(Error::conflict(path.display().to_string(), problem, remedy));
        }
        check_replaceable(&path)?;
        Ok(path)
    }

    /// Returns the preferred file of the model: the file of `--out`, or else `DATA.safetensors`. It may already have
    /// another model.
    fn wanted_path(&self, data: &Dataset) -> Result<PathBuf> {
        let path = self.out.clone().unwrap_or_else(|| format!("{}.safetensors", data::stem(&self.data, data)).into());
        check_replaceable(&path)?;
        if data::is_table(&path, &self.data) {
            let problem = "the model would replace the table that it is trained on";
            return Err(Error::conflict(path.display().to_string(), problem, "name another file with `--out`"));
        }
        Ok(path)
    }

    /// Returns the mixing of rows.
    fn mix(&self) -> Option<Mix> {
        self.mixup.map(Mix::mixup).or(self.cutmix.map(Mix::cutmix))
    }

    /// Returns the origin of the model: data, number of rows, checksum, and settings.
    fn origin(&self, settings: &Settings<'_>, (rows, checksum): (usize, u32)) -> Result<Origin> {
        let Settings { sets, recipe, epochs, warmup_steps } = settings;
        let train = &sets.train.rows;
        let optimizer = serde_json::to_value(recipe.optimizer)
            .map_err(|error| Error::conflict("optimizer", error.to_string(), "use another"))?;
        // Each option of the optimizer is a separate setting, so that messages can name the one that differs.
        let options = optimizer.as_object().into_iter().flatten().filter(|(name, _)| *name != "kind");
        let options = options.map(|(name, value)| (format!("optimizer.{name}"), value.to_string()));
        let given = |number: Option<String>| number.unwrap_or_default();
        let settings = [
            ("target", train.target_columns().join(", ")),
            ("drop", self.columns.csv_options().drop.join(", ")),
            ("weights", given(self.columns.weights.clone())),
            ("class_weight", given(self.class_weight.as_ref().map(ClassWeights::to_string))),
            ("network", recipe.network.to_string()),
            ("networks", given((self.networks() > 1).then(|| self.networks().to_string()))),
            ("loss", recipe.loss.to_string()),
            ("optimizer", recipe.optimizer.name().into()),
            ("schedule", self.schedule_text(&recipe.optimizer).into()),
            ("warmup", given((*warmup_steps > 0).then(|| warmup_steps.to_string()))),
            ("plateau", given(self.watching.plateau())),
            ("average", given(self.average.as_ref().map(|average| average.0.clone()))),
            ("mix", given(self.mix().map(|mix| mix.to_string()))),
            ("groups", texts(&self.groups.groups()).join("; ")),
            ("batch", recipe.batch.to_string()),
            ("accumulate", self.accumulate.to_string()),
            ("epochs", epochs.to_string()),
            ("patience", given(self.patience.map(|epochs| epochs.to_string()))),
            ("metric", given(self.metric.map(|metric| metric.to_string()))),
            ("threshold", given(self.threshold.map(|threshold| threshold.to_string()))),
            ("seed", self.seed.to_string()),
        ];
        let clipping =
            recipe.clipping.settings().map(|(name, limit)| (name, given(limit.map(|limit| limit.to_string()))));
        let settings =
            settings.into_iter().chain(clipping).chain(self.columns.settings()).chain(self.split.settings(sets));
        let settings = settings.map(|(name, value)| (name.to_string(), value)).chain(options);
        let settings = settings.filter(|(_, value)| !value.is_empty());
        Ok(Origin::new(train.name(), (rows, checksum), settings))
    }

    /// Returns the reason why the file at `path` must not be replaced; `None` if it may be replaced, or does not exist.
    /// If training was resumed, the [`RESUMABLE`] settings may differ.
    fn overwriting(&self, path: &Path, origin: &Origin, is_resumed: bool) -> Option<String> {
        if self.force || !path.exists() {
            return None;
        }
        let may_change: &[&str] = if is_resumed { &RESUMABLE } else { &[] };
        let problem = match Model::load(path).map(|model| model.metadata.origin) {
            Err(_) => "it exists, and is not a model that can be read".into(),
            Ok(None) => "it exists, and has no record of its training".into(),
            Ok(Some(made)) => match made.difference(origin, may_change) {
                None => return None,
                Some((name, was, is)) => format!("it holds a model with {name} = {was}, but now it would be {is}"),
            },
        };
        Some(problem)
    }

    /// Returns the file for the learning curves; `None` without `--plot`. It must be writable, and differ from the
    /// model and the table.
    fn picture(&self, model: &Path) -> Result<Option<PictureFile>> {
        let Some(path) = &self.plot else {
            return match self.dark {
                true => Err(Error::conflict("`--dark`", "there is no picture", "name its file with `--plot`")),
                false => Ok(None),
            };
        };
        let file = PictureFile::new("`--plot`", path)?;
        if same_file(path, model) || same_file(path, Path::new(&self.data)) {
            let problem = "the picture would replace the model, or the table that it is trained on";
            return Err(Error::conflict(path.display().to_string(), problem, "name another file with `--plot`"));
        }
        Ok(Some(file))
    }
}

/// Returns groups of parameters as text.
fn texts(groups: &[ParameterGroup]) -> Vec<String> {
    groups.iter().map(ParameterGroup::to_string).collect()
}

/// Returns numbered paths: `m.safetensors`, `m-2.safetensors`, `m-3.safetensors`, …
fn numbered(path: &Path) -> impl Iterator<Item = PathBuf> {
    let beside = |number: u32| {
        let mut name = path.file_stem().unwrap_or_default().to_os_string();
        name.push(format!("-{number}"));
        path.with_file_name(name).with_added_extension(path.extension().unwrap_or_default())
    };
    std::iter::once(path.into()).chain((2..).map(beside))
}
