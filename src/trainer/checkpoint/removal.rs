//! Removal of checkpoints that are no longer needed.

use std::io::ErrorKind;
use std::path::Path;

use super::Checkpoints;
use super::folder::{LOCK, written};
use crate::error::{Error, Result};

impl Checkpoints {
    /// Deletes the checkpoints of a folder, and the folder if nothing else is in it.
    ///
    /// # Errors
    /// The folder cannot be read; a file cannot be deleted.
    ///
    /// # Examples
    /// ```no_run
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// if let Some(folder) = trainer.checkpoint_folder() {
    ///     wgrad::Checkpoints::remove_from(folder)?;
    /// }
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn remove_from(folder: impl AsRef<Path>) -> Result<()> {
        let folder = folder.as_ref();
        let checkpoints = written(folder)?.into_iter().map(|(_, path)| path);
        for path in checkpoints.chain([folder.join(LOCK)]) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::file(&path, "deleting", error));
                }
                _ => {}
            }
        }
        match std::fs::remove_dir(folder) {
            Err(error) if error.kind() != ErrorKind::DirectoryNotEmpty => {
                Err(Error::file(folder, "deleting the folder", error))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_checkpoints_are_deleted() {
        let place = tempfile::tempdir().expect("a folder");
        let files = |names: &[&str]| {
            let folder = place.path().join("run");
            std::fs::create_dir(&folder).expect("a folder");
            names.iter().for_each(|name| std::fs::write(folder.join(name), "").expect("written"));
            Checkpoints::remove_from(&folder).expect("removed");
            let left = std::fs::read_dir(&folder).into_iter().flatten();
            let mut left: Vec<_> = left.map(|entry| entry.expect("an entry").file_name()).collect();
            left.sort();
            let exists = folder.exists();
            std::fs::remove_dir_all(&folder).ok();
            (left, exists)
        };
        assert_eq!(files(&["step-7.safetensors", "lock", "step-12.safetensors"]), (vec![], false));
        let (left, exists) = files(&["step-7.safetensors", "lock", "notes.txt", "step-07.safetensors"]);
        assert!(exists && left == ["notes.txt", "step-07.safetensors"], "{left:?}");
        let message = Checkpoints::remove_from(place.path().join("none")).expect_err("no folder").to_string();
        assert!(message.contains("none"), "{message}");
    }
}
