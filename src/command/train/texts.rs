//! Options that are parsed once the number of steps is known.

use std::str::FromStr;

use wgrad::{Average, Error, Result, Schedule};

/// Schedule as the user typed it. It is parsed when the number of steps is known.
#[derive(Clone)]
pub struct ScheduleText(pub String);

impl FromStr for ScheduleText {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Schedule::parse(text, 100).map(|_| Self(text.into()))
    }
}

/// Average as the user typed it. It is parsed when the number of steps per epoch is known.
#[derive(Clone)]
pub struct AverageText(pub String);

impl FromStr for AverageText {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Average::parse(text, 1).map(|_| Self(text.into()))
    }
}
