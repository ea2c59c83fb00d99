//! `wgrad list`: the names that a network can have, with their formulas.

use wgrad::{Activation, Optimizer, Schedule};

use super::lines::table;
use super::report::Output;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad list activations
  wgrad list optimizers
  wgrad train digits --hidden \"128 gelu 64 leaky_relu(0.1)\"
";

/// Kind of names.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Kind of names to list
    #[arg(value_enum, ignore_case = true)]
    kind: Kind,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Activation functions, with the defaults of their parameters, and formulas
    Activations,
    /// Optimizers
    Optimizers,
    /// Learning rate schedules, with their options
    Schedules,
}

/// Prints one line per name.
pub fn run(arguments: &Arguments, output: &mut Output) {
    let rows: Vec<Vec<String>> = match arguments.kind {
        Kind::Activations => Activation::all().map(|f| vec![f.to_string(), f.formula().to_string()]).collect(),
        Kind::Optimizers => Optimizer::all().map(|o| vec![o.name().into(), o.formula().into()]).collect(),
        Kind::Schedules => Schedule::KINDS.iter().map(schedule).collect(),
    };
    output.text(&table(&rows, 2, 2));
}

/// Name with options, and formula.
fn schedule((name, options, formula): &(&str, &[&str], &str)) -> Vec<String> {
    let options = if options.is_empty() { String::new() } else { format!("({})", options.join(", ")) };
    vec![format!("{name}{options}"), (*formula).to_string()]
}
