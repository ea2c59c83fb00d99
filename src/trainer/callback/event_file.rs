//! Bytes of TensorBoard's event files.
//!
//! A file is a sequence of records (TFRecord). A record has the length of its data as a u64, a checksum of the length,
//! the data, and a checksum of the data. All numbers are little-endian. The data are an `Event`, a message in the
//! format of Protocol Buffers:
//!
//! | message | field | number | type |
//! |---|---|---|---|
//! | `Event` | `wall_time`, in seconds since 1970 | 1 | double |
//! | | `step` | 2 | int64 |
//! | | `file_version`, in the first event only | 3 | string |
//! | | `summary` | 5 | `Summary` |
//! | `Summary` | `value`, repeated | 1 | `Value` |
//! | `Value` | `tag` | 1 | string |
//! | | `simple_value` | 2 | float |
//!
//! Sources: TensorFlow's `core/lib/io/record_writer.h`, `core/util/event.proto` and `core/framework/summary.proto`; the
//! encoding of messages is described at <https://protobuf.dev/programming-guides/encoding>.

/// Version of the format, in the first event of a file.
const VERSION: &str = "brain.Event:2";

/// Castagnoli's polynomial, with reversed bits.
const CASTAGNOLI: u32 = 0x82f6_3b78;

/// Wire types: the layout of a field's value.
const VARINT: u64 = 0;
const FIXED_64: u64 = 1;
const BYTES: u64 = 2;
const FIXED_32: u64 = 5;

/// Returns the record with which a file begins.
pub(super) fn first(wall_time: f64) -> Vec<u8> {
    record(&[double(1, wall_time), bytes(3, VERSION.as_bytes())].concat())
}

/// Returns the record of one step with its numbers, each with a tag.
pub(super) fn scalars(wall_time: f64, step: u64, numbers: &[(String, f64)]) -> Vec<u8> {
    let value = |(tag, value): &(String, f64)| bytes(1, &[bytes(1, tag.as_bytes()), float(2, *value as f32)].concat());
    let summary: Vec<u8> = numbers.iter().flat_map(value).collect();
    record(&[double(1, wall_time), [varint(2 << 3 | VARINT), varint(step)].concat(), bytes(5, &summary)].concat())
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length).to_le_bytes(), data, &masked(data).to_le_bytes()].concat()
}

fn double(field: u64, value: f64) -> Vec<u8> {
    [varint(field << 3 | FIXED_64), value.to_le_bytes().to_vec()].concat()
}

fn float(field: u64, value: f32) -> Vec<u8> {
    [varint(field << 3 | FIXED_32), value.to_le_bytes().to_vec()].concat()
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    [varint(field << 3 | BYTES), varint(value.len() as u64), value.to_vec()].concat()
}

/// Returns a number in groups of seven bits, the lowest first. All groups but the last have the highest bit set.
fn varint(mut number: u64) -> Vec<u8> {
    let mut groups = Vec::new();
    while number >= 0x80 {
        groups.push(number as u8 | 0x80);
        number >>= 7;
    }
    groups.push(number as u8);
    groups
}

/// Returns the masked CRC of TFRecord. Without the mask, the CRC of data that contain their own CRC would be a
/// constant.
fn masked(data: &[u8]) -> u32 {
    crc32c(data).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Returns the CRC-32C (Castagnoli) of some bytes. `crc32fast` has another polynomial.
fn crc32c(data: &[u8]) -> u32 {
    let bit = |crc: u32, _| if crc & 1 == 1 { crc >> 1 ^ CASTAGNOLI } else { crc >> 1 };
    !data.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), bit))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Test vectors of RFC 3720, appendix B.4, and the usual check value.
    #[test]
    fn checksums_are_those_of_the_standard() {
        let ascending: Vec<u8> = (0..32).collect();
        for (data, wanted) in [
            (&[0; 32][..], 0x8a91_36aa),
            (&[0xff; 32], 0x62a8_ab43),
            (&ascending, 0x46dd_794e),
            (b"123456789", 0xe306_9283),
            (b"", 0),
        ] {
            assert_eq!(crc32c(data), wanted, "{data:?}");
        }
    }

    /// Examples of the encoding's documentation.
    #[test]
    fn fields_are_encoded_as_documented() {
        assert_eq!(varint(150), [0x96, 0x01]);
        assert_eq!(varint(u64::MAX), [&[0xff; 9][..], &[0x01]].concat());
        assert_eq!(bytes(2, b"testing"), b"\x12\x07testing");
    }
}
