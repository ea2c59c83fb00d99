//! Command-line options for reading a table: columns, delimiter and header.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use csv::{ReaderBuilder, Trim};
use wgrad::Result;
use wgrad::data::{CsvOptions, KindChoice, Preparation, ReadAs, Table, quoted};

/// Options for finding the data, and for the text format of a table.
#[derive(Args)]
pub struct Reading {
    /// Folder of MNIST's four files, only for `mnist`
    ///
    /// The files are train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte and
    /// t10k-labels-idx1-ubyte, each gzipped (.gz) or not. They are not part of the program.
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath)]
    #[arg(help_heading = "Data", hide_short_help = true)]
    pub data_dir: Option<PathBuf>,
    /// Separator of a table's columns [default: auto]
    ///
    /// One ASCII character, `tab`, or " " for blanks. By default, it is the one of comma, tab, semicolon and `|` that
    /// is most frequent in the first line. Another of these four that occurs there is taken instead if it is the only
    /// one that gives all rows equally many cells, or if all rows have equally many cells with it and more of them are
    /// numbers, since commas may be decimal signs. Blanks separate the columns if all lines have equally many words,
    /// many more than other separators give. `predict`, `evaluate` and `plot` take the separator of the training table
    /// if it gives all rows equally many cells.
    #[arg(long, value_name = "CHAR", value_parser = delimiter, allow_hyphen_values = true)]
    #[arg(help_heading = "Data", hide_short_help = true)]
    pub delimiter: Option<u8>,
    /// First row of a table has names: yes, no [default: auto]
    ///
    /// With `yes`, the first row has the names of the columns; with `no`, it has values. Without this option, commands
    /// that take a model read the first row as in training. Other commands compare its cells with the rows below: if
    /// they look alike, such as numbers above numbers, the first row has values; otherwise it has names. Columns
    /// without names are column1, column2, …
    #[arg(long, value_name = "YES|NO", value_enum, ignore_case = true, hide_possible_values = true)]
    #[arg(help_heading = "Data", hide_short_help = true)]
    pub header: Option<YesNo>,
}

/// Value of `--header`: `Yes` if the first row has the names of the columns.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum YesNo {
    Yes,
    No,
}

/// Default number of bins per column of numbers.
const BINS: usize = 16;

/// Default number of bins of all columns together.
const MOST_BINS: usize = 512;

/// Number of rows of the training set from which columns have bins by default.
const FEWEST_ROWS_FOR_BINS: usize = 1000;

/// Column names in one `--drop` or `--keep` option.
#[derive(Clone)]
pub struct Names(Vec<String>);

/// Options for reading a table to train on.
#[derive(Args)]
pub struct Columns {
    /// Target column of a table [default: the last]
    ///
    /// Built-in data sets have their own target, so the option is an error with them.
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    pub target: Option<String>,
    /// Columns to leave out, such as an id: "id,name"
    ///
    /// Only for a table. Several names are separated by commas, or the option is repeated. A name with a comma is put
    /// in double quotes, as in '"a,b",c'.
    #[arg(long, value_name = "COLUMN", value_parser = names, help_heading = "Data")]
    pub drop: Vec<Names>,
    /// Column of a table with the weight of each row [default: none]
    ///
    /// A weight is a number of at least 0. Losses and metrics are weighted means: a row of weight 2 counts as two rows.
    /// The column is not an input.
    #[arg(long, value_name = "COLUMN", help_heading = "Data", hide_short_help = true)]
    pub weights: Option<String>,
    /// Kind of a column: "zip=category" [default: by its values]
    ///
    /// Only for a table. Kinds are number, category, date, dmy (dates that begin with the day) and mdy (dates that
    /// begin with the month). A column that looks like an id is left out, unless a kind is given. The option can be
    /// repeated.
    #[arg(long, value_name = "COLUMN=KIND", value_parser = column_kind, help_heading = "Data", hide_short_help = true)]
    pub column: Vec<(String, KindChoice)>,
    /// Target: regression or classification [default: by its values]
    ///
    /// Only for a table. By default, text is classes. So are whole numbers, if at most 20 are different, and these are
    /// fewer than half the number of rows. Other numbers are regression. A --loss that suits only one of the two tasks
    /// decides, too, and must not contradict --task.
    #[arg(long, value_name = "TASK", value_enum, ignore_case = true, help_heading = "Data", hide_short_help = true)]
    pub task: Option<Task>,
    /// Missing cells: fill, drop or error [default: fill]
    ///
    /// Only for a table. Missing cells are empty, or NA, N/A, NaN, null, none, nil, ?, -, . or the like, in any letter
    /// case. fill: a missing number becomes the median of the training set, and an indicator input is 1; a missing
    /// category is a category of its own. drop: rows with missing cells are in no set; `predict` and `evaluate` fill
    /// the cells. error: a table with missing cells is refused. Rows without a target are never used.
    #[arg(long, value_name = "HOW", value_enum, ignore_case = true, help_heading = "Data", hide_short_help = true)]
    pub missing: Option<Missing>,
    /// Bins per column of numbers [default: 0, or 16 from 1,000 rows]
    ///
    /// Only for a table. Each bin of a column becomes one more input of the network: 0 for numbers below the bin, 1 for
    /// numbers above it, and the position in the bin for the others (piecewise linear encoding). Each bin has about as
    /// many rows of the training set as the others. Bins help if the target changes at thresholds, and need many rows:
    /// by default, there are none if the training set has fewer than 1,000. With more than 32 columns of numbers, the
    /// default is 512 divided by their number. 0: no bins.
    #[arg(long, value_name = "N", value_parser = bins, allow_negative_numbers = true)]
    #[arg(help_heading = "Data", hide_short_help = true)]
    pub bins: Option<usize>,
    #[command(flatten)]
    pub reading: Reading,
}

/// Value of `--task`: kind of the target.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
pub enum Task {
    Regression,
    Classification,
}

/// Value of `--missing`: treatment of missing cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, ValueEnum)]
pub enum Missing {
    #[default]
    Fill,
    Drop,
    Error,
}

impl Columns {
    /// Converts the options to [`CsvOptions`].
    pub fn csv_options(&self) -> CsvOptions {
        let read_as = self.task.map(|task| match task {
            Task::Regression => ReadAs::Number,
            Task::Classification => ReadAs::Class,
        });
        let kinds = self.column.iter().cloned().collect();
        let (target, weights) = (self.target.clone(), self.weights.clone());
        let options = CsvOptions { target, weights, kinds, read_as, ..self.reading.csv_options() };
        self.drop.iter().flat_map(|names| &names.0).fold(options, CsvOptions::drop)
    }

    /// Returns the first of the options for tables that the user gave, for error messages; `None` if there is none.
    pub fn given(&self) -> Option<&'static str> {
        let dropped = (!self.drop.is_empty()).then_some("--drop");
        let kind = (!self.column.is_empty()).then_some("--column");
        let task = self.task.map(|_| "--task");
        let missing = self.missing.map(|_| "--missing");
        let weights = self.weights.as_ref().map(|_| "--weights");
        let bins = self.bins.map(|_| "--bins");
        let columns = self.target.as_ref().map(|_| "--target").or(dropped).or(weights).or(kind);
        columns.or(task).or(missing).or(bins).or(self.reading.given())
    }

    /// Returns the preparation of a table, fitted on these rows. `trained` is the number of rows of the training set, on
    /// which the default of `--bins` depends.
    pub fn preparation(&self, table: &Table, rows: &[usize], trained: usize) -> Result<Preparation> {
        let preparation = Preparation::fit(table, rows)?;
        let numbers = preparation.formats().count();
        let usual = if trained < FEWEST_ROWS_FOR_BINS { 0 } else { BINS.min(MOST_BINS / numbers.max(1)) };
        Ok(preparation.with_bins(table, rows, self.bins.unwrap_or(usual)))
    }

    /// Returns the settings `columns`, `task`, `missing` and `bins`, which are stored in the model. A default is an
    /// empty text.
    pub fn settings(&self) -> [(&'static str, String); 4] {
        let missing = self.missing.filter(|missing| *missing != Missing::Fill);
        [
            ("columns", self.kinds().join(", ")),
            ("task", self.task.map_or(String::new(), |task| format!("{task:?}").to_lowercase())),
            ("missing", missing.map_or(String::new(), |missing| format!("{missing:?}").to_lowercase())),
            ("bins", self.bins.map_or(String::new(), |bins| bins.to_string())),
        ]
    }

    /// Returns the given options `--column`, `--task` and `--bins` as text, quoted for a shell. Each begins with a blank.
    pub fn words(&self) -> String {
        let columns = self.kinds().into_iter().map(|kind| format!(" --column={}", quoted(kind)));
        let task = self.task.map(|task| format!(" --task {}", format!("{task:?}").to_lowercase()));
        let bins = self.bins.map(|bins| format!(" --bins {bins}"));
        columns.chain(task).chain(bins).collect()
    }

    /// Values of all `--column` options, such as `zip=category`.
    fn kinds(&self) -> Vec<String> {
        let name =
            |kind: &KindChoice| KindChoice::ALL.iter().find(|(_, known)| known == kind).map_or("", |(name, _)| *name);
        self.column.iter().map(|(column, kind)| format!("{column}={}", name(kind))).collect()
    }
}

impl Reading {
    /// Returns `--delimiter` or `--header` if the user gave one; otherwise `None`. Both are for tables only.
    pub fn given(&self) -> Option<&'static str> {
        self.delimiter.map(|_| "--delimiter").or(self.header.map(|_| "--header"))
    }

    /// Converts the options to [`CsvOptions`].
    pub fn csv_options(&self) -> CsvOptions {
        let header = self.header.map(|header| header == YesNo::Yes);
        CsvOptions { delimiter: self.delimiter, header, ..CsvOptions::default() }
    }
}

/// Returns the column names of several `--drop` or `--keep` options as one list.
pub fn listed(names: &[Names]) -> Vec<String> {
    names.iter().flat_map(|names| names.0.clone()).collect()
}

/// Parses column names like the header of a CSV table. A quoted name may contain commas.
pub fn names(text: &str) -> std::result::Result<Names, String> {
    let reader = ReaderBuilder::new().has_headers(false).trim(Trim::All).from_reader(text.as_bytes());
    let mut records = reader.into_records();
    match (records.next(), records.next()) {
        (Some(Ok(names)), None) => Ok(Names(names.iter().map(String::from).collect())),
        _ => Err("it must be one line of column names, separated by commas".into()),
    }
}

/// Parses `NAME=KIND`. The name may contain `=`, too.
fn column_kind(text: &str) -> std::result::Result<(String, KindChoice), String> {
    let names = || KindChoice::ALL.map(|(name, _)| name).join(", ");
    let (column, kind) = text.rsplit_once('=').ok_or_else(|| format!("it must be COLUMN=KIND; kinds: {}", names()))?;
    let found = KindChoice::ALL.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(kind));
    let (_, kind) = found.ok_or_else(|| format!("unknown kind `{kind}`; kinds: {}", names()))?;
    Ok((column.into(), kind))
}

fn delimiter(text: &str) -> std::result::Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] => Ok(*byte),
        _ => Err("it must be one ASCII character, or `tab`".into()),
    }
}

fn bins(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(bins) if bins <= MOST_BINS && bins != 1 => Ok(bins),
        _ => Err(format!("it must be 0, or a whole number from 2 to {MOST_BINS}")),
    }
}
