//! Formats of tables: delimiters, dropped columns, decimal signs.

use wgrad::data::CsvOptions;
use wgrad::{Dataset, Result};

use crate::{message, values};

fn read(text: &str, form: CsvOptions) -> Result<Dataset> {
    Dataset::from_csv_text("t", text, form)
}

fn columns(text: &str) -> Result<Vec<String>> {
    read(text, CsvOptions::default()).map(|data| data.columns().to_vec())
}

#[test]
fn the_header_shows_the_delimiter() -> Result<()> {
    for delimiter in [",", "\t", ";", "|"] {
        let row = |cells: [&str; 3]| cells.join(delimiter) + "\n";
        let text = row(["a", "b", "y"]) + &row(["1", "2", "0.5"]) + &row(["3", "4", "1.5"]);
        let data = read(&text, CsvOptions::default())?;
        assert_eq!((data.columns(), &*data.input()), (&["a", "b"].map(String::from)[..], &[1., 2., 3., 4.][..]));
        assert_eq!(values(&data), [0.5, 1.5], "{delimiter:?}");
    }
    Ok(())
}

#[test]
fn quoted_delimiters_separate_nothing() -> Result<()> {
    assert_eq!(columns("\"a, b, c\";y\n1;2.5\n")?, ["a, b, c"]);
    assert_eq!(columns("\u{feff}\"a, b, c\";y\n1;2.5\n")?, ["a, b, c"], "after a byte order mark");
    assert_eq!(columns("\n\r\n\"a, b, c\";y\n1;2.5\n")?, ["a, b, c"], "after blank lines");
    assert_eq!(columns("\"say \"\"a,b,c\"\"\";y\n1;2.5\n")?, ["say \"a,b,c\""], "a doubled quote is one");
    assert_eq!(columns("a 5\" wide;b;y\n1;2;3.5\n")?, ["a 5\" wide", "b"], "a quote within a cell opens nothing");
    assert_eq!(columns("\"a,\nb,\nc\";y\n1;2.5\n")?, ["a,\nb,\nc"], "a quoted name may hold lines");
    assert_eq!(columns("a;b,y\n1,2.5\n")?, ["a;b"], "of two equally frequent delimiters, the comma is used");
    Ok(())
}

#[test]
fn a_delimiter_can_be_set() -> Result<()> {
    let text = "a,x:b,x:y\n1:2:0.5\n";
    let data = read(text, CsvOptions::default().delimiter(b':'))?;
    assert_eq!(data.columns(), ["a,x", "b,x"]);
    assert_eq!(
        message(read(text, CsvOptions::default())),
        "t, line 2: the row has 1 cells, but the header has 3; give every row one cell per column, quote cells that contain a comma, or name another separator with `--delimiter`"
    );
    assert!(message(read("a;b;y\n1;2\n", CsvOptions::default())).contains("quote cells that contain a semicolon,"));
    assert!(message(read("a\tb\ty\n1\t2\n", CsvOptions::default())).contains("quote cells that contain a tab,"));
    assert!(message(read("y\n2\n", CsvOptions::default().delimiter(b':'))).contains("separate columns by `:`"));
    for refused in *b"\"\n\rx5\xe9" {
        let found = refused.escape_ascii();
        let wanted = "an ASCII character other than a letter, digit, quote or line break";
        let told = message(read(text, CsvOptions::default().delimiter(refused)));
        assert_eq!(told, format!("t: the delimiter is `{found}`, but must be {wanted}"));
    }
    Ok(())
}

#[test]
fn columns_can_be_dropped() -> Result<()> {
    let text = "id,area,price,note\nA7,50,1.5,old\n,80,2.5,\"new, large\"\n";
    let data = read(text, CsvOptions::default().target("price").drop("id").drop("note"))?;
    assert_eq!(
        (data.columns(), &*data.input(), values(&data)),
        (&["area".into()][..], &[50., 80.][..], &[1.5, 2.5][..])
    );

    let refused = |form: CsvOptions| message(read(text, form));
    assert_eq!(
        refused(CsvOptions::default().target("price").drop("noet")),
        "unknown column `noet`, did you mean `note`?; known: id, area, price, note"
    );
    let problem = "is the target and cannot be dropped; keep it, or choose another target column";
    assert_eq!(refused(CsvOptions::default().target("price").drop("price")), format!("t: column `price` {problem}"));
    assert_eq!(
        refused(CsvOptions::default().drop("note")),
        format!("t: column `note` {problem}"),
        "the last is the target"
    );
    assert_eq!(
        refused(["id", "area", "price"].iter().fold(CsvOptions::default(), |form, column| form.drop(*column))),
        "t: 0 inputs are left of 4 columns; drop fewer columns"
    );
    assert_eq!(
        refused(CsvOptions::default().target("price")),
        "t, line 2, column `id`: `A7` is not a number; write a number, remove the row, or drop the column with `--drop id`"
    );
    Ok(())
}

#[test]
fn decimal_commas_are_read_in_unambiguous_columns() -> Result<()> {
    let refused = |text| message(read(text, CsvOptions::default()));
    let data = read("x;y\n1;2\n1,5;-2,5e1\n", CsvOptions::default())?;
    assert_eq!((&*data.input(), values(&data)), (&[1.0, 1.5][..], &[2.0, -25.0][..]));
    assert_eq!(
        refused("x;y\n1,5;2\n1.5;2\n"),
        "t, line 2, column `x`: numbers are written in more than one format, the first unusual one as `1,5`; write all numbers of the column in one format, such as 1234.5"
    );
    assert_eq!(
        refused("x;y\n1,5;2\nabout 1;2\n"),
        "t, line 2, column `x`: `1,5` is not a number; use a point as the decimal sign: 1.5"
    );
    assert!(!refused("x;y\n1,500;2\nabout 1;2\n").contains("1.500"), "it may be a thousand times as much");
    assert!(refused("x;y\n1,2,3;2\n").contains("--drop x"), "not a number with any decimal sign");
    // With other text it is a class name like any other.
    assert_eq!(read("x;y\n1;2,5\n1;many\n", CsvOptions::default())?.class_names().map(<[_]>::len), Some(2));
    Ok(())
}
