//! Numbers to predict are scaled for training, so that prices in the hundred thousands train like sizes in metres;
//! the last layer then takes the scaling in, and the model puts out what stands in the table.

use wgrad::{Dataset, Error, Loss, Model, Result, Standardisation, Targets};

/// What is subtracted from the target column, and what then divides it.
pub struct Scaling(Standardisation);

/// Largest distance of a target from the mean: squares of ten times as much, summed over rows, still fit an f32.
const FARTHEST: f64 = 1e17;

impl Scaling {
    /// For one column of numbers under mean squared error: fitted on the training part; other targets are as they
    /// should be.
    pub fn fit(train: &Dataset, loss: Loss) -> Result<Option<Self>> {
        let (Targets::Numbers { values, columns }, Loss::MeanSquaredError) = (train.targets(), loss) else {
            return Ok(None);
        };
        if columns.len() != 1 {
            return Ok(None);
        }
        let targets = Dataset::numbers("targets", 1, values, 1, values)?;
        Ok(Some(Self(Standardisation::fit(&targets)?)))
    }

    /// Checks that squared errors on these targets are numbers in the table's units, so that nobody finds out after
    /// hours of training.
    pub fn check(&self, data: &Dataset) -> Result<()> {
        let Targets::Numbers { values, columns } = data.targets() else { return Ok(()) };
        let mean = f64::from(self.0.mean()[0]);
        let distance = |row: &usize| (f64::from(values[*row]) - mean).abs();
        let farthest = (0..values.len()).max_by(|a, b| distance(a).total_cmp(&distance(b)));
        let Some(row) = farthest.filter(|row| distance(row) > FARTHEST) else { return Ok(()) };
        let place = format!("data set `{}`, row {row} (from 0), column `{}`", data.name(), columns[0]);
        let problem = format!(
            "{:e} is more than {FARTHEST:e} from the mean, {:e}: its square overflows",
            values[row],
            self.0.mean()[0]
        );
        Err(Error::data(place, problem, "correct the value, or give the column in larger units"))
    }

    /// What turns a loss on scaled targets into one in the table's units: errors shrink by the scale, squares by its
    /// square.
    pub fn loss_factor(&self) -> f64 {
        f64::from(self.0.scale()[0]).powi(2)
    }

    /// The data set with scaled targets.
    pub fn apply(&self, data: &Dataset) -> Result<Dataset> {
        let Targets::Numbers { values, .. } = data.targets() else { return Ok(data.clone()) };
        let mut values = values.clone();
        self.0.apply(&mut values)?;
        Dataset::numbers(data.name(), data.inputs(), &data.input(), self.0.columns(), &values)
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
