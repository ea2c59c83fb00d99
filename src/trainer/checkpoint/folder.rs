//! When a training writes checkpoints, and which of them stay.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Checkpoint, Fingerprint, Restored};
use crate::error::{Error, Result};
use crate::model::UNFINISHED;
use crate::trainer::Trainer;
use crate::trainer::course::Course;

/// How many of the newest stay.
const NEWEST: usize = 3;

/// Writes checkpoints to a folder while [`Trainer::fit`] runs: `step-1200.safetensors` is that after 1,200 steps.
///
/// One is written whenever an interval is over, when an epoch has the lowest validation loss so far, where a callback
/// stops training, and at the end. The newest three stay, and that of the best epoch.
///
/// ```
/// use wgrad::{Checkpoints, Fit};
/// let fit = Fit::epochs(30).checkpoints(Checkpoints::in_folder("runs/a").every_steps(1000).resume());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoints {
    folder: PathBuf,
    steps: Option<u64>,
    interval: Option<Duration>,
    resume: bool,
    when_stopped: bool,
}

impl Checkpoints {
    /// In a folder, which is made where there is none. Without further settings there is no interval.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), steps: None, interval: None, resume: false, when_stopped: false }
    }

    /// Writes one after every `steps` steps; 0 counts as 1.
    pub fn every_steps(self, steps: u64) -> Self {
        Self { steps: Some(steps.max(1)), ..self }
    }

    /// Writes one at the end of the submission in which so much time has passed since the last.
    pub fn every(self, interval: Duration) -> Self {
        Self { interval: Some(interval), ..self }
    }

    /// Goes on from the newest one in the folder, if there is one. Without this, a folder that has one is refused.
    pub fn resume(self) -> Self {
        Self { resume: true, ..self }
    }

    /// Writes one where a callback stops training, and no other.
    pub fn only_when_stopped(self) -> Self {
        Self { when_stopped: true, ..self }
    }

    /// Where they go.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the folder and checks that it can be written to; returns what to go on from.
    fn open(&self) -> Result<Option<Checkpoint>> {
        std::fs::create_dir_all(&self.folder).map_err(|error| Error::file(&self.folder, "making the folder", error))?;
        crate::model::check_replaceable(&self.folder.join(name(0)))?;
        let Some((_, newest)) = written(&self.folder)?.pop() else { return Ok(None) };
        if !self.resume {
            let problem = format!("it has checkpoints of an earlier training, the newest being {}", newest.display());
            let remedy = "resume that training, or name another folder";
            return Err(Error::conflict(self.folder.display().to_string(), problem, remedy));
        }
        remove_unfinished(&self.folder);
        Checkpoint::load(newest).map(Some)
    }
}

/// Deletes what a process has left that was killed while it wrote. What cannot be deleted does no harm.
fn remove_unfinished(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(UNFINISHED)) {
        std::fs::remove_file(entry.path()).ok();
    }
}

fn name(step: u64) -> String {
    format!("step-{step}.safetensors")
}

/// The checkpoints of a folder, oldest first, with their steps.
fn written(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let failed = |error| Error::file(folder, "reading the folder", error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let step = path.file_name().and_then(|name| name.to_str()?.strip_prefix("step-")?.strip_suffix(".safetensors"));
        found.extend(step.and_then(|step| step.parse().ok()).map(|step| (step, path.clone())));
    }
    found.sort();
    Ok(found)
}

/// Keeps to what [`Checkpoints`] say.
pub(in crate::trainer) struct Keeper {
    checkpoints: Checkpoints,
    /// What epochs are validated on.
    validation: Option<Fingerprint>,
    last: Instant,
}

impl Keeper {
    /// Begins, or goes on from the newest checkpoint: how far that had come.
    pub(in crate::trainer) fn begin(
        checkpoints: &Checkpoints,
        trainer: &mut Trainer,
        validation: Option<Fingerprint>,
    ) -> Result<(Self, Option<(Course, Restored)>)> {
        let resumed = match checkpoints.when_stopped {
            true => None,
            false => checkpoints.open()?,
        };
        let resumed = resumed.map(|checkpoint| -> Result<_> {
            let restored = trainer.restore_with(&checkpoint, validation)?;
            Ok((checkpoint.course(), restored))
        });
        Ok((Self { checkpoints: checkpoints.clone(), validation, last: Instant::now() }, resumed.transpose()?))
    }

    /// How many steps there are to the next checkpoint, as far as steps decide that.
    pub(in crate::trainer) fn steps_left(&self, step: u64) -> u64 {
        self.checkpoints.steps.map_or(u64::MAX, |every| every - step % every)
    }

    /// Whether an interval is over.
    pub(in crate::trainer) fn is_due(&self, step: u64) -> bool {
        let Checkpoints { steps, interval, .. } = self.checkpoints;
        steps.is_some_and(|every| step.is_multiple_of(every))
            || interval.is_some_and(|interval| self.last.elapsed() >= interval)
    }

    /// Writes one, unless only those of stopped trainings are wanted, and deletes those that are no longer.
    pub(in crate::trainer) fn write(&mut self, trainer: &mut Trainer, course: &Course, stopped: bool) -> Result<()> {
        if self.checkpoints.when_stopped && !stopped {
            return Ok(());
        }
        let folder = &self.checkpoints.folder;
        std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, "making the folder", error))?;
        trainer.checkpoint_of(Some(course), self.validation)?.save(folder.join(name(trainer.steps())))?;
        self.last = Instant::now();
        let mut old = written(folder)?;
        old.truncate(old.len().saturating_sub(NEWEST));
        let best = course.best.as_ref().map(|best| best.step);
        for (_, path) in old.into_iter().filter(|(step, _)| Some(*step) != best) {
            std::fs::remove_file(&path).map_err(|error| Error::file(&path, "deleting", error))?;
        }
        Ok(())
    }
}
