//! Tunings as files: JSON, one matrix multiplication per line. Each machine has one such file in the folder of the
//! pipeline cache. Each new tuning of the machine is added to this file.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::replace::replace;
use crate::specialize::{Choice, Machine, TUNING_VERSION, Tuning};

const REMEDY: &str = "delete it, and run `wgrad tune` again";

/// Largest size of a file in bytes, enough for ten thousand matrix multiplications.
const MOST_BYTES: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    machine: Machine,
    #[serde(alias = "products")]
    matmuls: Vec<Choice>,
}

impl Tuning {
    /// Writes the tuning to a file, which is replaced only once the new one is complete and on disk.
    ///
    /// # Errors
    /// Returns an error if the tuning was not measured on a machine, or if the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |error: serde_json::Error| Error::file(path, "serializing", error.into());
        let Some(machine) = &self.machine else {
            let problem = "it was recorded from a training run, not measured on a device";
            return Err(Error::conflict("tuning", problem, "save one that `Tune` made"));
        };
        let lines = self.choices().iter().map(serde_json::to_string);
        let lines = lines.collect::<serde_json::Result<Vec<_>>>().map_err(failed)?.join(",\n  ");
        let machine = serde_json::to_string(machine).map_err(failed)?;
        let text =
            format!("{{\n\"format\": {TUNING_VERSION},\n\"machine\": {machine},\n\"matmuls\": [\n  {lines}\n]\n}}\n");
        replace(path, |file| file.write_all(text.as_bytes()))
    }

    /// Reads a tuning from a file.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is damaged, or is no tuning.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |error| Error::file(path, "reading", error);
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        if bytes > MOST_BYTES {
            let problem = format!("it is longer than {MOST_BYTES} bytes, the limit for a tuning file");
            return Err(Error::format(path, problem, REMEDY));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let bad = |error: serde_json::Error| Error::format(path, format!("it is not a tuning file: {error}"), REMEDY);
        let value: serde_json::Value = serde_json::from_str(&text).map_err(bad)?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(version) if version != u64::from(TUNING_VERSION) => {
                let problem =
                    format!("its format has version {version}, but this build reads version {TUNING_VERSION}");
                return Err(Error::format(path, problem, REMEDY));
            }
            _ => {}
        }
        // Parsed from the text again, so that an error message has the line number.
        let Stored { machine, matmuls, .. } = serde_json::from_str(&text).map_err(bad)?;
        let count = matmuls.len();
        let tuning = Self::new(Some(machine), matmuls);
        if tuning.choices().len() < count {
            return Err(Error::format(path, "it has two tiles for one matrix multiplication", REMEDY));
        }
        Ok(tuning)
    }

    /// Returns the path of the tuning file of `machine` (adapter, driver, and version of this crate), and the tuning.
    /// `None` if there is no file.
    ///
    /// # Errors
    /// As [`Tuning::load`]; also if the tuning was measured on another machine.
    pub fn cached(machine: &Machine) -> Result<Option<(PathBuf, Self)>> {
        let Some(path) = Self::cache_path(machine).filter(|path| path.exists()) else { return Ok(None) };
        let tuning = Self::load(&path)?;
        match &tuning.machine {
            Some(other) if other == machine => Ok(Some((path, tuning))),
            other => {
                let other = other.as_ref().map(ToString::to_string).unwrap_or_default();
                Err(Error::format(&path, format!("it was measured on {other}, but this machine is {machine}"), REMEDY))
            }
        }
    }

    /// Adds the tuning to the stored tuning of the same machine, and replaces older tiles of the same matrix
    /// multiplications. Returns the path of the file. Stores nothing and returns `None` if the tuning was not measured
    /// on a machine, or if the cache on disk is turned off: see
    /// [`GpuOptions::without_pipeline_cache`](crate::exec::gpu::GpuOptions).
    ///
    /// # Errors
    /// Returns an error if the folder or file cannot be written.
    pub fn add_to_cache(&self) -> Result<Option<PathBuf>> {
        let Some(machine) = &self.machine else { return Ok(None) };
        let Some(path) = Self::cache_path(machine) else { return Ok(None) };
        let mut all = match Self::cached(machine) {
            Ok(Some((_, all))) => all,
            // A damaged or outdated file is replaced.
            Ok(None) | Err(Error::Format { .. }) => Self::new(Some(machine.clone()), []),
            Err(error) => return Err(error),
        };
        self.choices().iter().for_each(|choice| all.set(choice.clone()));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, "creating the folder", error))?;
        }
        all.save(&path)?;
        Ok(Some(path))
    }

    /// Returns the path of a machine's tuning file; `None` if the cache on disk is turned off.
    pub fn cache_path(machine: &Machine) -> Option<PathBuf> {
        #[cfg(feature = "gpu")]
        let folder = crate::exec::gpu::cache_folder();
        #[cfg(not(feature = "gpu"))]
        let folder: Option<PathBuf> = None;
        let key = crc32fast::hash(format!("{machine:?}").as_bytes());
        let Machine { vendor, device, interface, .. } = machine;
        Some(folder?.join(format!("tuning-{interface}-{vendor:04x}-{device:04x}-{key:08x}.json")))
    }
}
