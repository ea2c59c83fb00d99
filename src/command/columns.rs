//! Options for reading a table: its columns, delimiter and header.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use csv::{ReaderBuilder, Trim};
use wgrad::data::CsvOptions;

/// Options for finding the data, and for the format of a table's text.
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
    /// An ASCII character, or `tab`. By default, it is the most frequent of comma, tab, semicolon and `|` in the
    /// header.
    #[arg(long, value_name = "CHAR", value_parser = delimiter, allow_hyphen_values = true)]
    #[arg(help_heading = "Data", hide_short_help = true)]
    pub delimiter: Option<u8>,
    /// First row of a table has names: yes, no [default: auto]
    ///
    /// `yes`: the first row has the names of the columns; `no`: it has values. By default, this is decided from the
    /// cells of the first row, or in a command with a model as in the table that the model was trained on. Without
    /// names, the columns are column1, column2, …
    #[arg(long, value_name = "YES|NO", value_enum, ignore_case = true, hide_possible_values = true)]
    #[arg(help_heading = "Data", hide_short_help = true)]
    pub header: Option<YesNo>,
}

/// Value of `--header`.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum YesNo {
    Yes,
    No,
}

/// Column names in one `--drop` option.
#[derive(Clone)]
pub struct Names(Vec<String>);

/// Options of a table to train on.
#[derive(Args)]
pub struct Columns {
    /// Target column of a table [default: the last]
    ///
    /// Built-in data sets have their own target, so there the option is an error.
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
    /// A weight is a number of at least 0. Losses and metrics are weighted means: a row of weight 2 counts as two rows. The
    /// column is no input.
    #[arg(long, value_name = "COLUMN", help_heading = "Data", hide_short_help = true)]
    pub weights: Option<String>,
    #[command(flatten)]
    pub reading: Reading,
}

impl Columns {
    /// Returns the options in the form that the library takes.
    pub fn form(&self) -> CsvOptions {
        let form = CsvOptions { target: self.target.clone(), weights: self.weights.clone(), ..self.reading.form() };
        self.drop.iter().flat_map(|names| &names.0).fold(form, CsvOptions::drop)
    }

    /// Returns the first option that is given of those for tables only, for error messages; `None` if none is.
    pub fn given(&self) -> Option<&'static str> {
        let dropped = (!self.drop.is_empty()).then_some("--drop");
        let weights = self.weights.as_ref().map(|_| "--weights");
        self.target.as_ref().map(|_| "--target").or(dropped).or(weights).or(self.reading.given())
    }
}

impl Reading {
    /// Returns `--delimiter` or `--header`, which are for tables only, if it is given, else `None`.
    pub fn given(&self) -> Option<&'static str> {
        self.delimiter.map(|_| "--delimiter").or(self.header.map(|_| "--header"))
    }

    /// Returns the options in the form that the library takes.
    pub fn form(&self) -> CsvOptions {
        let header = self.header.map(|header| header == YesNo::Yes);
        CsvOptions { delimiter: self.delimiter, header, ..CsvOptions::default() }
    }
}

/// Parses names like the header of a CSV table, so that a quoted name may contain commas.
fn names(text: &str) -> Result<Names, String> {
    let reader = ReaderBuilder::new().has_headers(false).trim(Trim::All).from_reader(text.as_bytes());
    let mut records = reader.into_records();
    match (records.next(), records.next()) {
        (Some(Ok(names)), None) => Ok(Names(names.iter().map(String::from).collect())),
        _ => Err("it must be one line of column names, separated by commas".into()),
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [byte] => Ok(*byte),
        _ => Err("it must be one ASCII character, or `tab`".into()),
    }
}
