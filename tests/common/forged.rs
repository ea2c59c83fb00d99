//! Model and checkpoint files that were changed, with a matching checksum.

#![allow(dead_code, reason = "each test target uses some of it")]

/// Splits a safetensors file into header and data.
pub fn parts(file: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = file.split_first_chunk()?;
    let (header, data) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// Creates a safetensors file from header and data.
pub fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// Returns the file with the checksum that `refusal`, the error message of reading it, names as the right one; `None` if the
/// message is about something else.
pub fn with_checksum(bytes: &[u8], refusal: &str) -> Option<Vec<u8>> {
    let found = refusal.split_once("have the checksum ")?.1.get(..8)?;
    let opening = br#"\"crc32\":\""#;
    let at = bytes.windows(opening.len()).position(|window| window == opening)? + opening.len();
    let mut file = bytes.to_vec();
    file.get_mut(at..at + 8)?.copy_from_slice(found.as_bytes());
    Some(file)
}
