//! `XDG_RUNTIME_DIR`, which drivers of Mesa ask for.

/// The variable.
#[cfg(all(feature = "gpu", unix, not(target_os = "macos")))]
const VARIABLE: &str = "XDG_RUNTIME_DIR";

/// Starts the program again with the variable set, where it is not: Mesa's drivers look there for a display server, and
/// print an error of their own without it. No folder is needed, as nothing is displayed.
#[cfg(all(feature = "gpu", unix, not(target_os = "macos")))]
pub fn ensure_set() {
    use std::os::unix::process::CommandExt;
    let is_set = std::env::var_os(VARIABLE).is_some_and(|value| !value.is_empty());
    let mut words = std::env::args_os();
    if let (false, Ok(program), Some(name)) = (is_set, std::env::current_exe(), words.next()) {
        // It returns only if the program cannot be started; then the driver prints its error.
        let _ = std::process::Command::new(program).arg0(name).args(words).env(VARIABLE, "/nonexistent").exec();
    }
}

/// Other systems have no such drivers.
#[cfg(not(all(feature = "gpu", unix, not(target_os = "macos"))))]
pub fn ensure_set() {}
