//! `wgrad plot boundary`: the plane of a model's two columns of numbers, colored by its predictions.

use std::path::{Path, PathBuf};

use wgrad::data::{Preparation, shown};
use wgrad::elementwise::Meaning;
use wgrad::model::Metadata;
use wgrad::rng::{Philox, Stream};
use wgrad::{Dataset, Device, Error, Model, Result, Targets};

use super::axis::Axis;
use super::canvas::PictureFile;
use super::plane::{Plane, Values};
use super::{theme, title};
use crate::command::columns::Reading;
use crate::command::data::{self, is_table, same_file};
use crate::command::device::DeviceOptions;
use crate::command::lines::wrapped;
use crate::command::paths::on_disk;
use crate::command::report::Output;

/// Number of colored cells across and down the plane, for an SVG; a PNG has twice as many each way. SVG files stay well
/// below a megabyte.
const CELLS: (usize, usize) = (220, 180);
/// Largest number of points. Of more rows, a random sample is shown.
const MOST_POINTS: usize = 1000;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad plot boundary moons.safetensors moons
  wgrad plot boundary xor.safetensors xor --out xor.png --dark
  wgrad train points.csv --target class       a table with two other columns
  wgrad plot boundary points.safetensors points.csv

The axes are the two columns of numbers that the model was trained on. Each
position has the color of the class that the model predicts there: the more
probable the class, the stronger the color. A predicted number (regression), or a probability
(binary_cross_entropy), takes its color from a scale. Points are the rows of
DATA, with the color of their true class or number; of more than 1,000 rows,
a random sample is drawn.
";

/// Options of `wgrad plot boundary`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Model file that wgrad wrote, with two columns of numbers
    ///
    /// The numbers may have bins and missing cells. Other columns, such as categories, cannot be drawn.
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
    #[command(flatten)]
    reading: Reading,
    /// File of the picture: *.svg or *.png
    ///
    /// An existing file is replaced.
    #[arg(long, value_name = "FILE", default_value = "boundary.svg", help_heading = "Output")]
    #[arg(value_parser = on_disk())]
    out: PathBuf,
    /// Draws on a dark background
    #[arg(long, help_heading = "Output")]
    dark: bool,
    #[command(flatten)]
    device: DeviceOptions,
}

/// Draws the plane, and writes the picture.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let model = data::load_model("plot boundary", &arguments.model, &arguments.data, &arguments.reading)?;
    let place = format!("model {}", arguments.model.display());
    check_plane(&place, &model)?;
    let file = PictureFile::new("`--out`", &arguments.out)?;
    if same_file(&arguments.out, &arguments.model) || is_table(&arguments.out, &arguments.data) {
        let problem = "the picture would replace the model or the data";
        return Err(Error::conflict(arguments.out.display().to_string(), problem, "name another file with `--out`"));
    }
    let target = arguments.target.as_deref();
    let data = data::for_model(&model, &arguments.data, target, None, &arguments.reading, output)?;
    // The picture shows targets by the colors of predictions, so data and model must both have classes, or both
    // numbers.
    model.check_data(&data)?;
    let plane = arguments.plane(&model, &data, &arguments.device.open()?, file.scale() as usize)?;
    file.write(&plane, theme(arguments.dark))?;
    output.line(wrapped("picture: ", "  ", &shown(&file.path().display().to_string())));
    Ok(())
}

/// Checks that a picture can show the model: two columns of numbers, and one class or number per row.
fn check_plane(place: &str, model: &Model) -> Result<()> {
    let (inputs, outputs) = (model.metadata.network.inputs(), model.metadata.network.outputs());
    let wrong = |what: &str, found, wanted_what: &str, wanted, remedy: &str| {
        let (found_what, wanted_what, remedy) = (format!("its {what} are"), wanted_what.into(), remedy.into());
        Err(Error::Shape { place: place.into(), found_what, found, wanted_what, wanted, remedy })
    };
    if on_plane(&model.metadata, &[0.0; 2]).is_none() {
        let wide = model.metadata.preparation.iter().flat_map(Preparation::widths).find(|(_, inputs)| *inputs > 1);
        let wide = wide.map(|(column, inputs)| format!("; `{column}` became {inputs} inputs")).unwrap_or_default();
        let remedy = format!("train on a table of two columns of numbers and the target{wide}");
        return wrong("inputs", inputs, "a plane has", 2, &remedy);
    }
    if model.metadata.class_count().is_none() && outputs != 1 {
        return wrong("outputs", outputs, "a color shows", 1, "train with one output, or with softmax_cross_entropy");
    }
    Ok(())
}

/// Returns the inputs of the network at points of the plane, given as pairs of x and y; `None` if the model does not
/// have two columns of numbers.
fn on_plane(head: &Metadata, points: &[f64]) -> Option<Vec<f64>> {
    match &head.preparation {
        None => (head.network.inputs() == 2).then(|| points.to_vec()),
        Some(preparation) => {
            let rows: Option<Vec<Vec<f64>>> = points.chunks(2).map(|point| preparation.numbers(point)).collect();
            rows.map(|rows| rows.concat())
        }
    }
}

impl Arguments {
    fn plane(&self, model: &Model, data: &Dataset, device: &Device, scale: usize) -> Result<Plane> {
        let (head, rows) = (&model.metadata, data.len());
        let known = head.targets.first().map(String::as_str);
        let shown = shown_rows(rows);
        // The first input of a column of numbers is the number itself.
        let second = head.preparation.iter().flat_map(Preparation::widths).next().map_or(1, |(_, inputs)| inputs);
        let points: Vec<(f64, f64)> = shown.iter().map(|row| (data.value(*row, 0), data.value(*row, second))).collect();
        let [x, y] = [axis(points.iter().map(|at| at.0)), axis(points.iter().map(|at| at.1))];
        let size = (CELLS.0 * scale, CELLS.1 * scale);
        let columns = [head.columns[0].clone(), head.columns[second].clone()];
        let outputs = outputs(model, device, &cells(&x, &y, size), &columns)?;
        let name = Path::new(&self.data).file_stem().unwrap_or_default().to_string_lossy();
        Ok(Plane {
            title: title(&name, &head.network),
            rows: if shown.len() < rows { format!("{} of {rows} rows", shown.len()) } else { format!("{rows} rows") },
            columns,
            targets: shown.iter().map(|row| target(data.targets(), *row)).collect(),
            points,
            x,
            y,
            size,
            values: values(model, data, outputs, self.target.as_deref().or(known).unwrap_or("the target"))?,
        })
    }
}

/// Returns the rows that are shown, ascending. Every n-th row would hide some rows of a table with a period.
fn shown_rows(rows: usize) -> Vec<usize> {
    let mut shown: Vec<usize> = (0..rows).collect();
    if rows > MOST_POINTS {
        Philox::new(0, Stream::Shuffle, 0).shuffle(&mut shown);
        shown.truncate(MOST_POINTS);
        shown.sort_unstable();
    }
    shown
}

/// Returns the target of a row: the index of its class, or a number.
fn target(targets: &Targets, row: usize) -> f64 {
    match targets {
        Targets::Classes { indices, .. } => indices[row].into(),
        Targets::Numbers { values, .. } => values[row],
    }
}

/// Linear axis that contains all numbers, with a margin.
fn axis(numbers: impl Iterator<Item = f64> + Clone) -> Axis {
    let low = numbers.clone().fold(f64::INFINITY, f64::min);
    Axis::linear(low, numbers.fold(f64::NEG_INFINITY, f64::max), 0.12)
}

/// Returns the centers of the cells as pairs of x and y, row by row from the top.
fn cells(x: &Axis, y: &Axis, (columns, rows): (usize, usize)) -> Vec<f64> {
    let middle = |(low, high): (f64, f64), cell: usize, of: usize| low + (high - low) * (cell as f64 + 0.5) / of as f64;
    let row = |row: usize| {
        (0..columns).flat_map(move |column| [middle(x.ends(), column, columns), middle(y.ends(), rows - 1 - row, rows)])
    };
    (0..rows).flat_map(row).collect()
}

/// Returns the outputs at the centers of cells. `names` has the names of the two columns, for error messages.
fn outputs(model: &Model, device: &Device, cells: &[f64], names: &[String; 2]) -> Result<Vec<f32>> {
    let inputs = on_plane(&model.metadata, cells).unwrap_or_default();
    model.outputs_on(device, &inputs).map_err(|error| match error {
        // The error's row is a cell of the plane, which the user does not know. The new error gives the cell's inputs
        // instead.
        Error::Output { row, output, value, .. } => {
            let cell = &cells[2 * row..];
            let place = format!("the plane, `{}` {} and `{}` {}", names[0], cell[0], names[1], cell[1]);
            let problem = format!("output {output} of the network is {value}, not a finite number");
            Error::data(place, problem, "draw it over data nearer to those trained on")
        }
        error => error,
    })
}

/// Converts the outputs of the cells into the values to show. `target` is the name of a predicted number.
fn values(model: &Model, data: &Dataset, mut outputs: Vec<f32>, target: &str) -> Result<Values> {
    let head = &model.metadata;
    let count = head.class_count().unwrap_or(0);
    let known = data.class_names().map(<[String]>::to_vec).or_else(|| head.classes.clone());
    let names = known.unwrap_or_else(|| (0..count).map(|class| class.to_string()).collect());
    if head.loss.function().output == Meaning::Logit {
        head.probabilities(&mut outputs)?;
        return Ok(Values::Probabilities { names, values: outputs });
    }
    let predicted = outputs.chunks(head.network.outputs()).map(|row| head.predicted(row));
    let predicted: Option<Vec<_>> = predicted.collect::<Result<Vec<_>>>()?.into_iter().collect();
    Ok(match predicted {
        Some(cells) => {
            let probability = |(class, all): (u32, Vec<f32>)| (class as usize, all[class as usize]);
            Values::Classes { names, values: cells.into_iter().map(probability).collect() }
        }
        None => Values::Numbers { name: target.into(), values: head.numbers(&outputs) },
    })
}
