//! Model files: safetensors that PyTorch loads, with one metadata key.
//!
//! Tensors carry the keys of `torch.nn.Sequential` (`0.weight`, [outputs, inputs]); the key `wgrad` holds the
//! [`Head`] as JSON. Nothing else is in the file, no time and no path, so equal models are equal files.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result};
use crate::model::container::{Container, check_version};
use crate::model::{Head, Model, Tensor, check_parameters};

/// Version of the metadata; a reader refuses newer ones. Since version 2 there are the targets, their scaling, how the
/// table was read, and what made the model; files of version 1 lack them.
pub const FORMAT_VERSION: u32 = 2;

const FOREIGN: &str = "use a model that wgrad wrote";

const CONTAINER: Container =
    Container { key: "wgrad", damaged: "the file is damaged or cut short; use another copy", foreign: FOREIGN };

impl Model {
    /// Writes the model to a file, which is replaced only once the new one is complete and on disk.
    ///
    /// # Errors
    /// A model whose parts do not fit (see [`Model::check`]), a folder or file that cannot be written; an existing file
    /// is then as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.check()?;
        let path = path.as_ref();
        let bytes = self.to_bytes().map_err(|error| Error::file(path, "serialising", error))?;
        replace(path, |file| file.write_all(&bytes))
    }

    /// Reads a model from a file.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or does not hold what its own metadata says.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| Error::file(path, "reading", error))?;
        Self::from_bytes(path, &bytes)
    }

    /// The bytes of the model's file.
    fn to_bytes(&self) -> std::io::Result<Vec<u8>> {
        let keyed = self.parameters.iter().map(|tensor| (key_of(&tensor.name), tensor));
        CONTAINER.pack(serde_json::to_string(&self.head)?, keyed)
    }

    fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let (text, tensors) = CONTAINER.unpack(path, bytes)?;
        let head = head(path, &text)?;
        let parameters = tensors.into_iter().map(|tensor| named(path, tensor)).collect::<Result<Vec<_>>>()?;
        check_parameters(&head.network, &parameters)
            .map_err(|error| Error::format(path, format!("its tensors do not fit its network: {error}"), FOREIGN))?;
        Ok(Self { parameters: in_order(&head, parameters), head })
    }
}

fn head(path: &Path, text: &str) -> Result<Head> {
    let version = serde_json::from_str::<serde_json::Value>(text).ok().and_then(|value| value.get("format")?.as_u64());
    check_version(path, version, FORMAT_VERSION)?;
    let bad = |problem: String| {
        let problem = format!("its metadata `{}` cannot be used: {problem}", CONTAINER.key);
        Error::format(path, problem, FOREIGN)
    };
    let head: Head = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
    head.check().map_err(|error| bad(error.to_string()))?;
    Ok(head)
}

/// A tensor of the file under the parameter's own name.
fn named(path: &Path, tensor: Tensor) -> Result<Tensor> {
    let unexpected = || Error::format(path, format!("unexpected tensor `{}`", tensor.name), FOREIGN);
    Ok(Tensor { name: name_of(&tensor.name).ok_or_else(unexpected)?, ..tensor })
}

fn in_order(head: &Head, mut parameters: Vec<Tensor>) -> Vec<Tensor> {
    let order = super::parameter_shapes(&head.network);
    parameters.sort_by_key(|tensor| order.iter().position(|(name, _)| *name == tensor.name));
    parameters
}

/// `layer3.weight` as PyTorch's `3.weight`: the one place where the two vocabularies meet.
fn key_of(name: &str) -> String {
    name.trim_start_matches("layer").to_string()
}

fn name_of(key: &str) -> Option<String> {
    let (number, part) = key.split_once('.')?;
    (number.parse::<usize>().is_ok() && matches!(part, "weight" | "bias")).then(|| format!("layer{key}"))
}

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

/// Writes a file beside `path` and moves it there once it is complete and on disk.
///
/// # Errors
/// A folder or file that cannot be written; whatever fails, the old file is as it was.
pub fn replace(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let failed = |action| move |error| Error::file(path, action, error);
    let mut beside = Beside::new(path)?;
    write(&mut beside.file).map_err(failed("writing"))?;
    beside.file.sync_all().map_err(failed("writing"))?;
    if let Ok(old) = std::fs::metadata(path) {
        beside.file.set_permissions(old.permissions()).map_err(failed("writing"))?;
    }
    std::fs::rename(&beside.path, path).map_err(failed("replacing"))?;
    // The new name is on disk only once its folder is; where a folder cannot be opened, the system does without.
    if let Ok(folder) = File::open(folder_of(path)) {
        folder.sync_all().ok();
    }
    Ok(())
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
        loop {
            let name = format!(".{stem}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            let beside = folder_of(path).join(name);
            match File::create_new(&beside) {
                Ok(file) => return Ok(Self { file, path: beside }),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::file(path, "creating a file beside it", error)),
            }
        }
    }
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
    use std::io;

    use super::replace;

    #[test]
    fn a_failing_writer_leaves_the_old_file_and_no_other() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("model.safetensors");
        std::fs::write(&path, "old").expect("written");
        let error = replace(&path, |file| {
            file.write_all(b"half of the n")?;
            Err(io::Error::new(io::ErrorKind::StorageFull, "no space left"))
        });
        assert!(error.expect_err("the writer failed").to_string().contains("no space left"));
        assert_eq!(std::fs::read(&path).expect("still there"), b"old");
        assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
    }
}
