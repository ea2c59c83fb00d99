//! Copy of the repository whose library and command contain all mutants, each behind a switch.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::points::{File, Kind};

/// Module that switches mutants on.
const RUNTIME: &str = include_str!("runtime.rs");
/// Mutants may leave code unused, or contain an overflow that the compiler can see.
const ALLOW: &str = "#![allow(warnings, arithmetic_overflow, unconditional_panic)]\n";

pub struct Tree {
    pub root: PathBuf,
    pub target: PathBuf,
}

/// Test binary.
#[derive(Clone)]
pub struct Binary {
    pub name: String,
    pub path: PathBuf,
}

/// Text of a file with its switches, and the byte range of each mutant and point in it.
#[derive(Default)]
struct Rendered {
    text: String,
    /// Range of a mutant's own text, and its index.
    mutants: Vec<(Range<usize>, usize)>,
    /// Range of a whole point, and its index.
    points: Vec<(Range<usize>, usize)>,
}

impl Tree {
    /// Copies the files that git knows or would add. Only changed files are written, so that cargo rebuilds nothing
    /// else.
    pub fn copy(repository: &Path, root: &Path, target: &Path) -> Self {
        let mut git = Command::new("git");
        let git = git.args(["ls-files", "-co", "--exclude-standard", "-z"]).current_dir(repository);
        let listed = git.output().expect("git lists the files");
        let names = String::from_utf8(listed.stdout).expect("names are UTF-8");
        let names: Vec<&str> = names.split('\0').filter(|name| repository.join(name).is_file()).collect();
        let mut kept: HashSet<PathBuf> = HashSet::new();
        for name in names.iter().filter(|name| !name.starts_with("tests/mutation/")) {
            let mut bytes = fs::read(repository.join(name)).expect("a listed file can be read");
            if *name == "Cargo.toml" {
                let text = String::from_utf8(bytes).expect("a manifest is text");
                let text = text.replace("path = \"src/main.rs\"", "path = \"mutated/main.rs\"");
                bytes = format!("{text}\n[lib]\npath = \"mutated/lib.rs\"\n").into_bytes();
            }
            write_changed(&root.join(name), &bytes);
            kept.insert(root.join(name));
        }
        remove_others(root, &|path| kept.contains(path) || path.starts_with(root.join("mutated")));
        Self { root: root.into(), target: target.into() }
    }

    /// Writes the sources with their mutants. Sources without mutants are copied.
    fn write(&self, files: &[File]) -> Vec<Rendered> {
        let mutated = self.root.join("mutated");
        let mut first = 1;
        let mut all = vec![];
        let mut kept = HashSet::from([mutated.join("mutation.rs")]);
        for file in files {
            let mut rendered = render(file, first);
            if file.path == "lib.rs" || file.path == "main.rs" {
                rendered.text = format!("{}\n/// Mutants.\nmod mutation;\n", rendered.text);
            }
            let path = mutated.join(&file.path);
            write_changed(&path, rendered.text.as_bytes());
            kept.insert(path);
            first += file.mutants.len();
            all.push(rendered);
        }
        let runtime = format!("{RUNTIME}\n/// Mutants, and one: they count from 1.\nconst COUNT: usize = {first};\n");
        write_changed(&mutated.join("mutation.rs"), runtime.as_bytes());
        remove_others(&mutated, &|path| kept.contains(path));
        all
    }

    /// Drops the mutants that the compiler rejects, and returns the number of compiler runs.
    pub fn drop_refused(&self, files: &mut [File]) -> usize {
        for round in 1.. {
            let rendered = self.write(files);
            let errors = self.errors();
            if errors.is_empty() {
                return round;
            }
            let mut dropped = 0;
            for (path, at, message) in &errors {
                let Some(index) = files.iter().position(|file| path == &file.path) else { continue };
                let (file, rendered) = (&mut files[index], &rendered[index]);
                dropped += drop_all(file, &refused(rendered, &file.points, at));
                if std::env::var_os("MUTATION_DEBUG").is_some() {
                    println!("{path}: {message}: {}", rendered.text[at.clone()].lines().next().unwrap_or_default());
                }
            }
            if dropped == 0 {
                // A deleted statement causes an error elsewhere: all deleted statements of the enclosing function are
                // dropped.
                for (path, at, _) in &errors {
                    let Some(index) = files.iter().position(|file| path == &file.path) else { continue };
                    let (file, rendered) = (&mut files[index], &rendered[index]);
                    dropped += drop_all(file, &near(rendered, file, at));
                }
            }
            println!("  round {round}: {} errors, {dropped} mutants do not compile", errors.len());
            assert!(dropped > 0, "the copy does not build, and no mutant is why: {:?}", errors.first());
        }
        unreachable!("the loop ends when no mutant can be dropped");
    }

    fn cargo(&self, arguments: &[&str]) -> Vec<Value> {
        let cargo = std::env::var("CARGO").unwrap_or("cargo".into());
        let mut command = Command::new(cargo);
        command.args(arguments).args(["--message-format=json", "--quiet", "--target-dir"]).arg(&self.target);
        // The whole copy changes at once, so incremental builds do not help.
        command.env("CARGO_INCREMENTAL", "0");
        let output = command.current_dir(&self.root).stderr(Stdio::inherit()).output().expect("cargo starts");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        lines.push(serde_json::json!({ "reason": "end", "success": output.status.success() }));
        lines
    }

    /// Returns the file, byte range and text of each compiler error.
    fn errors(&self) -> Vec<(String, Range<usize>, String)> {
        let lines = self.cargo(&["check", "--lib", "--bin", "wgrad"]);
        let mut errors = vec![];
        for message in lines.iter().map(|line| &line["message"]).filter(|message| message["level"] == "error") {
            let text = message["message"].as_str().unwrap_or_default();
            for span in message["spans"].as_array().into_iter().flatten() {
                // Errors in code from a macro count at the place where the macro is used.
                let mut span = span;
                while !span["expansion"].is_null() {
                    span = &span["expansion"]["span"];
                }
                let name = span["file_name"].as_str().unwrap_or_default();
                let number = |key: &str| span[key].as_u64().unwrap_or_default() as usize;
                if let Some(path) = name.strip_prefix("mutated/") {
                    errors.push((path.into(), number("byte_start")..number("byte_end"), text.into()));
                }
            }
        }
        let built = lines.iter().any(|line| line["reason"] == "end" && line["success"] == true);
        assert!(built || !errors.is_empty(), "cargo check fails without an error in the sources");
        errors
    }

    /// Builds the tests with these names (`unit` for those in the sources, `*` for all) and the command.
    pub fn build(&self, tests: &[&str]) -> Vec<Binary> {
        let mut arguments = vec!["test", "--no-run"];
        if tests.iter().any(|name| ["unit", "*"].contains(name)) {
            arguments.push("--lib");
        }
        arguments.extend(tests.iter().filter(|name| **name != "unit").flat_map(|name| ["--test", name]));
        let lines = self.cargo(&arguments);
        assert!(lines.iter().any(|line| line["success"] == true && line["reason"] == "end"), "the tests build");
        let mut binaries = vec![];
        for line in lines.iter().filter(|line| line["profile"]["test"] == true) {
            if let (Some(path), Some(name)) = (line["executable"].as_str(), line["target"]["name"].as_str()) {
                binaries.push(Binary { name: name.into(), path: path.into() });
            }
        }
        binaries.sort_by(|a, b| a.name.cmp(&b.name));
        binaries
    }
}

/// Returns the mutants that an error refers to: those whose text contains it, otherwise those of the innermost
/// enclosing point.
fn refused(rendered: &Rendered, points: &[crate::points::Point], at: &Range<usize>) -> Vec<usize> {
    let around = |range: &Range<usize>| range.start <= at.start && at.end <= range.end;
    let innermost = |ranges: &[(Range<usize>, usize)]| {
        let inside = ranges.iter().filter(|(range, _)| around(range));
        inside.min_by_key(|(range, _)| range.len()).map(|(_, index)| *index)
    };
    if let Some(mutant) = innermost(&rendered.mutants) {
        return vec![mutant];
    }
    innermost(&rendered.points).map_or(vec![], |point| points[point].mutants.clone())
}

/// Returns the deleted statements of the function that contains an error.
fn near(rendered: &Rendered, file: &File, at: &Range<usize>) -> Vec<usize> {
    let before = rendered
        .points
        .iter()
        .filter(|(range, point)| range.start <= at.start && file.points[*point].kind == Kind::Statement);
    let Some((_, nearest)) = before.max_by_key(|(range, _)| range.start) else { return vec![] };
    let function = &file.mutants[file.points[*nearest].mutants[0]].function;
    let statements = file.points.iter().filter(|point| point.kind == Kind::Statement);
    let mutants = statements.flat_map(|point| point.mutants.iter().copied());
    mutants.filter(|&mutant| file.mutants[mutant].function == *function).collect()
}

fn drop_all(file: &mut File, mutants: &[usize]) -> usize {
    let mut dropped = 0;
    for &mutant in mutants {
        dropped += usize::from(!file.mutants[mutant].dropped);
        file.mutants[mutant].dropped = true;
    }
    dropped
}

/// Writes a file unless it has these bytes already.
fn write_changed(path: &Path, bytes: &[u8]) {
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return;
    }
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders of the copy can be made");
    fs::write(path, bytes).expect("files of the copy can be written");
}

fn remove_others(folder: &Path, kept: &dyn Fn(&Path) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            remove_others(&path, kept);
        } else if !kept(&path) && path.file_name().is_some_and(|name| name != "Cargo.lock") {
            fs::remove_file(&path).expect("files of the copy can be removed");
        }
    }
}

fn render(file: &File, first: usize) -> Rendered {
    let mut order: Vec<usize> = (0..file.points.len()).collect();
    // Outer points come before inner ones; of points on the same bytes, the one that was found first is the outer one.
    order.sort_by_key(|&point| {
        let at = &file.points[point].at;
        (at.start, usize::MAX - at.end, point)
    });
    let mut renderer = Renderer { file, first, order, next: 0, out: Rendered::default() };
    if file.path == "lib.rs" || file.path == "main.rs" {
        renderer.out.text.push_str(ALLOW);
    }
    renderer.range(0..file.text.len());
    assert_eq!(renderer.next, renderer.order.len(), "{}: points that overlap", file.path);
    renderer.out
}

struct Renderer<'a> {
    file: &'a File,
    first: usize,
    order: Vec<usize>,
    next: usize,
    out: Rendered,
}

impl Renderer<'_> {
    fn push(&mut self, text: &str) {
        self.out.text.push_str(text);
    }

    /// Writes a range of the source, with its points.
    fn range(&mut self, at: Range<usize>) {
        let mut from = at.start;
        while let Some(&index) = self.order.get(self.next) {
            let point = &self.file.points[index];
            if point.at.end > at.end {
                break;
            }
            self.push(&self.file.text[from..point.at.start]);
            from = point.at.end;
            self.next += 1;
            self.point(index);
        }
        self.push(&self.file.text[from..at.end]);
    }

    fn point(&mut self, index: usize) {
        let file = self.file;
        let point = &file.points[index];
        let start = self.out.text.len();
        let mutants: Vec<usize> =
            point.mutants.iter().copied().filter(|&mutant| self.file.mutants[mutant].is_built()).collect();
        if mutants.is_empty() {
            self.range(point.at.clone());
            return;
        }
        let first = self.first;
        let on = |mutant: usize| format!("crate::mutation::on({})", first + mutant);
        match point.kind {
            Kind::Expression | Kind::Statement => {
                let is_expression = point.kind == Kind::Expression;
                self.push(if is_expression { "(" } else { "" });
                for &mutant in &mutants {
                    self.push(&format!("if {} {{ ", on(mutant)));
                    self.mutant(mutant, &point.at);
                    self.push(" } else ");
                }
                self.push("{ ");
                self.range(point.at.clone());
                self.push(if is_expression { " })" } else { " }" });
            }
            Kind::Body => {
                for &mutant in &mutants {
                    self.push(&format!(" if {} {{ ", on(mutant)));
                    self.mutant(mutant, &point.at);
                    self.push(" }");
                }
            }
            Kind::Arm => self.push(&format!(" if !{}", on(mutants[0]))),
            Kind::Guard => {
                self.push(&format!("!{} && (", on(mutants[0])));
                self.range(point.at.clone());
                self.push(")");
            }
        }
        self.out.points.push((start..self.out.text.len(), index));
    }

    /// Writes the mutant's version of a point.
    fn mutant(&mut self, mutant: usize, at: &Range<usize>) {
        let edit = &self.file.mutants[mutant].edit;
        let start = self.out.text.len();
        let source = &self.file.text;
        let text = format!("{}{}{}", &source[at.start..edit.at.start], edit.text, &source[edit.at.end..at.end]);
        self.push(&text);
        self.out.mutants.push((start..self.out.text.len(), mutant));
    }
}

/// Returns path and text of all Rust files below a folder.
pub fn sources(folder: &Path) -> Vec<(String, String)> {
    let mut found = HashMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("a source folder can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.strip_prefix(folder).expect("it lies below").to_string_lossy().into_owned();
                found.insert(name, fs::read_to_string(&path).expect("source is text"));
            }
        }
    }
    let mut found: Vec<_> = found.into_iter().collect();
    found.sort();
    found
}
