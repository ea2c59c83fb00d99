//! Calibration of probabilities by a temperature.

use crate::data::Dataset;
use crate::device::Device;
use crate::elementwise::{Meaning, Range};
use crate::error::{Error, Result};
use crate::layer::Layer;
use crate::model::{Model, target_of};

/// Range of temperatures. A best temperature outside is no sign of bad calibration, but of too few rows.
const TEMPERATURES: [f64; 2] = [0.1, 10.0];

/// Number of halvings of the range, after which it has no two f64 left.
const HALVINGS: usize = 60;

impl Model {
    /// Returns the temperature T for which the log loss of the probabilities softmax(z / T), or sigmoid(z / T), is
    /// lowest on a data set (Guo et al. 2017). It should have rows that the model was not trained on. Above 1, the
    /// model's probabilities are too close to 0 and 1.
    ///
    /// Returns 1 if the best temperature is not between 0.1 and 10. If the model predicts each row right, there is no
    /// best one.
    ///
    /// # Errors
    /// The loss function gives no probabilities; otherwise as [`Model::evaluate_on`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(1).dense(1)).loss(Loss::binary_cross_entropy()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0]; // The bias is 0.
    /// // Three of four rows have the target 1, so that 0.75 = sigmoid(2 / T) is best.
    /// let data = Dataset::numbers("coins", 1, &[1.0; 4], 1, &[1.0, 1.0, 1.0, 0.0])?;
    /// let temperature = model.temperature(&Device::cpu(), &data)?;
    /// assert!((temperature - 2.0 / 3.0_f64.ln()).abs() < 1e-9);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn temperature(&self, device: &Device, data: &Dataset) -> Result<f64> {
        let loss = self.metadata.loss;
        if !matches!(loss.function().output, Meaning::Logit | Meaning::ClassLogits) {
            let problem = format!("{loss} gives no probabilities");
            let remedy = "train with softmax_cross_entropy or binary_cross_entropy";
            return Err(Error::conflict("temperature", problem, remedy));
        }
        let outputs = self.outputs_of(device, data, "temperature")?;
        let targets = target_of(&self.metadata.network, loss, None, data)?;
        let [coldest, hottest] = TEMPERATURES;
        let slope = |temperature: f64| self.slope(data, &outputs, &targets, 1.0 / temperature);
        // The loss is convex in 1 / T, so its slope has at most one change of sign.
        if slope(coldest) <= 0.0 || slope(hottest) >= 0.0 {
            return Ok(1.0);
        }
        let halved = (0..HALVINGS).fold([coldest, hottest], |[low, high], _| {
            let middle = (low * high).sqrt();
            if slope(middle) > 0.0 { [middle, high] } else { [low, middle] }
        });
        Ok(halved[0])
    }

    /// Divides the outputs by a temperature: weights and biases of the last layer, which must be dense. Predicted
    /// classes stay the same.
    ///
    /// # Errors
    /// The temperature is not finite and above 0; the last layer is not dense.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![2.0, 1.0]; // The bias is 0.
    /// assert_eq!(model.with_temperature(4.0)?.outputs(&[1.0, 2.0])?, [1.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn with_temperature(mut self, temperature: f64) -> Result<Self> {
        if !(temperature > 0.0 && temperature.is_finite()) {
            return Err(Error::value("model", "temperature", temperature, "finite and above 0"));
        }
        let last = self.metadata.network.nodes().last().filter(|node| matches!(node.layer, Layer::Dense(_)));
        let Some(last) = last else {
            return Err(Error::conflict("temperature", "the last layer is not dense", "end the network with one"));
        };
        let prefix = format!("layer{}.", last.number);
        for tensor in self.parameters.iter_mut().filter(|tensor| tensor.name.starts_with(&prefix)) {
            tensor.values.iter_mut().for_each(|value| *value = (f64::from(*value) / temperature) as f32);
        }
        self.check()?;
        Ok(self)
    }

    /// Returns the derivative of the total log loss by 1 / T: the expected output by the probabilities, less that by
    /// the targets.
    fn slope(&self, data: &Dataset, outputs: &[f32], targets: &[u32], inverse: f64) -> f64 {
        let (function, columns) = (self.metadata.loss.function(), self.metadata.network.outputs());
        let rows = outputs.chunks_exact(columns).zip(targets.chunks_exact(targets.len() / data.len()));
        let of_row = |(outputs, targets): (&[f32], &[u32])| {
            let target = |column: usize| match function.range {
                Range::Class => f64::from(u8::from(targets[0] as usize == column)),
                _ => f32::from_bits(targets[column]).into(),
            };
            let row: Vec<f64> = outputs.iter().map(|output| f64::from(*output)).collect();
            let probabilities = probabilities(function.output, &row, inverse);
            (0..columns).map(|column| (probabilities[column] - target(column)) * row[column]).sum::<f64>()
        };
        let weight = |row: usize| data.weights().map_or(1.0, |weights| f64::from(weights[row]));
        rows.enumerate().map(|(row, found)| weight(row) * of_row(found)).sum()
    }
}

/// Returns the probabilities of a row's outputs, multiplied by `inverse`.
fn probabilities(meaning: Meaning, row: &[f64], inverse: f64) -> Vec<f64> {
    if meaning == Meaning::Logit {
        return row.iter().map(|z| 1.0 / (1.0 + (-inverse * z).exp())).collect();
    }
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = row.iter().map(|z| (inverse * (z - largest)).exp()).collect();
    let total: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Loss;
    use crate::network::Network;
    use crate::trainer::Trainer;

    /// Model whose outputs are its inputs.
    fn identity(columns: usize, loss: Loss) -> Model {
        let trainer = Trainer::builder(Network::input(columns).dense(columns)).loss(loss).build(&Device::cpu());
        let mut model = trainer.and_then(Trainer::into_model).expect("a model");
        let one = |at: usize| f32::from(u8::from(at.is_multiple_of(columns + 1)));
        model.parameters[0].values = (0..columns * columns).map(one).collect();
        model
    }

    #[test]
    fn probabilities_of_equal_rows_become_their_frequencies() {
        // Two of three rows, and with weights 1, 2 and 7 a share of 0.8, have class 2. e^(3 / T) is the ratio.
        let model = identity(3, Loss::softmax_cross_entropy());
        let rows = [0.0, -9000.0, 3.0].repeat(3);
        let data = Dataset::classes("dice", 3, &rows, &[2, 0, 2], ["a", "b", "c"]).expect("data");
        let found = model.temperature(&Device::cpu(), &data).expect("a temperature");
        assert!((found - 3.0 / 2.0_f64.ln()).abs() < 1e-9, "{found}");
        let weighted = data.weighted(vec![1.0, 2.0, 7.0]).expect("weights");
        let found = model.temperature(&Device::cpu(), &weighted).expect("a temperature");
        assert!((found - 3.0 / 4.0_f64.ln()).abs() < 1e-9, "{found}");
        // Two labels with logits 1 and 3, of which three of four rows each have the target 1: the slope is
        // sigmoid(1 / T) - 0.75 + 3·(sigmoid(3 / T) - 0.75).
        let model = identity(2, Loss::binary_cross_entropy());
        let targets = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0];
        let data = Dataset::numbers("labels", 2, &[1.0, 3.0].repeat(4), 2, &targets).expect("data");
        let found = model.temperature(&Device::cpu(), &data).expect("a temperature");
        let sigmoid = |z: f64| 1.0 / (1.0 + (-z).exp());
        assert!((sigmoid(1.0 / found) + 3.0 * sigmoid(3.0 / found) - 3.0).abs() < 1e-9, "{found}");
    }

    #[test]
    fn without_a_best_temperature_it_is_one() {
        let model = identity(2, Loss::softmax_cross_entropy());
        for classes in [[0, 0], [1, 1]] {
            let data = Dataset::classes("sure", 2, &[1.0, 0.0, 2.0, 0.0], &classes, ["a", "b"]).expect("data");
            assert_eq!(model.temperature(&Device::cpu(), &data).expect("a temperature"), 1.0, "{classes:?}");
        }
    }

    #[test]
    fn models_without_probabilities_or_a_last_dense_layer_have_no_temperature() {
        let data = Dataset::numbers("n", 2, &[1.0, 0.0], 2, &[1.0, 2.0]).expect("data");
        let error = identity(2, Loss::mean_squared_error()).temperature(&Device::cpu(), &data);
        assert!(error.expect_err("no probabilities").to_string().contains("mean_squared_error gives no probabilities"));
        let network = Network::input(1).dense(2).relu();
        let trainer = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).build(&Device::cpu());
        let model = trainer.and_then(Trainer::into_model).expect("a model");
        assert!(model.clone().with_temperature(2.0).is_err());
        let dense = identity(2, Loss::softmax_cross_entropy());
        for temperature in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(dense.clone().with_temperature(temperature).is_err(), "{temperature}");
        }
    }
}
