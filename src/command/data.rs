//! Loading of data: built-in data sets by name, and tables by path or from standard input.

use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use wgrad::data::{
    CsvOptions, Inspection, Preparation, PreparedColumn, ReadAs, Table, Wanted, Warning, and, blobs, circles, digits,
    drop_words, iris, mnist, or, quoted, sine, spirals, two_moons, xor,
};
use wgrad::loss::{TargetKind, Task};
use wgrad::model::Metadata;
use wgrad::{Dataset, Error, Loss, Model, Result, Targets};

use super::columns::{Columns, Missing, Reading, YesNo};
use super::report::Output;
use super::train::split::usual_training_rows;

/// Name of the only data set that comes with a test set.
pub const MNIST: &str = "mnist";

/// Names of the data sets that the command knows; only the files of `mnist` are not part of the program. Any other text
/// is the path of a table.
pub const NAMES: [&str; 12] =
    ["digits", "iris", MNIST, "moons", "two_moons", "circles", "spirals", "blobs", "sine", "and", "or", "xor"];

/// Short help of the argument DATA of all commands.
pub const HELP: &str = "Data set (digits, iris, moons, …), or the path of a table";

/// Long help of the argument DATA of all commands.
pub const LONG_HELP: &str = "Name of a data set, or path of a table. Data sets are `digits` and `mnist` (handwritten \
                             digits; mnist needs --data-dir), `iris` (flowers), `moons`, `circles`, `spirals` and \
                             `blobs` (classes of points in a plane), `sine` (a noisy curve), `and`, `or` and `xor` \
                             (truth tables); `wgrad inspect NAME` shows one. Any other text is the path of a table, \
                             or `-` for standard input. A table is text (UTF-8, UTF-16 or Latin-1), gzipped or not, \
                             or zipped as the only file. Its columns are separated by commas, tabs, semicolons, `|` \
                             or blanks. Excel, ARFF and Parquet files are refused";

/// File name for standard input and standard output.
pub const STANDARD: &str = "-";

/// Data that a command reads, before they are split.
pub enum Source {
    /// Built-in data set. `test` is its test set; only `mnist` has one.
    Data { rows: Dataset, test: Option<Dataset> },
    /// Table. `rows` has the indices of the rows that are used, and `found` has statistics and warnings.
    Table { table: Table, rows: Vec<usize>, found: Box<Inspection> },
}

impl From<Dataset> for Source {
    fn from(rows: Dataset) -> Self {
        Self::Data { rows, test: None }
    }
}

impl Source {
    /// Statistics and warnings of a table; `None` for a built-in data set.
    pub fn found(&self) -> Option<&Inspection> {
        match self {
            Self::Data { .. } => None,
            Self::Table { found, .. } => Some(found),
        }
    }

    /// Returns the number of used rows, and the checksum of the data.
    pub fn contents(&self) -> (usize, u32) {
        match self {
            Self::Data { rows, .. } => (rows.len(), rows.checksum()),
            Self::Table { table, rows, .. } => (rows.len(), table.checksum()),
        }
    }
}

/// Returns the built-in data set of this name; `None` if there is none.
fn built_in(name: &str, reading: &Reading) -> Result<Option<Source>> {
    Ok(Some(match name {
        "digits" => digits().into(),
        "iris" => iris().into(),
        MNIST => {
            let (rows, test) = mnist(folder(reading)?)?;
            Source::Data { rows, test: Some(test) }
        }
        // Generated data are the same every time. A model can thus be evaluated on the rows that it was trained on.
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

/// Returns the folder of `--data-dir`, which `mnist` needs.
fn folder(reading: &Reading) -> Result<&Path> {
    reading.data_dir.as_deref().ok_or_else(|| {
        let problem = "mnist does not come with the program";
        let remedy = "fetch its four files (train-images-idx3-ubyte.gz, …), and name their folder with `--data-dir`";
        Error::conflict("data", problem, remedy)
    })
}

/// Loads the built-in data set named `source`, or the table at this path. Without `--task`, a `loss` that suits only
/// classes or only numbers decides how the target is read.
pub fn load(source: &str, columns: &Columns, loss: Option<Loss>) -> Result<Source> {
    if let Some(data) = by_name(source, &columns.reading, columns.given())? {
        return Ok(data);
    }
    let options = options(columns, loss);
    let path = table_path(source)?;
    let (table, found) = Table::read_and_inspect(&path, &options)?;
    let missing = table.missing();
    let rows = match columns.missing.unwrap_or_default() {
        Missing::Fill => table.rows(),
        Missing::Drop => table.complete_rows(),
        Missing::Error if missing.is_empty() => table.rows(),
        Missing::Error => {
            let listed: Vec<String> = missing.iter().map(|(name, cells)| format!("`{name}` ({cells})")).collect();
            let problem = format!("columns with missing cells: {}", listed.join(", "));
            return Err(Error::data(source, problem, "fill them in, or use `--missing fill` or `--missing drop`"));
        }
    };
    if rows.is_empty() {
        let problem = "every row has a missing cell, so `--missing drop` leaves none";
        return Err(Error::data(source, problem, "use `--missing fill`, or drop columns with `--drop`"));
    }
    Ok(Source::Table { table, rows, found: Box::new(found) })
}

/// Returns the options for reading a table. Without `--task`, a loss function for numbers makes the task a regression,
/// and a loss function for classes makes it a classification.
fn options(columns: &Columns, loss: Option<Loss>) -> CsvOptions {
    let options = columns.csv_options();
    let tasks = [(Task::Regression, ReadAs::Number), (Task::MultiClass, ReadAs::Class)];
    let by_loss = tasks.into_iter().find(|(task, _)| loss.is_some_and(|loss| loss.task(2) == *task));
    CsvOptions { read_as: options.read_as.or(by_loss.map(|(_, task)| task)), ..options }
}

/// Inspects the built-in data set named `source`, or the table at this path. For a table, it also returns the inputs
/// that each column becomes. If training would refuse the table, the reason is the first warning.
pub fn inspect(source: &str, columns: &Columns) -> Result<(Inspection, Vec<PreparedColumn>)> {
    if let Some(Source::Data { rows, .. }) = by_name(source, &columns.reading, columns.given())? {
        return Ok((Inspection::of(&rows), vec![]));
    }
    let (path, options) = (table_path(source)?, columns.csv_options());
    match Table::read_and_inspect(&path, &options) {
        Ok((table, mut found)) => {
            let notes = table.notes().iter().map(|note| Warning::new("note", note));
            found.warnings.extend(notes);
            Ok((found, preparation(&table, &table.rows(), columns)?.summary(&table)))
        }
        Err(problem) => {
            let Ok(mut found) = Inspection::of_csv(path, options) else { return Err(problem) };
            found.warnings.insert(0, Warning::new("refused", problem.to_string()));
            Ok((found, vec![]))
        }
    }
}

/// Fits a preparation on all used rows of a table. By default, numbers have bins if they have some in `train`, with its
/// default split.
fn preparation(table: &Table, rows: &[usize], columns: &Columns) -> Result<Preparation> {
    columns.preparation(table, rows, usual_training_rows(rows.len()))
}

/// Loads all used rows as one data set. The preparation of a table is fitted on all these rows.
pub fn load_whole(source: &str, columns: &Columns, loss: Option<Loss>) -> Result<Dataset> {
    match load(source, columns, loss)? {
        Source::Data { rows, .. } => Ok(rows),
        Source::Table { table, rows, .. } => preparation(&table, &rows, columns)?.dataset(&table, &rows),
    }
}

/// Returns the built-in data set named `source`; `None` if `source` is the path of a table. `given` is the first option
/// for tables that the user gave, which is an error with a built-in data set.
fn by_name(source: &str, reading: &Reading, given: Option<&str>) -> Result<Option<Source>> {
    if reading.data_dir.is_some() && source != MNIST {
        let problem = format!("`--data-dir` is the folder of mnist, but the data are {source}");
        return Err(Error::conflict("data", problem, "leave `--data-dir` out"));
    }
    let problem = match given.filter(|_| NAMES.contains(&source)) {
        None => return built_in(source, reading),
        Some(option @ ("--delimiter" | "--header")) => {
            format!("`{option}` is for a table's text, but {source} is a data set")
        }
        Some(option) => format!("`{option}` is for tables, but {source} is a data set with its own target"),
    };
    Err(Error::conflict("data", problem, format!("leave `{}` out", given.unwrap_or_default())))
}

/// Returns `source`, `--data-dir` and `--delimiter` as words of a command line, quoted for a shell.
pub fn words(source: &str, reading: &Reading) -> String {
    let folder = reading.data_dir.as_ref().map(|folder| format!(" --data-dir {}", quoted(folder)));
    let delimiter = reading.delimiter.map(|byte| format!(" --delimiter {}", quoted(char::from(byte).to_string())));
    format!("{}{}{}", quoted(source), folder.unwrap_or_default(), delimiter.unwrap_or_default())
}

/// Returns the `wgrad inspect` command that shows all warnings about a table, quoted for a shell.
pub fn inspect_command(source: &str, columns: &Columns) -> String {
    let target = columns.target.as_ref().map(|target| format!(" --target={}", quoted(target)));
    let header =
        columns.reading.header.map(|header| if header == YesNo::Yes { " --header yes" } else { " --header no" });
    let dropped = columns.csv_options().drop;
    let dropped = if dropped.is_empty() { String::new() } else { format!(" {}", drop_words(&dropped)) };
    let weights = columns.weights.as_ref().map(|weights| format!(" --weights={}", quoted(weights))).unwrap_or_default();
    let source = words(source, &columns.reading);
    let (target, header, kinds) = (target.unwrap_or_default(), header.unwrap_or_default(), columns.words());
    format!("wgrad inspect {source}{target}{dropped}{weights}{kinds}{header} --all")
}

/// Returns the rows of a built-in data set for a trained model: the test set if it has one, otherwise all rows. `None`
/// if `source` is the path of a table. `given` is an option for tables, as in [`by_name`].
fn by_name_for_model(model: &Model, source: &str, reading: &Reading, given: Option<&str>) -> Result<Option<Dataset>> {
    let Some(Source::Data { rows, test }) = by_name(source, reading, given)? else { return Ok(None) };
    let data = test.unwrap_or(rows);
    check_columns(&model.metadata, &data)?;
    Ok(Some(data))
}

/// Returns the first part of the names of output files: the name of the data set, or the file name of the table without
/// extensions.
pub fn stem(source: &str, data: &Dataset) -> String {
    if NAMES.contains(&source) { source.into() } else { data.name().into() }
}

/// Loads inputs and targets for a trained model. Rows without a target are left out. Notes on the reading of a table
/// are printed.
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
        let target = target_column(head, source, target)?;
        // Training used this column for weights, but other tables may not have it.
        let known = head.table.as_ref().and_then(|table| table.weights.as_deref());
        let weights = weights.map(|name| (name, true)).or(known.map(|name| (name, false)));
        let wanted = Wanted { target: Some((target, head.classes.as_deref())), weights, kept: &[] };
        let (options, preparation) = (head.csv_options(reading.csv_options()), head.table_preparation());
        let table = Table::read_for(table_path(source)?, &options, &preparation, &wanted)?;
        output.notes(table.notes());
        return Ok(preparation.dataset(&table, &table.rows())?.named(source));
    };
    match (data.class_names(), &head.classes) {
        (Some(found), Some(known)) if found != known => {
            let problem = format!("its classes are {}, but the model knows {}", found.join(", "), known.join(", "));
            Err(Error::conflict(format!("data set `{source}`"), problem, "use data of the model's classes"))
        }
        _ => Ok(data),
    }
}

/// Inputs for a trained model, with the text of the columns of `--keep`.
pub struct ModelInputs {
    /// Inputs with the shape [rows, inputs], row-major.
    pub values: Vec<f64>,
    /// Cells of each column of `--keep`, one per row.
    pub kept: Vec<Vec<String>>,
}

/// Loads the inputs for a trained model, and the columns of `--keep`. A table needs no target column.
pub fn inputs_for_model(
    model: &Model,
    source: &str,
    kept: &[String],
    reading: &Reading,
    output: &Output,
) -> Result<ModelInputs> {
    let (head, keep) = (&model.metadata, (!kept.is_empty()).then_some("--keep"));
    match by_name_for_model(model, source, reading, reading.given().or(keep))? {
        Some(data) => {
            let row = |row: usize| (0..head.columns.len()).map(move |column| (row, column));
            let values = (0..data.len()).flat_map(row).map(|(row, column)| data.value(row, column)).collect();
            Ok(ModelInputs { values, kept: vec![] })
        }
        None => {
            let (options, preparation) = (head.csv_options(reading.csv_options()), head.table_preparation());
            let wanted = Wanted { kept, ..Wanted::default() };
            let table = Table::read_for(table_path(source)?, &options, &preparation, &wanted)?;
            output.notes(table.notes());
            preparation.gaps(&table).into_iter().for_each(|note| output.note(note));
            let texts = kept.iter().map(|column| table.text(column).unwrap_or_default());
            let kept = texts.map(|cells| cells.into_iter().map(String::from).collect()).collect();
            Ok(ModelInputs { values: preparation.values(&table, &table.rows())?, kept })
        }
    }
}

/// Reads the table of `--validation` or `--test`. Preparation, target and classes are those of the training set.
/// `prepared` has the preparation and the inspection of the table that is trained on. The header and number formats of
/// that table are used for this one, too. `prepared` is `None` for a built-in data set, whose columns are all numbers.
pub fn like(
    train: &Dataset,
    prepared: Option<(&Preparation, &Inspection)>,
    columns: &Columns,
    path: &Path,
) -> Result<Dataset> {
    let mut options = columns.reading.csv_options();
    let of_numbers = Preparation::of_numbers(train.columns(), &[]);
    let preparation = prepared.map_or(&of_numbers, |(preparation, _)| preparation);
    if let Some((preparation, found)) = prepared {
        options.header = options.header.or(Some(found.header));
        options.known_delimiter = found.delimiter.and_then(|sign| u8::try_from(sign).ok());
        options.formats = preparation.formats().map(|(name, format)| (name.to_string(), format)).collect();
        if !found.header {
            options.names = found.columns.iter().map(|column| column.name.clone()).collect();
        }
    }
    let Some(target) = train.target_columns().first() else {
        let problem = "the data set does not name its target, so a table cannot be read like it";
        return Err(Error::conflict(path.display().to_string(), problem, "give a number of rows, or a fraction"));
    };
    let weights = columns.weights.as_deref().map(|name| (name, true));
    let wanted = Wanted { target: Some((target, train.class_names())), weights, kept: &[] };
    let table = Table::read_for(path, &options, preparation, &wanted)?;
    preparation.dataset(&table, &table.rows())
}

/// Loads the model of a command with the arguments MODEL and DATA. If the user swapped both, the error states the
/// correct command.
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

/// Returns the name of the target column: `target`, or else the target of the model.
fn target_column<'a>(head: &'a Metadata, source: &str, target: Option<&'a str>) -> Result<&'a str> {
    let Some(name) = target.or(head.targets.first().map(String::as_str)) else {
        let problem = "the model does not name its target column";
        return Err(Error::conflict(source, problem, "name the target column with `--target`"));
    };
    if head.table_preparation().columns().any(|column| column == name) {
        let problem = format!("its target would be column `{name}`, which is an input of the model");
        return Err(Error::conflict(source, problem, "name the target column with `--target`"));
    }
    Ok(name)
}

/// Refuses a data set whose columns differ from the model's inputs.
fn check_columns(head: &Metadata, data: &Dataset) -> Result<()> {
    if data.columns() == head.columns {
        return Ok(());
    }
    let problem =
        format!("its columns are {}, but the model was trained on {}", few(data.columns()), few(&head.columns));
    Err(Error::conflict(format!("data set `{}`", data.name()), problem, "use data that the model was trained for"))
}

/// Returns at most four names; of more, the first three and the number of names: `a, b, c, … (64 columns)`.
fn few(names: &[String]) -> String {
    if names.len() <= 4 {
        return names.join(", ");
    }
    format!("{}, … ({} columns)", names[..3].join(", "), names.len())
}

/// Returns `source` as the path of a table. It must not be the name of a built-in data set. It is an error if `source`
/// is a model file, or if it looks like a misspelled name.
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
    if path.is_dir() {
        let table = nearby(path).into_iter().next();
        let table = table
            .map_or("a table in it".into(), |name| format!("a table in it, such as `{}`", path.join(name).display()));
        return Err(Error::conflict(source, "it is a folder, not a table", format!("name {table}")));
    }
    if path.exists() {
        return Ok(path.into());
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let files = nearby(path.parent().unwrap_or(path));
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let file = nearest("table", &name, &files).map(|name| path.with_file_name(name).display().to_string());
    if path.extension().is_some() || source.contains(['/', MAIN_SEPARATOR]) {
        return match file {
            None => Ok(path.into()),
            Some(file) => Err(Error::conflict(source, "there is no such file", format!("did you mean `{file}`?"))),
        };
    }
    Err(Error::Unknown {
        kind: "data set",
        name: source.into(),
        nearest: nearest("data set", source, &NAMES).or(file),
        known: format!("{}, or the path of a table", NAMES.join(", ")),
    })
}

/// Endings of the names of tables.
const ENDINGS: [&str; 5] = ["csv", "tsv", "txt", "gz", "zip"];

/// Largest number of files in a folder that are compared with a misspelled name.
const MOST_FILES: usize = 1000;

/// Names of the tables in a folder, sorted; none if the folder cannot be read.
fn nearby(folder: &Path) -> Vec<String> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = std::fs::read_dir(folder).into_iter().flatten().take(MOST_FILES).flatten();
    let is_table = |path: &Path| ENDINGS.iter().any(|ending| path.extension().is_some_and(|found| found == *ending));
    let names = entries.map(|entry| entry.path()).filter(|path| is_table(path) && path.is_file());
    let mut names: Vec<String> = names.filter_map(|path| Some(path.file_name()?.to_str()?.to_string())).collect();
    names.sort();
    names
}

/// Returns the nearest of the `known` names, if one is near.
fn nearest(kind: &'static str, name: &str, known: &[&str]) -> Option<String> {
    match Error::unknown(kind, name, known) {
        Error::Unknown { nearest, .. } => nearest,
        _ => None,
    }
}

/// Default loss function for the targets of a data set.
pub fn usual_loss(data: &Dataset) -> Loss {
    match data.targets() {
        Targets::Classes { .. } => Loss::softmax_cross_entropy(),
        Targets::Numbers { values, .. } if values.iter().all(|value| *value == 0.0 || *value == 1.0) => {
            Loss::binary_cross_entropy()
        }
        Targets::Numbers { .. } => Loss::mean_squared_error(),
    }
}

/// Number of outputs that a network needs for a data set and a loss function. With a binary loss, one output is enough
/// for two classes.
pub fn outputs(data: &Dataset, loss: Loss) -> usize {
    match data.outputs() {
        2 if data.class_names().is_some() && loss.target_kind() == TargetKind::Numbers => 1,
        targets => targets * loss.outputs_per_target(),
    }
}

/// Returns true if two paths lead to the same file, even if it does not exist yet.
pub fn same_file(one: &Path, other: &Path) -> bool {
    one == other || end(one).is_some_and(|one| Some(one) == end(other))
}

/// Returns true if a path leads to the table `source`. The name of a built-in data set is not a table.
pub fn is_table(path: &Path, source: &str) -> bool {
    !NAMES.contains(&source) && same_file(path, Path::new(source))
}

/// Returns the absolute path, without symbolic links and `..`. The file may be missing; `None` if its folder is
/// missing.
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
