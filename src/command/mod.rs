//! The command's arguments, and what it does with the outcome: 0 where all went well, 1 where `verify` found a wrong
//! result, 2 for every error, which is told on standard error in one line.

mod bench;
mod data;
mod device;
mod devices;
mod evaluate;
mod plan;
mod plot;
mod predict;
mod progress;
mod recipe;
mod report;
mod scaling;
mod train;
mod verify;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use report::Output;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad train digits                              trains on embedded digits, writes digits.safetensors
  wgrad train house.csv --target price            your own table: split, scaled, trained, scored, saved
  wgrad train iris --network \"32 relu dropout(0.1)\" --seed 7 --out iris.safetensors
  wgrad evaluate iris.safetensors iris            loss and accuracy on all rows
  wgrad predict iris.safetensors flowers.csv      one line of CSV for each row of flowers.csv
  wgrad plot boundary moons.safetensors moons     decision regions of a model with two inputs, as boundary.svg
  wgrad verify                                    checks this device's results, op by op
  wgrad bench                                     how fast the CPU and each adapter train
  wgrad plan digits --network \"256 relu\"          the ops of a training step, as a table
  wgrad devices                                   GPUs and what else there is to compute on
";

/// Trains dense networks, and uses them.
#[derive(Parser)]
#[command(name = "wgrad", version, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Trains a network on a data set and writes the model.
    Train(train::Arguments),
    /// Tells loss and accuracy (or R²) of a model on all rows of a data set.
    Evaluate(evaluate::Arguments),
    /// Writes a model's predictions for a table's rows as CSV.
    Predict(predict::Arguments),
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
}

/// Runs the command.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(usage) => {
            // Where even the message cannot be written, the exit code still tells.
            usage.print().ok();
            return if usage.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
    };
    let mut output = Output::default();
    let right = match arguments.command {
        Command::Train(arguments) => train::run(&arguments, &mut output).map(|()| true),
        Command::Evaluate(arguments) => evaluate::run(&arguments, &mut output).map(|()| true),
        Command::Predict(arguments) => predict::run(&arguments, &mut output).map(|()| true),
        Command::Plot(arguments) => plot::run(&arguments, &mut output).map(|()| true),
        Command::Plan(arguments) => plan::run(&arguments, &mut output).map(|()| true),
        Command::Devices(arguments) => devices::run(&arguments, &mut output).map(|()| true),
        Command::Verify(arguments) => verify::run(&arguments, &mut output),
        Command::Bench(arguments) => bench::run(&arguments, &mut output).map(|()| true),
    };
    match right.and_then(|right| output.finish().map(|()| right)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            writeln!(std::io::stderr(), "error: {error}").ok();
            ExitCode::from(2)
        }
    }
}

/// A whole number of at least 1, for arguments that count something.
fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "it must be a whole number of at least 1".into())
}
