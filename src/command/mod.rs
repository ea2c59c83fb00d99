//! Command-line arguments and exit codes of `wgrad`. The exit code is 0 on success, 1 if `verify` found a wrong result,
//! and 130 if Ctrl-C stopped training. It is 2 for every error, with a message on standard error.

mod autotune;
mod baseline;
mod bench;
mod columns;
mod completions;
mod data;
mod device;
mod devices;
mod evaluate;
mod explain;
mod fused_step;
mod groups;
mod help;
mod init;
mod inspect;
mod lines;
mod list;
mod lr_find;
mod names;
mod numbers;
mod paths;
mod plan;
mod plot;
mod predict;
mod progress;
mod rates;
mod recipe;
mod report;
mod run_file;
mod runtime_dir;
mod show;
mod signals;
mod subject;
mod train;
mod trained_on;
mod tune;
mod usage;
mod verify;

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use report::Output;
use wgrad::Error;
use wgrad::data::shown;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad train digits                          writes digits.safetensors
  wgrad inspect house.csv                     types and problems of a table
  wgrad train house.csv --target price        splits, scales, trains, evaluates
  wgrad train iris --hidden \"32 relu dropout(0.1)\" --out iris.safetensors
  wgrad init                                  all options of train, in run.toml
  wgrad train run.toml --seed 3
  wgrad evaluate iris.safetensors iris        loss and accuracy on all rows
  wgrad explain iris.safetensors iris         importance of each column
  wgrad predict iris.safetensors flowers.csv  a line of CSV per row
  wgrad show iris.safetensors                 layers and training of a model
  wgrad plot boundary moons.safetensors moons decision regions, as boundary.svg
  wgrad verify                                checks the results of a device
  wgrad bench                                 training speed
  wgrad lr-find digits                        suggests a learning rate
  wgrad tune digits                           makes training on a GPU faster
  wgrad plan digits --hidden \"256 relu\"       operations of training
  wgrad list activations                      activation functions for --hidden
  wgrad list                                  what else can be listed
  wgrad devices                               GPUs and the CPU
  wgrad completions bash                      completes words in your shell

The file name - is standard input (for data) or standard output (predictions).
";

/// Style of the word `error` on a terminal, as in clap's messages.
const ERROR: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();

/// Trains and uses dense networks; begin with `wgrad train digits`
#[derive(Parser)]
#[command(name = "wgrad", version, after_long_help = EXAMPLES, max_term_width = lines::WIDTH)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Prints no progress and no notes
    ///
    /// `train` then prints only errors, and the results that --json or --profile asks for. `verify` prints only wrong
    /// results. Other commands still print their results.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Path of the run file of `train`; `None` if the options are not from a file.
    #[arg(skip)]
    run_file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Trains a network on a data set and writes the model
    Train(Box<train::Arguments>),
    /// Writes a file with all options of `train`
    Init(init::Arguments),
    /// Shows the columns of a table, and its problems
    Inspect(inspect::Arguments),
    /// Evaluates a model: loss, accuracy or R², confusion matrix
    Evaluate(evaluate::Arguments),
    /// Shows how much a model's score depends on each column
    Explain(explain::Arguments),
    /// Writes a model's predictions as CSV
    Predict(predict::Arguments),
    /// Shows a model's layers, columns and training
    Show(show::Arguments),
    /// Draws the predictions of a model with two columns
    Plot(plot::Arguments),
    /// Suggests a learning rate by a short training, with a picture
    LrFind(Box<lr_find::Arguments>),
    /// Shows the operations (ops) of training and evaluation
    Plan(plan::Arguments),
    /// Lists names for options: layers, losses, optimizers, …
    List(list::Arguments),
    /// Lists the devices to compute on
    Devices(devices::Arguments),
    /// Checks the results of every operation on a device
    Verify(verify::Arguments),
    /// Measures training speed on the CPU and on each GPU
    Bench(bench::Arguments),
    /// Autotunes a GPU: finds its fastest matrix multiplications
    Tune(tune::Arguments),
    /// Prints a script that completes words in a shell
    Completions(completions::Arguments),
}

/// Reason why the command line is not run.
pub enum Refusal {
    /// Wrong usage, or a request for help.
    Usage(clap::Error),
    /// Error in a run file, or an argument that is not UTF-8.
    Error(Error),
}

/// Runs the command.
pub fn main() -> ExitCode {
    runtime_dir::ensure_set();
    signals::ignore_file_size_limit();
    let typed: Vec<_> = std::env::args_os().collect();
    match parsed(&typed) {
        Ok(arguments) => run(arguments),
        Err(Refusal::Usage(usage)) => show_usage(&usage, &typed),
        Err(Refusal::Error(error)) => failed(&error),
    }
}

/// Parses the command line, and the run file if it names one.
pub fn parsed(typed: &[OsString]) -> Result<Arguments, Refusal> {
    let command = built();
    let refused = |usage| usage::not_text(&command, typed).map_or(Refusal::Usage(usage), Refusal::Error);
    let matches = command.clone().try_get_matches_from(typed).map_err(refused)?;
    let Some(expanded) = run_file::expand(&command, &matches, typed).map_err(Refusal::Error)? else {
        return Arguments::from_arg_matches(&matches).map_err(Refusal::Usage);
    };
    let all = run_file::accepting(Arguments::command()).try_get_matches_from(expanded.words);
    let arguments = all.and_then(|matches| Arguments::from_arg_matches(&matches));
    let refused = |usage| Refusal::Error(in_run_file(&expanded.path, usage::line(&usage)));
    Ok(Arguments { run_file: Some(expanded.path.clone()), ..arguments.map_err(refused)? })
}

/// Returns clap's definition of the command, in which each subcommand has the global options. To keep `-h` on one
/// screen, it does not show `--version`, and two subcommands are hidden: `help`, which does the same as `--help`, and
/// `completions`, which is needed once.
fn built() -> clap::Command {
    let mut command = Arguments::command();
    command.build();
    let command = ["help", "completions"]
        .into_iter()
        .fold(command, |command, name| command.mut_subcommand(name, |hidden| hidden.hide(true)));
    command.mut_arg("version", |version| version.hide_short_help(true))
}

/// Returns the error for wrong options, some of which come from a run file.
fn in_run_file(path: &Path, problem: impl ToString) -> Error {
    Error::format(path, problem.to_string(), "correct the file, or the options on the command line")
}

fn run(arguments: Arguments) -> ExitCode {
    let mut output = Output::new(arguments.quiet);
    let code = match arguments.command {
        Command::Train(arguments) => train::run(&arguments, &mut output),
        Command::Init(arguments) => init::run(&arguments, &built(), &mut output).map(|()| 0),
        Command::Inspect(arguments) => inspect::run(&arguments, &mut output).map(|()| 0),
        Command::Evaluate(arguments) => evaluate::run(&arguments, &mut output).map(|()| 0),
        Command::Explain(arguments) => explain::run(&arguments, &mut output).map(|()| 0),
        Command::Predict(arguments) => predict::run(&arguments, &mut output).map(|()| 0),
        Command::Show(arguments) => show::run(&arguments, &mut output).map(|()| 0),
        Command::Plot(arguments) => plot::run(&arguments, &mut output).map(|()| 0),
        Command::LrFind(arguments) => lr_find::run(&arguments, &mut output).map(|()| 0),
        Command::Plan(arguments) => plan::run(&arguments, &mut output).map(|()| 0),
        Command::List(arguments) => {
            list::run(&arguments, &mut output);
            Ok(0)
        }
        Command::Devices(arguments) => devices::run(&arguments, &mut output).map(|()| 0),
        Command::Verify(arguments) => verify::run(&arguments, &mut output).map(|right| u8::from(!right)),
        Command::Bench(arguments) => bench::run(&arguments, &mut output).map(|()| 0),
        Command::Tune(arguments) => tune::run(&arguments, &mut output).map(|()| 0),
        Command::Completions(arguments) => {
            completions::run(&arguments, Arguments::command(), &mut output);
            Ok(0)
        }
    };
    match code.and_then(|code| output.finish().map(|()| code)) {
        Ok(code) => code.into(),
        Err(error) => failed(&match arguments.run_file {
            Some(path) if matches!(error, Error::Value { .. } | Error::Unknown { .. } | Error::Conflict { .. }) => {
                in_run_file(&path, error)
            }
            _ => error,
        }),
    }
}

/// Prints help, or an error in the usage. A failure to print it does not change the exit code.
fn show_usage(usage: &clap::Error, typed: &[OsString]) -> ExitCode {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if usage.use_stderr() && usage.kind() != DisplayHelpOnMissingArgumentOrSubcommand {
        let likely = usage::likely(usage, typed).unwrap_or_else(|| "for more, try `--help`".into());
        return failed(&format!("{}; {likely}", usage::line(usage)));
    }
    usage.print().ok();
    if usage.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

fn failed(error: &dyn Display) -> ExitCode {
    // Names in the message may contain control characters, which could move the cursor.
    let text = lines::wrapped("error: ", "  ", &shown(&error.to_string()));
    // The stream removes the color unless a terminal shows it.
    writeln!(anstream::stderr(), "{ERROR}error:{ERROR:#}{}", text.strip_prefix("error:").unwrap_or(&text)).ok();
    ExitCode::from(2)
}
