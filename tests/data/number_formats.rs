//! Formats of numbers: currency and percent signs, thousands separators, decimal commas and Unicode minus signs.

use wgrad::data::{CsvOptions, Inspection, NumberFormat};
use wgrad::{Dataset, Result};

use crate::message;

/// A table with these cells, quoted, as input. `other` is the target, which may show the decimal sign.
fn table(cells: &[&str], other: &str) -> String {
    cells.iter().fold("x;y\n".into(), |text, cell| format!("{text}\"{cell}\";{other}\n"))
}

fn inputs(cells: &[&str], other: &str) -> Result<Vec<f64>> {
    let data = Dataset::from_csv_text("t", &table(cells, other), None)?;
    Ok((0..data.len()).map(|row| data.value(row, 0)).collect())
}

#[test]
fn numbers_are_read_in_the_format_of_their_column() {
    let cases: [(&[&str], &[f64]); 18] = [
        (&["$12,500.00", "$7.5"], &[12_500.0, 7.5]),
        (&["-$5", "$-6", "$ 7"], &[-5.0, -6.0, 7.0]),
        (&["12.50 €", "7 €", "8.5"], &[12.5, 7.0, 8.5]),
        (&["1.234,5 €", "7 €"], &[1234.5, 7.0]),
        (&["45.1%", "7 %", "-3%"], &[45.1, 7.0, -3.0]),
        (&["45,1%", "7%"], &[45.1, 7.0]),
        (&["1,234,567", "89"], &[1_234_567.0, 89.0]),
        (&["1,234.5", "89"], &[1234.5, 89.0]),
        (&["7,580", "12.5"], &[7580.0, 12.5]),
        (&["1'234'567", "1\u{2019}000"], &[1_234_567.0, 1000.0]),
        (&["1\u{a0}234", "1\u{202f}000", "5 000"], &[1234.0, 1000.0, 5000.0]),
        (&["1 234,5", "6"], &[1234.5, 6.0]),
        (&["3,5", "1,234"], &[3.5, 1.234]),
        (&["0,125", "1,234"], &[0.125, 1.234]),
        (&["\u{2212}3.77", "4"], &[-3.77, 4.0]),
        (&["1.234", "5.678"], &[1.234, 5.678]),
        (&["₹7,58,384", "₹1,23,45,678.5", "₹999"], &[758_384.0, 12_345_678.5, 999.0]),
        (&["₹1,234,567", "12,345"], &[1_234_567.0, 12_345.0]),
    ];
    for (cells, numbers) in cases {
        assert_eq!(inputs(cells, "1").map_err(|error| error.to_string()).as_deref(), Ok(numbers), "{cells:?}");
    }
}

#[test]
fn a_comma_before_three_digits_is_resolved_by_the_table_or_refused() {
    assert_eq!(inputs(&["45,175", "64,565"], "127.2").expect("points are decimal signs"), [45_175.0, 64_565.0]);
    assert_eq!(inputs(&["45,175", "64,565"], "127,2").expect("commas are decimal signs"), [45.175, 64.565]);
    let refused = message(inputs(&["45,175", "64,565"], "1"));
    for words in ["line 2, column `x`", "45175 if its decimal sign is a point", "45.175 if it is a comma"] {
        assert!(refused.contains(words), "{words}: {refused}");
    }
    // In a target, too: 60 classes would be worse than an error.
    let prices =
        |last: &str| (0..30).fold("x;y\n".into(), |text: String, n| format!("{text}1;1,{:03}\n", 7 * n)) + last;
    assert!(message(Dataset::from_csv_text("t", &prices(""), None)).contains("decimal sign"));
    // A comma-separated table with a number below 1000: these are not decimal commas.
    let thousands = "x,y\n1,\"3,116\"\n2,965\n3,\"1,977\"\n";
    let data = Dataset::from_csv_text("t", thousands, None).expect("it is read");
    assert_eq!(data.target_values(), Some(&[3116.0, 965.0, 1977.0][..]));
}

#[test]
fn contradictory_numbers_are_refused_with_their_cell() {
    for (cells, words) in [
        (["45%", "0.45"], "1 of 2 numbers have a percent sign, such as `45%`"),
        (["$5", "6 €"], "different currency signs: `$`, `€`"),
        (["1.5", "2,5"], "more than one format, the first unusual one as `2,5`"),
    ] {
        let refused = message(inputs(&cells, "1"));
        assert!(refused.contains(words) && refused.contains("column `x`"), "{words}: {refused}");
        let left_out = Dataset::from_csv_text(
            "t",
            &table(&cells, "1;2").replacen("x;y", "x;z;y", 1),
            CsvOptions::default().drop("x"),
        );
        assert!(left_out.is_ok(), "dropped columns are not checked");
    }
}

#[test]
fn a_target_of_numbers_is_never_read_as_classes() {
    let priced = |word: &str| {
        let prices = (0..60).map(|n| format!("{n},\"${},{:03}.50\"\n", 12 + n, 11 * n));
        format!("x,y\n{}{word}", prices.collect::<String>())
    };
    let data = Dataset::from_csv_text("t", &priced(""), None).expect("it is read");
    assert_eq!(data.class_names(), None);
    let refused = message(Dataset::from_csv_text("t", &priced("1,unknown\n"), None));
    assert_eq!(
        refused,
        "t, line 62, column `y`: `unknown` is not a number, but 60 of 61 targets are; write a number, or remove the row"
    );
    let found = Inspection::of_csv_text("t", &priced("1,unknown\n"), None).expect("inspected");
    assert!(found.warnings[0].message.ends_with("write a number, or remove the row"), "{:?}", found.warnings);
    // Few words among codes are classes.
    let codes: String = (0..60).map(|n| format!("{n},{}\n", ["10", "20", "E11"][n % 3])).collect();
    assert_eq!(Dataset::from_csv_text("t", &format!("x,y\n{codes}"), None).expect("it is read").outputs(), 3);
}

#[test]
fn formats_are_reported_and_can_be_set() {
    let found = Inspection::of_csv_text("t", "price,y\n\"$12,500.00\",1\n$8.5,2\n", None).expect("inspected");
    let format = NumberFormat { thousands: Some(','), currency: Some('$'), ..NumberFormat::PLAIN };
    assert_eq!((found.columns[0].format, found.columns[1].format), (Some(format), None));
    assert_eq!(found.warnings[0].message, "column `price`: `$12,500.00` is read as 12500");
    // A single row is ambiguous by itself.
    let mut form = CsvOptions::default();
    assert!(message(Dataset::from_csv_text("t", "price;y\n7,580;1\n", form.clone())).contains("decimal sign"));
    form.formats.insert("price".into(), format);
    let data = Dataset::from_csv_text("t", "price;y\n7,580;1\n", form).expect("it is read");
    assert_eq!(data.value(0, 0), 7580.0);
}

/// Units, dates and other text: there are too many different ones for classes.
#[test]
fn a_different_text_in_each_row_is_refused() {
    type Written = (&'static str, fn(usize) -> String);
    let written: [Written; 7] = [
        ("1200 EUR", |n| format!("{} EUR", 1200 + 7 * n)),
        ("2.25 kg", |n| format!("{}.25 kg", n + 2)),
        ("(1,100)", |n| format!("\"({},{})\"", 1 + n, 100 + 11 * n)),
        ("10.2K", |n| format!("{}.2K", 10 + n)),
        ("2024-01-01", |n| format!("2024-{:02}-{:02}", 1 + n / 28, 1 + n % 28)),
        ("7,58,300", |n| format!("\"7,58,{}\"", 300 + 11 * n)),
        ("person0", |n| format!("person{n}")),
    ];
    for (first, cell) in written {
        let table = |different: usize| {
            (0..60).fold("x,y\n".to_string(), |text, n| format!("{text}{n}.5,{}\n", cell(n % different)))
        };
        let refused = message(Dataset::from_csv_text("t", &table(60), None));
        assert_eq!(
            refused,
            format!(
                "t, line 2, column `y`: 60 different targets in 60 rows, such as `{first}`, are too many for classes; \
                 write numbers without units, or choose another target column with `--target`"
            )
        );
        let found = Inspection::of_csv_text("t", &table(60), None).expect("inspected");
        assert!(refused.ends_with(found.warnings[0].message.split_once(": ").expect("a place").1), "{found:?}");
        // Repeated text is read as classes, many or few.
        for different in [29, 20] {
            let data = Dataset::from_csv_text("t", &table(different), None).expect("it is read");
            assert_eq!(data.class_names().map(<[_]>::len), Some(different), "{first}");
        }
    }
}
