//! Embedded data sets; `data/README.md` lists their sources and licenses.

use super::Dataset;

/// Returns handwritten digits: 1,797 rows of 8 × 8 pixels from 0 to 16, row-major, in the classes `0` to `9`. UCI optical
/// recognition of handwritten digits, CC BY 4.0.
///
/// # Examples
/// ```
/// let digits = wgrad::data::digits();
/// assert_eq!((digits.len(), digits.inputs(), digits.outputs()), (1797, 64, 10));
/// ```
pub fn digits() -> Dataset {
    parse("digits", include_str!("../../data/digits.csv"))
}

/// Returns Fisher's iris: 150 rows of four lengths in centimeters, 50 of each of three species. UCI, CC BY 4.0.
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
    // The text is compiled in, and tests/data/sources.rs parses every embedded table, so it cannot fail for users.
    Dataset::from_csv_text(name, text, None).expect("embedded tables are well-formed")
}
