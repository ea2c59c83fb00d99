//! `wgrad completions`: scripts that complete words in a shell.

use clap::{Command, value_parser};
use clap_complete::{Shell, generate};

use super::report::Output;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad completions bash > ~/.local/share/bash-completion/completions/wgrad
  wgrad completions zsh > ~/.zfunc/_wgrad
      with these in ~/.zshrc: fpath+=~/.zfunc; autoload -Uz compinit; compinit
  wgrad completions fish > ~/.config/fish/completions/wgrad.fish
  wgrad completions powershell >> $PROFILE
  wgrad completions elvish > ~/.config/elvish/lib/wgrad.elv
      with this in ~/.config/elvish/rc.elv: use wgrad

The folders must exist. A new shell then completes commands, options, names and
files of `wgrad`.
";

/// Options of `wgrad completions`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Shell that reads the script
    shell: Shell,
}

/// Prints the completion script for a shell.
pub fn run(arguments: &Arguments, command: Command, output: &mut Output) {
    let mut command = if arguments.shell == Shell::Zsh { data_are_files(command) } else { command };
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, "wgrad", &mut script);
    output.bytes(&script);
}

/// Makes zsh complete file names for DATA. Zsh can complete either file names or names of data sets, and names of data
/// sets are short enough to type.
fn data_are_files(command: Command) -> Command {
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().into()).collect();
    let has_data = |sub: &Command| sub.get_arguments().any(|argument| argument.get_id() == "data");
    names.into_iter().fold(command, |command, name| {
        command.mut_subcommand(name, |sub| match has_data(&sub) {
            true => sub.mut_arg("data", |data| data.value_parser(value_parser!(String))),
            false => sub,
        })
    })
}
