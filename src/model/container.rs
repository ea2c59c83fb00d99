//! Named tensors with one text of metadata, as a safetensors file: what models and checkpoints are stored in.

use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};

use crate::error::{Error, Result, collected};
use crate::model::Tensor;

/// What a file is told by, and what to do where it is not one.
pub(crate) struct Container {
    /// The metadata's key.
    pub(crate) key: &'static str,
    /// What to do about a damaged file.
    pub(crate) damaged: &'static str,
    /// What to do about a file of something else.
    pub(crate) foreign: &'static str,
}

impl Container {
    /// The bytes of a file with these tensors, each under a name.
    pub(crate) fn pack<'a>(
        &self,
        metadata: String,
        tensors: impl Iterator<Item = (String, &'a Tensor)>,
    ) -> std::io::Result<Vec<u8>> {
        let metadata = [(self.key.to_string(), metadata)].into_iter().collect();
        let entries = tensors.map(|(name, tensor)| Ok((name, view(tensor)?)));
        let entries = entries.collect::<std::result::Result<Vec<_>, SafeTensorError>>();
        entries.and_then(|entries| safetensors::serialize(entries, Some(metadata))).map_err(std::io::Error::other)
    }

    /// Metadata and tensors of a file; `bytes` are those of `path`.
    ///
    /// # Errors
    /// Bytes that are no such file, are cut short, or hold numbers of another type.
    pub(crate) fn unpack(&self, path: &Path, bytes: &[u8]) -> Result<(String, Vec<Tensor>)> {
        let wrong = |error| format!("this is not a valid safetensors file ({error})");
        let damaged = |error: SafeTensorError| Error::format(path, wrong(error), self.damaged);
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let views = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let text = metadata.metadata().as_ref().and_then(|map| map.get(self.key));
        let missing = || Error::format(path, format!("the metadata key `{}` is missing", self.key), self.foreign);
        let text = text.ok_or_else(missing)?.clone();
        let tensors = views.tensors().into_iter().map(|(name, view)| self.tensor(path, name, &view));
        Ok((text, tensors.collect::<Result<_>>()?))
    }

    fn tensor(&self, path: &Path, name: String, view: &TensorView<'_>) -> Result<Tensor> {
        if view.dtype() != Dtype::F32 {
            let problem = format!("tensor `{name}` holds {:?}, not F32", view.dtype());
            return Err(Error::format(path, problem, self.foreign));
        }
        let numbers = view.data().as_chunks().0;
        let values = collected(&name, numbers.len(), numbers.iter().map(|four| f32::from_le_bytes(*four)))?;
        Ok(Tensor { name, shape: view.shape().to_vec(), values })
    }
}

fn view(tensor: &Tensor) -> std::result::Result<TensorView<'_>, SafeTensorError> {
    TensorView::new(Dtype::F32, tensor.shape.clone(), bytemuck::cast_slice(&tensor.values))
}

/// What is wrong with metadata of a newer program, whose version of the format is `found`.
pub(crate) fn check_version(path: &Path, found: Option<u64>, known: u32) -> Result<()> {
    let Some(found) = found.filter(|found| *found > u64::from(known)) else { return Ok(()) };
    let problem = format!("its format is version {found}, this program knows up to {known}");
    Err(Error::format(path, problem, "use a newer wgrad"))
}
