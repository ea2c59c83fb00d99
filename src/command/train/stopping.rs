//! Checkpoints, and stopping of training: `--checkpoint`, `--resume`, Ctrl-C.

use std::ffi::OsString;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueHint};
use wgrad::data::quoted;
use wgrad::{Checkpoints, Error, Result};

use super::networks::Member;
use crate::command::numbers::{count, within};
use crate::command::paths::on_disk;

/// Exit code after Ctrl-C: 128 plus the number of the signal, as in shells.
pub const INTERRUPTED: u8 = 130;

/// Default time between checkpoints, in seconds.
const INTERVAL: f64 = 60.0;

/// Options of `wgrad train` for checkpoints.
#[derive(Args)]
pub struct Stopping {
    /// Writes checkpoints to FOLDER during training
    ///
    /// The three newest checkpoints and the checkpoint of the best epoch are kept. A FOLDER that already has
    /// checkpoints is an error without --resume. Without --checkpoint, only Ctrl-C writes a checkpoint, to a folder
    /// beside the model.
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    #[arg(help_heading = "Checkpoints", hide_short_help = true)]
    #[arg(value_parser = on_disk())]
    checkpoint: Option<PathBuf>,
    /// Steps between checkpoints, with --checkpoint [default: none]
    #[arg(long, value_name = "N", help_heading = "Checkpoints", hide_short_help = true)]
    #[arg(value_parser = count, allow_negative_numbers = true)]
    checkpoint_steps: Option<usize>,
    /// Seconds between checkpoints, with --checkpoint [default: 60]
    ///
    /// With --checkpoint-steps, there is no default.
    #[arg(long, value_name = "S", help_heading = "Checkpoints", hide_short_help = true)]
    #[arg(value_parser = seconds, allow_negative_numbers = true)]
    checkpoint_secs: Option<f64>,
    /// Continues from the newest checkpoint
    ///
    /// Training continues from the folder of --checkpoint, or else from the checkpoint that Ctrl-C wrote for the same
    /// data and settings. If there is no checkpoint, training starts from the beginning. Give all other options again,
    /// unchanged. Of the settings, only the number of epochs, the patience, the learning rate, its schedule,
    /// plateau and warm-up may change. A folder of --checkpoint with checkpoints of other settings is an error.
    #[arg(long, help_heading = "Checkpoints", hide_short_help = true)]
    resume: bool,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    within(text, 1e-3..=1e9)
}

impl Stopping {
    /// Returns true if `--resume` was given.
    pub fn is_resumed(&self) -> bool {
        self.resume
    }

    /// Returns `true` if checkpoints are only for Ctrl-C, and are not needed once the model is saved.
    pub fn is_own(&self) -> bool {
        self.checkpoint.is_none()
    }

    /// Returns the folder of a network's checkpoints, and the time between them. Without `--checkpoint`, only a stopped
    /// training run writes a checkpoint, to a folder beside the model. Of several networks, each finished one has a
    /// checkpoint, too.
    pub fn checkpoints(&self, model: &Path, member: Option<Member>) -> Result<Checkpoints> {
        let Some(folder) = &self.checkpoint else {
            self.check_alone()?;
            let own = Checkpoints::in_numbered_folder(model.with_extension("checkpoints"));
            return Ok(self.resumed(if member.is_some() { own.only_at_end() } else { own.only_when_stopped() }));
        };
        if folder == model {
            let problem = "the model and the folder of checkpoints have the same name";
            return Err(Error::conflict(folder.display().to_string(), problem, "name another folder"));
        }
        let own = member.map(|member| folder.join(member.folder()));
        let mut checkpoints = Checkpoints::in_folder(own.as_ref().unwrap_or(folder));
        if let Some(steps) = self.checkpoint_steps {
            checkpoints = checkpoints.every_steps(steps as u64);
        }
        let interval = self.checkpoint_secs.or(self.checkpoint_steps.is_none().then_some(INTERVAL));
        if let Some(seconds) = interval {
            checkpoints = checkpoints.every(Duration::from_secs_f64(seconds));
        }
        Ok(self.resumed(checkpoints))
    }

    /// Returns a note on checkpoints that Ctrl-C left beside the model, if training begins anew nevertheless.
    pub fn waiting(&self, model: &Path) -> Option<String> {
        let folder = model.with_extension("checkpoints");
        let has_checkpoints = folder.read_dir().is_ok_and(|mut files| files.next().is_some());
        (has_checkpoints && !self.resume && self.checkpoint.is_none()).then(|| {
            let folder = folder.display();
            format!(
                "training begins anew; with `--resume`, it would continue from a checkpoint in {folder}, if one has \
                     these settings"
            )
        })
    }

    /// Resumes from existing checkpoints if `--resume` was given. Another learning rate is accepted, since more epochs
    /// change the learning rate schedule.
    fn resumed(&self, checkpoints: Checkpoints) -> Checkpoints {
        if self.resume { checkpoints.resume().accept_learning_rate() } else { checkpoints }
    }

    /// Refuses options of checkpoints without a folder. clap cannot check this, since a run file may set the folder.
    fn check_alone(&self) -> Result<()> {
        let given = [
            ("--checkpoint-steps", self.checkpoint_steps.is_some()),
            ("--checkpoint-secs", self.checkpoint_secs.is_some()),
        ];
        let Some((option, _)) = given.into_iter().find(|(_, given)| *given) else { return Ok(()) };
        let problem = "there is no folder of checkpoints";
        Err(Error::conflict(format!("`{option}`"), problem, "name one with `--checkpoint`"))
    }

    /// Returns the command that resumes training: the typed command with `--resume`. Without `--checkpoint`, training
    /// finds its checkpoint by the settings.
    pub fn command(&self) -> String {
        let mut words: Vec<OsString> = std::env::args_os().collect();
        if let Some(program) = words.first_mut() {
            *program = Path::new(program).file_name().unwrap_or("wgrad".as_ref()).into();
        }
        if !self.resume {
            words.push("--resume".into());
        }
        words.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }
}

/// Request of the user to stop training, by Ctrl-C. All clones share it.
#[derive(Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for Ctrl-C from now on. A second Ctrl-C ends the program immediately.
    pub fn listen() -> Result<Self> {
        let asked = Self(Arc::new(AtomicBool::new(false)));
        let heard = asked.clone();
        let handler = move || {
            if heard.0.swap(true, Ordering::SeqCst) {
                std::process::exit(INTERRUPTED.into());
            }
            let text = "\nfinishing the current step, then a checkpoint; Ctrl-C again stops at once";
            writeln!(std::io::stderr(), "{text}").ok();
        };
        ctrlc::set_handler(handler).map_err(|error| {
            let problem = format!("Ctrl-C cannot be listened for: {error}");
            Error::conflict("training", problem, "run it as a process of its own")
        })?;
        Ok(asked)
    }

    /// Returns `Break` if the user pressed Ctrl-C, otherwise `Continue`.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.0.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Makes the next Ctrl-C end the program immediately. Training has ended, so no checkpoint will be written.
    pub fn end(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
