//! Data sets that come with the library; sources and licences stand in `data/README.md`.

use super::Dataset;

/// Handwritten digits: 1,797 rows of 8 × 8 pixels from 0 to 16, row-major, of the classes `0` to `9`. UCI optical
/// recognition of handwritten digits, CC BY 4.0.
pub fn digits() -> Dataset {
    parse("digits", include_str!("../../data/digits.csv"))
}

/// Fisher's iris: 150 rows of four lengths in centimetres, 50 of each of three species. UCI, CC BY 4.0.
pub fn iris() -> Dataset {
    parse("iris", include_str!("../../data/iris.csv"))
}

fn parse(name: &str, text: &str) -> Dataset {
    // The text is compiled in, and tests/data.rs parses every embedded table: it cannot fail for a user.
    Dataset::from_csv_text(name, text, None).expect("embedded tables are well-formed")
}
