//! Formats of cells that are not numbers: dates, times, yes and no, or levels of a category.

use super::number_format::is_number;
use super::time_format::TimeFormat;
use super::{ColumnKind, NumberFormat};

/// Pairs of words for no and yes, in lower case.
const BOOLEANS: [(&str, &str); 6] =
    [("no", "yes"), ("false", "true"), ("n", "y"), ("f", "t"), ("off", "on"), (".false.", ".true.")];

/// Maximum number of different cells that are stored per column.
const FEW: usize = 3;

/// Rule by which the cells of a column are read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum CellReader {
    /// Numbers. A cell that is not a number is missing.
    Number(NumberFormat),
    /// Yes and no. They are read as 1 and 0.
    Boolean,
    /// Dates and times. They are read as seconds.
    Time(TimeFormat),
    /// Text or codes. Each different cell is a level of a category.
    Level,
    /// Dates that may begin with the day or the month, such as `03/04/2024`. The text is the first date of the column.
    UnclearDate(String),
}

impl CellReader {
    /// Kind of a column whose cells this rule converts to numbers.
    pub(super) fn kind(&self) -> ColumnKind {
        match self {
            Self::Boolean => ColumnKind::Boolean,
            Self::Time(_) => ColumnKind::Date,
            Self::Number(_) | Self::Level | Self::UnclearDate(_) => ColumnKind::Number,
        }
    }

    /// Name of the cells that can be read, such as `numbers`, for messages.
    pub(super) fn named(&self) -> &'static str {
        match self {
            Self::Number(_) => "numbers",
            Self::Boolean => "yes or no",
            Self::Time(format) => format.named(),
            Self::Level | Self::UnclearDate(_) => "levels",
        }
    }

    /// Returns the number in a cell; `None` if the cell cannot be read.
    pub(super) fn number(&self, cell: &str) -> Option<f64> {
        match self {
            Self::Number(format) => format.read(cell),
            Self::Boolean => boolean(cell).map(f64::from),
            Self::Time(format) => format.read(cell),
            Self::Level | Self::UnclearDate(_) => None,
        }
    }
}

/// Returns 1 for yes and 0 for no, in any spelling; `None` for other cells.
fn boolean(cell: &str) -> Option<u8> {
    let (mut no, mut yes) = (cell == "0", cell == "1");
    for (other_no, other_yes) in BOOLEANS {
        no |= other_no.eq_ignore_ascii_case(cell);
        yes |= other_yes.eq_ignore_ascii_case(cell);
    }
    (no || yes).then_some(yes.into())
}

/// Properties of the text cells seen so far, which determine how to read a column.
#[derive(Clone)]
pub(super) struct TextEvidence {
    /// For each format of [`TimeFormat::OF_TEXT`], true if it can read all cells so far.
    reads_all: [bool; TimeFormat::OF_TEXT.len()],
    /// For each format of [`TimeFormat::OF_TEXT`], true if all dates so far are the first day of a month.
    first_days: [bool; TimeFormat::OF_TEXT.len()],
    /// True if all cells so far are words for yes or no.
    booleans: bool,
    /// First different cells, at most three.
    first: Vec<String>,
    /// True if there are more than three different cells.
    more: bool,
    /// First unit after a number in a cell, such as `m2`, and the number of cells with this unit.
    unit: Option<(String, usize)>,
}

impl Default for TextEvidence {
    fn default() -> Self {
        let all = [true; TimeFormat::OF_TEXT.len()];
        Self { reads_all: all, first_days: all, booleans: true, first: vec![], more: false, unit: None }
    }
}

impl TextEvidence {
    pub(super) fn see(&mut self, cell: &str) {
        for (format, (reads, first)) in
            TimeFormat::OF_TEXT.iter().zip(self.reads_all.iter_mut().zip(&mut self.first_days))
        {
            if *reads {
                let time = format.read(cell);
                *reads = time.is_some();
                *first &= time.is_some_and(is_first_of_month);
            }
        }
        self.booleans = self.booleans && boolean(cell).is_some();
        if let Some(unit) = unit(cell) {
            let (known, cells) = self.unit.get_or_insert_with(|| (unit.into(), 0));
            *cells += usize::from(known == unit);
        }
        if !self.more && !self.first.iter().any(|known| known == cell) {
            if self.first.len() < FEW { self.first.push(cell.into()) } else { self.more = true }
        }
    }

    /// Returns true if there are at most three different cells.
    pub(super) fn are_few(&self) -> bool {
        !self.more
    }

    /// Returns the unit that at least two cells and nine in ten cells have, if there is one. `cells` is the number of
    /// all cells.
    pub(super) fn unit(&self, cells: usize) -> Option<&str> {
        let (unit, with_unit) = self.unit.as_ref()?;
        (*with_unit > 1 && 10 * with_unit >= 9 * cells).then_some(unit)
    }

    /// Determines how to read the cells of a column without numbers.
    pub(super) fn reader(&self) -> CellReader {
        let [year, day, month, clock] = self.reads_all;
        if self.booleans {
            // A single word in all cells is not a boolean, since only one of yes and no appears.
            return if self.first.len() > 1 { CellReader::Boolean } else { CellReader::Level };
        }
        match (year, day, month) {
            (true, ..) => CellReader::Time(TimeFormat::YearMonthDay),
            (_, true, false) => CellReader::Time(TimeFormat::DayMonthYear),
            (_, false, true) => CellReader::Time(TimeFormat::MonthDayYear),
            (_, true, true) => self.day_or_month(),
            _ if clock => CellReader::Time(TimeFormat::Clock),
            _ => CellReader::Level,
        }
    }

    /// Decides between day and month as the first part of dates that can be read both ways. Dates with points begin
    /// with the day. Otherwise, a part that is always 1 is the day.
    fn day_or_month(&self) -> CellReader {
        let cell = self.first.first().cloned().unwrap_or_default();
        let [_, day, month, _] = self.first_days;
        match (cell.contains('.'), day, month) {
            (true, ..) | (_, true, false) => CellReader::Time(TimeFormat::DayMonthYear),
            (_, _, true) => CellReader::Time(TimeFormat::MonthDayYear),
            (false, false, false) => CellReader::UnclearDate(cell),
        }
    }
}

/// Returns the unit in a cell that begins with a number, such as `m2` in `224 m2`.
fn unit(cell: &str) -> Option<&str> {
    let (number, unit) = cell.split_at(cell.find(|c: char| c.is_alphabetic() || c == '°')?);
    (!number.trim().is_empty() && is_number(number.trim())).then_some(unit)
}

fn is_first_of_month(time: f64) -> bool {
    super::time_format::date_of((time / super::time_format::DAY).floor() as i64).2 == 0
}
