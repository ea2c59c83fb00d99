//! The options that say how a table is read: which columns, and what separates them.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use csv::{ReaderBuilder, Trim};
use wgrad::data::CsvOptions;

/// Where data are found, and how a table's text is read.
#[derive(Args)]
pub struct Reading {
    /// Folder of MNIST's four files, plain or gzipped
    #[arg(long, value_name = "FOLDER", value_hint = clap::ValueHint::DirPath, help_heading = "Data")]
    pub data_dir: Option<PathBuf>,
    /// What separates the columns of a table: a character, or `tab` [default: what its header shows]
    #[arg(long, value_name = "CHAR", value_parser = delimiter, allow_hyphen_values = true, help_heading = "Data")]
    pub delimiter: Option<u8>,
    /// Takes a table's first row for the names of its columns, or for values [default: as it looks, or as the model knows]
    #[arg(long, value_name = "YES|NO", value_enum, hide_possible_values = true, help_heading = "Data")]
    pub header: Option<YesNo>,
}

/// An answer.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum YesNo {
    Yes,
    No,
}

/// The columns that one option names.
#[derive(Clone)]
pub struct Names(Vec<String>);

/// How a table is read to be trained on.
#[derive(Args)]
pub struct Columns {
    /// Target column of a table [default: the last]
    #[arg(long, value_name = "COLUMN", help_heading = "Data")]
    pub target: Option<String>,
    /// Columns of a table that are no inputs, such as an id or a name; several with commas, or one option each; a name
    /// with a comma in double quotes, as in '"a,b",c'
    #[arg(long, value_name = "COLUMN", value_parser = names, help_heading = "Data")]
    pub drop: Vec<Names>,
    #[command(flatten)]
    pub reading: Reading,
}

impl Columns {
    /// As the library wants it.
    pub fn form(&self) -> CsvOptions {
        let form = CsvOptions { target: self.target.clone(), ..self.reading.form() };
        self.drop.iter().flat_map(|names| &names.0).fold(form, CsvOptions::drop)
    }

    /// The first option that is given, for data that are no table.
    pub fn given(&self) -> Option<&'static str> {
        let dropped = (!self.drop.is_empty()).then_some("--drop");
        self.target.as_ref().map(|_| "--target").or(dropped).or(self.reading.given())
    }
}

impl Reading {
    /// As [`Columns::given`].
    pub fn given(&self) -> Option<&'static str> {
        self.delimiter.map(|_| "--delimiter").or(self.header.map(|_| "--header"))
    }

    /// As [`Columns::form`].
    pub fn form(&self) -> CsvOptions {
        let header = self.header.map(|header| header == YesNo::Yes);
        CsvOptions { delimiter: self.delimiter, header, ..CsvOptions::default() }
    }
}

/// Reads names as a table's header is read, which may hold commas.
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
