//! Writing training, validation and test set to files: `--save-split`.

use std::fs;
use std::path::{Path, PathBuf};

use csv::WriterBuilder;
use wgrad::data::{CsvOptions, RawTable, table_text};
use wgrad::model::replace;
use wgrad::{Dataset, Error, Result, Targets};

use super::split::{Origin, Set, Sets};
use crate::command::data::same_file;

/// Writes the sets to `train.csv`, `validation.csv` and `test.csv` in a folder. Rows of a table keep all its columns;
/// rows of other data are written as numbers. `table` is the path of the table and the options that read it. Existing
/// files with other contents are replaced only if `force` is true, and then the file of a set without rows is removed,
/// since its rows may now be in another set. The files in `used`, which training reads or writes, are never replaced.
pub fn write(
    folder: &Path,
    sets: &Sets,
    table: Option<(&Path, &CsvOptions)>,
    used: &[&Path],
    force: bool,
) -> Result<()> {
    let original = table.map(|(path, options)| RawTable::read(path, options)).transpose()?;
    let files =
        sets.all().map(|(name, set)| Ok((folder.join(name).with_extension("csv"), text(set, original.as_ref())?)));
    let files = files.collect::<Result<Vec<_>>>()?;
    let given = sets
        .all()
        .filter_map(|(_, set)| if let Origin::File(path) = &set.origin { Some(path.as_path()) } else { None });
    let used: Vec<&Path> = used.iter().copied().chain(given).collect();
    let is_written = |path: &PathBuf| files.iter().any(|(written, _)| written == path);
    let names = ["train", "validation", "test"].map(|name| folder.join(name).with_extension("csv"));
    let stale: Vec<PathBuf> = names.into_iter().filter(|path| path.exists() && !is_written(path)).collect();
    let changed = files.iter().filter(|(path, text)| fs::read(path).ok().as_ref() != Some(text));
    for path in changed.map(|(path, _)| path).chain(&stale) {
        let place = path.display().to_string();
        if used.iter().any(|file| same_file(path, file)) {
            let problem = "the set would replace a file of this training";
            return Err(Error::conflict(place, problem, "name another folder with `--save-split`"));
        }
        if path.exists() && !force {
            let remedy = "name another folder with `--save-split`, or replace the files with `--force`";
            return Err(Error::conflict(place, "it exists, with other rows", remedy));
        }
    }
    for path in &stale {
        fs::remove_file(path).map_err(|error| Error::file(path, "removing", error))?;
    }
    fs::create_dir_all(folder).map_err(|error| Error::file(folder, "creating the folder", error))?;
    files.iter().try_for_each(|(path, text)| replace(path, |file| file.write_all(text)))
}

/// Contents of the file of a set. `original` is the table that was split, if the data are a table.
fn text(set: &Set, original: Option<&RawTable>) -> Result<Vec<u8>> {
    match (&set.origin, original) {
        (Origin::File(path), _) => table_text(path),
        (Origin::Source(numbers), Some(original)) => {
            let rows = numbers.iter().map(|row| &original.rows[*row]);
            csv(original.delimiter, original.header.as_deref(), rows)
        }
        _ => csv(b',', Some(&header(&set.rows)), (0..set.rows.len()).map(|row| numbers(&set.rows, row))),
    }
}

fn csv<R, C>(delimiter: u8, header: Option<&[String]>, rows: impl Iterator<Item = R>) -> Result<Vec<u8>>
where
    R: IntoIterator<Item = C>,
    C: AsRef<[u8]>,
{
    let failed = |error: std::io::Error| Error::file(Path::new("--save-split"), "writing", error);
    let mut text = WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    if let Some(header) = header {
        text.write_record(header).map_err(|error| failed(error.into()))?;
    }
    for row in rows {
        text.write_record(row).map_err(|error| failed(error.into()))?;
    }
    text.into_inner().map_err(|error| failed(error.into_error()))
}

fn header(rows: &Dataset) -> Vec<String> {
    let target = if rows.target_columns().is_empty() { vec!["target".into()] } else { rows.target_columns().to_vec() };
    [rows.columns(), &target].concat()
}

fn numbers(rows: &Dataset, row: usize) -> Vec<String> {
    let inputs = (0..rows.inputs()).map(|column| rows.value(row, column).to_string());
    let targets = match rows.targets() {
        Targets::Classes { indices, names } => vec![names[indices[row] as usize].clone()],
        Targets::Numbers { values, columns } => {
            values[row * columns.len()..][..columns.len()].iter().map(f64::to_string).collect()
        }
    };
    inputs.chain(targets).collect()
}
