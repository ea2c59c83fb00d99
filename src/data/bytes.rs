//! Files as bytes. What is gzipped is unpacked; that it is is told by its first bytes, since names lie.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// How every gzip file begins (RFC 1952, 2.3.1).
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// All of a file. What it takes grows with what has been read: a length that the file states is not believed. Packed
/// data grow to at most 1,032 times their size, the most that deflate can say (RFC 1951: 258 bytes by two bits), so
/// that memory is bounded by the file's size times that.
pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = vec![];
    open(path)?.read_to_end(&mut bytes).map_err(|error| broken(path, error))?;
    Ok(bytes)
}

/// A file, to be read bit by bit. Errors of reading go through [`broken`].
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>> {
    let mut file = File::open(path).map_err(|error| broken(path, error))?;
    let mut first = vec![];
    file.by_ref().take(2).read_to_end(&mut first).map_err(|error| broken(path, error))?;
    // A single byte of the two is a gzip file that was cut, and no text.
    let gzipped = !first.is_empty() && GZIP.starts_with(&first);
    let whole = BufReader::new(Cursor::new(first).chain(file));
    Ok(if gzipped { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) })
}

/// What could not be read: the operating system's answer, or what is wrong with the packed data.
pub(super) fn broken(path: &Path, error: io::Error) -> Error {
    let problem = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it is gzipped, but ends before its packed data do".into(),
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData if error.raw_os_error().is_none() => {
            format!("its gzip data are damaged: {error}")
        }
        _ => return Error::file(path, "reading", error),
    };
    Error::format(path, problem, "fetch it again, or unpack it with gzip to see what is left")
}

/// What data from this file are called: `x` for `folder/x.csv` and for `x.csv.gz`.
pub(super) fn name(path: &Path) -> String {
    let gzipped = path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("gz"));
    let unpacked = if gzipped { path.with_extension("") } else { path.into() };
    unpacked.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}
