//! Layers of ARCHITECTURE.md: a module imports from its own layer and those below, never from above.
//!
//! Checked in the text of `src`: every `crate::name` outside comments, and groups `crate::{a, b::c}`. Only exec/gpu uses `wgpu`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Modules of each layer, from the bottom. `lib`, `main` and `command` are above all.
const LAYERS: [&[&str]; 7] = [
    &["shape", "rng", "error", "text", "numeric", "replace"],
    &["elementwise", "activation", "layer", "network", "loss", "optim", "init", "mix", "schedule", "metrics"],
    &["plan"],
    &["kernels"],
    &["lower", "fuse", "specialize"],
    &["exec", "device"],
    &["trainer", "data", "model", "verify", "tune"],
];

const ABOVE: [&str; 3] = ["lib", "main", "command"];

fn layer(module: &str) -> Option<usize> {
    let above = ABOVE.contains(&module).then_some(LAYERS.len());
    LAYERS.iter().position(|modules| modules.contains(&module)).or(above)
}

/// Source without comments. A `//` in a string hides only the rest of its line.
fn code(source: &str) -> String {
    source.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Identifier at the start of a text.
fn identifier(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

/// Entries of a group `{a, b::{c, d}}` at the start of a text.
fn entries(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut entries) = (0, 1, Vec::new());
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => {
                entries.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
        if depth == 0 {
            entries.push(text[start..at].trim());
            break;
        }
    }
    entries.retain(|entry| !entry.is_empty());
    entries
}

/// Names that follow `crate::` or another root.
fn imports<'a>(code: &'a str, root: &str) -> Vec<&'a str> {
    let behind = code.split(root).skip(1).map(str::trim_start);
    behind.flat_map(|rest| if rest.starts_with('{') { entries(rest) } else { vec![rest] }).map(identifier).collect()
}

/// Problems of a file, with its path below `src`.
fn problems(path: &str, source: &str) -> Vec<String> {
    let module = path.split(['/', '.']).next().unwrap_or_default();
    let Some(own) = layer(module) else {
        return vec![format!("{path}: `{module}` is in no layer; add it to one in tests/layering.rs")];
    };
    let code = code(source);
    let mut problems = Vec::new();
    for name in imports(&code, "crate::") {
        match layer(name) {
            None => problems.push(format!("{path}: `crate::{name}` is not a module of a layer")),
            Some(other) if other > own => {
                problems.push(format!("{path} (layer {own}) imports `crate::{name}` (layer {other})"));
            }
            Some(_) => {}
        }
    }
    // In a file beside lib.rs, `super::` is the crate's root; in a folder it is the folder's `mod.rs`.
    let upward = |name: &&str| !path.contains('/') && layer(name).is_some_and(|other| other > own);
    if let Some(name) = imports(&code, "super::").into_iter().find(upward) {
        problems.push(format!("{path} (layer {own}) imports `super::{name}`"));
    }
    if code.contains("super::super") {
        problems.push(format!("{path}: `super::super` hides the module; write `crate::`"));
    }
    if code.contains("wgpu") && !path.starts_with("exec/gpu") {
        problems.push(format!("{path}: only exec/gpu may use `wgpu`"));
    }
    problems
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let paths = entries.map(|entry| entry.expect("it can be read").path());
    paths
        .flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] })
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect()
}

/// Path below `src` and text of each source file, sorted by path.
fn sources() -> Vec<(String, String)> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |file: PathBuf| {
        let path = file.strip_prefix(&src).expect("it lies below").to_string_lossy().replace('\\', "/");
        (path, std::fs::read_to_string(&file).expect("it is text"))
    };
    let mut sources: Vec<_> = rust_files(&src).into_iter().map(read).collect();
    sources.sort();
    sources
}

/// Files that may contain `unsafe`; ARCHITECTURE.md lists the reasons.
const UNSAFE: [&str; 16] = [
    "command/signals.rs",
    "exec/cpu/mod.rs",
    "exec/cpu/row.rs",
    "exec/cpu/thread_pool.rs",
    "exec/gpu/cache.rs",
    "exec/gpu/device.rs",
    "exec/gpu/pipelines.rs",
    "exec/lockstep.rs",
    "exec/memory.rs",
    "exec/reference.rs",
    "numeric/matmul/matrix.rs",
    "numeric/matmul/mod.rs",
    "numeric/matmul/pack.rs",
    "numeric/matmul/registers.rs",
    "numeric/matmul/tile.rs",
    "numeric/prefetch.rs",
];

#[test]
fn unsafe_is_only_in_listed_files() {
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| code(text).split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe"))
        .map(|(name, _)| name)
        .collect();
    assert_eq!(found, UNSAFE);
}

#[test]
fn imports_point_down() {
    let (mut found, mut imported) = (Vec::new(), 0);
    for (path, source) in sources() {
        imported += imports(&code(&source), "crate::").len();
        found.extend(problems(&path, &source));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
    assert!(imported > 100, "only {imported} imports were seen");
}

/// Kernels that a file of `kernels` imports. Paths below a kernel count as the kernel.
fn imported_kernels(source: &str) -> Vec<String> {
    imports(&code(source), "crate::kernels::").into_iter().map(String::from).collect()
}

/// Kernels with those that they import; `shared` is one entry, and so is a kernel's folder. The list of all kernels, in
/// `mod.rs`, is none.
fn kernel_imports() -> BTreeMap<String, BTreeSet<String>> {
    let mut graph: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, source) in sources() {
        let Some(rest) = path.strip_prefix("kernels/").filter(|rest| *rest != "mod.rs") else { continue };
        let kernel = rest.split(['/', '.']).next().unwrap_or_default().to_string();
        let others = imported_kernels(&source).into_iter().filter(|name| *name != kernel);
        graph.entry(kernel.clone()).or_default().extend(others);
    }
    graph
}

/// Kernels left after those without imports have been removed again and again: each is in a circle, or imports one that is.
fn in_circles(mut graph: BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    loop {
        let done: BTreeSet<String> =
            graph.iter().filter(|(_, imports)| imports.is_empty()).map(|(kernel, _)| kernel.clone()).collect();
        if done.is_empty() {
            return graph.into_keys().collect();
        }
        graph.retain(|kernel, _| !done.contains(kernel));
        graph.values_mut().for_each(|imports| imports.retain(|name| !done.contains(name)));
    }
}

#[test]
fn kernels_import_one_another_without_circles_and_shared_code_imports_none() {
    let graph = kernel_imports();
    assert!(graph.len() > 30, "only {} kernels were seen", graph.len());
    assert_eq!(graph["shared"], BTreeSet::new());
    let unknown: Vec<&String> = graph.values().flatten().filter(|name| !graph.contains_key(*name)).collect();
    assert!(unknown.is_empty(), "imported from the list of kernels: {unknown:?}");
    assert_eq!(in_circles(graph), Vec::<String>::new());
}

#[test]
fn circles_are_found() {
    let graph = |imports: &[(&str, &[&str])]| {
        let entry = |(kernel, others): &(&str, &[&str])| {
            (kernel.to_string(), others.iter().map(ToString::to_string).collect::<BTreeSet<_>>())
        };
        imports.iter().map(entry).collect::<BTreeMap<_, _>>()
    };
    assert_eq!(in_circles(graph(&[("a", &["b"]), ("b", &["c"]), ("c", &[])])), Vec::<String>::new());
    assert_eq!(in_circles(graph(&[("a", &["b"]), ("b", &["a"]), ("c", &[]), ("d", &["a"])])), ["a", "b", "d"]);
    assert_eq!(imported_kernels("use crate::kernels::{add, norm::clip};\n// crate::kernels::gather"), ["add", "norm"]);
}

/// The checker itself, on test sources.
#[test]
fn upward_imports_are_found() {
    let refused = [
        ("plan/check.rs", "use crate::kernels::matmul;", "plan/check.rs (layer 2) imports `crate::kernels` (layer 3)"),
        ("kernels/sgd.rs", "use crate::{plan::Op, shape::{Dtype, Shape}, lower};", "imports `crate::lower` (layer 4)"),
        ("exec/cpu.rs", "fn f() { crate::trainer::fit() }", "imports `crate::trainer` (layer 6)"),
        ("network.rs", "use crate::Dataset;", "`crate::Dataset` is not a module of a layer"),
        ("network.rs", "use crate::plans::Plan;", "`crate::plans` is not a module of a layer"),
        ("gadgets/mod.rs", "", "`gadgets` is in no layer"),
        ("specialize.rs", "let limits = wgpu::Limits::default();", "only exec/gpu may use `wgpu`"),
        ("loss.rs", "use super::trainer::Trainer;", "imports `super::trainer`"),
        ("exec/gpu/mod.rs", "use super::super::trainer;", "`super::super` hides the module"),
        ("shape.rs", "use crate::\n    network::Network;", "imports `crate::network` (layer 1)"),
    ];
    for (path, source, problem) in refused {
        let found = problems(path, source);
        assert!(found.len() == 1 && found[0].contains(problem), "{path}: {source}: {found:?}");
    }
    let allowed = [
        ("init.rs", "use crate::network::Activation; // and not crate::trainer"),
        ("kernels/norm.rs", "//! See crate::lower, and wgpu.\nuse crate::{plan::{Op, Plan}, numeric};"),
        ("exec/gpu/mod.rs", "use wgpu::Device; use super::Executor; use crate::specialize::Limits;"),
        ("loss.rs", "mod tests { use super::*; use super::network::Network; }"),
        ("lib.rs", "pub use crate::trainer::Trainer;"),
        ("command/train.rs", "use super::Arguments; use crate::trainer::Trainer;"),
    ];
    for (path, source) in allowed {
        assert_eq!(problems(path, source), Vec::<String>::new(), "{path}: {source}");
    }
}
