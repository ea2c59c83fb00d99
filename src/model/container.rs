//! Named tensors with one text of metadata, as a safetensors file: what models and checkpoints are stored in.
//!
//! The metadata are a JSON object. Its first field, `crc32`, is a checksum of all bytes of the file, taken with eight
//! zeros in its place. A file has the same bytes whenever its contents are the same.

use std::ops::Range;
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

/// Contents of a file.
pub(crate) struct Contents {
    /// JSON object, without the checksum.
    pub(crate) metadata: String,
    pub(crate) tensors: Vec<Tensor>,
    /// Whether the file has a checksum, which is then right. Early versions wrote none.
    pub(crate) is_sealed: bool,
}

/// What a sealed text of metadata begins with, before the digits.
const OPENING: &str = r#"{"crc32":""#;

/// What the digits are taken for where they are summed themselves.
const ZEROS: &str = "00000000";

impl Container {
    /// The bytes of a file with these tensors, each under a name; `metadata` are a JSON object with fields.
    pub(crate) fn pack<'a>(
        &self,
        metadata: String,
        tensors: impl Iterator<Item = (String, &'a Tensor)>,
    ) -> std::io::Result<Vec<u8>> {
        let fields = metadata.strip_prefix('{').ok_or_else(|| std::io::Error::other("the metadata are no object"))?;
        let metadata = [(self.key.to_string(), format!("{OPENING}{ZEROS}\",{fields}"))].into_iter().collect();
        let entries = tensors.map(|(name, tensor)| Ok((name, view(tensor)?)));
        let entries = entries.collect::<std::result::Result<Vec<_>, SafeTensorError>>();
        let bytes = entries.and_then(|entries| safetensors::serialize(entries, Some(metadata)));
        let mut bytes = bytes.map_err(std::io::Error::other)?;
        let seal =
            self.seal(&bytes).ok_or_else(|| std::io::Error::other("the metadata have no place for a checksum"))?;
        let digits = checksum(&bytes, &seal);
        bytes[seal].copy_from_slice(digits.as_bytes());
        Ok(bytes)
    }

    /// Where the digits of the checksum stand.
    fn seal(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let (length, rest) = bytes.split_first_chunk()?;
        let header = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        // Text within text: its quotes are escaped. No name of a column can look so, as its quotes are escaped twice.
        let opening = format!("\"{}\":\"{}", self.key, OPENING.replace('"', "\\\""));
        let at = header.windows(opening.len()).position(|window| window == opening.as_bytes())?;
        let start = length.len() + at + opening.len();
        (start + ZEROS.len() <= length.len() + header.len()).then_some(start..start + ZEROS.len())
    }

    /// Metadata and tensors of a file; `bytes` are those of `path`.
    ///
    /// # Errors
    /// Bytes that are no such file, are cut short, are not those that were written, or hold numbers of another type.
    pub(crate) fn unpack(&self, path: &Path, bytes: &[u8]) -> Result<Contents> {
        let seal = self.seal(bytes);
        if let Some(seal) = &seal {
            let (found, written) = (checksum(bytes, seal), &bytes[seal.clone()]);
            if found.as_bytes() != written {
                return Err(Error::format(path, differs(&found, &String::from_utf8_lossy(written)), self.damaged));
            }
        }
        let wrong = |error| format!("this is not a valid safetensors file ({error})");
        let damaged = |error: SafeTensorError| Error::format(path, wrong(error), self.damaged);
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let views = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let text = metadata.metadata().as_ref().and_then(|map| map.get(self.key));
        let missing = || Error::format(path, format!("the metadata key `{}` is missing", self.key), self.foreign);
        let text = text.ok_or_else(missing)?;
        let fields = seal.as_ref().and_then(|seal| text.get(OPENING.len() + seal.len()..)?.strip_prefix("\","));
        let metadata = fields.map_or_else(|| text.clone(), |fields| format!("{{{fields}"));
        let tensors = views.tensors().into_iter().map(|(name, view)| self.tensor(path, name, &view));
        Ok(Contents { metadata, tensors: tensors.collect::<Result<_>>()?, is_sealed: seal.is_some() })
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

/// The checksum of a file whose own checksum stands at `seal`.
fn checksum(bytes: &[u8], seal: &Range<usize>) -> String {
    let mut checksum = crc32fast::Hasher::new();
    for part in [&bytes[..seal.start], ZEROS.as_bytes(), &bytes[seal.end..]] {
        checksum.update(part);
    }
    format!("{:08x}", checksum.finalize())
}

/// What is wrong with contents that have another checksum than they were written with.
pub(crate) fn differs(found: &str, written: &str) -> String {
    format!("its contents have the checksum {found}, but were written with {written}")
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
