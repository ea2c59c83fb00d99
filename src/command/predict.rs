//! `wgrad predict`: a line of CSV for each row.

use std::path::{Path, PathBuf};

use wgrad::model::replace;
use wgrad::{Error, Loss, Model, Result};

use super::data;
use super::report::Output;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad predict iris.safetensors iris | head -3
  wgrad predict house.safetensors new_houses.csv --out prices.csv

The CSV file needs the columns that the model was trained on, in any order; others are ignored.
";

/// Which model, for which rows.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// A model that wgrad wrote
    model: PathBuf,
    /// digits, iris, moons, and, or, xor, or the path of a CSV file
    data: String,
    /// Where the predictions go [default: standard output]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Writes the predictions.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let model = Model::load(&arguments.model)?;
    let input = data::inputs_for_model(&model, &arguments.data)?;
    let text = table(&model, &input)?;
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
fn table(model: &Model, input: &[f32]) -> Result<Vec<u8>> {
    let outputs = model.predict(input)?;
    let columns = model.head.network.outputs();
    let mut text = csv::Writer::from_writer(Vec::new());
    // Writing to memory does not fail, and each row has as many cells as the header.
    let mut write = |cells: Vec<String>| text.write_record(cells).expect("rows of equal length are written to memory");
    match class_names(model) {
        None => {
            write(numbered(columns));
            outputs.chunks(columns).for_each(|row| write(row.iter().map(f32::to_string).collect()));
        }
        Some(names) => {
            write(
                std::iter::once("predicted".into())
                    .chain(names.iter().map(|name| format!("probability_{name}")))
                    .collect(),
            );
            for (class, row) in model.predict_classes(input)?.into_iter().zip(outputs.chunks(columns)) {
                let name = names[class as usize].clone();
                write(std::iter::once(name).chain(probabilities(row).iter().map(f32::to_string)).collect());
            }
        }
    }
    Ok(text.into_inner().expect("memory is flushed without error"))
}

/// Names of the classes, where a model tells one class a row: those that it knows, or 0 and 1.
fn class_names(model: &Model) -> Option<Vec<String>> {
    let (loss, outputs) = (model.head.loss, model.head.network.outputs());
    let one_a_row = loss == Loss::SoftmaxCrossEntropy || loss.is_classification() && outputs == 1;
    let unnamed = || (0..outputs.max(2)).map(|class| class.to_string()).collect();
    one_a_row.then(|| model.head.classes.clone().unwrap_or_else(unnamed))
}

/// One output is the probability of the second of two classes.
fn probabilities(row: &[f32]) -> Vec<f32> {
    match row {
        [second] => vec![1.0 - second, *second],
        row => row.to_vec(),
    }
}

fn numbered(columns: usize) -> Vec<String> {
    if columns == 1 { vec!["predicted".into()] } else { (0..columns).map(|c| format!("predicted_{c}")).collect() }
}

fn check_not_input(arguments: &Arguments, out: &Path) -> Result<()> {
    let same = |other: &Path| out.canonicalize().is_ok_and(|out| other.canonicalize().is_ok_and(|other| other == out));
    if same(&arguments.model) || same(Path::new(&arguments.data)) {
        let problem = "the predictions would replace what they are made from";
        return Err(Error::conflict(out.display().to_string(), problem, "name another file with `--out`"));
    }
    wgrad::model::check_replaceable(out)
}
