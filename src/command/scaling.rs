//! Numbers to predict are scaled for training, so that prices in the hundred thousands train like sizes in metres; the model
//! has the scaling, and undoes it in what it puts out.

use wgrad::{Dataset, Error, Loss, Result, Standardisation, Targets};

/// Largest scaled target: squares of ten times as much, summed over rows, still fit an f32.
const FARTHEST: f64 = 1e17;

/// The scaling of targets that are numbers under mean squared error, fitted on the training part; other targets are as they
/// should be.
pub fn fit(train: &Dataset, loss: Loss) -> Result<Option<Standardisation>> {
    match (train.targets(), loss) {
        (Targets::Numbers { .. }, Loss::MeanSquaredError) => Standardisation::fit_targets(train).map(Some),
        _ => Ok(None),
    }
}

/// Checks that squared errors on scaled targets are numbers, so that nobody finds out after hours of training.
pub fn check(scaling: &Standardisation, data: &Dataset) -> Result<()> {
    let Targets::Numbers { values, columns } = data.targets() else { return Ok(()) };
    let width = columns.len();
    let distance = |at: usize| (values[at] - scaling.mean()[at % width]).abs() / scaling.scale()[at % width];
    let Some(at) = (0..values.len()).find(|at| !(distance(*at) <= FARTHEST)) else { return Ok(()) };
    let place = format!("data set `{}`, row {} (from 0), column `{}`", data.name(), at / width, columns[at % width]);
    let problem = format!(
        "{:e} is more than {FARTHEST:e} standard deviations of the training part from its mean, {:e}: its square overflows",
        values[at],
        scaling.mean()[at % width]
    );
    Err(Error::data(place, problem, "correct the value, or remove the row"))
}

/// Factor that turns a loss on scaled targets into one in the table's units: errors shrink by the scale, squares by its square.
/// Tables have one target column.
pub fn loss_factor(scaling: Option<&Standardisation>) -> f64 {
    scaling.map_or(1.0, |scaling| scaling.scale()[0].powi(2))
}
