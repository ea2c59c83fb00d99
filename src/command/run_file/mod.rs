//! `wgrad train run.toml`: options of `train` in a file, converted to a command line. The options have the names,
//! values and meanings that they have on the command line.

mod settings;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command};
use wgrad::{Error, Result};

use settings::{Setting, Value, read};

/// Subcommand that accepts run files.
pub const TRAIN: &str = "train";

/// Name of a hidden argument for the path of the run file. On the expanded command line, this path follows DATA.
const RUN_FILE: &str = "run_file";

/// Command line to which the options of a run file were added.
pub struct Expanded {
    pub path: PathBuf,
    pub words: Vec<OsString>,
}

/// Returns the typed command line with the options of the run file added; `None` if `train` was not given a run file.
/// Options that were typed, or set in the environment, override the file.
pub fn expand(command: &Command, matches: &ArgMatches, typed: &[OsString]) -> Result<Option<Expanded>> {
    let Some((TRAIN, matches)) = matches.subcommand() else { return Ok(None) };
    let Some(path) = data(command, matches).filter(|path| is_run_file(path)) else { return Ok(None) };
    let settings = read(path)?;
    let (mut words, mut seen) = (Vec::new(), Vec::<(&Arg, &Setting)>::new());
    for setting in &settings {
        let argument = setting.argument(command, path)?;
        if let Some((_, first)) = seen.iter().find(|(other, _)| other.get_id() == argument.get_id()) {
            let problem = format!("line {}: `{}` was set in line {}", setting.line, setting.key, first.line);
            return Err(Error::format(path, problem, "remove one of the two"));
        }
        seen.push((argument, setting));
        setting.check(command, argument, path)?;
        if !is_settled(argument, matches) {
            words.extend(setting.words(argument, path)?);
        }
    }
    if !words.iter().any(|word| !word.to_string_lossy().starts_with('-')) {
        return Err(Error::format(path, "it names no data", "add `data = \"digits\"`, or the path of a table"));
    }
    // The command itself has no options with values, so the first `train` after its name is the subcommand.
    let behind = typed.iter().skip(1).position(|word| word == TRAIN).map_or(typed.len(), |at| at + 2);
    let words = [&typed[..behind], &words, &typed[behind..]].concat();
    Ok(Some(Expanded { path: path.into(), words }))
}

/// Returns the command that parses the result of [`expand`]: it accepts the run file as an argument after the data.
pub fn accepting(command: Command) -> Command {
    command.mut_subcommand(TRAIN, |train| train.arg(Arg::new(RUN_FILE).hide(true)))
}

/// Options that a run file may set, in the order of the help.
pub fn options(command: &Command) -> impl Iterator<Item = &Arg> {
    let train = command.find_subcommand(TRAIN);
    train.into_iter().flat_map(Command::get_arguments).filter(|argument| argument.get_id() != "help")
}

/// Key of an option in a run file.
pub fn key(argument: &Arg) -> String {
    argument.get_long().unwrap_or(argument.get_id().as_str()).replace('-', "_")
}

/// Checks whether a key is the current or a former name of an option.
fn has_key(argument: &Arg, wanted: &str) -> bool {
    let former = argument.get_all_aliases().unwrap_or_default();
    key(argument) == wanted || former.iter().any(|alias| alias.replace('-', "_") == wanted)
}

/// Checks whether a path is that of a run file: its extension is `toml`.
pub fn is_run_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

fn takes_several(argument: &Arg) -> bool {
    let most = argument.get_num_args().map_or(1, |range| range.max_values());
    matches!(argument.get_action(), ArgAction::Append) || most > 1
}

/// Returns the argument DATA of `train`; `None` if it is missing.
fn data<'a>(command: &Command, matches: &'a ArgMatches) -> Option<&'a Path> {
    let positional = options(command).find(|argument| argument.is_positional())?;
    matches.get_raw(positional.get_id().as_str())?.next().map(Path::new)
}

/// Returns `true` if an option was typed, or set in the environment, and so overrides the file. DATA never does, since
/// the typed argument is the run file itself.
fn is_settled(argument: &Arg, matches: &ArgMatches) -> bool {
    let source = matches.value_source(argument.get_id().as_str());
    !argument.is_positional() && matches!(source, Some(ValueSource::CommandLine | ValueSource::EnvVariable))
}

impl Setting {
    /// Returns the option that the setting is for. An unknown key is an error.
    fn argument<'a>(&self, command: &'a Command, path: &Path) -> Result<&'a Arg> {
        let wanted = self.key.replace('-', "_");
        options(command).find(|argument| has_key(argument, &wanted)).ok_or_else(|| {
            let known: Vec<String> = options(command).map(key).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let unknown = Error::unknown("option", &self.key, &known);
            Error::format(path, format!("line {}: {unknown}", self.line), "correct the name, or remove the line")
        })
    }

    /// Returns the setting as words of a command line.
    fn words(&self, argument: &Arg, path: &Path) -> Result<Vec<OsString>> {
        let takes_values = argument.get_action().takes_values();
        let words = match &self.value {
            Value::Switch(on) if !takes_values => {
                return Ok(on.then(|| self.typed(argument, "")).into_iter().collect());
            }
            Value::Switch(on) => return Err(self.wrong(path, format!("{on} is no value"), "give it a value")),
            Value::Words(_) if !takes_values => {
                return Err(self.wrong(path, "it takes no value", "set it to true or false"));
            }
            Value::Words(words) => words,
        };
        if words.len() > 1 && !takes_several(argument) {
            let problem = format!("it is an array of {}, but takes 1 value", words.len());
            return Err(self.wrong(path, problem, "give it one"));
        }
        if argument.is_positional() {
            words.iter().try_for_each(|word| self.check_data(word, path))?;
        }
        Ok(words.iter().map(|word| self.typed(argument, word)).collect())
    }

    fn check_data(&self, word: &str, path: &Path) -> Result<()> {
        if word.starts_with('-') {
            return Err(self.wrong(path, format!("`{word}` looks like an option"), "write a path as `./-name`"));
        }
        if is_run_file(word.as_ref()) {
            return Err(self.wrong(path, format!("`{word}` is a run file itself"), "name a data set or a table"));
        }
        Ok(())
    }

    fn typed(&self, argument: &Arg, word: &str) -> OsString {
        match argument.get_long() {
            Some(long) if argument.get_action().takes_values() => format!("--{long}={word}").into(),
            Some(long) => format!("--{long}").into(),
            None => word.into(),
        }
    }

    /// Checks that the option accepts the value. The error names the line of the file.
    fn check(&self, command: &Command, argument: &Arg, path: &Path) -> Result<()> {
        use clap::error::ErrorKind::{ArgumentConflict, MissingRequiredArgument};
        let typed = ["wgrad", TRAIN].map(OsString::from).into_iter().chain(self.words(argument, path)?);
        match command.clone().try_get_matches_from(typed) {
            // Conflicts between options are checked once all are known.
            Err(error) if !matches!(error.kind(), MissingRequiredArgument | ArgumentConflict) => {
                Err(self.wrong(path, super::usage::line(&error), "see `wgrad train --help`"))
            }
            _ => Ok(()),
        }
    }

    fn wrong(&self, path: &Path, problem: impl std::fmt::Display, remedy: &str) -> Error {
        Error::format(path, format!("line {}, `{}`: {problem}", self.line, self.key), remedy)
    }
}
