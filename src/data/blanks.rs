//! Tables whose columns are separated by runs of blanks: spaces or tabs. Each run is replaced by one tab.

use super::number_format::is_number;

/// Number of lines that decide if blanks separate the columns.
const SAMPLE: usize = 20;

/// Returns true if runs of blanks separate the columns. All of the first lines then have the same number of words (see
/// [`are_even`]). The first line has at least twice as many words as tabs would separate. No line has a semicolon or
/// `|`, or a comma that is not a decimal comma.
pub(super) fn separate(bytes: &[u8]) -> bool {
    let lines = first_lines(bytes);
    let separators =
        |found: &[u8]| lines.iter().map(|line| unquoted(line, |byte| found.contains(&byte))).sum::<usize>();
    let tabs = lines.first().map_or(0, |line| unquoted(line, |byte| byte == b'\t'));
    let is_plain = separators(b";|") == 0 && (separators(b",") == 0 || are_decimal_commas(&lines));
    is_plain && are_even(bytes) && lines.first().is_some_and(|line| words(line).len() >= 2 * (tabs + 1))
}

/// Returns true if there are at least three lines, and all of the first lines have the same number of words, at least
/// two. The header may have one word less: R writes tables without a name for the first column.
pub(super) fn are_even(bytes: &[u8]) -> bool {
    let counts: Vec<usize> = first_lines(bytes).iter().map(|line| words(line).len()).collect();
    let [header, first, rest @ ..] = counts.as_slice() else { return false };
    let is_even = rest.iter().all(|count| count == first);
    is_even && !rest.is_empty() && *first >= 2 && (header == first || header + 1 == *first)
}

/// Returns true if the commas are decimal commas: all words below the first line are numbers, but not all parts between
/// commas are.
fn are_decimal_commas(lines: &[&[u8]]) -> bool {
    let is_number = |cell: &[u8]| std::str::from_utf8(cell).is_ok_and(|cell| is_number(cell.trim()));
    let mut rows = lines.iter().skip(1);
    let are_words = rows.clone().all(|line| words(line).into_iter().all(is_number));
    are_words && rows.any(|line| !line.split(|byte| *byte == b',').all(is_number))
}

/// Returns the text with a tab in place of each run of blanks.
pub(super) fn as_tabs(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let body = line.strip_suffix(b"\n").unwrap_or(line);
        text.extend(words(body).join(&b'\t'));
        text.extend(&line[body.len()..]);
    }
    text
}

fn first_lines(bytes: &[u8]) -> Vec<&[u8]> {
    let lines = bytes.split(|byte| b"\r\n".contains(byte)).map(<[u8]>::trim_ascii);
    lines.filter(|line| !line.is_empty() && !line.starts_with(b"#")).take(SAMPLE).collect()
}

/// Splits a line into words. Quoted words may contain blanks.
fn words(line: &[u8]) -> Vec<&[u8]> {
    let (mut found, mut begin, mut quoted) = (vec![], None, false);
    for (at, byte) in line.iter().enumerate() {
        let blank = b" \t\r".contains(byte) && !quoted;
        match begin {
            Some(start) if blank => {
                found.push(&line[start..at]);
                begin = None;
            }
            None if !blank => begin = Some(at),
            _ => {}
        }
        quoted ^= *byte == b'"';
    }
    found.extend(begin.map(|start| &line[start..]));
    found
}

/// Counts the bytes outside quotes for which `is` returns true.
fn unquoted(line: &[u8], is: impl Fn(u8) -> bool) -> usize {
    let mut quoted = false;
    let mut count = 0;
    for byte in line {
        quoted ^= *byte == b'"';
        count += usize::from(!quoted && is(*byte));
    }
    count
}
