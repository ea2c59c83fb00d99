//! Reading tables: separated text with a header row.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use csv::Position;

use super::inputs::Inputs;
use super::layout::{FirstRow, Layout};
use super::number_format::{Column, Found};
use super::text::{Text, WRITE_A_NUMBER, WRITE_THE_TARGET, drop_option, is_missing, number};
use super::{CsvOptions, Dataset, Targets, bytes};
use crate::error::{Error, Result};

/// Whole numbers of at most this many different values may be classes.
pub(super) const MOST_CLASSES: usize = 20;

impl Dataset {
    /// Reads a table: UTF-8, gzipped or not, columns separated by commas, tabs, semicolons or `|`, numbers in every input
    /// column, and a first row of column names, unless it looks like values ([`CsvOptions::header`]). The data set is named after the file: `x` for `x.csv` and for
    /// `x.csv.gz`. Blanks around cells do not count; a quoted cell may hold delimiters and lines.
    ///
    /// `form` names the target column, by default the last, and columns to leave out, and says how the text is written; see
    /// [`CsvOptions`]. All other columns are inputs. The target is a **class** if any of its cells is not a number in any format
    /// that is read, or if all are whole numbers with at most 20 different values, fewer than half the rows; else it is a
    /// **number**. More than 20 classes of text must come again: if half the targets or more are different, it is an
    /// error. Classes are sorted: by value if they are whole numbers, else by text. `NA`, `N/A`,
    /// `NaN`, `null` and `?`, in any case, are classes beside other text, but missing targets where there is none.
    ///
    /// Numbers may be written with a currency sign, a percent sign, thousands separators, a decimal comma or a real minus
    /// sign, if all of the column leave one meaning: see [`NumberFormat`](super::NumberFormat).
    ///
    /// # Errors
    /// A file that cannot be read or unpacked, is not UTF-8, or has no row; two columns of one name, an unknown
    /// target or column to leave out, no input column; a row of another length than the header; a cell that is empty,
    /// not finite, or (in an input) not a number; a missing target; numbers whose format is unclear; a target of text with a
    /// class for almost every row. Messages give the line, counted from 1, and the column.
    pub fn from_csv(path: impl AsRef<Path>, form: impl Into<CsvOptions>) -> Result<Self> {
        let (path, form) = (path.as_ref(), form.into());
        let bytes = bytes::read(path)?;
        read(&bytes::name(path), &Header::new(Text::new(path, &bytes, form.delimiter)?, &form)?)
    }

    /// Reads a table from text, as [`Dataset::from_csv`] does from a file.
    ///
    /// ```
    /// use wgrad::Dataset;
    /// let houses = Dataset::from_csv_text("houses", "area,price\n50,1.5\n80,2.1\n", None)?;
    /// assert_eq!((houses.columns(), &*houses.input()), (&["area".to_string()][..], &[50.0, 80.0][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Dataset::from_csv`], with the name in place of the path.
    pub fn from_csv_text(name: &str, text: &str, form: impl Into<CsvOptions>) -> Result<Self> {
        let form = form.into();
        read(name, &Header::new(Text::new(Path::new(name), text.as_bytes(), form.delimiter)?, &form)?)
    }
}

pub(super) fn read(name: &str, header: &Header<'_>) -> Result<Dataset> {
    let text = header.text;
    header.check_written()?;
    let (mut input, mut targets) = (vec![], vec![]);
    for record in text.reader().records() {
        let record = record.map_err(|error| text.broken(error))?;
        let start = record.position().map_or(0, Position::byte);
        for (column, cell) in record.iter().enumerate() {
            if column == header.target {
                targets.push(Found { start, cell: cell.into() });
            } else if header.is_input[column] {
                input.push(header.input(start, column, cell)?);
            }
        }
    }
    if targets.is_empty() {
        return Err(no_rows(text));
    }
    let targets = header.targets(&targets)?;
    let data = Dataset::checked(name.into(), header.inputs(), Inputs::exact(input), targets)?;
    Ok(Dataset { class_column: Some(header.layout.columns[header.target].clone()), ..data })
}

/// What is wrong with a table that ends behind its header.
pub(super) fn no_rows(text: Text<'_>) -> Error {
    Error::format(text.path, "it has a header but 0 rows after it", "add rows below the header")
}

/// What each column of a table serves for.
pub(super) struct Header<'a> {
    pub(super) text: Text<'a>,
    pub(super) layout: Layout,
    pub(super) target: usize,
    /// Whether a column is neither the target nor left out.
    pub(super) is_input: Vec<bool>,
}

impl<'a> Header<'a> {
    pub(super) fn new(text: Text<'a>, form: &CsvOptions) -> Result<Self> {
        let (text, layout) = Layout::of(text, form)?;
        let columns = &layout.columns;
        if columns.is_empty() {
            return Err(Error::format(text.path, "it is empty", "write a header row and at least 1 row below it"));
        }
        let target = form.target.as_ref().map_or(Ok(columns.len() - 1), |name| position(&layout, name))?;
        if columns.len() == 1 {
            let remedy = format!("separate columns by {}, with at least 1 input beside the target", text.named());
            return Err(Error::format(text.path, format!("its only column is `{}`, the target", columns[0]), remedy));
        }
        let is_input = inputs(text, &layout, target, form)?;
        Ok(Self { text, layout, target, is_input })
    }

    fn inputs(&self) -> Vec<String> {
        let columns = self.layout.columns.iter().zip(&self.is_input);
        columns.filter(|(_, is_input)| **is_input).map(|(name, _)| name.clone()).collect()
    }

    fn input(&self, start: u64, column: usize, cell: &str) -> Result<f64> {
        number(cell, self.layout.written[column].format()).map_err(|(problem, remedy)| {
            let name = &self.layout.columns[column];
            let usual = || {
                format!(
                    "write a number, remove the row, or leave the column out with {}",
                    drop_option(&[name.as_str()])
                )
            };
            Error::data(self.text.place(start, name), problem, remedy.unwrap_or_else(usual))
        })
    }

    fn target(&self, found: &Found) -> Result<f64> {
        number(&found.cell, self.layout.written[self.target].format()).map_err(|(problem, remedy)| {
            let remedy = remedy.unwrap_or_else(|| WRITE_THE_TARGET.into());
            Error::data(self.target_place(found), problem, remedy)
        })
    }

    fn target_place(&self, found: &Found) -> String {
        self.text.place(found.start, &self.layout.columns[self.target])
    }

    /// Refuses columns, but for those that are left out, whose numbers cannot be told.
    fn check_written(&self) -> Result<()> {
        let used = (0..self.is_input.len()).filter(|column| self.is_input[*column] || *column == self.target);
        used.into_iter().try_for_each(|column| self.layout.check(self.text, column))
    }

    fn targets(&self, cells: &[Found]) -> Result<Targets> {
        if let Some(cell) = cells.iter().find(|found| found.cell.is_empty()) {
            self.target(cell)?;
        }
        let numbers: Option<Vec<f64>> =
            cells.iter().map(|found| self.layout.number(self.target, &found.cell)).collect();
        let Some(numbers) = numbers else {
            self.check_missing(cells)?;
            let names: BTreeSet<&str> = cells.iter().map(|found| found.cell.as_str()).collect();
            self.check_classes(names.len(), cells.len())?;
            let names = names.into_iter().map(String::from).collect();
            return Ok(classes(cells.iter().map(|found| found.cell.clone()), names));
        };
        let values = cells.iter().map(|found| self.target(found)).collect::<Result<_>>()?;
        Ok(match whole_number_classes(&numbers) {
            Some(names) => classes(numbers.iter().map(|&number| whole(number)), names),
            None => Targets::Numbers { values, columns: vec![self.layout.columns[self.target].clone()] },
        })
    }

    /// Refuses `NA` among numbers, which would make a class of each of them.
    fn check_missing(&self, cells: &[Found]) -> Result<()> {
        let is_number = |found: &Found| self.layout.number(self.target, &found.cell).is_some();
        match cells.iter().find(|found| is_missing(&found.cell)) {
            Some(found) if cells.iter().all(|found| is_number(found) || is_missing(&found.cell)) => {
                let problem = format!("the target is missing: `{}`, in a column without text", found.cell);
                Err(Error::data(self.target_place(found), problem, WRITE_THE_TARGET))
            }
            _ => Ok(()),
        }
    }

    /// Refuses text that would make a class of almost every row.
    fn check_classes(&self, different: usize, rows: usize) -> Result<()> {
        match no_classes(&self.layout.written[self.target], different, rows) {
            Some(NoClasses { problem, remedy, first }) => Err(Error::data(self.target_place(first), problem, remedy)),
            None => Ok(()),
        }
    }
}

/// Reason why a target column of text is refused.
pub(super) struct NoClasses<'a> {
    pub(super) problem: String,
    pub(super) remedy: &'static str,
    pub(super) first: &'a Found,
}

/// Reason why a target column of so many different cells holds no classes: most cells are numbers, or hardly any cell
/// comes again, as of prices with a unit, dates, and names.
pub(super) fn no_classes(written: &Column, different: usize, rows: usize) -> Option<NoClasses<'_>> {
    let Column::Text { numbers, texts, all_whole, first, .. } = written else { return None };
    let (many, hardly_recur) = (different > MOST_CLASSES, 2 * different >= rows);
    if many && numbers > texts && (!all_whole || hardly_recur) {
        let problem = format!("`{}` is not a number, but {numbers} targets of {rows} are", first.cell);
        return Some(NoClasses { problem, remedy: WRITE_A_NUMBER, first });
    }
    let problem = || format!("{different} different targets of {rows} rows, such as `{}`, are no classes", first.cell);
    let remedy = "write numbers without units, or name another target";
    (many && hardly_recur).then(|| NoClasses { problem: problem(), remedy, first })
}

/// Whether each column is an input: all but the target and those to leave out.
fn inputs(text: Text, layout: &Layout, target: usize, form: &CsvOptions) -> Result<Vec<bool>> {
    let mut is_input = vec![true; layout.columns.len()];
    is_input[target] = false;
    for name in &form.drop {
        let dropped = position(layout, name)?;
        if dropped == target {
            let problem = format!("column `{name}` is to be left out, but is the target");
            return Err(Error::conflict(text.path.display().to_string(), problem, "keep it, or name another target"));
        }
        is_input[dropped] = false;
    }
    if !is_input.contains(&true) {
        let problem = format!("0 inputs are left of {} columns", layout.columns.len());
        return Err(Error::conflict(text.path.display().to_string(), problem, "leave fewer columns out"));
    }
    Ok(is_input)
}

fn position(layout: &Layout, name: &str) -> Result<usize> {
    let known: Vec<&str> = layout.columns.iter().map(String::as_str).collect();
    known.iter().position(|&column| column == name).ok_or_else(|| match Error::unknown("column", name, &known) {
        Error::Unknown { kind, name, nearest, known } if matches!(layout.first_row, FirstRow::Unclear(_)) => {
            let known = format!("{known}; where the first row has values, use `--header no`");
            Error::Unknown { kind, name, nearest, known }
        }
        other => other,
    })
}

/// The names of the classes, by value, if these numbers stand for classes.
fn whole_number_classes(numbers: &[f64]) -> Option<Vec<String>> {
    let mut different = numbers.to_vec();
    different.sort_by(f64::total_cmp);
    different.dedup();
    let few = different.len() <= MOST_CLASSES && 2 * different.len() < numbers.len();
    (few && different.iter().all(|number| number.fract() == 0.0)).then(|| different.into_iter().map(whole).collect())
}

/// A whole number as a class name: `3.0` and `3` are one class, and so are `-0` and `0`.
pub(super) fn whole(number: f64) -> String {
    format!("{}", number + 0.0)
}

fn classes(labels: impl Iterator<Item = String>, names: Vec<String>) -> Targets {
    let index: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    let indices = labels.map(|label| index[label.as_str()]).collect();
    Targets::Classes { indices, names }
}
