//! The command `wgrad`: trains, evaluates and uses networks; its parts are in `command/`.

mod command;

fn main() -> std::process::ExitCode {
    command::main()
}
