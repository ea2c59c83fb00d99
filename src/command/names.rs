//! Options that take a name: which ones a shell completes, and the help shows.

use std::error::Error;
use std::ffi::OsStr;
use std::marker::PhantomData;
use std::str::FromStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command};

/// Reads a `T` by its own rules, which may know more names than these, abbreviations say, and suggest the nearest.
pub struct Names<T> {
    known: &'static [&'static str],
    read: PhantomData<fn() -> T>,
}

/// A parser of `T` that knows these names.
pub fn names<T>(known: &'static [&'static str]) -> Names<T> {
    Names { known, read: PhantomData }
}

impl<T> Clone for Names<T> {
    fn clone(&self) -> Self {
        names(self.known)
    }
}

impl<T> TypedValueParser for Names<T>
where
    T: FromStr<Err: Into<Box<dyn Error + Send + Sync>>> + Clone + Send + Sync + 'static,
{
    type Value = T;

    fn parse_ref(&self, command: &Command, argument: Option<&Arg>, value: &OsStr) -> Result<T, clap::Error> {
        StringValueParser::new().try_map(|text| text.parse::<T>()).parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.known.iter().map(PossibleValue::new)))
    }
}
