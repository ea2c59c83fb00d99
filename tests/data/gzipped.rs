//! Gzipped tables: contents, and detection of any damage.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use flate2::{Compression, GzBuilder};
use tempfile::TempDir;
use wgrad::{Dataset, Error, Result, data};

use crate::message;

const TEXT: &str = "area,rooms,price\n50,2,1.5\n80.5,3,2.25\n61,2,1.75\n44,1,1.25\n";

/// Compresses text with a file name in the header, as `gzip` does.
fn packed(text: &str) -> Vec<u8> {
    let mut packer = GzBuilder::new().filename("house.csv").mtime(1_700_000_000).write(vec![], Compression::best());
    packer.write_all(text.as_bytes()).expect("written to memory");
    packer.finish().expect("written to memory")
}

struct File(TempDir);

impl File {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder for temporary files"))
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("house.csv.gz")
    }

    fn read(&self, bytes: &[u8]) -> Result<Dataset> {
        fs::write(self.path(), bytes).expect("it is writable");
        Dataset::from_csv(self.path(), None)
    }

    /// Returns the message about bytes that must be refused as damaged.
    fn refused(&self, bytes: &[u8]) -> String {
        let error = self.read(bytes).expect_err("this must fail");
        assert!(matches!(error, Error::Format { .. }), "{error:?}");
        error.to_string()
    }
}

#[test]
fn a_gzipped_table_is_the_table() -> Result<()> {
    let (file, plain) = (File::new(), Dataset::from_csv_text("house", TEXT, None)?);
    assert_eq!(file.read(&packed(TEXT))?, plain, "named after the file without both endings");
    // Compression is detected from the bytes, not from the name.
    assert_eq!(file.read(TEXT.as_bytes())?, plain);
    let other = file.0.path().join("house.table");
    fs::write(&other, packed(TEXT)).expect("it is writable");
    assert_eq!(Dataset::from_csv(&other, None)?, plain);
    let table = data::Table::read(&other, &data::CsvOptions::default())?;
    assert_eq!(data::Preparation::of_numbers(&["rooms"], &[]).values(&table, &table.rows())?, [2.0, 3.0, 2.0, 1.0]);
    // `cat a.gz b.gz` is a gzip file, too (RFC 1952, 2.2).
    let (first, second) = TEXT.split_at(30);
    assert_eq!(file.read(&[packed(first), packed(second)].concat())?, plain);
    Ok(())
}

#[test]
fn lines_are_those_of_the_unpacked_table() {
    let file = File::new();
    let told = message(file.read(&packed("x,y\n1,2\nbad,3\n")));
    assert!(told.contains("house.csv.gz, line 3, column `x`: `bad` is not a number"), "{told}");
}

#[test]
fn every_prefix_is_refused() {
    let (file, whole) = (File::new(), packed(TEXT));
    assert!(file.refused(&[]).ends_with("it is empty; write a header row and at least 1 row below it"));
    for length in 1..whole.len() {
        let told = file.refused(&whole[..length]);
        assert!(told.contains("house.csv.gz: its gzip data are truncated"), "{length}: {told}");
    }
}

#[test]
fn every_flipped_byte_is_refused_or_changes_nothing() -> Result<()> {
    let (file, whole) = (File::new(), packed(TEXT));
    let plain = file.read(&whole)?;
    let mut harmless = vec![];
    for at in 0..whole.len() {
        for flip in [0x01, 0x10, 0x80, 0xff] {
            let mut damaged = whole.clone();
            damaged[at] ^= flip;
            match file.read(&damaged) {
                Ok(data) => {
                    assert_eq!(data, plain, "byte {at}");
                    harmless.push(at);
                }
                Err(error) => assert!(error.to_string().contains("house.csv.gz"), "byte {at}: {error}"),
            }
        }
    }
    harmless.dedup();
    // These have no effect: bit 0 of the flags (text), time, extra flags, system, name, and the padding bits after the packed
    // data.
    let ignored: Vec<usize> = (3..19).chain([whole.len() - 9]).collect();
    assert!(harmless.iter().all(|at| ignored.contains(at)) && harmless.len() > 10, "{harmless:?}");
    Ok(())
}

#[test]
fn a_stored_length_or_checksum_that_lies_is_refused() {
    let (file, whole) = (File::new(), packed(TEXT));
    let end = whole.len();
    for lie in [0, 1, TEXT.len() as u32 - 1, TEXT.len() as u32 + 1, u32::MAX] {
        for at in [end - 8, end - 4] {
            let mut lying = whole.clone();
            lying[at..at + 4].copy_from_slice(&lie.to_le_bytes());
            let told = file.refused(&lying);
            assert!(told.contains("its gzip data are damaged: ") && told.contains("checksum"), "{told}");
        }
    }
}

#[test]
fn what_follows_the_packed_data_is_refused() {
    let (file, whole) = (File::new(), packed(TEXT));
    let told = file.refused(&[&whole[..], b"and some more text"].concat());
    assert!(told.contains("its gzip data are damaged: ") && told.contains("header"), "{told}");
    for length in 1..5 {
        file.refused(&[&whole[..], &b"\x1f\x8b\x08\x00"[..length]].concat());
    }
}

#[test]
fn a_folder_in_place_of_a_file_is_an_error_of_the_system() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let error = Dataset::from_csv(folder.path(), None).expect_err("a folder is no table");
    assert!(matches!(error, Error::File { action: "reading", .. }), "{error:?}");
}
