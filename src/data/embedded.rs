//! Embedded data sets; `data/README.md` lists their sources and licenses.

use super::Dataset;

/// Returns handwritten digits: 1,797 rows of 8 × 8 pixels with values from 0 to 16, row-major, in the classes `0` to
/// `9`. The source is UCI's optical recognition of handwritten digits, CC BY 4.0.
///
/// # Examples
/// ```
/// let digits = wgrad::data::digits();
/// assert_eq!((digits.len(), digits.inputs(), digits.outputs()), (1797, 64, 10));
/// ```
pub fn digits() -> Dataset {
    parse("digits", include_str!("../../data/digits.csv"))
}

/// Returns Fisher's iris: 150 rows of four lengths in centimeters, 50 rows per species. The source is UCI, CC BY 4.0.
///
/// # Examples
/// ```
/// let iris = wgrad::data::iris();
/// assert_eq!((iris.len(), iris.inputs(), iris.outputs()), (150, 4, 3));
/// ```
pub fn iris() -> Dataset {
    parse("iris", include_str!("../../data/iris.csv"))
}

fn parse(name: &str, text: &str) -> Dataset {
    // This cannot fail for users: the text is compiled in, and tests/data/sources.rs parses every embedded table.
    Dataset::from_csv_text(name, text, None).expect("embedded tables are well-formed")
}
