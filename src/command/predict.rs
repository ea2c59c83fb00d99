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
    let text = table(&model.head, outputs)?;
    match &arguments.out {
        None => output.bytes(&text),
        Some(path) => {
            check_not_input(arguments, path)?;
            replace(path, |file| file.write_all(&text))?;
        }
    }
    Ok(())
}

/// The predictions as CSV: the class and the probability of each, or the numbers of a regression.
fn table(head: &Head, mut outputs: Vec<f32>) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Error::file(Path::new("predictions"), "writing", error);
    let broken = |error: csv::Error| failed(error.into());
    let columns = head.network.outputs();
    let mut text = csv::Writer::from_writer(Vec::new());
    match class_names(head) {
        None => {
            text.write_record(numbered(columns)).map_err(broken)?;
            head.probabilities(&mut outputs)?;
            let mut rows = outputs.chunks(columns);
            rows.try_for_each(|row| text.write_record(row.iter().map(f32::to_string))).map_err(broken)?;
        }
        Some(names) => {
            let header = names.iter().map(|name| format!("probability_{name}"));
            text.write_record(std::iter::once("predicted".into()).chain(header)).map_err(broken)?;
            for row in outputs.chunks(columns) {
                let Some((class, probabilities)) = head.told(row)? else { continue };
                let name = names[class as usize].clone();
                let cells = std::iter::once(name).chain(probabilities.iter().map(f32::to_string));
                text.write_record(cells).map_err(broken)?;
            }
        }
    }
    text.into_inner().map_err(|error| failed(error.into_error()))
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
