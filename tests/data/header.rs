//! Detection of header rows.

use wgrad::data::{CsvOptions, Inspection};
use wgrad::{Dataset, Result};

use crate::message;

fn inspect(text: &str) -> Inspection {
    Inspection::of_csv_text("t", text, None).expect("it can be inspected")
}

/// Warning about the first row.
fn said(found: &Inspection) -> Option<&str> {
    found.warnings.iter().find(|warning| warning.kind == "header").map(|warning| warning.message.as_str())
}

#[test]
fn a_first_row_of_values_is_no_header_and_no_row_is_lost() -> Result<()> {
    let tables = [
        "2.68,-3.71,late\n1.09,-3.39,early\n0.5,-2.98,late\n",
        "1,1,0.5\n0,0.04,1\n1,1.41,0.5\n",
        "1.5,7,2\n2.5,8,3\n3.5,9,4\n",
        "7,9,5\n6,10,8\n9,4,3\n",
        "$5,7.5\n$7,8.5\n$3,9.5\n",
    ];
    for text in tables {
        let (data, found) = (Dataset::from_csv_text("t", text, None)?, inspect(text));
        assert_eq!((data.len(), found.rows, found.header), (3, 3, false), "{text}");
        assert_eq!(data.columns()[0], "column1", "{text}");
        assert!(said(&found).is_some_and(|said| said.contains("looks like values")), "{text}: {:?}", found.warnings);
        let names = Inspection::of_csv_text("t", text, CsvOptions::default().header(true));
        assert!(names.map_or(true, |found| found.rows == 2 && said(&found).is_none()), "{text}: as requested");
    }
    // Lines are those of the file.
    assert!(
        message(Dataset::from_csv_text("t", "1.5,1\n2.5,2\n,1\n", None)).starts_with("t, line 3, column `column1`")
    );
    assert!(message(Dataset::from_csv_text("t", "1.5,1,2\n2.5,2,1\n2.5,2\n", None)).contains("the first row has 3"));
    Ok(())
}

/// Tables that can be inspected, but not trained on as they are.
#[test]
fn a_first_row_of_missing_cells_or_of_repeated_text_is_no_header() {
    let tables = [
        // A missing cell above numbers is not a name.
        "1.34,?,0.255,0\n2.5,7,0.5,1\n0.25,8,?,2\n",
        "1.34,,0.255,0\n2.5,7,0.5,1\n0.25,8,,2\n",
        "?,?,3\n1,7,5\n2,8,6\n",
        "3,?,5\n1,7,2\n2,8,6\n",
        "NA,5\n1,6\nNA,7\n",
        // Only text, which is repeated below.
        "c,x,q\nd,x,p\nc,y,q\n",
        "c,?,q\nd,x,p\ne,?,q\n",
    ];
    for text in tables {
        let found = inspect(text);
        assert_eq!((found.rows, found.header), (3, false), "{text}");
        assert!(said(&found).is_some_and(|said| said.contains("looks like values")), "{text}: {:?}", found.warnings);
        assert!(found.columns.iter().all(|column| column.name.starts_with("column")), "{text}");
    }
    let twice = Inspection::of_csv_text("t", "a,?,?\nb,c,d\n", None).expect("inspected");
    assert!(twice.columns.iter().map(|column| column.name.as_str()).eq(["a", "?", "?.1"]), "{twice:?}");
}

/// As in a crafted model whose target is not one of its columns.
#[test]
fn names_that_are_known_are_as_many_as_the_columns() {
    let names = ["column1", "column2", "column3"].map(String::from).to_vec();
    for target in [None, Some("column4".to_string())] {
        let form = CsvOptions { header: Some(false), names: names.clone(), target, ..CsvOptions::default() };
        let refused = message(Dataset::from_csv_text("t", "1.5,2\n2.5,3\n", form));
        assert!(refused.contains("it has 2 columns and no header, but 3 columns are expected"), "{refused}");
    }
}

#[test]
fn names_stay_names() {
    let tables = [
        "x,y\n1,2\n3,4\n",
        // The column of row numbers that pandas writes has no name.
        ",a,y\n0,1.5,2\n1,2.5,3\n",
        "1,b,y\n1,2,3\n",
        "x1,1.5,y\n1,2,3\n4,5,6\n",
        "name,y\nBo,cat\nAl,dog\n",
    ];
    for text in tables {
        let found = inspect(text);
        assert!(found.header && said(&found).is_none(), "{text}: {:?}", found.warnings);
    }
    // A target that is a cell of the first row shows that it holds names.
    let named = Inspection::of_csv_text("t", "1.5,7\n2.5,8\n3.5,7\n", Some("1.5")).expect("inspected");
    assert!(named.header && said(&named).is_none());
}

#[test]
fn numbers_that_may_be_names_are_read_as_names_with_a_warning() {
    let tables = [
        "2019,2020\n17,18\n20,22\n",
        "country,2010,2015,2018\nA,1990,2020,2019\nB,2000,2010,2000\n",
        "0,1,2,3\n0.5,0.25,1.5,3\n0,1,2,7.5\n",
        "400.5,401,401.5\n400,500,400\n401,402,403\n",
        "100,7\n1,8\n2,9\n3,7\n4,8\n",
        "NA,5\n1,2\n3,4\n1,3\n2,4\n",
        ",2010,2015\nA,1990,2020\nB,2000,2010\n",
    ];
    for text in tables {
        let (found, lines) = (inspect(text), text.lines().count());
        assert!(found.header && found.rows == lines - 1, "{text}");
        assert!(said(&found).is_some_and(|said| said.contains("`--header no`")), "{text}: {:?}", found.warnings);
        let unknown = message(Dataset::from_csv_text("t", text, Some("column2")));
        assert!(unknown.ends_with("; if the first row holds values, use `--header no`"), "{unknown}");
        let values = Inspection::of_csv_text("t", text, CsvOptions::default().header(false)).expect("inspected");
        assert!(!values.header && values.rows == lines && said(&values).is_none(), "{text}");
    }
}
