//! The command, as a user meets it: the built binary, in a folder of its own.

mod bad_usage;
mod completing;
mod explaining;
mod images;
mod lr_find;
mod plot;
mod predict_evaluate;
mod profiling;
mod quiet_and_color;
mod remedies;
mod run_files;
mod scores;
mod silent_faults;
mod splits;
mod stopping;
mod suite;
mod tables;
mod terminal;
mod thresholds;
mod training;
mod tuning;
mod verifying;
mod watching;

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use tempfile::TempDir;

/// Steps in layers, also where a GPU's would pay as one op: for tests that count ops or look for those of a layer. `tune`
/// has no such option: networks with dropout are in layers everywhere.
#[cfg(feature = "gpu")]
const IN_LAYERS: [&str; 2] = ["--fused-step", "never"];

/// A folder for one test.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a temporary folder"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).expect("written");
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path().join(name)).expect("the file is there")
    }

    /// Names of the files, sorted.
    fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path()).expect("a folder");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Names and contents of the checkpoints in a folder of it, sorted.
    fn checkpoints(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let below = std::fs::read_dir(self.path().join(folder)).expect("a folder").map(|entry| {
            let name = format!("{folder}/{}", entry.expect("readable").file_name().to_string_lossy());
            (name.clone(), self.read(&name))
        });
        let mut below: Vec<_> = below.filter(|(name, _)| name.contains("/step-")).collect();
        below.sort();
        below
    }

    /// Runs `wgrad` here, on the CPU unless arguments say otherwise: bits are compared with the library's there.
    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("the command starts")
    }

    /// `wgrad` as [`Folder::run`] runs it; colors are not for whoever runs the tests to choose.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wgrad"));
        command.env("WGRAD_DEVICE", "cpu").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env_remove("CLICOLOR");
        // Nor is what was tuned on their machine.
        command.env("WGRAD_TUNING", "off").args(arguments).current_dir(self.path());
        command
    }

    /// Standard output of a run that must succeed.
    fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }

    /// Message of a run that must fail, as one line. Checks exit code, width of the lines, and that no file changed.
    fn fail(&self, arguments: &[&str]) -> String {
        // Of folders, the names.
        let read = |name: &String| std::fs::read(self.path().join(name)).unwrap_or_default();
        let contents = || self.files().into_iter().map(|name| (read(&name), name)).collect::<Vec<_>>();
        let before = contents();
        let output = self.run(arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {message}");
        assert!(message.starts_with("error: "), "{arguments:?}: {message}");
        assert!(!message.contains("panicked") && !message.contains("backtrace"), "{arguments:?}: {message}");
        assert!(contents() == before, "{arguments:?} left {:?}", self.files());
        assert_narrow(&message);
        unwrapped(&message)
    }

    /// The events of a run with `--json`.
    fn events(&self, arguments: &[&str]) -> Vec<Value> {
        let output = self.succeed(&[arguments, &["--json"]].concat());
        output.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
    }
}

/// Lines of at most 80 columns, unless a line is one long word.
fn assert_narrow(text: &str) {
    let is_wide = |line: &&str| line.chars().count() > 80 && line.trim().contains(' ');
    assert_eq!(text.lines().find(is_wide), None, "a line is wider than 80 columns: {text}");
}

/// Checks that a text has all these parts.
fn says(text: &str, parts: &[&str]) {
    parts.iter().for_each(|part| assert!(text.contains(part), "`{part}` is not in: {text}"));
}

/// A text whose continuation lines are joined again.
fn unwrapped(text: &str) -> String {
    text.replace("\n  ", " ")
}

/// Messages of a run, each as one line.
fn stderr(output: &Output) -> String {
    unwrapped(&text(&output.stderr))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// Gzipped.
fn packed(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(vec![], Compression::fast());
    packer.write_all(text.as_bytes()).expect("written to memory");
    packer.finish().expect("written to memory")
}

/// The rows of a table, header first.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|row| row.expect("well-formed").iter().map(String::from).collect()).collect()
}
