//! Decision threshold of two classes.

use crate::data::Dataset;
use crate::device::Device;
use crate::elementwise::Meaning;
use crate::error::{Error, Result};
use crate::loss::Task;
use crate::model::{Metadata, Model, class_of, target_of};

impl Metadata {
    /// Returns `true` if the model gives probabilities of exactly two classes, so that a threshold can decide between
    /// them.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy()).build(&Device::cpu())?;
    /// assert!(trainer.into_model()?.metadata.can_have_threshold());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn can_have_threshold(&self) -> bool {
        let columns = self.network.outputs();
        let (output, task) = (self.loss.function().output, self.loss.task(columns));
        match output {
            Meaning::Logit => task == Task::Binary,
            _ => output == Meaning::ClassLogits && columns == 2,
        }
    }

    /// Checks that the threshold is between 0 and 1, and that there are two classes.
    pub(super) fn check_threshold(&self) -> Result<()> {
        match self.threshold {
            None => Ok(()),
            Some(threshold) if !(threshold > 0.0 && threshold < 1.0) => {
                Err(Error::value("model", "threshold", threshold, "above 0 and below 1"))
            }
            Some(_) if self.can_have_threshold() => Ok(()),
            Some(_) => {
                let problem = "it has a threshold, but does not give probabilities of two classes";
                Err(Error::conflict("model", problem, "remove the threshold"))
            }
        }
    }
}

impl Model {
    /// Returns the threshold with the highest balanced accuracy on a data set, which should have rows that the model
    /// was not trained on. It lies in the middle between the logits of two rows. Of several, it is the one closest to
    /// 0.5.
    ///
    /// scikit-learn's `TunedThresholdClassifierCV` maximizes the same score by default.
    ///
    /// # Errors
    /// The model does not give probabilities of two classes; a class has no rows; otherwise as [`Model::evaluate_on`].
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Dataset, Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(1).dense(1)).loss(Loss::binary_cross_entropy()).build(&Device::cpu())?;
    /// # let mut model = trainer.into_model()?;
    /// model.parameters[0].values = vec![1.0]; // The bias is 0.
    /// let data = Dataset::numbers("rare", 1, &[-4.0, -3.0, -1.0], 1, &[0.0, 0.0, 1.0])?;
    /// // The logit -2 is between the classes.
    /// let threshold = model.best_threshold(&Device::cpu(), &data)?;
    /// assert!((threshold - 1.0 / (1.0 + 2.0_f64.exp())).abs() < 1e-12);
    /// model.metadata.threshold = Some(threshold);
    /// assert_eq!(model.predict_classes(&[-4.0, -3.0, -1.0])?, [0, 0, 1]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn best_threshold(&self, device: &Device, data: &Dataset) -> Result<f64> {
        if !self.metadata.can_have_threshold() {
            let problem = "the model does not give probabilities of two classes";
            return Err(Error::conflict("threshold", problem, "leave the threshold out"));
        }
        let (network, loss) = (&self.metadata.network, self.metadata.loss);
        let outputs = self.outputs_of(device, data, "threshold")?;
        let targets = target_of(network, loss, None, data)?;
        let margins = outputs.chunks_exact(network.outputs()).map(margin);
        let classes = targets.chunks_exact(targets.len() / data.len()).map(|words| class_of(loss, words));
        let mut rows = Vec::with_capacity(data.len());
        for (row, (margin, class)) in margins.zip(classes).enumerate() {
            let weight = data.weights().map_or(1.0, |weights| f64::from(weights[row]));
            let Some(class) = class else {
                let place = format!("data set `{}`, row {row} (from 0)", data.name());
                return Err(Error::value(place, "target", f32::from_bits(targets[row]), "0 or 1 for a threshold"));
            };
            rows.push((margin, class == 1, weight));
        }
        let totals = [false, true].map(|is| rows.iter().filter(|row| row.1 == is).map(|row| row.2).sum::<f64>());
        if let Some(class) = totals.iter().position(|total| *total == 0.0) {
            let problem = format!("no row is of class {class}, so no threshold is best");
            return Err(Error::data(format!("data set `{}`", data.name()), problem, "give rows of both classes"));
        }
        rows.sort_by(|one, other| one.0.total_cmp(&other.0));
        let best = best_cut(&rows, totals);
        // An f64 has no logit beyond.
        Ok((1.0 / (1.0 + (-best).exp())).clamp(f64::EPSILON, 1.0 - f64::EPSILON))
    }
}

/// Returns the logit of class 1: the only output, or the second less the first.
pub(super) fn margin(outputs: &[f32]) -> f64 {
    match outputs {
        [first, second] => f64::from(*second) - f64::from(*first),
        _ => f64::from(outputs[0]),
    }
}

/// Returns the logit with the highest balanced accuracy if class 1 is predicted above it. Rows are sorted logits, each
/// with `true` for class 1, and a weight. `totals` has the weights of both classes.
fn best_cut(rows: &[(f64, bool, f64)], totals: [f64; 2]) -> f64 {
    // Rows at or below the cut are predicted as class 0: of class 0 a gain, of class 1 a loss.
    let gain = |(_, is_second, weight): &(f64, bool, f64)| {
        if *is_second { -weight / totals[1] } else { weight / totals[0] }
    };
    let below: f64 = rows.iter().filter(|row| row.0 <= 0.0).map(gain).sum();
    let (mut best, mut sum) = ((below, 0.0_f64), 0.0);
    for (row, next) in rows.iter().zip(&rows[1..]) {
        sum += gain(row);
        let cut = row.0 + (next.0 - row.0) / 2.0;
        // Sums of equal gains may differ by rounding.
        let is_better = sum > best.0 + 1e-12 || (sum > best.0 - 1e-12 && cut.abs() < best.1.abs());
        if next.0 > row.0 && is_better {
            best = (sum, cut);
        }
    }
    best.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loss::Loss;
    use crate::network::Network;
    use crate::trainer::Trainer;

    fn identity(columns: usize, loss: Loss) -> Model {
        let trainer = Trainer::builder(Network::input(columns).dense(columns)).loss(loss).build(&Device::cpu());
        let mut model = trainer.and_then(Trainer::into_model).expect("a model");
        let one = |at: usize| f32::from(u8::from(at.is_multiple_of(columns + 1)));
        model.parameters[0].values = (0..columns * columns).map(one).collect();
        model
    }

    fn logit(probability: f64) -> f64 {
        (probability / (1.0 - probability)).ln()
    }

    #[test]
    fn the_best_threshold_has_the_highest_balanced_accuracy() {
        let best = |logits: &[f32], classes: &[f32], weights: &[f32]| {
            let data = Dataset::numbers("two", 1, logits, 1, classes).expect("data");
            let data = data.weighted(weights.to_vec()).expect("weights");
            let model = identity(1, Loss::binary_cross_entropy());
            logit(model.best_threshold(&Device::cpu(), &data).expect("a threshold"))
        };
        let near = |found: f64, wanted: f64| assert!((found - wanted).abs() < 1e-9, "{found}, not {wanted}");
        // Recalls of 0 and 1: above -2 they are 2/4 and 2/2, above 1 they are 4/4 and 1/2, at 0 they are 3/4 and 1/2.
        let (logits, classes) = ([-5.0, -3.0, -1.0, -0.5, 0.5, 2.0], [0.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
        near(best(&logits, &classes, &[1.0; 6]), 1.25);
        // With little weight on the rows at -0.5 and 0.5, above -2 the recalls are 2/2.02 and 4/4.
        near(best(&logits, &classes, &[1.0, 1.0, 3.0, 0.01, 0.01, 1.0]), -2.0);
        // Where 0.5 is as good as others, it stays.
        near(best(&[-2.0, -1.0, 3.0], &[0.0, 0.0, 1.0], &[1.0; 3]), 0.0);
    }

    #[test]
    fn thresholds_move_predictions_metrics_and_confusion() {
        // Margins of class `yes` are -2, -0.5, 1 and 3; the threshold 0.25 has the logit -1.0986.
        let data =
            Dataset::classes("votes", 2, &[2.0, 0.0, 0.5, 0.0, 0.0, 1.0, 0.0, 3.0], &[0, 1, 0, 1], ["no", "yes"]);
        let data = data.expect("data");
        let mut model = identity(2, Loss::softmax_cross_entropy());
        let rows = data.input().to_vec();
        for (threshold, classes, accuracy) in
            [(None, [0, 0, 1, 1], 0.5), (Some(0.25), [0, 1, 1, 1], 0.75), (Some(0.8), [0, 0, 0, 1], 0.75)]
        {
            model.metadata.threshold = threshold;
            assert_eq!(model.predict_classes(&rows).expect("classes"), classes, "{threshold:?}");
            let evaluation = model.evaluate(&data).expect("evaluated");
            assert_eq!(evaluation.accuracy, Some(accuracy), "{threshold:?}");
            assert_eq!(model.evaluate_with(&Device::cpu(), &data, &[]).expect("evaluated").accuracy, Some(accuracy));
            assert_eq!(model.confusion(&data).expect("a matrix").accuracy(), accuracy);
            assert_eq!(evaluation.metric("roc_auc").expect("an area"), 0.75);
            let found = model.metadata.predicted(&[0.5, 0.0]).expect("finite").expect("a class");
            assert_eq!((found.0, found.1[1] < 0.5), (classes[1], true));
        }
        let recall = model.evaluate(&data).expect("evaluated").metric("balanced_accuracy").expect("a metric");
        assert_eq!(recall, 0.75);
    }

    #[test]
    fn thresholds_need_two_classes_and_rows_of_both() {
        for (model, threshold) in [
            (identity(3, Loss::softmax_cross_entropy()), 0.5),
            (identity(1, Loss::mean_squared_error()), 0.5),
            (identity(2, Loss::binary_cross_entropy()), 0.5),
            (identity(2, Loss::softmax_cross_entropy()), 0.0),
            (identity(2, Loss::softmax_cross_entropy()), 1.0),
            (identity(2, Loss::softmax_cross_entropy()), f64::NAN),
        ] {
            let mut model = model;
            model.metadata.threshold = Some(threshold);
            assert!(model.check().is_err(), "{threshold} of {}", model.metadata.loss);
        }
        let data = Dataset::numbers("ones", 1, &[1.0, 2.0], 1, &[1.0, 1.0]).expect("data");
        let error = identity(1, Loss::binary_cross_entropy()).best_threshold(&Device::cpu(), &data);
        assert!(error.expect_err("one class").to_string().contains("no row is of class 0"));
    }
}
