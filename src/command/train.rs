//! `wgrad train`: split, scale, train, score, save.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{ValueEnum, ValueHint};
use wgrad::model::check_replaceable;
use wgrad::{Dataset, Error, Fit, History, Result, Schedule, Split, Standardisation, Trainer};

use super::device::DeviceOptions;
use super::names::names;
use super::progress::Reporter;
use super::recipe::{Options, Recipe, usual};
use super::report::{Output, Rows, Start, Summary, tell_start, tell_summary};
use super::scaling::Scaling;
use super::{count, data};

/// Sets of fewer rows are trained and evaluated on all rows: 15 % of 20 rows is a part of 3.
const FEWEST_TO_SPLIT: usize = 20;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad train digits
  wgrad train xor --network \"4 tanh\" --epochs 300
  wgrad train house.csv --target price --network \"64 relu 64 relu\" --patience 10
  wgrad train iris --seed 7 --threads 2 --json | tail -1
  wgrad train run.toml --seed 3

RUN FILES
  Every option can stand in a file, which `wgrad init` writes:
    data = \"digits\"
    learning_rate = 0.01
    json = true
  What is typed wins over WGRAD_DEVICE, and that over the file.

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
    /// digits, iris, moons, and, or, xor, or the path of a CSV file; `.toml` is a run file
    #[arg(value_parser = names::<String>(&data::NAMES), hide_possible_values = true, value_hint = ValueHint::FilePath)]
    data: String,
    /// Target column of a CSV file [default: the last]
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    target: Option<String>,
    #[command(flatten)]
    recipe: Options,
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
    /// Where the model goes [default: DATA.safetensors]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    out: Option<PathBuf>,
    /// One JSON object a line: start, epoch …, summary
    #[arg(long, help_heading = "Output")]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shape {
    Constant,
    Cosine,
}

/// The parts of a data set. Small sets have one part, for everything.
struct Parts {
    train: Dataset,
    held_out: Option<(Dataset, Dataset)>,
}

/// Trains and writes the model.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let data = data::load(&arguments.data, arguments.target.as_deref())?;
    let parts = Parts::of(&data, arguments)?;
    let recipe = arguments.recipe.for_data(&arguments.data, &data, parts.train.len())?;
    let epochs = arguments.epochs.unwrap_or(usual(&arguments.data).epochs);
    let mut trainer = arguments.trainer(&recipe, &parts.train, epochs)?;
    trainer.check(&data)?;
    let path = arguments.path()?;
    let scaling = Scaling::fit(&parts.train, recipe.loss)?;
    if let Some(scaling) = &scaling {
        scaling.check(&data)?;
    }
    let start = arguments.start(&data, &parts, &recipe, &trainer, epochs, &path);
    if arguments.json {
        output.json(&start)
    } else {
        tell_start(output, &start)
    }

    let (history, seconds) = fit(&mut trainer, &parts, scaling.as_ref(), arguments, epochs, recipe.batch, output)?;
    let mut model = trainer.model()?;
    model.head.columns = data.columns().to_vec();
    if let Some(scaling) = scaling {
        scaling.fold_into(&mut model);
    }
    let evaluation = model.evaluate_on(trainer.device(), parts.test())?;
    model.save(&path)?;
    let summary = Summary {
        event: "summary",
        evaluated_on: if parts.held_out.is_some() { "test" } else { "all" },
        evaluation,
        epochs: history.len(),
        steps: trainer.steps(),
        best_epoch: history.best,
        seconds,
        device: trainer.device().to_string(),
        reason: trainer.device().reason().into(),
        model: path.display().to_string(),
    };
    if arguments.json {
        output.json(&summary)
    } else {
        tell_summary(output, &arguments.data, &summary)
    }
    Ok(())
}

/// Trains; with a validation part the epoch of its lowest loss is kept. Returns the seconds that it took, too.
fn fit(
    trainer: &mut Trainer,
    parts: &Parts,
    scaling: Option<&Scaling>,
    arguments: &Arguments,
    epochs: usize,
    batch: usize,
    output: &mut Output,
) -> Result<(History, f64)> {
    let scaled = |data: &Dataset| scaling.map_or_else(|| Ok(data.clone()), |scaling| scaling.apply(data));
    let train = scaled(&parts.train)?;
    let validation = parts.held_out.as_ref().map(|(validation, _)| scaled(validation)).transpose()?;
    let began = Instant::now();
    let loss_factor = scaling.map_or(1.0, Scaling::loss_factor);
    let mut reporter = Reporter::new(output, arguments.json, trainer.device(), epochs, train.len(), loss_factor);
    let mut fit = Fit::epochs(epochs).on_submission(reporter.on_submission(batch));
    if let Some(validation) = &validation {
        fit = fit.validate(validation).restore_best();
    }
    if let Some(patience) = arguments.patience {
        fit = fit.patience(patience);
    }
    let history = trainer.fit(&train, fit.on_epoch(|epoch| reporter.epoch(epoch)))?;
    Ok((history, began.elapsed().as_secs_f64()))
}

impl Parts {
    fn of(data: &Dataset, arguments: &Arguments) -> Result<Self> {
        if data.len() >= FEWEST_TO_SPLIT {
            let (train, validation, test) = data.split(Split::parts(0.7, 0.15).seed(arguments.seed))?;
            return Ok(Self { train, held_out: Some((validation, test)) });
        }
        if arguments.patience.is_some() {
            let problem = format!("patience needs a validation part, but {} rows are too few to split", data.len());
            return Err(Error::conflict("`--patience`", problem, "leave it out, and set `--epochs`"));
        }
        Ok(Self { train: data.clone(), held_out: None })
    }

    fn test(&self) -> &Dataset {
        self.held_out.as_ref().map_or(&self.train, |(_, test)| test)
    }

    fn rows(&self) -> Rows {
        let held_out = self.held_out.as_ref().map_or((0, 0), |(validation, test)| (validation.len(), test.len()));
        Rows { train: self.train.len(), validation: held_out.0, test: held_out.1 }
    }
}

impl Arguments {
    fn trainer(&self, recipe: &Recipe, train: &Dataset, epochs: usize) -> Result<Trainer> {
        let steps = (epochs as u64).saturating_mul(train.len().div_ceil(recipe.batch) as u64);
        let schedule = match self.schedule {
            Shape::Constant => Schedule::Constant,
            Shape::Cosine => Schedule::cosine(steps),
        };
        Trainer::builder(recipe.network.clone())
            .loss(recipe.loss)
            .optimizer(recipe.optimizer)
            .schedule(schedule)
            .batch(recipe.batch)
            .seed(self.seed)
            .preprocessing(Standardisation::fit(train)?)
            .build(&self.device.open()?)
    }

    /// Where the model goes, which is known to be possible.
    fn path(&self) -> Result<PathBuf> {
        let stem = Path::new(&self.data).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let path = self.out.clone().unwrap_or_else(|| format!("{stem}.safetensors").into());
        check_replaceable(&path)?;
        if path.canonicalize().is_ok_and(|out| Path::new(&self.data).canonicalize().is_ok_and(|data| data == out)) {
            let problem = "the model would replace the table that it is trained on";
            return Err(Error::conflict(path.display().to_string(), problem, "name another file with `--out`"));
        }
        Ok(path)
    }

    fn start<'a>(
        &'a self,
        data: &Dataset,
        parts: &Parts,
        recipe: &Recipe,
        trainer: &'a Trainer,
        epochs: usize,
        path: &Path,
    ) -> Start<'a> {
        Start {
            event: "start",
            data: &self.data,
            rows: parts.rows(),
            inputs: data.inputs(),
            outputs: recipe.network.outputs(),
            network: recipe.network.to_string(),
            parameters: recipe.network.parameter_count(),
            loss: recipe.loss,
            optimizer: recipe.optimizer.name(),
            learning_rate: recipe.optimizer.learning_rate(),
            schedule: if matches!(self.schedule, Shape::Cosine) { "cosine" } else { "constant" },
            batch: recipe.batch,
            epochs,
            seed: self.seed,
            device: trainer.device().to_string(),
            reason: trainer.device().reason(),
            model: path.display().to_string(),
        }
    }
}
