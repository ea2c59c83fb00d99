//! File format of models and checkpoints: safetensors with named tensors and one metadata key.
//!
//! The metadata is a JSON object. Its first field, `crc32`, is a checksum of all bytes of the file, computed with eight
//! zeros in its place. Equal contents give equal bytes.

use std::ops::Range;
use std::path::Path;

use safetensors::{Dtype, SafeTensorError, SafeTensors, tensor::TensorView};

use crate::error::{Error, Result, collected};
use crate::model::Tensor;

/// Kind of file: its metadata key, and remedies for errors.
pub(crate) struct Container {
    /// Key of the metadata.
    pub(crate) key: &'static str,
    /// Remedy for a damaged file.
    pub(crate) damaged: &'static str,
    /// Remedy for a file of another kind.
    pub(crate) foreign: &'static str,
}

/// Contents of a file.
pub(crate) struct Contents {
    /// JSON object, without the checksum.
    pub(crate) metadata: String,
    pub(crate) tensors: Vec<Tensor>,
    /// True if the file has a checksum, which was verified. Early versions of wgrad wrote none.
    pub(crate) is_sealed: bool,
}

/// Metadata key and name of each kind of file.
const KINDS: [(&str, &str); 2] = [("wgrad", "model"), ("wgrad.checkpoint", "checkpoint")];

/// Beginning of metadata with a checksum, before the digits.
const OPENING: &str = r#"{"crc32":""#;

/// Placeholder for the digits while the checksum is computed.
const ZEROS: &str = "00000000";

impl Container {
    /// Returns the bytes of a file with these named tensors. `metadata` is a JSON object with at least one field.
    pub(crate) fn pack<'a>(
        &self,
        metadata: String,
        tensors: impl Iterator<Item = (String, &'a Tensor)>,
    ) -> std::io::Result<Vec<u8>> {
        let fields =
            metadata.strip_prefix('{').ok_or_else(|| std::io::Error::other("the metadata is not a JSON object"))?;
        let metadata = [(self.key.to_string(), format!("{OPENING}{ZEROS}\",{fields}"))].into_iter().collect();
        let entries = tensors.map(|(name, tensor)| Ok((name, view(tensor)?)));
        let entries = entries.collect::<std::result::Result<Vec<_>, SafeTensorError>>();
        let bytes = entries.and_then(|entries| safetensors::serialize(entries, Some(metadata)));
        let mut bytes = bytes.map_err(std::io::Error::other)?;
        let seal =
            self.seal(&bytes).ok_or_else(|| std::io::Error::other("the metadata has no place for a checksum"))?;
        let digits = checksum(&bytes, &seal);
        bytes[seal].copy_from_slice(digits.as_bytes());
        Ok(bytes)
    }

    /// Returns the position of the checksum's digits; `None` if there is no checksum.
    fn seal(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let (length, rest) = bytes.split_first_chunk()?;
        let header = rest.get(..usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
        // The metadata is a string in the header's JSON, so its quotes are escaped. A column name cannot match: its
        // quotes are escaped twice.
        let opening = format!("\"{}\":\"{}", self.key, OPENING.replace('"', "\\\""));
        let at = header.windows(opening.len()).position(|window| window == opening.as_bytes())?;
        let start = length.len() + at + opening.len();
        (start + ZEROS.len() <= length.len() + header.len()).then_some(start..start + ZEROS.len())
    }

    /// Reads metadata and tensors from the bytes of the file `path`.
    ///
    /// # Errors
    /// The bytes are not a file of this kind, are truncated, do not match the checksum, or hold numbers of another
    /// type.
    pub(crate) fn unpack(&self, path: &Path, bytes: &[u8]) -> Result<Contents> {
        let seal = self.seal(bytes);
        if let Some(seal) = &seal {
            let (found, written) = (checksum(bytes, seal), &bytes[seal.clone()]);
            if found.as_bytes() != written {
                return Err(Error::format(path, differs(&found, &String::from_utf8_lossy(written)), self.damaged));
            }
        }
        if is_text(bytes) {
            let kind = KINDS.iter().find(|(key, _)| *key == self.key).map_or("model", |(_, kind)| kind);
            return Err(Error::format(path, format!("it is text, such as a table, not a {kind}"), self.foreign));
        }
        let wrong = |error| format!("this is not a valid safetensors file ({error})");
        let damaged = |error: SafeTensorError| Error::format(path, wrong(error), self.damaged);
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let views = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let text = metadata.metadata().as_ref().and_then(|map| map.get(self.key));
        let missing = || {
            let key = |key: &str| metadata.metadata().as_ref().is_some_and(|map| map.contains_key(key));
            let other = KINDS.iter().find(|(other, _)| key(other)).map(|(_, kind)| format!("it is a {kind} of wgrad"));
            let problem = other.unwrap_or_else(|| format!("the metadata key `{}` is missing", self.key));
            Error::format(path, problem, self.foreign)
        };
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

/// Returns true if the bytes look like text: the first 1,000 have no control characters. A safetensors file begins with
/// a length in eight bytes, some of which are 0. The result for eight bytes or fewer is false.
fn is_text(bytes: &[u8]) -> bool {
    let is_control = |byte: &u8| *byte < b' ' && !b"\t\n\r".contains(byte);
    bytes.len() > 8 && !bytes.iter().take(1000).any(is_control)
}

/// Computes the checksum of a file whose stored checksum is at `seal`.
fn checksum(bytes: &[u8], seal: &Range<usize>) -> String {
    let mut checksum = crc32fast::Hasher::new();
    for part in [&bytes[..seal.start], ZEROS.as_bytes(), &bytes[seal.end..]] {
        checksum.update(part);
    }
    format!("{:08x}", checksum.finalize())
}

/// Returns the message for contents whose checksum differs from the stored one.
pub(crate) fn differs(found: &str, written: &str) -> String {
    format!("its contents have the checksum {found}, but were written with {written}")
}

fn view(tensor: &Tensor) -> std::result::Result<TensorView<'_>, SafeTensorError> {
    TensorView::new(Dtype::F32, tensor.shape.clone(), bytemuck::cast_slice(&tensor.values))
}

/// Checks the format version `found` against the newest one that this program supports.
pub(crate) fn check_version(path: &Path, found: Option<u64>, known: u32) -> Result<()> {
    let Some(found) = found.filter(|found| *found > u64::from(known)) else { return Ok(()) };
    let problem = format!("its format is version {found}, but this program supports versions up to {known}");
    Err(Error::format(path, problem, "use a newer wgrad"))
}
