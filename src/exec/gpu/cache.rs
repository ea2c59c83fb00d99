//! Pipeline cache on disk: later processes load compiled shaders from it, if the backend supports that. Only Vulkan
//! does.
//!
//! There is one file per adapter. The environment variable `WGRAD_PIPELINE_CACHE` names the folder. The default is
//! `wgrad` in the user's cache folder: `XDG_CACHE_HOME`, else `~/.cache`; on Windows `LOCALAPPDATA`. The value `off`,
//! or [`GpuOptions::without_pipeline_cache`](crate::exec::gpu::GpuOptions), turns the cache off. A file that is damaged
//! or written by another driver is ignored, and so is a folder that is not writable. Only the time to compile depends
//! on the cache.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::error::{Error, Result};
use crate::replace::replace;

/// First bytes of a file, before the checksum of the rest.
const MAGIC: [u8; 8] = *b"wgradpc1";

/// Number of bytes before the driver's data in a file.
const HEAD: usize = MAGIC.len() + 4;

/// Largest size of a file in bytes, enough for the shaders of thousands of networks. Larger files are neither written
/// nor read, so that the next file starts empty. (SwiftShader's data grows by 32 bytes per process, whatever it
/// compiles.)
const MOST_BYTES: u64 = 64 << 20;

/// Pipelines that a device has compiled, and the path of the file that stores them.
pub(super) struct DiskCache {
    pub(super) cache: wgpu::PipelineCache,
    path: PathBuf,
    /// Checksum of the driver's data in the file; 0 if the file is missing or unusable.
    stored_checksum: AtomicU32,
}

impl DiskCache {
    /// Opens the cache file of this adapter; `None` if the cache is turned off, or if the backend has no such cache.
    pub(super) fn open(device: &wgpu::Device, info: &wgpu::AdapterInfo) -> Option<Self> {
        let name = wgpu::util::pipeline_cache_key(info)?;
        let path = cache_folder()?.join(name);
        let data = read(&path);
        let stored_checksum = AtomicU32::new(data.as_deref().map_or(0, crc32fast::hash));
        let (label, fallback) = (Some("wgrad"), true);
        // SAFETY: `get_data` made the data, as magic and checksum show, and wgpu compares the adapter and driver named
        // in the data with this device's before the driver sees the data.
        let cache = unsafe {
            device.create_pipeline_cache(&wgpu::PipelineCacheDescriptor { label, data: data.as_deref(), fallback })
        };
        Some(Self { cache, path, stored_checksum })
    }

    /// Writes the compiled pipelines to the file, if they have changed.
    pub(super) fn save(&self) {
        let Some(data) = self.cache.get_data().filter(|data| data.len() as u64 <= MOST_BYTES) else { return };
        let checksum = crc32fast::hash(&data);
        if self.stored_checksum.swap(checksum, Ordering::Relaxed) != checksum
            && let Err(error) = write(&self.path, checksum, &data)
        {
            log::info!("gpu: compiled shaders are not cached: {error}");
        }
    }
}

/// Returns the folder in which compiled shaders and tunings are cached; `None` if `WGRAD_PIPELINE_CACHE` is `off`, or
/// if the user has no cache folder.
pub fn cache_folder() -> Option<PathBuf> {
    folder(std::env::var_os)
}

/// Returns the cache folder. `variable` returns the value of an environment variable.
fn folder(variable: impl Fn(&'static str) -> Option<std::ffi::OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty());
    match set("WGRAD_PIPELINE_CACHE") {
        Some(value) if value == OsStr::new("off") => return None,
        Some(folder) => return Some(folder.into()),
        None => {}
    }
    let home = || Some(PathBuf::from(set("HOME")?).join(".cache"));
    let cache = if cfg!(windows) { set("LOCALAPPDATA").map(PathBuf::from) } else { None };
    let cache = cache.or_else(|| set("XDG_CACHE_HOME").map(PathBuf::from)).or_else(home)?;
    cache.is_absolute().then(|| cache.join("wgrad"))
}

/// Returns the driver's data from a file; `None` if the file is missing, damaged or too large.
fn read(path: &Path) -> Option<Vec<u8>> {
    let bytes = std::fs::metadata(path).ok()?.len();
    let mut file = if bytes <= MOST_BYTES + HEAD as u64 { std::fs::read(path).ok()? } else { return None };
    let (head, data) = file.split_at_checked(HEAD)?;
    let whole = head[..MAGIC.len()] == MAGIC && head[MAGIC.len()..] == crc32fast::hash(data).to_le_bytes();
    whole.then(|| file.split_off(HEAD))
}

/// Writes the file atomically: concurrent readers see the old file or the new one.
fn write(path: &Path, checksum: u32, data: &[u8]) -> Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| Error::file(folder, "creating the folder", error))?;
    }
    replace(path, |file| {
        [&MAGIC[..], &checksum.to_le_bytes(), data].into_iter().try_for_each(|part| file.write_all(part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_not_whole_are_ignored() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("below/cache");
        assert_eq!(read(&path), None);
        let data = b"what a driver says".to_vec();
        write(&path, crc32fast::hash(&data), &data).expect("written");
        assert_eq!(read(&path).as_deref(), Some(&data[..]));
        assert_eq!(std::fs::read_dir(path.parent().expect("it has one")).expect("a folder").count(), 1);
        let whole = std::fs::read(&path).expect("written");
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            std::fs::write(&path, damaged).expect("written");
            assert_eq!(read(&path), None, "byte {at}");
            std::fs::write(&path, &whole[..at]).expect("written");
            assert_eq!(read(&path), None, "cut after {at}");
        }
    }

    #[test]
    fn the_folder_is_that_of_the_environment() {
        let with = |set: &[(&'static str, &str)]| {
            folder(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into()))
        };
        assert_eq!(with(&[("WGRAD_PIPELINE_CACHE", "off"), ("HOME", "/home/a")]), None);
        assert_eq!(with(&[("WGRAD_PIPELINE_CACHE", "here"), ("HOME", "/home/a")]), Some("here".into()));
        assert_eq!(with(&[]), None);
        if cfg!(unix) {
            assert_eq!(with(&[("HOME", "/home/a")]), Some("/home/a/.cache/wgrad".into()));
            assert_eq!(with(&[("XDG_CACHE_HOME", "/c"), ("HOME", "/home/a")]), Some("/c/wgrad".into()));
            assert_eq!(with(&[("XDG_CACHE_HOME", "relative"), ("HOME", "/home/a")]), None);
        }
    }
}
