//! Atomic replacement of files: a new file is written to the same folder, and renamed once it is complete and on disk.
//!
//! The new file is called `.NAME-PID-N.wgrad-part`, and its writer holds a lock on it. The operating system releases
//! the lock however the process ends, so an unlocked file is a leftover, and the next writer of NAME removes it. A
//! process id alone would not suffice: ids are reused, and mean nothing in a folder that several machines share. The
//! suffix prevents confusion with the user's own files.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result};
use crate::text::shown;

/// Checks that [`replace`] can write to `path`, so that a failure shows before hours of training.
///
/// # Errors
/// Returns an error if the folder is not writable, or if `path` exists and is not a file.
pub fn check_replaceable(path: &Path) -> Result<()> {
    if path.file_name().is_none() || std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let error = std::io::Error::other("it is not a file; name one, as in `model.safetensors`");
        return Err(Error::file(path, "replacing", error));
    }
    TemporaryFile::new(path).map(drop)
}

/// Writes a temporary file next to `path`, and renames it to `path` once it is complete and on disk. Removes temporary
/// files for the same path that killed processes left.
///
/// # Errors
/// Returns an error if the folder or file cannot be written. The old file then stays unchanged.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let failed = |action| move |error| Error::file(path, action, error);
    let mut temporary = TemporaryFile::new(path)?;
    write(&mut temporary.file).map_err(failed("writing"))?;
    sync(&temporary.file).map_err(failed("writing"))?;
    if let Ok(old) = std::fs::metadata(path) {
        temporary.file.set_permissions(old.permissions()).map_err(failed("writing"))?;
    }
    rename(&temporary.path, path).map_err(failed("replacing"))?;
    // The new name is on disk only once its folder is. Folders that cannot be opened are not synced.
    if let Ok(folder) = File::open(folder_of(path)) {
        sync(&folder).ok();
    }
    Ok(())
}

/// Waits until all of a file or folder is on disk.
fn sync(file: &File) -> std::io::Result<()> {
    // A missing `sync` shows only after a power failure, so tests record the system calls and their order.
    #[cfg(test)]
    tests::note("sync", &file.metadata()?);
    file.sync_all()
}

/// Renames `from` to `to`, and replaces the file `to` if there is one.
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    #[cfg(test)]
    tests::note("rename", &std::fs::metadata(from)?);
    std::fs::rename(from, to)
}

/// Removes temporary files that killed processes left in a folder. `is_ours` receives the name of the file that a
/// temporary file was to replace, and returns `true` if the temporary file may be removed. Files of live processes
/// stay, and so do files that cannot be locked or removed, which do no harm.
pub(crate) fn remove_leftovers(folder: &Path, is_ours: impl Fn(&str) -> bool) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(target).is_some_and(&is_ours) {
            // The file is opened for writing, since some file systems lock only such files. It is not created, since
            // another process may have removed it. If the lock fails, a writer holds it.
            let opened = File::options().write(true).open(entry.path());
            // The file is removed while it is locked. A writer that has just created it then finds it locked or
            // missing, and creates another.
            let removed =
                opened.is_ok_and(|file| file.try_lock().is_ok() && std::fs::remove_file(entry.path()).is_ok());
            if removed {
                let path = entry.path().display().to_string();
                log::info!("removed {}, left by a process that has ended", shown(&path));
            }
        }
    }
}

/// Suffix of temporary files.
const PART: &str = ".wgrad-part";

/// Returns NAME of a temporary file `.NAME-PID-N.wgrad-part`; `None` for other files.
fn target(name: &str) -> Option<&str> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, count) = name.strip_prefix('.')?.strip_suffix(PART)?.rsplit_once('-')?;
    let (target, process) = rest.rsplit_once('-')?;
    (number(count) && number(process)).then_some(target)
}

/// Temporary file in the folder of the file that it replaces. It is removed on drop, unless it was renamed.
struct TemporaryFile {
    file: File,
    path: PathBuf,
}

impl TemporaryFile {
    /// Creates an empty file in the folder of `path`, under an unused name.
    fn new(path: &Path) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Only the first 40 characters, since file systems limit the length of names.
        let stem: String = path.file_name().unwrap_or_default().to_string_lossy().chars().take(40).collect();
        remove_leftovers(folder_of(path), |target| target == stem);
        loop {
            let name = format!(".{stem}-{}-{}{PART}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let temporary = folder_of(path).join(name);
            match File::create_new(&temporary) {
                Ok(file) if is_owned(&file, &temporary) => return Ok(Self { file, path: temporary }),
                // Another process removed the new file as a leftover before it was locked.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::file(path, "creating a file beside it", error)),
            }
        }
    }
}

/// Locks a new file. Returns false if another process has locked or removed it. A file system without locks counts as
/// success, since no process removes leftovers there.
fn is_owned(file: &File, path: &Path) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && path.exists()
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        std::fs::remove_file(&self.path).ok();
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs::Metadata;
    use std::io;

    use super::*;

    thread_local! {
        /// Recorded system calls of this thread: the operation, and `folder` or `file of N bytes`.
        static SYSTEM_CALLS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn note(what: &str, of: &Metadata) {
        let of = if of.is_dir() { "folder".into() } else { format!("file of {} bytes", of.len()) };
        SYSTEM_CALLS.with_borrow_mut(|asked| asked.push(format!("{what} {of}")));
    }

    #[test]
    fn a_file_is_on_disk_before_it_has_the_name_and_its_folder_after() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("model.safetensors");
        for bytes in [b"old" as &[u8], b"newer"] {
            SYSTEM_CALLS.take();
            replace(&path, |file| file.write_all(bytes)).expect("written");
            let [sync, rename] = ["sync", "rename"].map(|what| format!("{what} file of {} bytes", bytes.len()));
            let then: &[&str] = if cfg!(unix) { &["sync folder"] } else { &[] };
            assert_eq!(SYSTEM_CALLS.take(), [&[&sync[..], &rename], then].concat());
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("read").file_name());
        let mut names: Vec<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_failing_writer_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("model.safetensors");
        std::fs::write(&path, "old").expect("written");
        let error = replace(&path, |file| {
            file.write_all(b"half of the n")?;
            Err(io::Error::new(ErrorKind::StorageFull, "no space left"))
        });
        assert!(error.expect_err("the writer failed").to_string().contains("no space left"));
        assert_eq!(std::fs::read(&path).expect("still there"), b"old");
        assert_eq!(names(folder.path()), ["model.safetensors"]);
    }

    #[test]
    fn the_next_writer_removes_what_dead_ones_left_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name);
        // Includes a leftover of a dead process whose id equals that of this live process.
        let own = format!(".m.safetensors-{}-4000000000.wgrad-part", std::process::id());
        let dead = [".m.safetensors-1-0.wgrad-part", ".m.safetensors-4194303-12.wgrad-part", &own];
        let others = [
            ".m.safetensors",
            ".m.safetensors-1-x.wgrad-part",
            ".m.safetensors-7.wgrad-part",
            ".n.safetensors-1-0.wgrad-part",
            "m.safetensors-1-0.wgrad-part",
        ];
        for name in dead.iter().chain(&others) {
            std::fs::write(at(name), "half").expect("written");
        }
        let alive = File::create(at(".m.safetensors-2-0.wgrad-part")).expect("made");
        alive.try_lock().expect("nobody else has it");
        replace(&at("m.safetensors"), |file| file.write_all(b"whole")).expect("written");
        let mut wanted: Vec<&str> =
            others.into_iter().chain([".m.safetensors-2-0.wgrad-part", "m.safetensors"]).collect();
        wanted.sort_unstable();
        assert_eq!(names(folder.path()), wanted);
        drop(alive);
        check_replaceable(&at("m.safetensors")).expect("it can be");
        assert!(!at(".m.safetensors-2-0.wgrad-part").exists());
    }

    /// Files of the user, whose names resemble those of temporary files.
    #[test]
    fn files_that_are_not_unmistakably_leftovers_stay() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("m.safetensors");
        let users = [".m.safetensors-1-2", ".m.safetensors-20241129-2", ".m.safetensors-wgrad-part"];
        for name in users {
            std::fs::write(folder.path().join(name), "the user's").expect("written");
        }
        check_replaceable(&path).expect("it can be");
        replace(&path, |file| file.write_all(b"whole")).expect("written");
        assert_eq!(names(folder.path()), [&users[..], &["m.safetensors"]].concat());
    }

    #[test]
    fn writers_of_one_file_do_not_remove_each_others() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("m");
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        replace(&path, |file| file.write_all(b"whole")).expect("written");
                    }
                });
            }
        });
        assert_eq!(names(folder.path()), ["m"]);
    }
}
