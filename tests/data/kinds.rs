//! Kinds of columns, found by inspection, and what a preparation makes of them.

use std::fs;

use wgrad::data::{ColumnKind, CsvOptions, Encoding, KindChoice, NumberFormat, Preparation, Table, TimeFormat, Wanted};
use wgrad::{Dataset, Device, Loss, Network, Result, Targets, Trainer};

use crate::message;

/// Reads a table from a temporary file.
pub fn table(text: impl AsRef<[u8]>, options: &CsvOptions) -> Result<Table> {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("t.csv");
    fs::write(&path, text).expect("it is writable");
    Table::read(&path, options)
}

/// A table of the rows 0, 1, …, with a target `y` that is no class.
fn rows(header: &str, count: usize, row: impl Fn(usize) -> String) -> String {
    (0..count).fold(format!("{header},y\n"), |text, n| format!("{text}{},{}.5\n", row(n), n * n))
}

fn kind(cell: impl Fn(usize) -> String) -> Option<ColumnKind> {
    table(rows("c,z", 40, |n| format!("\"{}\",{n}.25", cell(n))), &CsvOptions::default()).expect("a table").kind("c")
}

fn fitted(text: &str, options: &CsvOptions) -> Result<(Preparation, Dataset)> {
    let table = table(text, options)?;
    let preparation = Preparation::fit(&table, &table.rows())?;
    let data = preparation.dataset(&table, &table.rows())?;
    Ok((preparation, data))
}

#[test]
fn kinds_are_found_from_the_cells() {
    let of = |list: &'static [&str]| kind(move |n| list[n % list.len()].into());
    for (list, wanted) in [
        (&["1", "2.5", "-3e2"][..], ColumnKind::Number),
        (&["$1,000.50", "$2.00", ""], ColumnKind::Number),
        (&["red", "blue", "red"], ColumnKind::Category),
        (&["02134", "00501", "10001"], ColumnKind::Category),
        (&["yes", "no"], ColumnKind::Boolean),
        (&["TRUE", "False", ""], ColumnKind::Boolean),
        (&["Y", "N", "n"], ColumnKind::Boolean),
        (&["no", "no"], ColumnKind::Constant),
        (&["7", "7.0"], ColumnKind::Constant),
        (&["", "NA", "?"], ColumnKind::Empty),
        (&["2024-01-31", "2023-12-01"], ColumnKind::Date),
        (&["31/01/2024", "01/12/2023"], ColumnKind::Date),
        (&["1/31/24 2:30 pm", "12/1/23 11:00 am"], ColumnKind::Date),
        (&["20240131", "20231201"], ColumnKind::Date),
        (&["14:30", "07:05:59"], ColumnKind::Date),
        (&["Jan 31, 2024", "Feb 1, 2024"], ColumnKind::Date),
        // Neither dates nor one format of numbers.
        (&["2024-13-01", "2024-02-30"], ColumnKind::Category),
    ] {
        assert_eq!(of(list), Some(wanted), "{list:?}");
    }
    assert_eq!(kind(|n| format!("N{n}")), Some(ColumnKind::Identifier));
    assert_eq!(kind(|n| format!("the {n} th cell of it")), Some(ColumnKind::FreeText));
    assert_eq!(kind(|n| if n == 7 { "unknown".into() } else { format!("{n}.5") }), Some(ColumnKind::Number));
    assert_eq!(kind(|n| format!("C{}", n % 10)), Some(ColumnKind::Category));
}

/// A column that counts up may be an input. Its name, or that it has none, makes it the number of the row.
#[test]
fn row_numbers_and_ids_are_left_out() -> Result<()> {
    for (name, first, wanted) in [
        ("", 0, ColumnKind::RowNumber),
        ("id", 1, ColumnKind::RowNumber),
        ("Unnamed: 0", 0, ColumnKind::RowNumber),
        ("PassengerId", 892, ColumnKind::Identifier),
        ("x", 0, ColumnKind::Number),
        ("year", 1990, ColumnKind::Number),
        ("humid", 0, ColumnKind::Number),
    ] {
        let text = rows(&format!("{name},z"), 40, |n| format!("{},{n}.25", n + first));
        let found = table(text, &CsvOptions::default())?;
        assert_eq!(found.kind(if name.is_empty() { "column1" } else { name }), Some(wanted), "{name}");
    }
    Ok(())
}

#[test]
fn a_category_has_an_input_for_each_frequent_level_and_one_for_all_others() -> Result<()> {
    let level = |n: usize| ["b", "a", "c", "", "b", "a", "b", "rare", "", "a"][n % 10];
    let (preparation, data) = fitted(&rows("color", 10, |n| level(n).into()), &CsvOptions::default())?;
    assert_eq!(data.columns(), ["color=a", "color=b", "color is another", "color is missing"]);
    // `c` and `rare` have one row each.
    assert_eq!(*data.input_rows(0..4), [0., 1., 0., 0., 1., 0., 0., 0., 0., 0., 1., 0., 0., 0., 0., 1.]);
    assert_eq!(preparation.row(&["never seen"])?, [0.0, 0.0, 1.0, 0.0]);
    assert_eq!(preparation.row(&["NA"])?, [0.0, 0.0, 0.0, 1.0]);
    // Without rare levels in training there is nothing to learn about new ones.
    let (preparation, _) = fitted(&rows("color", 12, |n| ["a", "b"][n % 2].into()), &CsvOptions::default())?;
    assert_eq!((preparation.row(&["c"])?, preparation.row(&[""])?), (vec![0.0; 2], vec![0.0; 2]));
    Ok(())
}

#[test]
fn at_most_64_levels_have_inputs_of_their_own() -> Result<()> {
    let (preparation, data) = fitted(&rows("c", 700, |n| format!("L{:03}", n % 70)), &CsvOptions::default())?;
    assert_eq!((data.inputs(), preparation.width()), (65, 65));
    // Of equally frequent levels, the first by name.
    assert_eq!((&*data.columns()[63], &*data.columns()[64]), ("c=L063", "c is another"));
    Ok(())
}

#[test]
fn missing_numbers_become_the_median_and_an_input_says_so() -> Result<()> {
    let text = "a,b,y\n1,10,0.5\n?,20,1.5\n4,30,2.5\nN/A,40,3.5\n2,50,4.25\n";
    let (preparation, data) = fitted(text, &CsvOptions::default())?;
    assert_eq!(data.columns(), ["a", "a is missing", "b"]);
    assert_eq!(*data.input_rows(0..2), [1.0, 0.0, 10.0, 2.0, 1.0, 20.0]);
    // No `b` was missing in training: its median, without an input for it.
    assert_eq!(preparation.row(&["3", "none"])?, [3.0, 0.0, 30.0]);
    assert_eq!(preparation.row(&["inf", "1e300"])?, [2.0, 1.0, 30.0]);
    Ok(())
}

/// Bins from 0 to 10 and from 10 to 20 have one row each inside, so 15 fills the first and half of the second.
#[test]
fn bins_are_a_piecewise_linear_encoding_between_quantiles_of_the_given_rows() -> Result<()> {
    let text = "a,b,y\n0,1,0.5\n10,1,1.5\n20,1,2.5\n900,2,3.5\n,2,4.5\n";
    let table = table(text, &CsvOptions::default())?;
    let fitted = Preparation::fit(&table, &[0, 1, 2, 4])?;
    let preparation = fitted.clone().with_bins(&table, &[0, 1, 2, 4], 2);
    // `b` has two values, so its median equals one of them, and only one bin is left.
    assert_eq!(preparation.inputs(), ["a", "a from 0 to 10", "a from 10 to 20", "a is missing", "b"]);
    assert_eq!(preparation.row(&["15", "1"])?, [15.0, 1.0, 0.5, 0.0, 1.0]);
    assert_eq!(preparation.row(&["-7", "1"])?, [-7.0, 0.0, 0.0, 0.0, 1.0], "below all bins");
    assert_eq!(preparation.row(&["900", "1"])?, [900.0, 1.0, 1.0, 0.0, 1.0], "above all bins");
    assert_eq!(preparation.row(&["", "1"])?, [10.0, 1.0, 0.0, 1.0, 1.0], "the median");
    assert_eq!(preparation.values(&table, &[0])?, preparation.row(&["0", "1"])?);
    assert_eq!(preparation.summary(&table)[0].becomes, "number, 2 bins (median if missing), is missing");
    for bins in [0, 1] {
        assert_eq!(fitted.clone().with_bins(&table, &[0, 1, 2, 4], bins), fitted, "{bins} bins");
    }
    Ok(())
}

#[test]
fn edges_that_fitting_cannot_produce_are_refused() -> Result<()> {
    let table = table("a,y\n0,0.5\n10,1.5\n20,2.5\n", &CsvOptions::default())?;
    let fitted = Preparation::fit(&table, &table.rows())?.with_bins(&table, &table.rows(), 2);
    let text = serde_json::to_string(&fitted).expect("it has text for keys");
    for (edges, said) in [
        ("[0.0,10.0,20.0]", None),
        ("[0.0,10.0,10.0]", Some("the edge 10 is followed by 10")),
        ("[0.0,20.0,10.0]", Some("the edge 20 is followed by 10")),
        ("[0.0,10.0,1e39]", Some("edge is 1000000000000000000000000000000000000000")),
        ("[0.0]", Some("edges of bins is 1, ")),
    ] {
        let text = text.replace("[0.0,10.0,20.0]", edges);
        let preparation: Preparation = serde_json::from_str(&text).expect("it is a preparation");
        let builder = Trainer::builder(Network::input(preparation.width()).dense(1)).loss(Loss::mean_squared_error());
        let mut model = builder.build(&Device::reference())?.into_model()?;
        model.metadata.prepare_with(preparation);
        let error = model.check().err().map(|error| error.to_string());
        assert_eq!(error.is_some(), said.is_some(), "{edges}: {error:?}");
        assert!(said.is_none_or(|said| error.is_some_and(|error| error.contains(said))), "{edges}");
    }
    Ok(())
}

/// Medians, levels and the earliest day are those of the given rows.
#[test]
fn a_preparation_knows_only_the_rows_that_it_is_fitted_on() -> Result<()> {
    let text = "n,c,d,y\n1,a,2024-01-02,0.5\n2,a,2024-01-04,1.5\n,a,2024-01-03,2.5\n900,b,2020-05-05,3.5\n901,b,,4.5\n";
    let table = table(text, &CsvOptions::default())?;
    let preparation = Preparation::fit(&table, &[0, 1, 2])?;
    let inputs = preparation.inputs();
    assert_eq!(inputs[..3], ["n", "n is missing", "c=a"].map(String::from));
    assert!(!inputs.contains(&"d: year".into()) && !inputs.contains(&"d is missing".into()), "{inputs:?}");
    let rows = preparation.values(&table, &[2, 3])?;
    assert_eq!(rows[..3], [1.5, 1.0, 1.0], "the median of 1 and 2");
    assert_eq!(rows[preparation.width()..][..3], [900.0, 0.0, 0.0], "`b` is new");
    Ok(())
}

/// 2024-03-01 is a Friday, and 60 days after the first of January.
#[test]
fn a_date_becomes_its_parts() -> Result<()> {
    let text = "d,y\n2024-01-01 00:00,0.5\n2024-03-01 06:00,1.5\n2025-03-01 18:00,2.5\n";
    let (preparation, data) = fitted(text, &CsvOptions::default())?;
    let parts = ["days", "year", "month sin", "month cos", "weekday sin", "weekday cos", "hour sin", "hour cos"];
    assert_eq!(data.columns(), parts.map(|part| format!("d: {part}")), "all are the first of a month");
    let row = preparation.row(&["2024-03-01 06:00"])?;
    let angle = |turns: f64| (std::f64::consts::TAU * turns).sin_cos();
    let ((month, month_cos), (weekday, weekday_cos)) = (angle(2.0 / 12.0), angle(4.0 / 7.0));
    let wanted = [60.25, 2024.0, month, month_cos, weekday, weekday_cos, 1.0, 0.0];
    for (found, wanted) in row.iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-12, "{row:?}, wanted {wanted:?}");
    }
    Ok(())
}

#[test]
fn dates_with_an_unclear_order_are_asked_for() -> Result<()> {
    let text = |date: &str| rows("d", 6, |n| format!("0{}/{date}/2024", n + 1));
    let unclear = text("03");
    assert_eq!(
        message(table(&unclear, &CsvOptions::default())).split_once("column").map(|(_, rest)| rest.to_string()),
        Some(
            " `d`: `01/03/2024` may begin with the day or the month; use `--column d=dmy` if the day comes first, or \
              `--column d=mdy`"
                .into()
        )
    );
    for (choice, format) in
        [(KindChoice::DayFirst, TimeFormat::DayMonthYear), (KindChoice::MonthFirst, TimeFormat::MonthDayYear)]
    {
        let options = CsvOptions { kinds: [("d".to_string(), choice)].into(), ..CsvOptions::default() };
        let (preparation, _) = fitted(&unclear, &options)?;
        let stored = serde_json::to_string(&preparation).expect("it has text for keys");
        assert!(stored.contains(&serde_json::to_string(&format).expect("a word")), "{stored}");
    }
    // The first of each month, and a day above 12.
    assert_eq!(table(text("01"), &CsvOptions::default())?.kind("d"), Some(ColumnKind::Date));
    assert_eq!(table(text("13"), &CsvOptions::default())?.kind("d"), Some(ColumnKind::Date));
    Ok(())
}

#[test]
fn kinds_can_be_chosen_and_all_problems_are_stated_at_once() -> Result<()> {
    let text = rows("zip,id", 60, |n| format!("{},{}", 10_000 + n % 3, 500 - n));
    let options = |kinds: &[(&str, KindChoice)]| CsvOptions {
        kinds: kinds.iter().map(|(name, kind)| (name.to_string(), *kind)).collect(),
        ..CsvOptions::default()
    };
    let (preparation, _) = fitted(&text, &options(&[("zip", KindChoice::Category), ("id", KindChoice::Number)]))?;
    assert_eq!(preparation.inputs(), ["zip=10000", "zip=10001", "zip=10002", "id"]);
    assert_eq!(preparation.row(&["10001.0", "7"])?, [0.0, 1.0, 0.0, 7.0], "as pandas writes a column with gaps");
    let two = rows("d,n", 5, |n| format!("0{}/02/2024,{n}", n + 1));
    let told = message(table(two, &options(&[("nn", KindChoice::Number)])));
    for words in ["2 problems: (1) unknown column `nn`, did you mean `n`?", "(2) ", "column `d`: `01/02/2024`"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    let none = message(table(rows("id,k", 30, |n| format!("A{n},7")), &CsvOptions::default()));
    assert!(
        none.contains("left out: `id` differs in almost every row, `k` has one value in every row; use one with"),
        "{none}"
    );
    Ok(())
}

#[test]
fn rows_without_a_target_are_left_out_and_counted() -> Result<()> {
    let table = table("x,y\n1,a\n2,\n3,b\n4,NA\n5,none\n6,a\n", &CsvOptions::default())?;
    assert_eq!((table.len(), table.rows()), (6, vec![0, 2, 4, 5]));
    assert_eq!(table.notes(), ["2 of 6 rows have no `y`, the target, and cannot be used"]);
    let Some(Targets::Classes { indices, names }) = table.targets(&table.rows()) else { panic!("classes") };
    assert_eq!((indices, names), (vec![0, 1, 2, 0], ["a", "b", "none"].map(String::from).to_vec()));
    Ok(())
}

/// Namibia among countries, and the class − beside +.
#[test]
fn words_for_missing_values_may_be_values() -> Result<()> {
    let classes = |cells: [&str; 5]| {
        let text: String = (0..25).map(|n| format!("{n},{}\n", cells[n % 5])).collect();
        let table = table(format!("x,y\n{text}"), &CsvOptions::default())?;
        Ok::<_, wgrad::Error>((
            table.rows().len(),
            table.targets(&[0]).map(|targets| match targets {
                Targets::Classes { names, .. } => names.join(" "),
                Targets::Numbers { .. } => "numbers".into(),
            }),
        ))
    };
    assert_eq!(classes(["NA", "ZA", "BW", "ZA", "NA"])?, (25, Some("BW NA ZA".into())));
    assert_eq!(classes(["NA", "long", "short", "short", "NA"])?, (15, Some("long short".into())));
    assert_eq!(classes(["+", "-", "-", "+", "?"])?, (20, Some("+ -".into())));
    assert_eq!(kind(|n| ["+", "-"][n % 2].into()), Some(ColumnKind::Category));
    Ok(())
}

#[test]
fn a_model_reads_columns_by_name_in_any_order() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join("new.csv");
    let (preparation, _) =
        fitted("a,b,c,y\n1,x,7,0.5\n2,y,8,1.5\n3,x,9,2.5\n4,x,9,2.5\n5,y,8,2\n6,y,7,1\n", &CsvOptions::default())?;
    let read = |text: &str, kept: &[String]| {
        fs::write(&path, text).expect("it is writable");
        Table::read_for(&path, &CsvOptions::default(), &preparation, &Wanted { kept, ..Wanted::default() })
    };
    let table = read("note,c,b,a\nN1,70,y,10\nN2,,z,NA\n", &["note".into()])?;
    assert_eq!(preparation.values(&table, &table.rows())?, [10., 0., 1., 70., 3.5, 0., 0., 8.0]);
    assert_eq!(table.text("note"), Some(vec!["N1", "N2"]));
    let lacking = message(read("b,note\nx,1\n", &[]));
    assert!(lacking.contains("columns that the model needs are missing: `a`, `c`; add"), "{lacking}");
    let words = message(read("a,b,c\nfew,x,7\nmany,x,8\n3,x,9\n", &[]));
    assert!(
        words.contains(
            "column `a`: 2 of 3 cells are not numbers, the first `few` in line 2; write them as in the training set"
        ),
        "{words}"
    );
    let one = read("a,b,c\nfew,x,7\n2,x,8\n3,x,9\n", &[])?;
    assert_eq!(
        one.notes(),
        ["column `a`: 1 of 3 cells are not numbers, the first `few` in line 2, and count as missing"]
    );
    Ok(())
}

/// As in a forged model file.
#[test]
fn a_stored_preparation_is_the_same_and_keeps_its_formats() -> Result<()> {
    let text = rows("p,f,d,c", 30, |n| {
        format!("\"{},000\",{},2024-01-{:02},{}", n + 1, ["yes", "no"][n % 2], n % 28 + 1, ["u", "v", ""][n % 3])
    });
    let (preparation, _) = fitted(&text, &CsvOptions::default())?;
    let stored = serde_json::to_string(&preparation).expect("it has text for keys");
    assert_eq!(serde_json::from_str::<Preparation>(&stored).expect("it was written just now"), preparation);
    let format = NumberFormat { thousands: Some(','), ..NumberFormat::PLAIN };
    assert_eq!(preparation.formats().collect::<Vec<_>>(), [("p", format)]);
    let wanted = Encoding::Boolean { fill: 1.0, has_missing: false };
    assert!(stored.contains(&serde_json::to_string(&wanted).expect("plain data").replace("1.0", "")[..20]), "{stored}");
    Ok(())
}
