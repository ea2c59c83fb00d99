//! Merging of an ensemble into one model.

use super::{Metadata, Model, Tensor};
use crate::error::{Error, Result};
use crate::layer::{Dense, Layer, Node};
use crate::network::Network;

impl Model {
    /// Merges models of one network, trained with different seeds, into one model. Its outputs are the means of their
    /// outputs: of numbers, or of logits. It is an ordinary model, whose hidden layers have the units of all models
    /// side by side.
    ///
    /// Weights between units of different models are 0. Dropout and noise are left out, since predictions have none.
    /// Factors of a scaling of inputs become a part of the next weights. The origin and the record of training are
    /// those of the first model.
    ///
    /// # Errors
    /// There are no models; their metadata differ in more than origin and record; the network has a layer that mixes
    /// the units of different models, such as a normalization of rows or a residual block; an activation function
    /// follows the last dense layer.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let mut one = trainer.into_model()?;
    /// # let mut other = one.clone();
    /// one.parameters[0].values = vec![2.0]; // The biases are 0.
    /// other.parameters[0].values = vec![4.0];
    /// let merged = wgrad::Model::merged(&[one, other])?;
    /// assert_eq!(merged.predict(&[1.0, 10.0])?, [3.0, 30.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn merged(models: &[Self]) -> Result<Self> {
        let fail = |problem: &str| Error::conflict("merging", problem, "merge models of one training command");
        let first = models.first().ok_or_else(|| fail("there are no models"))?;
        models.iter().try_for_each(Self::check)?;
        let essence = |model: &Self| Metadata { origin: None, record: None, ..model.metadata.clone() };
        if models.iter().any(|model| essence(model) != essence(first)) {
            return Err(fail("the models differ in network, columns or scaling"));
        }
        let mut merging = Merging { models, network: Network::input(first.metadata.network.inputs()), tensors: vec![] };
        merging.run(&first.metadata.network)?;
        let metadata = Metadata { network: merging.network, ..first.metadata.clone() };
        let merged = Self { metadata, parameters: merging.tensors };
        merged.check()?;
        Ok(merged)
    }
}

/// Network that is merged layer by layer.
struct Merging<'a> {
    models: &'a [Model],
    network: Network,
    tensors: Vec<Tensor>,
}

impl Merging<'_> {
    fn run(&mut self, network: &Network) -> Result<()> {
        let last = network.dense_layers().last().map(|(number, ..)| number);
        // Factors of each model for the inputs, which all models share until the first dense layer.
        let mut factors = Some(vec![vec![1.0; network.inputs()]; self.models.len()]);
        for node in network.nodes() {
            let is_after_last = last.is_some_and(|last| node.number > last);
            match node.layer {
                Layer::Dropout { .. } | Layer::AlphaDropout { .. } | Layer::GaussianNoise { .. } => {}
                Layer::Dense(dense) => self.dense(&node, dense, factors.take(), Some(node.number) == last),
                Layer::Scaling if let Some(factors) = &mut factors => {
                    for (factors, model) in factors.iter_mut().zip(self.models) {
                        let scaling = values(model, &node, "weight");
                        factors.iter_mut().zip(scaling).for_each(|(factor, scale)| *factor *= scale);
                    }
                }
                _ if factors.is_some() || is_after_last => return Err(self.refused(&node)),
                Layer::Activation(_) => self.network = self.network.clone().layer(node.layer),
                Layer::Prelu { .. } => self.beside(&node, Layer::Prelu { per_unit: true }),
                Layer::Scaling | Layer::BatchNorm => self.beside(&node, node.layer),
                Layer::LayerNorm | Layer::RmsNorm | Layer::Gated(_) | Layer::ResidualStart | Layer::ResidualEnd => {
                    return Err(self.refused(&node));
                }
            }
        }
        Ok(())
    }

    fn refused(&self, node: &Node) -> Error {
        let place = format!("layer {} ({})", node.number, node.layer.name());
        Error::conflict(place, "it cannot be merged with that of other models", "leave it out, or keep one model")
    }

    /// Adds a layer whose tensors have one number per unit, with those of all models one after the other.
    fn beside(&mut self, node: &Node, layer: Layer) {
        for tensor in node.tensors() {
            let of_model = |model| {
                let values = values(model, node, tensor.name);
                // One slope for all units of a model is repeated.
                values.iter().copied().cycle().take(node.inputs)
            };
            let values = self.models.iter().flat_map(of_model).collect();
            self.add(tensor.name, vec![node.inputs * self.models.len()], values);
        }
        self.network = self.network.clone().layer(layer);
    }

    /// Adds a dense layer. Outputs of the models are side by side, or their mean if it is the last one. `factors` has
    /// the factors of the inputs, if the models share these inputs.
    fn dense(&mut self, node: &Node, dense: Dense, factors: Option<Vec<Vec<f32>>>, is_last: bool) {
        let models = self.models.len();
        let share = if is_last { 1.0 / models as f64 } else { 1.0 };
        let (rows, columns) = (
            if is_last { dense.outputs } else { dense.outputs * models },
            if factors.is_some() { node.inputs } else { node.inputs * models },
        );
        let (mut weight, mut bias) = (vec![0.0_f64; rows * columns], vec![0.0_f64; rows]);
        for (number, model) in self.models.iter().enumerate() {
            let first_row = if is_last { 0 } else { number * dense.outputs };
            let first_column = if factors.is_some() { 0 } else { number * node.inputs };
            for (row, numbers) in values(model, node, "weight").chunks_exact(node.inputs).enumerate() {
                for (column, number_of) in numbers.iter().enumerate() {
                    let factor = factors.as_ref().map_or(1.0, |factors| factors[number][column]);
                    let at = (first_row + row) * columns + first_column + column;
                    weight[at] += share * f64::from(*number_of) * f64::from(factor);
                }
            }
            let own = values(model, node, "bias").iter().enumerate();
            own.for_each(|(row, value)| bias[first_row + row] += share * f64::from(*value));
        }
        let rounded = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        self.add("weight", vec![rows, columns], rounded(weight));
        if dense.bias {
            self.add("bias", vec![rows], rounded(bias));
        }
        self.network = self.network.clone().layer(Dense { outputs: rows, ..dense });
    }

    /// Adds a tensor of the layer that is added next.
    fn add(&mut self, name: &str, shape: Vec<usize>, values: Vec<f32>) {
        let name = format!("layer{}.{name}", self.network.layers().len());
        self.tensors.push(Tensor { name, shape, values });
    }
}

/// Numbers of a layer's tensor; none if the layer has no such tensor.
fn values<'a>(model: &'a Model, node: &Node, name: &str) -> &'a [f32] {
    let name = format!("layer{}.{name}", node.number);
    model.parameters.iter().find(|tensor| tensor.name == name).map_or(&[], |tensor| &tensor.values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Standardization;
    use crate::device::Device;
    use crate::loss::Loss;
    use crate::trainer::Trainer;

    fn model(network: &str, numbers: &[&[f32]]) -> Model {
        let network = Network::parse(2, network).expect("a network");
        let trainer = Trainer::builder(network).loss(Loss::mean_squared_error()).build(&Device::cpu());
        let mut model = trainer.and_then(Trainer::into_model).expect("a model");
        assert_eq!(model.parameters.len(), numbers.len());
        for (tensor, numbers) in model.parameters.iter_mut().zip(numbers) {
            tensor.values.copy_from_slice(numbers);
        }
        model
    }

    #[test]
    fn outputs_are_means_of_outputs() {
        // With x = (1, 2), scaled inputs are (2, 6) and (-1, 2). Units of the first model are relu(2 + 6) = 8 and
        // relu(2 - 6 + 1) = 0, of the second relu(-1 - 2·2) = 0 and relu(2 + 1) = 3. Outputs are 8·2 + 1 = 17 and
        // 3·3 - 4 = 5, and their mean is 11.
        let network = "scaling 2 relu dropout(0.5) 1";
        let one = model(network, &[&[2.0, 3.0], &[1.0, 1.0, 1.0, -1.0], &[0.0, 1.0], &[2.0, 5.0], &[1.0]]);
        let two = model(network, &[&[-1.0, 1.0], &[1.0, -2.0, 0.0, 1.0], &[0.0, 1.0], &[7.0, 3.0], &[-4.0]]);
        let merged = Model::merged(&[one.clone(), two.clone()]).expect("merged");
        let outputs = |model: &Model| model.outputs(&[1.0, 2.0]).expect("outputs");
        assert_eq!([outputs(&one), outputs(&two), outputs(&merged)], [[17.0], [5.0], [11.0]]);
        assert_eq!(merged.metadata.network.to_string(), "2 → dense(4) relu dense(1)");
    }

    #[test]
    fn inner_layers_keep_models_apart() {
        // With x = (1, 2): units 3 and 3, then slopes and normalization leave 3 and 3; the second dense layer doubles
        // and triples. Means of (6, -9·0.5) and so on are computed by the models themselves.
        let network = "2 batch_norm 2 prelu 2";
        let numbers = |k: f32| {
            let norm: [&[f32]; 4] = [&[1.0, 2.0], &[k, 0.0], &[0.5, 0.5], &[1.0, 4.0]];
            let dense: [&[f32]; 2] = [&[1.0, k, -2.0, 1.0], &[k, 1.0]];
            let all: Vec<&[f32]> = [dense[0], dense[1]].into_iter().chain(norm).collect();
            model(network, &[&all[..], &[dense[0], dense[1], &[0.25 * k], dense[0], dense[1]]].concat())
        };
        let models = [numbers(1.0), numbers(2.0), numbers(-1.0), numbers(-2.0)];
        let merged = Model::merged(&models).expect("merged");
        assert_eq!(
            merged.metadata.network.to_string(),
            "2 → dense(8) batch_norm dense(8) prelu(per_unit=true) dense(2)"
        );
        let rows = [1.0, 2.0, -3.0, 0.5];
        let outputs: Vec<Vec<f32>> = models.iter().map(|model| model.outputs(&rows).expect("outputs")).collect();
        for (at, found) in merged.outputs(&rows).expect("outputs").into_iter().enumerate() {
            let mean = outputs.iter().map(|output| f64::from(output[at])).sum::<f64>() / 4.0;
            let size: f64 = outputs.iter().map(|output| f64::from(output[at].abs())).sum();
            // A few roundings in each of three layers of numbers that are not larger than the outputs.
            assert!((f64::from(found) - mean).abs() <= 16.0 * f64::from(f32::EPSILON) * size, "{found}, not {mean}");
        }
    }

    #[test]
    fn what_cannot_be_merged_is_refused() {
        let refused = |models: &[Model]| Model::merged(models).expect_err("refused").to_string();
        assert!(refused(&[]).contains("no models"));
        for network in ["2 layer_norm 1", "4 glu 1", "[2 relu 2] 1", "relu 2 1", "2 1 relu", "scaling tanh 1"] {
            let network = Network::parse(2, network).expect("a network");
            let trainer = Trainer::builder(network).loss(Loss::mean_squared_error()).build(&Device::cpu());
            let model = trainer.and_then(Trainer::into_model).expect("a model");
            assert!(refused(&[model.clone(), model]).contains("cannot be merged"));
        }
        let one = model("1", &[&[1.0, 2.0], &[0.0]]);
        let mut other = one.clone();
        other.metadata.preprocessing = Some(Standardization::new(vec![0.0; 2], vec![1.0; 2]).expect("a scaling"));
        assert!(refused(&[one, other]).contains("differ"));
    }
}
