//! Faults of tables that were silent once. Each table is small enough to be checked by hand.

use std::fs;

use wgrad::data::{ColumnKind, CsvOptions, Inspection, KindChoice, Table};
use wgrad::{Dataset, Result};

use crate::{message, values};

/// Reads and inspects a table from a temporary file. Returns it with the messages of all warnings and notes.
fn read(text: &str, options: &CsvOptions) -> Result<(Table, Inspection, Vec<String>)> {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("t.csv");
    fs::write(&path, text).expect("it is writable");
    let (table, found) = Table::read_and_inspect(&path, options)?;
    let warnings = found.warnings.iter().map(|warning| warning.message.clone());
    let messages = warnings.chain(table.notes().iter().cloned()).collect();
    Ok((table, found, messages))
}

/// Inputs and targets of a table of numbers, row by row.
fn rows(text: &str, options: CsvOptions) -> Result<Vec<Vec<f64>>> {
    let data = Dataset::from_csv_text("t", text, options)?;
    let row =
        |row: usize| (0..data.inputs()).map(|column| data.value(row, column)).chain([values(&data)[row]]).collect();
    Ok((0..data.len()).map(row).collect())
}

fn choice(column: &str, kind: KindChoice) -> CsvOptions {
    CsvOptions { kinds: [(column.to_string(), kind)].into(), ..CsvOptions::default() }
}

#[test]
fn a_quote_that_is_not_closed_is_an_error_with_its_line() {
    for (text, wanted) in [
        ("a,note\n1,x\n2,\"y\n3,z\n", "t, line 3: a quote opens here and is never closed"),
        ("a,b,c\n1,\"x,2\n3,y,4\n", "t, line 2: a quote opens here and is never closed"),
        ("\"a,b\n1,2\n", "t, line 1: a quote opens here and is never closed"),
        ("\u{feff}\"a,b\n1,2\n", "t, line 1: a quote opens here and is never closed"),
        ("a,note\n1,\"x \"\" y\n2,z\"\"\n", "t, line 2: a quote opens here and is never closed"),
        (
            "'a','b'\n'1','2\n'3','4'\n",
            "t, line 2: a quote opens here, and is closed in line 3, in the middle of a cell",
        ),
        (
            "a,note\n1,\"x\n2,\"y\n3,z\n",
            "t, line 2: a quote opens here, and is closed in line 3, in the middle of a cell",
        ),
        ("# \"\na,note\r\n1,x\r\n2,\"y\r\n3,z\r\n", "t, line 4: a quote opens here and is never closed"),
    ] {
        let told = message(Inspection::of_csv_text("t", text, None));
        assert!(told.starts_with(wanted), "{text:?}: {told}");
        assert!(told.ends_with("; close or remove it; a quote inside a quoted cell is written twice"), "{told}");
    }
}

#[test]
fn closed_quotes_may_hold_lines_and_quotes() -> Result<()> {
    let quotes = |text: &str| {
        let found = Inspection::of_csv_text("t", text, None)?;
        let quotes = found.warnings.into_iter().filter(|warning| warning.kind == "quotes");
        Ok::<_, wgrad::Error>((found.rows, quotes.map(|warning| warning.message).collect::<Vec<_>>()))
    };
    assert_eq!(quotes("a,note\n1,\"x\ny\nz\"\n2,\"say \"\"w\"\"\" \n3,5\" wide\n")?, (3, vec![]));
    let note =
        "lines 2 to 4 are read as one row, since a quote opens in line 2; if these are rows, close or remove the quote";
    assert_eq!(quotes("a,b,note\n1,2,\"x\n3,4,y\n5,6,z\"\n7,8,w\n")?, (2, vec![note.to_string()]));
    Ok(())
}

#[test]
fn decimal_commas_are_told_from_delimiters() -> Result<()> {
    let wanted = [[6.5, -4.529, 0.031], [0.691, 1.281, 11.157], [2.5, 1.0, 3.25]];
    let lines = "6,500;-4,529;0,031\n0,691;1,281;11,157\n2,5;1;3,25\n";
    for separator in [";", "\t", "|", " "] {
        let lines = lines.replace(';', separator);
        assert_eq!(rows(&lines, CsvOptions::default())?, wanted, "{lines:?}");
        let form = CsvOptions::default().header(true);
        let named = format!("a{separator}b{separator}c\n{lines}");
        assert_eq!(rows(&named, form)?, wanted, "{named:?}");
    }
    // More commas than semicolons in the header.
    let named = format!("temp, in C;druck, in bar;menge, in l, total\n{lines}");
    assert_eq!(rows(&named, CsvOptions::default())?, wanted);
    // The comma separates more numbers, or equally many.
    assert_eq!(rows("a,b;c,y\n1,2,0.5\n3,4,1.5\n", CsvOptions::default())?, [[1.0, 2.0, 0.5], [3.0, 4.0, 1.5]]);
    assert_eq!(rows("a;x,b;x,y\n1,2,0.5\n3,4,1.5\n", CsvOptions::default())?, [[1.0, 2.0, 0.5], [3.0, 4.0, 1.5]]);
    Ok(())
}

#[test]
fn a_delimiter_that_may_be_another_is_noted() -> Result<()> {
    let (table, _, messages) = read("kind;a,b\nx;y,1\nz;y,2\nx;w,3\nz;y,4\n", &CsvOptions::default())?;
    assert_eq!(table.kind("kind;a"), Some(ColumnKind::Category));
    let note = "columns are separated by a comma; if a semicolon separates them, use `--delimiter ';'`";
    assert!(messages.iter().any(|message| message == note), "{messages:?}");
    let (.., messages) = read("a, b;c\n1,5;2,5\n1,25;3,5\n", &CsvOptions::default())?;
    assert!(messages.contains(&"columns are separated by a semicolon, not by a comma".into()), "{messages:?}");
    let (.., messages) = read("a;c\n1,5;2,5\n1,25;3,5\n", &CsvOptions::default())?;
    assert!(messages.iter().all(|message| !message.contains("separated")), "{messages:?}");
    Ok(())
}

#[test]
fn a_known_delimiter_is_used_where_it_separates_all_rows() -> Result<()> {
    let known = |delimiter: u8| CsvOptions { known_delimiter: Some(delimiter), ..CsvOptions::default() };
    let wanted = [[1.0, 0.5], [2.0, 1.5]];
    assert_eq!(rows("a:y\n1:0.5\n2:1.5\n", known(b':'))?, wanted);
    assert_eq!(rows("a y\n1 0.5\n2 1.5\n", known(b' '))?, wanted);
    // Another table may have another delimiter.
    for known in [known(b':'), known(b','), known(b' ')] {
        assert_eq!(rows("a;y\n1;0,5\n2;1,5\n", known)?, wanted);
    }
    // A requested delimiter takes precedence.
    assert_eq!(rows("a:x;y\n1;0.5\n2;1.5\n", known(b':').delimiter(b';'))?, wanted);
    Ok(())
}

#[test]
fn a_requested_kind_that_no_cell_has_is_an_error() -> Result<()> {
    let text =
        "town,sold,size,y\nThun,2020-03-22,1,0.5\n,2018-02-18,2,1.5\nBern,2017-05-07,3,2.5\nThun,2018-05-08,x,3.5\n";
    let told = message(read(text, &choice("town", KindChoice::Number)));
    assert!(told.ends_with("column `town`: 3 of 4 cells are not numbers, the first `Thun` in line 2; leave `--column` out, or choose another kind"), "{told}");
    let told = message(read(text, &choice("sold", KindChoice::DayFirst)));
    assert!(told.contains("4 of 4 cells are not dates such as 31/12/2024, the first `2020-03-22` in line 2"), "{told}");
    // One cell of another kind counts as missing, with a warning.
    let (table, _, messages) = read(text, &choice("size", KindChoice::Number))?;
    let note = "column `size`: 1 of 4 cells are not numbers, the first `x` in line 5, and count as missing";
    assert_eq!(
        (table.missing(), messages.contains(&note.to_string())),
        (vec![("town", 1), ("size", 1)], true),
        "{messages:?}"
    );
    Ok(())
}

#[test]
fn levels_that_are_all_rare_are_reported() -> Result<()> {
    let text = (0..20).fold("id,y\n".to_string(), |text, n| format!("{text}L{n},{n}.5\n"));
    let (.., messages) = read(&text, &choice("id", KindChoice::Category))?;
    assert!(messages[0].starts_with("column `id`: none of its 20 levels has 3 rows"), "{messages:?}");
    Ok(())
}

#[test]
fn numbers_with_a_unit_or_beside_text_are_reported() -> Result<()> {
    let unit = |n: usize| format!("{} m2", 100 + n / 4);
    let text = (0..40).fold("a,b,y\n".to_string(), |text, n| format!("{text}{},{n}.5,{n}.5\n", unit(n)));
    let (_, found, messages) = read(&text, &CsvOptions::default())?;
    let wanted = "column `a`: `100 m2` in line 2 is read as text, and so are all cells with the unit `m2`";
    assert!(messages[0].starts_with(wanted), "{messages:?}");
    assert_eq!((found.warnings[0].kind, &found.warnings[0].columns[..]), ("unit", &["a".to_string()][..]));
    // 36 numbers, and four cells with different words.
    let cell = |n: usize| if n % 10 == 3 { format!("w{n}") } else { n.to_string() };
    let text = (0..40).fold("a,b,y\n".to_string(), |text, n| format!("{text}{},{n}.5,{n}.5\n", cell(n)));
    let (_, found, messages) = read(&text, &CsvOptions::default())?;
    let wanted = "column `a`: 36 cells are numbers, but 4 are not, the first `w3` in line 5";
    assert!(messages[0].starts_with(wanted) && messages[0].contains("`--column a=number`"), "{messages:?}");
    assert_eq!(found.warnings[0].kind, "numbers_as_text");
    Ok(())
}

#[test]
fn a_target_that_is_no_number_is_reported_once_with_its_count() -> Result<()> {
    let price = |n: usize| if n == 3 { "?!".into() } else { format!("${},000.50", n + 1) };
    let text = (0..12).fold("a,y\n".to_string(), |text, n| format!("{text}{n}.5,\"{}\"\n", price(n)));
    let (table, _, messages) = read(&text, &CsvOptions::default().numbers())?;
    let wanted = "1 of 12 rows has no `y`, the target, and cannot be used; in 1 of them it is not a number, the first `?!` in line 5";
    let about: Vec<&String> = messages.iter().filter(|message| message.contains("`y`")).collect();
    assert_eq!((table.rows().len(), about), (11, vec![&wanted.to_string()]), "{messages:?}");
    // Yes and no are numbers if numbers are requested.
    let text = "a,y\n1,no\n2,yes\n3,no\n4,yes\n";
    let (table, _, messages) = read(text, &CsvOptions::default().numbers())?;
    assert_eq!(table.rows().len(), 4);
    assert_eq!(
        messages.iter().filter(|message| message.contains("`no`")).collect::<Vec<_>>(),
        ["column `y`: `no` is read as 0, since the target is a number"]
    );
    Ok(())
}

#[test]
fn missing_words_are_counted_alike_in_table_and_inspection() -> Result<()> {
    let text = "town,y,z\nBern,1,0.5\nNA,2,1.5\n,3,2.5\nBern,4,3.5\nThun,5,4.5\nThun,6,5.5\n";
    let (table, found, _) = read(text, &CsvOptions::default())?;
    assert_eq!(table.missing(), [("town", 2)]);
    assert_eq!((found.columns[0].missing, found.columns[0].different), (2, 2));
    Ok(())
}

#[test]
fn many_classes_of_one_row_are_reported() -> Result<()> {
    let text = (0..30).fold("a,price\n".to_string(), |text, n| format!("{text}{n}.5,{}\n", 1000 + n * n));
    let options = CsvOptions { read_as: Some(wgrad::data::ReadAs::Class), ..CsvOptions::default() };
    let (.., messages) = read(&text, &options)?;
    assert!(messages.iter().any(|message| message.starts_with("30 of 30 classes have 1 row each")), "{messages:?}");
    Ok(())
}

#[test]
fn json_is_no_table() {
    for text in ["{\"a\": 1}\n", "[\n  {\"a\": 1}\n]\n", " [[1, 2], [3, 4]]\n"] {
        let told = message(read(text, &CsvOptions::default()));
        assert!(told.contains("it is JSON, not a table; convert it to CSV"), "{told}");
    }
}
