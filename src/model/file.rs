//! Model files: safetensors that PyTorch loads, with one metadata key.
//!
//! Tensors carry the keys of `torch.nn.Sequential` (`0.weight`, [outputs, inputs]); the key `wgrad` holds the
//! [`Head`] as JSON. Nothing else is in the file, no time and no path, so equal models are equal files.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};

use crate::error::{Error, Result};
use crate::model::{Head, Model, Tensor, check_parameters};

/// Version of the metadata; a reader refuses newer ones.
pub const FORMAT_VERSION: u32 = 1;

const KEY: &str = "wgrad";
const DAMAGED: &str = "the file is damaged or cut short; use another copy";
const FOREIGN: &str = "use a file that wgrad wrote";

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
        let metadata = [(KEY.to_string(), serde_json::to_string(&self.head)?)].into_iter().collect();
        let entries = self.parameters.iter().map(entry).collect::<std::result::Result<Vec<_>, _>>();
        entries.and_then(|entries| safetensors::serialize(entries, Some(metadata))).map_err(std::io::Error::other)
    }

    fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let damaged = |error| Error::format(path, format!("this is not a valid safetensors file ({error})"), DAMAGED);
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let text = metadata.metadata().as_ref().and_then(|map| map.get(KEY));
        let text = text.ok_or_else(|| Error::format(path, format!("the metadata key `{KEY}` is missing"), FOREIGN))?;
        let head = head(path, text)?;
        let parameters =
            tensors.tensors().into_iter().map(|(key, view)| tensor(path, &key, &view)).collect::<Result<Vec<_>>>()?;
        check_parameters(&head.network, &parameters)
            .map_err(|error| Error::format(path, format!("its tensors do not fit its network: {error}"), FOREIGN))?;
        Ok(Self { parameters: in_order(&head, parameters), head })
    }
}

/// A parameter under its key, as the file holds it.
fn entry(tensor: &Tensor) -> std::result::Result<(String, TensorView<'_>), SafeTensorError> {
    let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytemuck::cast_slice(&tensor.values))?;
    Ok((key_of(&tensor.name), view))
}

fn head(path: &Path, text: &str) -> Result<Head> {
    let version = serde_json::from_str::<serde_json::Value>(text).ok().and_then(|value| value.get("format")?.as_u64());
    if version.is_some_and(|version| version > u64::from(FORMAT_VERSION)) {
        let problem =
            format!("its format is version {}, this program knows up to {FORMAT_VERSION}", version.unwrap_or(0));
        return Err(Error::format(path, problem, "use a newer wgrad"));
    }
    let bad = |problem: String| Error::format(path, format!("its metadata `{KEY}` cannot be used: {problem}"), FOREIGN);
    let head: Head = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
    head.check().map_err(|error| bad(error.to_string()))?;
    Ok(head)
}

fn tensor(path: &Path, key: &str, view: &TensorView<'_>) -> Result<Tensor> {
    let name = name_of(key).ok_or_else(|| Error::format(path, format!("unexpected tensor `{key}`"), FOREIGN))?;
    if view.dtype() != Dtype::F32 {
        return Err(Error::format(path, format!("tensor `{key}` holds {:?}, not F32", view.dtype()), FOREIGN));
    }
    let values =
        view.data().chunks_exact(4).map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect();
    Ok(Tensor { name, shape: view.shape().to_vec(), values })
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
        loop {
            let name = format!(".wgrad-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
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
