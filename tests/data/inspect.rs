//! Inspections of tables, valid and invalid.

use approx::assert_abs_diff_eq;
use wgrad::data::{self, CsvOptions, Inspection, Kind, ReadAs, Role};
use wgrad::{Dataset, Result};

use crate::message;

fn inspect(text: &str) -> Inspection {
    Inspection::of_csv_text("t", text, None).expect("it can be inspected")
}

/// A table of 30 rows: `x` has seven different numbers, `row` returns the other cells of a row.
fn rows(header: &str, row: impl Fn(usize) -> String) -> String {
    let body: String = (0..30).map(|n| format!("{}.5,{}\n", (n * n) % 7, row(n))).collect();
    format!("x,{header}\n{body}")
}

/// Returns the only warning of this kind.
fn warning(found: &Inspection, kind: &str) -> String {
    let told: Vec<&str> =
        found.warnings.iter().filter(|warning| warning.kind == kind).map(|warning| warning.message.as_str()).collect();
    assert_eq!(told.len(), 1, "{kind}: {:?}", found.warnings);
    told[0].into()
}

fn kinds(found: &Inspection) -> Vec<&str> {
    found.warnings.iter().map(|warning| warning.kind).collect()
}

#[test]
fn columns_are_counted_and_measured() {
    let found = inspect("a;b;name;y\n1;-1.5;u;0.5\n2;;v;1.5\n2.0;0.5;u;NA\n-0;2.5;;0.5\n0;2.5;w;0.5\n");
    assert_eq!((found.name.as_str(), found.rows, found.delimiter), ("t", 5, Some(';')));
    let figures: Vec<_> = found.columns.iter().map(|c| (c.name.as_str(), c.kind, c.missing, c.different)).collect();
    let wanted = [
        ("a", Kind::WholeNumber, 0, 3),
        ("b", Kind::Number, 1, 3),
        ("name", Kind::Text, 1, 3),
        ("y", Kind::Number, 1, 2),
    ];
    assert_eq!(figures, wanted);
    let a = found.columns[0].moments.expect("numbers");
    assert_eq!((a.min, a.mean, a.max), (0.0, 1.0, 2.0));
    // 1, 2, 2, 0, 0: squares 0 + 1 + 1 + 1 + 1.
    assert_abs_diff_eq!(a.deviation, (4.0f64 / 5.0).sqrt(), epsilon = 1e-12);
    assert_eq!(found.columns[1].moments.map(|b| (b.min, b.mean, b.max)), Some((-1.5, 1.0, 2.5)));
    assert_eq!(found.columns[2].moments, None);
    assert_eq!(found.columns.iter().filter(|column| column.role == Role::Target).count(), 1);
}

#[test]
fn words_for_missing_values_are_text_among_other_text() {
    let found = inspect("a,b,y\nNA,u,1\n?,NA,2\n3,null,1\n4,v,2\nnan,n/a,1\n");
    assert_eq!(
        (found.columns[0].kind, found.columns[0].missing, found.columns[0].different),
        (Kind::WholeNumber, 3, 2)
    );
    assert_eq!((found.columns[1].kind, found.columns[1].missing, found.columns[1].different), (Kind::Text, 0, 5));
    assert_eq!(inspect("a,y\n,1\nNA,2\n").columns[0].kind, Kind::Empty);
    assert_eq!(kinds(&inspect("a,y\n1,cat\n2,NA\n")), ["few_rows"], "a class may have this name");
}

#[test]
fn targets_are_read_as_training_reads_them() -> Result<()> {
    let cases: [&[&str]; 7] = [
        &["cat", "10", "9", "cat", "dog"],
        &["10", "9.0", "-1", "9", "10", "10", "-1"],
        &["1", "2", "1", "2"],
        &["1.5", "2", "1.5", "2", "1.5"],
        &["0", "-0", "1", "0", "1"],
        &["7", "8", "9", "10", "11"],
        &["NA", "cat", "NA", "1"],
    ];
    for targets in cases {
        let text = targets.iter().fold("x,y\n".to_string(), |text, target| format!("{text}1,{target}\n"));
        let (data, found) = (Dataset::from_csv_text("t", &text, None)?, inspect(&text).target);
        let names: Vec<String> = found.classes.iter().map(|class| class.name.clone()).collect();
        assert_eq!(data.class_names().unwrap_or_default(), names, "{targets:?}");
        assert_eq!(data.class_names().is_some(), found.read_as == ReadAs::Class, "{targets:?}");
    }
    let found = inspect("x,y\n1,b\n2,a\n3,b\n4,b\n5,\n");
    let classes: Vec<_> = found.target.classes.iter().map(|c| (c.name.as_str(), c.rows, c.share)).collect();
    assert_eq!(classes, [("a", 1, 0.25), ("b", 3, 0.75)], "a missing target is no class");
    Ok(())
}

#[test]
fn an_ambiguous_column_has_no_other_warnings() {
    let row = |n: usize| format!("{},{};{};{}\n", 10 + n, 403 + n, n % 7, ["a", "b"][n % 2]);
    let found = inspect(&("x;z;y\n".to_string() + &(0..30).map(row).collect::<String>()));
    assert_eq!(kinds(&found), ["unclear"], "{:?}", found.warnings);
}

/// A number that is not finite as f32 is still a number; training stops at it.
#[test]
fn a_target_with_a_number_that_is_not_finite_is_read_as_a_number() {
    for cell in ["1e39", "-1e300", "inf"] {
        let text = rows("z,y", |n| format!("{n}.25,{}", if n == 20 { cell.into() } else { format!("{n}.5") }));
        let refused = message(Dataset::from_csv_text("t", &text, None));
        assert!(refused.starts_with(&format!("t, line 22, column `y`: `{cell}` is not a finite 32-bit number")));
        let found = inspect(&text);
        assert_eq!((found.target.read_as, found.target.classes.len()), (ReadAs::Number, 0), "{cell}");
        assert_eq!(
            warning(&found, "text"),
            format!(
                "column `y` has 1 text cell, the first in line 22: `{cell}` is not a finite 32-bit number; write the \
                 target, or remove the row"
            )
        );
    }
}

/// All columns of four of these cells: training and inspection interpret the target alike.
#[test]
fn an_inspection_and_a_reading_agree_on_every_target() {
    const CELLS: [&str; 11] = ["1", "2", "-0", "0.5", "NA", "nan", "?", "inf", "1,5", "cat", ""];
    let (mut read, mut refused) = (0, 0);
    for number in 0..CELLS.len().pow(4) {
        let cells = (0..4).map(|place| CELLS[number / CELLS.len().pow(place) % CELLS.len()]);
        // Each cell twice, so that whole numbers can be classes.
        let cells = [cells.clone().collect::<Vec<_>>(), cells.collect()].concat();
        let text = cells.iter().fold("x;y\n".to_string(), |text, cell| format!("{text}1;{cell}\n"));
        match Dataset::from_csv_text("t", &text, None) {
            Ok(data) => {
                let told = inspect(&text).target.read_as;
                assert_eq!(data.class_names().is_some(), told == ReadAs::Class, "{cells:?}");
                read += 1;
            }
            Err(_) => refused += 1,
        }
    }
    assert!(read > 1000 && refused > 1000, "{read} were read, {refused} refused");
}

#[test]
fn good_tables_have_no_warning() {
    assert_eq!(kinds(&inspect(&rows("y", |n| ["a", "b"][n % 2].into()).replace("\n0.5,", "\n0.25,"))), ["duplicates"]);
    let distinct: String = (0..30).map(|n| format!("{}.5,{}\n", n, ["a", "b"][n % 2])).collect();
    assert_eq!(kinds(&inspect(&format!("x,y\n{distinct}"))), Vec::<&str>::new());
    assert!(inspect(&format!("x,y\n{distinct}")).to_text(false).ends_with("\nno warnings\n"));
}

#[test]
fn errors_of_training_are_warnings_with_their_first_line() {
    let found = inspect(&rows("name,age,empty,y", |n| {
        format!("{},{},,{}", if n > 3 { "Bo" } else { "7" }, if n % 10 == 9 { "" } else { "4" }, n % 2)
    }));
    assert_eq!(
        warning(&found, "text"),
        "column `name` has 26 text cells, the first in line 6: `Bo` is not a number; write numbers, or drop the column with `--drop name`"
    );
    assert_eq!(
        warning(&found, "missing"),
        "column `age` has 3 missing cells, the first in line 11; fill them in or remove the rows, or drop the column with `--drop age`"
    );
    assert_eq!(
        warning(&found, "empty"),
        "column `empty` has no values; fill it in, or drop the column with `--drop empty`"
    );
    let commas = inspect("the x;y\n1,5;2\n1;2,5\n");
    let told: Vec<&str> = commas.warnings.iter().map(|warning| warning.message.as_str()).collect();
    let read = ["column `the x`: `1,5` is read as 1.5", "column `y`: `2,5` is read as 2.5"];
    assert_eq!(told[..2], read, "{told:?}");
    let unclear = inspect("a;y\n1,500;2\n2,500;1\n");
    assert_eq!(
        warning(&unclear, "unclear"),
        "column `a`, line 2: `1,500` is 1500 if its decimal sign is a point, and 1.5 if it is a comma; write all numbers of the column in one format, such as 1234.5"
    );
    assert!(warning(&inspect("the x;y\nu;2\n1;2\n"), "text").ends_with("`--drop 'the x'`"), "quoted for a shell");
    assert!(
        warning(&inspect("x,y\n1,\n2,3\n"), "missing").ends_with("first in line 2; fill them in or remove the rows")
    );
}

#[test]
fn inputs_without_information_and_leaks_are_named() {
    let table = rows("one,id,name,price,y", |n| format!("5,{},N{n},{}.0,{}", 1000 + n, 3 * n, 3 * n));
    let found = inspect(&table);
    assert_eq!(
        warning(&found, "constant"),
        "the same value in every row, which carries no information: `one`; drop with `--drop one`"
    );
    assert_eq!(
        warning(&found, "id"),
        "a different value in every row, like an ID or a name, which can only be memorized: `id`, `name`, `price`; drop with `--drop id,name,price`"
    );
    assert_eq!(
        warning(&found, "leak"),
        "equal to the target in every row, so the network would only copy it: `price`; drop with `--drop price`"
    );
    let form = ["one", "id", "name", "price"].iter().fold(CsvOptions::default(), |form, column| form.drop(*column));
    let without = Inspection::of_csv_text("t", &table, form).expect("inspected");
    assert_eq!(kinds(&without), ["many_values"], "dropped columns have no warnings");
    assert_eq!(without.columns[1].role, Role::LeftOut);
    // One repeated value, one missing cell, one difference from the target.
    let found = inspect(&rows("id,name,price,y", |n| {
        format!("{},{},{},{}", n.max(1), if n == 4 { String::new() } else { format!("N{n}") }, n.min(28), n)
    }));
    assert!(!kinds(&found).contains(&"id") && !kinds(&found).contains(&"leak"), "{:?}", found.warnings);
}

#[test]
fn ids_are_reported_for_tables_large_enough_to_split() {
    let table = |rows: usize| (0..rows).map(|n| format!("N{n},{},{}.5\n", n % 3, n % 7)).collect::<String>();
    let is_reported = |rows| kinds(&inspect(&format!("id,x,y\n{}", table(rows)))).contains(&"id");
    assert!(is_reported(20) && !is_reported(19));
}

#[test]
fn duplicate_rows_and_too_few_rows_are_reported() {
    let found = inspect("id,x,y\n1,2,0.5\n2,2,0.5\n3,2,0.5\n4,3,0.5\n");
    assert_eq!((found.duplicate_rows, kinds(&found)), (0, vec!["few_rows"]));
    assert_eq!(
        warning(&found, "few_rows"),
        "too few rows to split: 4; below 20, all are used for training and evaluation"
    );
    let without =
        Inspection::of_csv_text("t", "id,x,y\n1,2,0.5\n2,2,0.5\n3,2,0.5\n4,3,0.5\n", CsvOptions::default().drop("id"));
    let without = without.expect("inspected");
    assert_eq!(without.duplicate_rows, 2);
    assert_eq!(
        warning(&without, "duplicates"),
        "duplicate rows: 2 of 4; copies in both the training and the test set make test scores too optimistic"
    );
}

#[test]
fn targets_that_are_hard_to_learn_are_reported() {
    let rare = inspect(&rows("z,y", |n| format!("{n}.5,{}", if n < 2 { "rare" } else { "usual" })));
    assert_eq!(kinds(&rare), ["rare_class", "imbalanced"]);
    assert_eq!(
        warning(&rare, "rare_class"),
        "1 of 2 classes with fewer than 10 rows, `rare`: the validation or test set may get none"
    );
    assert_eq!(
        warning(&rare, "imbalanced"),
        "classes are imbalanced, `usual` has 28 rows and `rare` 2: accuracy is 93.3 % if `usual` is always predicted"
    );
    let even = inspect(&rows("z,y", |n| format!("{n}.5,{}", if n < 10 { "rare" } else { "usual" })));
    assert_eq!(kinds(&even), Vec::<&str>::new());
    let same = inspect(&rows("z,y", |_| "4,4".into()));
    assert!(!kinds(&same).contains(&"leak") && kinds(&same).contains(&"constant"), "{:?}", same.warnings);
    let one = inspect(&rows("z,y", |n| format!("{n}.5,a")));
    assert_eq!(warning(&one, "one_class"), "the target has only one class, `a`, so there is nothing to learn");

    let far = |largest: usize| {
        let body: String = (0..100).map(|n| format!("{n}.5,{}\n", if n == 50 { largest } else { n % 10 })).collect();
        inspect(&format!("x,y\n{body}").replace(",1\n", ",1.25\n"))
    };
    assert_eq!(kinds(&far(9)), Vec::<&str>::new());
    let told = warning(&far(1_000_000), "outliers");
    assert_eq!(told, "a target of 1000000 is 10 standard deviations from the mean; check whether it is an error");
    let whole = inspect(&rows("z,y", |n| format!("{n}.5,{n}")));
    assert!(
        warning(&whole, "many_values")
            .starts_with("the target is read as a number, since it has 30 different whole numbers")
    );
}

#[test]
fn what_is_no_table_is_refused() {
    let refused = |text| message(Inspection::of_csv_text("t", text, None));
    assert_eq!(refused(""), "t: it is empty; write a header row and at least 1 row below it");
    assert_eq!(refused("x,y\n"), "t: it has a header but 0 rows after it; add rows below the header");
    assert!(refused("x,y\n1,2\n1,2,3\n").starts_with("t, line 3: the row has 3 cells, but the header has 2"));
}

#[test]
fn only_10_000_different_values_are_counted() {
    let body: String = (0..10_050).map(|n| format!("{n},{n}.5,class{n}\n")).collect();
    let found = inspect(&format!("id,x,y\n{body}"));
    assert!(found.columns.iter().all(|column| column.different == 10_000 && column.different_or_more));
    assert_eq!(found.target.classes.len(), 10_000);
    assert!(warning(&found, "id").contains("`id`"), "all counted values differ");
    assert!(warning(&found, "rare_class").starts_with("at least 10000 of 10000 classes"), "{:?}", found.warnings);
    assert!(found.to_text(false).contains(" 10000+ "));
    assert!(found.to_text(false).contains("… and 9980 more classes; --all shows them"));
}

#[test]
fn wide_tables_are_folded() {
    let found = Inspection::of(&data::digits());
    let (short, long) = (found.to_text(false), found.to_text(true));
    let columns = |text: &str| text.lines().filter(|line| line.starts_with("pixel_")).count();
    assert_eq!((columns(&short), columns(&long)), (20, 64));
    assert!(short.contains("… and 44 more columns; --all shows them\n") && !long.contains("--all"), "{short}");
    assert!(short.contains("\nclass "), "the target is always shown: {short}");
    assert!(short.lines().all(|line| line.chars().count() <= 120), "{short}");
    let empty: String = (0..30).map(|column| format!("c{column},")).collect();
    let missing = inspect(&format!("{empty}y\n{}1\n{}2\n", "4,".repeat(30), ",".repeat(30)));
    let told = |text: String| text.lines().filter(|line| line.contains(" has 1 missing cell,")).count();
    assert_eq!((told(missing.to_text(false)), told(missing.to_text(true))), (5, 30));
    assert!(missing.to_text(false).contains("… and 25 more warnings of kind `missing`; --all shows them"));
}

/// A name of 50 characters beside one of five; what the eight other columns of the text take is the same for both.
#[test]
fn the_text_fits_80_columns_and_only_long_names_are_shortened() {
    let long = "n".repeat(50);
    let text =
        inspect(&rows(&format!("{long},short,y"), |n| format!("{}.25,{},{}", 1000 + n, n % 5, n % 2))).to_text(false);
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    let name =
        text.lines().find(|line| line.starts_with("nnn")).and_then(|line| line.split(' ').next()).unwrap_or_default();
    assert!(name.ends_with("n…") && (12..50).contains(&name.chars().count()), "{text}");
    assert!(text.contains("\nshort ") && text.contains(" integer "), "{text}");
}

#[test]
fn bars_of_classes_are_rounded_up() {
    let text = inspect(&rows("y", |n| if n == 0 { "rare" } else { "often" }.into())).to_text(false);
    let line = text.lines().find(|line| line.starts_with("rare")).unwrap_or_default();
    assert_eq!(line.matches('█').count(), 2, "30 blocks for 29 rows are 1.03 for one: {text}");
}

#[test]
fn built_in_data_sets_are_inspected_too() {
    let found = Inspection::of(&data::iris());
    assert_eq!((found.rows, found.columns.len(), found.delimiter), (150, 5, None));
    let classes: Vec<_> = found.target.classes.iter().map(|class| (class.name.as_str(), class.rows)).collect();
    assert_eq!(classes, [("setosa", 50), ("versicolor", 50), ("virginica", 50)]);
    let petal = found.columns[2].moments.expect("numbers");
    assert_eq!((petal.min, petal.max), (1.0, 6.9));
    assert_abs_diff_eq!(petal.mean, 3.758, epsilon = 1e-9);
    let input_called_so = rows("z,y", |n| format!("{n}.5,{}", if n < 2 { "rare" } else { "usual" }));
    let named = Dataset::from_csv_text("t", &input_called_so.replacen('z', "class", 1), None).expect("it is a table");
    assert!(
        warning(&Inspection::of(&named), "rare_class").starts_with("1 of 2 classes"),
        "of the target, not of the input"
    );
    let xor = Inspection::of(&data::xor());
    assert_eq!((xor.target.read_as, kinds(&xor)), (ReadAs::Number, vec!["few_rows"]));
    let digits = warning(&Inspection::of(&data::digits()), "constant");
    assert!(
        digits.ends_with("`pixel_0_0`, `pixel_4_0`, `pixel_4_7`"),
        "without a table, no option to drop them: {digits}"
    );
}
