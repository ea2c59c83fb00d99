//! `wgrad train`: split, scale, train, score, save.

mod job;
mod parts;
mod profile;
mod stopping;

use std::path::{Path, PathBuf};

use clap::{ValueEnum, ValueHint};
use wgrad::model::{Origin, check_replaceable};
use wgrad::{Dataset, Error, Model, Result, Schedule};

use super::columns::Columns;
use super::device::DeviceOptions;
use super::fused_step::FusedStepOption;
use super::names::names;
use super::plot::{PictureFile, same_file};
use super::rates::RateOptions;
use super::recipe::{Options, Recipe};
use super::report::Output;
use super::tuning::TuningOptions;
use super::{count, data};
use job::{End, Job};

const EXAMPLES: &str = "\
EXAMPLES
  wgrad train digits
  wgrad train xor --network \"4 tanh\" --epochs 300
  wgrad train house.csv --target price --network \"64 relu 64 relu\" --patience 10
  wgrad train iris --seed 7 --threads 2 --json | tail -1
  wgrad train mnist --data-dir mnist --plot curves.svg
  wgrad train digits --checkpoint run --resume
  wgrad train run.toml --seed 3

CHECKPOINTS
  Ctrl-C ends training with a checkpoint, and says what to type to go on. With
  --checkpoint there is one every 60 seconds, too, and one of the best epoch;
  --resume goes on from the newest, with the same bits as if never stopped.

RUN FILES
  Every option can stand in a file, which `wgrad init` writes:
    data = \"digits\"
    learning_rate = 0.01
    json = true
  What is typed wins over WGRAD_DEVICE, and that over the file.

PROFILE
  --profile has a table behind all else: each op of the steps, its calls, time
  and rates, and with --peak-gflops and --bandwidth-gbs the least time that it
  can take. Ops run one by one for it: a GPU tells the time itself, and the
  CPU's ops are without the caches that rows else stay in. The bits of the
  model are the same.

PRINTED
  epoch lines   loss: mean over the epoch's training rows while they are learnt;
                accuracy or r2 of the validation part
  last lines    accuracy or r2, and loss, of the saved model on the test part
  --json        the same in numbers, and the validation loss

Losses are in one unit throughout: for mean_squared_error, that is
the square of the target column's unit. The target is scaled for training, but
that is undone in all that is printed, saved and predicted. There is no accuracy
where targets are fractions (binary_cross_entropy).
";

/// What to train on, and how.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[arg(help = format!("{}; `.toml` is a run file", data::HELP))]
    #[arg(value_parser = names::<String>(&data::NAMES), hide_possible_values = true, value_hint = ValueHint::FilePath)]
    data: String,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    recipe: Options,
    /// Batches of a step, whose gradients are added: a batch N times as large, in the memory of one
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 1, allow_negative_numbers = true)]
    #[arg(help_heading = "Training")]
    accumulate: usize,
    /// How the learning rate changes with the step: not, or by half a cosine to 0
    #[arg(long, value_name = "NAME", value_enum, default_value = "cosine", help_heading = "Training")]
    schedule: Shape,
    /// How often all rows of the training part are seen
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = "Training")]
    epochs: Option<usize>,
    /// Stops once the validation loss has not fallen for N epochs
    #[arg(long, value_name = "N", value_parser = count, allow_negative_numbers = true, help_heading = "Training")]
    patience: Option<usize>,
    /// Draws the split, the first weights, the order of rows and dropout
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = "Training")]
    seed: u64,
    #[command(flatten)]
    device: DeviceOptions,
    #[command(flatten)]
    tuning: TuningOptions,
    #[command(flatten)]
    fused_step: FusedStepOption,
    #[command(flatten)]
    stopping: stopping::Stopping,
    /// Where the model goes [default: DATA.safetensors]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Replaces a model of other data or settings
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Draws losses and score by epoch: *.svg or *.png
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    plot: Option<PathBuf>,
    /// Draws on a dark background, with --plot
    #[arg(long, help_heading = "Output")]
    dark: bool,
    /// Tells what each op of a step took, beside the least that it can take; training takes longer meanwhile
    #[arg(long, help_heading = "Profile")]
    profile: bool,
    /// Writes when each op ran, for Perfetto or about:tracing, as JSON; goes with --profile
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Profile")]
    trace: Option<PathBuf>,
    #[command(flatten)]
    rates: RateOptions,
    /// One JSON object a line: start, epoch …, summary
    #[arg(long, help_heading = "Output")]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    Constant,
    Cosine,
}

/// Trains and writes the model; returns the exit code.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<u8> {
    let mut job = Job::prepare(arguments)?;
    job.tell_start(output)?;
    match job.train(output)? {
        End::Whole(outcome) => job.finish(outcome, output).map(|()| 0),
        End::Stopped(folder) => {
            job.tell_stopped(&folder, output);
            Ok(stopping::INTERRUPTED)
        }
    }
}

impl Arguments {
    fn schedule(&self, steps: u64) -> Schedule {
        match self.schedule {
            Shape::Constant => Schedule::Constant,
            Shape::Cosine => Schedule::cosine(steps),
        }
    }

    fn schedule_name(&self) -> &'static str {
        match self.schedule {
            Shape::Constant => "constant",
            Shape::Cosine => "cosine",
        }
    }

    /// Where the model goes, which is known to be possible.
    fn path(&self, data: &Dataset) -> Result<PathBuf> {
        let stem = data::stem(&self.data, data);
        let path = self.out.clone().unwrap_or_else(|| format!("{stem}.safetensors").into());
        check_replaceable(&path)?;
        if data::is_table(&path, &self.data) {
            let problem = "the model would replace the table that it is trained on";
            return Err(Error::conflict(path.display().to_string(), problem, "name another file with `--out`"));
        }
        Ok(path)
    }

    /// What the model is made of: data of so many rows and that checksum, of which `train` is a part, and settings.
    fn origin(
        &self,
        train: &Dataset,
        (rows, checksum): (usize, u32),
        recipe: &Recipe,
        epochs: usize,
    ) -> Result<Origin> {
        let optimizer = serde_json::to_value(recipe.optimizer)
            .map_err(|error| Error::conflict("optimizer", error.to_string(), "use another"))?;
        // One setting each, so that a difference names it.
        let options = optimizer.as_object().into_iter().flatten().filter(|(name, _)| *name != "kind");
        let options = options.map(|(name, value)| (format!("optimizer.{name}"), value.to_string()));
        let dropped = self.columns.form().drop;
        let settings = [
            ("target", train.target_columns().join(", ")),
            ("drop", dropped.join(", ")),
            ("network", recipe.network.to_string()),
            ("loss", recipe.loss.to_string()),
            ("optimizer", recipe.optimizer.name().into()),
            ("schedule", self.schedule_name().into()),
            ("batch", recipe.batch.to_string()),
            ("accumulate", self.accumulate.to_string()),
            ("epochs", epochs.to_string()),
            ("patience", self.patience.map_or(String::new(), |epochs| epochs.to_string())),
            ("seed", self.seed.to_string()),
        ];
        let settings = settings.into_iter().map(|(name, value)| (name.to_string(), value)).chain(options);
        let given = settings.filter(|(_, value)| !value.is_empty());
        Ok(Origin { data: train.name().into(), rows, checksum, settings: given.collect() })
    }

    /// Refuses to replace what another training has left.
    fn check_overwriting(&self, path: &Path, origin: &Origin) -> Result<()> {
        let remedy = "name another file with `--out`, or replace it with `--force`";
        let refused = |problem| Err(Error::conflict(path.display().to_string(), problem, remedy));
        self.overwriting(path, origin).map_or(Ok(()), refused)
    }

    /// Reason not to replace the file at `path`, if there is one.
    fn overwriting(&self, path: &Path, origin: &Origin) -> Option<String> {
        if self.force || !path.exists() {
            return None;
        }
        // What checkpoints let change, too, when a training goes on.
        let may_change: &[&str] = if self.stopping.is_resumed() { &["epochs", "patience"] } else { &[] };
        let problem = match Model::load(path).map(|model| model.metadata.origin) {
            Err(_) => "it is there already, and is no model that can be read".into(),
            Ok(None) => "it is there already, and does not say what it was trained with".into(),
            Ok(Some(made)) => match made.difference(origin, may_change) {
                None => return None,
                Some((name, was, is)) => format!("it holds a model with {name} = {was}, but now it would be {is}"),
            },
        };
        Some(problem)
    }

    /// The file for the learning curves, which is known to be possible.
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
