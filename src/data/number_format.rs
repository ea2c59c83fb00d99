//! Number formats: `$12,500.00`, `45.1%`, `3,5`, `−3.77`. The format of a column is determined from all its cells,
//! since `45,175` alone may be 45175 or 45.175.

use serde::{Deserialize, Serialize};

use super::text::{ONE_WAY, is_missing};
use super::text_format::{CellReader, TextEvidence};
use super::time_format::TimeFormat;
use crate::error::{Error, Result};

/// Format of the numbers in a column. The plain format, [`NumberFormat::PLAIN`], is `-1234.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberFormat {
    /// Decimal sign: `.` or `,`.
    pub decimal: char,
    /// Thousands separator: a comma, point, apostrophe or space that differs from the decimal sign. `None` if there is
    /// none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// Currency sign, before or after the digits; `None` if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<char>,
    /// True if every number has a percent sign; `45.1%` is read as 45.1.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub percent: bool,
}

/// Supported pairs of decimal sign and thousands separator. The plain style is first; styles with a decimal comma begin
/// at index 4.
const STYLES: [(char, Option<char>); 8] = [
    ('.', None),
    ('.', Some(',')),
    ('.', Some('\'')),
    ('.', Some(' ')),
    (',', None),
    (',', Some('.')),
    (',', Some('\'')),
    (',', Some(' ')),
];

/// Supported currency signs.
const CURRENCIES: [char; 8] = ['$', '€', '£', '¥', '₹', '₩', '₽', '₺'];

impl NumberFormat {
    /// Plain format, as programs write numbers: `-1234.5`.
    pub const PLAIN: Self = Self { decimal: '.', thousands: None, currency: None, percent: false };

    /// Refuses unsupported decimal signs, thousands separators and currency signs.
    pub(crate) fn check(&self, place: &str) -> Result<()> {
        let wrong = |what: &str, sign: char, wanted: &str| Err(Error::value(place, what, format!("`{sign}`"), wanted));
        if !STYLES.iter().any(|(decimal, _)| *decimal == self.decimal) {
            return wrong("decimal sign", self.decimal, "`.` or `,`");
        }
        if let Some(sign) = self.thousands.filter(|_| !STYLES.contains(&(self.decimal, self.thousands))) {
            return wrong("thousands separator", sign, "a comma, point, apostrophe or space, and not the decimal sign");
        }
        match self.currency.filter(|sign| !CURRENCIES.contains(sign)) {
            Some(sign) => wrong("currency sign", sign, &format!("one of {}", listed(&CURRENCIES))),
            None => Ok(()),
        }
    }

    /// Returns the number in a cell; `None` if the cell is not in this format. A cell may lack the thousands separators
    /// and the currency sign.
    ///
    /// # Examples
    /// ```
    /// use wgrad::data::NumberFormat;
    /// let dollars = NumberFormat { thousands: Some(','), currency: Some('$'), ..NumberFormat::PLAIN };
    /// assert_eq!((dollars.read("$12,500.00"), dollars.read("12.5"), dollars.read("€5")), (Some(12_500.0), Some(12.5), None));
    /// ```
    pub fn read(&self, cell: &str) -> Option<f64> {
        if *self == Self::PLAIN
            && let Ok(number) = cell.parse()
        {
            return Some(number);
        }
        let written = Written::of(cell);
        let sign = written.currency.is_none() || written.currency == self.currency;
        (sign && written.percent == self.percent).then(|| written.number((self.decimal, self.thousands)))?
    }
}

/// Cell that is split into sign, currency, percent sign and digits.
struct Written {
    negative: bool,
    currency: Option<char>,
    percent: bool,
    /// Rest of the cell. It may have separators, an exponent, or text that is not a number.
    digits: String,
}

impl Written {
    fn of(cell: &str) -> Self {
        // Replaces Unicode variants of minus, apostrophe and space.
        let usual = |c: char| match c {
            '\u{2212}' => '-',
            '\u{2019}' => '\'',
            '\u{a0}' | '\u{202f}' | '\u{2009}' => ' ',
            other => other,
        };
        let text: String = cell.chars().map(usual).collect();
        let (mut rest, mut signed) = (text.trim(), false);
        let mut written = Self { negative: false, currency: None, percent: false, digits: String::new() };
        // Accepts both `-$5` and `$-5`.
        while let Some(first) = rest.chars().next() {
            match first {
                '-' | '+' if !signed => (signed, written.negative) = (true, first == '-'),
                sign if CURRENCIES.contains(&sign) && written.currency.is_none() => written.currency = Some(sign),
                _ => break,
            }
            rest = rest[first.len_utf8()..].trim_start();
        }
        while let Some(last) = rest.chars().next_back() {
            match last {
                '%' if !written.percent => written.percent = true,
                sign if CURRENCIES.contains(&sign) && written.currency.is_none() => written.currency = Some(sign),
                _ => break,
            }
            rest = rest[..rest.len() - last.len_utf8()].trim_end();
        }
        Self { digits: rest.into(), ..written }
    }

    /// Returns the number; `None` if the digits are not in this style, a pair of decimal sign and thousands separator.
    fn number(&self, (decimal, thousands): (char, Option<char>)) -> Option<f64> {
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (mantissa, exponent) = match self.digits.find(['e', 'E']) {
            Some(at) => self.digits.split_at(at),
            None => (self.digits.as_str(), ""),
        };
        let (whole, fraction) = mantissa.split_once(decimal).unwrap_or((mantissa, ""));
        let mut groups = whole.split(|c| Some(c) == thousands).peekable();
        let first = groups.next().unwrap_or("");
        let mut joined = first.to_string();
        // Indian numbers have groups of two digits above the thousands: `₹1,23,45,678`.
        let pairs = self.currency == Some('₹') && groups.peek().is_some_and(|group| group.len() == 2);
        while let Some(group) = groups.next() {
            let digits = if pairs && groups.peek().is_some() { 2 } else { 3 };
            // A group of thousands cannot follow a leading zero: `0,125` has a decimal comma.
            if !(1..=3).contains(&first.len()) || first.starts_with('0') || group.len() != digits {
                return None;
            }
            joined += group;
        }
        if !all_digits(&joined) || !all_digits(fraction) || (joined.is_empty() && fraction.is_empty()) {
            return None;
        }
        let number: f64 = format!("{joined}.{fraction}{exponent}").parse().ok()?;
        Some(if self.negative { -number } else { number })
    }
}

/// Returns true if a cell is a number in any style.
pub(super) fn is_number(cell: &str) -> bool {
    cell.parse::<f64>().is_ok() || {
        let written = Written::of(cell);
        STYLES.iter().any(|style| written.number(*style).is_some())
    }
}

/// Cell of a table, with the position of its row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// Byte offset at which the reader began to look for the row of the cell; empty lines may precede the row.
    pub(super) start: u64,
    pub(super) cell: String,
}

/// Contents of a column, with the format of its numbers.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Column {
    /// Numbers and missing cells only. `unusual` is the first cell that the user should check. Either the plain format
    /// does not read it as the same number, or the known format reads it as another number.
    Numbers { format: NumberFormat, unusual: Option<Found> },
    /// Numbers in an ambiguous format. `first` is the cell that the error names.
    Unclear { problem: String, remedy: &'static str, first: Found },
    /// Cells with text, at least one; `first` is the first of them. `numbers` and `texts` are the numbers of cells.
    /// `all_whole` is true if all numbers are whole, and `format` is the format of the numbers.
    Text { numbers: usize, texts: usize, all_whole: bool, format: NumberFormat, first: Found },
}

impl Column {
    /// Format of the numbers; the plain format if it is ambiguous.
    pub(super) fn format(&self) -> NumberFormat {
        match self {
            Self::Numbers { format, .. } | Self::Text { format, .. } => *format,
            Self::Unclear { .. } => NumberFormat::PLAIN,
        }
    }
}

/// Properties of the cells seen so far, which determine the number format of a column.
#[derive(Clone)]
pub(super) struct Evidence {
    /// For each style of [`STYLES`], true if it can read all numbers so far.
    reads_all: [bool; STYLES.len()],
    numbers: usize,
    texts: usize,
    all_whole: bool,
    percents: usize,
    currencies: Vec<char>,
    /// First number with a comma or a point among its digits.
    separated: Option<Found>,
    /// True if at least one number without a comma or point has at most three digits.
    short: bool,
    /// True if at least one number without a comma or point has more than three digits.
    long: bool,
    /// First number that is not in the plain format.
    unusual: Option<Found>,
    first_number: Option<Found>,
    first_text: Option<Found>,
    /// True if all cells so far are dates such as `20240301`.
    dates: bool,
    /// True if at least one number has a leading zero, as in codes such as `007`.
    pub(super) codes: bool,
    /// Properties of the cells that are not numbers.
    pub(super) text: TextEvidence,
}

impl Evidence {
    pub(super) fn new() -> Self {
        Self {
            reads_all: [true; STYLES.len()],
            numbers: 0,
            texts: 0,
            all_whole: true,
            percents: 0,
            currencies: vec![],
            separated: None,
            short: false,
            long: false,
            unusual: None,
            first_number: None,
            first_text: None,
            dates: true,
            codes: false,
            text: TextEvidence::default(),
        }
    }

    /// Adds a cell. `start` is the byte offset of its row in the text.
    pub(super) fn see(&mut self, start: u64, cell: &str) {
        if cell.is_empty() || is_missing(cell) {
            return;
        }
        self.dates = self.dates && TimeFormat::Digits.read(cell).is_some();
        self.codes = self.codes || (cell.starts_with('0') && is_code(cell));
        // Plain numbers such as `-12.5` need no more tests if all styles with a decimal comma are excluded.
        if let Some(whole) = digits_and_point(cell)
            && self.separated.is_some()
            && !self.reads_all[4..].contains(&true)
        {
            self.numbers += 1;
            self.all_whole &= whole;
            return;
        }
        let found = || Found { start, cell: cell.into() };
        if let Ok(number) = cell.parse::<f64>() {
            self.numbers += 1;
            self.first_number.get_or_insert_with(found);
            self.all_whole &= number.fract() == 0.0;
            self.digits(start, cell, cell);
            // A plain number is readable in all styles with a decimal point, so only styles with a comma are tested.
            if cell.contains('.') && self.reads_all[4..].contains(&true) {
                self.keep(&Written::of(cell), 4);
            }
            return;
        }
        let written = Written::of(cell);
        let number = STYLES.iter().find_map(|style| written.number(*style));
        let Some(number) = number else {
            self.texts += 1;
            self.first_text.get_or_insert_with(found);
            self.text.see(cell);
            return;
        };
        self.numbers += 1;
        self.first_number.get_or_insert_with(found);
        self.all_whole &= number.fract() == 0.0;
        self.percents += usize::from(written.percent);
        if let Some(sign) = written.currency.filter(|sign| !self.currencies.contains(sign)) {
            self.currencies.push(sign);
        }
        self.digits(start, cell, &written.digits);
        self.unusual.get_or_insert_with(found);
        self.keep(&written, 0);
    }

    /// Returns the unit after the number in nearly all text cells, such as `m2`; `None` if there is no such unit.
    pub(super) fn unit(&self) -> Option<String> {
        self.text.unit(self.texts).map(String::from)
    }

    /// Records the first number with a comma or point. For a number without one, records if it is short or long.
    fn digits(&mut self, start: u64, cell: &str, digits: &str) {
        if digits.contains([',', '.']) {
            self.separated.get_or_insert_with(|| Found { start, cell: cell.into() });
        } else {
            let long = digits.bytes().filter(u8::is_ascii_digit).count() > 3;
            (self.short, self.long) = (self.short || !long, self.long || long);
        }
    }

    /// Excludes the styles that cannot read the number. Styles before index `first` are not tested.
    fn keep(&mut self, written: &Written, first: usize) {
        let styles = self.reads_all.iter_mut().zip(STYLES).skip(first);
        styles.for_each(|(reads, style)| *reads = *reads && written.number(style).is_some());
    }

    /// Returns the first style with a decimal point, and the first with a decimal comma, that can read all numbers so
    /// far. Either may be `None`.
    fn left(&self) -> [Option<(char, Option<char>)>; 2] {
        let of = |decimal: char| {
            let mut styles = STYLES.iter().zip(self.reads_all);
            styles.find(|((sign, _), reads)| *sign == decimal && *reads).map(|(style, _)| *style)
        };
        [of('.'), of(',')]
    }

    /// Returns the decimal sign that the numbers of this column prove; `None` if it is ambiguous, or if the column has
    /// text.
    fn decimal(&self) -> Option<char> {
        if self.texts > 0 || self.separated.is_none() {
            return None;
        }
        match self.left() {
            [Some(_), None] => Some('.'),
            [None, Some(_)] => Some(','),
            _ => None,
        }
    }

    /// Returns the rule by which the cells of the column are read. `written` has the contents of the column, and
    /// `of_numbers` computes the contents without text cells.
    fn reader(&self, written: &Column, of_numbers: impl FnOnce() -> Column) -> CellReader {
        match written {
            Column::Unclear { .. } => CellReader::Number(NumberFormat::PLAIN),
            Column::Numbers { .. } if self.numbers == 0 => CellReader::Level,
            Column::Numbers { .. } if self.dates => CellReader::Time(TimeFormat::Digits),
            Column::Numbers { format, .. } => CellReader::Number(*format),
            Column::Text { numbers: 0, .. } => self.text.reader(),
            // At most three different words, in at most a tenth of the cells, stand for missing numbers.
            Column::Text { numbers, texts, .. } if *numbers >= 9 * texts && self.text.are_few() => match of_numbers() {
                Column::Numbers { format, .. } => CellReader::Number(format),
                Column::Unclear { .. } | Column::Text { .. } => CellReader::Level,
            },
            Column::Text { .. } => CellReader::Level,
        }
    }

    /// Determines the contents and number format of the column. `decimal` is the decimal sign that all unambiguous
    /// columns of the table share, if they do. The `known` format is used if the table itself is ambiguous.
    fn column(&self, decimal: Option<char>, known: Option<NumberFormat>, delimiter: u8) -> Column {
        let Some(first) = &self.first_text else { return self.column_of_numbers(decimal, known, delimiter) };
        let Self { numbers, texts, all_whole, .. } = *self;
        // Without a known format, numbers among text are read as plain.
        let format = known.map(|_| self.column_of_numbers(decimal, known, delimiter).format());
        Column::Text { numbers, texts, all_whole, format: format.unwrap_or(NumberFormat::PLAIN), first: first.clone() }
    }

    /// Determines the number format from the cells that are numbers. Text is ignored.
    fn column_of_numbers(&self, decimal: Option<char>, known: Option<NumberFormat>, delimiter: u8) -> Column {
        let Some(first) = &self.first_number else {
            return Column::Numbers { format: NumberFormat::PLAIN, unusual: None };
        };
        let unclear =
            |problem: String, first: &Found| Column::Unclear { problem, remedy: ONE_WAY, first: first.clone() };
        if let Some(problem) = known.and_then(|known| self.other_unit(known, first)) {
            let remedy = "write the numbers in the column's unit, and with its sign";
            return Column::Unclear { problem, remedy, first: self.unusual.as_ref().unwrap_or(first).clone() };
        }
        let shown = self.unusual.as_ref().unwrap_or(first);
        let cell = &shown.cell;
        if self.percents > 0 && self.percents < self.numbers {
            let problem =
                format!("{} of {} numbers have a percent sign, such as `{cell}`", self.percents, self.numbers);
            return unclear(problem, shown);
        }
        if self.currencies.len() > 1 {
            let problem = format!("numbers have different currency signs: {}", listed(&self.currencies));
            return unclear(problem, shown);
        }
        let style = match self.style(decimal, known, delimiter) {
            Ok(style) => style,
            Err(problem) => return unclear(problem, shown),
        };
        let format = NumberFormat {
            decimal: style.0,
            thousands: style.1,
            currency: self.currencies.first().copied(),
            percent: self.percents > 0,
        };
        let otherwise = |found: &&Found| {
            let number = format.read(&found.cell);
            let as_known = known.and_then(|known| known.read(&found.cell));
            number != found.cell.parse().ok() || (as_known.is_some() && number != as_known)
        };
        let unusual = [&self.separated, &self.unusual].into_iter().flatten().filter(otherwise);
        Column::Numbers { format, unusual: unusual.min_by_key(|found| found.start).cloned() }
    }

    /// Returns decimal sign and thousands separator. The error is the reason why they are ambiguous.
    fn style(
        &self,
        decimal: Option<char>,
        known: Option<NumberFormat>,
        delimiter: u8,
    ) -> std::result::Result<(char, Option<char>), String> {
        let (point, comma) = match self.left() {
            [Some(style), None] | [None, Some(style)] => return Ok(style),
            [Some(point), Some(comma)] => (point, comma),
            [None, None] => {
                let first = self.unusual.as_ref().map_or("", |found| &found.cell);
                return Err(format!("numbers are written in more than one format, the first unusual one as `{first}`"));
            }
        };
        let Some(Found { cell, .. }) = &self.separated else { return Ok(point) };
        // With a currency sign, a point may be a thousands separator, too: `1.234 €`.
        let plain = (self.reads_all[0] && self.currencies.is_empty()).then_some('.');
        let known = known.filter(|known| self.is_read_by((known.decimal, known.thousands)));
        // In a comma-separated table, the decimal sign is a point if all numbers without a separator have at most three
        // digits: commas then appear only from 1,000 on.
        let by_size = (delimiter == b',' && self.short && !self.long).then_some('.');
        match decimal.or(plain).or(known.map(|known| known.decimal)).or(by_size) {
            Some('.') => Ok(point),
            Some(_) => Ok(comma),
            None => {
                let written = Written::of(cell);
                let [with_point, with_comma] = [point, comma].map(|style| written.number(style).unwrap_or_default());
                Err(format!(
                    "`{cell}` is {with_point} if its decimal sign is a point, and {with_comma} if it is a comma"
                ))
            }
        }
    }

    /// Returns true if all numbers so far are readable in this style.
    fn is_read_by(&self, style: (char, Option<char>)) -> bool {
        STYLES.iter().zip(self.reads_all).any(|(other, reads)| *other == style && reads)
    }

    /// Returns a problem if percent or currency signs contradict the `known` format; `None` otherwise. `first` is the
    /// first number.
    fn other_unit(&self, known: NumberFormat, first: &Found) -> Option<String> {
        let cell = &self.unusual.as_ref().unwrap_or(first).cell;
        if known.percent && self.percents == 0 {
            return Some(format!("`{cell}` has no percent sign, but the column's numbers are known to have one"));
        }
        if !known.percent && self.percents > 0 {
            return Some(format!("`{cell}` has a percent sign, but the column's numbers are known to have none"));
        }
        let sign = known.currency.filter(|sign| self.currencies.iter().any(|other| other != sign))?;
        Some(format!("`{cell}` has a currency sign other than `{sign}`, which the column is known to have"))
    }
}

/// Returns true if a cell of digits is a whole number, and false if it has a fraction. A minus sign and a point are
/// allowed; `None` for other cells.
fn digits_and_point(cell: &str) -> Option<bool> {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!whole.is_empty() && all_digits(whole) && all_digits(fraction)).then(|| fraction.bytes().all(|byte| byte == b'0'))
}

/// Returns true if a cell has only digits, at least two, and begins with a zero.
fn is_code(cell: &str) -> bool {
    matches!(cell.as_bytes(), [b'0', b'0'..=b'9', ..]) && cell.bytes().all(|byte| byte.is_ascii_digit())
}

/// Determines the contents of each column of a table, and how to read its cells. Each column has evidence and a known
/// format, if any.
pub(super) fn columns(
    evidence: &[(Evidence, Option<NumberFormat>)],
    delimiter: u8,
) -> impl Iterator<Item = (Column, CellReader)> {
    let shown: Vec<char> = evidence.iter().filter_map(|(column, _)| column.decimal()).collect();
    let one = shown.first().copied().filter(|first| shown.iter().all(|sign| sign == first));
    evidence.iter().map(move |(column, known)| {
        let written = column.column(one, *known, delimiter);
        let reader = column.reader(&written, || column.column_of_numbers(one, *known, delimiter));
        (written, reader)
    })
}

fn listed(signs: &[char]) -> String {
    signs.iter().map(|sign| format!("`{sign}`")).collect::<Vec<_>>().join(", ")
}
