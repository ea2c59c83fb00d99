//! Text of inspections, for the terminal.

use super::warnings::counted;
use super::{Column, Inspection, Kind, ReadAs, Role, TargetColumn, Warning};
use crate::text::{shortened, shown, table, table_within};

/// Maximum number of columns, and of classes, that are shown without `--all`.
const AT_A_GLANCE: usize = 20;

/// Maximum number of warnings per kind that are shown without `--all`.
const ALIKE: usize = 5;

/// Option of `wgrad inspect` that shows all columns, classes and warnings.
const ALL: &str = "--all";

/// Maximum length of the bar beside a class, in characters.
const BAR: usize = 30;

/// Width of a terminal, in characters. Long column names are shortened until the table fits.
const WIDTH: usize = 80;

/// Maximum width of the target's name and of a class name, in columns of a terminal.
const TARGET_NAME: usize = 40;

impl Inspection {
    /// Returns a table of the columns, a table of the classes, and the warnings. Unless `all` is true, only the first
    /// 20 columns, the first 20 classes and 5 warnings of each kind are shown.
    pub fn to_text(&self, all: bool) -> String {
        let most = if all { usize::MAX } else { AT_A_GLANCE };
        let folding = (!all).then_some(ALL);
        let separated = match self.delimiter {
            Some('\t') => ", separated by tabs".into(),
            Some(' ') => ", separated by blanks".into(),
            Some(delimiter) => format!(", separated by `{}`", shown(&delimiter.to_string())),
            None => String::new(),
        };
        let [rows, columns] =
            [(self.rows, "row"), (self.columns.len(), "column")].map(|(count, what)| counted(count, what));
        let head = format!("{}: {rows} of {columns}{separated}\n", shown(&self.name));
        head + "\n"
            + &self.columns_text(most)
            + "\n"
            + &target_text(&self.target, most)
            + "\n"
            + &if self.warnings.is_empty() { "no warnings\n".into() } else { warning_lines(&self.warnings, folding) }
    }

    /// Returns the table of the columns. At most `most` columns are shown besides the target.
    fn columns_text(&self, most: usize) -> String {
        let head = ["column", "type", "missing", "unique", "min", "mean", "max", "std", ""];
        let others = self.columns.iter().filter(|column| column.role != Role::Target).take(most);
        let targets = self.columns.iter().filter(|column| column.role == Role::Target);
        let shown: Vec<Vec<String>> = others.chain(targets).map(cells).collect();
        let more = folded(self.columns.len() - shown.len(), "columns", ALL);
        let rows = std::iter::once(head.map(String::from).to_vec()).chain(shown).collect();
        table_within(WIDTH, rows, 2) + &more
    }
}

/// Returns one line per warning. Without `all`, every warning is shown. Otherwise only the first five of each kind are
/// shown, and `all` is the command or option that the text recommends for the remaining warnings.
pub fn warning_lines(warnings: &[Warning], all: Option<&str>) -> String {
    let most = all.map_or(usize::MAX, |_| ALIKE);
    let mut text = String::new();
    for same in warnings.chunk_by(|a, b| a.kind == b.kind) {
        let line = |warning: &Warning| format!("{}: {}\n", warning.prefix(), shown(&warning.message));
        text.extend(same.iter().take(most).map(line));
        let what = format!("warnings of kind `{}`", same[0].kind);
        text += &folded(same.len().saturating_sub(most), &what, all.unwrap_or_default());
    }
    text
}

/// Returns a line that counts the items that are not shown, and names the option that shows them; empty if `more` is 0.
fn folded(more: usize, what: &str, all: &str) -> String {
    if more == 0 { String::new() } else { format!("… and {more} more {what}; {all} shows them\n") }
}

fn cells(column: &Column) -> Vec<String> {
    let kind = match column.kind {
        Kind::Number => "number",
        Kind::WholeNumber => "integer",
        Kind::Text => "text",
        Kind::Empty => "empty",
    };
    let role = match column.role {
        Role::Input => "",
        Role::Target => "target",
        Role::LeftOut => "dropped",
    };
    let or_more = if column.different_or_more { "+" } else { "" };
    let figures = column.moments.map_or([const { String::new() }; 4], |moments| {
        [moments.min, moments.mean, moments.max, moments.deviation].map(short)
    });
    let counts = [column.missing.to_string(), format!("{}{or_more}", column.different)];
    [[column.name.clone(), kind.into()], counts].concat().into_iter().chain(figures).chain([role.into()]).collect()
}

/// Formats a number with about five significant digits.
fn short(number: f64) -> String {
    let size = number.abs();
    if number != 0.0 && !(1e-4..1e9).contains(&size) {
        return format!("{number:.3e}");
    }
    let decimals = 4usize.saturating_sub(size.max(1.0).log10() as usize);
    let text = format!("{number:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

fn target_text(target: &TargetColumn, most: usize) -> String {
    let name = shown(&target.column);
    let name = shortened(&name, TARGET_NAME);
    if target.read_as == ReadAs::Number {
        return format!("target `{name}` is read as a number\n");
    }
    let largest = target.classes.iter().map(|class| class.share).fold(0.0, f64::max);
    let rows = target.classes.iter().take(most).map(|class| {
        let bar = "█".repeat((BAR as f64 * class.share / largest).ceil() as usize);
        vec![shortened(&class.name, TARGET_NAME), class.rows.to_string(), format!("{:.1} %", 100.0 * class.share), bar]
    });
    let rows: Vec<Vec<String>> = rows.collect();
    let more = folded(target.classes.len() - rows.len(), "classes", ALL);
    format!("target `{name}` is read as one of {} classes\n{}{more}", target.classes.len(), table(&rows, 1))
}
