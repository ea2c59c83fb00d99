//! What is left of a training that is stopped, and how it goes on: `--checkpoint`, `--resume`, Ctrl-C.

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

use crate::command::count;

/// Exit code of what Ctrl-C has ended, as shells have it: 128 and the signal's number.
pub const INTERRUPTED: u8 = 130;

/// How often there is a checkpoint where nothing else is said, in seconds.
const INTERVAL: f64 = 60.0;

/// When training is written down, so that it can go on.
#[derive(Args)]
pub struct Stopping {
    /// Folder to write checkpoints to: the newest three and the best stay
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath, help_heading = "Checkpoints")]
    checkpoint: Option<PathBuf>,
    /// Writes one after every N steps, instead of every 60 seconds
    #[arg(long, value_name = "N", help_heading = "Checkpoints")]
    #[arg(value_parser = count, allow_negative_numbers = true)]
    checkpoint_steps: Option<usize>,
    /// Writes one after every S seconds
    #[arg(long, value_name = "S", help_heading = "Checkpoints")]
    #[arg(value_parser = seconds, allow_negative_numbers = true)]
    checkpoint_secs: Option<f64>,
    /// Goes on from the newest checkpoint in the folder, or begins where there is none; without --checkpoint, from what
    /// Ctrl-C left of a training with the same settings
    #[arg(long, help_heading = "Checkpoints")]
    resume: bool,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    let wanted = || "it must be a number of seconds above 0, and below a billion".to_string();
    text.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds < 1e9).ok_or_else(wanted)
}

impl Stopping {
    /// Whether it goes on from a checkpoint, where there is one.
    pub fn is_resumed(&self) -> bool {
        self.resume
    }

    /// Where checkpoints go, and when. Without a folder there is one only where training is stopped, beside the model.
    pub fn checkpoints(&self, model: &Path) -> Result<Checkpoints> {
        let Some(folder) = &self.checkpoint else {
            self.check_alone()?;
            let own = Checkpoints::in_numbered_folder(model.with_extension("checkpoints")).only_when_stopped();
            return Ok(if self.resume { own.resume() } else { own });
        };
        if folder == model {
            let problem = "the model would stand where the folder of checkpoints does";
            return Err(Error::conflict(folder.display().to_string(), problem, "name another folder"));
        }
        let mut checkpoints = Checkpoints::in_folder(folder);
        if let Some(steps) = self.checkpoint_steps {
            checkpoints = checkpoints.every_steps(steps as u64);
        }
        let interval = self.checkpoint_secs.or(self.checkpoint_steps.is_none().then_some(INTERVAL));
        if let Some(seconds) = interval {
            checkpoints = checkpoints.every(Duration::from_secs_f64(seconds));
        }
        Ok(if self.resume { checkpoints.resume() } else { checkpoints })
    }

    /// Not a rule of the arguments, since the folder may stand in a run file.
    fn check_alone(&self) -> Result<()> {
        let given = [
            ("--checkpoint-steps", self.checkpoint_steps.is_some()),
            ("--checkpoint-secs", self.checkpoint_secs.is_some()),
        ];
        let Some((option, _)) = given.into_iter().find(|(_, given)| *given) else { return Ok(()) };
        let problem = "there is no folder of checkpoints";
        Err(Error::conflict(format!("`{option}`"), problem, "name one with `--checkpoint`"))
    }

    /// What to type to go on from the checkpoints in `folder`: what was typed, and what it lacks.
    pub fn command(&self, folder: &Path) -> String {
        let mut words: Vec<OsString> = std::env::args_os().collect();
        if let Some(program) = words.first_mut() {
            *program = Path::new(program).file_name().unwrap_or("wgrad".as_ref()).into();
        }
        if self.checkpoint.is_none() {
            words.extend(["--checkpoint".into(), folder.into()]);
        }
        if !self.resume {
            words.push("--resume".into());
        }
        words.iter().map(quoted).collect::<Vec<_>>().join(" ")
    }
}

/// Whether somebody wants training to end, and has pressed Ctrl-C.
#[derive(Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on. Who asks twice does not want to wait.
    pub fn listen() -> Result<Self> {
        let asked = Self(Arc::new(AtomicBool::new(false)));
        let heard = asked.clone();
        let handler = move || {
            if heard.0.swap(true, Ordering::SeqCst) {
                std::process::exit(INTERRUPTED.into());
            }
            let text = "\nfinishing what is under way, then a checkpoint; Ctrl-C again ends at once";
            writeln!(std::io::stderr(), "{text}").ok();
        };
        ctrlc::set_handler(handler).map_err(|error| {
            let problem = format!("Ctrl-C cannot be listened for: {error}");
            Error::conflict("training", problem, "run it as a process of its own")
        })?;
        Ok(asked)
    }

    /// What that means for training.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.0.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// From now on there is nothing that could be gone on with: who asks does not have to wait.
    pub fn end(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}
