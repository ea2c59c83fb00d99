//! Environment variable `XDG_RUNTIME_DIR`, without which Mesa's drivers print an error.

/// Name of the environment variable.
#[cfg(all(feature = "gpu", unix, not(target_os = "macos")))]
const VARIABLE: &str = "XDG_RUNTIME_DIR";

/// Starts the program again with the variable set, if it is not set. Mesa's drivers look in this folder for a display
/// server, and print an error without it. The folder need not exist, since nothing is displayed.
#[cfg(all(feature = "gpu", unix, not(target_os = "macos")))]
pub fn ensure_set() {
    use std::os::unix::process::CommandExt;
    let is_set = std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty());
    let mut words = std::env::args_os();
    if let (false, Ok(program), Some(name)) = (is_set, std::env::current_exe(), words.next()) {
        // `exec` returns only if the program cannot be started. Then the driver prints its error.
        let _ = std::process::Command::new(program).arg0(name).args(words).env(VARIABLE, "/nonexistent").exec();
    }
}

/// Does nothing: other systems have no such drivers.
#[cfg(not(all(feature = "gpu", unix, not(target_os = "macos"))))]
pub fn ensure_set() {}
