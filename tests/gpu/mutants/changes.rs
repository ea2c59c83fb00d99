//! Mutations of a shader, each in one place; `mod.rs` runs them.
//!
//! Shaders are formatted like Rust code, so binary operators have spaces around them, and a `<` without spaces belongs
//! to a type.

use std::ops::Range;

/// Text in function bodies, and its replacement.
const CHANGES: [(&str, &str); 22] = [
    (" < ", " <= "),
    (" <= ", " < "),
    (" > ", " >= "),
    (" >= ", " > "),
    (" == ", " != "),
    (" != ", " == "),
    (" && ", " || "),
    (" || ", " && "),
    (" + ", " - "),
    (" - ", " + "),
    (" * ", " / "),
    (" / ", " * "),
    (" % ", " / "),
    (" += ", " -= "),
    (" & ", " | "),
    (" | ", " ^ "),
    (" ^ ", " | "),
    (" >> ", " << "),
    (" << ", " >> "),
    ("true", "false"),
    ("false", "true"),
    ("atomicMin", "atomicMax"),
];

/// One change of a shader.
pub struct Change {
    /// Function that contains the change; empty for a constant.
    pub function: String,
    /// Range of the replaced text.
    pub at: Range<usize>,
    /// Replacement.
    pub to: String,
}

/// Returns all changes of a shader's text.
pub fn changes(source: &str) -> Vec<Change> {
    let code = without_comments(source);
    let steps = steps(&code);
    let mut changes = Vec::new();
    for (function, body) in bodies(&code) {
        let mut found = replaced(&code, &body);
        found.extend(numbers(&code, &body));
        found.extend(operands(&code, &body));
        found.extend(choices(&code, &body));
        if !function.is_empty() {
            found.extend(statements(&code, &body));
        }
        found.retain(|(at, _)| !steps.iter().any(|step| step.contains(&at.start)));
        found.sort_by_key(|(at, _)| at.start);
        changes.extend(found.into_iter().map(|(at, to)| Change { function: function.clone(), at, to }));
    }
    changes
}

type Replacement = (Range<usize>, String);

/// Replaces comments by spaces, so that offsets stay valid.
fn without_comments(source: &str) -> String {
    let line = |line: &str| {
        let code = line.find("//").unwrap_or(line.len());
        let end = if line.ends_with('\n') { "\n" } else { "" };
        line[..code].trim_end_matches('\n').to_string()
            + &" ".repeat((line.len() - code).saturating_sub(end.len()))
            + end
    };
    let code: String = source.split_inclusive('\n').map(line).map(|l| l + "").collect();
    assert_eq!(code.len(), source.len());
    code
}

/// Returns the bodies of functions with their names, and the values of constants. Structs, bindings and signatures are
/// left out.
fn bodies(code: &str) -> Vec<(String, Range<usize>)> {
    let (mut bodies, mut name, mut start, mut at) = (Vec::new(), "", 0, 0);
    for line in code.split_inclusive('\n') {
        let text = line.trim_end();
        if let Some(signature) = text.strip_prefix("fn ") {
            name = signature.split('(').next().unwrap_or_default();
        }
        if let Some(value) = text.strip_prefix("const ").and(text.find(" = ")) {
            bodies.push((String::new(), at + value + 2..at + text.len()));
        } else if (text.starts_with("fn ") || text.starts_with(')')) && text.ends_with('{') {
            start = at + line.len();
        } else if text == "}" && start > 0 {
            bodies.push((name.to_string(), start..at));
            start = 0;
        }
        at += line.len();
    }
    bodies
}

/// Finds the step parts of loop headers, and conditions that count down: a mutated loop must still end.
fn steps(code: &str) -> Vec<Range<usize>> {
    let headers = code.match_indices("for (").map(|(at, text)| at + text.len()..closing(code, at + text.len() - 1));
    let unsafe_part = |header: Range<usize>| {
        let parts: Vec<usize> = code[header.clone()].match_indices(';').map(|(at, _)| header.start + at).collect();
        // `half >= 0u` is always true, and what is below 0 is 2³² − 1.
        let condition = code[parts[0]..parts[1]].find(" > ").map(|at| parts[0] + at..parts[0] + at + 1);
        let sum = code[parts[0]..parts[1]].find(" + ").map(|at| parts[0] + at..parts[0] + at + 1);
        [Some(parts[1]..header.end), condition, sum].into_iter().flatten()
    };
    headers.flat_map(unsafe_part).collect()
}

/// Returns the position of the parenthesis or bracket that closes the one at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[open..].char_indices() {
        depth += i32::from("([".contains(c)) - i32::from(")]".contains(c));
        if depth == 0 {
            return open + at;
        }
    }
    panic!("nothing closes `{}`", &code[open..])
}

/// Returns the position of the one that opens the one at `close`.
fn opening(code: &str, close: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[..=close].char_indices().rev() {
        depth += i32::from(")]".contains(c)) - i32::from("([".contains(c));
        if depth == 0 {
            return at;
        }
    }
    panic!("nothing opens `{}`", &code[..=close])
}

/// Replaces operators and words, and removes each `!`.
fn replaced(code: &str, body: &Range<usize>) -> Vec<Replacement> {
    let all = CHANGES.iter().flat_map(|(from, to)| {
        let places = code[body.clone()].match_indices(from);
        places.map(|(at, _)| (body.start + at..body.start + at + from.len(), (*to).to_string()))
    });
    let nots = code[body.clone()].match_indices('!').filter(|(at, _)| !code[body.start + at..].starts_with("!="));
    all.chain(nots.map(|(at, _)| (body.start + at..body.start + at + 1, String::new()))).collect()
}

/// Replaces numbers by the next larger and smaller ones; whole numbers stay at 0 or above.
fn numbers(code: &str, body: &Range<usize>) -> Vec<Replacement> {
    let (mut found, mut at) = (Vec::new(), body.start);
    while at < body.end {
        let rest = &code[at..body.end];
        let word = |c: char| c.is_ascii_alphanumeric() || "._".contains(c);
        let exponent = |i: usize, c: char| c == '-' && i > 0 && rest[..i].ends_with('e') && !rest.starts_with("0x");
        let end = rest.char_indices().find(|(i, c)| !word(*c) && !exponent(*i, *c)).map_or(rest.len(), |(i, _)| i);
        if rest.starts_with(|c: char| c.is_ascii_digit()) {
            found.extend(neighbors(&rest[..end]).into_iter().map(|to| (at..at + end, to)));
        }
        at += end.max(1);
    }
    found
}

fn neighbors(number: &str) -> Vec<String> {
    let whole = number.trim_end_matches('u');
    let suffix = &number[whole.len()..];
    if let Some(digits) = whole.strip_prefix("0x") {
        let bits = u32::from_str_radix(digits, 16).expect("a number of 32 bits");
        let both = [bits.checked_add(1), bits.checked_sub(1)];
        return both.into_iter().flatten().map(|bits| format!("{bits:#x}{suffix}")).collect();
    }
    if let Ok(value) = whole.parse::<u32>() {
        let both = [value.checked_add(1), value.checked_sub(1)];
        return both.into_iter().flatten().map(|value| format!("{value}{suffix}")).collect();
    }
    let value: f32 = whole.parse().unwrap_or_else(|_| panic!("`{number}` is no number"));
    [value + 1.0, value - 1.0].map(|value| format!("({value:?})")).into()
}

/// Swaps the operands of `-`, `/` and `%`.
fn operands(code: &str, body: &Range<usize>) -> Vec<Replacement> {
    let places = [" - ", " / ", " % "].into_iter().flat_map(|operator| code[body.clone()].match_indices(operator));
    let swap = |(at, operator): (usize, &str)| {
        let (end, start) = (body.start + at, body.start + at + operator.len());
        let (left, right) = (start_of_operand(code, end), end_of_operand(code, start));
        (left..right, code[start..right].to_string() + operator + &code[left..end])
    };
    places.map(swap).filter(|(at, to)| code[at.clone()] != **to).collect()
}

fn is_name(c: u8) -> bool {
    c.is_ascii_alphanumeric() || c == b'.' || c == b'_'
}

fn start_of_operand(code: &str, end: usize) -> usize {
    let mut at = end;
    while at > 0 {
        match code.as_bytes()[at - 1] {
            b')' | b']' => at = opening(code, at - 1),
            c if is_name(c) => at -= 1,
            _ => break,
        }
    }
    at
}

fn end_of_operand(code: &str, start: usize) -> usize {
    let mut at = start;
    while at < code.len() {
        match code.as_bytes()[at] {
            b'(' | b'[' => at = closing(code, at) + 1,
            c if is_name(c) => at += 1,
            _ => break,
        }
    }
    at
}

/// Swaps the first two arguments of each `select`.
fn choices(code: &str, body: &Range<usize>) -> Vec<Replacement> {
    let calls = code[body.clone()].match_indices("select(").map(|(at, text)| body.start + at + text.len());
    let swap = |start: usize| {
        let end = closing(code, start - 1);
        let (mut depth, mut commas) = (0, Vec::new());
        for (at, c) in code[start..end].char_indices() {
            depth += i32::from("([".contains(c)) - i32::from(")]".contains(c));
            if c == ',' && depth == 0 {
                commas.push(start + at);
            }
        }
        let (first, second) = (&code[start..commas[0]], code[commas[0] + 1..commas[1]].trim());
        (start..commas[1], format!("{second}, {first}"))
    };
    calls.map(swap).collect()
}

/// Deletes statements: assignments, calls, barriers, early returns. Without a declaration, a name would be undefined.
fn statements(code: &str, body: &Range<usize>) -> Vec<Replacement> {
    let (mut depth, mut start, mut found) = (0, body.start, Vec::new());
    for (at, c) in code[body.clone()].char_indices().map(|(at, c)| (body.start + at, c)) {
        depth += i32::from("([".contains(c)) - i32::from(")]".contains(c));
        if depth > 0 || !";{}".contains(c) {
            continue;
        }
        let begin = at - code[start..at].trim_start().len();
        if c == ';' && !code[begin..].starts_with("let ") && !code[begin..].starts_with("var ") {
            found.push((begin..at + 1, String::new()));
        }
        start = at + 1;
    }
    found
}
