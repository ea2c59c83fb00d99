//! Fuzzing: whatever stands in a file or on the command line, reading it ends soon, within little memory, and without a
//! panic.
//!
//! ```text
//! cargo test -p fuzz                                each target: its corpus, and a few thousand changes to it
//! cargo test -p fuzz -- csv --inputs 500000         one target for longer
//! tests/fuzz/run --seconds 60 --seed 5              all targets, two at a time, for a minute each
//! cargo test -p fuzz -- csv FILE                    one input, as it is
//! ```
//!
//! Built with the flags in `run`, the code counts which of its edges were taken, and inputs that take new ones are
//! changed further; without them new messages have to do. Each target runs in a process of its own (`worker`), which
//! writes each input to a file before it is used: whatever ends the process, even an overflow of its stack, the file is
//! what did it, and is kept.

#[allow(dead_code, unused_imports, reason = "arguments are read, but nothing is run")]
#[allow(clippy::neg_cmp_op_on_partial_ord, reason = "as in the workspace's root, which says why")]
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

/// Set for the process of a target, which is to look for faults itself.
const WORKER: &str = "WGRAD_FUZZ_WORKER";

/// Processes at a time.
const JOBS: usize = 2;

/// Arguments, as they are handed on to the worker.
#[derive(Clone)]
struct Options {
    /// All where there is none.
    targets: Vec<&'static targets::Target>,
    /// Looks at this input alone.
    file: Option<PathBuf>,
    /// Stops after so many changed inputs, where no time is given.
    inputs: u64,
    seconds: Option<u64>,
    seed: u64,
}

impl Options {
    /// Options of libtest, such as `--nocapture`, are passed over: this is one of many tests.
    fn parse(words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { targets: Vec::new(), file: None, inputs: 3000, seconds: None, seed: 1 };
        let mut words = words.filter(|word| !["--nocapture", "--quiet", "-q"].contains(&word.as_str()));
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

/// Runs a target in a process of its own; keeps the input that ended it.
fn supervise(target: &targets::Target, options: &Options) -> Result<(), String> {
    let told = |error: std::io::Error| error.to_string();
    let input = tempfile::NamedTempFile::new().map_err(told)?;
    let mut worker = Command::new(std::env::current_exe().map_err(told)?);
    worker.arg(target.name).args(["--inputs", &options.inputs.to_string(), "--seed", &options.seed.to_string()]);
    worker.args(options.seconds.map(|seconds| ["--seconds".to_string(), seconds.to_string()]).into_iter().flatten());
    let status = worker.args(&options.file).env(WORKER, input.path()).status().map_err(told)?;
    if status.success() {
        return Ok(());
    }
    let bytes = std::fs::read(input.path()).map_err(told)?;
    let kept = std::env::temp_dir().join(format!("wgrad-fuzz-{}-{:08x}", target.name, crc32fast::hash(&bytes)));
    std::fs::write(&kept, bytes).map_err(told)?;
    Err(format!("{status} by the input {}", kept.display()))
}
