//! The command's arguments, and what it does with the outcome: 0 where all went well, 1 where `verify` found a wrong
//! result, 2 for every error, which is told on standard error in one line, 130 where Ctrl-C ended a training.

mod bench;
mod columns;
mod completions;
mod data;
mod device;
mod devices;
mod evaluate;
mod fused_step;
mod init;
mod inspect;
mod names;
mod plan;
mod plot;
mod predict;
mod progress;
mod rates;
mod recipe;
mod report;
mod run_file;
mod show;
mod signals;
mod subject;
mod train;
mod tune;
mod tuning;
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
  wgrad inspect house.csv                     what is in your own table
  wgrad train house.csv --target price        split, scaled, trained, scored,
                                              saved
  wgrad train iris --network \"32 relu dropout(0.1)\" --out iris.safetensors
  wgrad init                                  all options of train, in run.toml
  wgrad train run.toml --seed 3
  wgrad evaluate iris.safetensors iris        loss and accuracy on all rows
  wgrad predict iris.safetensors flowers.csv  a line of CSV for each row
  wgrad show iris.safetensors                 its layers, and its training
  wgrad plot boundary moons.safetensors moons decision regions, as boundary.svg
  wgrad verify                                checks this device, op by op
  wgrad bench                                 how fast it trains
  wgrad tune digits                           how this GPU cuts products best
  wgrad plan digits --network \"256 relu\"      the ops of a training step
  wgrad devices                               GPUs, and what else computes
  wgrad completions bash                      for your shell
";

/// How the word `error` looks on a terminal, here as in clap's own messages.
const ERROR: anstyle::Style = anstyle::AnsiColor::Red.on_default().bold();

/// Trains dense networks, and uses them.
#[derive(Parser)]
#[command(name = "wgrad", version, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Tells only errors, and what was asked for: predictions, tables, JSON
    #[arg(short, long, global = true, help_heading = "Output")]
    quiet: bool,
    /// Where options come from that were not typed.
    #[arg(skip)]
    run_file: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Trains a network on a data set and writes the model.
    Train(train::Arguments),
    /// Writes a file of options for `train`, with what each means.
    Init(init::Arguments),
    /// Tells what is in a table, and what will get in the way of training.
    Inspect(inspect::Arguments),
    /// Tells loss and accuracy (or R²) of a model on a data set.
    Evaluate(evaluate::Arguments),
    /// Writes a model's predictions for a table's rows as CSV.
    Predict(predict::Arguments),
    /// Prints a model's layers, columns, and the record of its training.
    Show(show::Arguments),
    /// Draws what a model makes of its data.
    Plot(plot::Arguments),
    /// Prints what a training step consists of.
    Plan(plan::Arguments),
    /// Lists what there is to compute on, and what is taken without being asked for.
    Devices(devices::Arguments),
    /// Checks every op of a network on a device against plain loops.
    Verify(verify::Arguments),
    /// Measures how fast a network trains on the CPU and on each adapter.
    Bench(bench::Arguments),
    /// Measures how a GPU cuts a network's products best, and keeps that for later trainings.
    Tune(tune::Arguments),
    /// Prints a script that completes commands, options and names in a shell.
    Completions(completions::Arguments),
}

/// Why there is nothing to run.
pub enum Refusal {
    /// What was typed; or it asks for help.
    Usage(clap::Error),
    /// The run file, or an argument that is no text.
    Told(Error),
}

/// Runs the command.
pub fn main() -> ExitCode {
    signals::ignore_file_size_limit();
    let typed: Vec<_> = std::env::args_os().collect();
    match parsed(&typed) {
        Ok(arguments) => run(arguments),
        Err(Refusal::Usage(usage)) => told(&usage),
        Err(Refusal::Told(error)) => failed(&error),
    }
}

/// Reads what was typed, and what stands in a run file that it names; runs nothing.
pub fn parsed(typed: &[OsString]) -> Result<Arguments, Refusal> {
    let command = built();
    let refused = |usage| usage::not_text(&command, typed).map_or(Refusal::Usage(usage), Refusal::Told);
    let matches = command.clone().try_get_matches_from(typed).map_err(refused)?;
    let Some(expanded) = run_file::expand(&command, &matches, typed).map_err(Refusal::Told)? else {
        return Arguments::from_arg_matches(&matches).map_err(Refusal::Usage);
    };
    let all = run_file::accepting(Arguments::command()).try_get_matches_from(expanded.words);
    let arguments = all.and_then(|matches| Arguments::from_arg_matches(&matches));
    let refused = |usage| Refusal::Told(in_run_file(&expanded.path, usage::line(&usage)));
    Ok(Arguments { run_file: Some(expanded.path.clone()), ..arguments.map_err(refused)? })
}

/// The definition of the arguments, with options of all commands in each.
fn built() -> clap::Command {
    let mut command = Arguments::command();
    command.build();
    command
}

/// What is wrong with options of which some stand in a run file.
fn in_run_file(path: &Path, problem: impl ToString) -> Error {
    Error::format(path, problem.to_string(), "correct the file, or what was typed with it")
}

fn run(arguments: Arguments) -> ExitCode {
    let mut output = Output::new(arguments.quiet);
    let code = match arguments.command {
        Command::Train(arguments) => train::run(&arguments, &mut output),
        Command::Init(arguments) => init::run(&arguments, &built(), &mut output).map(|()| 0),
        Command::Inspect(arguments) => inspect::run(&arguments, &mut output).map(|()| 0),
        Command::Evaluate(arguments) => evaluate::run(&arguments, &mut output).map(|()| 0),
        Command::Predict(arguments) => predict::run(&arguments, &mut output).map(|()| 0),
        Command::Show(arguments) => show::run(&arguments, &mut output).map(|()| 0),
        Command::Plot(arguments) => plot::run(&arguments, &mut output).map(|()| 0),
        Command::Plan(arguments) => plan::run(&arguments, &mut output).map(|()| 0),
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

/// Help that was asked for, or what is wrong with what was typed. Where even that cannot be written, the exit code
/// still tells.
fn told(usage: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if usage.use_stderr() && usage.kind() != DisplayHelpOnMissingArgumentOrSubcommand {
        return failed(&format!("{}; for more, try `--help`", usage::line(usage)));
    }
    usage.print().ok();
    if usage.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

fn failed(error: &dyn Display) -> ExitCode {
    // The stream leaves out the colour where nobody would see it, or wants it. What was typed is not to move the cursor.
    writeln!(anstream::stderr(), "{ERROR}error:{ERROR:#} {}", shown(&error.to_string())).ok();
    ExitCode::from(2)
}

/// A whole number of at least 1, for arguments that count something.
fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "it must be a whole number of at least 1".into())
}
