//! Files as they are: delimiters at the end, row names, blanks, comments, encodings, archives.

use std::io::Write;

use flate2::{Compression, Crc, write::DeflateEncoder};
use wgrad::data::{ColumnKind, CsvOptions, Preparation, Table};
use wgrad::{Dataset, Result};

use crate::kinds::table;
use crate::message;

const ROWS: [&str; 4] = ["1.5,2,10.5", "2.5,3,20.5", "3.5,1,30.5", "4.5,4,40.5"];

/// Inputs and targets of a table.
fn numbers(text: impl AsRef<[u8]>) -> Result<(Vec<String>, Vec<f32>, Vec<f64>)> {
    let table = table(text, &CsvOptions::default())?;
    let data: Dataset = Preparation::fit(&table, &table.rows())?.dataset(&table, &table.rows())?;
    Ok((data.columns().to_vec(), data.input().to_vec(), data.target_values().unwrap_or_default().to_vec()))
}

fn plain() -> (Vec<String>, Vec<f32>, Vec<f64>) {
    let input = vec![1.5, 2.0, 2.5, 3.0, 3.5, 1.0, 4.5, 4.0];
    (vec!["a".into(), "b".into()], input, vec![10.5, 20.5, 30.5, 40.5])
}

fn with_header(header: &str, row: impl Fn(&str) -> String) -> String {
    ROWS.iter().fold(format!("{header}\n"), |text, cells| text + &row(cells) + "\n")
}

#[test]
fn the_same_table_is_read_from_many_forms() -> Result<()> {
    let commas = with_header("a,b,y", str::to_string);
    let utf16 = |order: fn(u16) -> [u8; 2], mark: [u8; 2]| {
        mark.into_iter().chain(commas.encode_utf16().flat_map(order)).collect::<Vec<u8>>()
    };
    let forms: [(&str, Vec<u8>); 14] = [
        ("plain", commas.clone().into()),
        ("delimiters at the end of all lines", with_header("a,b,y,", |row| format!("{row},")).into()),
        ("of all rows", with_header("a,b,y", |row| format!("{row},")).into()),
        ("of the header", with_header("a,b,y,", str::to_string).into()),
        (
            "empty columns and rows, as Excel writes them",
            (with_header("a,b,y,,", |row| format!("{row},,")) + ",,,,\n,,,,\n").into(),
        ),
        ("blanks", with_header("  a  b   y", |row| format!(" {}", row.replace(',', "   "))).into()),
        ("comments", format!("# of 2024\n# in mm, C\n{commas}").into()),
        ("a comment below", format!("# of 2024\n{}# the end\n", commas).into()),
        ("a header after a number sign", format!("# written by NumPy\n#{commas}").into()),
        ("single quotes", with_header("'a','b','y'", |row| format!("'{}'", row.replace(',', "','"))).into()),
        ("UTF-16, little endian", utf16(u16::to_le_bytes, [0xff, 0xfe])),
        ("UTF-16, big endian", utf16(u16::to_be_bytes, [0xfe, 0xff])),
        ("carriage returns", commas.replace('\n', "\r").into()),
        ("a zip archive", zipped(&[("t.csv", commas.as_bytes())])),
    ];
    for (name, text) in forms {
        assert_eq!(numbers(text)?, plain(), "{name}");
    }
    Ok(())
}

#[test]
fn row_names_of_r_are_a_column_without_a_name() -> Result<()> {
    let found = table(
        with_header("a,b,y", |row| format!("\"car {row}\",{row}").replace("car ", "car ")),
        &CsvOptions::default(),
    );
    assert!(found.is_ok_and(|found| found.kind("column1").is_some_and(|kind| !kind.is_used())));
    let numbered: String = (0..30).map(|n| format!("\"{}\",{n}.5,{}.25\n", n + 1, n * n)).collect();
    let found = table(format!("\"a\",\"y\"\n{numbered}"), &CsvOptions::default())?;
    assert_eq!((found.kind("column1"), found.kind("a")), (Some(ColumnKind::RowNumber), Some(ColumnKind::Number)));
    Ok(())
}

#[test]
fn equal_names_are_numbered_as_in_pandas() -> Result<()> {
    let found = table("s,s,s.1,s,y\n1,2,3,4,5.5\n2,3,4,5,6.5\n", &CsvOptions::default())?;
    let names = Preparation::fit(&found, &found.rows())?.inputs();
    assert_eq!(names, ["s", "s.2", "s.1", "s.3"]);
    assert_eq!(found.notes()[0], "two columns are called `s`; the second is `s.2`");
    Ok(())
}

#[test]
fn latin_1_is_read_with_a_note() -> Result<()> {
    let found = table(b"l\xe4nge,y\n1,fr\xfch\n2,sp\xe4t\n3,fr\xfch\n", &CsvOptions::default())?;
    assert_eq!(found.kind("länge"), Some(ColumnKind::Number));
    assert!(
        found.notes()[0].contains("line 1 is not valid UTF-8, so the table is read as Latin-1"),
        "{:?}",
        found.notes()
    );
    Ok(())
}

#[test]
fn rows_of_another_length_are_stated_together() {
    let text = "a,b,y\n1,2,3\n1,2\n4,5,6\n7,8,9,10\n";
    let told = message(table(text, &CsvOptions::default()));
    for words in ["2 problems", "line 3: the row has 2 cells, but the header has 3", "line 5: the row has 4 cells"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn lines_are_counted_with_comments_and_empty_rows() {
    let told = message(table("# one\n# two\na,b,y\n1,2,3\n,,\n# three\n1,2\n", &CsvOptions::default()));
    assert!(told.contains("line 7: the row has 2 cells"), "{told}");
}

/// A zip archive, as its specification (APPNOTE.TXT, 4.3) has it.
fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut archive, mut directory) = (vec![], vec![]);
    for (name, contents) in files {
        let mut packer = DeflateEncoder::new(vec![], Compression::default());
        packer.write_all(contents).expect("to memory");
        let packed = packer.finish().expect("to memory");
        let mut checksum = Crc::new();
        checksum.update(contents);
        let offset = archive.len() as u32;
        let (short, long) =
            (|n: usize| (n as u16).to_le_bytes().to_vec(), |n: usize| (n as u32).to_le_bytes().to_vec());
        // Version, flags, method, time and date; then checksum, sizes, and length of the name.
        let common = [
            short(20),
            short(0),
            short(8),
            short(0),
            short(0),
            checksum.sum().to_le_bytes().to_vec(),
            long(packed.len()),
            long(contents.len()),
            short(name.len()),
            short(0),
        ]
        .concat();
        archive.extend([b"PK\x03\x04".to_vec(), common.clone(), name.as_bytes().to_vec(), packed].concat());
        let rest = [short(0), short(0), short(0), long(0), offset.to_le_bytes().to_vec()].concat();
        directory.extend([b"PK\x01\x02".to_vec(), short(20), common, rest, name.as_bytes().to_vec()].concat());
    }
    let count = (files.len() as u16).to_le_bytes();
    let sizes = [(directory.len() as u32).to_le_bytes(), (archive.len() as u32).to_le_bytes()].concat();
    [archive, directory, b"PK\x05\x06\0\0\0\0".to_vec(), [count, count].concat(), sizes, vec![0, 0]].concat()
}

#[test]
fn archives_without_one_table_are_refused_by_their_names() -> Result<()> {
    let csv = b"a,y\n1,2.5\n2,3.5\n";
    let two = zipped(&[("a.csv", csv), ("b.csv", csv)]);
    let book = zipped(&[("[Content_Types].xml", b"<x/>"), ("xl/workbook.xml", b"<x/>")]);
    let mut damaged = zipped(&[("a.csv", csv)]);
    // Within the packed bytes: the name has five bytes.
    damaged[30 + 5 + 3] ^= 0x55;
    let whole = zipped(&[("a.csv", csv)]);
    for (bytes, words) in [
        (two, "the zip archive has 2 files: `a.csv`, `b.csv`; unpack it"),
        (book, "it is an Excel workbook (.xlsx), not a table as text; in Excel, save the sheet as CSV"),
        (damaged, "its zip data are damaged"),
        (whole[..whole.len() - 30].to_vec(), "its zip data are damaged"),
        (b"PAR1 and more".to_vec(), "it is a Parquet file, not a table as text; convert it to CSV"),
        (b"%PDF-1.7".to_vec(), "it is a PDF document"),
        (b"<!DOCTYPE html><html>".to_vec(), "it is a web page"),
    ] {
        let told = message(table(bytes, &CsvOptions::default()));
        assert!(told.contains(words), "{words}: {told}");
    }
    // Only a folder beside the table, as macOS packs it.
    let mac = zipped(&[("t/", b""), ("t/a.csv", csv), ("__MACOSX/t/._a.csv", b"x")]);
    assert_eq!(table(mac, &CsvOptions::default())?.len(), 2);
    Ok(())
}

/// A cut archive is an error, and never ends the program.
#[test]
fn an_archive_cut_anywhere_is_an_error() {
    let whole = zipped(&[("a.csv", b"a,y\n1,2.5\n2,3.5\n")]);
    for length in 4..whole.len() {
        let found: Result<Table> = table(&whole[..length], &CsvOptions::default());
        assert!(found.is_err(), "{length} of {} bytes", whole.len());
    }
}
