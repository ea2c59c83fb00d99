//! Fuzzing: any file and any command line is read in short time, with little memory, and without a panic.
//!
//! ```text
//! cargo test -p fuzz                                each target: its corpus, and a few thousand mutations of it
//! cargo test -p fuzz -- csv --inputs 500000         one target for longer
//! tests/fuzz/run --seconds 60 --seed 5              all targets, two at a time, for a minute each
//! cargo test -p fuzz -- csv FILE                    one input, unchanged
//! ```
//!
//! Built with the flags in `run`, the code counts its covered edges, and inputs that cover new ones are mutated further. Without
//! the flags, inputs with new messages are. Each target runs in a separate process (`worker`), which writes each input to a file
//! before it is used. If the process ends, even by a stack overflow, that input is kept.

#[allow(dead_code, unused_imports, reason = "arguments are parsed, but nothing is run")]
#[allow(clippy::neg_cmp_op_on_partial_ord, reason = "as in the workspace's root")]
#[path = "../../../src/command/mod.rs"]
mod command;
#[path = "../../common/forged.rs"]
mod forged;
mod mutation;
mod targets;
mod watch;
mod worker;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;

use targets::TARGETS;

/// Environment variable that is set for a worker process.
const WORKER: &str = "WGRAD_FUZZ_WORKER";

/// Number of processes at a time.
const JOBS: usize = 2;

/// Command-line options, which are passed to the worker.
#[derive(Clone)]
struct Options {
    /// Targets; all by default.
    targets: Vec<&'static targets::Target>,
    /// Runs only this input.
    file: Option<PathBuf>,
    /// Number of mutated inputs, if no time is given.
    inputs: u64,
    seconds: Option<u64>,
    seed: u64,
}

impl Options {
    /// Parses options. It ignores options of libtest, such as `--show-output`, since this is one of many tests.
    fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { targets: Vec::new(), file: None, inputs: 3000, seconds: None, seed: 1 };
        let mut words =
            words.filter(|word| !["--nocapture", "--show-output", "--quiet", "-q"].contains(&word.as_str()));
        while let Some(word) = words.next() {
            let mut number = || words.next().and_then(|n| n.parse().ok()).ok_or(format!("{word} needs a number"));
            match word.as_str() {
                "--inputs" => options.inputs = number()?,
                "--seconds" => options.seconds = Some(number()?),
                "--seed" => options.seed = number()?,
                _ => match TARGETS.iter().find(|target| target.name == word) {
                    Some(target) => options.targets.push(target),
                    None if Path::new(&word).is_file() => options.file = Some(word.into()),
                    None => {
                        let names: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
                        return Err(format!("`{word}` is neither an option, a file, nor one of {}", names.join(", ")));
                    }
                },
            }
        }
        if options.targets.is_empty() {
            options.targets.extend(&TARGETS);
        }
        Ok(options)
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let options = match Options::parse(words.iter().cloned()) {
        Ok(options) => options,
        Err(problem) => {
            println!("{problem}");
            return ExitCode::from(2);
        }
    };
    if let Some(input) = std::env::var_os(WORKER) {
        options.targets.iter().for_each(|target| worker::run(target, &options, Path::new(&input)));
        return ExitCode::SUCCESS;
    }
    let (queue, failed) = (Mutex::new(options.targets.iter()), Mutex::new(Vec::new()));
    let next = || queue.lock().ok()?.next().copied();
    std::thread::scope(|scope| {
        for _ in 0..JOBS {
            scope.spawn(|| {
                while let Some(target) = next() {
                    if let Err(problem) = supervise(target, &options) {
                        println!("{}: {problem}", target.name);
                        failed.lock().expect("no thread panics with it").push(target.name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("no thread panicked");
    let verdict = if failed.is_empty() { "ok" } else { "FAILED" };
    let passed = options.targets.len() - failed.len();
    println!("test result: {verdict}. {passed} passed; {} failed; 0 ignored;", failed.len());
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a target in a separate process; keeps the input that ended it.
fn supervise(target: &targets::Target, options: &Options) -> Result<(), String> {
    let message = |error: std::io::Error| error.to_string();
    let input = tempfile::NamedTempFile::new().map_err(message)?;
    let mut worker = Command::new(std::env::current_exe().map_err(message)?);
    worker.arg(target.name).args(["--inputs", &options.inputs.to_string(), "--seed", &options.seed.to_string()]);
    worker.args(options.seconds.map(|seconds| ["--seconds".to_string(), seconds.to_string()]).into_iter().flatten());
    let status = worker.args(&options.file).env(WORKER, input.path()).status().map_err(message)?;
    if status.success() {
        return Ok(());
    }
    let bytes = std::fs::read(input.path()).map_err(message)?;
    let kept = std::env::temp_dir().join(format!("wgrad-fuzz-{}-{:08x}", target.name, crc32fast::hash(&bytes)));
    std::fs::write(&kept, bytes).map_err(message)?;
    Err(format!("{status} by the input {}", kept.display()))
}
