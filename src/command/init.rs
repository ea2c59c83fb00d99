//! `wgrad init`: a run file with all options of `train`, written from the definition of the arguments.

use std::any::TypeId;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

use clap::builder::StyledStr;
use clap::{Arg, Command};
use wgrad::model::replace;
use wgrad::{Error, Result};

use super::data::LONG_HELP;
use super::lines::wrapped;
use super::paths::on_disk;
use super::recipe::usual;
use super::report::Output;
use super::run_file::{is_run_file, key, options};

const EXAMPLES: &str = "\
EXAMPLES
  wgrad init                      writes run.toml, for the data set digits
  wgrad train run.toml            trains with the options of the file
  wgrad train run.toml --seed 3   the command line overrides the file
";

/// Data set in the run file.
const DATA: &str = "digits";

const HEAD: &str = "\
# Options of `wgrad train`. Start with
#
#     wgrad train RUN_FILE
#
# Options on the command line override this file. Lines that begin with `#` have
# no effect: they show the default, or in capitals the kind of value. Paths are
# relative to the folder in which the command is run.
";

/// Options of `wgrad init`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Run file to write, *.toml; it must not exist yet
    #[arg(default_value = "run.toml", value_hint = clap::ValueHint::FilePath)]
    #[arg(value_parser = on_disk())]
    file: PathBuf,
}

/// Writes the run file. A file that exists is an error.
pub fn run(arguments: &Arguments, command: &Command, output: &mut Output) -> Result<()> {
    let path = &arguments.file;
    let name = path.display().to_string();
    if !is_run_file(path) {
        return Err(Error::conflict(&name, "the name of a run file ends in `.toml`", "name it so"));
    }
    if path.symlink_metadata().is_ok() {
        let remedy = "name another, as in `wgrad init other.toml`, or remove it";
        return Err(Error::conflict(&name, "it exists, and would be lost", remedy));
    }
    let text = text(command, path);
    replace(path, |file| file.write_all(text.as_bytes()))?;
    output.print(format!("{name}: options of `train`, set for {DATA}"));
    output.print_unwrapped(format!("next: wgrad train {}", wgrad::data::quoted(path)));
    Ok(())
}

/// Returns the text of the run file: every option with its help, under the headings of the help.
fn text(command: &Command, path: &Path) -> String {
    let mut text = HEAD.replace("RUN_FILE", &wgrad::data::quoted(path));
    let mut headings: Vec<&str> = options(command).map(heading).collect();
    // Options with the same heading may be apart in the definition.
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

/// Returns the heading of an option. The argument DATA has no heading in the help; here it is `Data`.
fn heading(argument: &Arg) -> &str {
    if argument.is_positional() { "Data" } else { argument.get_help_heading().unwrap_or("Options") }
}

/// Returns the help of an option: its first line, and its details as another paragraph.
fn help(argument: &Arg) -> String {
    if argument.is_positional() {
        return LONG_HELP.into();
    }
    let help = argument.get_long_help().or(argument.get_help()).map(StyledStr::to_string).unwrap_or_default();
    let values: Vec<String> = argument.get_possible_values().iter().map(|value| value.get_name().to_string()).collect();
    // clap gives a switch the possible values true and false, which the file does not list.
    if values.is_empty() || !argument.get_action().takes_values() || argument.is_hide_possible_values_set() {
        return help;
    }
    format!("{help}; one of {}", values.join(", "))
}

/// Returns the line `key = value` of an option. It is commented out by a `#`, unless it is DATA or an option with the
/// same default for all data.
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
        // Commented out, since the default depends on the data.
        None => match usual(DATA, 0, None).value(&key) {
            Some(usual) => format!("# {key} = {}", value(argument, &usual)),
            None => format!("# {key} = {}", value(argument, &placeholder(argument))),
        },
    }
}

/// Returns the placeholder of the option's value in the help, such as `FILE`.
fn placeholder(argument: &Arg) -> String {
    argument.get_value_names().and_then(|names| names.first()).map_or("VALUE".into(), ToString::to_string)
}

/// Formats a value for TOML: numbers as they are, all else in quotes.
fn value(argument: &Arg, text: &str) -> String {
    let kind = argument.get_value_parser().type_id();
    let numbers =
        [TypeId::of::<usize>(), TypeId::of::<u64>(), TypeId::of::<u32>(), TypeId::of::<f64>(), TypeId::of::<f32>()];
    if numbers.iter().any(|number| kind == *number) { text.into() } else { format!("{text:?}") }
}

/// Returns a text as wrapped comment lines that begin with `#`.
fn comment(text: &str) -> String {
    text.split("\n\n").map(|paragraph| wrapped("# ", "# ", &paragraph.replace('\n', " ")) + "\n").collect()
}
