//! Formats of dates and times: `2024-03-01`, `01.03.2024 14:30`, `Mar 1, 2024`, `20240301`, `14:30`.

use serde::{Deserialize, Serialize};

/// Format of the dates and times in a column. Time zones are ignored: the hour is the one that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// Dates such as `2024-03-01`, `2024/3/1 14:30:15.5` and `2024-03-01T14:30Z`. `2024-03` is the first day of a
    /// month.
    YearMonthDay,
    /// Dates such as `01.03.2024`, `1/3/24 14:30` and `1 March 2024`.
    DayMonthYear,
    /// Dates such as `03/01/2024`, `3/1/24 2:30 pm` and `Mar 1, 2024`.
    MonthDayYear,
    /// Dates of eight digits, such as `20240301`, with years from 1900 to 2100.
    Digits,
    /// Times of the day, such as `14:30`, `14:30:15`, `14.30.15` and `2:30 pm`.
    Clock,
}

/// Number of seconds per day.
pub(super) const DAY: f64 = 86_400.0;

/// Range of the years in dates of eight digits.
const YEARS: std::ops::RangeInclusive<i64> = 1900..=2100;

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

const WEEKDAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl TimeFormat {
    /// Formats that are tried on cells with text. [`TimeFormat::Digits`] is not tried, since its cells are numbers.
    pub(super) const OF_TEXT: [Self; 4] = [Self::YearMonthDay, Self::DayMonthYear, Self::MonthDayYear, Self::Clock];

    /// Description with an example, for messages.
    pub(super) fn named(self) -> &'static str {
        match self {
            Self::YearMonthDay => "dates such as 2024-12-31",
            Self::DayMonthYear => "dates such as 31/12/2024",
            Self::MonthDayYear => "dates such as 12/31/2024",
            Self::Digits => "dates such as 20241231",
            Self::Clock => "times such as 14:30",
        }
    }

    /// Returns the seconds since the beginning of 1970, or for [`TimeFormat::Clock`] since midnight. `None` if the cell
    /// is not in this format.
    ///
    /// # Examples
    /// ```
    /// use wgrad::data::TimeFormat;
    /// assert_eq!(TimeFormat::YearMonthDay.read("1970-01-02T00:01"), Some(86_460.0));
    /// assert_eq!(TimeFormat::DayMonthYear.read("13.1.1970"), TimeFormat::MonthDayYear.read("Jan 13, 1970"));
    /// assert_eq!(TimeFormat::MonthDayYear.read("13/1/1970"), None);
    /// ```
    pub fn read(self, cell: &str) -> Option<f64> {
        match self {
            Self::Clock => clock(cell),
            Self::Digits => digits(cell),
            Self::YearMonthDay | Self::DayMonthYear | Self::MonthDayYear => {
                let (date, time) = match cell.find(':') {
                    None => (cell, 0.0),
                    Some(colon) => {
                        let between = cell[..colon].rfind(|c: char| !c.is_ascii_digit())?;
                        let separator = cell[between..].chars().next().filter(|c| " Tt".contains(*c))?;
                        (&cell[..between], clock(&cell[between + separator.len_utf8()..])?)
                    }
                };
                Some(self.days(date)? as f64 * DAY + time)
            }
        }
    }

    /// Returns the days from 1970-01-01 to a date in this format; `None` if it is not in this format.
    fn days(self, date: &str) -> Option<i64> {
        let mut parts = [""; 3];
        let mut count = 0;
        for part in date.split(['-', '/', '.', ',', ' ']).filter(|part| !part.is_empty()) {
            if count == 0 && name(part, &WEEKDAYS).is_some() {
                continue;
            }
            *parts.get_mut(count)? = part;
            count += 1;
        }
        let [year, month, day] = match (self, count) {
            (Self::YearMonthDay, 2) if parts[1].len() == 2 => [parts[0], parts[1], "1"],
            (Self::YearMonthDay, 3) => parts,
            (Self::DayMonthYear, 3) => [parts[2], parts[1], parts[0]],
            (Self::MonthDayYear, 3) => [parts[2], parts[0], parts[1]],
            _ => return None,
        };
        let year = match (year.len(), whole(year)?) {
            (4, year) => year,
            (2, year) if self != Self::YearMonthDay => year + if year < 69 { 2000 } else { 1900 },
            _ => return None,
        };
        let month = name(month, &MONTHS).map(|index| index as i64 + 1).or_else(|| whole(month))?;
        days(year, month, whole(day)?)
    }
}

/// Returns the number that is written in one to four digits; `None` for other text.
fn whole(text: &str) -> Option<i64> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok())?
}

/// Returns the index of a name in `names`. At least three letters must be given, and only the first three are compared.
fn name(text: &str, names: &[&str]) -> Option<usize> {
    let is_word = text.len() >= 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_word.then(|| names.iter().position(|name| name.eq_ignore_ascii_case(&text[..3])))?
}

/// Returns the seconds since midnight of `14:30`, `14:30:15.5`, `14.30.15` or `2:30 pm`. A time zone is ignored.
fn clock(cell: &str) -> Option<f64> {
    let cell = cell.trim();
    let end = cell.find(|c: char| !c.is_ascii_digit() && c != ':' && c != '.').unwrap_or(cell.len());
    let (time, rest) = cell.split_at(end);
    let rest = rest.trim();
    let afternoon = match rest.to_ascii_lowercase().as_str() {
        "" | "z" | "utc" | "gmt" => None,
        "am" => Some(0.0),
        "pm" => Some(12.0),
        zone if zone.starts_with(['+', '-']) && zone[1..].bytes().all(|byte| byte.is_ascii_digit() || byte == b':') => {
            None
        }
        _ => return None,
    };
    let separator = if time.contains(':') { ':' } else { '.' };
    let mut parts = time.split(separator);
    let (hour, minute) = (whole(parts.next()?)?, whole(parts.next()?)?);
    let second: f64 = match parts.next() {
        Some(second) if second.starts_with(|c: char| c.is_ascii_digit()) => second.parse().ok()?,
        None if separator == ':' => 0.0,
        _ => return None,
    };
    let hour = match afternoon {
        Some(half) if (1..=12).contains(&hour) => (hour % 12) as f64 + half,
        Some(_) => return None,
        None => hour as f64,
    };
    let is_time = parts.next().is_none() && hour < 24.0 && minute < 60 && second < 61.0;
    is_time.then_some(3600.0 * hour + 60.0 * minute as f64 + second)
}

/// Returns the seconds from 1970-01-01 to a date of eight digits, such as `20240301`.
fn digits(cell: &str) -> Option<f64> {
    if cell.len() != 8 || !cell.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let year = whole(&cell[..4]).filter(|year| YEARS.contains(year))?;
    Some(days(year, whole(&cell[4..6])?, whole(&cell[6..])?)? as f64 * DAY)
}

/// Returns the days from 1970-01-01 to a date in the Gregorian calendar; `None` if there is no such date.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let length = *lengths.get(usize::try_from(month - 1).ok()?)?;
    if !(1..=length).contains(&day) {
        return None;
    }
    let before: i64 = lengths[..month as usize - 1].iter().sum();
    Some(first_day(year) + before + day - 1)
}

/// Days from 1970-01-01 to January 1 of a year.
fn first_day(year: i64) -> i64 {
    let leap_days = |year: i64| year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    365 * (year - 1970) + leap_days(year - 1) - leap_days(1969)
}

/// Returns year, month and day of the month for a number of days since 1970-01-01. Month and day are counted from 0.
pub(super) fn date_of(day: i64) -> (i64, i64, i64) {
    // A year is longer than 365 days, so this estimate is off by a few years for distant days. The loops correct it.
    let mut year = 1970 + day.div_euclid(365);
    while first_day(year) > day {
        year -= 1 + (first_day(year) - day) / 366;
    }
    while first_day(year + 1) <= day {
        year += 1;
    }
    let month = (1..=12).rev().find(|month| days(year, *month, 1).is_some_and(|first| first <= day)).unwrap_or(1);
    let first = days(year, month, 1).unwrap_or(day);
    (year, month - 1, day - first)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests known days: leap years, centuries, and days before 1970.
    #[test]
    fn days_and_dates_are_inverse() {
        for (date, day) in [((1970, 0, 0), 0), ((2000, 1, 28), 11_016), ((1969, 11, 30), -1), ((2024, 2, 0), 19_783)] {
            assert_eq!(days(date.0, date.1 + 1, date.2 + 1), Some(day));
            assert_eq!(date_of(day), date);
        }
        for day in (-800_000..800_000).step_by(997) {
            let (year, month, number) = date_of(day);
            assert_eq!(days(year, month + 1, number + 1), Some(day));
        }
        assert_eq!((days(1900, 2, 29), days(2024, 13, 1), days(2024, 4, 31)), (None, None, None));
    }
}
