//! Where rows come from: a data set by name, or a table by path.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use wgrad::data::{
    Inspection, Table, and, blobs, circles, digits, drop_words, iris, mnist, or, quoted, sine, spirals, two_moons, xor,
};
use wgrad::model::Metadata;
use wgrad::{Dataset, Error, Loss, Model, Result, Targets};

use super::columns::{Columns, Reading, YesNo};
use super::report::Output;

/// The one that has a part of its own to test on.
pub const MNIST: &str = "mnist";

/// Names that are no path.
pub const NAMES: [&str; 12] =
    ["digits", "iris", MNIST, "moons", "two_moons", "circles", "spirals", "blobs", "sine", "and", "or", "xor"];

/// What DATA may be.
pub const HELP: &str = "digits, iris, mnist, moons, circles, spirals, blobs, sine, and, or, xor, or the path of a \
                        table: CSV or TSV, gzipped or not";

/// What a source holds.
pub struct Source {
    /// Rows to train on, and to split.
    pub rows: Dataset,
    /// Rows to test on, where the source has a part of its own for that.
    pub test: Option<Dataset>,
    /// Its inspection, where it is a table that was inspected.
    pub found: Option<Inspection>,
}

impl From<Dataset> for Source {
    fn from(rows: Dataset) -> Self {
        Self { rows, test: None, found: None }
    }
}

/// The data set of that name.
fn built_in(name: &str, reading: &Reading) -> Result<Option<Source>> {
    Ok(Some(match name {
        "digits" => digits().into(),
        "iris" => iris().into(),
        MNIST => {
            let (rows, test) = mnist(folder(reading)?)?;
            Source { rows, test: Some(test), found: None }
        }
        // One and the same set every time, so that a model can be evaluated on what it was trained on.
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

/// The data set of that name, or the table at that path.
pub fn load(source: &str, columns: &Columns) -> Result<Source> {
    match by_name(source, &columns.reading, columns.given())? {
        Some(data) => Ok(data),
        None => Ok(Dataset::from_csv(table_path(source)?, columns.form())?.into()),
    }
}

/// The same, with what is in it where it is a table.
pub fn load_inspected(source: &str, columns: &Columns) -> Result<Source> {
    match by_name(source, &columns.reading, columns.given())? {
        Some(data) => Ok(data),
        None => {
            let (found, rows) = Inspection::with_data(table_path(source)?, columns.form())?;
            Ok(Source { found: Some(found), ..rows.into() })
        }
    }
}

/// What is in the data set of that name, or in the table at that path.
pub fn inspect(source: &str, columns: &Columns) -> Result<Inspection> {
    match by_name(source, &columns.reading, columns.given())? {
        Some(data) => Ok(Inspection::of(&data.rows)),
        None => Inspection::of_csv(table_path(source)?, columns.form()),
    }
}

/// The data set of that name, for which no option of a table may be `given`.
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

/// A source as it must be typed in a shell, with what it takes to find it.
pub fn words(source: &str, reading: &Reading) -> String {
    let folder = reading.data_dir.as_ref().map(|folder| format!(" --data-dir {}", quoted(folder)));
    let delimiter = reading.delimiter.map(|byte| format!(" --delimiter {}", quoted(char::from(byte).to_string())));
    format!("{}{}{}", quoted(source), folder.unwrap_or_default(), delimiter.unwrap_or_default())
}

/// The command that shows all warnings of a table, as it must be typed in a shell.
pub fn inspect_command(source: &str, columns: &Columns) -> String {
    let target = columns.target.as_ref().map(|target| format!(" --target={}", quoted(target)));
    let header =
        columns.reading.header.map(|header| if header == YesNo::Yes { " --header yes" } else { " --header no" });
    let dropped = columns.form().drop;
    let dropped = if dropped.is_empty() { String::new() } else { format!(" {}", drop_words(&dropped)) };
    let source = words(source, &columns.reading);
    format!("wgrad inspect {source}{}{dropped}{} --all", target.unwrap_or_default(), header.unwrap_or_default())
}

/// Rows of a data set of that name to use a model on: those to test on, where there are such.
fn by_name_for_model(model: &Model, source: &str, reading: &Reading, given: Option<&str>) -> Result<Option<Dataset>> {
    let Some(Source { rows, test, .. }) = by_name(source, reading, given)? else { return Ok(None) };
    let data = test.unwrap_or(rows);
    check_columns(&model.metadata, &data)?;
    Ok(Some(data))
}

/// What files are called after: the name of the data set, or of the table without its endings.
pub fn stem(source: &str, data: &Dataset) -> String {
    if NAMES.contains(&source) { source.into() } else { data.name().into() }
}

/// Rows for a model, with their targets; what was decided in reading them is noted.
pub fn for_model(
    model: &Model,
    source: &str,
    target: Option<&str>,
    reading: &Reading,
    output: &Output,
) -> Result<Dataset> {
    let head = &model.metadata;
    let given = target.map(|_| "--target").or(reading.given());
    let Some(data) = by_name_for_model(model, source, reading, given)? else {
        let table = Table::read(table_path(source)?, &head.form(reading.form()))?;
        return table_for_model(head, &table, source, target, output);
    };
    match (data.class_names(), &head.classes) {
        (Some(found), Some(known)) if found != known => {
            let problem = format!("its classes are {}, but the model knows {}", found.join(", "), known.join(", "));
            Err(Error::conflict(format!("data set `{source}`"), problem, "use data of the model's classes"))
        }
        _ => Ok(data),
    }
}

/// Rows for a model, [rows, inputs]; a target is not needed.
pub fn inputs_for_model(model: &Model, source: &str, reading: &Reading, output: &Output) -> Result<Vec<f64>> {
    let columns = &model.metadata.columns;
    match by_name_for_model(model, source, reading, reading.given())? {
        Some(data) => Ok((0..data.len())
            .flat_map(|row| (0..columns.len()).map(move |column| (row, column)))
            .map(|(row, column)| data.value(row, column))
            .collect()),
        None => {
            let table = Table::read(table_path(source)?, &model.metadata.form(reading.form()))?;
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
    let targets = match &head.classes {
        Some(names) => Targets::Classes { indices: table.classes(&target, names)?, names: names.clone() },
        None => {
            Targets::Numbers { values: table.numbers(std::slice::from_ref(&target))?, columns: vec![target.clone()] }
        }
    };
    let used = [&head.columns[..], &[target]].concat();
    guess.iter().for_each(|note| output.note(note));
    output.notes(&table.notes(&used));
    Dataset::table(source, head.columns.clone(), input, targets)
}

/// The target column: the one that is named, or the model's; of a model that does not know it, the last, which is then
/// to be noted.
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
    let guess = || format!("the model does not say its target; the last column is taken for it, `{name}`");
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
            Error::Unknown { kind, name, nearest, known: format!("{known}, or the path of a CSV or TSV file") }
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

/// Whether two paths lead to one file, which need not be there yet.
pub fn same_file(one: &Path, other: &Path) -> bool {
    one == other || end(one).is_some_and(|one| Some(one) == end(other))
}

/// Whether a path is that of the table that is read; the name of a data set is no path.
pub fn is_table(path: &Path, source: &str) -> bool {
    !NAMES.contains(&source) && same_file(path, Path::new(source))
}

/// Where a path leads: without links and detours as far as there is something.
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
