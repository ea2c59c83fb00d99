//! Command `wgrad evaluate`: loss and metrics of a model on data.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wgrad::data::{quoted, shown};
use wgrad::model::Confusion;
use wgrad::{Evaluation, Model, Result};

use super::baseline::Baseline;
use super::columns::Reading;
use super::data;
use super::device::DeviceOptions;
use super::lines::wrapped;
use super::paths::on_disk;
use super::report::{Decision, Output, confusion, decision, further_metrics, score_and_loss};
use super::trained_on::trained_on;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad evaluate digits.safetensors digits
  wgrad evaluate house.safetensors new_houses.csv --json

All rows of DATA are used; of `mnist`, the test set.

The loss function is the one that the model was trained with.
mean_squared_error is in the square of the target column's unit; MAE (mean
absolute error) and RMSE (root mean squared error) are in that unit. With
binary_cross_entropy, there is no accuracy if a target is neither 0 nor 1.

The first line has accuracy (classes), or R², MAE and RMSE (numbers), and the
loss. The second has balanced accuracy, log loss and (for two classes) ROC-AUC,
or explained variance (numbers). --json has all metrics of `wgrad list metrics`
that suit the model and are defined for the data, with the defaults of their
parameters. roc_auc and pr_auc are left out for more than 32 classes.

The next line is a baseline: the scores of always answering these rows' most
frequent class, or their mean. A model that is no better has learned nothing
from its inputs.

For classes, there is a confusion matrix, and each class has precision, recall
and F1 (0 in place of 0/0). Of more than 30 classes, only those with the lowest
F1 and the most frequent errors are printed. With --json, they are the fields
`confusion` (counts, [actual][predicted]) and `classes`. `confusion` is left out
for more than 100 classes.
";

/// Options of `wgrad evaluate`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Model file that wgrad wrote
    #[arg(value_hint = clap::ValueHint::FilePath)]
    #[arg(value_parser = on_disk())]
    model: PathBuf,
    #[arg(help = data::HELP, long_help = data::LONG_HELP, value_hint = clap::ValueHint::FilePath)]
    data: String,
    /// Target column of a table [default: the model's target]
    ///
    /// Needed for models of built-in data sets that store no name of their target, such as moons.
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    target: Option<String>,
    /// Column of a table with the weight of each row [default: as trained]
    ///
    /// By default, it is the column that had the weights in training, if the table has this column.
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    weights: Option<String>,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    device: DeviceOptions,
    /// Prints JSON: one object
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
    /// Number of rows in the model's training set, if that set was split from these data.
    #[serde(skip_serializing_if = "Option::is_none")]
    trained_on: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    baseline: &'a Option<Baseline>,
    #[serde(flatten)]
    threshold: Option<Decision>,
    #[serde(flatten)]
    confusion: Option<Confusion>,
}

/// Evaluates a model on all rows of the data, or on the test set of `mnist`, and prints the result.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let model = data::load_model("evaluate", &arguments.model, &arguments.data, &arguments.reading)?;
    let (target, weights) = (arguments.target.as_deref(), arguments.weights.as_deref());
    let data = data::for_model(&model, &arguments.data, target, weights, &arguments.reading, output)?;
    let device = arguments.device.open()?;
    let evaluation = &model.evaluate_on(&device, &data)?;
    let confusion = confusion(&model, &device, &data, evaluation)?;
    let trained_on = trained_on(&model, &arguments.data, &data, &arguments.reading);
    let baseline = &Baseline::of(&data, evaluation);
    let threshold = decision(&model.metadata);
    if arguments.json {
        let model = arguments.model.display().to_string();
        let data = &arguments.data;
        output.json(&Event {
            event: "evaluation",
            model,
            data,
            evaluation,
            trained_on,
            baseline,
            threshold,
            confusion,
        });
    } else {
        let found = score_and_loss(evaluation);
        let rows = if arguments.data == data::MNIST { "test rows" } else { "rows" };
        let text = format!("{found} on all {} {rows} of {}", evaluation.rows, shown(&arguments.data));
        output.line(wrapped("", "  ", &text));
        if let Some(rows) = trained_on {
            output.note(format!(
                "the model was trained on {rows} of these rows{}",
                other_score(&model, &arguments.model)
            ));
        }
        if let Some(further) = further_metrics(evaluation, model.metadata.class_count()) {
            output.line(wrapped("", "  ", &further));
        }
        if let Some(baseline) = baseline {
            output.line(wrapped("", "  ", &baseline.line()));
            baseline.warn(evaluation, output);
        }
        if let Some(threshold) = threshold {
            output.line(wrapped("", "  ", &shown(&threshold.to_string())));
        }
        if let Some(confusion) = confusion {
            output.text(&format!("\n{confusion}"));
        }
    }
    Ok(())
}

/// Returns a text with the command that prints the model's score on rows that it was not trained on. The text is empty
/// if there is no such score.
fn other_score(model: &Model, path: &Path) -> String {
    let record = model.metadata.record.as_ref().filter(|record| record.evaluated_on != "all");
    record.map_or(String::new(), |_| format!("; `wgrad show {}` prints its score on other rows", quoted(path)))
}
