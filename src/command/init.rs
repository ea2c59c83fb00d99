//! `wgrad init`: a run file with every option of `train`, written from the definition of the arguments.

use std::any::TypeId;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::builder::StyledStr;
use clap::{Arg, Command};
use wgrad::data::shown;
use wgrad::model::replace;
use wgrad::{Error, Result};

use super::recipe::usual;
use super::report::Output;
use super::run_file::{is_run_file, key, options};

const EXAMPLES: &str = "\
EXAMPLES
  wgrad init                      writes run.toml
  wgrad train run.toml            trains as it says
  wgrad train run.toml --seed 3   what is typed wins over the file
";

/// The data set that an untouched file trains on.
const DATA: &str = "digits";

/// Longest line of a comment, in characters.
const WIDTH: usize = 100;

const HEAD: &str = "\
# Options of `wgrad train`; start with
#
#     wgrad train RUN_FILE
#
# What is typed behind it wins over this file: `wgrad train RUN_FILE --seed 3`. Lines behind a `#` are not in force:
# they show what is taken anyway, or in capitals what could stand there. Paths begin where the command is run.
";

/// Where the file goes.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The run file to write, which must not be there yet
    #[arg(default_value = "run.toml", value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

/// Writes the file.
pub fn run(arguments: &Arguments, command: &Command, output: &mut Output) -> Result<()> {
    let path = &arguments.file;
    let name = path.display().to_string();
    if !is_run_file(path) {
        return Err(Error::conflict(&name, "`train` knows a run file by its ending, `.toml`", "name it so"));
    }
    if path.symlink_metadata().is_ok() {
        let remedy = "name another, as in `wgrad init other.toml`, or remove it";
        return Err(Error::conflict(&name, "it is there already, and would be lost", remedy));
    }
    let text = text(command, path);
    replace(path, |file| file.write_all(text.as_bytes()))?;
    output.tell(format!("{}: options of `train`, set for {DATA}", shown(&name)));
    output.tell(format!("next: wgrad train {}", wgrad::data::quoted(path)));
    Ok(())
}

/// The file: every option with its help, under the headings of the help.
fn text(command: &Command, path: &Path) -> String {
    let mut text = HEAD.replace("RUN_FILE", &wgrad::data::quoted(path));
    let mut headings: Vec<&str> = options(command).map(heading).collect();
    // Options of one heading need not stand together in the definition.
    let mut seen = HashSet::new();
    headings.retain(|heading| seen.insert(*heading));
    for wanted in headings {
        text += &format!("\n# {}\n", wanted.to_uppercase());
        for argument in options(command).filter(|argument| heading(argument) == wanted) {
            text += &format!("\n{}{}\n", comment(&help(argument)), line(argument));
        }
    }
    text
}

/// The help lists data among the arguments.
fn heading(argument: &Arg) -> &str {
    if argument.is_positional() { "Data" } else { argument.get_help_heading().unwrap_or("Options") }
}

fn help(argument: &Arg) -> String {
    let help = argument.get_help().map(StyledStr::to_string).unwrap_or_default();
    let values: Vec<String> = argument.get_possible_values().iter().map(|value| value.get_name().to_string()).collect();
    // A switch has the possible values true and false, and open names tell their own.
    if values.is_empty() || !argument.get_action().takes_values() || argument.is_hide_possible_values_set() {
        return help;
    }
    format!("{help}; one of {}", values.join(", "))
}

/// `key = value`, behind a `#` where it is not in force.
fn line(argument: &Arg) -> String {
    let key = key(argument);
    let default = argument.get_default_values().first().map(|value| value.to_string_lossy().into_owned());
    if argument.is_positional() {
        return format!("{key} = {}", value(argument, DATA));
    }
    if !argument.get_action().takes_values() {
        return format!("# {key} = true");
    }
    match default {
        Some(default) => format!("{key} = {}", value(argument, &default)),
        // In force they would be so for other data, too, for which something else is usual.
        None => match usual(DATA, 0).value(&key) {
            Some(usual) => format!("# {key} = {}", value(argument, &usual)),
            None => format!("# {key} = {}", value(argument, &placeholder(argument))),
        },
    }
}

/// What the help calls the value.
fn placeholder(argument: &Arg) -> String {
    argument.get_value_names().and_then(|names| names.first()).map_or("VALUE".into(), ToString::to_string)
}

/// As TOML: numbers as they are, all else in quotes.
fn value(argument: &Arg, text: &str) -> String {
    let kind = argument.get_value_parser().type_id();
    let numbers =
        [TypeId::of::<usize>(), TypeId::of::<u64>(), TypeId::of::<u32>(), TypeId::of::<f64>(), TypeId::of::<f32>()];
    if numbers.iter().any(|number| kind == *number) { text.into() } else { format!("{text:?}") }
}

/// Lines behind `#`, broken at blanks.
fn comment(text: &str) -> String {
    let mut lines = vec![String::from("#")];
    for word in text.split_whitespace() {
        let last = lines.last().map_or(0, |line| line.chars().count());
        if last + 1 + word.chars().count() > WIDTH {
            lines.push("#".into());
        }
        if let Some(line) = lines.last_mut() {
            *line += &format!(" {word}");
        }
    }
    lines.join("\n") + "\n"
}
