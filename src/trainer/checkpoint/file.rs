//! Checkpoint files: safetensors, with one metadata key.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Checkpoint, Header};
use crate::error::{Error, Result};
use crate::model::Tensor;
use crate::model::container::{Container, Contents, check_version, differs};
use crate::replace::replace;

/// Version of the metadata. Readers refuse newer versions.
pub(super) const FORMAT_VERSION: u32 = 1;

const DAMAGED: &str = "the file is damaged or incomplete; use another checkpoint";
const FOREIGN: &str = "use a checkpoint that wgrad wrote";

const CONTAINER: Container = Container { key: "wgrad.checkpoint", damaged: DAMAGED, foreign: FOREIGN };

/// Metadata of the file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// CRC-32 of the header's text and of all tensors in the order of their names. Only files of early versions have
    /// this checksum. Later files have a checksum of all bytes instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<u32>,
    #[serde(rename = "head")]
    header: Header,
}

impl Checkpoint {
    /// Writes the checkpoint to a file. An existing file is replaced once the new one is complete and on disk.
    ///
    /// # Errors
    /// A folder or file that cannot be written. An existing file is then unchanged.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Adam, Device, Fit, Loss, Network, Trainer, data};
    /// # let build = |rate| Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy())
    /// #     .optimizer(Adam::new(rate)).build(&Device::cpu());
    /// # let path = std::env::temp_dir().join(format!("wgrad-doc-save-{}.safetensors", std::process::id()));
    /// use wgrad::Checkpoint;
    /// let checkpoint = build(0.01)?.checkpoint()?;
    /// checkpoint.save(&path)?;
    /// assert_eq!(Checkpoint::load(&path)?.step(), checkpoint.step());
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let bytes = self.to_bytes().map_err(|error| Error::file(path, "serializing", error))?;
        replace(path, |file| file.write_all(&bytes))
    }

    fn to_bytes(&self) -> std::io::Result<Vec<u8>> {
        let stored = Stored { checksum: None, header: self.header.clone() };
        let named = self.tensors.iter().map(|tensor| (tensor.name.clone(), tensor));
        CONTAINER.pack(serde_json::to_string(&stored)?, named)
    }

    /// Reads a checkpoint from a file.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or is not a checkpoint.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Adam, Device, Fit, Loss, Network, Trainer, data};
    /// # let build = |rate| Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy())
    /// #     .optimizer(Adam::new(rate)).build(&Device::cpu());
    /// # let path = std::env::temp_dir().join(format!("wgrad-doc-load-{}.safetensors", std::process::id()));
    /// use wgrad::Checkpoint;
    /// build(0.01)?.checkpoint()?.save(&path)?;
    /// let mut trainer = build(0.01)?;
    /// trainer.restore(&Checkpoint::load(&path)?)?;
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        Self::read(path.as_ref())?
    }

    /// Reads a checkpoint. The inner error means that the contents are unusable, so an older checkpoint may be used
    /// instead. The outer error means that the file cannot be read now, or not by this version. No older checkpoint
    /// must be used then.
    pub(super) fn read(path: &Path) -> Result<Result<Self>> {
        let bytes = std::fs::read(path).map_err(|error| Error::file(path, "reading", error))?;
        let contents = match CONTAINER.unpack(path, &bytes) {
            Ok(contents) => contents,
            Err(error) => return Ok(Err(error)),
        };
        let version = serde_json::from_str::<serde_json::Value>(&contents.metadata).ok();
        check_version(path, version.and_then(|value| value.get("head")?.get("format")?.as_u64()), FORMAT_VERSION)?;
        Ok(Self::of(path, contents))
    }

    fn of(path: &Path, Contents { metadata, tensors, is_sealed }: Contents) -> Result<Self> {
        let bad = |error| format!("its metadata `{}` cannot be used: {error}", CONTAINER.key);
        let stored = serde_json::from_str(&metadata).map_err(|error| Error::format(path, bad(error), FOREIGN));
        let Stored { checksum: written, header } = stored?;
        let checkpoint = Self { header, tensors };
        if !is_sealed {
            let found = checkpoint.checksum().map_err(|error| Error::file(path, "reading", error))?;
            if Some(found) != written {
                let [found, written] =
                    [Some(found), written].map(|sum| sum.map_or("none".into(), |sum| format!("{sum:08x}")));
                return Err(Error::format(path, differs(&found, &written), DAMAGED));
            }
        }
        let torn = |error| Error::format(path, format!("its contents are inconsistent: {error}"), FOREIGN);
        checkpoint.check().map_err(torn)?;
        Ok(checkpoint)
    }

    /// Returns the checksum that files of early versions have.
    fn checksum(&self) -> std::io::Result<u32> {
        let mut checksum = crc32fast::Hasher::new();
        checksum.update(serde_json::to_string(&self.header)?.as_bytes());
        let mut sorted: Vec<&Tensor> = self.tensors.iter().collect();
        sorted.sort_by(|a, b| a.name.cmp(&b.name));
        for tensor in sorted {
            checksum.update(format!("{} {:?}", tensor.name, tensor.shape).as_bytes());
            checksum.update(bytemuck::cast_slice(&tensor.values));
        }
        Ok(checksum.finalize())
    }
}
