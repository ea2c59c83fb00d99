//! One training, from its data to its model.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use wgrad::data::{Inspection, Role, Warning, shown};
use wgrad::model::{Origin, Record, TableLayout, replace};
use wgrad::trainer::Builder;
use wgrad::{Checkpoints, Dataset, Error, Fit, History, Loss, Model, Result, Standardization, Targets, Trainer};

use super::Arguments;
use super::parts::Parts;
use super::profile;
use super::stopping::Interrupt;
use crate::command::data;
use crate::command::plot::{Curves, PictureFile, theme, title};
use crate::command::progress::Reporter;
use crate::command::recipe::{Recipe, usual};
use crate::command::report::{Output, Start, Stopped, Summary, batches, confusion, tell_start, tell_summary};
use crate::command::tuning::Chosen;

/// All that was settled before training begins.
pub struct Job<'a> {
    arguments: &'a Arguments,
    parts: Parts,
    recipe: Recipe,
    epochs: usize,
    trainer: Trainer,
    tuning: Chosen,
    trace: Option<PathBuf>,
    table: Option<TableLayout>,
    origin: Origin,
    warnings: Vec<Warning>,
    checkpoints: Checkpoints,
    interrupt: Interrupt,
    model: PathBuf,
    plot: Option<PictureFile>,
}

/// What came of a training.
pub enum End {
    /// It was stopped, and has a checkpoint in that folder.
    Stopped(PathBuf),
    Whole(Outcome),
}

/// A training that was not stopped.
pub struct Outcome {
    history: History,
    seconds: f64,
    resumed: bool,
}

impl<'a> Job<'a> {
    /// Reads, splits, and finds out all that would else be wrong after hours of training.
    pub fn prepare(arguments: &'a Arguments) -> Result<Self> {
        let mut source = data::load_inspected(&arguments.data, &arguments.columns)?;
        let found = source.found.take();
        let (rows, checksum) = (source.rows.len(), source.rows.checksum());
        let parts = Parts::of(source, arguments.seed, arguments.patience)?;
        let warnings = found.as_ref().map_or(vec![], |found| found.warnings.clone());
        let warnings = warnings.into_iter().chain(parts.untrained_classes()).collect();
        let recipe = arguments.recipe.for_data(&arguments.data, &parts.train, parts.len())?;
        let epochs = arguments.epochs.unwrap_or(usual(&arguments.data, parts.len()).epochs);
        let device = arguments.fused_step.of(arguments.device.open()?)?;
        let tuning = arguments.tuning.choose(&device)?;
        let builder = tuning.train(builder(arguments, &recipe, &parts.train, epochs)?);
        let trainer = builder.build(&device)?;
        let model = arguments.path(&parts.train)?;
        let origin = arguments.origin(&parts.train, (rows, checksum), &recipe, epochs)?;
        let plot = arguments.picture(&model)?;
        let trace = arguments.trace_file(&model)?;
        for part in parts.all() {
            trainer.check(part)?;
        }
        let checkpoints = arguments.stopping.checkpoints(&model)?;
        arguments.check_overwriting(&model, &origin)?;
        let interrupt = Interrupt::listen()?;
        Ok(Self {
            arguments,
            parts,
            recipe,
            epochs,
            trainer,
            tuning,
            trace,
            table: found.as_ref().map(table_form),
            origin,
            warnings,
            checkpoints,
            interrupt,
            model,
            plot,
        })
    }

    /// Tells what will be done.
    pub fn tell_start(&self, output: &mut Output) -> Result<()> {
        let Self { recipe, parts, trainer, arguments, .. } = self;
        let tuned = trainer.tuned()?;
        let start = Start {
            event: "start",
            data: &arguments.data,
            rows: parts.rows(),
            inputs: parts.train.inputs(),
            outputs: recipe.network.outputs(),
            network: recipe.network.to_string(),
            parameters: recipe.network.parameter_count(),
            loss: recipe.loss,
            optimizer: recipe.optimizer.name(),
            learning_rate: recipe.optimizer.learning_rate(),
            schedule: arguments.schedule_name(),
            batch: recipe.batch,
            accumulate: arguments.accumulate,
            epochs: self.epochs,
            seed: arguments.seed,
            device: trainer.device().to_string(),
            reason: trainer.device().reason(),
            tuning: self.tuning.followed(trainer.device(), [tuned.matmuls, tuned.tuned], &tuned.ignored),
            model: self.model.display().to_string(),
            warnings: &self.warnings,
        };
        if arguments.json {
            output.json(&start)
        } else {
            let inspect = data::inspect_command(&arguments.data, &arguments.columns);
            tell_start(output, &start, &format!("`{inspect}`"))
        }
        Ok(())
    }

    /// Trains; with a validation part the epoch of its lowest loss is kept. Nothing comes of a training that is stopped
    /// but its checkpoint.
    pub fn train(&mut self, output: &mut Output) -> Result<End> {
        let Self { arguments, parts, recipe, trainer, interrupt, .. } = self;
        let began = Instant::now();
        let reporter = Reporter::new(output, arguments.json, trainer.device(), self.epochs, parts.train.len());
        let mut moved = reporter.on_submission(batch_size(arguments, recipe));
        let reporter = Mutex::new(reporter);
        let mut fit = Fit::epochs(self.epochs)
            .checkpoints(self.checkpoints.clone())
            .on_resume(|restored| lock(&reporter).resumed(restored))
            .on_begin_anew(|others| lock(&reporter).begun_anew(others))
            .on_submission(|progress| {
                moved(progress);
                interrupt.flow()
            })
            .on_epoch(|epoch| {
                lock(&reporter).epoch(epoch);
                interrupt.flow()
            });
        if let Some((validation, _)) = &parts.held_out {
            fit = fit.validate(validation).restore_best();
        }
        if let Some(patience) = arguments.patience {
            fit = fit.patience(patience);
        }
        let history = trainer.fit(&parts.train, fit)?;
        interrupt.end();
        let (seconds, resumed) = (began.elapsed().as_secs_f64(), lock(&reporter).is_resumed());
        Ok(match trainer.checkpoint_folder().filter(|_| history.stopped) {
            Some(folder) => End::Stopped(folder.into()),
            None => End::Whole(Outcome { history, seconds, resumed }),
        })
    }

    /// Tells how to go on.
    pub fn tell_stopped(&self, folder: &Path, output: &mut Output) {
        let command = self.arguments.stopping.command(folder);
        let (step, checkpoint) = (self.trainer.steps(), folder.display().to_string());
        if self.arguments.json {
            output.json(&Stopped { event: "stopped", step, checkpoint: &checkpoint, resume: &command });
        }
        // Not on standard output, which may be a file that nobody looks at.
        let text =
            format!("stopped after step {step}, with a checkpoint in {}; to go on:\n  {command}", shown(&checkpoint));
        writeln!(std::io::stderr(), "{text}").ok();
    }

    /// Scores and writes the model, and tells what came of it.
    pub fn finish(mut self, outcome: Outcome, output: &mut Output) -> Result<()> {
        let Outcome { history, seconds, resumed } = outcome;
        let mut model = self.trainer.model()?;
        model.metadata.columns = self.parts.train.columns().to_vec();
        model.metadata.table = self.table.clone();
        model.metadata.origin = Some(self.origin.clone());
        let (device, test) = (self.trainer.device(), self.parts.test());
        let evaluation = model.evaluate_on(device, test)?;
        let confusion = confusion(&model, device, test, &evaluation)?;
        let evaluated_on = if self.parts.held_out.is_some() { "test" } else { "all" };
        model.metadata.record = Some(Record {
            version: env!("CARGO_PKG_VERSION").into(),
            epochs: history.len(),
            steps: self.trainer.steps(),
            best_epoch: history.best,
            evaluated_on: evaluated_on.into(),
            evaluation: evaluation.clone(),
        });
        let (saved, conflict) = self.save(&model)?;
        if let Some(plot) = &self.plot {
            plot.write(&self.curves(&history), theme(self.arguments.dark))?;
        }
        let summary = Summary {
            event: "summary",
            evaluated_on,
            evaluation,
            confusion,
            epochs: history.len(),
            steps: self.trainer.steps(),
            best_epoch: history.best,
            seconds,
            resumed,
            device: device.to_string(),
            reason: device.reason().into(),
            model: saved.display().to_string(),
            plot: self.plot.as_ref().map(|plot| plot.path().display().to_string()),
        };
        if let Some((profile, path)) = self.trainer.profile().zip(self.trace.as_deref()) {
            replace(path, |file| profile.write_trace(file))?;
        }
        if self.arguments.json {
            self.trainer.profile().inspect(|profile| profile::tell_events(output, profile));
            output.json(&summary);
        } else {
            let source = data::words(&self.arguments.data, &self.arguments.columns.reading);
            tell_summary(output, &source, &summary);
            self.trainer.profile().inspect(|profile| profile::tell_table(output, profile, &self.arguments.rates));
        }
        conflict.map_or(Ok(()), Err)
    }

    /// Saves the model, and returns where. What another process has written in its place since training began stays, as at
    /// the beginning: the model is then saved beside it, and that is an error to end with.
    fn save(&self, model: &Model) -> Result<(PathBuf, Option<Error>)> {
        let Some(problem) = self.arguments.overwriting(&self.model, &self.origin) else {
            model.save(&self.model)?;
            return Ok((self.model.clone(), None));
        };
        let path = free_beside(&self.model);
        model.save(&path)?;
        let remedy = format!("another process wrote it meanwhile, so this model was saved as `{}`", path.display());
        Ok((path, Some(Error::conflict(self.model.display().to_string(), problem, remedy))))
    }

    fn curves(&self, history: &History) -> Curves {
        let target = match self.parts.train.targets() {
            Targets::Numbers { columns, .. } if columns.len() == 1 => Some(columns[0].clone()),
            _ => None,
        };
        let Recipe { network, loss, optimizer, batch } = &self.recipe;
        let (name, rate, rows) = (optimizer.name(), optimizer.learning_rate(), self.parts.len());
        let batches = batches(*batch, self.arguments.accumulate);
        Curves {
            title: title(self.parts.train.name(), network),
            subtitle: format!("{name} at {rate}, {batches}, {rows} rows in all"),
            loss: *loss,
            target,
            epochs: history.epochs.clone(),
            best: history.best,
        }
    }
}

/// The first of `m-2.safetensors`, `m-3.safetensors`, … beside `m.safetensors` that is not there.
fn free_beside(path: &Path) -> PathBuf {
    let numbered = |number: u32| {
        let mut name = path.file_stem().unwrap_or_default().to_os_string();
        name.push(format!("-{number}"));
        path.with_file_name(name).with_added_extension(path.extension().unwrap_or_default())
    };
    let mut number = 2;
    while numbered(number).exists() {
        number += 1;
    }
    numbered(number)
}

/// Rows of a step, if there are as many.
fn batch_size(arguments: &Arguments, recipe: &Recipe) -> usize {
    recipe.batch.saturating_mul(arguments.accumulate)
}

fn builder(arguments: &Arguments, recipe: &Recipe, train: &Dataset, epochs: usize) -> Result<Builder> {
    let steps = (epochs as u64).saturating_mul(train.len().div_ceil(batch_size(arguments, recipe)) as u64);
    // Pixels are of one kind.
    let fit = if train.bytes().is_some() { Standardization::fit_all } else { Standardization::fit };
    let builder = Trainer::builder(recipe.network.clone())
        .loss(recipe.loss)
        .optimizer(recipe.optimizer)
        .schedule(arguments.schedule(steps))
        .batch(recipe.batch)
        .accumulate(arguments.accumulate)
        .seed(arguments.seed)
        .preprocessing(fit(train)?);
    let builder = match recipe.loss {
        Loss::MeanSquaredError if train.target_values().is_some() => {
            builder.target_scaling(Standardization::fit_targets(train)?)
        }
        _ => builder,
    };
    Ok(if arguments.profile { builder.profile() } else { builder })
}

/// How the table was read, for the model to know.
fn table_form(found: &Inspection) -> TableLayout {
    let dropped = found.columns.iter().filter(|column| column.role == Role::LeftOut);
    TableLayout {
        header: found.header,
        dropped: dropped.map(|column| column.name.clone()).collect(),
        formats: found.columns.iter().filter_map(|column| Some((column.name.clone(), column.format?))).collect(),
    }
}

/// Callbacks take turns; what one that panicked has left can still be told.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
