//! Callbacks of a training run: logs, time limit, plateau, health.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use clap::{Args, ValueHint};
use serde::Serialize;
use wgrad::metrics::Metric;
use wgrad::trainer::{
    Callback, CsvLog, Finding, FindingKind, Health, JsonLog, LayerHealth, Plateau, TensorBoardLog, TimeLimit,
};
use wgrad::{Dataset, Epoch, Error, Fit, Result, Trainer};

use super::job::lock;
use super::networks::Member;
use crate::command::lines::table;
use crate::command::numbers::duration;
use crate::command::paths::on_disk;
use crate::command::plot::same_file;
use crate::command::progress::Reporter;
use crate::command::report::{Output, significant};

/// Names of the log files in CSV and in JSON lines.
const CSV: &str = "epochs.csv";
const JSON: &str = "epochs.jsonl";

/// Options of `wgrad train` that add callbacks.
#[derive(Args)]
pub struct Watching {
    /// Reduces the learning rate on a plateau: for example 5
    ///
    /// With 5, the learning rate is multiplied by 0.1 once the validation loss, or the chosen metric, has not improved
    /// for more than 5 epochs (the patience). Without a validation set, the training loss counts. The other options,
    /// with their defaults, can follow: "patience=5, factor=0.1, threshold=0.0001, absolute=false, cooldown=0,
    /// least=0". They are those of PyTorch's ReduceLROnPlateau: least is its min_lr, and absolute=true its
    /// threshold_mode="abs". By default, the learning rate follows --schedule alone.
    #[arg(
        long,
        value_name = "EPOCHS",
        help_heading = "Training",
        hide_short_help = true,
        allow_negative_numbers = true
    )]
    plateau: Option<Plateau>,
    /// Stops training in time, as "30s", "5m" or "2h"
    ///
    /// Training stops before an epoch that would probably end after this time. At least one epoch is trained. The model
    /// and a checkpoint are saved; --resume continues from it.
    #[arg(long, value_name = "TIME", value_parser = duration, help_heading = "Training", hide_short_help = true)]
    #[arg(allow_negative_numbers = true)]
    time_limit: Option<Duration>,
    /// Writes logs to FOLDER: CSV, JSON lines, TensorBoard
    ///
    /// epochs.csv has a row per epoch, epochs.jsonl an object per epoch, and events.out.tfevents.wgrad is for
    /// TensorBoard: `tensorboard --logdir FOLDER`. Existing files of these names are replaced. With --resume, past
    /// epochs are written again.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Output", hide_short_help = true)]
    #[arg(value_parser = on_disk())]
    log_dir: Option<PathBuf>,
    /// Looks for problems of the network after each epoch
    ///
    /// Prints dead ReLUs, saturated units, vanishing and exploding gradients, and updates that are too large, each with
    /// a remedy; and at the end norms of gradients and updates for each layer. The model is the same, bit for bit.
    #[arg(long, help_heading = "Output", hide_short_help = true)]
    health: bool,
}

/// Callback that runs [`Health`], and reports its findings.
pub struct HealthReport<'a, 'b> {
    health: Health,
    reporter: &'a Mutex<Reporter<'b>>,
    /// Findings that were reported, as kind and layer. Each is reported once.
    reported: Vec<(FindingKind, usize)>,
}

/// JSON object with the health of each layer after the last epoch.
#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    layers: &'a [LayerHealth],
    findings: &'a [Finding],
}

impl Watching {
    /// Returns the options of `--plateau` as text.
    pub fn plateau(&self) -> Option<String> {
        self.plateau.as_ref().map(Plateau::to_string)
    }

    /// Returns the time limit. Of several networks, each has an equal part of it.
    pub fn time_limit(&self, member: Option<Member>) -> Option<TimeLimit> {
        let networks = member.map_or(1, |member| member.count as u32);
        self.time_limit.map(|limit| TimeLimit::new(limit / networks))
    }

    /// Checks that logs replace no file that the run reads or writes.
    pub fn check(&self, used: &[&Path]) -> Result<()> {
        let logs = self.log_dir.iter().flat_map(|folder| [CSV, JSON].map(|name| folder.join(name)));
        match logs.into_iter().find(|log| used.iter().any(|used| same_file(log, used))) {
            None => Ok(()),
            Some(log) => {
                let problem = "the log would replace a file that this training reads or writes";
                Err(Error::conflict(log.display().to_string(), problem, "name another folder with `--log-dir`"))
            }
        }
    }

    /// Returns the callback for `--health`.
    pub fn health<'a, 'b>(&self, data: &Dataset, reporter: &'a Mutex<Reporter<'b>>) -> Option<HealthReport<'a, 'b>> {
        self.health.then(|| HealthReport { health: Health::new(data), reporter, reported: Vec::new() })
    }

    /// Adds plateau and logs to a fit. The logs contain the numbers of callbacks that were added before. Of several
    /// networks, each has a folder of logs.
    pub fn add<'a>(&self, mut fit: Fit<'a>, metric: Option<Metric>, member: Option<Member>) -> Fit<'a> {
        if let Some(plateau) = &self.plateau {
            fit = fit.callback(metric.map_or(plateau.clone(), |metric| plateau.clone().metric(metric)));
        }
        if let Some(folder) = &self.log_dir {
            let folder = member.map_or(folder.clone(), |member| folder.join(member.folder()));
            let [csv, json] = [CSV, JSON].map(|name| folder.join(name));
            fit = fit.callback(CsvLog::new(csv)).callback(JsonLog::new(json)).callback(TensorBoardLog::new(folder));
        }
        fit
    }
}

impl HealthReport<'_, '_> {
    /// Returns the callback that has the health of the network.
    pub fn into_health(self) -> Health {
        self.health
    }
}

impl Callback for HealthReport<'_, '_> {
    fn on_epoch(&mut self, epoch: &mut Epoch, trainer: &mut Trainer) -> Result<ControlFlow<()>> {
        let flow = self.health.on_epoch(epoch, trainer)?;
        for finding in self.health.findings() {
            if !self.reported.contains(&(finding.kind, finding.layer)) {
                self.reported.push((finding.kind, finding.layer));
                lock(self.reporter).finding(epoch.epoch, finding);
            }
        }
        Ok(flow)
    }
}

/// Prints the health of each layer after the last epoch. The update is the largest of all epochs, since with most
/// schedules the last updates are tiny.
pub fn print_health(output: &mut Output, health: &Health, epochs: &[Epoch], json: bool) {
    let layers = health.layers();
    if json {
        return output.json(&Event { event: "health", layers, findings: health.findings() });
    }
    let number = |number: Option<f64>| number.map_or("·".into(), significant);
    let units = |idle: Option<usize>, of: usize| idle.map_or("·".into(), |idle| format!("{idle} of {of}"));
    let header = ["layer", "", "gradient norm", "largest update", "dead", "saturated"].map(String::from);
    let row = |layer: &LayerHealth| {
        let name: String = layer.name.chars().take(24).collect();
        let [dead, saturated] = [layer.dead_units, layer.saturated_units].map(|idle| units(idle, layer.units));
        let updates =
            epochs.iter().filter_map(|epoch| epoch.scalars.get(&format!("update_ratio/layer{}", layer.layer)));
        let update = updates.copied().reduce(f64::max).map_or("·".into(), |ratio| format!("{:.2} %", 100.0 * ratio));
        vec![layer.layer.to_string(), name, number(layer.gradient_norm), update, dead, saturated]
    };
    let has_numbers =
        |layer: &&LayerHealth| layer.gradient_norm.is_some() || layer.dead_units.or(layer.saturated_units).is_some();
    let rows: Vec<Vec<String>> =
        std::iter::once(header.to_vec()).chain(layers.iter().filter(has_numbers).map(row)).collect();
    output.print_unwrapped(format!("\n{}", table(&rows, 2, 2)));
    if health.findings().is_empty() {
        output.print("health: no problems after the last epoch");
    }
}
