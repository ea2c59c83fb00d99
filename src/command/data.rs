//! Data sets by name, and tables by path or from standard input.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use wgrad::data::{
    CsvOptions, Inspection, Table, and, blobs, circles, digits, drop_words, iris, mnist, or, quoted, sine, spirals,
    two_moons, xor,
};
use wgrad::loss::{TargetKind, Task};
use wgrad::model::Metadata;
use wgrad::{Dataset, Error, Loss, Model, Result, Targets};

use super::columns::{Columns, Reading, YesNo};
use super::report::Output;

/// Name of the data set that has its own test set.
pub const MNIST: &str = "mnist";

/// Names of data sets. Any other text is the path of a table.
pub const NAMES: [&str; 12] =
    ["digits", "iris", MNIST, "moons", "two_moons", "circles", "spirals", "blobs", "sine", "and", "or", "xor"];

/// Short help of the argument DATA.
pub const HELP: &str = "Data set (digits, iris, moons, …), or the path of a table";

/// Long help of the argument DATA.
pub const LONG_HELP: &str = "Name of a data set: `digits`, `iris`, `mnist` (needs --data-dir), `moons`, `circles`, \
                             `spirals`, `blobs`, `sine`, `and`, `or`, `xor`. Any other text is the path of a table: \
                             CSV or TSV, gzipped or not, `-` for standard input";

/// File name that stands for standard input and standard output.
pub const STANDARD: &str = "-";

/// Rows of a data set or of a table, before they are split.
pub struct Source {
    /// Rows to split and train on.
    pub rows: Dataset,
    /// Test set that comes with the data, as for `mnist`.
    pub test: Option<Dataset>,
    /// Statistics and warnings of a table; `None` if it was not inspected, and for data sets.
    pub found: Option<Inspection>,
}

impl From<Dataset> for Source {
    fn from(rows: Dataset) -> Self {
        Self { rows, test: None, found: None }
    }
}

/// Returns the data set of that name; `None` if there is none.
fn built_in(name: &str, reading: &Reading) -> Result<Option<Source>> {
    Ok(Some(match name {
        "digits" => digits().into(),
        "iris" => iris().into(),
        MNIST => {
            let (rows, test) = mnist(folder(reading)?)?;
            Source { rows, test: Some(test), found: None }
        }
        // The same set every time, so that a model can be evaluated on the rows that it was trained on.
        "moons" | "two_moons" => two_moons(1000, 0.2, 0)?.into(),
        "circles" => circles(1000, 0.1, 0)?.into(),
        "spirals" => spirals(1500, 3, 0.03, 0)?.into(),
        "blobs" => blobs(1000, 5, 1.5, 0)?.into(),
        "sine" => sine(1000, 0.1, 0)?.into(),
        "and" => and().into(),
        "or" => or().into(),
        "xor" => xor().into(),
        _ => return Ok(None),
    }))
}

fn folder(reading: &Reading) -> Result<&Path> {
    reading.data_dir.as_deref().ok_or_else(|| {
        let problem = "mnist does not come with the program";
        let remedy = "fetch its four files (train-images-idx3-ubyte.gz, …), and name their folder with `--data-dir`";
        Error::conflict("data", problem, remedy)
    })
}

/// The data set of that name, or the table at that path, to train with a loss function if one is given.
pub fn load(source: &str, columns: &Columns, loss: Option<Loss>) -> Result<Source> {
    match by_name(source, &columns.reading, columns.given())? {
        Some(data) => Ok(data),
        None => Ok(Dataset::from_csv(table_path(source)?, form(columns, loss))?.into()),
    }
}

/// Like [`load`]; also inspects a table.
pub fn load_inspected(source: &str, columns: &Columns, loss: Option<Loss>) -> Result<Source> {
    match by_name(source, &columns.reading, columns.given())? {
        Some(data) => Ok(data),
        None => {
            let (found, rows) = Inspection::with_data(table_path(source)?, form(columns, loss))?;
            Ok(Source { found: Some(found), ..rows.into() })
        }
    }
}

/// Returns the options for a table. The target of a regression is read as numbers.
fn form(columns: &Columns, loss: Option<Loss>) -> CsvOptions {
    let is_regression = loss.is_some_and(|loss| loss.task(1) == Task::Regression);
    if is_regression { columns.form().numbers() } else { columns.form() }
}

/// Inspects the data set of that name, or the table at that path.
pub fn inspect(source: &str, columns: &Columns) -> Result<Inspection> {
    match by_name(source, &columns.reading, columns.given())? {
        Some(data) => Ok(Inspection::of(&data.rows)),
        None => Inspection::of_csv(table_path(source)?, columns.form()),
    }
}

/// Returns the data set of that name; `None` if `source` is the path of a table. With a data set, a `given` option for tables
/// is an error.
fn by_name(source: &str, reading: &Reading, given: Option<&str>) -> Result<Option<Source>> {
    if reading.data_dir.is_some() && source != MNIST {
        let problem = format!("`--data-dir` says where mnist is, but the data are {source}");
        return Err(Error::conflict("data", problem, "leave `--data-dir` out"));
    }
    let problem = match given.filter(|_| NAMES.contains(&source)) {
        None => return built_in(source, reading),
        Some(option @ ("--delimiter" | "--header")) => {
            format!("`{option}` is for a table's text, but {source} is a data set")
        }
        Some(option) => format!("`{option}` names a column of a table, but {source} is a data set with its own target"),
    };
    Err(Error::conflict("data", problem, format!("leave `{}` out", given.unwrap_or_default())))
}

/// Returns the words of a command line that name the data: `source`, `--data-dir` and `--delimiter`, quoted for a shell.
pub fn words(source: &str, reading: &Reading) -> String {
    let folder = reading.data_dir.as_ref().map(|folder| format!(" --data-dir {}", quoted(folder)));
    let delimiter = reading.delimiter.map(|byte| format!(" --delimiter {}", quoted(char::from(byte).to_string())));
    format!("{}{}{}", quoted(source), folder.unwrap_or_default(), delimiter.unwrap_or_default())
}

/// Returns the command that shows all warnings of a table, quoted for a shell.
pub fn inspect_command(source: &str, columns: &Columns) -> String {
    let target = columns.target.as_ref().map(|target| format!(" --target={}", quoted(target)));
    let header =
        columns.reading.header.map(|header| if header == YesNo::Yes { " --header yes" } else { " --header no" });
    let dropped = columns.form().drop;
    let dropped = if dropped.is_empty() { String::new() } else { format!(" {}", drop_words(&dropped)) };
    let weights = columns.weights.as_ref().map(|weights| format!(" --weights={}", quoted(weights))).unwrap_or_default();
    let source = words(source, &columns.reading);
    format!(
        "wgrad inspect {source}{}{dropped}{weights}{} --all",
        target.unwrap_or_default(),
        header.unwrap_or_default()
    )
}

/// Returns the rows of a named data set on which a model is used: its test set, or else all rows. `None` if `source` is the
/// path of a table.
fn by_name_for_model(model: &Model, source: &str, reading: &Reading, given: Option<&str>) -> Result<Option<Dataset>> {
    let Some(Source { rows, test, .. }) = by_name(source, reading, given)? else { return Ok(None) };
    let data = test.unwrap_or(rows);
    check_columns(&model.metadata, &data)?;
    Ok(Some(data))
}

/// Returns a name for output files: that of the data set, or the file name of the table without its extensions.
pub fn stem(source: &str, data: &Dataset) -> String {
    if NAMES.contains(&source) { source.into() } else { data.name().into() }
}

/// Loads rows and targets for a model. Prints notes on how a table was read.
pub fn for_model(
    model: &Model,
    source: &str,
    target: Option<&str>,
    weights: Option<&str>,
    reading: &Reading,
    output: &Output,
) -> Result<Dataset> {
    let head = &model.metadata;
    let given = target.map(|_| "--target").or(weights.map(|_| "--weights")).or(reading.given());
    let Some(data) = by_name_for_model(model, source, reading, given)? else {
        let table = Table::read(table_path(source)?, &head.csv_options(reading.form()))?;
        let data = table_for_model(head, &table, source, target, output)?;
        return weighted(head, data, &table, weights, output);
    };
    match (data.class_names(), &head.classes) {
        (Some(found), Some(known)) if found != known => {
            let problem = format!("its classes are {}, but the model knows {}", found.join(", "), known.join(", "));
            Err(Error::conflict(format!("data set `{source}`"), problem, "use data of the model's classes"))
        }
        _ => Ok(data),
    }
}

/// Loads inputs for a model, of shape [rows, inputs]. A table needs no target column.
pub fn inputs_for_model(model: &Model, source: &str, reading: &Reading, output: &Output) -> Result<Vec<f64>> {
    let columns = &model.metadata.columns;
    match by_name_for_model(model, source, reading, reading.given())? {
        Some(data) => Ok((0..data.len())
            .flat_map(|row| (0..columns.len()).map(move |column| (row, column)))
            .map(|(row, column)| data.value(row, column))
            .collect()),
        None => {
            let table = Table::read(table_path(source)?, &model.metadata.csv_options(reading.form()))?;
            let input = table.numbers(columns)?;
            output.notes(&table.notes(columns));
            Ok(input)
        }
    }
}

fn table_for_model(
    head: &Metadata,
    table: &Table,
    source: &str,
    target: Option<&str>,
    output: &Output,
) -> Result<Dataset> {
    let input = table.numbers(&head.columns)?;
    let (target, guess) = target_column(head, table, source, target)?;
    let targets = targets(table, &target, head.classes.as_deref())?;
    let used = [&head.columns[..], &[target]].concat();
    guess.iter().for_each(|note| output.note(note));
    output.notes(&table.notes(&used));
    Dataset::table(source, head.columns.clone(), input, targets)
}

/// Gives the rows their weights: those of the column `weights`, or else of the column that the model was trained with, if the
/// table has it.
fn weighted(head: &Metadata, data: Dataset, table: &Table, weights: Option<&str>, output: &Output) -> Result<Dataset> {
    let known = head.table.as_ref().and_then(|table| table.weights.as_deref());
    let has = |name: &&str| table.columns().iter().any(|column| column == name);
    if let (None, Some(known)) = (weights, known.filter(|known| !has(known))) {
        output.note(format!(
            "all rows count alike, since there is no column `{known}`, which had the weights in training"
        ));
    }
    match weights.or(known.filter(has)) {
        Some(name) => data.weighted(row_weights(table, name)?),
        None => Ok(data),
    }
}

fn row_weights(table: &Table, column: &str) -> Result<Vec<f32>> {
    Ok(table.numbers(&[column.to_string()])?.into_iter().map(|weight| weight as f32).collect())
}

/// Reads the targets of a table: as classes if the names of all classes are given, else as numbers.
fn targets(table: &Table, column: &str, classes: Option<&[String]>) -> Result<Targets> {
    let columns = vec![column.to_string()];
    Ok(match classes {
        Some(names) => Targets::Classes { indices: table.classes(column, names)?, names: names.to_vec() },
        None => Targets::Numbers { values: table.numbers(&columns)?, columns },
    })
}

/// Reads another table with the columns, target, classes and column of weights of the training set. If `found` is the inspection of the training
/// set's table, the other table is read with its header and number formats.
pub fn like(train: &Dataset, found: Option<&Inspection>, columns: &Columns, path: &Path) -> Result<Dataset> {
    let mut options = columns.reading.form();
    if let Some(found) = found {
        options.header = options.header.or(Some(found.header));
        options.formats =
            found.columns.iter().filter_map(|column| Some((column.name.clone(), column.format?))).collect();
        if !found.header {
            options.names = found.columns.iter().map(|column| column.name.clone()).collect();
        }
    }
    let table = Table::read(path, &options)?;
    let Some(target) = train.target_columns().first().or(table.columns().last()) else {
        return Err(Error::data(path.display().to_string(), "it has no columns", "give a table with the same columns"));
    };
    let (input, targets) = (table.numbers(train.columns())?, targets(&table, target, train.class_names())?);
    let data = Dataset::table(path.display().to_string(), train.columns().to_vec(), input, targets)?;
    match &columns.weights {
        Some(name) => data.weighted(row_weights(&table, name)?),
        None => Ok(data),
    }
}

/// Loads the model of a command with the arguments MODEL and DATA. If they are swapped, the error states the correct command.
pub fn load_model(command: &str, model: &Path, source: &str, reading: &Reading) -> Result<Model> {
    Model::load(model).map_err(|error| match Model::load(source) {
        Err(_) => error,
        Ok(_) => {
            let problem = format!("`{source}` is a model, and `{}` is none: the model comes first", model.display());
            let right = format!("wgrad {command} {} {}", quoted(source), words(&model.to_string_lossy(), reading));
            Error::conflict("arguments", problem, format!("use `{right}`"))
        }
    })
}

/// Returns the target column: `target`, or else that of the model. If the model does not name one, it is the last column, and a
/// note for the user is returned with it.
fn target_column(
    head: &Metadata,
    table: &Table,
    source: &str,
    target: Option<&str>,
) -> Result<(String, Option<String>)> {
    let known = head.targets.first().map(String::as_str);
    if let (None, Some(known)) = (target, known)
        && !table.columns().iter().any(|column| column == known)
    {
        let problem = format!("it lacks column `{known}`, the target that the model was trained on");
        return Err(Error::conflict(source, problem, "add the column, or name the one that has it with `--target`"));
    }
    let last = table.columns().last().map(String::as_str);
    let Some(name) = target.or(known).or(last) else {
        return Err(Error::data(source, "it has no columns", "give a table with the model's columns and a target"));
    };
    if head.columns.iter().any(|column| column == name) {
        let problem = format!("its target would be column `{name}`, which is an input of the model");
        return Err(Error::conflict(source, problem, "name the target column with `--target`"));
    }
    let guess = || format!("the model does not name its target, so the last column is used, `{name}`");
    Ok((name.into(), (target.is_none() && known.is_none()).then(guess)))
}

fn check_columns(head: &Metadata, data: &Dataset) -> Result<()> {
    if data.columns() == head.columns {
        return Ok(());
    }
    let problem =
        format!("its columns are {}, but the model was trained on {}", few(data.columns()), few(&head.columns));
    Err(Error::conflict(format!("data set `{}`", data.name()), problem, "use data that the model was trained for"))
}

/// Returns all names if there are at most four, else the first three: `a, b, c, … (64 columns)`.
fn few(names: &[String]) -> String {
    if names.len() <= 4 {
        return names.join(", ");
    }
    format!("{}, … ({} columns)", names[..3].join(", "), names.len())
}

/// Returns the path of a table, for a source that is not the name of a data set. It is an error if the source is a model, or
/// looks like a misspelled name.
fn table_path(source: &str) -> Result<PathBuf> {
    let path = Path::new(source);
    if source == STANDARD {
        return match cfg!(unix) {
            true => Ok("/dev/stdin".into()),
            false => Err(Error::conflict("data", "standard input cannot be read on this system", "name a file")),
        };
    }
    if path.extension().is_some_and(|extension| extension == "safetensors") && Model::load(path).is_ok() {
        return Err(Error::conflict(source, "it is a model, but data are needed", "name a data set or a table"));
    }
    if path.exists() || path.extension().is_some() || source.contains(['/', MAIN_SEPARATOR]) {
        return Ok(path.into());
    }
    Err(match Error::unknown("data set", source, &NAMES) {
        Error::Unknown { kind, name, nearest, known } => {
            Error::Unknown { kind, name, nearest, known: format!("{known}, or the path of a CSV or TSV file") }
        }
        other => other,
    })
}

/// Default loss function of a data set, by its targets.
pub fn usual_loss(data: &Dataset) -> Loss {
    match data.targets() {
        Targets::Classes { .. } => Loss::softmax_cross_entropy(),
        Targets::Numbers { values, .. } if values.iter().all(|value| *value == 0.0 || *value == 1.0) => {
            Loss::binary_cross_entropy()
        }
        Targets::Numbers { .. } => Loss::mean_squared_error(),
    }
}

/// Number of outputs that a network needs for a data set and a loss function. Binary losses have one output for two classes.
pub fn outputs(data: &Dataset, loss: Loss) -> usize {
    match data.outputs() {
        2 if data.class_names().is_some() && loss.target_kind() == TargetKind::Numbers => 1,
        outputs => outputs,
    }
}

/// Checks whether two paths lead to the same file, even if it does not exist yet.
pub fn same_file(one: &Path, other: &Path) -> bool {
    one == other || end(one).is_some_and(|one| Some(one) == end(other))
}

/// Checks whether a path leads to the table `source`. It does not if `source` is the name of a data set.
pub fn is_table(path: &Path, source: &str) -> bool {
    !NAMES.contains(&source) && same_file(path, Path::new(source))
}

/// Returns the absolute path, without symbolic links and `..`. The file may be missing; `None` if its folder is.
fn end(path: &Path) -> Option<PathBuf> {
    path.canonicalize().ok().or_else(|| {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Some(folder.canonicalize().ok()?.join(path.file_name()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_the_same_before_they_are_there() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |path: &str| folder.path().join(path);
        std::fs::create_dir(at("in")).expect("a folder");
        for (one, other) in [("m.svg", "./m.svg"), ("m.svg", "in/../m.svg"), ("in/m.svg", "in/../in/m.svg")] {
            assert!(same_file(&at(one), &at(other)), "{one}, {other}");
            std::fs::write(at(one), "").expect("written");
            assert!(same_file(&at(one), &at(other)), "{one}, {other} that is there");
            std::fs::remove_file(at(one)).expect("removed");
        }
        assert!(same_file(Path::new("m.svg"), Path::new("./m.svg")));
        for (one, other) in [("m.svg", "n.svg"), ("m.svg", "in/m.svg"), ("no/m.svg", "m.svg"), ("no/m", "no/../no/m")] {
            assert!(!same_file(&at(one), &at(other)), "{one}, {other}");
        }
        assert!(is_table(Path::new("./iris.csv"), "iris.csv") && !is_table(Path::new("iris"), "iris"));
    }
}
