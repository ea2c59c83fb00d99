//! Tunings as files: JSON, one product a line. Those of a machine are kept in the folder of compiled shaders, in a file of
//! its own, which the next tuning adds to.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::replace::replace;
use crate::specialize::{Choice, Machine, TUNING_VERSION, Tuning};

const REMEDY: &str = "delete it, and tune anew with `wgrad tune`";

/// A longer file is none of ours: so much would be ten thousand products.
const MOST_BYTES: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    machine: Machine,
    products: Vec<Choice>,
}

impl Tuning {
    /// Writes it to a file, which is replaced only once the new one is complete and on disk.
    ///
    /// # Errors
    /// A tuning that was not measured on a machine; a folder or file that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let failed = |error: serde_json::Error| Error::file(path, "serialising", error.into());
        let Some(machine) = &self.machine else {
            let problem = "it was not measured on a device, but noted of a training";
            return Err(Error::conflict("tuning", problem, "save one that `Tune` made"));
        };
        let lines = self.choices().iter().map(serde_json::to_string);
        let lines = lines.collect::<serde_json::Result<Vec<_>>>().map_err(failed)?.join(",\n  ");
        let machine = serde_json::to_string(machine).map_err(failed)?;
        let text =
            format!("{{\n\"format\": {TUNING_VERSION},\n\"machine\": {machine},\n\"products\": [\n  {lines}\n]\n}}\n");
        replace(path, |file| file.write_all(text.as_bytes()))
    }

    /// Reads one from a file.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged, or is no tuning.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let failed = |error| Error::file(path, "reading", error);
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        if bytes > MOST_BYTES {
            let problem = format!("it is longer than {MOST_BYTES} bytes, the most that a tuning may have");
            return Err(Error::format(path, problem, REMEDY));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        let bad = |error: serde_json::Error| Error::format(path, format!("it is no tuning: {error}"), REMEDY);
        let value: serde_json::Value = serde_json::from_str(&text).map_err(bad)?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(version) if version != u64::from(TUNING_VERSION) => {
                let problem =
                    format!("its form is of version {version}, but this build reads version {TUNING_VERSION}");
                return Err(Error::format(path, problem, REMEDY));
            }
            _ => {}
        }
        // Of the text, for the line of what is wrong.
        let Stored { machine, products, .. } = serde_json::from_str(&text).map_err(bad)?;
        let count = products.len();
        let tuning = Self::new(Some(machine), products);
        if tuning.choices().len() < count {
            return Err(Error::format(path, "it has two tiles for one product", REMEDY));
        }
        Ok(tuning)
    }

    /// What earlier tunings have found for products on this very machine: adapter, driver, and version of this crate; `None`
    /// where there is nothing.
    ///
    /// # Errors
    /// As [`Tuning::load`]; a file of another machine.
    pub fn cached(machine: &Machine) -> Result<Option<(PathBuf, Self)>> {
        let Some(path) = path(machine).filter(|path| path.exists()) else { return Ok(None) };
        let tuning = Self::load(&path)?;
        match &tuning.machine {
            Some(other) if other == machine => Ok(Some((path, tuning))),
            other => {
                let other = other.as_ref().map(ToString::to_string).unwrap_or_default();
                Err(Error::format(&path, format!("it is for {other}, but this is {machine}"), REMEDY))
            }
        }
    }

    /// Adds it to what is kept for its machine, in place of older tiles of the same products; returns the file. `None` where
    /// nothing is kept on disk: see [`GpuOptions::without_pipeline_cache`](crate::exec::gpu::GpuOptions).
    ///
    /// # Errors
    /// A folder or file that cannot be written.
    pub fn keep(&self) -> Result<Option<PathBuf>> {
        let Some(machine) = &self.machine else { return Ok(None) };
        let Some(path) = path(machine) else { return Ok(None) };
        let mut all = match Self::cached(machine) {
            Ok(Some((_, all))) => all,
            // One that says nothing sensible is replaced.
            Ok(None) | Err(Error::Format { .. }) => Self::new(Some(machine.clone()), []),
            Err(error) => return Err(error),
        };
        self.choices().iter().for_each(|choice| all.set(choice.clone()));
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, "making the folder", error))?;
        }
        all.save(&path)?;
        Ok(Some(path))
    }
}

/// Where a machine's tunings are kept.
fn path(machine: &Machine) -> Option<PathBuf> {
    #[cfg(feature = "gpu")]
    let folder = crate::exec::gpu::cache_folder();
    #[cfg(not(feature = "gpu"))]
    let folder: Option<PathBuf> = None;
    let key = crc32fast::hash(format!("{machine:?}").as_bytes());
    let Machine { vendor, device, interface, .. } = machine;
    Some(folder?.join(format!("tuning-{interface}-{vendor:04x}-{device:04x}-{key:08x}.json")))
}
