//! How a table is to be read.

/// Which columns of a table are read, and what separates them. The plain value `None` or `Some("price")` will do
/// where only the target is chosen.
///
/// ```
/// use wgrad::Dataset;
/// use wgrad::data::Csv;
/// let text = "id;area;price;note\n1;50;1.5;old\n2;80;2.1;new\n";
/// let form = Csv::default().target("price").drop("id").drop("note");
/// let houses = Dataset::from_csv_text("houses", text, form)?;
/// assert_eq!(houses.columns(), ["area"]);
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Csv {
    /// The target column; `None` for the last.
    pub target: Option<String>,
    /// What separates columns; `None` for what the header shows.
    pub delimiter: Option<u8>,
    /// Columns left out of the inputs.
    pub drop: Vec<String>,
}

impl Csv {
    /// Names the target column; the default is the last.
    pub fn target(self, column: impl Into<String>) -> Self {
        Self { target: Some(column.into()), ..self }
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

impl From<Option<&str>> for Csv {
    fn from(target: Option<&str>) -> Self {
        Self { target: target.map(String::from), ..Self::default() }
    }
}
