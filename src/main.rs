//! Entry point of the command `wgrad`, which trains, evaluates and applies networks. The subcommands are in `command/`.

mod command;

fn main() -> std::process::ExitCode {
    command::main()
}
