//! `wgrad list`: the names that options take, with their formulas.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use wgrad::metrics::Metric;
use wgrad::{Activation, Init, Layer, Loss, Optimizer, Schedule};

use super::lines::table;
use super::report::Output;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad list activations
  wgrad list layers
  wgrad train digits --hidden \"128 batch_norm relu\"
  wgrad list initializations
  wgrad list optimizers
  wgrad train digits --hidden \"128 gelu 64 leaky_relu(0.1)\"
  wgrad list losses
  wgrad train prices.csv --loss \"huber(delta=0.5)\"
  wgrad list metrics

Each name has its parameters with their defaults, and its formula. In formulas
of losses, z is an output and t its target. In those of metrics, t is the actual
class or target, p the predicted class, s a score, q a probability, y an output,
P precision and R recall. Optimizers have their default learning rate.
`evaluate --json` has all metrics that suit the model.
";

/// Kind of names.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Kind of names to list; without it, the kinds are listed
    #[arg(value_enum, ignore_case = true)]
    kind: Option<Kind>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    /// Activation functions
    Activations,
    /// Layers of other kinds; x is the input
    Layers,
    /// Initializations of weights
    Initializations,
    /// Loss functions, with their tasks
    Losses,
    /// Optimizers
    Optimizers,
    /// Learning rate schedules
    Schedules,
    /// Metrics of predictions
    Metrics,
}

/// Prints the names.
pub fn run(arguments: &Arguments, output: &mut Output) {
    let activation = |f: Activation| vec![f.to_string(), f.formula().to_string()];
    let optimizer = |o: Optimizer| format!("{}: learning rate {}\n  {}\n", o.name(), o.learning_rate(), o.formula());
    let metric = |m: Metric| vec![m.signature(), m.formula().to_string()];
    let pair = |(text, formula): (&str, &str)| vec![text.to_string(), formula.to_string()];
    let loss = |f: Loss| format!("{}: {}\n  {}\n", f.signature(), tasks(f), f.formula());
    let Some(kind) = arguments.kind else { return output.text(&table(&kinds(), 2, 2)) };
    output.text(&match kind {
        Kind::Activations => table(&Activation::all().map(activation).collect::<Vec<_>>(), 2, 2),
        Kind::Layers => table(&Layer::kinds().map(pair).collect::<Vec<_>>(), 2, 2),
        Kind::Initializations => table(&Init::all().map(pair).collect::<Vec<_>>(), 2, 2),
        Kind::Schedules => table(&Schedule::KINDS.iter().map(schedule).collect::<Vec<_>>(), 2, 2),
        Kind::Metrics => table(&Metric::all().map(metric).collect::<Vec<_>>(), 2, 2),
        Kind::Losses => Loss::all().map(loss).collect(),
        Kind::Optimizers => Optimizer::all().map(optimizer).collect(),
    });
}

/// Returns the command for each kind, and its description.
fn kinds() -> Vec<Vec<String>> {
    let values = Kind::value_variants().iter().filter_map(Kind::to_possible_value);
    let row = |value: PossibleValue| {
        vec![format!("wgrad list {}", value.get_name()), value.get_help().map(ToString::to_string).unwrap_or_default()]
    };
    values.map(row).collect()
}

/// Returns the tasks of networks with one output and with several.
fn tasks(loss: Loss) -> String {
    let [one, several] = [1, 2].map(|outputs| loss.task(outputs));
    if one == several { one.to_string() } else { format!("{one}, {several}") }
}

/// Returns the name of a schedule with its options, and its formula.
fn schedule((name, options, formula): &(&str, &[&str], &str)) -> Vec<String> {
    let options = if options.is_empty() { String::new() } else { format!("({})", options.join(", ")) };
    vec![format!("{name}{options}"), (*formula).to_string()]
}
