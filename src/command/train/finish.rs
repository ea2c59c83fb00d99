//! End of a training run: the model is evaluated and saved, and the results are printed.

use std::path::PathBuf;

use wgrad::model::{Origin, Record, replace};
use wgrad::{Checkpoints, Error, History, Model, Result, Targets};

use super::job::Job;
use super::networks::{Outcome, Trained};
use super::watching::print_health;
use super::{numbered, profile};
use crate::command::baseline::Baseline;
use crate::command::data;
use crate::command::plot::{Curves, theme, title};
use crate::command::progress::Resumption;
use crate::command::recipe::Recipe;
use crate::command::report::{Output, Summary, batch_size, confusion, decision, print_summary};

/// Smallest gain of the total log loss for which a temperature is used: half of the chi-squared distribution's 95 %
/// point (likelihood ratio test). With few rows or errors, the best temperature is mostly noise.
const SIGNIFICANT_GAIN: f64 = 1.92;

impl Job<'_> {
    /// Evaluates and saves the model, and prints the results.
    pub fn finish(self, outcome: Outcome, output: &mut Output) -> Result<()> {
        let (counts, best_epoch, continued) = (outcome.counts(), outcome.best_epoch(), outcome.continued());
        let (mut model, temperature) = self.model_of(&outcome.networks)?;
        model.metadata.columns = self.sets.train.rows.columns().to_vec();
        if let Some((preparation, _)) = &self.sets.preparation {
            model.metadata.prepare_with(preparation.clone());
        }
        model.metadata.table = self.table.clone();
        if let Some(threshold) = self.arguments.threshold {
            let validation = self.sets.validation.as_ref().map(|set| &set.rows);
            model.metadata.threshold = threshold.of(&model, self.trainer.device(), validation)?;
        }
        model.metadata.origin = Some(self.origin_after(&outcome));
        let (device, (rows, evaluated_on)) = (self.trainer.device(), self.sets.evaluated());
        let evaluation = model.evaluate_on(device, rows)?;
        let confusion = confusion(&model, device, rows, &evaluation)?;
        let sets = self.sets.all().map(|(name, set)| (name.to_string(), set.rows.len())).collect();
        let mut record = Record::new(sets, counts, evaluated_on, evaluation.clone());
        record.best_epoch = best_epoch;
        record.networks = self.arguments.networks();
        record.temperature = temperature;
        model.metadata.record = Some(record);
        let (saved, conflict) = self.save(&model, continued.as_ref())?;
        let last = outcome.networks.last();
        if let Some((plot, last)) = self.plot.as_ref().zip(last) {
            plot.write(&self.curves(&last.history), theme(self.arguments.dark))?;
        }
        if !outcome.is_limited() && self.arguments.stopping.is_own() {
            outcome
                .networks
                .iter()
                .filter_map(|network| network.folder.as_ref())
                .try_for_each(Checkpoints::remove_from)?;
        }
        let summary = Summary {
            event: "summary",
            evaluated_on,
            baseline: Baseline::of(rows, &evaluation),
            evaluation,
            confusion,
            networks: self.arguments.networks(),
            temperature,
            threshold: decision(&model.metadata),
            epochs: counts[0] as usize,
            steps: counts[1],
            best_epoch,
            metric: self.arguments.metric,
            seconds: outcome.seconds,
            resumed: continued.is_some(),
            time_limit_reached: outcome.is_limited(),
            device: device.to_string(),
            reason: device.reason().into(),
            model: saved.display().to_string(),
            plot: self.plot.as_ref().map(|plot| plot.path().display().to_string()),
        };
        if let Some((profile, path)) = self.trainer.profile().zip(self.trace.as_deref()) {
            replace(path, |file| profile.write_trace(file))?;
        }
        let print_health = |output: &mut Output| {
            let found = last.and_then(|last| Some((last.health.as_ref()?, &last.history.epochs)));
            found.into_iter().for_each(|(health, epochs)| print_health(output, health, epochs, self.arguments.json));
        };
        if self.arguments.json {
            self.trainer.profile().inspect(|profile| profile::print_events(output, profile));
            print_health(output);
            output.json(&summary);
        } else {
            print_health(output);
            if outcome.is_limited() {
                let (done, all) = (summary.epochs, self.epochs * summary.networks);
                let command = self.arguments.stopping.command();
                output.print_unwrapped(format!(
                    "time limit: stopped after epoch {done} of {all}; to continue:\n  {command}"
                ));
            }
            let source = data::words(&self.arguments.data, &self.arguments.columns.reading);
            print_summary(output, &source, &summary);
            self.trainer.profile().inspect(|profile| profile::print_table(output, profile, &self.arguments.rates));
        }
        conflict.map_or(Ok(()), Err)
    }

    /// Returns the model of the trained networks. Several networks are merged and calibrated on the validation set. The
    /// number is the temperature, if it is not 1.
    fn model_of(&self, networks: &[Trained]) -> Result<(Model, Option<f64>)> {
        if let [network] = networks {
            return Ok((network.model.clone(), None));
        }
        let model = Model::merged(&networks.iter().map(|network| network.model.clone()).collect::<Vec<_>>())?;
        let Some(validation) = &self.sets.validation else { return Ok((model, None)) };
        let device = self.trainer.device();
        let log_loss = |model: &Model| -> Result<Option<f64>> {
            Ok(model.evaluate_on(device, &validation.rows)?.metrics.get("log_loss").copied())
        };
        let Some(before) = log_loss(&model)? else { return Ok((model, None)) };
        let temperature = model.temperature(device, &validation.rows)?;
        let calibrated = model.clone().with_temperature(temperature)?;
        let gain = before - log_loss(&calibrated)?.unwrap_or(before);
        let is_significant = gain * validation.rows.len() as f64 > SIGNIFICANT_GAIN;
        Ok(if is_significant { (calibrated, Some(temperature)) } else { (model, None) })
    }

    /// Returns the origin (data and settings) of the model. Settings that changed when training was resumed are added,
    /// so that an uninterrupted run does not replace the model.
    fn origin_after(&self, outcome: &Outcome) -> Origin {
        let mut origin = self.origin.clone();
        let continued = outcome.continued();
        if let Some(changed) = continued.map(|from| from.changed.join(", ")).filter(|changed| !changed.is_empty()) {
            origin.settings.insert("resumed".into(), changed);
        }
        let epochs = outcome.networks.iter().map(|network| network.history.len()).max().unwrap_or_default();
        if epochs > self.epochs {
            origin.settings.insert("epochs".into(), epochs.to_string());
        }
        origin
    }

    /// Saves the model, and returns its path. An existing file is not replaced if another process wrote it since
    /// training began, or if there was no checkpoint to resume from. The model is then saved under a free name in the
    /// same folder. If `--out` named the existing file, an error is returned as well.
    fn save(&self, model: &Model, continued: Option<&Resumption>) -> Result<(PathBuf, Option<Error>)> {
        // A resumed run replaces the model that it saved before. The record of that model has as many steps as the
        // checkpoint.
        let own = |from: &Resumption| {
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
