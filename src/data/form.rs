//! How a table is to be read.

use std::collections::BTreeMap;

use super::NumberFormat;

/// Which columns of a table are read, and what separates them. The plain value `None` or `Some("price")` will do
/// where only the target is chosen.
///
/// ```
/// use wgrad::Dataset;
/// use wgrad::data::CsvOptions;
/// let text = "id;area;price;note\n1;50;1.5;old\n2;80;2.1;new\n";
/// let form = CsvOptions::default().target("price").drop("id").drop("note");
/// let houses = Dataset::from_csv_text("houses", text, form)?;
/// assert_eq!(houses.columns(), ["area"]);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CsvOptions {
    /// The target column; `None` for the last.
    pub target: Option<String>,
    /// What separates columns; `None` for what the header shows.
    pub delimiter: Option<u8>,
    /// Columns left out of the inputs.
    pub drop: Vec<String>,
    /// Whether the first row has the names of the columns; `None` for what it looks like.
    pub header: Option<bool>,
    /// Number formats of columns, by name, where they are known beforehand. They decide where a table leaves two meanings; what
    /// a table shows itself wins, except for signs of another unit, which are an error.
    pub formats: BTreeMap<String, NumberFormat>,
    /// Names of the columns of a table without a header. Of a table with a column fewer the target is missing, if no column is
    /// left out. None for `column1`, `column2`, …
    pub names: Vec<String>,
}

impl CsvOptions {
    /// Names the target column; the default is the last.
    pub fn target(self, column: impl Into<String>) -> Self {
        Self { target: Some(column.into()), ..self }
    }

    /// Says whether the first row has the names of the columns. Else it is taken for values where it looks like those
    /// below it: numbers above numbers, of which some are not whole, equal, or between the others; or text that comes again
    /// in its column. Whole numbers in even steps and years are taken for names. Without names columns are called
    /// `column1`, `column2`, …
    pub fn header(self, header: bool) -> Self {
        Self { header: Some(header), ..self }
    }

    /// Names for so many columns without a header; or how many there should be.
    pub(super) fn unnamed(&self, width: usize) -> Result<Vec<String>, usize> {
        let known = &self.names;
        if known.is_empty() {
            return Ok(unnamed_columns(width));
        }
        if width == known.len() {
            return Ok(known.clone());
        }
        // Columns behind the target move up where it is missing. It could be a column that is left out just as well.
        let inputs: Vec<String> = known.iter().filter(|name| Some(*name) != self.target.as_ref()).cloned().collect();
        let is_target_missing = self.drop.is_empty() && width + 1 == known.len() && width == inputs.len();
        if is_target_missing { Ok(inputs) } else { Err(known.len()) }
    }

    /// What separates columns: an ASCII character that is no letter, digit, quote or end of a line. The default is
    /// the one of comma, tab, semicolon and `|` that the header has the most of, outside quotes; a comma where it has
    /// none.
    pub fn delimiter(self, delimiter: u8) -> Self {
        Self { delimiter: Some(delimiter), ..self }
    }

    /// Leaves a column out of the inputs, such as an id or a name; its cells may hold anything.
    pub fn drop(mut self, column: impl Into<String>) -> Self {
        self.drop.push(column.into());
        self
    }
}

/// Names of columns that have none.
pub(crate) fn unnamed_columns(columns: usize) -> Vec<String> {
    (1..=columns).map(|number| format!("column{number}")).collect()
}

impl From<Option<&str>> for CsvOptions {
    fn from(target: Option<&str>) -> Self {
        Self { target: target.map(String::from), ..Self::default() }
    }
}
