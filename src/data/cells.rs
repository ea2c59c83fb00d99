//! Tables with columns of numbers, text, dates and missing cells. The kind of each column is found by inspection.

use std::fmt;
use std::path::Path;

use csv::Position;

use super::column_kind::{of_levels, of_numbers};
use super::column_warnings;
use super::csv_options::unnamed;
use super::decode::Decoded;
use super::inspect::of_header;
use super::layout::Layout;
use super::number_format::Column as Written;
use super::table::{Header, no_rows};
use super::target::Target;
use super::text::Text;
use super::text_format::CellReader;
use super::time_format::TimeFormat;
use super::values::{Collector, Unread, Values};
use super::{ColumnKind, CsvOptions, Inspection, KindChoice, Targets, Warning, bytes};
use crate::error::{Error, Result};

/// Maximum number of levels (different values) of a category that get one input each. All further levels share one
/// input.
pub(super) const MOST_LEVELS: usize = 64;

/// Table whose columns may hold numbers, text, dates and missing cells.
///
/// Reading finds the [`ColumnKind`] of each column; [`CsvOptions::kinds`] overrides it. A
/// [`Preparation`](super::Preparation) then converts the rows of the table to the inputs of a network.
///
/// # Examples
/// ```
/// use wgrad::data::{ColumnKind, CsvOptions, Preparation, Table};
/// # let folder = std::env::temp_dir().join(format!("wgrad-table-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).expect("it can be created");
/// # let path = folder.join("houses.csv");
/// # std::fs::write(&path, "area,garden,price\n50,no,1.5\n,yes,2.1\n80,yes,\n").expect("it can be written");
/// let table = Table::read(&path, &CsvOptions::default())?;
/// assert_eq!((table.len(), table.kind("garden")), (3, Some(ColumnKind::Boolean)));
/// let rows = table.rows(); // Rows without a price cannot be trained on.
/// let preparation = Preparation::fit(&table, &rows)?;
/// let houses = preparation.dataset(&table, &rows)?;
/// assert_eq!((houses.len(), houses.columns()), (2, &["area", "area is missing", "garden"].map(String::from)[..]));
/// # std::fs::remove_dir_all(&folder).expect("it can be deleted");
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Table {
    pub(super) name: String,
    /// Path of the file, for messages.
    pub(super) place: String,
    /// Number of rows, including rows without a target.
    pub(super) rows: usize,
    /// All columns but the target and the weights, in the order of the table.
    pub(super) columns: Vec<TableColumn>,
    /// Target column; `None` if the table was read without a target.
    pub(super) target: Option<Target>,
    /// Weight of each row; `None` if no column has weights.
    pub(super) weights: Option<Vec<f32>>,
    /// Notes on automatic decisions, for users to check.
    pub(super) notes: Vec<String>,
}

/// Column of a table that is neither the target nor the weights.
#[derive(Clone, PartialEq)]
pub(super) struct TableColumn {
    pub(super) name: String,
    pub(super) kind: ColumnKind,
    /// Rule by which the cells of the column were read.
    pub(super) reader: CellReader,
    pub(super) values: Values,
    /// Number of missing cells, including the cells in `unread`.
    pub(super) missing: usize,
    /// Cells with text that `reader` cannot read. They count as missing.
    pub(super) unread: Unread,
}

/// Shows the name, the column names and the number of rows, but no values.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns: Vec<&str> = self.columns.iter().map(|column| column.name.as_str()).collect();
        let mut table = f.debug_struct("Table");
        table.field("name", &self.name).field("columns", &columns).field("rows", &self.rows).finish_non_exhaustive()
    }
}

impl Table {
    /// Reads a file. The text is UTF-8, UTF-16 or Latin-1, and may be gzipped or zipped. Columns are separated by
    /// commas, tabs, semicolons, `|` or blanks. The kind of each column is found by inspection.
    ///
    /// A column named in [`CsvOptions::kinds`] has the requested kind.
    ///
    /// # Errors
    /// The file cannot be read or unpacked, is not text, or has no rows; a row differs in length from the header; a
    /// column of the options is unknown; numbers or dates are ambiguous; no cell of a column is of the requested kind;
    /// a row has no weight; no input is left. The target may also be the reason: it has no values, too many different
    /// texts for classes, or text although numbers were requested. Problems of several columns are reported in one
    /// error.
    pub fn read(path: impl AsRef<Path>, options: &CsvOptions) -> Result<Self> {
        let path = path.as_ref();
        let decoded = Decoded::read(path, options)?;
        let header = Header::new(decoded.text()?, options)?;
        let (mut table, warnings) = Self::inspected(&bytes::name(path), &header, options, decoded.notes.clone())?;
        table.notes.extend(warnings.into_iter().map(|warning| warning.message));
        table.notes.extend(header.layout.notes().into_iter().map(|(.., note)| note));
        Ok(table)
    }

    /// Reads a file like [`Table::read`], and also returns statistics and warnings. The warnings include notes on the
    /// header and on number formats.
    ///
    /// # Errors
    /// See [`Table::read`].
    pub fn read_and_inspect(path: impl AsRef<Path>, options: &CsvOptions) -> Result<(Self, Inspection)> {
        let path = path.as_ref();
        let decoded = Decoded::read(path, options)?;
        let header = Header::new(decoded.text()?, options)?;
        let name = bytes::name(path);
        let (table, warnings) = Self::inspected(&name, &header, options, decoded.notes.clone())?;
        let read_as = table.target.as_ref().map(Target::read_as);
        let mut inspection = of_header(&name, Header { read_as, ..header }, Some(&table))?;
        inspection.keep_what_remains(&table, options.read_as.is_some());
        inspection.warnings.splice(0..0, warnings);
        Ok((table, inspection))
    }

    /// Returns the table, and warnings about its columns.
    fn inspected(
        name: &str,
        header: &Header<'_>,
        options: &CsvOptions,
        notes: Vec<String>,
    ) -> Result<(Self, Vec<Warning>)> {
        let (text, layout) = (header.text, &header.layout);
        if layout.rows == 0 {
            return Err(no_rows(text));
        }
        let mut problems: Vec<Error> =
            options.kinds.keys().filter_map(|name| super::table::position(layout, name).err()).collect();
        let mut collectors: Vec<Collector> = vec![];
        let mut readers = vec![];
        for column in 0..layout.columns.len() {
            let choice = options.kinds.get(&layout.columns[column]).copied();
            let reader = chosen(layout, column, choice);
            let is_target = column == header.target;
            let is_weight = header.weights == Some(column);
            if header.is_input[column] || is_target || is_weight {
                problems.extend(unclear(text, layout, column, &reader, choice.is_some()).err());
            }
            collectors.push(match &reader {
                _ if is_target => Target::collector(&reader, options.read_as),
                _ if is_weight => Collector::numbers(CellReader::Number(layout.written[column].format())),
                _ if !header.is_input[column] => Collector::Skip,
                CellReader::Level | CellReader::UnclearDate(_) => Collector::levels(),
                CellReader::Number(_) if layout.codes[column] && choice.is_none() => Collector::levels(),
                reader => Collector::numbers(reader.clone()),
            });
            readers.push(reader);
        }
        collect(text, &(0..layout.columns.len()).collect::<Vec<_>>(), &mut collectors)?;
        let mut columns = vec![];
        let (mut target, mut weights) = (None, None);
        for (column, (collector, reader)) in collectors.into_iter().zip(readers).enumerate() {
            let name = layout.columns[column].clone();
            if column == header.target {
                target = problems_of(Target::of(header, collector, options.read_as), &mut problems);
            } else if header.weights == Some(column) {
                weights = problems_of(row_weights(text, &name, collector), &mut problems);
            } else {
                let is_chosen = options.kinds.contains_key(&name);
                columns.push(TableColumn::of(name, reader, collector, is_chosen, column == 0));
            }
        }
        let table = Self {
            name: name.into(),
            place: text.path.display().to_string(),
            rows: layout.rows,
            columns,
            target,
            weights,
            notes,
        };
        Error::combine(problems)?;
        let warnings = column_warnings::of(&table, header, options)?;
        table.without_inputs().map_or(Ok(()), Err)?;
        Ok((table, warnings))
    }

    /// Returns an error if no column can be an input of a network.
    fn without_inputs(&self) -> Option<Error> {
        let all_unused = self.columns.iter().all(|column| !column.kind.is_used());
        all_unused.then(|| {
            let reason = |column: &TableColumn| {
                format!("`{}` {}", column.name, column.kind.unused_because().unwrap_or_default())
            };
            let reasons: Vec<String> = self.columns.iter().take(3).map(reason).collect();
            let problem = format!("all columns but the target are left out: {}", reasons.join(", "));
            Error::data(&self.place, problem, "use one with `--column NAME=category` or `--column NAME=number`")
        })
    }

    /// Name of the data set: the name of the file without its extensions.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Number of rows, including rows without a target.
    pub fn len(&self) -> usize {
        self.rows
    }

    /// Returns true if there are no rows. This is always false after [`Table::read`], which refuses such tables.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Kind of the column with this name; `None` if there is no such column, or if it is the target or the weights.
    pub fn kind(&self, column: &str) -> Option<ColumnKind> {
        self.columns.iter().find(|known| known.name == column).map(|column| column.kind)
    }

    /// Notes on decoding, header, number formats and rows without a target, for users to check.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Indices of the rows that have a target, from 0. If the table was read without a target, these are all rows.
    pub fn rows(&self) -> Vec<usize> {
        (0..self.rows).filter(|row| self.target.as_ref().is_none_or(|target| target.has(*row))).collect()
    }

    /// Indices of the rows that have a target and no missing input, from 0.
    pub fn complete_rows(&self) -> Vec<usize> {
        let used: Vec<&Values> =
            self.columns.iter().filter(|column| column.kind.is_used()).map(|column| &column.values).collect();
        self.rows().into_iter().filter(|row| !used.iter().any(|values| values.is_missing(*row))).collect()
    }

    /// Number of missing cells of a column; `None` if there is no such column, or if it was dropped.
    pub(super) fn missing_cells(&self, column: &str) -> Option<usize> {
        let target = self.target.as_ref().filter(|target| target.name == column).map(|target| target.missing);
        let known = || self.column(column).filter(|known| known.kind != ColumnKind::Dropped);
        target.or_else(|| known().map(|known| known.missing))
    }

    /// Returns the column with this name; `None` if there is no such column, or if it is the target or the weights.
    pub(super) fn column(&self, name: &str) -> Option<&TableColumn> {
        self.columns.iter().find(|known| known.name == name)
    }

    /// Values of a column or of the target; `None` if there is no such column.
    pub(super) fn values(&self, column: &str) -> Option<&Values> {
        let target = self.target.as_ref().filter(|target| target.name == column).map(|target| &target.values);
        let known = || self.column(column).map(|known| &known.values);
        target.or_else(known)
    }

    /// Names of the input columns with missing cells, each with its number of missing cells.
    pub fn missing(&self) -> Vec<(&str, usize)> {
        let used = self.columns.iter().filter(|column| column.kind.is_used() && column.missing > 0);
        used.map(|column| (column.name.as_str(), column.missing)).collect()
    }

    /// Returns the targets of the rows with these indices; `None` if the table was read without a target. Each row must
    /// have a target: use indices from [`Table::rows`].
    ///
    /// # Panics
    /// If a row is not below [`len`](Self::len).
    pub fn targets(&self, rows: &[usize]) -> Option<Targets> {
        self.target.as_ref().map(|target| target.of_rows(rows))
    }

    /// CRC-32 of inputs, targets and weights. Models store it to identify the data.
    pub fn checksum(&self) -> u32 {
        let mut checksum = crc32fast::Hasher::new();
        let columns = self.columns.iter().map(|column| &column.values);
        for values in columns.chain(self.target.iter().map(|target| &target.values)) {
            match values {
                Values::Numbers(values) => checksum.update(bytemuck::cast_slice(values)),
                Values::Levels { indices, levels } => {
                    checksum.update(bytemuck::cast_slice(indices));
                    levels.iter().for_each(|level| checksum.update(level.as_bytes()));
                }
                Values::None => {}
            }
        }
        checksum.update(bytemuck::cast_slice(self.weights.as_deref().unwrap_or_default()));
        checksum.finalize()
    }
}

/// Converts the cells of the column `name` to weights of rows. A row without a weight is an error.
pub(super) fn row_weights(text: Text<'_>, name: &str, collector: Collector) -> Result<Vec<f32>> {
    let Collector::Numbers { values, missing, unread, .. } = collector else { return Ok(vec![]) };
    if missing > 0 {
        let place = unread.first.as_ref().map(|first| text.place(first.start, name));
        let place = place.unwrap_or_else(|| format!("{}, column `{name}`", text.path.display()));
        let problem = format!("{missing} of {} rows have no weight", values.len());
        return Err(Error::data(place, problem, "write a number of at least 0, or remove the rows"));
    }
    Ok(values.into_iter().map(|weight| weight as f32).collect())
}

/// Returns the value of a result. An error is added to `problems`, and `None` is returned.
fn problems_of<T>(result: Result<T>, problems: &mut Vec<Error>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

/// Reads all rows. Collector n gets the cells of the column with index `at[n]`.
pub(super) fn collect(text: Text<'_>, at: &[usize], collectors: &mut [Collector]) -> Result<()> {
    for record in text.rows() {
        let record = record?;
        let start = record.position().map_or(0, Position::byte);
        at.iter().zip(collectors.iter_mut()).for_each(|(column, collector)| collector.see(start, &record[*column]));
    }
    Ok(())
}

/// Returns the reader for the cells of a column: the one for the requested kind, or else the one found by inspection.
pub(super) fn chosen(layout: &Layout, column: usize, choice: Option<KindChoice>) -> CellReader {
    let found = layout.readers[column].clone();
    match (choice, found) {
        (None, found) | (Some(KindChoice::Date), found @ CellReader::Time(_)) => found,
        (Some(KindChoice::Number), CellReader::Boolean) => CellReader::Boolean,
        (Some(KindChoice::Number), _) => CellReader::Number(layout.written[column].format()),
        (Some(KindChoice::Category), _) => CellReader::Level,
        (Some(KindChoice::Date), _) => CellReader::Time(TimeFormat::YearMonthDay),
        (Some(KindChoice::DayFirst), _) => CellReader::Time(TimeFormat::DayMonthYear),
        (Some(KindChoice::MonthFirst), _) => CellReader::Time(TimeFormat::MonthDayYear),
    }
}

/// Refuses a column whose numbers or dates are ambiguous. If the user requested a kind (`is_chosen`), only numbers can
/// be ambiguous.
pub(super) fn unclear(text: Text, layout: &Layout, column: usize, reader: &CellReader, is_chosen: bool) -> Result<()> {
    let name = &layout.columns[column];
    let place = || format!("{}, column `{name}`", text.path.display());
    match reader {
        CellReader::UnclearDate(cell) => {
            let remedy = format!("use `--column {name}=dmy` if the day comes first, or `--column {name}=mdy`");
            Err(Error::data(place(), format!("`{cell}` may begin with the day or the month"), remedy))
        }
        CellReader::Level | CellReader::Time(_) if is_chosen => Ok(()),
        _ if matches!(layout.written[column], Written::Unclear { .. }) => layout.check(text, column),
        _ => Ok(()),
    }
}

impl TableColumn {
    /// Creates a column, and determines its kind from its values. A requested kind (`is_chosen`) is kept unless the
    /// column has no values. `is_first` is true for the first column of the table.
    fn of(name: String, reader: CellReader, collector: Collector, is_chosen: bool, is_first: bool) -> Self {
        match collector {
            Collector::Skip => {
                let (kind, values, unread) = (ColumnKind::Dropped, Values::None, Unread::default());
                Self { name, kind, reader, values, missing: 0, unread }
            }
            Collector::Numbers { values, missing, unread, .. } => {
                let kind = reader.kind();
                Self { name, kind, reader, values: Values::Numbers(values), missing, unread }
                    .checked(is_chosen, is_first)
            }
            levels @ Collector::Levels { .. } => {
                let found = levels.into_levels(false);
                if let CellReader::Number(format) = &reader
                    && found.levels.len() > MOST_LEVELS
                {
                    // Numbers with a leading zero, such as `007`, are read as levels. If there are too many levels,
                    // they become numbers.
                    let numbers: Vec<f64> =
                        found.levels.iter().map(|level| format.read(level).unwrap_or(f64::NAN)).collect();
                    let number = |index: &u32| numbers.get(*index as usize).copied().unwrap_or(f64::NAN);
                    let values = Values::Numbers(found.indices.iter().map(number).collect());
                    let (kind, missing, unread) = (ColumnKind::Number, found.missing, Unread::default());
                    return Self { name, kind, reader, values, missing, unread }.checked(is_chosen, is_first);
                }
                let kind = of_levels(&found.levels, &found.counts, found.missing);
                let kind = if is_chosen && kind != ColumnKind::Empty { ColumnKind::Category } else { kind };
                let values = Values::Levels { indices: found.indices, levels: found.levels };
                let values = if kind.is_used() { values } else { Values::None };
                let (reader, missing, unread) = (CellReader::Level, found.missing, Unread::default());
                Self { name, kind, reader, values, missing, unread }
            }
        }
    }

    /// Determines the kind of a column of numbers from all its values: constants, row numbers and ids are not used as
    /// inputs. A requested kind (`is_chosen`) is kept unless the column has no values.
    fn checked(self, is_chosen: bool, is_first: bool) -> Self {
        let Values::Numbers(values) = &self.values else { return self };
        let is_unnamed = is_first && self.name == unnamed(0);
        let found = of_numbers(&self.name, is_unnamed, values, self.kind);
        let kind = if is_chosen && found != ColumnKind::Empty { self.kind } else { found };
        if kind.is_used() { Self { kind, ..self } } else { Self { kind, values: Values::None, ..self } }
    }
}
