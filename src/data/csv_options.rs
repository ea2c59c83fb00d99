//! Options for reading tables.

use std::collections::BTreeMap;

use super::{NumberFormat, ReadAs};

/// Options for reading a table: target, dropped columns, delimiter, header and number formats.
///
/// `None` converts to the default options. `Some("price")` converts to options that set only the target column.
///
/// # Examples
/// ```
/// use wgrad::Dataset;
/// use wgrad::data::CsvOptions;
/// let text = "id;area;price;note\n1;50;1.5;old\n2;80;2.1;new\n";
/// let options = CsvOptions::default().target("price").drop("id").drop("note");
/// let houses = Dataset::from_csv_text("houses", text, options)?;
/// assert_eq!(houses.columns(), ["area"]);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CsvOptions {
    /// Name of the target column; `None`, the default, is the last column.
    pub target: Option<String>,
    /// Delimiter between columns; `None`, the default, detects it.
    pub delimiter: Option<u8>,
    /// Delimiter of the table that a model was trained on; `None` by default. It is used in place of a detected one if
    /// it separates all of the first rows into equally many cells.
    pub known_delimiter: Option<u8>,
    /// Name of the column with the weight of each row; `None` by default. The column is not an input.
    pub weights: Option<String>,
    /// Names of the columns that are dropped from the inputs; none by default.
    pub drop: Vec<String>,
    /// True if the first row has the column names, false if it has values; `None`, the default, detects it.
    pub header: Option<bool>,
    /// Known number formats by column name, such as those of the training set; none by default. A known format is used
    /// only if the numbers of the column are ambiguous. It is an error if the numbers have another currency sign, or if
    /// only one of the two formats has percent signs.
    pub formats: BTreeMap<String, NumberFormat>,
    /// Column names of a table without a header. If the list is empty, the default, the columns are named `column1`,
    /// `column2`, … If a table has one column fewer, it is read without the target; this is an error if columns are
    /// dropped.
    pub names: Vec<String>,
    /// Requested kinds by column name; none by default. The kinds of all other columns are found by inspection. Only a
    /// [`Table`](super::Table) uses this field.
    pub kinds: BTreeMap<String, KindChoice>,
    /// Interpretation of the target, as classes or as numbers; `None`, the default, detects it.
    pub read_as: Option<ReadAs>,
}

/// Requested kind of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KindChoice {
    /// Numbers. A cell that is not a number is missing.
    Number,
    /// Levels of a category: each different text is a level.
    Category,
    /// Dates or times, in the format that is found by inspection.
    Date,
    /// Dates that begin with the day, such as `31/12/2024`.
    DayFirst,
    /// Dates that begin with the month, such as `12/31/2024`.
    MonthFirst,
}

impl KindChoice {
    /// Names of all choices on the command line, as in `--column zip=category`.
    pub const ALL: [(&str, Self); 5] = [
        ("number", Self::Number),
        ("category", Self::Category),
        ("date", Self::Date),
        ("dmy", Self::DayFirst),
        ("mdy", Self::MonthFirst),
    ];
}

impl CsvOptions {
    /// Sets the target column; the default is the last column.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, data::CsvOptions};
    /// let options = CsvOptions::default().target("price");
    /// let houses = Dataset::from_csv_text("houses", "price,area\n1.5,50\n2.1,80\n", options)?;
    /// assert_eq!((houses.columns(), houses.target_columns()), (&["area".into()][..], &["price".into()][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn target(self, column: impl Into<String>) -> Self {
        Self { target: Some(column.into()), ..self }
    }

    /// Sets the column with the [weight](crate::Dataset::weighted) of each row. The column is then not an input.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, data::CsvOptions};
    /// let text = "area,count,price\n50,1,1.5\n80,3,2.1\n";
    /// let houses = Dataset::from_csv_text("houses", text, CsvOptions::default().weights("count"))?;
    /// assert_eq!((houses.inputs(), houses.weights()), (1, Some(&[1.0, 3.0][..])));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn weights(self, column: impl Into<String>) -> Self {
        Self { weights: Some(column.into()), ..self }
    }

    /// Reads the target as numbers, for a regression. By default, whole numbers with few different values are classes.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, data::CsvOptions};
    /// let text = "area,rooms\n1.5,2\n2.5,3\n3.5,3\n4.5,2\n5.5,3\n";
    /// assert!(Dataset::from_csv_text("houses", text, None)?.class_names().is_some());
    /// let houses = Dataset::from_csv_text("houses", text, CsvOptions::default().numbers())?;
    /// assert_eq!(houses.target_values(), Some(&[2.0, 3.0, 3.0, 2.0, 3.0][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn numbers(self) -> Self {
        Self { read_as: Some(ReadAs::Number), ..self }
    }

    /// Sets that the first row has the column names (`true`) or values (`false`). By default, this is detected.
    ///
    /// The first row has names if it has text above numbers, or a column name that these options mention. Otherwise it
    /// has values in four cases: a text appears again in its column; two of its numbers are equal; a number is not
    /// whole; all numbers lie within the range of their columns. Years, and numbers in equal steps, are read as names.
    ///
    /// Columns without names are named `column1`, `column2`, …
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, data::CsvOptions};
    /// let houses = Dataset::from_csv_text("houses", "50,1.5\n80,2.1\n", CsvOptions::default().header(false))?;
    /// assert_eq!((houses.len(), houses.columns()), (2, &["column1".into()][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn header(self, header: bool) -> Self {
        Self { header: Some(header), ..self }
    }

    /// Returns the column names of a table that has `width` columns and no header. The error is the expected number of
    /// columns.
    pub(super) fn unnamed(&self, width: usize) -> Result<Vec<String>, usize> {
        let known = &self.names;
        if known.is_empty() {
            return Ok(unnamed_columns(width));
        }
        if width == known.len() {
            return Ok(known.clone());
        }
        // A table without the target has one column fewer. If columns are dropped, the missing column may be one of
        // those.
        let inputs: Vec<String> = known.iter().filter(|name| Some(*name) != self.target.as_ref()).cloned().collect();
        let is_target_missing = self.drop.is_empty() && width + 1 == known.len() && width == inputs.len();
        if is_target_missing { Ok(inputs) } else { Err(known.len()) }
    }

    /// Sets the delimiter: an ASCII character other than a letter, digit, quote or line break. A blank stands for runs
    /// of spaces or tabs.
    ///
    /// By default, the delimiter is detected. It is a blank if all of the first lines have the same number of words,
    /// and no semicolon, `|` or comma (other than decimal commas). Otherwise it is the most frequent of comma, tab,
    /// semicolon and `|` in the first line, outside quotes. If several of them appear there, another one is preferred
    /// in two cases: it alone gives all rows equally many cells, or more of its cells are numbers. If none appears, it
    /// is a comma.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, data::CsvOptions};
    /// let houses = Dataset::from_csv_text("houses", "area:price\n50:1.5\n80:2.1\n", CsvOptions::default().delimiter(b':'))?;
    /// assert_eq!(*houses.input(), [50.0, 80.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn delimiter(self, delimiter: u8) -> Self {
        Self { delimiter: Some(delimiter), ..self }
    }

    /// Drops a column from the inputs, such as an id or a name. The cells of the column are not checked.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, data::CsvOptions};
    /// let text = "name,area,price\nA,50,1.5\nB,80,2.1\n";
    /// let houses = Dataset::from_csv_text("houses", text, CsvOptions::default().drop("name"))?;
    /// assert_eq!(houses.columns(), ["area"]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn drop(mut self, column: impl Into<String>) -> Self {
        self.drop.push(column.into());
        self
    }
}

/// Returns the names of `columns` columns without a header: `column1`, `column2`, …
pub(crate) fn unnamed_columns(columns: usize) -> Vec<String> {
    (0..columns).map(unnamed).collect()
}

/// Returns the name of an unnamed column, such as `column1` for index 0.
pub(super) fn unnamed(column: usize) -> String {
    format!("column{}", column + 1)
}

impl From<Option<&str>> for CsvOptions {
    fn from(target: Option<&str>) -> Self {
        Self { target: target.map(String::from), ..Self::default() }
    }
}
