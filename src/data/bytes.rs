//! Bytes of files. Gzip files are detected by their first two bytes, not by their names, and are unpacked.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// First bytes of every gzip file (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Reads a whole file, unpacked if it is gzipped. Memory grows with the bytes that are read, not with a length that the
/// file states. Gzip data unpack to at most 1,032 times the size of the file, which is the limit of deflate (RFC 1951:
/// 258 bytes from two bits).
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    open(path)?.read_to_end(&mut bytes).map_err(|error| broken(path, error))?;
    Ok(bytes)
}

/// Opens a file for streaming, unpacked if it is gzipped. Callers convert errors of the reader with [`broken`].
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>> {
    let mut file = File::open(path).map_err(|error| broken(path, error))?;
    let mut first = vec![];
    file.by_ref().take(2).read_to_end(&mut first).map_err(|error| broken(path, error))?;
    // A file of a single byte 0x1f is a truncated gzip file, not text.
    let gzipped = !first.is_empty() && GZIP.starts_with(&first);
    let whole = BufReader::new(Cursor::new(first).chain(file));
    Ok(if gzipped { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

/// Converts an error that occurred while reading `path`: to an error about its gzip data, or to the system's error.
pub(super) fn broken(path: &Path, error: io::Error) -> Error {
    let problem = match error.kind() {
        io::ErrorKind::UnexpectedEof => "its gzip data are truncated".into(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if error.raw_os_error().is_none() => {
            format!("its gzip data are damaged: {error}")
        }
        _ => return Error::file(path, "reading", error),
    };
    Error::format(path, problem, "download it again, or unpack it with gzip to see what is left")
}

/// Returns the name of a data set from the path of its file: `x` for `folder/x.csv`, `x.csv.gz` and `x.csv.zip`.
pub(super) fn name(path: &Path) -> String {
    let is_packed = |extension: &std::ffi::OsStr| ["gz", "zip"].iter().any(|end| extension.eq_ignore_ascii_case(end));
    let unpacked = if path.extension().is_some_and(is_packed) { path.with_extension("") } else { path.into() };
    unpacked.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
