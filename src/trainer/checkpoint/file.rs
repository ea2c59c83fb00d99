//! Checkpoint files: safetensors, with one metadata key and a checksum, since a number that has changed on disk would not
//! be noticed by anything else.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Checkpoint, Head};
use crate::error::{Error, Result};
use crate::model::container::{Container, check_version};
use crate::model::{Tensor, replace};

/// Version of the metadata; a reader refuses newer ones.
pub(super) const FORMAT_VERSION: u32 = 1;

const DAMAGED: &str = "the file is damaged or cut short; delete it to go on from the one before";
const FOREIGN: &str = "use a checkpoint that wgrad wrote";

const CONTAINER: Container = Container { key: "wgrad.checkpoint", damaged: DAMAGED, foreign: FOREIGN };

/// The metadata.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// CRC-32 of the head's text, and of all tensors in the order of their names.
    checksum: u32,
    head: Head,
}

impl Checkpoint {
    /// Writes it to a file, which is replaced only once the new one is complete and on disk.
    ///
    /// # Errors
    /// A folder or file that cannot be written; an existing file is then as it was.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = self.to_bytes().map_err(|error| Error::file(path, "serialising", error))?;
        replace(path, |file| file.write_all(&bytes))
    }

    fn to_bytes(&self) -> std::io::Result<Vec<u8>> {
        let stored = Stored { checksum: self.checksum()?, head: self.head.clone() };
        let named = self.tensors.iter().map(|tensor| (tensor.name.clone(), tensor));
        CONTAINER.pack(serde_json::to_string(&stored)?, named)
    }

    /// Reads one from a file.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or is no checkpoint.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| Error::file(path, "reading", error))?;
        let (text, tensors) = CONTAINER.unpack(path, &bytes)?;
        let Stored { checksum: stored, head } = stored(path, &text)?;
        let checkpoint = Self { head, tensors };
        let found = checkpoint.checksum().map_err(|error| Error::file(path, "reading", error))?;
        if found != stored {
            let problem = format!("its contents have the checksum {found:08x}, but were written with {stored:08x}");
            return Err(Error::format(path, problem, DAMAGED));
        }
        let torn = |error| Error::format(path, format!("its parts do not belong together: {error}"), FOREIGN);
        checkpoint.check().map_err(torn)?;
        Ok(checkpoint)
    }

    fn checksum(&self) -> std::io::Result<u32> {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(serde_json::to_string(&self.head)?.as_bytes());
        let mut sorted: Vec<&Tensor> = self.tensors.iter().collect();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        for tensor in sorted {
            checksum.update(format!("{} {:?}", tensor.name, tensor.shape).as_bytes());
            checksum.update(bytemuck::cast_slice(&tensor.values));
        }
        Ok(checksum.finalize())
    }
}

fn stored(path: &Path, text: &str) -> Result<Stored> {
    let version = serde_json::from_str::<serde_json::Value>(text).ok();
    check_version(path, version.and_then(|value| value.get("head")?.get("format")?.as_u64()), FORMAT_VERSION)?;
    let bad = |error| format!("its metadata `{}` cannot be used: {error}", CONTAINER.key);
    serde_json::from_str(text).map_err(|error| Error::format(path, bad(error), FOREIGN))
}
