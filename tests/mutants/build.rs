//! Generates mutants of the reference implementations: copies of `src/kernels/NAME.rs`, each with one change in the
//! body of a function that the reference runs, there or in a file of `src/kernels/shared` that it uses. All are
//! compiled into one binary, so that they need only one build.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// Functions that references run. The last four are stages of a fused step, those before belong to updates.
const FUNCTIONS: [&str; 14] = [
    "pub fn reference",
    "pub fn four_words",
    "pub fn sum",
    "pub fn write",
    "pub fn masked",
    "pub fn normal",
    "fn values(",
    "fn is_frozen(",
    "fn watch(",
    "fn next(",
    "fn forward(",
    "fn loss(",
    "fn grad_input(",
    "fn weight_gradient(",
];

/// Text and its replacement. The spaces around binary operators are rustfmt's.
const CHANGES: [(&str, &str); 22] = [
    (" < ", " <= "),
    (" <= ", " < "),
    (" > ", " >= "),
    (" >= ", " > "),
    (" == ", " != "),
    (" != ", " == "),
    (" + ", " - "),
    (" - ", " + "),
    (" * ", " + "),
    (" / ", " * "),
    (" += ", " = "),
    (" -= ", " += "),
    (" /= ", " *= "),
    (" && ", " || "),
    ("0.0", "1.0"),
    ("1.0", "2.0"),
    ("2.0", "3.0"),
    ("1..", "0.."),
    ("0..", "1.."),
    ("u32::MAX", "0"),
    ("if !", "if "),
    ("fetch_min", "fetch_max"),
];

/// Function of a file that declares a family of kernels, and the list that it makes.
const FAMILY: &str = "pub const fn kernels(grouped: bool) -> &'static [Kernel]";
const OF_FAMILY: &str = "&{
    const COUNT: usize = kernels(false).len();
    let mut all = [&kernels(false)[0]; 2 * COUNT];
    let mut place = 0;
    while place < all.len() {
        all[place] = &kernels(place >= COUNT)[place % COUNT];
        place += 1;
    }
    all
}";

/// One changed copy.
struct Mutant {
    line: usize,
    change: String,
    text: String,
}

fn main() {
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let kernels = root.join("../../src/kernels");
    println!("cargo::rerun-if-changed={}", kernels.display());
    let shared = sources(&kernels.join("shared"));
    let (mut modules, mut table) = (String::new(), String::new());
    for (stem, source) in sources(&kernels) {
        let mut mutants = all_mutants(&source);
        mutants.extend(shared.iter().flat_map(|(name, text)| mutants_of_shared(&source, name, text)));
        write_mutants(&stem, &mutants, &mut modules, &mut table);
    }
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let text = format!("{modules}\npub static MUTANTS: &[Mutant] = &[\n{table}];\n");
    fs::write(out.join("mutants.rs"), text).expect("written");
}

/// Returns name and text of each file of a folder except `mod.rs`, by name.
fn sources(folder: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(folder).expect("a folder of kernels").filter_map(|entry| {
        let path = entry.expect("an entry").path();
        let stem = path.file_name()?.to_str()?.strip_suffix(".rs")?.to_string();
        Some((stem, path))
    });
    let files = files.filter(|(stem, _)| stem != "mod");
    files.map(|(stem, path)| (stem, fs::read_to_string(path).expect("a kernel's file"))).collect()
}

/// Returns a kernel's file with mutants of a shared file in place of its import.
fn mutants_of_shared(source: &str, name: &str, text: &str) -> Vec<Mutant> {
    let import = |line: &&str| {
        let rest = line.strip_prefix("use crate::kernels::shared::").and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with([':', ';']))
    };
    let Some(line) = source.lines().find(import) else { return Vec::new() };
    let others = line.split_once("{self, ").map_or("", |(_, others)| others.trim_end_matches("};"));
    let with = |mutant: Mutant| {
        let module = format!("mod {name} {{\n{}}}\nuse {name}::{{{others}}};", mutant.text);
        Mutant { text: source.replacen(line, &module, 1), ..mutant }
    };
    all_mutants(text).into_iter().map(with).collect()
}

fn write_mutants(stem: &str, mutants: &[Mutant], modules: &mut String, table: &mut String) {
    let source = mutants.first().map_or("", |mutant| &mutant.text);
    let statics = source.lines().filter_map(|line| line.strip_prefix("pub static ")?.split_once(": Kernel = "));
    let list: String = statics.map(|(name, _)| format!("&{name}, ")).collect();
    let list = if source.contains(FAMILY) { OF_FAMILY.into() } else { format!("&[{list}]") };
    for (index, mutant) in mutants.iter().enumerate() {
        let module = format!("{stem}_{index}");
        // A shader's path is relative to its file, and mutants have no shaders.
        let text = mutant.text.replace("crate::", "wgrad::").replace("include_str!", "stringify!");
        let lines = text.lines().filter(|line| !line.starts_with("//!"));
        let text: String = lines.map(|line| imported(stem, line) + "\n").collect();
        writeln!(modules, "mod {module} {{\n{text}\npub static ALL: &[&Kernel] = {list};\n}}").expect("to a string");
        let (line, change) = (mutant.line, &mutant.change);
        writeln!(table, "Mutant {{ stem: {stem:?}, line: {line}, change: {change:?}, kernels: {module}::ALL }},")
            .expect("to a string");
    }
}

/// Returns a line of a kernel's file; a submodule is not copied but imported.
fn imported(stem: &str, line: &str) -> String {
    let module = line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';'));
    module.map_or(line.into(), |module| format!("use wgrad::kernels::{stem}::{module};"))
}

/// Returns all single changes in the bodies of [`FUNCTIONS`].
fn all_mutants(source: &str) -> Vec<Mutant> {
    let lines: Vec<&str> = source.lines().collect();
    let mut mutants = Vec::new();
    for line in body_lines(&lines) {
        let text = lines[line];
        for (from, to) in CHANGES {
            for (at, _) in text.match_indices(from).filter(|(at, _)| stands_alone(text, *at, from)) {
                let changed = format!("{}{to}{}", &text[..at], &text[at + from.len()..]);
                mutants.push(mutant(&lines, line, changed));
            }
        }
        if let Some(changed) = swapped(text) {
            mutants.push(mutant(&lines, line, changed));
        }
        let statement = text.trim();
        if statement.ends_with(';')
            && !statement.starts_with("let ")
            && !statement.starts_with('}')
            && statement.contains('=')
        {
            mutants.push(mutant(&lines, line, String::new()));
        }
    }
    mutants
}

fn mutant(lines: &[&str], line: usize, changed: String) -> Mutant {
    let change = format!("`{}` → `{}`", lines[line].trim(), changed.trim());
    let text =
        lines.iter().enumerate().map(|(at, text)| format!("{}\n", if at == line { &changed } else { *text })).collect();
    Mutant { line: line + 1, change, text }
}

/// Returns the lines inside the bodies of [`FUNCTIONS`], without the lines that open and close them.
fn body_lines(lines: &[&str]) -> Vec<usize> {
    let (mut inside, mut found) = (false, Vec::new());
    let mut signature = false;
    for (at, line) in lines.iter().enumerate() {
        if FUNCTIONS.iter().any(|f| line.starts_with(f)) {
            signature = true;
        }
        if signature && line.ends_with('{') && (line.starts_with(')') || line.contains("fn ")) {
            (signature, inside) = (false, true);
        } else if *line == "}" {
            inside = false;
        } else if inside && !line.trim().starts_with("//") {
            found.push(at);
        }
    }
    found
}

/// Returns `true` if a number is not part of a longer one, nor of a range.
fn stands_alone(text: &str, at: usize, from: &str) -> bool {
    let before = text[..at].chars().next_back();
    let after = text[at + from.len()..].chars().next();
    let number = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '.' || c == '_');
    !from.starts_with(|c: char| c.is_ascii_digit()) || !number(before) && (from.ends_with("..") || !number(after))
}

/// Returns the line with the operands of its first `-` or `/` swapped, if both are simple.
fn swapped(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.[]".contains(c);
    [" - ", " / "].iter().find_map(|operator| {
        let at = text.find(operator)?;
        let (left, right) = (&text[..at], &text[at + operator.len()..]);
        let start = left.rfind(|c| !plain(c)).map_or(0, |i| i + 1);
        let end = right.find(|c| !plain(c)).unwrap_or(right.len());
        let balanced = |text: &str| text.matches('[').count() == text.matches(']').count() && !text.is_empty();
        let (a, b) = (&left[start..], &right[..end]);
        let call = right[end..].starts_with([':', '(']);
        (balanced(a) && balanced(b) && !call).then(|| format!("{}{b}{operator}{a}{}", &left[..start], &right[end..]))
    })
}
