//! Training run, from loading the data to saving the model.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use wgrad::data::{Inspection, Role, Warning, shown};
use wgrad::model::{Origin, TableLayout};
use wgrad::trainer::Builder;
use wgrad::{Average, Error, Model, Result, Trainer};

use super::builder::builder;
use super::networks::Member;
use super::split::Sets;
use super::stopping::Interrupt;
use super::threshold::Threshold;
use super::{Arguments, Settings, save_split, texts};
use crate::command::autotune::TuningSource;
use crate::command::data::{self, STANDARD, Source};
use crate::command::plot::PictureFile;
use crate::command::recipe::{Recipe, usual};
use crate::command::report::{Output, Start, Stopped, print_start};

/// Training run that is ready to begin.
pub struct Job<'a> {
    pub(super) arguments: &'a Arguments,
    pub(super) sets: Sets,
    pub(super) recipe: Recipe,
    pub(super) epochs: usize,
    warmup_steps: u64,
    /// Settings of the networks, with the seed of the first.
    pub(super) builder: Builder,
    /// Trainer of the current network.
    pub(super) trainer: Trainer,
    tuning: TuningSource,
    pub(super) trace: Option<PathBuf>,
    pub(super) table: Option<TableLayout>,
    pub(super) origin: Origin,
    warnings: Vec<Warning>,
    pub(super) interrupt: Interrupt,
    /// Preferred file of the model. Checkpoints are written beside it.
    pub(super) wanted: PathBuf,
    pub(super) model: PathBuf,
    pub(super) plot: Option<PictureFile>,
}

impl<'a> Job<'a> {
    /// Reads and splits the data. Everything that could fail after hours of training is checked here.
    pub fn prepare(arguments: &'a Arguments, output: &Output) -> Result<Self> {
        let source = data::load(&arguments.data, &arguments.columns, arguments.recipe.loss)?;
        let (found, contents) = (source.found().cloned(), source.contents());
        if let Source::Table { table, .. } = &source {
            output.notes(table.notes());
        }
        let mut sets = Sets::of(source, &arguments.data, &arguments.split, &arguments.columns, arguments.seed)?;
        if let Some(weights) = &arguments.class_weight {
            sets.train.rows = sets.train.rows.class_weighted(weights)?;
        }
        for (option, is_given) in [
            ("`--patience`", arguments.patience.is_some()),
            ("`--metric`", arguments.metric.is_some()),
            ("`--threshold auto`", arguments.threshold == Some(Threshold::Auto)),
        ] {
            if is_given && sets.validation.is_none() {
                let problem = format!("there is no validation set beside {} training rows", sets.train.rows.len());
                return Err(Error::conflict(option, problem, "add `--validation`, or leave it out"));
            }
        }
        let train = &sets.train.rows;
        let warnings = found.as_ref().map_or(vec![], |found| found.warnings.clone());
        let warnings = warnings.into_iter().chain(sets.untrained_classes()).collect();
        let recipe =
            arguments.recipe.for_data(&arguments.data, train, sets.len(), arguments.preset, &arguments.columns)?;
        let epochs = arguments.epochs.unwrap_or(usual(&arguments.data, sets.len(), arguments.preset).epochs);
        let epoch_steps = train.len().div_ceil(batch_size_of(arguments, &recipe)) as u64;
        let steps = (epochs as u64).saturating_mul(epoch_steps);
        let warmup_steps = arguments.warmup_steps(steps)?;
        let device = arguments.fused_step.of(arguments.device.open()?)?;
        let tuning = arguments.tuning.choose(&device)?;
        let builder = builder(&recipe, &arguments.groups, arguments.accumulate, arguments.seed, &sets)?;
        let mut builder = builder.schedule(arguments.schedule(&recipe.optimizer, steps, warmup_steps)?);
        if arguments.profile {
            builder = builder.profile();
        }
        if let Some(average) = &arguments.average {
            builder = builder.average(Average::parse(&average.0, epoch_steps)?);
        }
        if let Some(mix) = arguments.mix() {
            builder = builder.mix(mix);
        }
        let builder = tuning.train(builder);
        let mut trainer = builder.clone().build(&device)?;
        if let Some(threshold) = arguments.threshold {
            threshold.check(&trainer.model()?)?;
        }
        if arguments.networks() > 1 {
            // Refuses layers that cannot be merged.
            Model::merged(&vec![trainer.model()?; arguments.networks()])?;
        }
        let wanted = arguments.wanted_path(train)?;
        let origin = arguments.origin(&Settings { sets: &sets, recipe: &recipe, epochs, warmup_steps }, contents)?;
        arguments.stopping.checkpoints(&wanted, None)?;
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
            builder,
            trainer,
            tuning,
            trace,
            table: found.as_ref().map(|found| table_layout(found, arguments.columns.weights.as_deref())),
            origin,
            warnings,
            interrupt,
            wanted,
            model,
            plot,
        })
    }

    /// Prints the settings of the run.
    pub fn print_start(&self, output: &mut Output) -> Result<()> {
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
            schedule: arguments.schedule_text(&recipe.optimizer),
            warmup_steps: self.warmup_steps,
            plateau: arguments.watching.plateau(),
            clipping: recipe.clipping,
            average: arguments.average.as_ref().map(|average| &average.0[..]),
            mix: arguments.mix().map(|mix| mix.to_string()),
            groups: texts(&arguments.groups.groups()),
            batch: recipe.batch,
            accumulate: arguments.accumulate,
            networks: arguments.networks(),
            epochs: self.epochs,
            seed: arguments.seed,
            device: trainer.device().to_string(),
            reason: trainer.device().reason(),
            tuning: self.tuning.report(trainer.device(), [tuned.matmuls, tuned.tuned], &tuned.ignored),
            model: self.model.display().to_string(),
            split_note: sets.split_note.as_deref(),
            warnings: &self.warnings,
            columns: sets.preparation.as_ref().map(|(_, columns)| columns.as_slice()),
        };
        if arguments.json {
            output.json(&start)
        } else {
            let inspect = data::inspect_command(&arguments.data, &arguments.columns);
            print_start(output, &start, &format!("`{inspect}`"))
        }
        Ok(())
    }

    /// Prints the command that resumes a stopped training run. `folder` has the checkpoint of the network that was
    /// stopped.
    pub fn print_stopped(&self, folder: &Path, member: Option<Member>, output: &mut Output) {
        let command = self.arguments.stopping.command();
        let (step, checkpoint) = (self.trainer.steps(), folder.display().to_string());
        if self.arguments.json {
            let network = member.map(|member| member.number);
            output.json(&Stopped { event: "stopped", network, step, checkpoint: &checkpoint, resume: &command });
        }
        // Printed to standard error, since standard output may be a file that nobody looks at.
        let of = member.map_or(String::new(), |member| format!(" of network {}", member.number));
        let place = shown(&checkpoint);
        let text = format!("stopped after step {step}{of}, with a checkpoint in {place}; to resume:\n  {command}");
        writeln!(std::io::stderr(), "{text}").ok();
    }
}

/// Number of rows per optimizer step. The last step of an epoch may have fewer.
pub fn batch_size_of(arguments: &Arguments, recipe: &Recipe) -> usize {
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
