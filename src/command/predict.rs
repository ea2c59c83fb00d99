//! `wgrad predict`: a line of CSV for each row.

use std::path::{Path, PathBuf};

use wgrad::model::{Head, replace};
use wgrad::{Error, Model, Result};

use super::columns::Reading;
use super::data::{self, is_table, same_file};
use super::device::DeviceOptions;
use super::report::Output;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad predict iris.safetensors iris | head -3
  wgrad predict house.safetensors new_houses.csv --out prices.csv

The table needs the columns that the model was trained on, in any order;
others are ignored.
";

/// Which model, for which rows.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A model that wgrad wrote
    model: PathBuf,
    #[arg(help = data::HELP, value_hint = clap::ValueHint::FilePath)]
    data: String,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    device: DeviceOptions,
    /// Where the predictions go [default: standard output]
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    out: Option<PathBuf>,
}

/// Writes the predictions.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let model = Model::load(&arguments.model)?;
    let input = data::inputs_for_model(&model, &arguments.data, &arguments.reading)?;
    let outputs = model.outputs_on(&arguments.device.open()?, &input)?;
    check_finite(&outputs, model.head.network.outputs())?;
    let text = table(&model.head, outputs).map_err(|error| Error::file(Path::new("predictions"), "writing", error))?;
    match &arguments.out {
        None => output.file(&text),
        Some(path) => {
            check_not_input(arguments, path)?;
            replace(path, |file| file.write_all(&text))?;
        }
    }
    Ok(())
}

/// The predictions as CSV: the class and the probability of each, or the numbers of a regression.
fn table(head: &Head, mut outputs: Vec<f32>) -> std::io::Result<Vec<u8>> {
    let columns = head.network.outputs();
    let mut text = csv::Writer::from_writer(Vec::new());
    match class_names(head) {
        None => {
            text.write_record(numbered(columns))?;
            head.probabilities(&mut outputs);
            outputs.chunks(columns).try_for_each(|row| text.write_record(row.iter().map(f32::to_string)))?;
        }
        Some(names) => {
            let header = names.iter().map(|name| format!("probability_{name}"));
            text.write_record(std::iter::once("predicted".into()).chain(header))?;
            for (class, probabilities) in outputs.chunks(columns).filter_map(|row| head.told(row)) {
                let name = names[class as usize].clone();
                text.write_record(std::iter::once(name).chain(probabilities.iter().map(f32::to_string)))?;
            }
        }
    }
    text.into_inner().map_err(csv::IntoInnerError::into_error)
}

/// Inputs far from those trained on can make a network overflow; that is no prediction.
fn check_finite(outputs: &[f32], columns: usize) -> Result<()> {
    let Some(at) = outputs.iter().position(|output| !output.is_finite()) else { return Ok(()) };
    let place = format!("predictions, row {} (from 0)", at / columns);
    let problem = format!("output {} of the network is {}, not a finite number", at % columns, outputs[at]);
    Err(Error::data(place, problem, "look for inputs far from those trained on, or train again"))
}

/// Names of the classes, where a model tells one class a row: those that it knows, or their numbers.
fn class_names(head: &Head) -> Option<Vec<String>> {
    let told = head.told_classes()?;
    let known = head.classes.clone().filter(|names| names.len() == told);
    Some(known.unwrap_or_else(|| (0..told).map(|class| class.to_string()).collect()))
}

fn numbered(columns: usize) -> Vec<String> {
    if columns == 1 { vec!["predicted".into()] } else { (0..columns).map(|c| format!("predicted_{c}")).collect() }
}

fn check_not_input(arguments: &Arguments, out: &Path) -> Result<()> {
    if same_file(out, &arguments.model) || is_table(out, &arguments.data) {
        let problem = "the predictions would replace what they are made from";
        return Err(Error::conflict(out.display().to_string(), problem, "name another file with `--out`"));
    }
    wgrad::model::check_replaceable(out)
}
