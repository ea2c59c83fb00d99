//! Command `wgrad explain`: permutation importance of columns.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wgrad::data::{shortened, shown};
use wgrad::metrics::Metric;
use wgrad::model::{Importance, Importances};
use wgrad::{Error, Result};

use super::columns::Reading;
use super::data;
use super::device::DeviceOptions;
use super::lines::{table, wrapped};
use super::names::names;
use super::numbers::{count, seed};
use super::paths::on_disk;
use super::plot::{Bar, Bars, PictureFile, same_file, theme};
use super::report::{Output, number};
use super::trained_on::trained_on;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad explain house.safetensors house.csv
  wgrad explain churn.safetensors new.csv --metric roc_auc --out churn.svg

Permutation importance: the values of a column are exchanged at random among the
rows, and the metric is computed again. The fall is how much worse it then is
(for an error such as mae, how much larger). It is repeated, and the table has
the mean and the standard deviation of the falls. Nothing is trained again. All
inputs that are made of a column, such as levels or parts of a date, are
permuted together. scikit-learn has the same as `permutation_importance`.

A column without importance is not used by the model. If two columns say nearly
the same, each may have a small importance. Rows that the model was trained on
show what it has memorized, too: rather give other rows.
";

/// Maximum number of columns that are printed, and drawn.
const MOST: usize = 30;
/// Width of the longest bar in the table, in characters.
const BAR: usize = 24;
/// Maximum number of characters of a column name.
const NAME: usize = 30;

/// Options of `wgrad explain`.
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
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    target: Option<String>,
    /// Column of a table with the weight of each row [default: as trained]
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    weights: Option<String>,
    #[command(flatten)]
    reading: Reading,
    /// Metric of importance [default: accuracy or R²]
    ///
    /// The importance of a column is how much worse this metric gets when the column's values are permuted. `wgrad list
    /// metrics` prints the names. If neither accuracy nor R² applies to the model, the default is the loss.
    #[arg(long, value_name = "METRIC", help_heading = "Importance")]
    #[arg(value_parser = names::<Metric>(&Metric::NAMES), hide_possible_values = true)]
    metric: Option<Metric>,
    /// Number of permutations per column
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 5, allow_negative_numbers = true)]
    #[arg(help_heading = "Importance")]
    repeats: usize,
    /// Random seed of the permutations
    #[arg(long, value_name = "N", value_parser = seed, default_value_t = 0, allow_negative_numbers = true)]
    #[arg(help_heading = "Importance")]
    seed: u64,
    #[command(flatten)]
    device: DeviceOptions,
    /// Draws the importance: *.svg or *.png
    ///
    /// The lines through the ends of the bars are standard deviations. An existing file is replaced.
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Output")]
    #[arg(value_parser = on_disk())]
    out: Option<PathBuf>,
    /// Dark background for the picture of --out
    #[arg(long, help_heading = "Output", requires = "out")]
    dark: bool,
    /// Prints JSON: one object with all columns and falls
    #[arg(long, help_heading = "Output")]
    json: bool,
}

#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    model: String,
    data: &'a str,
    rows: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    trained_on: Option<usize>,
    repeats: usize,
    seed: u64,
    #[serde(flatten)]
    found: &'a Importances,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<String>,
}

/// Computes the importance of the columns, and prints and draws it.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let Arguments { data: source, repeats, seed, metric, .. } = arguments;
    let model = data::load_model("explain", &arguments.model, source, &arguments.reading)?;
    let picture = picture(arguments)?;
    let (target, weights) = (arguments.target.as_deref(), arguments.weights.as_deref());
    let data = data::for_model(&model, source, target, weights, &arguments.reading, output)?;
    let found = model.permutation_importance(&arguments.device.open()?, &data, *metric, *repeats, *seed)?;
    let trained_on = trained_on(&model, source, &data, &arguments.reading);
    // The most important column comes first.
    let mut columns: Vec<&Importance> = found.columns.iter().collect();
    columns.sort_by(|one, other| other.mean.total_cmp(&one.mean));
    if let Some(picture) = &picture {
        let bar = |column: &&Importance| {
            let (name, value, spread) = (column.column.clone(), column.mean, column.deviation);
            Bar { name, value, spread }
        };
        let name = Path::new(source).file_name().unwrap_or_default().display();
        let title = format!("{name}: importance of columns");
        let subtitle =
            format!("{} {} on {} rows, {repeats} permutations", found.metric, number(found.value), data.len());
        let axis = format!("fall of {}", found.metric);
        let bars = columns.iter().take(MOST).map(bar).collect();
        picture.write(&Bars { title, subtitle, axis, bars }, theme(arguments.dark))?;
    }
    let picture = picture.map(|picture| picture.path().display().to_string());
    if arguments.json {
        let (model, repeats, seed, rows) = (arguments.model.display().to_string(), *repeats, *seed, data.len());
        let data = source;
        output.json(&Event {
            event: "importance",
            model,
            data,
            rows,
            trained_on,
            repeats,
            seed,
            found: &found,
            picture,
        });
        return Ok(());
    }
    if let Some(rows) = trained_on {
        output.note(format!("the model was trained on {rows} of these rows"));
    }
    let text = format!("{} {} on all {} rows of {}", found.metric, number(found.value), data.len(), shown(source));
    output.line(wrapped("", "  ", &text));
    output.text(&importance_table(&columns, &found.metric));
    if let Some(more) = columns.len().checked_sub(MOST).filter(|more| *more > 0) {
        output.line(format!("… and {more} more columns; `--json` has them"));
    }
    if let Some(picture) = picture {
        output.line(wrapped("picture: ", "  ", &shown(&picture)));
    }
    Ok(())
}

/// Returns the file of the picture, which must not be the model or the table.
fn picture(arguments: &Arguments) -> Result<Option<PictureFile>> {
    let Some(path) = &arguments.out else { return Ok(None) };
    if same_file(path, &arguments.model) || same_file(path, Path::new(&arguments.data)) {
        let problem = "the picture would replace the model or the data";
        return Err(Error::conflict(path.display().to_string(), problem, "name another file with `--out`"));
    }
    PictureFile::new("`--out`", path).map(Some)
}

/// Returns a table of the columns with their mean fall, its spread, and a bar.
fn importance_table(columns: &[&Importance], metric: &str) -> String {
    let largest = columns.iter().map(|column| column.mean).fold(0.0, f64::max);
    let bar = |mean: f64| {
        if largest > 0.0 {
            "█".repeat((mean.max(0.0) / largest * BAR as f64).round() as usize)
        } else {
            String::new()
        }
    };
    let row = |column: &&Importance| {
        let name = shortened(&column.column, NAME);
        vec![name, falls(column.mean), format!("± {}", falls(column.deviation)), bar(column.mean)]
    };
    let header = ["column", &format!("fall of {metric}"), "", ""].map(String::from).to_vec();
    let mut rows: Vec<Vec<String>> = std::iter::once(header).chain(columns.iter().take(MOST).map(row)).collect();
    // Bars are aligned left, but `table` aligns numbers right.
    let width = rows.iter().map(|row| row[3].chars().count()).max().unwrap_or_default();
    rows.iter_mut().for_each(|row| row[3] = format!("{:<width$}", row[3]));
    table(&rows, 1, 2)
}

/// Formats a fall with four decimals, or if it is large, with five significant digits.
fn falls(value: f64) -> String {
    if value.abs() < 10.0 { format!("{value:.4}") } else { number(value) }
}
