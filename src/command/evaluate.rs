//! `wgrad evaluate`: how well a model does on data.

use std::path::PathBuf;

use serde::Serialize;
use wgrad::data::shown;
use wgrad::model::Confusion;
use wgrad::{Evaluation, Model, Result};

use super::columns::Reading;
use super::data;
use super::device::DeviceOptions;
use super::report::{Output, confusion, score_and_loss, tell_confusion};

const EXAMPLES: &str = "\
EXAMPLES
  wgrad evaluate digits.safetensors digits
  wgrad evaluate house.safetensors new_houses.csv --json

The loss is that which the model was trained with; mean_squared_error is in
the square of the target column's unit, MAE (mean absolute error) and RMSE (root
mean squared error) are in that unit. There is no accuracy where targets are
fractions (binary_cross_entropy).

Of classes it tells precision, recall and F1 of each (0 where there is nothing
to divide by), and which are taken for which; --json has them as `classes`, and
`confusion` [actual][predicted], which is left out with more than 100 classes.
";

/// Which model, on which data.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A model that wgrad wrote
    model: PathBuf,
    #[arg(help = data::HELP, value_hint = clap::ValueHint::FilePath)]
    data: String,
    /// Target column of a table [default: that of the model]
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    target: Option<String>,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    device: DeviceOptions,
    /// One JSON object
    #[arg(long, help_heading = "Output")]
    json: bool,
}

#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    model: String,
    data: &'a str,
    #[serde(flatten)]
    evaluation: &'a Evaluation,
    #[serde(flatten)]
    confusion: Option<Confusion>,
}

/// Evaluates on all rows, or on those that are there to test on.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let model = Model::load(&arguments.model)?;
    let target = arguments.target.as_deref();
    let data = data::for_model(&model, &arguments.data, target, &arguments.reading, output)?;
    let device = arguments.device.open()?;
    let evaluation = &model.evaluate_on(&device, &data)?;
    let confusion = confusion(&model, &device, &data, evaluation)?;
    if arguments.json {
        let model = arguments.model.display().to_string();
        output.json(&Event { event: "evaluation", model, data: &arguments.data, evaluation, confusion });
    } else {
        let found = score_and_loss(evaluation);
        let rows = if arguments.data == data::MNIST { "test rows" } else { "rows" };
        output.line(format!("{found} on all {} {rows} of {}", evaluation.rows, shown(&arguments.data)));
        tell_confusion(output, confusion.as_ref());
    }
    Ok(())
}
