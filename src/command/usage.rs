//! Error messages on wrong usage, in the form of all other errors.

use std::any::TypeId;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, ValueHint, value_parser};
use wgrad::Error;
use wgrad::data::quoted;

/// Returns clap's message on one line, without the usage below it, and without its tip to put `--` before a wrong
/// option.
pub fn line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let is_told = |line: &&str| {
        !["Usage:", "For more information", "tip: to pass"].iter().any(|start| line.trim_start().starts_with(start))
    };
    let words = |paragraph: &str| {
        let lines: Vec<&str> = paragraph.lines().filter(is_told).collect();
        lines.join(" ").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    let paragraphs = text.strip_prefix("error: ").unwrap_or(&text).split("\n\n").map(words);
    paragraphs.filter(|paragraph| !paragraph.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Returns the command that was likely meant, if a file name stands where a subcommand is expected. Otherwise returns
/// `None`.
pub fn likely(error: &clap::Error, typed: &[OsString]) -> Option<String> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    let at = typed.iter().position(|other| other == word.as_str())?;
    let is_model = Path::new(word).extension().is_some_and(|ending| ending == "safetensors");
    let subcommand = match typed.get(at.checked_sub(1)?)?.to_str() {
        Some("plot") => "boundary",
        _ if is_model => "show",
        _ if Path::new(word).is_file() => "train",
        _ => return None,
    };
    let (before, after) = (typed[1..at].iter().map(quoted), typed[at..].iter().map(quoted));
    let words: Vec<String> = before.chain([subcommand.into()]).chain(after).collect();
    Some(format!("did you mean `wgrad {}`?", words.join(" ")))
}

/// Returns an error that names the argument or environment variable that must be UTF-8 and is not. clap's own message
/// does not name it. `None` if there is none.
pub fn not_text(command: &Command, typed: &[OsString]) -> Option<Error> {
    let mut matches = &taking_anything(command.clone()).try_get_matches_from(typed).ok()?;
    let mut command = command;
    loop {
        if let Some(error) = command.get_arguments().find_map(|argument| not_text_of(argument, matches)) {
            return Some(error);
        }
        let (name, below) = matches.subcommand()?;
        (command, matches) = (command.find_subcommand(name)?, below);
    }
}

/// Returns the command, changed so that all its arguments accept values that are not UTF-8.
fn taking_anything(command: Command) -> Command {
    let command = command.mut_args(|argument| match takes_values(&argument) {
        true => argument.value_parser(value_parser!(OsString)),
        false => argument,
    });
    command.mut_subcommands(taking_anything)
}

fn takes_values(argument: &Arg) -> bool {
    argument.get_num_args().is_some_and(|count| count.takes_values())
}

fn not_text_of(argument: &Arg, matches: &ArgMatches) -> Option<Error> {
    let kind = argument.get_value_parser().type_id();
    if !takes_values(argument) || kind == TypeId::of::<PathBuf>() {
        return None;
    }
    let id = argument.get_id().as_str();
    let value = matches.get_raw(id)?.find(|value| value.to_str().is_none())?;
    let option = argument.get_long().map(|long| format!("`--{long}`"));
    let place = match argument.get_env().filter(|_| matches.value_source(id) == Some(ValueSource::EnvVariable)) {
        Some(variable) => variable.to_string_lossy().into_owned(),
        None => option.unwrap_or_else(|| id.to_uppercase()),
    };
    let remedy = match argument.get_value_hint() {
        ValueHint::FilePath => "rename it, or name it from within its folder",
        _ => "give a text in UTF-8",
    };
    Some(Error::conflict(place, format!("{value:?} is not UTF-8"), remedy))
}
