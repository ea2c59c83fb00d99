//! Signals that would end the command without a message.

/// Makes a limit of file sizes (`ulimit -f`) an error of the write that meets it, as a full disk is.
#[cfg(unix)]
pub fn ignore_file_size_limit() {
    // SAFETY: no handler is installed, and no other thread runs yet.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Other systems have no such limit.
#[cfg(not(unix))]
pub fn ignore_file_size_limit() {}
