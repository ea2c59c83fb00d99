//! `wgrad list`: names of activation functions and metrics, with their formulas.

use wgrad::Activation;
use wgrad::metrics::Metric;

use super::lines::table;
use super::report::Output;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad list activations
  wgrad train digits --hidden \"128 gelu 64 leaky_relu(0.1)\"
  wgrad list metrics

In formulas of metrics, t is the actual class or target, p the predicted class,
s a score, q a probability, y an output, P precision and R recall. Parameters
have their defaults. `evaluate --json` has all metrics that suit the model.
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
    /// Activation functions, with the defaults of their parameters
    Activations,
    /// Metrics, with the defaults of their parameters
    Metrics,
}

/// Prints one line per name.
pub fn run(arguments: &Arguments, output: &mut Output) {
    let rows: Vec<_> = match arguments.kind {
        Kind::Activations => Activation::all().map(|f| vec![f.to_string(), f.formula().to_string()]).collect(),
        Kind::Metrics => Metric::all().map(|m| vec![m.signature(), m.formula().to_string()]).collect(),
    };
    output.text(&table(&rows, 2, 2));
}
