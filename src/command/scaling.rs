//! Numbers to predict are scaled for training, so that prices in the hundred thousands train like sizes in metres;
//! the last layer then takes the scaling in, and the model puts out what stands in the table.

use wgrad::{Dataset, Loss, Model, Result, Standardisation, Targets};

/// What is subtracted from each target column, and what then divides it.
pub struct Scaling(Standardisation);

impl Scaling {
    /// For numbers under mean squared error: fitted on the training part; other targets are as they should be.
    pub fn fit(train: &Dataset, loss: Loss) -> Result<Option<Self>> {
        let (Targets::Numbers { values, columns }, Loss::MeanSquaredError) = (train.targets(), loss) else {
            return Ok(None);
        };
        let targets = Dataset::numbers("targets", columns.len(), values, columns.len(), values)?;
        Ok(Some(Self(Standardisation::fit(&targets)?)))
    }

    /// The data set with scaled targets.
    pub fn apply(&self, data: &Dataset) -> Result<Dataset> {
        let Targets::Numbers { values, .. } = data.targets() else { return Ok(data.clone()) };
        let mut values = values.clone();
        self.0.apply(&mut values)?;
        Dataset::numbers(data.name(), data.inputs(), data.input(), self.0.columns(), &values)
    }

    /// Changes the last layer, W·x + b, into scale·(W·x + b) + mean.
    pub fn fold_into(&self, model: &mut Model) {
        let (mean, scale) = (self.0.mean(), self.0.scale());
        let mut last = model.parameters.iter_mut().rev();
        // The command ends every network with a dense layer that has a bias: weight, then bias.
        if let (Some(bias), Some(weight)) = (last.next(), last.next()) {
            let inputs = weight.values.len() / scale.len();
            weight.values.iter_mut().enumerate().for_each(|(at, w)| *w *= scale[at / inputs]);
            bias.values.iter_mut().enumerate().for_each(|(at, b)| *b = *b * scale[at] + mean[at]);
        }
    }
}
