//! Tables: interpretation of target columns, and errors with line and column.

use std::fs;

use wgrad::{Dataset, Error, Result, Targets};

use crate::{indices, message, values};

fn read(text: &str) -> Result<Dataset> {
    Dataset::from_csv_text("t", text, None)
}

/// A table of one input column and the given targets.
fn with_targets(targets: &[&str]) -> Result<Dataset> {
    read(&targets.iter().fold("x,y\n".to_string(), |text, target| format!("{text}1,{target}\n")))
}

#[test]
fn a_table_has_named_columns_and_a_target() -> Result<()> {
    let text = "area,rooms,price\n50, 2 ,1.5\n80.5,3,-2e1\n";
    let data = read(text)?;
    assert_eq!((data.name(), data.columns()), ("t", &["area", "rooms"].map(String::from)[..]));
    assert_eq!(*data.input(), [50.0, 2.0, 80.5, 3.0]);
    assert_eq!(data.targets(), &Targets::Numbers { values: vec![1.5, -20.0], columns: vec!["price".into()] });

    let rooms = Dataset::from_csv_text("t", text, Some("rooms"))?;
    assert_eq!(rooms.columns(), ["area", "price"].map(String::from));
    assert_eq!(*rooms.input(), [50.0, 1.5, 80.5, -20.0]);
    assert_eq!(values(&rooms), [2.0, 3.0]);
    Ok(())
}

#[test]
fn a_file_is_read_and_named_after_itself() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("house.csv");
    // Like spreadsheets: a byte order mark, and CR LF line ends.
    fs::write(&path, "\u{feff}area,price\r\n50,1.5\r\n80,2.5\r\n").expect("it is writable");
    let data = Dataset::from_csv(&path, Some("price"))?;
    assert_eq!((data.name(), data.columns(), data.len()), ("house", &["area".to_string()][..], 2));
    assert_eq!(values(&data), [1.5, 2.5]);

    let missing = folder.path().join("none.csv");
    let error = Dataset::from_csv(&missing, None).expect_err("it is not there");
    assert!(matches!(error, Error::File { path, action: "reading", .. } if path == missing));
    Ok(())
}

#[test]
fn text_targets_are_classes_sorted_by_text() -> Result<()> {
    let data = with_targets(&["cat", "10", "9", "cat", " a b "])?;
    assert_eq!(data.class_names(), Some(&["10", "9", "a b", "cat"].map(String::from)[..]));
    assert_eq!(indices(&data), [3, 0, 1, 3, 2]);
    Ok(())
}

#[test]
fn few_whole_numbers_are_classes_sorted_by_value() -> Result<()> {
    let data = with_targets(&["10", "9.0", "-1", "9", "10", "10", "-1"])?;
    assert_eq!(data.class_names(), Some(&["-1", "9", "10"].map(String::from)[..]));
    assert_eq!(indices(&data), [2, 1, 0, 1, 2, 2, 0]);

    let zeros = with_targets(&["0", "-0", "1", "0", "1"])?;
    assert_eq!(zeros.class_names(), Some(&["0", "1"].map(String::from)[..]));
    Ok(())
}

#[test]
fn other_targets_are_numbers() -> Result<()> {
    let is_class = |targets: &[&str]| with_targets(targets).map(|data| data.class_names().is_some());
    assert!(is_class(&["1", "2", "1", "2", "1"])?);
    assert!(!is_class(&["1", "2", "1", "2"])?, "2 values are not fewer than half of 4 rows");
    assert!(!is_class(&["1.5", "2", "1.5", "2", "1.5"])?, "not whole");

    let repeated =
        |different: usize| -> Vec<String> { (0..3 * different).map(|i| (i % different).to_string()).collect() };
    let is_class_of = |different| {
        let targets = repeated(different);
        is_class(&targets.iter().map(String::as_str).collect::<Vec<_>>())
    };
    assert!(is_class_of(20)?);
    assert!(!is_class_of(21)?, "more than 20 different values");
    Ok(())
}

#[test]
fn what_is_no_table_is_refused() {
    assert_eq!(message(read("")), "t: it is empty; write a header row and at least 1 row below it");
    assert_eq!(message(read("\n\n")), "t: it is empty; write a header row and at least 1 row below it");
    assert_eq!(message(read("x,y\n")), "t: it has a header but 0 rows after it; add rows below the header");
    assert_eq!(
        message(read("y\n1\n")),
        "t: its only column is `y`, the target; separate columns by a comma, with at least 1 input column besides the target"
    );
    assert_eq!(
        message(read("x,y\n1,2\n1,2,3\n")),
        "t, line 3: the row has 3 cells, but the header has 2; give every row one cell per column, quote cells that contain a comma, or name another separator with `--delimiter`"
    );
}

#[test]
fn an_unknown_target_is_reported_with_the_nearest_column() {
    let text = "area,rooms,price\n1,2,3\n";
    assert_eq!(
        message(Dataset::from_csv_text("t", text, Some("pirce"))),
        "unknown column `pirce`, did you mean `price`?; known: area, rooms, price"
    );
}

#[test]
fn cells_must_be_finite_numbers() {
    let remedy = "write a number, remove the row, or drop the column with `--drop z`";
    for (cell, problem) in [
        ("abc", "`abc` is not a number"),
        ("1 2", "`1 2` is not a number"),
        ("", "the cell is empty"),
        ("NaN", "`NaN` is not a finite 32-bit number"),
        ("-inf", "`-inf` is not a finite 32-bit number"),
        ("1e39", "`1e39` is not a finite 32-bit number"),
    ] {
        let text = format!("x,z,y\n1,2,0.5\n3,{cell},0.5\n");
        assert_eq!(message(read(&text)), format!("t, line 3, column `z`: {problem}; {remedy}"));
    }
    // In a column of numbers that Rust parses.
    assert_eq!(
        message(with_targets(&["0.5", "nan"])),
        "t, line 3, column `y`: `nan` is not a finite 32-bit number; write the target, or remove the row"
    );
    assert_eq!(
        message(with_targets(&["0.5", ""])),
        "t, line 3, column `y`: the cell is empty; write the target, or remove the row"
    );
}

#[test]
fn missing_targets_make_no_classes_of_numbers() -> Result<()> {
    for word in ["NA", "n/a", "NULL", "?"] {
        assert_eq!(
            message(with_targets(&["0.5", word, "1.5", "NA", "nan"])),
            format!(
                "t, line 3, column `y`: the target is missing: `{word}`, and the column has no other text; write the target, or remove the row"
            )
        );
        assert!(message(with_targets(&[word, word])).starts_with("t, line 2, column `y`: the target is missing"));
        assert_eq!(with_targets(&["1", word, "cat"])?.outputs(), 3, "a class may have this name");
    }
    let commas = message(read("x;y\n1;2,5\n1;NA\n1;3\n"));
    assert_eq!(
        commas,
        "t, line 3, column `y`: the target is missing: `NA`, and the column has no other text; write the target, or remove the row"
    );
    Ok(())
}

#[test]
fn lines_are_those_of_the_file() {
    let line = |text| {
        message(read(text)).split("line ").nth(1).and_then(|rest| rest.split([',', ' ']).next()).map(String::from)
    };
    assert_eq!(line("x,y\n1,2\n\n\nbad,2\n").as_deref(), Some("5"), "blank lines count");
    assert_eq!(line("x,y\r\n1,2\r\nbad,2\r\n").as_deref(), Some("3"), "CR LF is one line end");
    assert_eq!(line("x,y\n1,\"a\nb\"\nbad,c\n").as_deref(), Some("4"), "a quoted cell may hold lines");
    assert_eq!(line("\nx,y\n1,2\nbad,2\n").as_deref(), Some("4"), "blank lines before the header count");
    assert_eq!(line("\u{feff}x,y\n1,2\nbad,2\n").as_deref(), Some("3"), "a byte order mark shifts nothing");
    assert_eq!(line("\u{feff}x,y\r\n1,2\r\nbad,2\r\n").as_deref(), Some("3"), "a byte order mark is no text");
    assert_eq!(line("x,y\r\n1,2\r\n\r\n1,2,3\r\n").as_deref(), Some("4:"), "rows of another length, too");
}

#[test]
fn text_that_is_not_utf_8_is_latin_1_unless_it_is_no_text() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("latin.csv");
    fs::write(&path, b"x,y\n1,rot\n2,gr\xfcn\n3,\x80\n").expect("it is writable");
    let names = ["grün", "rot", "€"].map(String::from);
    assert_eq!(Dataset::from_csv(&path, None)?.class_names(), Some(&names[..]), "0x80 is Windows' euro sign");
    fs::write(&path, b"x,y\n1,rot\n2,gr\xfcn\x00\n").expect("it is writable");
    assert_eq!(
        message(Dataset::from_csv(&path, None)),
        format!(
            "{}: line 3 is not valid UTF-8, and there are control characters: it is no text; give a table as text, \
             saved as UTF-8",
            path.display()
        )
    );
    Ok(())
}
