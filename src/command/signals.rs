//! Signals that would end the command without a message.

/// Ignores the signal that is sent at the limit of file sizes (`ulimit -f`). The write then fails with an error, as on
/// a full disk.
#[cfg(unix)]
pub fn ignore_file_size_limit() {
    // SAFETY: no handler is installed, and no other thread runs yet.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
    }
}

/// Does nothing: other systems have no such limit.
#[cfg(not(unix))]
pub fn ignore_file_size_limit() {}
