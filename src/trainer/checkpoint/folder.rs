//! When a training writes checkpoints, and which of them stay.

use std::cmp::Reverse;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::settings::Settings;
use super::{Checkpoint, Restored, Validation};
use crate::error::{Error, Result};
use crate::replace::remove_leftovers;
use crate::trainer::Trainer;
use crate::trainer::fit_state::FitState;

/// How many of the newest stay.
const NEWEST: usize = 3;

/// How many folders of one name there can be.
const NUMBERED: u32 = 999;

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
    /// Whether a folder beside it is taken where that one is another training's.
    numbered: bool,
    steps: Option<u64>,
    interval: Option<Duration>,
    resume: bool,
    when_stopped: bool,
}

impl Checkpoints {
    /// In a folder, which is made where there is none. Without further settings there is no interval.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self { folder, numbered: false, steps: None, interval: None, resume: false, when_stopped: false }
    }

    /// In a folder that is no other training's: the first of `folder`, `folder-2`, `folder-3`, … that is not there when
    /// the first checkpoint is written; [`Trainer::checkpoint_folder`] tells which. With
    /// [`Checkpoints::resume`], the one of these with checkpoints of the same settings and data, if there is one; those
    /// of other settings are left alone, and [`Fit::on_begin_anew`](crate::Fit::on_begin_anew) is called with them.
    pub fn in_numbered_folder(folder: impl Into<PathBuf>) -> Self {
        Self { numbered: true, ..Self::in_folder(folder) }
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

    /// The folders that may be this training's, as far as they are there.
    fn candidates(&self) -> Vec<PathBuf> {
        let numbers = if self.numbered { 1..=NUMBERED } else { 1..=1 };
        numbers.map(|number| self.candidate(number)).filter(|folder| folder.is_dir()).collect()
    }

    fn candidate(&self, number: u32) -> PathBuf {
        let mut name = self.folder.clone().into_os_string();
        if number > 1 {
            name.push(format!("-{number}"));
        }
        name.into()
    }
}

/// A damaged checkpoint that was passed over for an older one.
struct PassedOver {
    path: PathBuf,
    problem: String,
}

/// The newest checkpoint of a folder that can be used, and newer ones that cannot.
fn newest(folder: &Path) -> Result<Option<(Checkpoint, Vec<PassedOver>)>> {
    let mut damaged: Vec<PassedOver> = Vec::new();
    for (_, path) in written(folder)?.into_iter().rev() {
        match Checkpoint::read(&path)? {
            Ok(checkpoint) => return Ok(Some((checkpoint, damaged))),
            Err(error) => damaged.push(PassedOver { path, problem: error.to_string() }),
        }
    }
    // Not to begin anew where a training had come far: that is the user's to say.
    let Some(PassedOver { problem: first, .. }) = damaged.first() else { return Ok(None) };
    let problem = format!("none of its checkpoints can be used: {first}");
    Err(Error::conflict(folder.display().to_string(), problem, "delete them to begin anew, or name another folder"))
}

/// Result of a search for a checkpoint to go on from.
#[derive(Default)]
struct Search {
    /// Folders with checkpoints of this training, and the steps of the newest.
    own: Vec<(u64, PathBuf)>,
    /// Differences of checkpoints of other trainings, each with its folder.
    others: Vec<String>,
    /// The first folder that cannot be judged.
    refused: Option<Error>,
}

impl Search {
    /// Reads the newest checkpoint of each folder. Nothing is locked or deleted yet: a folder may be another training's.
    ///
    /// # Errors
    /// Other settings in the one folder that was named.
    fn of(checkpoints: &Checkpoints, settings: &Settings) -> Result<Self> {
        let mut search = Self::default();
        for folder in checkpoints.candidates() {
            let checkpoint = match newest(&folder) {
                Ok(Some((checkpoint, _))) => checkpoint,
                Ok(None) => continue,
                Err(error) => {
                    search.refused.get_or_insert(error);
                    continue;
                }
            };
            let place = folder.display().to_string();
            match checkpoint.header.settings.difference(settings)? {
                None => search.own.push((checkpoint.step(), folder)),
                Some(difference) if checkpoints.numbered => search.others.push(format!("{place}: {difference}")),
                Some(difference) => return Err(difference.error(place)),
            }
        }
        // Those that have come farthest come first.
        search.own.sort_by_key(|(step, _)| Reverse(*step));
        Ok(search)
    }
}

/// Start of a training.
pub(in crate::trainer) enum Beginning {
    /// At its first step; how the checkpoints differ that there are, where all are of other trainings.
    Anew(Vec<String>),
    /// At a checkpoint.
    Resumed(FitState, Restored),
}

/// A folder that no other training writes to while the value lives; the system unlocks it however the process ends.
struct Taken {
    folder: PathBuf,
    _lock: File,
}

impl Taken {
    /// Takes a folder that is there, and deletes what a process has left that was killed while it wrote a checkpoint.
    fn new(folder: PathBuf) -> Result<Self> {
        let path = folder.join("lock");
        // Not truncated: a file of that name may be the user's.
        let file = File::options().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| Error::file(&path, "creating", error))?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let (place, problem) = (folder.display().to_string(), "another training is writing checkpoints to it");
            return Err(Error::conflict(place, problem, "wait for it to end, or name another folder"));
        }
        // Where a file system knows no locks, there are none.
        remove_leftovers(&folder, |name| step_of(name).is_some());
        Ok(Self { folder, _lock: file })
    }
}

fn name(step: u64) -> String {
    format!("step-{step}.safetensors")
}

/// The step of the checkpoint with that name.
fn step_of(file: &str) -> Option<u64> {
    let step = file.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()?;
    // `007` and `+7` are numbers, too, but no training has written them.
    (name(step) == file).then_some(step)
}

/// The checkpoints of a folder, oldest first, with their steps.
fn written(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let failed = |error| Error::file(folder, "reading the folder", error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let step = path.file_name().and_then(|name| step_of(name.to_str()?));
        found.extend(step.map(|step| (step, path.clone())));
    }
    found.sort();
    Ok(found)
}

/// Keeps to what [`Checkpoints`] say.
pub(in crate::trainer) struct CheckpointWriter {
    checkpoints: Checkpoints,
    /// What epochs are validated on.
    validation: Option<Validation>,
    last: Instant,
    /// Nothing before a folder is written to for the first time.
    taken: Option<Taken>,
    /// Damaged checkpoints, which are none of the newest until they are written again.
    passed_over: Vec<PathBuf>,
}

impl CheckpointWriter {
    /// Begins, or goes on from the newest checkpoint.
    pub(in crate::trainer) fn begin(
        checkpoints: &Checkpoints,
        trainer: &mut Trainer,
        validation: Option<Validation>,
    ) -> Result<(Self, Beginning)> {
        let (checkpoints, last) = (checkpoints.clone(), Instant::now());
        let mut writer = Self { checkpoints, validation, last, taken: None, passed_over: Vec::new() };
        let beginning = if writer.checkpoints.resume { writer.resume(trainer)? } else { Beginning::Anew(Vec::new()) };
        if !writer.checkpoints.when_stopped {
            writer.take_folder()?;
        }
        if !writer.checkpoints.resume {
            writer.check_free()?;
        }
        Ok((writer, beginning))
    }

    /// # Errors
    /// A folder that has checkpoints of another training, where no other folder may be taken.
    fn check_free(&self) -> Result<()> {
        let Checkpoints { folder, numbered, .. } = &self.checkpoints;
        if *numbered || !folder.exists() {
            return Ok(());
        }
        let Some((_, newest)) = written(folder)?.pop() else { return Ok(()) };
        let problem = format!("it has checkpoints of an earlier training, the newest being {}", newest.display());
        let remedy = "resume that training, or name another folder";
        Err(Error::conflict(folder.display().to_string(), problem, remedy))
    }

    /// Goes on in the folder with checkpoints of these settings and data that has come farthest, if there is one.
    ///
    /// # Errors
    /// A folder of other settings that was named; folders all of which are locked or damaged: what is wrong with the first.
    fn resume(&mut self, trainer: &mut Trainer) -> Result<Beginning> {
        let Search { own, others, mut refused } =
            Search::of(&self.checkpoints, &Settings::of(trainer, self.validation))?;
        for (_, folder) in own {
            match Taken::new(folder) {
                Ok(taken) => return self.resume_in(taken, trainer),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        refused.map_or(Ok(Beginning::Anew(others)), Err)
    }

    /// Goes on from the newest checkpoint of a folder, which another training may have written since it was found.
    fn resume_in(&mut self, taken: Taken, trainer: &mut Trainer) -> Result<Beginning> {
        let found = newest(&taken.folder)?;
        self.taken = Some(taken);
        let Some((checkpoint, passed_over)) = found else { return Ok(Beginning::Anew(Vec::new())) };
        let restored = trainer.restore_with(&checkpoint, self.validation)?;
        let mut problems = Vec::new();
        for PassedOver { path, problem } in passed_over {
            log::warn!("a checkpoint is passed over: {problem}");
            self.passed_over.push(path);
            problems.push(problem);
        }
        Ok(Beginning::Resumed(checkpoint.fit_state(), Restored { passed_over: problems, ..restored }))
    }

    /// Makes a folder this training's alone; returns which.
    fn take_folder(&mut self) -> Result<PathBuf> {
        if let Some(taken) = &self.taken {
            return Ok(taken.folder.clone());
        }
        let taken = Taken::new(self.make_folder()?)?;
        Ok(self.taken.insert(taken).folder.clone())
    }

    fn make_folder(&self) -> Result<PathBuf> {
        let failed = |folder: &Path, error| Error::file(folder, "making the folder", error);
        let Checkpoints { folder, numbered, .. } = &self.checkpoints;
        if !*numbered {
            return std::fs::create_dir_all(folder).map(|()| folder.clone()).map_err(|error| failed(folder, error));
        }
        for folder in (1..=NUMBERED).map(|number| self.checkpoints.candidate(number)) {
            match std::fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                // Whoever makes it, has it.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&folder, error)),
            }
        }
        let (place, problem) = (folder.display().to_string(), format!("it and {NUMBERED} others beside it are taken"));
        Err(Error::conflict(place, problem, "delete those that are no longer needed, or name another folder"))
    }

    /// The folder that was written to or gone on from.
    pub(in crate::trainer) fn folder(&self) -> Option<&Path> {
        self.taken.as_ref().map(|taken| taken.folder.as_path())
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
    pub(in crate::trainer) fn write(&mut self, trainer: &mut Trainer, state: &FitState, stopped: bool) -> Result<()> {
        if self.checkpoints.when_stopped && !stopped {
            return Ok(());
        }
        let folder = &self.take_folder()?;
        let newest = folder.join(name(trainer.steps()));
        trainer.checkpoint_of(Some(state), self.validation)?.save(&newest)?;
        self.last = Instant::now();
        self.passed_over.retain(|path| *path != newest);
        let mut old = written(folder)?;
        old.retain(|(_, path)| !self.passed_over.contains(path));
        old.truncate(old.len().saturating_sub(NEWEST));
        let best = state.best.as_ref().map(|best| best.step);
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
