//! Lines and tables of 80 columns, on every terminal and in files.

use wgrad::data::shown;

/// Columns of a line.
pub const WIDTH: usize = 80;

/// Breaks a text at blanks into lines of at most `width` columns, without a line break at the end. The first line begins
/// with `first`, every other one with `next`. Text in backticks, often a command to copy, is kept together if it fits.
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

/// [`wrapped_to`] the width of all output.
pub fn wrapped(first: &str, next: &str, text: &str) -> String {
    wrapped_to(WIDTH, first, next, text)
}

/// Words of a text; one in backticks may have blanks if it is no longer than `room`.
fn words(text: &str, room: usize) -> Vec<&str> {
    let mut in_backticks = false;
    let parts = text.split(|c: char| {
        in_backticks ^= c == '`';
        c == ' ' && !in_backticks
    });
    let split = |word: &str| columns(word) > room;
    parts.flat_map(|word| word.split(if split(word) { ' ' } else { '\n' })).filter(|word| !word.is_empty()).collect()
}

/// Columns that a text takes.
pub fn columns(text: &str) -> usize {
    text.chars().count()
}

/// A text without control characters, of at most `most` columns.
pub fn cut(text: &str, most: usize) -> String {
    let text = shown(text);
    if columns(&text) <= most {
        return text.into();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Rows of cells in columns, `gap` blanks apart: the first `left` columns are aligned left, all others right. Every row has
/// as many cells as the first.
pub fn table(rows: &[Vec<String>], left: usize, gap: usize) -> String {
    let width = |column: usize| rows.iter().map(|row| columns(&row[column])).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.first().map_or(0, Vec::len)).map(width).collect();
    let cell = |(column, text): (usize, &String)| {
        let width = widths[column];
        if column < left { format!("{text:<width$}") } else { format!("{text:>width$}") }
    };
    let line = |row: &Vec<String>| row.iter().enumerate().map(cell).collect::<Vec<_>>().join(&" ".repeat(gap));
    rows.iter().map(|row| format!("{}\n", line(row).trim_end())).collect()
}

/// Blocks of eight heights, one for each value, for at most `most` columns; means of neighbors where there are more values.
/// Heights are logarithmic, as losses fall by orders of magnitude, unless a value is not above 0.
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
    fn texts_are_cut_and_numbers_end_together() {
        assert_eq!((cut("abcdef", 4), cut("ab\n", 4)), ("abc…".into(), "ab\\n".into()));
        let rows = [["a", "10"], ["bcd", "7"]].map(|row| row.map(String::from).to_vec());
        assert_eq!(table(&rows, 1, 1), "a   10\nbcd  7\n");
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
