//! Model and checkpoint files that somebody has changed, with a checksum that is right again.

#![allow(dead_code, reason = "each test target uses its own part")]

/// The header and the numbers of a safetensors file.
pub fn parts(file: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = file.split_first_chunk()?;
    let (header, data) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    Some((std::str::from_utf8(header).ok()?, data))
}

/// A safetensors file of these.
pub fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// The file with the checksum that `refusal`, the message with which it was refused, says that it should have; nothing
/// where the message is about something else.
pub fn with_checksum(bytes: &[u8], refusal: &str) -> Option<Vec<u8>> {
    let found = refusal.split_once("have the checksum ")?.1.get(..8)?;
    let opening = br#"\"crc32\":\""#;
    let at = bytes.windows(opening.len()).position(|window| window == opening)? + opening.len();
    let mut file = bytes.to_vec();
    file.get_mut(at..at + 8)?.copy_from_slice(found.as_bytes());
    Some(file)
}
