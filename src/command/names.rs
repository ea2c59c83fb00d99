//! Options that take a name: the names that a shell completes and the help shows.

use std::error::Error;
use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command};

/// Parser of a `T`. It uses `T::from_str`, which may accept abbreviations and suggest the nearest name.
pub struct Names<T> {
    known: &'static [&'static str],
    is_any_case: bool,
    read: PhantomData<fn() -> T>,
}

/// Creates a parser of `T`. Shells complete the names in `known`.
pub fn names<T>(known: &'static [&'static str]) -> Names<T> {
    Names { known, is_any_case: false, read: PhantomData }
}

impl<T> Names<T> {
    /// Reads names in upper and lower case alike.
    pub fn in_any_case(self) -> Self {
        Self { is_any_case: true, ..self }
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
        let is_any_case = self.is_any_case;
        let lower = move |text: &str| text.to_lowercase().parse().ok().filter(|_| is_any_case);
        // Messages have the name as it was typed.
        let read = move |text: String| lower(&text).map_or_else(|| text.parse::<T>(), Ok);
        StringValueParser::new().try_map(read).parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.known.iter().map(PossibleValue::new)))
    }
}
