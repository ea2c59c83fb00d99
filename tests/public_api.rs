//! The public API, item by item, against a golden file, so that a reviewer sees each change of it.
//!
//! `WGRAD_BLESS=1 cargo test --test public_api` updates the golden file.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Modules that are hidden or unstable (`wgrad::internals`), or private.
const INTERNALS: [&str; 12] = [
    "elementwise",
    "exec",
    "fuse",
    "kernels",
    "lower",
    "numeric",
    "plan",
    "shape",
    "specialize",
    "replace",
    "text",
    "command",
];

/// Internal files with public items: macros that make constructors, and types that other modules export.
const DECLARATIONS: [&str; 5] =
    ["elementwise/activations.rs", "elementwise/losses.rs", "lower/spec.rs", "plan/tile.rs", "specialize/tuning.rs"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The source files of the public modules, with their paths below `src`.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).expect("the folder can be read").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        let name =
            path.strip_prefix(root().join("src")).expect("below src").to_str().expect("UTF-8").replace('\\', "/");
        let module = name.split(['/', '.']).next().unwrap_or_default();
        if INTERNALS.contains(&module) || name == "main.rs" {
            continue;
        }
        if path.is_dir() {
            sources(&path, found);
        } else if name.ends_with(".rs") {
            found.push((name, fs::read_to_string(&path).expect("the file can be read")));
        }
    }
}

/// The public items of a file that `rustfmt` has formatted: items begin in column 0, methods and fields in column 4.
fn public_items(source: &str) -> BTreeSet<String> {
    let source = source.split("\n#[cfg(test)]").next().unwrap_or_default();
    let (mut items, mut owner, mut attributes) = (BTreeSet::new(), String::new(), String::new());
    let mut lines = source.lines().filter(|line| !line.trim_start().starts_with("//")).peekable();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let mut item = line.trim().to_string();
        if indent > 4 || item.is_empty() {
            continue;
        }
        if item.starts_with("#[") {
            attributes.push_str(&item);
            attributes.push(' ');
            continue;
        }
        // Types and methods that a macro makes: what is declared, and its fields; of functions, those that are public.
        if indent == 0 && item.ends_with("! {") {
            let mut block = lines.clone().take_while(|line| *line != "}");
            let is_of_functions = block.any(|line| line.starts_with("    pub fn "));
            let mut declared = "";
            for line in lines.by_ref().take_while(|line| *line != "}") {
                let depth = line.len() - line.trim_start().len();
                let line = line.trim().trim_end_matches(['{', ',', ';']).trim_end();
                if is_of_functions && !line.starts_with("pub fn ") {
                    continue;
                }
                if depth == 4 && line.starts_with(char::is_alphabetic) {
                    declared = line.split(['(', ' ']).next().unwrap_or_default();
                    items.insert(format!("{} {line}", item.trim_end_matches(" {")));
                } else if depth == 8 && line.split_once(": ").is_some_and(|(name, _)| name.chars().all(is_of_name)) {
                    items.insert(format!("{} {declared}: {line}", item.trim_end_matches(" {")));
                }
            }
            continue;
        }
        let hidden = attributes.contains("doc(hidden)");
        let kept = attributes.split("] ").filter(|a| a.starts_with("#[derive") || a.starts_with("#[non_exhaustive"));
        let kept: String = kept.map(|attribute| format!("{attribute}] ")).collect();
        attributes.clear();
        let is_header =
            |item: &str| ["impl", "pub struct", "pub enum", "pub trait"].iter().any(|word| item.starts_with(word));
        // Signatures may have several lines.
        let is_long = is_header(&item)
            || item.starts_with("pub fn")
            || item.starts_with("pub const fn")
            || item.starts_with("pub use");
        while is_long && !item.ends_with(['{', ';', '}']) {
            let Some(next) = lines.next() else { break };
            item.push(' ');
            item.push_str(next.trim());
        }
        let item = item.trim_end_matches(['{', ';', ',', '(']).trim().replace("( ", "(").replace(", )", ")");
        if indent == 0 {
            owner.clear();
            if item.starts_with("impl") {
                items.extend((item.contains(" for ") && !hidden).then(|| item.clone()));
                owner = if item.contains(" for ") { String::new() } else { item.clone() };
            } else if item.starts_with("pub ") && !hidden {
                items.insert(format!("{kept}{item}"));
                if is_header(&item) {
                    owner = item.clone();
                }
            }
        } else if !hidden && !owner.is_empty() {
            let is_variant = owner.starts_with("pub enum") && item.starts_with(char::is_uppercase);
            let is_required = owner.starts_with("pub trait") && item.starts_with("fn ");
            if is_variant || is_required || item.starts_with("pub ") {
                items.insert(format!("{owner}: {item}"));
            }
        }
    }
    items
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

#[test]
fn the_public_api_is_that_of_the_golden_file() {
    let mut files = Vec::new();
    sources(&root().join("src"), &mut files);
    for name in DECLARATIONS {
        files.push((name.into(), fs::read_to_string(root().join("src").join(name)).expect("the file can be read")));
    }
    let found: String = files
        .iter()
        .map(|(name, source)| (name, public_items(source)))
        .filter(|(_, items)| !items.is_empty())
        .map(|(name, items)| {
            format!("{name}\n{}\n", items.iter().map(|item| format!("    {item}\n")).collect::<String>())
        })
        .collect();
    let path = root().join("tests/golden/public_api.txt");
    if std::env::var_os("WGRAD_BLESS").is_some() {
        fs::write(&path, &found).expect("the golden file can be written");
    }
    let golden = fs::read_to_string(&path).expect("the golden file can be read");
    let is_same = found == golden;
    let [found, golden] = [&found, &golden].map(|text| text.lines().map(String::from).collect::<BTreeSet<_>>());
    let [new, gone] =
        [found.difference(&golden), golden.difference(&found)].map(|lines| lines.cloned().collect::<Vec<_>>());
    assert!(
        is_same,
        "the public API has changed; `WGRAD_BLESS=1 cargo test --test public_api` accepts it\nnew:\n{}\ngone:\n{}",
        new.join("\n"),
        gone.join("\n")
    );
}

#[test]
fn items_methods_fields_and_variants_are_seen() {
    let source = "\
/// A thing.
#[derive(Debug)]
#[non_exhaustive]
pub struct Thing {
    /// Public.
    pub size: usize,
    hidden: bool,
}

impl Thing {
    /// Makes one.
    pub fn new(
        size: usize,
    ) -> Self {
        Self { size, hidden: true }
    }

    fn private(&self) {}

    #[doc(hidden)]
    pub fn inside(&self) {}
}

pub enum Kind {
    A,
    B { x: u32 },
}

impl From<usize> for Thing {
    fn from(size: usize) -> Self {
        Self::new(size)
    }
}

pub(crate) fn internal() {}

optimizers! {
    /// Descends.
    Sgd = \"sgd\" {
        learning_rate = 0.01,
        /// Momentum.
        momentum: Fraction = 0.0,
    }
    |o| rule(o.momentum);
}

#[cfg(test)]
mod tests {
    pub fn helper() {}
}
";
    let found: Vec<String> = public_items(source).into_iter().collect();
    let wanted = [
        "#[derive(Debug)] #[non_exhaustive] pub struct Thing",
        "impl From<usize> for Thing",
        "impl Thing: pub fn new(size: usize) -> Self",
        "optimizers! Sgd = \"sgd\"",
        "optimizers! Sgd: momentum: Fraction = 0.0",
        "pub enum Kind",
        "pub enum Kind: A",
        "pub enum Kind: B { x: u32 }",
        "pub struct Thing: pub size: usize",
    ];
    assert_eq!(found, wanted);
}
