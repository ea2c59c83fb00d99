//! Summary of a preparation as text: the inputs of each column.

use serde::Serialize;

use super::encoding::TimePart;
use super::{Encoding, Preparation, Prepared};
use crate::data::{ColumnKind, Table};
use crate::text::{shortened, shown, table_within};

/// Width of a terminal, in characters.
const WIDTH: usize = 80;

/// Maximum number of characters of a column name.
const NAME: usize = 18;

/// Maximum number of columns that are listed without `all`.
const MOST: usize = 20;

/// Column of a table, with a description of its inputs.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct PreparedColumn {
    /// Name of the column.
    pub column: String,
    /// Kind of the column, such as number or category.
    pub kind: ColumnKind,
    /// Description of the inputs, or the reason why there are none.
    pub becomes: String,
    /// Number of inputs of the column.
    pub inputs: usize,
    /// Number of missing cells in the whole table; 0 for a column that is not used.
    pub missing: usize,
}

impl PreparedColumn {
    /// Returns true for a number that becomes one input, and has no missing cells.
    fn is_plain(&self) -> bool {
        self.kind == ColumnKind::Number && self.inputs == 1 && self.missing == 0
    }
}

impl Preparation {
    /// Returns a description of the inputs of each column, in the order of the table.
    pub fn summary(&self, table: &Table) -> Vec<PreparedColumn> {
        let column = |column: &Prepared| {
            let found = table.columns.iter().find(|found| found.name == column.name);
            let missing = found.map_or(0, |found| if column.encoding.width() > 0 { found.missing } else { 0 });
            PreparedColumn {
                column: column.name.clone(),
                kind: column.encoding.kind(),
                becomes: column.encoding.describe(),
                inputs: column.encoding.width(),
                missing,
            }
        };
        self.columns.iter().map(column).collect()
    }
}

impl Encoding {
    fn kind(&self) -> ColumnKind {
        match self {
            Self::Number { .. } => ColumnKind::Number,
            Self::Boolean { .. } => ColumnKind::Boolean,
            Self::Date { .. } => ColumnKind::Date,
            Self::Category { .. } => ColumnKind::Category,
            Self::LeftOut { because } => *because,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Number { has_missing, edges, .. } => {
                let bins = if edges.is_empty() { String::new() } else { format!(", {} bins", edges.len() - 1) };
                format!("number{bins}{}", if *has_missing { " (median if missing), is missing" } else { "" })
            }
            Self::Boolean { has_missing: false, .. } => "0 or 1".into(),
            Self::Boolean { has_missing: true, .. } => "0 or 1 (median if missing), is missing".into(),
            Self::Date { parts, has_missing, .. } => {
                let parts: Vec<&str> = parts.iter().map(|part: &TimePart| part.name()).collect();
                parts.join(", ") + if *has_missing { ", is missing" } else { "" }
            }
            Self::Category { levels, has_other, has_missing } => {
                let s = if levels.len() == 1 { "" } else { "s" };
                let other = if *has_other { ", others together" } else { "" };
                let missing = if *has_missing { ", is missing" } else { "" };
                format!("{} level{s}{other}{missing}", levels.len())
            }
            Self::LeftOut { because } => format!("left out: {}", because.unused_because().unwrap_or_default()),
        }
    }
}

/// Returns a text table, at most 80 characters wide. It has the name, kind, inputs and missing cells of each column.
/// Unless `all` is true, numbers without missing cells share one line, and at most 20 other columns are listed. The
/// text is empty if no column is listed on its own line.
pub fn preparation_table(columns: &[PreparedColumn], all: bool) -> String {
    let (plain, listed): (Vec<&PreparedColumn>, Vec<&PreparedColumn>) =
        columns.iter().partition(|column| column.is_plain() && !all);
    if listed.is_empty() {
        return String::new();
    }
    let most = if all { usize::MAX } else { MOST };
    let head = ["column", "kind", "becomes", "missing"].map(String::from).to_vec();
    let row = |column: &&PreparedColumn| {
        let missing = if column.inputs > 0 { column.missing.to_string() } else { String::new() };
        vec![shortened(&column.column, NAME), column.kind.to_string(), column.becomes.clone(), missing]
    };
    let mut rows: Vec<Vec<String>> = std::iter::once(head).chain(listed.iter().take(most).map(row)).collect();
    let names = || plain.iter().map(|column| column.column.as_str()).collect::<Vec<_>>().join(", ");
    match plain.len() {
        0 => {}
        1 => rows.push(row(&plain[0])),
        count => rows.push(vec![format!("{count} others"), "number".into(), shortened(&names(), 38), "0".into()]),
    }
    let more = listed.len().saturating_sub(most);
    let more = if more > 0 {
        format!("… and {more} more columns; `wgrad inspect --all` lists them\n")
    } else {
        String::new()
    };
    let text: String = table_within(WIDTH, rows, 3).lines().map(|line| shortened(&shown(line), WIDTH) + "\n").collect();
    text + &more
}
