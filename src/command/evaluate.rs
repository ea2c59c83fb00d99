//! `wgrad evaluate`: how well a model does on data.

use std::path::PathBuf;

use serde::Serialize;
use wgrad::{Evaluation, Model, Result};

use super::data;
use super::device::DeviceOptions;
use super::report::{Output, score_and_loss};

const EXAMPLES: &str = "\
EXAMPLES
  wgrad evaluate digits.safetensors digits
  wgrad evaluate house.safetensors new_houses.csv --target price --json

The loss is that which the model was trained with; mean_squared_error is in
the square of the target column's unit. There is no accuracy where targets are
fractions (binary_cross_entropy).
";

/// Which model, on which data.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A model that wgrad wrote
    model: PathBuf,
    /// digits, iris, moons, and, or, xor, or the path of a CSV file
    #[arg(value_hint = clap::ValueHint::FilePath)]
    data: String,
    /// Target column of a CSV file [default: the last]
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    target: Option<String>,
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
}

/// Evaluates on all rows.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let model = Model::load(&arguments.model)?;
    let data = data::for_model(&model, &arguments.data, arguments.target.as_deref())?;
    let evaluation = model.evaluate_on(&arguments.device.open()?, &data)?;
    if arguments.json {
        let model = arguments.model.display().to_string();
        output.json(&Event { event: "evaluation", model, data: &arguments.data, evaluation: &evaluation });
    } else {
        let found = score_and_loss(&evaluation);
        output.line(format!("{found} on all {} rows of {}", evaluation.rows, arguments.data));
    }
    Ok(())
}
