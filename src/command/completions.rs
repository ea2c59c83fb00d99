//! `wgrad completions`: what a shell must know to complete words.

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

The folders must be there; a new shell then completes commands, options, names
and files behind `wgrad`.
";

/// For which shell.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    /// The shell that is to complete
    shell: Shell,
}

/// Prints the shell's script.
pub fn run(arguments: &Arguments, command: Command, output: &mut Output) {
    let mut command = if arguments.shell == Shell::Zsh { data_are_files(command) } else { command };
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, "wgrad", &mut script);
    output.bytes(&script);
}

/// Where names are known, zsh would complete no files: they are what is longer to type.
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
