//! What is left of a training that is stopped, and how it goes on: `--checkpoint`, `--resume`, Ctrl-C.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::{Args, ValueHint};
use wgrad::{Checkpoints, Error, Flow, Result};

use crate::command::count;
use crate::command::report::quoted;

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
    #[arg(long, value_name = "N", requires = "checkpoint", help_heading = "Checkpoints")]
    #[arg(value_parser = count, allow_negative_numbers = true)]
    checkpoint_steps: Option<usize>,
    /// Writes one after every S seconds
    #[arg(long, value_name = "S", requires = "checkpoint", help_heading = "Checkpoints")]
    #[arg(value_parser = seconds, allow_negative_numbers = true)]
    checkpoint_secs: Option<f64>,
    /// Goes on from the newest checkpoint in the folder, or begins where there is none
    #[arg(long, requires = "checkpoint", help_heading = "Checkpoints")]
    resume: bool,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    let wanted = || "it must be a number of seconds above 0, and below a billion".to_string();
    text.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds < 1e9).ok_or_else(wanted)
}

impl Stopping {
    /// Where checkpoints go, and when. Without a folder there is one only where training is stopped, beside the model.
    pub fn checkpoints(&self, model: &Path) -> Checkpoints {
        let Some(folder) = &self.checkpoint else {
            return Checkpoints::in_folder(unused(&model.with_extension("checkpoints"))).only_when_stopped();
        };
        let mut checkpoints = Checkpoints::in_folder(folder);
        if let Some(steps) = self.checkpoint_steps {
            checkpoints = checkpoints.every_steps(steps as u64);
        }
        let interval = self.checkpoint_secs.or(self.checkpoint_steps.is_none().then_some(INTERVAL));
        if let Some(seconds) = interval {
            checkpoints = checkpoints.every(Duration::from_secs_f64(seconds));
        }
        if self.resume { checkpoints.resume() } else { checkpoints }
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
        words.iter().map(|word| quoted(&word.to_string_lossy())).collect::<Vec<_>>().join(" ")
    }
}

/// The first of `a`, `a-2`, `a-3`, … that is not there: the checkpoint of an earlier training is not to be lost.
fn unused(folder: &Path) -> PathBuf {
    let numbered = |number: u32| {
        let mut name = folder.as_os_str().to_owned();
        name.push(format!("-{number}"));
        PathBuf::from(name)
    };
    let names = [folder.to_path_buf()].into_iter().chain((2..).map(numbered));
    names.into_iter().find(|folder| !folder.exists()).unwrap_or_else(|| folder.into())
}

/// Whether somebody wants training to end: Ctrl-C, or a request of the system to terminate.
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
        };
        ctrlc::set_handler(handler).map_err(|error| {
            let problem = format!("Ctrl-C cannot be listened for: {error}");
            Error::conflict("training", problem, "run it as a process of its own")
        })?;
        Ok(asked)
    }

    /// Whether somebody has asked.
    pub fn is_asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// What that means for training.
    pub fn flow(&self) -> Flow {
        if self.is_asked() { Flow::Stop } else { Flow::Continue }
    }
}
