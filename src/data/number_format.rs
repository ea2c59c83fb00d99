//! Numbers as people write them: `$12,500.00`, `45.1%`, `3,5`, `−3.77`. How a column writes them is decided over all of its
//! cells, since `45,175` alone may be 45175 or 45.175.

use serde::{Deserialize, Serialize};

use super::text::is_missing;

/// How the numbers of a column are written. Without any sign: `-1234.5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NumberFormat {
    /// Decimal sign: a point or a comma.
    pub decimal: char,
    /// Sign between groups of three digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thousands: Option<char>,
    /// Currency sign, before or behind the digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<char>,
    /// Whether every number has a percent sign; `45.1%` is read as 45.1.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub percent: bool,
}

/// Decimal sign and thousands separator; the plain one first, and those with a point before those with a comma.
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

const CURRENCIES: [char; 8] = ['$', '€', '£', '¥', '₹', '₩', '₽', '₺'];

impl NumberFormat {
    /// Numbers as programs write them.
    pub const PLAIN: Self = Self { decimal: '.', thousands: None, currency: None, percent: false };

    /// The number in a cell, if it is written so; a number without thousands separators or currency sign is, too.
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

/// A cell with its signs taken off.
struct Written {
    negative: bool,
    currency: Option<char>,
    percent: bool,
    digits: String,
}

impl Written {
    fn of(cell: &str) -> Self {
        // Other spellings of the same signs: minus, apostrophe, and blanks that do not break a line.
        let usual = |c: char| match c {
            '\u{2212}' => '-',
            '\u{2019}' => '\'',
            '\u{a0}' | '\u{202f}' | '\u{2009}' => ' ',
            other => other,
        };
        let text: String = cell.chars().map(usual).collect();
        let (mut rest, mut signed) = (text.trim(), false);
        let mut written = Self { negative: false, currency: None, percent: false, digits: String::new() };
        // `-$5` and `$-5`.
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

    /// The number, if its digits are written in that style.
    fn number(&self, (decimal, thousands): (char, Option<char>)) -> Option<f64> {
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let (mantissa, exponent) = match self.digits.find(['e', 'E']) {
            Some(at) => self.digits.split_at(at),
            None => (self.digits.as_str(), ""),
        };
        let (whole, fraction) = mantissa.split_once(decimal).unwrap_or((mantissa, ""));
        let mut groups = whole.split(|c| Some(c) == thousands);
        let first = groups.next().unwrap_or("");
        let mut joined = first.to_string();
        for group in groups {
            // Nobody groups digits behind a zero: `0,125` has a decimal comma.
            if !(1..=3).contains(&first.len()) || first.starts_with('0') || group.len() != 3 {
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

/// Whether a cell is a number in any style.
pub(super) fn is_number(cell: &str) -> bool {
    cell.parse::<f64>().is_ok() || {
        let written = Written::of(cell);
        STYLES.iter().any(|style| written.number(*style).is_some())
    }
}

/// A cell and where the reader began to look for its row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    pub(super) start: u64,
    pub(super) cell: String,
}

/// How a column is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Column {
    /// Numbers, if any; `unusual` is the first that is not written plainly.
    Numbers { format: NumberFormat, unusual: Option<Found> },
    /// Numbers whose values cannot be told.
    Unclear { problem: String, remedy: &'static str, first: Found },
    /// Some cells are no numbers in any style; `first` is the first of them.
    Text { numbers: usize, texts: usize, all_whole: bool, first: Found },
}

impl Column {
    /// The format to read cells with. In a column of text a number is plain, if it is one.
    pub(super) fn format(&self) -> NumberFormat {
        match self {
            Self::Numbers { format, .. } => *format,
            Self::Unclear { .. } | Self::Text { .. } => NumberFormat::PLAIN,
        }
    }
}

/// What the cells of a column say of how it is written.
#[derive(Clone)]
pub(super) struct Evidence {
    /// Whether each of [`STYLES`] reads all numbers so far.
    reads_all: [bool; STYLES.len()],
    numbers: usize,
    texts: usize,
    all_whole: bool,
    percents: usize,
    currencies: Vec<char>,
    /// The first with a comma or a point among its digits.
    separated: Option<Found>,
    /// Numbers of at most three digits without a separator, and of more.
    short: bool,
    long: bool,
    unusual: Option<Found>,
    first_text: Option<Found>,
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
            first_text: None,
        }
    }

    pub(super) fn see(&mut self, start: u64, cell: &str) {
        if cell.is_empty() || is_missing(cell) {
            return;
        }
        // Most cells are `-12.5`, in columns of which nothing else is to be found out.
        if let Some(whole) = digits_and_point(cell)
            && self.separated.is_some()
            && !self.reads_all[4..].contains(&true)
        {
            self.numbers += 1;
            self.all_whole &= whole;
            return;
        }
        if let Ok(number) = cell.parse::<f64>() {
            self.numbers += 1;
            self.all_whole &= number.fract() == 0.0;
            self.digits(start, cell, cell);
            // A plain number is read by all styles with a point.
            if cell.contains('.') && self.reads_all[4..].contains(&true) {
                self.keep(&Written::of(cell), 4);
            }
            return;
        }
        let written = Written::of(cell);
        let number = STYLES.iter().find_map(|style| written.number(*style));
        let found = || Found { start, cell: cell.into() };
        let Some(number) = number else {
            self.texts += 1;
            self.first_text.get_or_insert_with(found);
            return;
        };
        self.numbers += 1;
        self.all_whole &= number.fract() == 0.0;
        self.percents += usize::from(written.percent);
        if let Some(sign) = written.currency.filter(|sign| !self.currencies.contains(sign)) {
            self.currencies.push(sign);
        }
        self.digits(start, cell, &written.digits);
        self.unusual.get_or_insert_with(found);
        self.keep(&written, 0);
    }

    fn digits(&mut self, start: u64, cell: &str, digits: &str) {
        if digits.contains([',', '.']) {
            self.separated.get_or_insert_with(|| Found { start, cell: cell.into() });
        } else {
            let long = digits.bytes().filter(u8::is_ascii_digit).count() > 3;
            (self.short, self.long) = (self.short || !long, self.long || long);
        }
    }

    /// Keeps the styles, from `first` on, that read a number.
    fn keep(&mut self, written: &Written, first: usize) {
        let styles = self.reads_all.iter_mut().zip(STYLES).skip(first);
        styles.for_each(|(reads, style)| *reads = *reads && written.number(style).is_some());
    }

    /// The styles that are left: one with a point, one with a comma.
    fn left(&self) -> [Option<(char, Option<char>)>; 2] {
        let of = |decimal: char| {
            let mut styles = STYLES.iter().zip(self.reads_all);
            styles.find(|((sign, _), reads)| *sign == decimal && *reads).map(|(style, _)| *style)
        };
        [of('.'), of(',')]
    }

    /// The decimal sign that the column shows to be one.
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

    /// How the column is written, in a table whose other columns show `decimal` to be its decimal sign.
    fn column(&self, decimal: Option<char>, delimiter: u8) -> Column {
        if let Some(first) = &self.first_text {
            let Self { numbers, texts, all_whole, .. } = *self;
            return Column::Text { numbers, texts, all_whole, first: first.clone() };
        }
        let Some(first) = &self.unusual else { return Column::Numbers { format: NumberFormat::PLAIN, unusual: None } };
        let unclear = |problem: String| Column::Unclear {
            problem,
            remedy: "write all numbers of the column in one way, best as 1234.5",
            first: first.clone(),
        };
        let cell = &first.cell;
        if self.percents > 0 && self.percents < self.numbers {
            return unclear(format!("{} of {} numbers have a percent sign, as `{cell}`", self.percents, self.numbers));
        }
        if self.currencies.len() > 1 {
            return unclear(format!("numbers have different currency signs, {}", listed(&self.currencies)));
        }
        // Behind a currency sign people group digits by points, too: `1.234 €`.
        let plain = self.reads_all[0] && self.currencies.is_empty();
        // Thousands in a table separated by commas: some numbers are below 1000, and those above all have a separator.
        let by_size = (delimiter == b',' && self.short && !self.long).then_some('.');
        let style = match (self.left(), decimal.or(by_size)) {
            ([Some(style), None] | [None, Some(style)], _) => style,
            ([None, None], _) => {
                return unclear(format!("numbers are written in more than one way, the first unusual one as `{cell}`"));
            }
            ([Some(style), Some(_)], _) if plain || self.separated.is_none() => style,
            ([Some(style), Some(_)], Some('.')) => style,
            ([Some(_), Some(style)], Some(_)) => style,
            ([Some(point), Some(comma)], None) => {
                let Found { cell, .. } = self.separated.as_ref().unwrap_or(first);
                let written = Written::of(cell);
                let [with_point, with_comma] = [point, comma].map(|style| written.number(style).unwrap_or_default());
                return unclear(format!(
                    "`{cell}` is {with_point} if its decimal sign is a point, and {with_comma} if it is a comma"
                ));
            }
        };
        let format = NumberFormat {
            decimal: style.0,
            thousands: style.1,
            currency: self.currencies.first().copied(),
            percent: self.percents > 0,
        };
        Column::Numbers { format, unusual: Some(first.clone()) }
    }
}

/// Of digits with a minus before them and a point among them: whether they are a whole number.
fn digits_and_point(cell: &str) -> Option<bool> {
    let digits = cell.strip_prefix('-').unwrap_or(cell);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    (!whole.is_empty() && all_digits(whole) && all_digits(fraction)).then(|| fraction.bytes().all(|byte| byte == b'0'))
}

/// How all columns of a table are written.
pub(super) fn columns(evidence: &[Evidence], delimiter: u8) -> Vec<Column> {
    let shown: Vec<char> = evidence.iter().filter_map(Evidence::decimal).collect();
    let one = shown.first().copied().filter(|first| shown.iter().all(|sign| sign == first));
    evidence.iter().map(|column| column.column(one, delimiter)).collect()
}

fn listed(signs: &[char]) -> String {
    signs.iter().map(|sign| format!("`{sign}`")).collect::<Vec<_>>().join(" and ")
}
