//! Folders of checkpoints: when checkpoints are written, which ones are kept, and from which one training resumes.

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

/// Number of newest checkpoints that are kept.
const NEWEST: usize = 3;

/// File that a training run locks.
pub(super) const LOCK: &str = "lock";

/// Largest number of a numbered folder.
const NUMBERED: u32 = 999;

/// Options for writing checkpoints to a folder during [`Trainer::fit`]. The file `step-1200.safetensors` has the state
/// after 1,200 steps.
///
/// A checkpoint is written at the end of each interval, after the best epoch so far, when a callback stops training,
/// and at the end of training. The newest three checkpoints are kept, and so is that of the best epoch.
///
/// # Examples
/// ```
/// use wgrad::{Checkpoints, Fit};
/// let fit = Fit::epochs(30).checkpoints(Checkpoints::in_folder("runs/a").every_steps(1000).resume());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoints {
    folder: PathBuf,
    /// True if numbered folders next to `folder` may be used instead.
    numbered: bool,
    steps: Option<u64>,
    interval: Option<Duration>,
    resume: bool,
    accepts_rate: bool,
    moments: Moments,
}

/// Moments at which checkpoints are written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moments {
    /// At the end of each interval, after the best epoch so far, and when training ends or is stopped.
    All,
    /// When training ends or is stopped.
    End,
    /// When training is stopped.
    Stop,
}

impl Checkpoints {
    /// Creates options for checkpoints in this folder, which is created if necessary. No checkpoints are written at
    /// intervals unless [`every_steps`](Self::every_steps) or [`every`](Self::every) is called.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::Checkpoints;
    /// let checkpoints = Checkpoints::in_folder("runs/a");
    /// ```
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self {
            folder,
            numbered: false,
            steps: None,
            interval: None,
            resume: false,
            accepts_rate: false,
            moments: Moments::All,
        }
    }

    /// Creates options for checkpoints in a folder that only this training run uses: the first of `folder`, `folder-2`,
    /// `folder-3`, … that does not exist yet. [`Trainer::checkpoint_folder`] returns the chosen folder.
    ///
    /// With [`Checkpoints::resume`], training resumes in the folder that has checkpoints of the same settings and data,
    /// if there is one. Among several such folders, the one with the most steps is used. Folders of other settings stay
    /// untouched; see [`Fit::on_new_run`](crate::Fit::on_new_run).
    ///
    /// # Examples
    /// ```
    /// # use wgrad::Checkpoints;
    /// let checkpoints = Checkpoints::in_numbered_folder("runs/a").resume();
    /// ```
    pub fn in_numbered_folder(folder: impl Into<PathBuf>) -> Self {
        Self { numbered: true, ..Self::in_folder(folder) }
    }

    /// Writes a checkpoint every `steps` steps; 0 counts as 1.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::Checkpoints;
    /// let checkpoints = Checkpoints::in_folder("runs/a").every_steps(1000);
    /// ```
    pub fn every_steps(self, steps: u64) -> Self {
        Self { steps: Some(steps.max(1)), ..self }
    }

    /// Writes a checkpoint at the end of the first submission that ends at least `interval` after the last checkpoint.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::Checkpoints;
    /// use std::time::Duration;
    /// let checkpoints = Checkpoints::in_folder("runs/a").every(Duration::from_secs(600));
    /// ```
    pub fn every(self, interval: Duration) -> Self {
        Self { interval: Some(interval), ..self }
    }

    /// Resumes from the newest checkpoint in the folder, if there is one. Without this, a folder that has checkpoints
    /// is an error.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::Checkpoints;
    /// let checkpoints = Checkpoints::in_folder("runs/a").resume();
    /// ```
    pub fn resume(self) -> Self {
        Self { resume: true, ..self }
    }

    /// Returns `true` if [`Checkpoints::resume`] was called.
    pub(in crate::trainer) fn resumes(&self) -> bool {
        self.resume
    }

    /// Accepts another learning rate and another schedule when resuming, such as a cosine over more epochs. By default
    /// such a change is an error, as for all other settings.
    ///
    /// The new values are used from the next step on. [`Restored::accepted`] lists the changes. The learning rate
    /// counts as changed if it differs from the rate with which the checkpoint's trainer was built. Among numbered
    /// folders, a folder with exactly the same settings is preferred.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::Checkpoints;
    /// let checkpoints = Checkpoints::in_folder("runs/a").resume().accept_learning_rate();
    /// ```
    pub fn accept_learning_rate(self) -> Self {
        Self { accepts_rate: true, ..self }
    }

    /// Writes a checkpoint only when a callback stops training.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::Checkpoints;
    /// let checkpoints = Checkpoints::in_folder("runs/a").only_when_stopped();
    /// ```
    pub fn only_when_stopped(self) -> Self {
        Self { moments: Moments::Stop, ..self }
    }

    /// Writes a checkpoint only when training ends, or a callback stops it.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::Checkpoints;
    /// let checkpoints = Checkpoints::in_folder("runs/a").only_at_end();
    /// ```
    pub fn only_at_end(self) -> Self {
        Self { moments: Moments::End, ..self }
    }

    /// Returns the folder as given, even if training writes to a numbered folder, such as `folder-2`.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::Checkpoints;
    /// assert_eq!(Checkpoints::in_folder("runs/a").folder(), std::path::Path::new("runs/a"));
    /// ```
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the existing folders that may belong to this training run.
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

/// Damaged checkpoint. An older checkpoint is used instead.
struct SkippedCheckpoint {
    path: PathBuf,
    problem: String,
}

/// Returns the newest usable checkpoint of a folder, and all newer checkpoints, which are damaged. `None` if the folder
/// has no checkpoints. It is an error if all are damaged.
fn newest(folder: &Path) -> Result<Option<(Checkpoint, Vec<SkippedCheckpoint>)>> {
    let mut damaged: Vec<SkippedCheckpoint> = Vec::new();
    for (_, path) in written(folder)?.into_iter().rev() {
        match Checkpoint::read(&path)? {
            Ok(checkpoint) => return Ok(Some((checkpoint, damaged))),
            Err(error) => damaged.push(SkippedCheckpoint { path, problem: error.to_string() }),
        }
    }
    // A long training run may be lost: the user decides whether to start a new one.
    let Some(SkippedCheckpoint { problem: first, .. }) = damaged.first() else { return Ok(None) };
    let problem = format!("none of its checkpoints can be used: {first}");
    Err(Error::conflict(
        folder.display().to_string(),
        problem,
        "delete them to start a new training, or name another folder",
    ))
}

/// Result of a search for a checkpoint to resume from.
#[derive(Default)]
struct Search {
    /// Folders from which this training run can resume, ordered by preference. The boolean is `true` if the newest
    /// checkpoint has exactly the same settings, and `false` if the learning rate or the schedule differs. The number
    /// is the step of the newest checkpoint.
    own: Vec<(bool, u64, PathBuf)>,
    /// Texts for folders of training runs with other settings: the folder, and the first setting that differs.
    others: Vec<String>,
    /// Problem of the first folder without a usable checkpoint.
    refused: Option<Error>,
}

impl Search {
    /// Reads the newest checkpoint of each existing folder. The search locks and deletes nothing, since a folder may
    /// belong to another training run.
    ///
    /// # Errors
    /// A checkpoint with other settings, unless folders are numbered.
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
            let made = &checkpoint.header.settings;
            match made.difference(settings, checkpoints.accepts_rate)? {
                None => search.own.push((made == settings, checkpoint.step(), folder)),
                Some(difference) if checkpoints.numbered => search.others.push(format!("{place}: {difference}")),
                Some(difference) => return Err(difference.error(place)),
            }
        }
        search.own.sort_by_key(|(is_same, step, _)| Reverse((*is_same, *step)));
        Ok(search)
    }
}

/// Start of a training run: a new run, or a resumed one.
pub(in crate::trainer) enum RunStart {
    /// Training begins at the first step. The texts are [`Search::others`].
    New(Vec<String>),
    /// Training resumes from a checkpoint.
    Resumed(FitState, Restored),
}

/// Folder that is locked while the value lives, so that no other training run writes to it. The operating system
/// unlocks it, however the process ends.
struct LockedFolder {
    folder: PathBuf,
    _lock: File,
}

impl LockedFolder {
    /// Locks an existing folder, and deletes partial files of killed processes. It is an error if another training run
    /// has locked the folder.
    fn new(folder: PathBuf) -> Result<Self> {
        let path = folder.join(LOCK);
        // The file is not truncated, since a file of that name may belong to the user.
        let file = File::options().write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(|error| Error::file(&path, "creating", error))?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            let (place, problem) = (folder.display().to_string(), "another training is writing checkpoints to it");
            return Err(Error::conflict(place, problem, "wait for it to end, or name another folder"));
        }
        // A file system without locks is accepted.
        remove_leftovers(&folder, |name| step_of(name).is_some());
        Ok(Self { folder, _lock: file })
    }
}

fn name(step: u64) -> String {
    format!("step-{step}.safetensors")
}

/// Returns the step in the name of a checkpoint file; `None` for other files.
fn step_of(file: &str) -> Option<u64> {
    let step = file.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok()?;
    // `007` and `+7` parse as numbers, but no training run writes them.
    (name(step) == file).then_some(step)
}

/// Returns the checkpoints of a folder with their steps, oldest first.
pub(super) fn written(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
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

/// Writes the checkpoints of a fit, with the options [`Checkpoints`].
pub(in crate::trainer) struct CheckpointWriter {
    checkpoints: Checkpoints,
    /// Validation set of the fit.
    validation: Option<Validation>,
    last: Instant,
    /// Locked folder, once it is chosen.
    locked: Option<LockedFolder>,
    /// Damaged checkpoints. They do not count among the newest three until they are overwritten.
    skipped_checkpoints: Vec<PathBuf>,
}

impl CheckpointWriter {
    /// Prepares the folder, and restores the newest checkpoint if training resumes.
    pub(in crate::trainer) fn begin(
        checkpoints: &Checkpoints,
        trainer: &mut Trainer,
        validation: Option<Validation>,
    ) -> Result<(Self, RunStart)> {
        let (checkpoints, last) = (checkpoints.clone(), Instant::now());
        let mut writer = Self { checkpoints, validation, last, locked: None, skipped_checkpoints: Vec::new() };
        let start = if writer.checkpoints.resume { writer.resume(trainer)? } else { RunStart::New(Vec::new()) };
        if writer.checkpoints.moments == Moments::All {
            writer.lock_folder()?;
        }
        if !writer.checkpoints.resume {
            writer.check_free()?;
        }
        Ok((writer, start))
    }

    /// Checks that the folder has no checkpoints yet.
    ///
    /// # Errors
    /// A folder that has checkpoints, unless folders are numbered.
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

    /// Resumes in the first folder of [`Search::own`] that is not locked. If no folder has checkpoints of these
    /// settings and data, training begins anew.
    ///
    /// # Errors
    /// A checkpoint with other settings, unless folders are numbered; the first problem found, if all folders are
    /// locked or damaged.
    fn resume(&mut self, trainer: &mut Trainer) -> Result<RunStart> {
        let Search { own, others, mut refused } =
            Search::of(&self.checkpoints, &Settings::of(trainer, self.validation))?;
        for (_, _, folder) in own {
            match LockedFolder::new(folder) {
                Ok(locked) => return self.resume_in(locked, trainer),
                Err(error) => refused = refused.or(Some(error)),
            }
        }
        refused.map_or(Ok(RunStart::New(others)), Err)
    }

    /// Resumes from the newest checkpoint of a locked folder. It is read again, since another training run may have
    /// written a newer one after the search.
    fn resume_in(&mut self, locked: LockedFolder, trainer: &mut Trainer) -> Result<RunStart> {
        let found = newest(&locked.folder)?;
        self.locked = Some(locked);
        let Some((checkpoint, skipped)) = found else { return Ok(RunStart::New(Vec::new())) };
        let restored = trainer.restore_with(&checkpoint, self.validation, self.checkpoints.accepts_rate)?;
        let mut problems = Vec::new();
        for SkippedCheckpoint { path, problem } in skipped {
            log::warn!("a checkpoint is passed over: {problem}");
            self.skipped_checkpoints.push(path);
            problems.push(problem);
        }
        Ok(RunStart::Resumed(checkpoint.fit_state(), Restored { skipped_checkpoints: problems, ..restored }))
    }

    /// Locks a folder for this training run, and returns it.
    fn lock_folder(&mut self) -> Result<PathBuf> {
        if let Some(locked) = &self.locked {
            return Ok(locked.folder.clone());
        }
        let locked = LockedFolder::new(self.make_folder()?)?;
        Ok(self.locked.insert(locked).folder.clone())
    }

    fn make_folder(&self) -> Result<PathBuf> {
        let failed = |folder: &Path, error| Error::file(folder, "creating the folder", error);
        let Checkpoints { folder, numbered, .. } = &self.checkpoints;
        if !*numbered {
            return std::fs::create_dir_all(folder).map(|()| folder.clone()).map_err(|error| failed(folder, error));
        }
        for folder in (1..=NUMBERED).map(|number| self.checkpoints.candidate(number)) {
            match std::fs::create_dir(&folder) {
                Ok(()) => return Ok(folder),
                // This folder belongs to the training run that created it, so the next number is tried.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(&folder, error)),
            }
        }
        let (place, problem) = (
            folder.display().to_string(),
            format!("it and the folders beside it up to number {NUMBERED} exist already"),
        );
        Err(Error::conflict(place, problem, "delete folders that are no longer needed, or name another one"))
    }

    /// Returns the folder to which checkpoints were written or from which training resumed, if there is one.
    pub(in crate::trainer) fn folder(&self) -> Option<&Path> {
        self.locked.as_ref().map(|locked| locked.folder.as_path())
    }

    /// Returns the number of steps from step `step` to the end of the interval of [`Checkpoints::every_steps`];
    /// `u64::MAX` if there is no such interval.
    pub(in crate::trainer) fn steps_left(&self, step: u64) -> u64 {
        self.checkpoints.steps.map_or(u64::MAX, |every| every - step % every)
    }

    /// Returns `true` if an interval of [`Checkpoints::every_steps`] or [`Checkpoints::every`] is over after step
    /// `step`.
    pub(in crate::trainer) fn is_due(&self, step: u64) -> bool {
        let Checkpoints { steps, interval, .. } = self.checkpoints;
        steps.is_some_and(|every| step.is_multiple_of(every))
            || interval.is_some_and(|interval| self.last.elapsed() >= interval)
    }

    /// Returns `true` if a checkpoint is written now: training ends, or a callback has stopped it, or neither.
    pub(in crate::trainer) fn is_moment(&self, ends: bool, stopped: bool) -> bool {
        match self.checkpoints.moments {
            Moments::All => true,
            Moments::End => ends || stopped,
            Moments::Stop => stopped,
        }
    }

    /// Writes a checkpoint and deletes old checkpoints.
    pub(in crate::trainer) fn write(&mut self, trainer: &mut Trainer, state: &FitState) -> Result<()> {
        let folder = &self.lock_folder()?;
        let newest = folder.join(name(trainer.steps()));
        trainer.checkpoint_of(Some(state), self.validation)?.save(&newest)?;
        self.last = Instant::now();
        self.skipped_checkpoints.retain(|path| *path != newest);
        let mut old = written(folder)?;
        old.retain(|(_, path)| !self.skipped_checkpoints.contains(path));
        old.truncate(old.len().saturating_sub(NEWEST));
        let best = state.best.as_ref().map(|best| best.step);
        for (_, path) in old.into_iter().filter(|(step, path)| Some(*step) != best && *path != newest) {
            match std::fs::remove_file(&path) {
                // Another process has deleted it.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => done.map_err(|error| Error::file(&path, "deleting", error))?,
            }
        }
        Ok(())
    }
}
