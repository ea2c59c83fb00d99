//! Reading of tables with numeric inputs, as data sets.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use csv::Position;

use super::decode::Decoded;
use super::delimiter::named;
use super::inputs::Inputs;
use super::layout::{FirstRow, Layout};
use super::number_format::{Column, Found};
use super::text::{Text, WRITE_A_NUMBER, WRITE_THE_TARGET, drop_option, is_missing, number};
use super::{CsvOptions, Dataset, ReadAs, Targets, bytes};
use crate::error::{Error, Result};

/// Maximum number of different whole numbers that are read as classes.
pub(super) const MOST_CLASSES: usize = 20;

impl Dataset {
    /// Reads a table of numbers from a file. The text may be gzipped or zipped. Columns are separated by commas, tabs,
    /// semicolons, `|` or blanks.
    ///
    /// Every input column must have only numbers; a [`Table`](super::Table) also reads text, dates and missing cells.
    /// The first row has the column names, unless it looks like values (see [`CsvOptions::header`]). Spaces around
    /// cells are ignored. Quoted cells may contain delimiters and line breaks. The data set is named after the file:
    /// `x` for `x.csv` and `x.csv.gz`.
    ///
    /// `form` sets the target column (by default the last), dropped columns, and the format of the text; see
    /// [`CsvOptions`]. All other columns are inputs.
    ///
    /// The target is a **class** if a cell is not a number in any supported format. It is also a class if all cells are
    /// whole numbers with at most 20 different values, which are fewer than half the number of rows. Otherwise it is a
    /// **number**.
    ///
    /// A target with text and more than 20 different values is an error in two cases. Either there are at least half as
    /// many different values as rows, or most cells are numbers that are not all whole.
    ///
    /// Classes are sorted by value if they are whole numbers, otherwise alphabetically. Words for missing values, such
    /// as `NA`, are classes if the column has other text. Otherwise they are missing targets.
    ///
    /// Numbers may have a currency sign, a percent sign, thousands separators, a decimal comma or a Unicode minus sign.
    /// The format of each column must be unambiguous; see [`NumberFormat`](super::NumberFormat).
    ///
    /// # Errors
    /// The file cannot be read or unpacked, is not text, or has no rows; the target or a dropped column is unknown; no
    /// input column is left; a row differs in length from the header; a cell is empty or not finite as f32; an input is
    /// not a number; a target is missing; the format of numbers is ambiguous; a target of text has too many classes.
    /// Messages give the column, and the line, counted from 1.
    ///
    /// # Examples
    /// ```no_run
    /// use wgrad::Dataset;
    /// let houses = Dataset::from_csv("houses.csv", Some("price"))?;
    /// println!("{} rows of {:?}", houses.len(), houses.columns());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn from_csv(path: impl AsRef<Path>, form: impl Into<CsvOptions>) -> Result<Self> {
        let (path, form) = (path.as_ref(), form.into());
        read(&bytes::name(path), &Header::new(Decoded::read(path, &form)?.text()?, &form)?)
    }

    /// Reads a table from text. `name` is the name of the data set. Otherwise it is the same as [`Dataset::from_csv`].
    ///
    /// # Errors
    /// See [`Dataset::from_csv`]. Messages have the name in place of the path.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Dataset;
    /// let houses = Dataset::from_csv_text("houses", "area,price\n50,1.5\n80,2.1\n", None)?;
    /// assert_eq!((houses.columns(), &*houses.input()), (&["area".to_string()][..], &[50.0, 80.0][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn from_csv_text(name: &str, text: &str, form: impl Into<CsvOptions>) -> Result<Self> {
        let form = form.into();
        read(name, &Header::new(Decoded::of_text(name, text, &form).text()?, &form)?)
    }
}

/// Reads the rows of a table as a data set with this name.
pub(super) fn read(name: &str, header: &Header<'_>) -> Result<Dataset> {
    let text = header.text;
    header.check_written()?;
    let (mut input, mut targets, mut weights) = (vec![], vec![], vec![]);
    for record in text.rows() {
        let record = record?;
        let start = record.position().map_or(0, Position::byte);
        for (column, cell) in record.iter().enumerate() {
            if column == header.target {
                targets.push(Found { start, cell: cell.into() });
            } else if header.is_input[column] {
                input.push(header.input(start, column, cell)?);
            } else if header.weights == Some(column) {
                weights.push(header.input(start, column, cell)? as f32);
            }
        }
    }
    if targets.is_empty() {
        return Err(no_rows(text));
    }
    let targets = header.targets(&targets)?;
    let data = Dataset::checked(name.into(), header.inputs(), Inputs::exact(input), targets)?;
    let data = Dataset { class_column: Some(header.layout.columns[header.target].clone()), ..data };
    if header.weights.is_some() { data.weighted(weights) } else { Ok(data) }
}

/// Returns the error for a table that has a header, but no rows.
pub(super) fn no_rows(text: Text<'_>) -> Error {
    Error::format(text.path, "it has a header but 0 rows after it", "add rows below the header")
}

/// Layout of a table and the roles of its columns.
pub(super) struct Header<'a> {
    pub(super) text: Text<'a>,
    pub(super) layout: Layout,
    /// Index of the target column.
    pub(super) target: usize,
    /// For each column, true if it is an input: neither the target, nor dropped, nor the weights.
    pub(super) is_input: Vec<bool>,
    /// Index of the column with the weights of rows; `None` if there is none.
    pub(super) weights: Option<usize>,
    /// Requested interpretation of the target; `None` to detect it.
    pub(super) read_as: Option<ReadAs>,
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
            let remedy = format!(
                "separate columns by {}, with at least 1 input column besides the target",
                named(text.separator)
            );
            return Err(Error::format(text.path, format!("its only column is `{}`, the target", columns[0]), remedy));
        }
        let is_input = inputs(text, &layout, target, form)?;
        let weights = form.weights.as_ref().map(|name| position(&layout, name)).transpose()?;
        Ok(Self { text, layout, target, is_input, weights, read_as: form.read_as })
    }

    fn inputs(&self) -> Vec<String> {
        let columns = self.layout.columns.iter().zip(&self.is_input);
        columns.filter(|(_, is_input)| **is_input).map(|(name, _)| name.clone()).collect()
    }

    fn input(&self, start: u64, column: usize, cell: &str) -> Result<f64> {
        number(cell, self.layout.written[column].format()).map_err(|(problem, remedy)| {
            let name = &self.layout.columns[column];
            let usual =
                || format!("write a number, remove the row, or drop the column with {}", drop_option(&[name.as_str()]));
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

    /// Refuses columns with an ambiguous number format. Dropped columns are not checked.
    fn check_written(&self) -> Result<()> {
        let is_used =
            |column: &usize| self.is_input[*column] || [Some(self.target), self.weights].contains(&Some(*column));
        let used = (0..self.is_input.len()).filter(is_used);
        used.into_iter().try_for_each(|column| self.layout.check(self.text, column))
    }

    fn targets(&self, cells: &[Found]) -> Result<Targets> {
        if let Some(cell) = cells.iter().find(|found| found.cell.is_empty()) {
            self.target(cell)?;
        }
        let numbers: Option<Vec<f64>> =
            cells.iter().map(|found| self.layout.number(self.target, &found.cell)).collect();
        let must_be_numbers = self.read_as == Some(ReadAs::Number);
        let Some(numbers) = numbers.or_else(|| must_be_numbers.then(Vec::new)) else {
            self.check_missing(cells)?;
            let names: BTreeSet<&str> = cells.iter().map(|found| found.cell.as_str()).collect();
            self.check_classes(names.len(), cells.len())?;
            let names = names.into_iter().map(String::from).collect();
            return Ok(classes(cells.iter().map(|found| found.cell.clone()), names));
        };
        let values = cells.iter().map(|found| self.target(found)).collect::<Result<_>>()?;
        let classes_of_numbers = match self.read_as {
            Some(ReadAs::Number) => None,
            Some(ReadAs::Class) => Some(different(&numbers)),
            None => whole_number_classes(&numbers),
        };
        Ok(match classes_of_numbers {
            Some(names) => classes(numbers.iter().map(|&number| whole(number)), names),
            None => Targets::Numbers { values, columns: vec![self.layout.columns[self.target].clone()] },
        })
    }

    /// Refuses a target of numbers and words such as `NA`, which would turn every number into a class.
    fn check_missing(&self, cells: &[Found]) -> Result<()> {
        let is_number = |found: &Found| self.layout.number(self.target, &found.cell).is_some();
        match cells.iter().find(|found| is_missing(&found.cell)) {
            Some(found) if cells.iter().all(|found| is_number(found) || is_missing(&found.cell)) => {
                let problem = format!("the target is missing: `{}`, and the column has no other text", found.cell);
                Err(Error::data(self.target_place(found), problem, WRITE_THE_TARGET))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a target of text with too many different values to be classes.
    fn check_classes(&self, different: usize, rows: usize) -> Result<()> {
        match no_classes(&self.layout.written[self.target], different, rows) {
            Some(NoClasses { problem, remedy, first }) => Err(Error::data(self.target_place(first), problem, remedy)),
            None => Ok(()),
        }
    }
}

/// Reason why a target column of text cannot be classes.
pub(super) struct NoClasses<'a> {
    pub(super) problem: String,
    pub(super) remedy: &'static str,
    pub(super) first: &'a Found,
}

/// Returns the reason why a target column of text cannot be classes; `None` if it can be, or has no text. `different`
/// is its number of different cells, which must exceed 20. There are two reasons: they are at least half as many as the
/// rows, or most cells are numbers that are not all whole. Examples are prices with a unit, dates and names.
pub(super) fn no_classes(written: &Column, different: usize, rows: usize) -> Option<NoClasses<'_>> {
    let Column::Text { numbers, texts, all_whole, first, .. } = written else { return None };
    let (many, hardly_recur) = (different > MOST_CLASSES, 2 * different >= rows);
    if many && numbers > texts && (!all_whole || hardly_recur) {
        let problem = format!("`{}` is not a number, but {numbers} of {rows} targets are", first.cell);
        return Some(NoClasses { problem, remedy: WRITE_A_NUMBER, first });
    }
    let problem =
        || format!("{different} different targets in {rows} rows, such as `{}`, are too many for classes", first.cell);
    let remedy = "write numbers without units, or choose another target column with `--target`";
    (many && hardly_recur).then(|| NoClasses { problem: problem(), remedy, first })
}

/// For each column, returns true if it is an input. All columns are, except the target, dropped columns and the
/// weights.
fn inputs(text: Text, layout: &Layout, target: usize, form: &CsvOptions) -> Result<Vec<bool>> {
    let mut is_input = vec![true; layout.columns.len()];
    is_input[target] = false;
    for name in &form.drop {
        let dropped = position(layout, name)?;
        if dropped == target {
            let problem = format!("column `{name}` is the target and cannot be dropped");
            return Err(Error::conflict(
                text.path.display().to_string(),
                problem,
                "keep it, or choose another target column",
            ));
        }
        is_input[dropped] = false;
    }
    if let Some(name) = &form.weights {
        let column = position(layout, name)?;
        if !is_input[column] {
            let problem = format!("column `{name}` cannot have the weights, since it is the target or is dropped");
            let remedy = "name another column, or do not drop it";
            return Err(Error::conflict(text.path.display().to_string(), problem, remedy));
        }
        is_input[column] = false;
    }
    if !is_input.contains(&true) {
        let problem = format!("0 inputs are left of {} columns", layout.columns.len());
        return Err(Error::conflict(text.path.display().to_string(), problem, "drop fewer columns"));
    }
    Ok(is_input)
}

/// Returns the index of the column `name`. An unknown name is an error.
pub(super) fn position(layout: &Layout, name: &str) -> Result<usize> {
    let known: Vec<&str> = layout.columns.iter().map(String::as_str).collect();
    known.iter().position(|&column| column == name).ok_or_else(|| match Error::unknown("column", name, &known) {
        Error::Unknown { kind, name, nearest, known } if matches!(layout.first_row, FirstRow::Unclear(_)) => {
            let known = format!("{known}; if the first row holds values, use `--header no`");
            Error::Unknown { kind, name, nearest, known }
        }
        other => other,
    })
}

/// Class names of the different numbers, sorted by value.
pub(super) fn different(numbers: &[f64]) -> Vec<String> {
    let mut different = numbers.to_vec();
    different.sort_by(f64::total_cmp);
    different.dedup();
    different.into_iter().map(whole).collect()
}

/// Returns the class names of whole numbers, sorted by value. `None` if the numbers are not all whole, or have too many
/// different values.
pub(super) fn whole_number_classes(numbers: &[f64]) -> Option<Vec<String>> {
    let mut different = numbers.to_vec();
    different.sort_by(f64::total_cmp);
    different.dedup();
    let few = different.len() <= MOST_CLASSES && 2 * different.len() < numbers.len();
    (few && different.iter().all(|number| number.fract() == 0.0)).then(|| different.into_iter().map(whole).collect())
}

/// Class name of a number. `3.0` and `3` have the same name, and so have `-0` and `0`.
pub(super) fn whole(number: f64) -> String {
    format!("{}", number + 0.0)
}

fn classes(labels: impl Iterator<Item = String>, names: Vec<String>) -> Targets {
    let index: HashMap<&str, u32> = names.iter().map(String::as_str).zip(0..).collect();
    let indices = labels.map(|label| index[label.as_str()]).collect();
    Targets::Classes { indices, names }
}
