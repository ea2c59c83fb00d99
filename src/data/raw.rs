//! Tables as raw text: the cells of all rows as they are in the file, but without quotes and surrounding spaces.

use std::path::Path;

use super::CsvOptions;
use super::decode::Decoded;
use super::layout::Layout;
use crate::error::Result;

/// Raw table: the cells as text, for copying rows. The rows are in the order of a [`Table`](super::Table) of the same
/// file.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RawTable {
    /// Names of the columns; `None` if the table has no header.
    pub header: Option<Vec<String>>,
    /// Cells of each row. Every row has one cell per column.
    pub rows: Vec<Vec<String>>,
    /// Delimiter between columns; a tab if runs of blanks separate them.
    pub delimiter: u8,
}

/// Returns the text of a table as UTF-8: the file is unpacked and decoded as for [`Table::read`](super::Table::read).
/// If runs of blanks separate the columns, they are replaced by tabs.
///
/// # Errors
/// The file cannot be read or unpacked, or is not text.
pub fn table_text(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    let path = path.as_ref();
    Ok(Decoded::read(path, &CsvOptions::default())?.bytes.into_owned())
}

impl RawTable {
    /// Reads a file, with the same rows and columns as [`Table::read`](super::Table::read).
    ///
    /// # Errors
    /// The file cannot be read or unpacked, or is not text; a quote is not closed; a row differs in length from the
    /// header.
    pub fn read(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Self> {
        let path = path.as_ref();
        let decoded = Decoded::read(path, options)?;
        let (text, layout) = Layout::of(decoded.text()?, options)?;
        let rows = text.rows().map(|row| Ok(row?.iter().map(String::from).collect())).collect::<Result<_>>()?;
        let header = layout.first_row.is_header().then_some(layout.columns);
        Ok(Self { header, rows, delimiter: text.delimiter })
    }
}
