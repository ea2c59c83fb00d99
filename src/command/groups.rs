//! Options that apply to some of the parameters: frozen layers, learning rates, weight decay, penalties, largest norms.

use std::str::FromStr;

use wgrad::{Error, ParameterGroup, Result};

/// Options for groups of parameters, of commands that define the training of a network.
#[derive(clap::Args)]
pub struct GroupOptions {
    /// Frozen parameters, as in "0,2.bias" [default: none]
    ///
    /// They keep their initial values. TENSORS is a list: 2 for layer 2, 2.weight for its weights, bias for all biases,
    /// dense or layer_norm for layers of a kind, norm for all normalization layers, matrices for all matrices, vectors
    /// for all other tensors, * for all. Layers, including activation functions, are numbered from 0 in the order of
    /// `wgrad show`.
    #[arg(long, value_name = "TENSORS", help_heading = "Training", hide_short_help = true)]
    freeze: Option<String>,
    /// Parameters without weight decay, as "bias,norm" [default: none]
    ///
    /// TENSORS is as for --freeze. With "vectors", only matrices have weight decay.
    #[arg(long, value_name = "TENSORS", help_heading = "Training", hide_short_help = true)]
    no_decay: Option<String>,
    /// Factor of the learning rate, "0=0.1" [default: 1]
    ///
    /// "0=0.1" multiplies the learning rate of layer 0 by 0.1; --freeze describes other names of tensors. The option
    /// may be repeated; where two name the same tensors, the later one counts.
    #[arg(long, value_name = "TENSORS=X", help_heading = "Training", hide_short_help = true)]
    rate_factor: Vec<Numbered>,
    /// L1 penalty, "1e-4" or "0=1e-4" [default: none]
    ///
    /// X times the sum of |p| is added to the loss. "1e-4" is for the weights p of all layers, "0=1e-4" only for those
    /// of layer 0; --freeze describes other names of tensors. The gradient of the penalty is added after clipping, and
    /// the reported losses are without it. The option may be repeated. With --l2, it is the penalty of an elastic net.
    #[arg(long, value_name = "X", value_parser = of_matrices, allow_negative_numbers = true)]
    #[arg(help_heading = "Training", hide_short_help = true)]
    l1: Vec<Numbered>,
    /// L2 penalty, "1e-4" or "0=1e-4" [default: none]
    ///
    /// X times the sum of p² is added to the loss. "1e-4" is for the weights p of all layers, "0=1e-4" only for those
    /// of layer 0; --freeze describes other names of tensors. With sgd it is the same as --weight-decay with twice the
    /// value.
    #[arg(long, value_name = "X", value_parser = of_matrices, allow_negative_numbers = true)]
    #[arg(help_heading = "Training", hide_short_help = true)]
    l2: Vec<Numbered>,
    /// Largest norm of a unit's weights, "3" or "0=3" [default: none]
    ///
    /// After each step, the weights into a unit are scaled down if their Euclidean norm is larger. "3" is for all
    /// layers, "0=3" only for layer 0; --freeze describes other names of tensors. The option may be repeated.
    #[arg(long, value_name = "X", value_parser = of_matrices, allow_negative_numbers = true)]
    #[arg(help_heading = "Training", hide_short_help = true)]
    max_norm: Vec<Numbered>,
}

/// Value of an option such as `0,2=0.1`: names of tensors, and a number for them.
#[derive(Clone)]
struct Numbered {
    tensors: String,
    number: f64,
}

impl FromStr for Numbered {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let parts = text.rsplit_once('=').and_then(|(tensors, number)| Some((tensors, number.trim().parse().ok()?)));
        let (tensors, number) =
            parts.ok_or_else(|| Error::value("option", "value", format!("`{text}`"), "TENSORS=X, as in 0,2=0.1"))?;
        Ok(Self { tensors: tensors.into(), number })
    }
}

/// Parses `TENSORS=X`, or `X`, which is for all matrices.
fn of_matrices(text: &str) -> Result<Numbered> {
    if text.contains('=') { text.parse() } else { format!("matrices={text}").parse() }
}

impl GroupOptions {
    /// Converts the options to parameter groups. Where two of them conflict, the later one counts.
    pub fn groups(&self) -> Vec<ParameterGroup> {
        let undecayed = self.no_decay.iter().map(|tensors| ParameterGroup::of(tensors).without_weight_decay());
        type Setter = fn(ParameterGroup, f64) -> ParameterGroup;
        let numbers: [(&[Numbered], Setter); 4] = [
            (&self.rate_factor, ParameterGroup::learning_rate_factor),
            (&self.l1, ParameterGroup::l1),
            (&self.l2, ParameterGroup::l2),
            (&self.max_norm, ParameterGroup::max_norm),
        ];
        let numbered = numbers.into_iter().flat_map(|(options, set)| {
            options.iter().map(move |Numbered { tensors, number }| set(ParameterGroup::of(tensors), *number))
        });
        let frozen = self.freeze.iter().map(|tensors| ParameterGroup::of(tensors).frozen());
        numbered.chain(undecayed).chain(frozen).collect()
    }
}
