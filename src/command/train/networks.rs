//! Training of a run's networks: one, or several that differ in their seeds.

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use wgrad::trainer::Health;
use wgrad::{Fit, History, Model, Result};

use super::job::{Job, batch_size_of, lock};
use super::watching::HealthReport;
use crate::command::progress::{Reporter, Resumption, print_history};
use crate::command::report::Output;

/// End of a training run.
pub enum End {
    /// Run that Ctrl-C stopped: the folder of the checkpoint, and the network, if there are several.
    Stopped(PathBuf, Option<Member>),
    /// Run that finished, or that the time limit ended.
    Whole(Outcome),
}

/// Result of a training run that Ctrl-C did not stop.
pub struct Outcome {
    /// Trained networks, in the order of their numbers.
    pub networks: Vec<Trained>,
    pub seconds: f64,
}

/// Trained network.
pub struct Trained {
    pub model: Model,
    pub history: History,
    pub steps: u64,
    pub continued: Option<Resumption>,
    pub health: Option<Health>,
    /// Folder with its checkpoints, if there are any.
    pub folder: Option<PathBuf>,
}

/// Place of a network among all of a run.
#[derive(Clone, Copy)]
pub struct Member {
    /// Number of the network, from 1.
    pub number: usize,
    /// Number of all networks, at least 2.
    pub count: usize,
}

impl Member {
    /// Returns the seed of the network. The first network is that of a run with one network. Runs with neighboring
    /// seeds share no network.
    fn seed(self, seed: u64) -> u64 {
        seed.wrapping_add((self.number as u64 - 1) << 32)
    }

    /// Returns the name of the network's folders.
    pub fn folder(self) -> String {
        format!("network-{}", self.number)
    }
}

impl Outcome {
    /// Returns the number of epochs and of steps of all networks together.
    pub fn counts(&self) -> [u64; 2] {
        let epochs = self.networks.iter().map(|network| network.history.len() as u64).sum();
        [epochs, self.networks.iter().map(|network| network.steps).sum()]
    }

    /// Returns the best epoch of a single network.
    pub fn best_epoch(&self) -> Option<usize> {
        if let [network] = &self.networks[..] { network.history.best } else { None }
    }

    /// Returns the step from which the run continued, summed over networks, with the settings that changed. `None` if
    /// all networks began anew.
    pub fn continued(&self) -> Option<Resumption> {
        let all: Vec<&Resumption> = self.networks.iter().filter_map(|network| network.continued.as_ref()).collect();
        let first = all.first()?;
        Some(Resumption { step: all.iter().map(|from| from.step).sum(), changed: first.changed.clone() })
    }

    /// Returns `true` if the time limit stopped the training of a network.
    pub fn is_limited(&self) -> bool {
        self.networks.iter().any(|network| network.history.stopped)
    }
}

impl Job<'_> {
    /// Trains the networks, one after the other. If the run is stopped, it leaves only checkpoints: that of the stopped
    /// network, and those of finished networks.
    pub fn train(&mut self, output: &mut Output) -> Result<End> {
        let (began, count) = (Instant::now(), self.arguments.networks());
        let mut outcome = Outcome { networks: Vec::with_capacity(count), seconds: 0.0 };
        for number in 1..=count {
            let member = (count > 1).then_some(Member { number, count });
            if let Some(member) = member.filter(|_| number > 1) {
                let builder = self.builder.clone().seed(member.seed(self.arguments.seed));
                self.trainer = builder.build(&self.trainer.device().clone())?;
            }
            let trained = self.fit(member, output)?;
            let is_asked = self.interrupt.flow().is_break();
            if let Some(folder) = trained.folder.clone().filter(|_| trained.history.stopped && is_asked) {
                self.interrupt.end();
                return Ok(End::Stopped(folder, member));
            }
            if !self.arguments.json {
                print_history(output, &trained.history, self.epochs);
            }
            outcome.networks.push(trained);
        }
        self.interrupt.end();
        Ok(End::Whole(Outcome { seconds: began.elapsed().as_secs_f64(), ..outcome }))
    }

    /// Trains a network. With a validation set, the parameters of the best epoch are kept: by default, the one with the
    /// lowest validation loss.
    fn fit(&mut self, member: Option<Member>, output: &mut Output) -> Result<Trained> {
        let Self { arguments, sets, recipe, trainer, interrupt, .. } = self;
        let (train, size) = (&sets.train.rows, batch_size_of(arguments, recipe));
        let reporter = Mutex::new(Reporter::new(output, arguments.json, member, self.epochs, train.len(), size));
        let mut health = arguments.watching.health(train, &reporter);
        let mut limit = arguments.watching.time_limit(member);
        let mut fit = Fit::epochs(self.epochs)
            .checkpoints(arguments.stopping.checkpoints(&self.wanted, member)?)
            .on_resume(|restored| lock(&reporter).resumed(restored))
            .on_new_run(|others| lock(&reporter).new_run(others))
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
        fit = arguments.watching.add(fit, arguments.metric, member).on_epoch(|epoch, _| {
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
        let continued = lock(&reporter).continued();
        Ok(Trained {
            model: trainer.model()?,
            history,
            steps: trainer.steps(),
            continued,
            health: health.map(HealthReport::into_health),
            folder: trainer.checkpoint_folder().map(PathBuf::from),
        })
    }
}
