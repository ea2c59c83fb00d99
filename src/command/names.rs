//! Parser of options whose values are names. Shells complete these names.

use std::error::Error;
use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command};

/// Parser of a `T` that ignores case. It uses `T::from_str`, which may accept abbreviations and suggest the nearest
/// name.
pub struct Names<T> {
    known: &'static [&'static str],
    is_case_sensitive: bool,
    read: PhantomData<fn() -> T>,
}

/// Creates a parser of `T`. Shells complete the names in `known`.
pub fn names<T>(known: &'static [&'static str]) -> Names<T> {
    Names { known, is_case_sensitive: false, read: PhantomData }
}

impl<T> Names<T> {
    /// Distinguishes upper and lower case, for an option that may also be a path.
    pub fn case_sensitive(self) -> Self {
        Self { is_case_sensitive: true, ..self }
    }
}

impl<T> Clone for Names<T> {
    fn clone(&self) -> Self {
        Self { ..*self }
    }
}

impl<T> TypedValueParser for Names<T>
where
    T: FromStr<Err: Into<Box<dyn Error + Send + Sync>>> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        let is_case_sensitive = self.is_case_sensitive;
        let lower = move |text: &str| text.to_lowercase().parse().ok().filter(|_| !is_case_sensitive);
        // A text that cannot be read in lower case is parsed as typed, so that error messages show it unchanged.
        let read = move |text: String| lower(&text).map_or_else(|| text.parse::<T>(), Ok);
        StringValueParser::new().try_map(read).parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.known.iter().map(PossibleValue::new)))
    }
}
