//! `wgrad list`: the names that options take, with their parameters, defaults and formulas.

use clap::ValueEnum;
use clap::builder::PossibleValue;
use wgrad::metrics::Metric;
use wgrad::{Activation, Init, Layer, Loss, Optimizer, Schedule};

use super::lines::{table, wrapped};
use super::report::Output;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad list activations
  wgrad train digits --hidden \"128 gelu 64 leaky_relu(0.1)\"
  wgrad list layers
  wgrad train digits --hidden \"128 batch_norm relu\"
  wgrad list losses
  wgrad train prices.csv --loss \"huber(delta=0.5)\"
  wgrad list optimizers
  wgrad train digits --optimizer \"rmsprop(alpha=0.9, centered=true)\"
  wgrad list schedules
  wgrad train digits --schedule \"step(steps=100, factor=0.5)\"

Each name has its parameters with their defaults, and its formula. The last
lines explain the symbols. `wgrad evaluate --json` has all metrics that suit the
model.
";

/// Options of `wgrad list`.
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
    /// Layers other than activation functions
    Layers,
    /// Initializations of weights
    Initializations,
    /// Loss functions, with their tasks
    Losses,
    /// Optimizers, with their settings
    Optimizers,
    /// Learning rate schedules
    Schedules,
    /// Metrics of predictions
    Metrics,
}

/// Prints the names of a kind with their formulas, and explains the symbols. Without a kind, prints the kinds.
pub fn run(arguments: &Arguments, output: &mut Output) {
    let Some(kind) = arguments.kind else { return output.text(&table(&kinds(), 2, 2)) };
    output.text(&format!("{}\n{}\n", kind.names(), wrapped("", "", kind.symbols())));
}

impl Kind {
    /// Returns all names with their formulas, as lines.
    fn names(self) -> String {
        let pair = |(text, formula): (&str, &str)| vec![text.to_string(), formula.to_string()];
        let activation = |f: Activation| vec![f.signature(), f.formula().to_string()];
        let metric = |m: Metric| vec![m.signature(), m.formula().to_string()];
        match self {
            Self::Activations => table(&Activation::all().map(activation).collect::<Vec<_>>(), 2, 2),
            Self::Layers => table(&Layer::kinds().map(pair).collect::<Vec<_>>(), 2, 2),
            Self::Initializations => table(&Init::all().map(pair).collect::<Vec<_>>(), 2, 2),
            Self::Losses => {
                Loss::all().map(|f| entry(&format!("{}: {}", f.signature(), tasks(f)), f.formula())).collect()
            }
            Self::Optimizers => Optimizer::NAMES.iter().filter_map(|name| optimizer(name)).collect(),
            Self::Schedules => Schedule::all().map(|(text, formula)| entry(&text, formula)).collect(),
            Self::Metrics => table(&Metric::all().map(metric).collect::<Vec<_>>(), 2, 2),
        }
    }

    /// Explains the symbols in the formulas.
    fn symbols(self) -> &'static str {
        match self {
            Self::Activations => {
                "x is the input. A parameter is given by place or by name: leaky_relu(0.1), leaky_relu(slope=0.1)."
            }
            Self::Layers => {
                "x is the input, with a row for each row of the batch and a column for each unit. W, w and b are trained: \
                 weights and biases."
            }
            Self::Initializations => {
                "W are the weights, inputs and outputs their numbers of columns and rows, std a standard deviation, and I \
                 the identity matrix. gain depends on the activation function after the layer, as in PyTorch: 5/3 for \
                 tanh, √2 for relu, 1 for sigmoid and for none. value, sparsity, and std of normal and truncated_normal \
                 must be given."
            }
            Self::Losses => {
                "z is an output and t its target. Tasks: regression of numbers; binary: two classes; multi-class: any \
                 number of classes; multi-label: several targets per row, each 0 or 1. Short names are mse, mae, bce and \
                 cross_entropy."
            }
            Self::Optimizers => {
                "p is a parameter, g its gradient, t the step from 1, and rate the learning rate of the step. Means are \
                 moving averages over the steps: m becomes `beta1·m + (1 - beta1)·g`, the others likewise with beta2, alpha \
                 or rho. `c1 = 1 - beta1^t` and `c2 = sqrt(1 - beta2^t)` correct their start at 0. |p| \
                 is the norm of a whole tensor."
            }
            Self::Schedules => {
                "The learning rate of step t, from 0, is multiplied by this factor. all is the number of all steps after \
                 the warm-up, and all/4 a quarter of them. Milestones have no default."
            }
            Self::Metrics => {
                "t is the actual class or number, p the predicted class, y the predicted number, s the score and q the \
                 probability of a class, q_t that of the actual one, cov a covariance. [a = b] is 1 if it holds, else 0. P \
                 is precision and R recall; with i, if the i-th highest score is the threshold. average is macro (mean over \
                 classes), micro (all classes counted together), weighted (by rows) or binary (class 1 alone)."
            }
        }
    }
}

/// Returns the command for each kind, and its description.
fn kinds() -> Vec<Vec<String>> {
    let values = Kind::value_variants().iter().filter_map(Kind::to_possible_value);
    let row = |value: PossibleValue| {
        vec![format!("wgrad list {}", value.get_name()), value.get_help().map(ToString::to_string).unwrap_or_default()]
    };
    values.map(row).collect()
}

/// Returns a name with its parameters, and its formula on a line of its own.
fn entry(text: &str, formula: &str) -> String {
    format!("{}\n  {formula}\n", wrapped("", "    ", text))
}

/// Returns the entry of an optimizer. `sgd_momentum` is shown with the settings of `sgd` that it stands for.
fn optimizer(name: &str) -> Option<String> {
    let optimizer: Optimizer = name.parse().ok()?;
    let text = optimizer.signature();
    Some(entry(&if optimizer.name() == name { text } else { format!("{name}: {text}") }, optimizer.formula()))
}

/// Returns the tasks that a loss suits, for a network with one output and for one with several.
fn tasks(loss: Loss) -> String {
    let [one, several] = [1, 2].map(|outputs| loss.task(outputs));
    if one == several { one.to_string() } else { format!("{one}, {several}") }
}
