//! Command `wgrad predict`: predictions as CSV, one line per row.

use std::path::{Path, PathBuf};

use wgrad::elementwise::Meaning;
use wgrad::model::{Metadata, replace};
use wgrad::{Error, Result, Standardization};

use super::columns::Reading;
use super::data::{self, STANDARD, is_table, same_file};
use super::device::DeviceOptions;
use super::paths::{check_result, on_disk};
use super::report::Output;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad predict iris.safetensors iris | head -3
  wgrad predict house.safetensors new_houses.csv --keep id --out prices.csv
  cut -d, -f1-3 houses.csv | wgrad predict house.safetensors - | head -3

The table needs the columns that the model uses, as they were in training, in
any order. Others, such as the target, are ignored. Missing cells are filled,
whatever --missing was in training, and a new level (value of a category) counts
as a rare one, or as none. So every row gets a prediction. Without column names,
keep the order of training; a last target column may be absent.

The first line has the names of the columns. Then each row has a line: for
classes, the predicted class and the probability of each class; for regression,
the predicted number. Of `mnist`, the rows are those of the test set.
";

/// Options of `wgrad predict`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Model file that wgrad wrote
    #[arg(value_hint = clap::ValueHint::FilePath)]
    #[arg(value_parser = on_disk())]
    model: PathBuf,
    #[arg(help = data::HELP, long_help = data::LONG_HELP, value_hint = clap::ValueHint::FilePath)]
    data: String,
    #[command(flatten)]
    reading: Reading,
    #[command(flatten)]
    device: DeviceOptions,
    /// Prints natural logarithms in place of probabilities
    ///
    /// Logarithms stay precise where probabilities are rounded to 0 or 1. An error for regression.
    #[arg(long, help_heading = "Output")]
    log: bool,
    /// Columns to copy from the table, such as an id: "id,name"
    ///
    /// The columns come before the predictions, with unchanged text. Several names are separated by commas, or the
    /// option is repeated.
    #[arg(long, value_name = "COLUMN", value_parser = super::columns::names, help_heading = "Output")]
    keep: Vec<super::columns::Names>,
    /// File of the predictions [default: -, standard output]
    ///
    /// An existing file is replaced, unless it is the model or DATA.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Output")]
    out: Option<PathBuf>,
}

/// Computes the predictions, and writes them as CSV.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let model = data::load_model("predict", &arguments.model, &arguments.data, &arguments.reading)?;
    let keep = super::columns::listed(&arguments.keep);
    let input = data::inputs_for_model(&model, &arguments.data, &keep, &arguments.reading, output)?;
    let outputs = model.outputs_on(&arguments.device.open()?, &input.values)?;
    let text = table(&model.metadata, (&keep, &input.kept), outputs, arguments.log)?;
    match arguments.out.as_deref().filter(|path| *path != Path::new(STANDARD)) {
        None => output.file(&text),
        Some(path) => {
            check_not_input(arguments, path)?;
            replace(path, |file| file.write_all(&text))?;
        }
    }
    Ok(())
}

/// Returns the predictions as CSV. The first columns are those of `--keep`: `keep` has their names, `kept` their cells.
/// The predicted class and all probabilities follow, or the predicted numbers. If `log` is true, logarithms replace the
/// probabilities.
fn table(
    head: &Metadata,
    (keep, kept): (&[String], &[Vec<String>]),
    mut outputs: Vec<f32>,
    log: bool,
) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Error::file(Path::new("predictions"), "writing", error);
    let broken = |error: csv::Error| failed(error.into());
    let columns = head.network.outputs();
    let mut text = csv::Writer::from_writer(Vec::new());
    let beside = |row: usize| kept.iter().map(move |cells| cells[row].clone());
    match class_names(head) {
        None => {
            if log {
                let problem = "the model does not predict one class per row";
                return Err(Error::conflict("`--log`", problem, "leave it out"));
            }
            text.write_record(keep.iter().cloned().chain(numbers(head, columns))).map_err(broken)?;
            let numbers: Vec<String> = match &head.target_scaling {
                Some(scaling) => written(&head.numbers(&outputs), scaling, head.loss.outputs_per_target()),
                None => {
                    head.probabilities(&mut outputs)?;
                    outputs.iter().map(f32::to_string).collect()
                }
            };
            for (number, row) in numbers.chunks(columns).enumerate() {
                text.write_record(beside(number).chain(row.iter().cloned())).map_err(broken)?;
            }
        }
        Some(names) => {
            let prefix = if log { "log_probability" } else { "probability" };
            let header = names.iter().map(|name| format!("{prefix}_{name}"));
            let header = std::iter::once(predicted(head.targets.first())).chain(header);
            text.write_record(keep.iter().cloned().chain(header)).map_err(broken)?;
            for (number, row) in outputs.chunks(columns).enumerate() {
                let Some((class, probabilities)) = head.predicted(row)? else { continue };
                let probabilities = if log { log_probabilities(head, row)? } else { probabilities };
                let name = names[class as usize].clone();
                let cells = std::iter::once(name).chain(probabilities.iter().map(f32::to_string));
                text.write_record(beside(number).chain(cells)).map_err(broken)?;
            }
        }
    }
    text.into_inner().map_err(|error| failed(error.into_error()))
}

/// Returns the logarithm of the probability of each class. `row` has the network's outputs for one row.
fn log_probabilities(head: &Metadata, row: &[f32]) -> Result<Vec<f32>> {
    // A single output is the logit of class 1. Its negative is the logit of class 0.
    let mut found = if let ([z], Some(2)) = (row, head.class_count()) { vec![-z, *z] } else { row.to_vec() };
    head.log_probabilities(&mut found)?;
    Ok(found)
}

/// Returns the names of the classes: those in the model file, or else `0`, `1`, … `None` if the model does not predict
/// one class per row.
fn class_names(head: &Metadata) -> Option<Vec<String>> {
    let count = head.class_count()?;
    let known = head.classes.clone().filter(|names| names.len() == count);
    Some(known.unwrap_or_else(|| (0..count).map(|class| class.to_string()).collect()))
}

/// Name of the CSV column with the prediction, such as `predicted_price`.
fn predicted(target: Option<&String>) -> String {
    named("predicted", target)
}

fn named(prefix: &str, target: Option<&String>) -> String {
    target.map_or(prefix.into(), |target| format!("{prefix}_{target}"))
}

/// Names of the CSV columns with predicted numbers: `predicted_price` if the model has the names of its targets,
/// otherwise `predicted_0`, `predicted_1`, … A normal distribution has a second column, `standard_deviation_price`.
/// Quantiles have one each, such as `quantile_0.9_price`.
fn numbers(head: &Metadata, columns: usize) -> Vec<String> {
    let columns = head.loss.target_columns(columns);
    let names: Vec<Option<String>> = match head.targets.len() {
        known if known == columns => head.targets.iter().cloned().map(Some).collect(),
        _ if columns == 1 => vec![None],
        _ => (0..columns).map(|column| Some(column.to_string())).collect(),
    };
    let prefixes: Vec<String> = match head.loss.function().output {
        Meaning::Normal => ["predicted", "standard_deviation"].map(String::from).to_vec(),
        Meaning::Quantiles => {
            let levels = head.loss.parameters().into_iter().take(head.loss.outputs_per_target());
            levels.map(|level| format!("quantile_{level}")).collect()
        }
        Meaning::Number { .. }
        | Meaning::LogRate
        | Meaning::Logit
        | Meaning::Score
        | Meaning::ClassLogits
        | Meaning::ClassScore
        | Meaning::Direction => vec!["predicted".into()],
    };
    let all = names.iter().flat_map(|name| prefixes.iter().map(move |prefix| (prefix, name.as_ref())));
    all.map(|(prefix, name)| named(prefix, name)).collect()
}

/// Formats predicted numbers. An f32 output has about eight significant digits. The last decimal is therefore the
/// eighth digit of the scale (standard deviation) of its target.
fn written(numbers: &[f64], scaling: &Standardization, per_target: usize) -> Vec<String> {
    let digits = scaling.scale().iter().map(|scale| (7.0 - scale.log10().floor()).clamp(0.0, 300.0) as usize);
    let digits = digits.flat_map(move |digits| std::iter::repeat_n(digits, per_target));
    let text = |(number, digits): (&f64, usize)| {
        let text = format!("{number:.digits$}");
        if digits == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').into() }
    };
    numbers.iter().zip(digits.cycle()).map(text).collect()
}

/// Refuses a file for the predictions that is the model or the table.
fn check_not_input(arguments: &Arguments, out: &Path) -> Result<()> {
    if same_file(out, &arguments.model) || is_table(out, &arguments.data) {
        let problem = "the predictions would replace the model or the data";
        return Err(Error::conflict(out.display().to_string(), problem, "name another file with `--out`"));
    }
    check_result(out)
}
