//! Lines and tables of at most 80 columns, however wide the terminal is.

use wgrad::data::{columns, padded};

/// Width of a line, in columns of a terminal.
pub const WIDTH: usize = 80;

/// Breaks a text at blanks into lines of at most `width` columns, without a line break at the end. The first line
/// begins with `first`, every other one with `next`. Text in backticks, often a command to copy, is kept together if it
/// fits.
pub fn wrapped_to(width: usize, first: &str, next: &str, text: &str) -> String {
    let (mut lines, mut line, mut is_empty) = (String::new(), first.to_string(), true);
    for word in words(text, width.saturating_sub(columns(next))) {
        if !is_empty && columns(&line) + 1 + columns(word) > width {
            lines += &line;
            lines.push('\n');
            (line, is_empty) = (next.to_string(), true);
        }
        if !is_empty {
            line.push(' ');
        }
        line += word;
        is_empty = false;
    }
    lines + line.trim_end()
}

/// Like [`wrapped_to`], with [`WIDTH`] columns.
pub fn wrapped(first: &str, next: &str, text: &str) -> String {
    wrapped_to(WIDTH, first, next, text)
}

/// Splits a text into words at blanks. A text in backticks is one word, with its blanks, if it has at most `room`
/// columns.
fn words(text: &str, room: usize) -> Vec<&str> {
    let mut in_backticks = false;
    let parts = text.split(|c: char| {
        in_backticks ^= c == '`';
        c == ' ' && !in_backticks
    });
    let split = |word: &str| columns(word) > room;
    parts.flat_map(|word| word.split(if split(word) { ' ' } else { '\n' })).filter(|word| !word.is_empty()).collect()
}

/// Formats rows of cells as a table, with `gap` blanks between columns. The first `left` columns are aligned left, all
/// others right. All rows must have the same number of cells.
pub fn table(rows: &[Vec<String>], left: usize, gap: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let cell = |(column, text): (usize, &String)| padded(text, widths[column], column >= left);
    let line = |row: &Vec<String>| row.iter().enumerate().map(cell).collect::<Vec<_>>().join(&" ".repeat(gap));
    rows.iter().map(|row| format!("{}\n", line(row).trim_end())).collect()
}

/// Formats a text in lines of at most 80 columns. Tables whose last column is called `name` may be too wide. Each cell
/// of this column then moves to a line of its own below its row, indented like the second column. Other long lines are
/// wrapped, and continue below the second column if there is one.
pub fn folded(text: &str, name: &str) -> String {
    let parts = parts(text, name);
    let cells = || parts.iter().filter(|(_, cell)| !cell.is_empty());
    if cells().all(|(row, cell)| columns(row) + columns(cell) <= WIDTH) {
        return parts.iter().map(|(row, cell)| unfolded(row, cell)).collect();
    }
    let indent = cells().filter_map(|(row, _)| second_cell_column(row)).min().unwrap_or(0);
    let [first, next] = [indent, indent + 2].map(|columns| " ".repeat(columns));
    let below = |cell: &str| wrapped(&first, &next, &with_no_break_spaces(cell)).replace(NO_BREAK_SPACE, " ");
    let lines = |(row, cell): &(&str, &str)| match *cell {
        "" => unfolded(row, ""),
        cell => format!("{}\n{}\n", row.trim_end(), below(cell)),
    };
    parts.iter().map(lines).collect()
}

/// No-break space, which keeps two words on one line.
const NO_BREAK_SPACE: char = '\u{a0}';

/// Replaces some blanks by [`NO_BREAK_SPACE`]: a shape such as `128×784` stays with the name before it, and an arrow
/// with the name after it.
fn with_no_break_spaces(text: &str) -> String {
    let mut glued = String::new();
    for word in text.split(' ') {
        let is_shape = word.contains('×') && word.starts_with(|c: char| c.is_ascii_digit());
        if !glued.is_empty() {
            glued.push(if is_shape && !glued.ends_with([',', ';']) || glued.ends_with('→') {
                NO_BREAK_SPACE
            } else {
                ' '
            });
        }
        glued += word;
    }
    glued
}

/// Leaves out the last column of each table in which it is called `name`, if any line of the text is wider than
/// [`WIDTH`]. Wraps lines that are still too long.
pub fn without_last(text: &str, name: &str) -> String {
    let parts = parts(text, name);
    let fits = parts.iter().all(|(row, cell)| columns(row) + columns(cell) <= WIDTH);
    parts.iter().map(|(row, cell)| unfolded(row, if fits { cell } else { "" })).collect()
}

/// Splits each line of a text in two. In tables whose last column is called `name`, the second part is the cell of that
/// column. In other lines it is empty.
fn parts<'a>(text: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let mut start = None;
    let split = |line: &'a str| {
        if line.is_empty() {
            start = None;
        }
        if let Some((row, last)) = line.rsplit_once("  ").filter(|(_, last)| *last == name) {
            start = Some(columns(row) + 2);
            return line.split_at(line.len() - last.len());
        }
        // A cell that is wider than its column moves later cells to the right.
        let gap = start.and_then(|start| {
            let from = line.char_indices().nth(start - 2)?.0;
            line[from..].find("  ").map(|gap| from + gap)
        });
        gap.map_or((line, ""), |gap| line.split_at(line.len() - line[gap..].trim_start().len()))
    };
    text.lines().map(split).collect()
}

/// Returns the column in which the second cell of a row begins; `None` if there is only one cell.
fn second_cell_column(row: &str) -> Option<usize> {
    let row_start = row.len() - row.trim_start().len();
    let gap = row_start + row[row_start..].find("  ")?;
    let rest = row[gap..].trim_start();
    (!rest.is_empty()).then(|| columns(&row[..row.len() - rest.len()]))
}

/// Joins the two parts of a line. The line is wrapped if it is too long.
fn unfolded(row: &str, cell: &str) -> String {
    let line = format!("{row}{cell}");
    let line = line.trim_end();
    if columns(line) <= WIDTH {
        return format!("{line}\n");
    }
    let indent = second_cell_column(line).filter(|indent| *indent < WIDTH / 2);
    let (first, rest): (String, String) = indent.map_or((String::new(), line.into()), |indent| {
        (line.chars().take(indent).collect(), line.chars().skip(indent).collect())
    });
    wrapped(&first, &" ".repeat(indent.unwrap_or(2)), &rest) + "\n"
}

/// Draws values as block characters of eight heights, in at most `most` columns. If there are more values, each column
/// shows the mean of neighboring values. Heights are logarithmic, since losses decrease by orders of magnitude; they
/// are linear if a value is 0 or negative.
pub fn sparkline(values: &[f64], most: usize) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let count = values.len().min(most);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    let bounds = |column: usize| column * values.len() / count;
    let means: Vec<f64> = (0..count).map(|column| mean(&values[bounds(column)..bounds(column + 1)])).collect();
    let is_logarithmic = means.iter().all(|value| *value > 0.0);
    let heights: Vec<f64> = means.iter().map(|value| if is_logarithmic { value.ln() } else { *value }).collect();
    let low = heights.iter().copied().fold(f64::INFINITY, f64::min);
    let high = heights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let share = |height: f64| if high > low { (height - low) / (high - low) } else { 0.0 };
    heights.iter().map(|height| BLOCKS[(share(*height) * 7.0).round() as usize]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_and_never_within_a_command_that_fits() {
        let text = "use `wgrad train x` or give it up";
        assert_eq!(wrapped_to(16, "a: ", "  ", text), "a: use `wgrad\n  train x` or\n  give it up");
        assert_eq!(wrapped_to(20, "a: ", "  ", text), "a: use\n  `wgrad train x` or\n  give it up");
        assert_eq!(wrapped_to(4, "", "", "abcdefgh i"), "abcdefgh\ni");
        assert_eq!(wrapped_to(9, "name   ", "       ", "value"), "name   value");
        assert_eq!((wrapped("a ", "b ", ""), wrapped("", "", "ä  ö")), ("a".into(), "ä ö".into()));
    }

    #[test]
    fn numbers_end_together() {
        let rows = [["a", "10"], ["bcd", "7"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows, 1, 1), "a   10\nbcd  7\n");
    }

    #[test]
    fn last_columns_of_wide_tables_move_below_their_rows() {
        let cell = "input 32×64, layer0.weight 256×64, layer0.bias 1×256 → layer2.output 32×256";
        let text = format!("head\n  op  kernel   n  views\n   0  a        1  {cell}\n   1  b  1_000_000  x\n\nend\n");
        let wanted = "head\n  op  kernel   n\n      views\n   0  a        1\n      input 32×64, layer0.weight 256×64, layer0.bias \
                      1×256\n        → layer2.output 32×256\n   1  b  1_000_000\n      x\n\nend\n";
        assert_eq!(folded(&text, "views"), wanted);
        assert_eq!(
            without_last(&text, "views"),
            "head\n  op  kernel   n\n   0  a        1\n   1  b  1_000_000\n\nend\n"
        );
        let narrow = "op  views\n0   x\n";
        assert_eq!((folded(narrow, "views"), without_last(narrow, "views")), (narrow.into(), narrow.into()));
        let (fact, words) = (format!("device   {}\n", "name ".repeat(20)), format!("{}\n", "word ".repeat(20)));
        assert!(folded(&fact, "views").contains("name\n         name") && folded(&words, "").contains("word\n  word"));
    }

    #[test]
    fn a_sparkline_falls_with_the_loss() {
        assert_eq!(sparkline(&[128.0, 16.0, 1.0], 60), "█▅▁");
        assert_eq!(
            (sparkline(&[0.0, 7.0], 60), sparkline(&[5.0], 60), sparkline(&[], 60)),
            ("▁█".into(), "▁".into(), "".into())
        );
        let many: Vec<f64> = (0..1000).map(|epoch| 1.0 / f64::from(1 + epoch)).collect();
        assert_eq!(columns(&sparkline(&many, 60)), 60);
    }
}
