//! When a training writes checkpoints, and which of them stay.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{Checkpoint, Restored, Validation};
use crate::error::{Error, Result};
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

    /// What there is to go on from.
    fn open(&self) -> Result<Option<Checkpoint>> {
        if !self.folder.exists() {
            return Ok(None);
        }
        let Some((_, newest)) = written(&self.folder)?.pop() else { return Ok(None) };
        if !self.resume {
            let problem = format!("it has checkpoints of an earlier training, the newest being {}", newest.display());
            let remedy = "resume that training, or name another folder";
            return Err(Error::conflict(self.folder.display().to_string(), problem, remedy));
        }
        Checkpoint::load(newest).map(Some)
    }
}

/// A folder that no other training writes to while the value lives; the system unlocks it however the process ends.
fn lock(folder: &Path) -> Result<File> {
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|error| Error::file(&path, "creating", error))?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => {
            let problem = "another training is writing checkpoints to it";
            Err(Error::conflict(folder.display().to_string(), problem, "wait for it to end, or name another folder"))
        }
        // Where a file system knows no locks, there are none.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

/// Deletes what a process has left that was killed while it wrote a checkpoint. What cannot be deleted does no harm.
fn remove_unfinished(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".step-")) {
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
    validation: Option<Validation>,
    last: Instant,
    /// Nothing before a folder is written to for the first time.
    locked: Option<File>,
}

impl Keeper {
    /// Begins, or goes on from the newest checkpoint: how far that had come.
    pub(in crate::trainer) fn begin(
        checkpoints: &Checkpoints,
        trainer: &mut Trainer,
        validation: Option<Validation>,
    ) -> Result<(Self, Option<(Course, Restored)>)> {
        let mut keeper = Self { checkpoints: checkpoints.clone(), validation, last: Instant::now(), locked: None };
        if !checkpoints.when_stopped {
            keeper.take_folder()?;
        }
        let resumed = checkpoints.open()?.map(|checkpoint| -> Result<_> {
            let restored = trainer.restore_with(&checkpoint, validation)?;
            Ok((checkpoint.course(), restored))
        });
        Ok((keeper, resumed.transpose()?))
    }

    /// Makes the folder this training's alone.
    fn take_folder(&mut self) -> Result<()> {
        if self.locked.is_none() {
            let folder = &self.checkpoints.folder;
            std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, "making the folder", error))?;
            self.locked = Some(lock(folder)?);
            remove_unfinished(folder);
        }
        Ok(())
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
        self.take_folder()?;
        let folder = &self.checkpoints.folder;
        let newest = folder.join(name(trainer.steps()));
        trainer.checkpoint_of(Some(course), self.validation)?.save(&newest)?;
        self.last = Instant::now();
        let mut old = written(folder)?;
        old.truncate(old.len().saturating_sub(NEWEST));
        let best = course.best.as_ref().map(|best| best.step);
        for (_, path) in old.into_iter().filter(|(step, path)| Some(*step) != best && *path != newest) {
            match std::fs::remove_file(&path) {
                // Somebody else has done it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => done.map_err(|error| Error::file(&path, "deleting", error))?,
            }
        }
        Ok(())
    }
}
