//! Model files: safetensors files that PyTorch can load, with one metadata key.
//!
//! Tensors have the keys of `torch.nn.Sequential` (`0.weight`, of shape [outputs, inputs]). The metadata key `wgrad`
//! holds the [`Metadata`] as JSON. The file contains no timestamp and no path, so equal models give equal files.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::data::{Preparation, Standardization};
use crate::error::{Error, Result};
use crate::model::container::{Container, Contents, check_version};
use crate::model::{Metadata, Model, Tensor, check_parameters};
use crate::replace::replace;

/// Version of the metadata format; newer versions cannot be read. Version 2 added the names and scaling of the targets,
/// the layout of the table, the origin of the model, and a mandatory checksum. Version 3 added the preparation of
/// tables and limits of scaled inputs. Files of version 1 can be read.
pub const FORMAT_VERSION: u32 = 3;

/// Version that is written for models without a preparation and without limits of scaled inputs, so that older programs
/// can read them.
const WITHOUT_PREPARATION: u32 = 2;

/// Returns the oldest metadata version that supports this preparation and scaling.
pub(crate) fn version(preparation: Option<&Preparation>, scaling: Option<&Standardization>) -> u32 {
    let is_new = preparation.is_some() || scaling.is_some_and(|scaling| scaling.limit().is_some());
    if is_new { FORMAT_VERSION } else { WITHOUT_PREPARATION }
}

const FOREIGN: &str = "use a model that wgrad wrote";

const CONTAINER: Container =
    Container { key: "wgrad", damaged: "the file is damaged or truncated; use another copy", foreign: FOREIGN };

impl Model {
    /// Writes the model to a safetensors file. An existing file is replaced only when the new one is complete and on
    /// disk.
    ///
    /// # Errors
    /// Metadata and parameters do not fit each other (see [`Model::check`]), or the file cannot be written. An existing
    /// file is unchanged then.
    ///
    /// # Examples
    /// ```no_run
    /// # use wgrad::{Device, Loss, Network, Trainer};
    /// # let trainer = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).build(&Device::cpu())?;
    /// # let model = trainer.into_model()?;
    /// model.save("model.safetensors")?;
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.check()?;
        let path = path.as_ref();
        let bytes = self.to_bytes().map_err(|error| Error::file(path, "serializing", error))?;
        replace(path, |file| file.write_all(&bytes))
    }

    /// Reads a model from a file.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or has tensors that do not fit its metadata.
    ///
    /// # Examples
    /// ```no_run
    /// use wgrad::Model;
    /// let model = Model::load("model.safetensors")?;
    /// println!("{}", model.metadata.network);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| Error::file(path, "reading", error))?;
        Self::from_bytes(path, &bytes)
    }

    /// Returns the bytes of the model's file.
    fn to_bytes(&self) -> std::io::Result<Vec<u8>> {
        let keyed = self.parameters.iter().map(|tensor| (key_of(&tensor.name), tensor));
        CONTAINER.pack(serde_json::to_string(&self.metadata)?, keyed)
    }

    fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self> {
        let Contents { metadata, tensors, is_sealed } = CONTAINER.unpack(path, bytes)?;
        let metadata = parse_metadata(path, &metadata)?;
        // Only files of version 1 may lack a checksum.
        if !is_sealed && metadata.format > 1 {
            return Err(Error::format(path, "its checksum is missing", CONTAINER.damaged));
        }
        let known: HashSet<&str> = metadata.network.tensors().map(|(_, tensor)| tensor.name).collect();
        let parameters = tensors.into_iter().map(|tensor| named(path, tensor, &known)).collect::<Result<Vec<_>>>()?;
        check_parameters(&metadata.network, &parameters)
            .map_err(|error| Error::format(path, format!("its tensors do not fit its network: {error}"), FOREIGN))?;
        Ok(Self { parameters: in_order(&metadata, parameters), metadata })
    }
}

fn parse_metadata(path: &Path, text: &str) -> Result<Metadata> {
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

/// Renames a tensor of the file to the name of its parameter.
fn named(path: &Path, tensor: Tensor, known: &HashSet<&str>) -> Result<Tensor> {
    let unexpected = || Error::format(path, format!("unexpected tensor `{}`", tensor.name), FOREIGN);
    Ok(Tensor { name: name_of(&tensor.name, known).ok_or_else(unexpected)?, ..tensor })
}

fn in_order(metadata: &Metadata, mut parameters: Vec<Tensor>) -> Vec<Tensor> {
    let order = super::parameter_shapes(&metadata.network).into_iter().enumerate();
    let order: HashMap<String, usize> = order.map(|(place, (name, _))| (name, place)).collect();
    parameters.sort_by_key(|tensor| order.get(&tensor.name));
    parameters
}

/// Converts the name `layer3.weight` to PyTorch's key `3.weight`; [`name_of`] is the inverse.
fn key_of(name: &str) -> String {
    name.trim_start_matches("layer").to_string()
}

fn name_of(key: &str, known: &HashSet<&str>) -> Option<String> {
    let (number, part) = key.split_once('.')?;
    (number.parse::<usize>().is_ok() && known.contains(part)).then(|| format!("layer{key}"))
}
