//! Model files: safetensors that PyTorch loads, with one metadata key.
//!
//! Tensors carry the keys of `torch.nn.Sequential` (`0.weight`, [outputs, inputs]); the key `wgrad` holds the
//! [`Metadata`] as JSON. Nothing else is in the file, no time and no path, so equal models are equal files.

use std::collections::HashMap;
use std::path::Path;

use crate::error::{Error, Result};
use crate::model::container::{Container, Contents, check_version};
use crate::model::{Metadata, Model, Tensor, check_parameters};
use crate::replace::replace;

/// Version of the metadata; a reader refuses newer ones. Since version 2 there are the targets, their scaling, how the
/// table was read, and what made the model, and always a checksum; files of version 1 may lack them.
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
        CONTAINER.pack(serde_json::to_string(&self.metadata)?, keyed)
    }

    fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let Contents { metadata, tensors, is_sealed } = CONTAINER.unpack(path, bytes)?;
        let metadata = head(path, &metadata)?;
        // Only files of version 1 may have none.
        if !is_sealed && metadata.format > 1 {
            return Err(Error::format(path, "its checksum is missing", CONTAINER.damaged));
        }
        let parameters = tensors.into_iter().map(|tensor| named(path, tensor)).collect::<Result<Vec<_>>>()?;
        check_parameters(&metadata.network, &parameters)
            .map_err(|error| Error::format(path, format!("its tensors do not fit its network: {error}"), FOREIGN))?;
        Ok(Self { parameters: in_order(&metadata, parameters), metadata })
    }
}

fn head(path: &Path, text: &str) -> Result<Metadata> {
    let version = serde_json::from_str::<serde_json::Value>(text).ok().and_then(|value| value.get("format")?.as_u64());
    check_version(path, version, FORMAT_VERSION)?;
    let bad = |problem: String| {
        let problem = format!("its metadata `{}` cannot be used: {problem}", CONTAINER.key);
        Error::format(path, problem, FOREIGN)
    };
    let metadata: Metadata = serde_json::from_str(text).map_err(|error| bad(error.to_string()))?;
    metadata.check().map_err(|error| bad(error.to_string()))?;
    Ok(metadata)
}

/// A tensor of the file under the parameter's own name.
fn named(path: &Path, tensor: Tensor) -> Result<Tensor> {
    let unexpected = || Error::format(path, format!("unexpected tensor `{}`", tensor.name), FOREIGN);
    Ok(Tensor { name: name_of(&tensor.name).ok_or_else(unexpected)?, ..tensor })
}

fn in_order(metadata: &Metadata, mut parameters: Vec<Tensor>) -> Vec<Tensor> {
    let order = super::parameter_shapes(&metadata.network).into_iter().enumerate();
    let order: HashMap<String, usize> = order.map(|(place, (name, _))| (name, place)).collect();
    parameters.sort_by_key(|tensor| order.get(&tensor.name));
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
