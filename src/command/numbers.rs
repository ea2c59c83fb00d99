//! Parsers of numeric options, with their limits and error messages.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

/// Parses a number. If `accepted` rejects it, the error states which numbers are `wanted`.
fn read<T: FromStr>(text: &str, accepted: impl Fn(&T) -> bool, wanted: impl Display) -> Result<T, String> {
    text.trim().parse().ok().filter(accepted).ok_or_else(|| format!("it must be {wanted}"))
}

/// Parses a whole number of at least 1, for options that count something.
pub fn count(text: &str) -> Result<usize, String> {
    read(text, |number| *number > 0, "a whole number of at least 1")
}

/// Parses a whole number of 64 bits, for seeds.
pub fn seed(text: &str) -> Result<u64, String> {
    read(text, |_| true, format_args!("a whole number from 0 to {}", u64::MAX))
}

/// Parses any number. The library checks its range later.
pub fn number(text: &str) -> Result<f64, String> {
    read(text, |_| true, "a number, such as 0.01 or 1e-3")
}

/// Parses a number within limits.
pub fn within(text: &str, limits: RangeInclusive<f64>) -> Result<f64, String> {
    let wanted = format!("a number from {} to {}", limits.start(), limits.end());
    read(text, |number| limits.contains(number), wanted)
}

/// Parses a whole number within limits.
pub fn whole_within(text: &str, limits: RangeInclusive<u64>) -> Result<u64, String> {
    let wanted = format!("a whole number from {} to {}", limits.start(), limits.end());
    read(text, |number| limits.contains(number), wanted)
}

/// Units of time, each with its length in seconds.
const UNITS: [(&str, f64); 4] = [("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

/// Parses a time such as `500ms`, `30s`, `5m` or `1.5h`. A number without a unit is in seconds.
pub fn duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let (number, unit) =
        UNITS.iter().find_map(|(name, seconds)| Some((text.strip_suffix(name)?, *seconds))).unwrap_or((text, 1.0));
    let seconds = number.trim().parse::<f64>().ok().map(|number| number * unit);
    let seconds = seconds.filter(|seconds| (1e-3..=1e9).contains(seconds));
    seconds
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "it must be a time from 1ms to 1e9s, such as 30s, 5m or 2h".into())
}

/// Number of rows or steps: absolute, or as a fraction of all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Absolute number.
    Count(usize),
    /// Fraction of all, from 0 to below 1.
    Fraction(f64),
}

impl Amount {
    /// Returns the absolute number of rows or steps. `all` is the number that a fraction refers to; the product is
    /// rounded to the nearest whole number.
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Fraction(fraction) => (fraction * all as f64).round() as usize,
        }
    }

    /// Returns the number of rows or steps as a fraction of `all`.
    pub fn fraction(self, all: usize) -> f64 {
        match self {
            Self::Count(count) => count as f64 / all as f64,
            Self::Fraction(fraction) => fraction,
        }
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let fraction = || text.parse().ok().filter(|number| (0.0..1.0).contains(number)).map(Self::Fraction);
        let read = text.parse().map(Self::Count).ok().or_else(fraction);
        read.ok_or_else(|| "it must be a whole number, or a fraction below 1 such as 0.1".into())
    }
}

impl Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Count(count) => count.fmt(f),
            Self::Fraction(fraction) => fraction.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_within_the_limits_is_told_what_is_wanted() {
        assert_eq!((seed("18446744073709551615"), count(" 7 ")), (Ok(u64::MAX), Ok(7)));
        let wanted = Err("it must be a whole number from 0 to 18446744073709551615".to_string());
        for text in ["abc", "-1", "1.5", "18446744073709551616", ""] {
            assert_eq!(seed(text), wanted, "{text}");
        }
        assert_eq!(within("NaN", 0.5..=2.0), Err("it must be a number from 0.5 to 2".into()));
        assert_eq!(whole_within("4", 1..=3), Err("it must be a whole number from 1 to 3".into()));
    }

    #[test]
    fn amounts_are_counts_or_fractions() {
        let read = |text: &str| text.parse::<Amount>();
        assert_eq!(
            (read("30"), read("0"), read("0.0")),
            (Ok(Amount::Count(30)), Ok(Amount::Count(0)), Ok(Amount::Fraction(0.0)))
        );
        assert_eq!((Amount::Fraction(0.15).of(150), Amount::Count(30).fraction(120)), (23, 0.25));
        for text in ["1.5", "-1", "1e400", "NaN", "half", ""] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
