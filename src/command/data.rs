//! Where rows come from: a data set by name, or a table by path.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use wgrad::data::{Inspection, Table, and, blobs, circles, digits, iris, or, sine, spirals, two_moons, xor};
use wgrad::model::Head;
use wgrad::{Dataset, Error, Loss, Model, Result, Targets};

use super::columns::{Columns, Delimiter};

/// Names that are no path.
pub const NAMES: [&str; 11] =
    ["digits", "iris", "moons", "two_moons", "circles", "spirals", "blobs", "sine", "and", "or", "xor"];

/// What DATA can be, for the help.
pub const SOURCES: &str = "digits, iris, moons, circles, spirals, blobs, sine, and, or, xor, or the path of a table: CSV or TSV, gzipped or not";

/// The data set of that name.
pub fn built_in(name: &str) -> Result<Option<Dataset>> {
    Ok(match name {
        "digits" => Some(digits()),
        "iris" => Some(iris()),
        // One and the same set every time, so that a model can be evaluated on what it was trained on.
        "moons" | "two_moons" => Some(two_moons(1000, 0.2, 0)?),
        "circles" => Some(circles(1000, 0.1, 0)?),
        "spirals" => Some(spirals(1500, 3, 0.03, 0)?),
        "blobs" => Some(blobs(1000, 5, 1.5, 0)?),
        "sine" => Some(sine(1000, 0.1, 0)?),
        "and" => Some(and()),
        "or" => Some(or()),
        "xor" => Some(xor()),
        _ => None,
    })
}

/// The data set of that name, or the table at that path.
pub fn load(source: &str, columns: &Columns) -> Result<Dataset> {
    match by_name(source, columns.given())? {
        Some(data) => Ok(data),
        None => Dataset::from_csv(table_path(source)?, columns.form()),
    }
}

/// What is in the data set of that name, or in the table at that path.
pub fn inspect(source: &str, columns: &Columns) -> Result<Inspection> {
    match by_name(source, columns.given())? {
        Some(data) => Ok(Inspection::of(&data)),
        None => Inspection::of_csv(table_path(source)?, columns.form()),
    }
}

/// The data set of that name, for which no option of a table may be `given`.
fn by_name(source: &str, given: Option<&str>) -> Result<Option<Dataset>> {
    let data = built_in(source)?;
    let Some(option) = given.filter(|_| data.is_some()) else { return Ok(data) };
    let problem = match option {
        "--delimiter" => format!("`--delimiter` is for a table's text, but {source} is a data set"),
        _ => format!("`{option}` names a column of a table, but {source} is a data set with its own target"),
    };
    Err(Error::conflict("data", problem, format!("leave `{option}` out")))
}

/// What files are called after: the name of the data set, or of the table without its endings.
pub fn stem(source: &str, data: &Dataset) -> String {
    if NAMES.contains(&source) { source.into() } else { data.name().into() }
}

/// Rows for a model, with their targets.
pub fn for_model(model: &Model, source: &str, target: Option<&str>, text: &Delimiter) -> Result<Dataset> {
    let head = &model.head;
    let Some(data) = by_name(source, target.map(|_| "--target").or(text.given()))? else {
        return table_for_model(head, &Table::read(table_path(source)?, text.delimiter)?, source, target);
    };
    check_columns(head, &data)?;
    match (data.class_names(), &head.classes) {
        (Some(found), Some(known)) if found != known => {
            let problem = format!("its classes are {}, but the model knows {}", found.join(", "), known.join(", "));
            Err(Error::conflict(format!("data set `{source}`"), problem, "use data of the model's classes"))
        }
        _ => Ok(data),
    }
}

/// Rows for a model, [rows, inputs]; a target is not needed.
pub fn inputs_for_model(model: &Model, source: &str, text: &Delimiter) -> Result<Vec<f32>> {
    let Some(data) = by_name(source, text.given())? else {
        return Table::read(table_path(source)?, text.delimiter)?.numbers(&model.head.columns);
    };
    check_columns(&model.head, &data)?;
    Ok(data.input().to_vec())
}

fn table_for_model(head: &Head, table: &Table, source: &str, target: Option<&str>) -> Result<Dataset> {
    let input = table.numbers(&head.columns)?;
    let target = target_column(head, table, source, target)?;
    match &head.classes {
        Some(names) => {
            Dataset::classes(source, head.columns.len(), &input, &table.classes(&target, names)?, names.clone())
        }
        None => Dataset::numbers(source, head.columns.len(), &input, 1, &table.numbers(&[target])?),
    }
}

/// The target column: the one that is named, or the last.
fn target_column(head: &Head, table: &Table, source: &str, target: Option<&str>) -> Result<String> {
    let Some(name) = target.or_else(|| table.columns().last().map(String::as_str)) else {
        return Err(Error::data(source, "it has no columns", "give a table with the model's columns and a target"));
    };
    if head.columns.iter().any(|column| column == name) {
        let problem = format!("its target would be column `{name}`, which is an input of the model");
        return Err(Error::conflict(source, problem, "name the target column with `--target`"));
    }
    Ok(name.into())
}

fn check_columns(head: &Head, data: &Dataset) -> Result<()> {
    if data.columns() == head.columns {
        return Ok(());
    }
    let problem =
        format!("its columns are {}, but the model was trained on {}", few(data.columns()), few(&head.columns));
    Err(Error::conflict(format!("data set `{}`", data.name()), problem, "use data that the model was trained for"))
}

/// `a, b, c, … (64 columns)`.
fn few(names: &[String]) -> String {
    if names.len() <= 4 {
        return names.join(", ");
    }
    format!("{}, … ({} columns)", names[..3].join(", "), names.len())
}

/// What is no name must be the path of a table.
fn table_path(source: &str) -> Result<PathBuf> {
    let path = Path::new(source);
    if path.exists() || path.extension().is_some() || source.contains(['/', MAIN_SEPARATOR]) {
        return Ok(path.into());
    }
    Err(match Error::unknown("data set", source, &NAMES) {
        Error::Unknown { kind, name, nearest, known } => {
            Error::Unknown { kind, name, nearest, known: format!("{known}, or the path of a CSV file") }
        }
        other => other,
    })
}

/// The loss that a data set's targets ask for.
pub fn usual_loss(data: &Dataset) -> Loss {
    match data.targets() {
        Targets::Classes { .. } => Loss::SoftmaxCrossEntropy,
        Targets::Numbers { values, .. } if values.iter().all(|value| *value == 0.0 || *value == 1.0) => {
            Loss::BinaryCrossEntropy
        }
        Targets::Numbers { .. } => Loss::MeanSquaredError,
    }
}

/// Outputs that a network needs for a data set and a loss: a binary loss tells two classes apart with one.
pub fn outputs(data: &Dataset, loss: Loss) -> usize {
    match data.outputs() {
        2 if data.class_names().is_some() && loss != Loss::SoftmaxCrossEntropy => 1,
        outputs => outputs,
    }
}
