//! Parameter groups: freezing, learning rate, weight decay, penalties and largest norm of selected tensors.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::layer::{LayerTensor, Node, TensorKind};
use crate::network::Network;

/// Parameter group: settings for selected tensors of a network, like PyTorch's parameter groups and Keras's
/// `trainable`.
///
/// A group selects trained tensors by a list of items, separated by commas:
///
/// | item | selected tensors |
/// |---|---|
/// | `2` | all tensors of layer 2 |
/// | `2.weight` | the weight of layer 2, named as in PyTorch |
/// | `bias` | all tensors with this name |
/// | `dense`, `layer_norm` | all tensors of layers of this kind |
/// | `norm` | all tensors of normalization layers |
/// | `norm.bias` | all tensors with this name in layers of this kind |
/// | `vectors` | all vectors, such as biases and the weights of normalization layers |
/// | `matrices` | all matrices, such as the weights of dense layers |
/// | `*` | all trained tensors |
///
/// A group changes only the settings that are not `None`. If two groups set the same setting of a tensor, the later
/// group takes precedence.
///
/// # Examples
/// ```
/// use wgrad::{AdamW, Device, Loss, Network, ParameterGroup, Trainer};
/// let trainer = Trainer::builder(Network::input(4).dense(16).relu().dense(3))
///     .loss(Loss::softmax_cross_entropy())
///     .optimizer(AdamW::new(0.01))
///     .group(ParameterGroup::of("0").frozen())
///     .group(ParameterGroup::of("vectors").without_weight_decay())
///     .build(&Device::cpu())?;
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ParameterGroup {
    /// Items that select tensors, separated by commas.
    pub tensors: String,
    /// `true` if the tensors keep their values. Their gradients are not computed, and count as 0 in
    /// [`Trainer::gradients`] and in the norm for gradient clipping.
    ///
    /// [`Trainer::gradients`]: crate::Trainer::gradients
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<bool>,
    /// Factor of the learning rate, default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate_factor: Option<f64>,
    /// `false` if the optimizer's weight decay does not apply, default `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<bool>,
    /// λ of the penalty λ·Σ|p|, default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l1: Option<f64>,
    /// λ of the penalty λ·Σp², default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub l2: Option<f64>,
    /// Largest Euclidean norm of each row of a matrix, that is, of the weights into one unit. There is no limit by
    /// default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_norm: Option<f64>,
}

impl ParameterGroup {
    /// Creates a group of these tensors, without settings.
    ///
    /// # Examples
    /// ```
    /// use wgrad::ParameterGroup;
    /// assert_eq!(ParameterGroup::of("0,2.bias").tensors, "0,2.bias");
    /// ```
    pub fn of(tensors: impl Into<String>) -> Self {
        Self { tensors: tensors.into(), ..Self::default() }
    }

    /// Freezes the tensors: they keep their values, and the states of the optimizer stay as they are.
    ///
    /// # Examples
    /// ```
    /// use wgrad::ParameterGroup;
    /// assert_eq!(ParameterGroup::of("0").frozen().frozen, Some(true));
    /// ```
    pub fn frozen(mut self) -> Self {
        self.frozen = Some(true);
        self
    }

    /// Multiplies the learning rate by a factor of at least 0.
    ///
    /// # Examples
    /// ```
    /// use wgrad::ParameterGroup;
    /// assert_eq!(ParameterGroup::of("0").learning_rate_factor(0.1).learning_rate_factor, Some(0.1));
    /// ```
    pub fn learning_rate_factor(mut self, factor: f64) -> Self {
        self.learning_rate_factor = Some(factor);
        self
    }

    /// Excludes the tensors from the optimizer's weight decay.
    ///
    /// # Examples
    /// ```
    /// use wgrad::ParameterGroup;
    /// assert_eq!(ParameterGroup::of("bias,norm").without_weight_decay().weight_decay, Some(false));
    /// ```
    pub fn without_weight_decay(mut self) -> Self {
        self.weight_decay = Some(false);
        self
    }

    /// Adds the penalty λ·Σ|p| to the loss, as Keras's `L1`: λ·sign(p) is added to the gradients. Together with
    /// [`l2`](Self::l2) it is the penalty of an elastic net.
    ///
    /// Like weight decay, penalties are added to the gradients after clipping. Reported losses do not include them.
    ///
    /// # Examples
    /// ```
    /// use wgrad::ParameterGroup;
    /// assert_eq!(ParameterGroup::of("matrices").l1(1e-4).l1, Some(1e-4));
    /// ```
    pub fn l1(mut self, lambda: f64) -> Self {
        self.l1 = Some(lambda);
        self
    }

    /// Adds the penalty λ·Σp² to the loss, as Keras's `L2`: 2·λ·p is added to the gradients. PyTorch's `weight_decay`
    /// is twice this λ.
    ///
    /// # Examples
    /// ```
    /// use wgrad::ParameterGroup;
    /// assert_eq!(ParameterGroup::of("0.weight").l2(1e-4).l2, Some(1e-4));
    /// ```
    pub fn l2(mut self, lambda: f64) -> Self {
        self.l2 = Some(lambda);
        self
    }

    /// Limits the Euclidean norm of each row of a weight matrix, that is, of the weights into one unit. After each
    /// step, rows with a larger norm are scaled down to `norm`, as with Keras's `MaxNorm` and `torch.renorm`. The group
    /// must select a matrix; vectors in it do not change.
    ///
    /// # Examples
    /// ```
    /// use wgrad::ParameterGroup;
    /// assert_eq!(ParameterGroup::of("0").max_norm(3.0).max_norm, Some(3.0));
    /// ```
    pub fn max_norm(mut self, norm: f64) -> Self {
        self.max_norm = Some(norm);
        self
    }

    fn check(&self, network: &Network) -> Result<()> {
        for item in self.items() {
            if !trained(network).any(|(node, tensor)| selects(item, &node, &tensor)) {
                let known = known(network);
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                return Err(Error::unknown("tensor or layer with parameters", item, &known));
            }
        }
        let place = || format!("parameter group `{}`", self.tensors);
        let numbers = [("learning_rate_factor", self.learning_rate_factor), ("l1", self.l1), ("l2", self.l2)];
        for (name, number) in numbers {
            if let Some(number) = number.filter(|number| !((2.0 * number) as f32).is_finite() || *number < 0.0) {
                return Err(Error::value(place(), name, number, "at least 0 and finite as an f32"));
            }
        }
        let Some(norm) = self.max_norm else { return Ok(()) };
        if !((norm as f32).is_finite() && norm as f32 > 0.0) {
            return Err(Error::value(place(), "max_norm", norm, "above 0 and finite as an f32"));
        }
        let is_matrix = |tensor: &LayerTensor| tensor.shape.len() == 2;
        match trained(network).any(|(node, tensor)| is_matrix(&tensor) && self.selects(&node, &tensor)) {
            true => Ok(()),
            false => Err(Error::conflict(place(), "max_norm is for matrices, but it selects none", "select weights")),
        }
    }

    fn selects(&self, node: &Node, tensor: &LayerTensor) -> bool {
        self.items().any(|item| selects(item, node, tensor))
    }

    fn items(&self) -> impl Iterator<Item = &str> {
        self.tensors.split(',').map(str::trim)
    }
}

impl fmt::Display for ParameterGroup {
    /// Writes the tensors and their settings: `0,bias: frozen`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = [
            self.frozen.map(|frozen| if frozen { "frozen" } else { "not frozen" }.into()),
            self.learning_rate_factor.map(|factor| format!("learning rate × {factor}")),
            self.weight_decay.map(|decays| if decays { "weight decay" } else { "no weight decay" }.into()),
            self.l1.map(|lambda| format!("L1 {lambda}")),
            self.l2.map(|lambda| format!("L2 {lambda}")),
            self.max_norm.map(|norm| format!("norm of a row at most {norm}")),
        ];
        let settings: Vec<String> = settings.into_iter().flatten().collect();
        write!(f, "{}: {}", self.tensors, settings.join(", "))
    }
}

/// Settings of a trained tensor, combined from all groups.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TensorSettings {
    pub frozen: bool,
    pub learning_rate_factor: f64,
    pub weight_decay: bool,
    pub l1: f64,
    pub l2: f64,
    /// Largest norm of each row; always `None` for vectors.
    pub max_norm: Option<f64>,
}

impl Default for TensorSettings {
    fn default() -> Self {
        Self { frozen: false, learning_rate_factor: 1.0, weight_decay: true, l1: 0.0, l2: 0.0, max_norm: None }
    }
}

impl TensorSettings {
    /// Returns each trained tensor of a network, in order, with the index of its layer and its settings.
    ///
    /// # Errors
    /// A group that selects nothing, or has a value out of range; groups that freeze everything.
    pub fn of(network: &Network, groups: &[ParameterGroup]) -> Result<Vec<(usize, LayerTensor, Self)>> {
        groups.iter().try_for_each(|group| group.check(network))?;
        let settings = |(node, tensor): (Node, LayerTensor)| {
            let mut settings = Self::default();
            for group in groups.iter().filter(|group| group.selects(&node, &tensor)) {
                settings.frozen = group.frozen.unwrap_or(settings.frozen);
                settings.weight_decay = group.weight_decay.unwrap_or(settings.weight_decay);
                settings.l1 = group.l1.unwrap_or(settings.l1);
                settings.l2 = group.l2.unwrap_or(settings.l2);
                settings.max_norm = group.max_norm.filter(|_| tensor.shape.len() == 2).or(settings.max_norm);
                settings.learning_rate_factor = group.learning_rate_factor.unwrap_or(settings.learning_rate_factor);
            }
            (node.number, tensor, settings)
        };
        let all: Vec<_> = trained(network).map(settings).collect();
        if all.iter().all(|(_, _, settings)| settings.frozen) {
            let remedy = "leave at least one layer out";
            return Err(Error::conflict(
                "parameter groups",
                "all parameters are frozen, so nothing is trained",
                remedy,
            ));
        }
        Ok(all)
    }
}

fn trained(network: &Network) -> impl Iterator<Item = (Node, LayerTensor)> {
    let tensors = network.nodes().flat_map(|node| node.tensors().into_iter().map(move |tensor| (node, tensor)));
    tensors.filter(|(_, tensor)| tensor.is_trained())
}

/// Returns `true` if an item of a group's list, such as `0.bias`, selects the tensor.
fn selects(item: &str, node: &Node, tensor: &LayerTensor) -> bool {
    let kind = node.layer.name();
    // `norm` is the last word of the names of all normalization layers.
    let layer = |text: &str| match text.parse::<usize>() {
        Ok(number) => number == node.number,
        Err(_) => kind == text || kind.rsplit('_').next() == Some(text),
    };
    match item.split_once('.') {
        Some((text, name)) => layer(text) && tensor.name == name,
        None if item == "matrices" => tensor.kind == TensorKind::Trained { decay: true },
        None if item == "vectors" => tensor.kind == TensorKind::Trained { decay: false },
        None => item == "*" || tensor.name == item || layer(item),
    }
}

/// Returns the items that select a tensor of the network, for suggestions in errors. Single tensors come first.
fn known(network: &Network) -> Vec<String> {
    let keys = trained(network).map(|(node, tensor)| format!("{}.{}", node.number, tensor.name));
    let layers = trained(network).map(|(node, _)| node.number.to_string());
    let names = trained(network).map(|(_, tensor)| tensor.name.to_string());
    let kinds = trained(network).map(|(node, _)| node.layer.name().to_string());
    let mut known = Vec::new();
    for text in keys.chain(layers).chain(names).chain(kinds).chain(["vectors", "matrices"].map(String::from)) {
        if !known.contains(&text) {
            known.push(text);
        }
    }
    known
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(text: &str) -> Vec<String> {
        let network = Network::parse(4, "8 layer_norm relu [8 rms_norm 8] dense(3, bias=false)").expect("it is sound");
        let chosen = trained(&network)
            .filter(|(node, tensor)| ParameterGroup::of(text).items().any(|item| selects(item, node, tensor)));
        chosen.map(|(node, tensor)| format!("{}.{}", node.number, tensor.name)).collect()
    }

    #[test]
    fn texts_select_tensors_by_layer_name_and_kind() {
        assert_eq!(selected("0"), ["0.weight", "0.bias"]);
        assert_eq!(selected("0.bias, 8"), ["0.bias", "8.weight"]);
        assert_eq!(selected("bias"), ["0.bias", "1.bias", "4.bias", "6.bias"]);
        assert_eq!(selected("layer_norm"), ["1.weight", "1.bias"]);
        assert_eq!(selected("norm"), ["1.weight", "1.bias", "5.weight"]);
        assert_eq!(selected("dense.weight"), ["0.weight", "4.weight", "6.weight", "8.weight"]);
        assert_eq!(selected("vectors"), ["0.bias", "1.weight", "1.bias", "4.bias", "5.weight", "6.bias"]);
        assert_eq!(selected("matrices"), ["0.weight", "4.weight", "6.weight", "8.weight"]);
        assert_eq!(selected("*").len(), 10);
    }

    #[test]
    fn later_groups_count_for_the_settings_that_they_name() {
        let network = Network::parse(2, "3 tanh 1").expect("it is sound");
        let groups = [
            ParameterGroup::of("0").learning_rate_factor(0.5).frozen(),
            ParameterGroup { frozen: Some(false), ..ParameterGroup::of("bias").without_weight_decay() },
        ];
        let settings = TensorSettings::of(&network, &groups).expect("they fit");
        let settings: Vec<_> =
            settings.iter().map(|(_, _, s)| (s.frozen, s.learning_rate_factor, s.weight_decay)).collect();
        assert_eq!(settings, [(true, 0.5, true), (false, 0.5, false), (false, 1.0, true), (false, 1.0, false)]);
    }

    #[test]
    fn groups_that_cannot_be_used_are_refused() {
        let network = Network::parse(2, "3 tanh 1").expect("it is sound");
        for (group, part) in [
            (ParameterGroup::of("1"), "`1`"),
            (ParameterGroup::of("0,beta"), "`beta`"),
            (ParameterGroup::of("norm"), "`norm`"),
            (ParameterGroup::of("*").frozen(), "all parameters are frozen"),
            (ParameterGroup::of("0").learning_rate_factor(-1.0), "learning_rate_factor is -1"),
            (ParameterGroup::of("0").learning_rate_factor(f64::NAN), "learning_rate_factor is NaN"),
            (ParameterGroup::of("0").l1(-1.0), "l1 is -1"),
            (ParameterGroup::of("0").l2(f64::INFINITY), "l2 is inf"),
            (ParameterGroup::of("0").max_norm(0.0), "max_norm is 0"),
            (ParameterGroup::of("bias").max_norm(1.0), "it selects none"),
        ] {
            let error = TensorSettings::of(&network, &[group]).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
