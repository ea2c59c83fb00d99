//! Zip archives with one table. Memory is limited by the size of the archive, since deflate unpacks to at most 1,032
//! times the size.

use std::io::Read;
use std::path::Path;

use flate2::bufread::DeflateDecoder;

use crate::error::{Error, Result};

/// Signatures of an archive with files, and of an empty archive.
const FIRST: [&[u8]; 2] = [b"PK\x03\x04", b"PK\x05\x06"];

/// Signature of the end of central directory record, the last record of an archive.
const END: &[u8] = b"PK\x05\x06";
/// Size of the end of central directory record in bytes, without the comment.
const END_SIZE: usize = 22;

/// Signature of an entry of the central directory, the list of files.
const ENTRY: &[u8] = b"PK\x01\x02";
/// Size of an entry of the central directory in bytes, without the name.
const ENTRY_SIZE: usize = 46;

/// Size of a local file header, which precedes the contents of a file, in bytes, without the name.
const LOCAL_SIZE: usize = 30;

/// File in an archive, as the central directory describes it.
struct Entry<'a> {
    name: &'a [u8],
    encrypted: bool,
    /// Compression method: 0 for none, 8 for deflate.
    method: usize,
    checksum: u32,
    /// Size of the compressed contents in bytes.
    packed: usize,
    /// Offset of the local file header in the archive, in bytes.
    offset: usize,
}

pub(super) fn is_zip(bytes: &[u8]) -> bool {
    FIRST.iter().any(|first| bytes.starts_with(first))
}

/// Returns the contents of the only file in an archive. Folders and the metadata of macOS do not count as files.
///
/// # Errors
/// The archive is damaged, encrypted, an Excel or OpenDocument file, or has no file or more than one.
pub(super) fn only_file(path: &Path, bytes: &[u8]) -> Result<Vec<u8>> {
    let damaged = || Error::format(path, "its zip data are damaged", "download it again, or unpack it by hand");
    let entries = entries(bytes).ok_or_else(damaged)?;
    let has = |name: &str| entries.iter().any(|entry| entry.name == name.as_bytes());
    if has("xl/workbook.xml") || has("[Content_Types].xml") {
        let remedy = "in Excel, save the sheet as CSV (UTF-8), and give that file";
        return Err(Error::format(path, "it is an Excel workbook (.xlsx), not a table as text", remedy));
    }
    if has("content.xml") {
        let remedy = "save the sheet as CSV, and give that file";
        return Err(Error::format(path, "it is an OpenDocument spreadsheet, not a table as text", remedy));
    }
    let is_file = |entry: &&Entry| !entry.name.ends_with(b"/") && !entry.name.starts_with(b"__MACOSX/");
    let files: Vec<&Entry> = entries.iter().filter(is_file).collect();
    let [file] = files[..] else {
        let names: Vec<_> = files.iter().map(|file| String::from_utf8_lossy(file.name)).collect();
        let names: Vec<&str> = names.iter().map(|name| &**name).collect();
        let problem = format!("the zip archive has {} files: {}", names.len(), super::listed(&names));
        return Err(Error::format(path, problem, "unpack it, and give the file of the table"));
    };
    if file.encrypted {
        return Err(Error::format(path, "the zip archive is encrypted", "unpack it with its password"));
    }
    let unpacked = contents(bytes, file).ok_or_else(damaged)?;
    if crc32fast::hash(&unpacked) != file.checksum {
        return Err(damaged());
    }
    Ok(unpacked)
}

/// Returns the entries of the central directory; `None` if it is missing or damaged.
fn entries(bytes: &[u8]) -> Option<Vec<Entry<'_>>> {
    // The end of central directory record is followed by a comment of at most 65,535 bytes.
    let from = bytes.len().saturating_sub(END_SIZE + usize::from(u16::MAX));
    let end = from + bytes.get(from..)?.windows(END.len()).rposition(|four| four == END)?;
    let end = bytes.get(end..end + END_SIZE)?;
    let (count, mut at) = (number(end, 10, 2)?, number(end, 16, 4)?);
    let mut entries = vec![];
    for _ in 0..count {
        let entry = bytes.get(at..)?.get(..ENTRY_SIZE).filter(|entry| entry.starts_with(ENTRY))?;
        let lengths = [28, 30, 32].map(|field| number(entry, field, 2).unwrap_or(0));
        entries.push(Entry {
            name: bytes.get(at + ENTRY_SIZE..)?.get(..lengths[0])?,
            encrypted: number(entry, 8, 2)? & 1 == 1,
            method: number(entry, 10, 2)?,
            checksum: number(entry, 16, 4)? as u32,
            packed: number(entry, 20, 4)?,
            offset: number(entry, 42, 4)?,
        });
        at += ENTRY_SIZE + lengths.iter().sum::<usize>();
    }
    Some(entries)
}

/// Returns the unpacked contents of a file; `None` if they are damaged, or compressed by an unsupported method.
fn contents(bytes: &[u8], file: &Entry) -> Option<Vec<u8>> {
    let local = bytes.get(file.offset..)?;
    let before = LOCAL_SIZE + number(local, 26, 2)? + number(local, 28, 2)?;
    let packed = local.get(before..)?.get(..file.packed)?;
    match file.method {
        0 => Some(packed.to_vec()),
        8 => {
            let mut unpacked = vec![];
            DeflateDecoder::new(packed).read_to_end(&mut unpacked).ok().map(|_| unpacked)
        }
        _ => None,
    }
}

/// Returns the number in the `size` bytes from index `at` on, in little-endian order; `None` if they are out of range.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<usize> {
    Some(bytes.get(at..at + size)?.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}
