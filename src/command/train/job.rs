//! Training run, from loading the data to saving the model.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use wgrad::data::{Inspection, Role, Warning, shown};
use wgrad::model::{Origin, Record, TableLayout, replace};
use wgrad::trainer::Health;
use wgrad::{Average, Checkpoints, Error, Fit, History, Model, Result, Targets, Trainer};

use super::builder::builder;
use super::split::Sets;
use super::stopping::Interrupt;
use super::watching::{HealthReport, tell_health};
use super::{Arguments, Settings, numbered, profile, save_split, texts};
use crate::command::autotune::TuningSource;
use crate::command::baseline::Baseline;
use crate::command::data::{self, STANDARD, Source};
use crate::command::plot::{Curves, PictureFile, theme, title};
use crate::command::progress::{Continued, Reporter, tell_history};
use crate::command::recipe::{Recipe, usual};
use crate::command::report::{Output, Start, Stopped, Summary, batch_size, confusion, tell_start, tell_summary};

/// Training run that is ready to begin.
pub struct Job<'a> {
    arguments: &'a Arguments,
    sets: Sets,
    recipe: Recipe,
    epochs: usize,
    warmup_steps: u64,
    trainer: Trainer,
    tuning: TuningSource,
    trace: Option<PathBuf>,
    table: Option<TableLayout>,
    origin: Origin,
    warnings: Vec<Warning>,
    checkpoints: Checkpoints,
    interrupt: Interrupt,
    model: PathBuf,
    plot: Option<PictureFile>,
}

/// End of a training run.
pub enum End {
    /// Run that Ctrl-C stopped. The path is the folder of its checkpoint.
    Stopped(PathBuf),
    /// Run that finished, or that the time limit ended.
    Whole(Outcome),
}

/// Result of a training run that Ctrl-C did not stop.
pub struct Outcome {
    history: History,
    seconds: f64,
    continued: Option<Continued>,
    health: Option<Health>,
}

impl<'a> Job<'a> {
    /// Reads and splits the data. Everything that could fail after hours of training is checked here.
    pub fn prepare(arguments: &'a Arguments, output: &Output) -> Result<Self> {
        let source = data::load(&arguments.data, &arguments.columns, arguments.recipe.loss)?;
        let (found, contents) = (source.found().cloned(), source.contents());
        if let Source::Table { table, .. } = &source {
            output.notes(table.notes());
        }
        let mut sets = Sets::of(source, &arguments.split, &arguments.columns, arguments.seed)?;
        if let Some(weights) = &arguments.class_weight {
            sets.train.rows = sets.train.rows.class_weighted(weights)?;
        }
        for (option, is_given) in
            [("`--patience`", arguments.patience.is_some()), ("`--metric`", arguments.metric.is_some())]
        {
            if is_given && sets.validation.is_none() {
                let problem = format!("there is no validation set beside {} training rows", sets.train.rows.len());
                return Err(Error::conflict(option, problem, "add `--validation`, or leave it out"));
            }
        }
        let train = &sets.train.rows;
        let warnings = found.as_ref().map_or(vec![], |found| found.warnings.clone());
        let warnings = warnings.into_iter().chain(sets.untrained_classes()).collect();
        let recipe = arguments.recipe.for_data(&arguments.data, train, sets.len(), arguments.preset)?;
        let epochs = arguments.epochs.unwrap_or(usual(&arguments.data, sets.len(), arguments.preset).epochs);
        let epoch_steps = train.len().div_ceil(batch_size_of(arguments, &recipe)) as u64;
        let steps = (epochs as u64).saturating_mul(epoch_steps);
        let warmup_steps = arguments.warmup_steps(steps)?;
        let device = arguments.fused_step.of(arguments.device.open()?)?;
        let tuning = arguments.tuning.choose(&device)?;
        let builder = builder(&recipe, &arguments.groups, arguments.accumulate, arguments.seed, &sets)?;
        let mut builder = builder.schedule(arguments.schedule(steps, warmup_steps)?);
        if arguments.profile {
            builder = builder.profile();
        }
        if let Some(average) = &arguments.average {
            builder = builder.average(Average::parse(&average.0, epoch_steps)?);
        }
        if let Some(mix) = arguments.mix() {
            builder = builder.mix(mix);
        }
        let trainer = tuning.train(builder).build(&device)?;
        let wanted = arguments.wanted_path(train)?;
        let origin = arguments.origin(&Settings { sets: &sets, recipe: &recipe, epochs, warmup_steps }, contents)?;
        let checkpoints = arguments.stopping.checkpoints(&wanted)?;
        arguments.stopping.waiting(&wanted).into_iter().for_each(|note| output.note(note));
        for (_, set) in sets.all() {
            trainer.check(&set.rows)?;
        }
        let model = arguments.model_path(&wanted, &origin)?;
        let plot = arguments.picture(&model)?;
        let trace = arguments.trace_file(&model)?;
        if let Some(folder) = &arguments.save_split {
            let options = arguments.columns.csv_options();
            let is_file = found.is_some() && arguments.data != STANDARD;
            let table = is_file.then(|| (Path::new(&arguments.data), &options));
            let pictures = plot.as_ref().map(PictureFile::path);
            let used = [Some(Path::new(&arguments.data)), Some(&model), trace.as_deref(), pictures];
            let used: Vec<&Path> = used.into_iter().flatten().collect();
            save_split::write(folder, &sets, table, &used, arguments.force)?;
        }
        let kept = arguments.overwriting(&wanted, &origin, arguments.stopping.is_resumed());
        if let Some(problem) = kept.filter(|_| model != wanted && !arguments.json) {
            let [model, wanted] = [&model, &wanted].map(|path| path.display());
            output.warning(format!("{wanted} is kept: {problem}; this model will be {model}"));
        }
        let written =
            [Some(Path::new(&arguments.data)), Some(&model), plot.as_ref().map(PictureFile::path), trace.as_deref()];
        arguments.watching.check(&written.into_iter().flatten().collect::<Vec<_>>())?;
        let interrupt = Interrupt::listen()?;
        Ok(Self {
            arguments,
            sets,
            recipe,
            epochs,
            warmup_steps,
            trainer,
            tuning,
            trace,
            table: found.as_ref().map(|found| table_layout(found, arguments.columns.weights.as_deref())),
            origin,
            warnings,
            checkpoints,
            interrupt,
            model,
            plot,
        })
    }

    /// Prints the settings of the run.
    pub fn tell_start(&self, output: &mut Output) -> Result<()> {
        let Self { recipe, sets, trainer, arguments, .. } = self;
        let tuned = trainer.tuned()?;
        let start = Start {
            event: "start",
            data: &arguments.data,
            rows: sets.sizes(),
            inputs: sets.train.rows.inputs(),
            outputs: recipe.network.outputs(),
            network: recipe.network.to_string(),
            parameters: recipe.network.parameter_count(),
            loss: recipe.loss,
            optimizer: recipe.optimizer.name(),
            learning_rate: recipe.optimizer.learning_rate(),
            schedule: &arguments.schedule.0,
            warmup_steps: self.warmup_steps,
            plateau: arguments.watching.plateau(),
            clip_norm: recipe.clip_norm,
            clip_value: recipe.clip_value,
            average: arguments.average.as_ref().map(|average| &average.0[..]),
            mix: arguments.mix().map(|mix| mix.to_string()),
            groups: texts(&arguments.groups.groups()),
            batch: recipe.batch,
            accumulate: arguments.accumulate,
            epochs: self.epochs,
            seed: arguments.seed,
            device: trainer.device().to_string(),
            reason: trainer.device().reason(),
            tuning: self.tuning.report(trainer.device(), [tuned.matmuls, tuned.tuned], &tuned.ignored),
            model: self.model.display().to_string(),
            warnings: &self.warnings,
            columns: sets.preparation.as_ref().map(|(_, columns)| columns.as_slice()),
        };
        if arguments.json {
            output.json(&start)
        } else {
            let inspect = data::inspect_command(&arguments.data, &arguments.columns);
            tell_start(output, &start, &format!("`{inspect}`"))
        }
        Ok(())
    }

    /// Trains the network. With a validation set, the parameters of the best epoch are kept: by default, the one with
    /// the lowest validation loss. If Ctrl-C stops the run, it leaves only a checkpoint.
    pub fn train(&mut self, output: &mut Output) -> Result<End> {
        let Self { arguments, sets, recipe, trainer, interrupt, .. } = self;
        let (train, began) = (&sets.train.rows, Instant::now());
        let reporter =
            Reporter::new(output, arguments.json, self.epochs, train.len(), batch_size_of(arguments, recipe));
        let reporter = Mutex::new(reporter);
        let mut health = arguments.watching.health(train, &reporter);
        let mut limit = arguments.watching.time_limit();
        let mut fit = Fit::epochs(self.epochs)
            .checkpoints(self.checkpoints.clone())
            .on_resume(|restored| lock(&reporter).resumed(restored))
            .on_new_run(|others| lock(&reporter).begun_anew(others))
            .on_submission(|progress| {
                lock(&reporter).submitted(progress);
                interrupt.flow()
            });
        if let Some(health) = &mut health {
            fit = fit.callback(health);
        }
        if let Some(limit) = &mut limit {
            fit = fit.callback(limit);
        }
        fit = arguments.watching.add(fit, arguments.metric).on_epoch(|epoch, _| {
            lock(&reporter).epoch(epoch);
            interrupt.flow()
        });
        if let Some(validation) = &sets.validation {
            fit = fit.validate(&validation.rows).restore_best();
        }
        if let Some(patience) = arguments.patience {
            fit = fit.patience(patience);
        }
        if let Some(metric) = arguments.metric {
            fit = fit.metric(metric);
        }
        let history = trainer.fit(train, fit)?;
        // A run that the time limit ended saves its model. A run that Ctrl-C stopped does not.
        let is_limited = limit.is_some_and(|limit| limit.is_reached()) && interrupt.flow().is_continue();
        interrupt.end();
        let (seconds, continued) = (began.elapsed().as_secs_f64(), lock(&reporter).continued());
        let health = health.map(HealthReport::into_health);
        Ok(match trainer.checkpoint_folder().filter(|_| history.stopped && !is_limited) {
            Some(folder) => End::Stopped(folder.into()),
            None => End::Whole(Outcome { history, seconds, continued, health }),
        })
    }

    /// Prints the command that resumes a stopped training run. `folder` has the checkpoint.
    pub fn tell_stopped(&self, folder: &Path, output: &mut Output) {
        let command = self.arguments.stopping.command(folder);
        let (step, checkpoint) = (self.trainer.steps(), folder.display().to_string());
        if self.arguments.json {
            output.json(&Stopped { event: "stopped", step, checkpoint: &checkpoint, resume: &command });
        }
        // Printed to standard error, since standard output may be a file that nobody looks at.
        let text =
            format!("stopped after step {step}, with a checkpoint in {}; to resume:\n  {command}", shown(&checkpoint));
        writeln!(std::io::stderr(), "{text}").ok();
    }

    /// Evaluates and saves the model, and prints the results.
    pub fn finish(mut self, outcome: Outcome, output: &mut Output) -> Result<()> {
        let Outcome { history, seconds, continued, health } = outcome;
        let mut model = self.trainer.model()?;
        model.metadata.columns = self.sets.train.rows.columns().to_vec();
        if let Some((preparation, _)) = &self.sets.preparation {
            model.metadata.prepare_with(preparation.clone());
        }
        model.metadata.table = self.table.clone();
        model.metadata.origin = Some(self.origin_after(&history, continued.as_ref()));
        let (device, (rows, evaluated_on)) = (self.trainer.device(), self.sets.evaluated());
        let evaluation = model.evaluate_on(device, rows)?;
        let confusion = confusion(&model, device, rows, &evaluation)?;
        let sets = self.sets.all().map(|(name, set)| (name.to_string(), set.rows.len())).collect();
        let counts = [history.len() as u64, self.trainer.steps()];
        let mut record = Record::new(sets, counts, evaluated_on, evaluation.clone());
        record.best_epoch = history.best;
        model.metadata.record = Some(record);
        let (saved, conflict) = self.save(&model, continued.as_ref())?;
        if let Some(plot) = &self.plot {
            plot.write(&self.curves(&history), theme(self.arguments.dark))?;
        }
        let summary = Summary {
            event: "summary",
            evaluated_on,
            baseline: Baseline::of(rows, &evaluation),
            evaluation,
            confusion,
            epochs: history.len(),
            steps: self.trainer.steps(),
            best_epoch: history.best,
            metric: self.arguments.metric,
            seconds,
            resumed: continued.is_some(),
            time_limit_reached: history.stopped,
            device: device.to_string(),
            reason: device.reason().into(),
            model: saved.display().to_string(),
            plot: self.plot.as_ref().map(|plot| plot.path().display().to_string()),
        };
        if let Some((profile, path)) = self.trainer.profile().zip(self.trace.as_deref()) {
            replace(path, |file| profile.write_trace(file))?;
        }
        let tell_health = |output: &mut Output| {
            health.iter().for_each(|health| tell_health(output, health, &history.epochs, self.arguments.json))
        };
        if self.arguments.json {
            self.trainer.profile().inspect(|profile| profile::tell_events(output, profile));
            tell_health(output);
            output.json(&summary);
        } else {
            tell_history(output, &history, self.epochs);
            tell_health(output);
            if let Some(folder) = self.trainer.checkpoint_folder().filter(|_| history.stopped) {
                let (done, all, command) = (history.len(), self.epochs, self.arguments.stopping.command(folder));
                output
                    .tell_whole(format!("time limit: stopped after epoch {done} of {all}; to continue:\n  {command}"));
            }
            let source = data::words(&self.arguments.data, &self.arguments.columns.reading);
            tell_summary(output, &source, &summary);
            self.trainer.profile().inspect(|profile| profile::tell_table(output, profile, &self.arguments.rates));
        }
        conflict.map_or(Ok(()), Err)
    }

    /// Returns the origin (data and settings) of the model. Settings that changed when training was resumed are added,
    /// so that an uninterrupted run does not replace the model.
    fn origin_after(&self, history: &History, continued: Option<&Continued>) -> Origin {
        let mut origin = self.origin.clone();
        if let Some(changed) = continued.map(|from| from.changed.join(", ")).filter(|changed| !changed.is_empty()) {
            origin.settings.insert("resumed".into(), changed);
        }
        if history.len() > self.epochs {
            origin.settings.insert("epochs".into(), history.len().to_string());
        }
        origin
    }

    /// Saves the model, and returns its path. An existing file is not replaced if another process wrote it since
    /// training began, or if there was no checkpoint to resume from. The model is then saved under a free name in the
    /// same folder. If `--out` named the existing file, an error is returned as well.
    fn save(&self, model: &Model, continued: Option<&Continued>) -> Result<(PathBuf, Option<Error>)> {
        // A resumed run replaces the model that it saved before. The record of that model has as many steps as the
        // checkpoint.
        let own = |from: &Continued| {
            let saved = Model::load(&self.model).ok().and_then(|model| model.metadata.record);
            self.arguments.out.is_some() || saved.is_some_and(|record| record.steps == from.step)
        };
        let Some(problem) = self.arguments.overwriting(&self.model, &self.origin, continued.is_some_and(own)) else {
            model.save(&self.model)?;
            return Ok((self.model.clone(), None));
        };
        let path = numbered(&self.model).find(|path| !path.exists()).unwrap_or_default();
        model.save(&path)?;
        let remedy = format!("this model was saved as `{}`", path.display());
        let conflict = Error::conflict(self.model.display().to_string(), problem, remedy);
        Ok((path, self.arguments.out.is_some().then_some(conflict)))
    }

    fn curves(&self, history: &History) -> Curves {
        let target = match self.sets.train.rows.targets() {
            Targets::Numbers { columns, .. } if columns.len() == 1 => Some(columns[0].clone()),
            _ => None,
        };
        let Recipe { network, loss, optimizer, batch, .. } = &self.recipe;
        let (name, rate, rows) = (optimizer.name(), optimizer.learning_rate(), self.sets.len());
        let batch = batch_size(*batch, self.arguments.accumulate);
        Curves {
            title: title(self.sets.train.rows.name(), network),
            subtitle: format!("{name} at {rate}, {batch}, {rows} rows in all"),
            loss: *loss,
            target,
            epochs: history.epochs.clone(),
            best: history.best,
            metric: self.arguments.metric,
        }
    }
}

/// Number of rows per optimizer step. The last step of an epoch may have fewer.
fn batch_size_of(arguments: &Arguments, recipe: &Recipe) -> usize {
    recipe.batch.saturating_mul(arguments.accumulate)
}

/// Returns the layout of the table, which is stored in the model. The model then reads other tables in the same way.
fn table_layout(found: &Inspection, weights: Option<&str>) -> TableLayout {
    let dropped = found.columns.iter().filter(|column| column.role == Role::LeftOut);
    TableLayout {
        header: found.header,
        delimiter: found.delimiter,
        weights: weights.map(String::from),
        dropped: dropped.map(|column| column.name.clone()).collect(),
        formats: found.columns.iter().filter_map(|column| Some((column.name.clone(), column.format?))).collect(),
    }
}

/// Locks a value that callbacks share. The callbacks never run at the same time. If one panicked, the value can still
/// be used.
pub fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
