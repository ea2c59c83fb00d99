//! Files that are replaced as a whole: written beside their place, and moved there once they are complete and on disk.
//!
//! The file beside has the name `.NAME-PID-N.wgrad-part`, and its writer holds a lock on it. The system gives the lock up
//! however the process ends, so a file that nobody locks is a leftover, and the next writer of NAME removes it. A process
//! id alone would not do: ids are used again, and on a folder that several machines share they mean nothing. The ending
//! is there so that no file of the user's is taken for one of these.

use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result};
use crate::text::shown;

/// Checks that [`replace`] can write to `path`, so that nobody finds out after hours of training.
///
/// # Errors
/// A folder that cannot be written to; a path that is there and is not a file.
pub fn check_replaceable(path: &Path) -> Result<()> {
    if path.file_name().is_none() || std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let error = std::io::Error::other("it is not a file; name one, as in `model.safetensors`");
        return Err(Error::file(path, "replacing", error));
    }
    Beside::new(path).map(drop)
}

/// Writes a file beside `path` and moves it there once it is complete and on disk. Files that killed processes left
/// beside `path` are removed.
///
/// # Errors
/// A folder or file that cannot be written; whatever fails, the old file is as it was.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let failed = |action| move |error| Error::file(path, action, error);
    let mut beside = Beside::new(path)?;
    write(&mut beside.file).map_err(failed("writing"))?;
    sync(&beside.file).map_err(failed("writing"))?;
    if let Ok(old) = std::fs::metadata(path) {
        beside.file.set_permissions(old.permissions()).map_err(failed("writing"))?;
    }
    rename(&beside.path, path).map_err(failed("replacing"))?;
    // The new name is on disk only once its folder is; where a folder cannot be opened, the system does without.
    if let Ok(folder) = File::open(folder_of(path)) {
        sync(&folder).ok();
    }
    Ok(())
}

/// Waits until all of a file or folder is on disk.
fn sync(file: &File) -> std::io::Result<()> {
    // A lost `sync` shows only where the power fails, so tests look at what is asked of the system, and when.
    #[cfg(test)]
    tests::note("sync", &file.metadata()?);
    file.sync_all()
}

/// Moves a file in place of another.
fn rename(from: &Path, to: &Path) -> std::io::Result<()> {
    #[cfg(test)]
    tests::note("rename", &std::fs::metadata(from)?);
    std::fs::rename(from, to)
}

/// Removes from a folder the files that killed processes left beside files with a name that `is_ours`. Those of live
/// processes stay, and so does all that cannot be locked or removed: it does no harm.
pub(crate) fn remove_leftovers(folder: &Path, is_ours: impl Fn(&str) -> bool) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_str().and_then(target).is_some_and(&is_ours) {
            // Not created: a file that has gone meanwhile is none of ours.
            // To be written: some file systems lock no others. A lock in vain is that of a writer at work.
            let opened = File::options().write(true).open(entry.path());
            // Removed while it is locked: a writer that has just made it sees then that it is lost.
            let removed =
                opened.is_ok_and(|file| file.try_lock().is_ok() && std::fs::remove_file(entry.path()).is_ok());
            if removed {
                let path = entry.path().display().to_string();
                log::info!("removed {}, which a process left that has ended", shown(&path));
            }
        }
    }
}

/// Ending of the name of a file beside another.
const PART: &str = ".wgrad-part";

/// NAME, of the name `.NAME-PID-N.wgrad-part` of a file beside another.
fn target(name: &str) -> Option<&str> {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (rest, count) = name.strip_prefix('.')?.strip_suffix(PART)?.rsplit_once('-')?;
    let (target, process) = rest.rsplit_once('-')?;
    (number(count) && number(process)).then_some(target)
}

/// A new file beside another, which is gone once the value is dropped, unless it was moved away.
struct Beside {
    file: File,
    path: PathBuf,
}

impl Beside {
    /// An empty file in the folder of `path`, under a name that nobody has.
    fn new(path: &Path) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Cut, since names have a longest length.
        let stem: String = path.file_name().unwrap_or_default().to_string_lossy().chars().take(40).collect();
        remove_leftovers(folder_of(path), |target| target == stem);
        loop {
            let name = format!(".{stem}-{}-{}{PART}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let beside = folder_of(path).join(name);
            match File::create_new(&beside) {
                Ok(file) if is_owned(&file, &beside) => return Ok(Self { file, path: beside }),
                // Somebody took it for a leftover before it was locked.
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::file(path, "creating a file beside it", error)),
            }
        }
    }
}

/// Locks a file that was just made. Where a file system knows no locks, nobody removes anything.
fn is_owned(file: &File, path: &Path) -> bool {
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && path.exists()
}

impl Drop for Beside {
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
        /// What this thread asked of the system, and of what: a folder, or a file with so many bytes.
        static ASKED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    pub(super) fn note(what: &str, of: &Metadata) {
        let of = if of.is_dir() { "folder".into() } else { format!("file of {} bytes", of.len()) };
        ASKED.with_borrow_mut(|asked| asked.push(format!("{what} {of}")));
    }

    #[test]
    fn a_file_is_on_disk_before_it_has_the_name_and_its_folder_after() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("model.safetensors");
        for bytes in [b"old" as &[u8], b"newer"] {
            ASKED.take();
            replace(&path, |file| file.write_all(bytes)).expect("written");
            let [sync, rename] = ["sync", "rename"].map(|what| format!("{what} file of {} bytes", bytes.len()));
            let then: &[&str] = if cfg!(unix) { &["sync folder"] } else { &[] };
            assert_eq!(ASKED.take(), [&[&sync[..], &rename], then].concat());
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
        // Of a dead process with the id of a live one, too: this one's.
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

    /// Backups and notes of the user's, whose names end in numbers, too.
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
