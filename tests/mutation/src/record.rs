//! `survivors.txt`: mutants that no test can kill, each with the reason.

use crate::points::Mutant;

/// Line `file: function: change: why`; a change `*` stands for all mutants of the function.
struct Entry<'a> {
    line: &'a str,
    /// Mutants that the line covers.
    mutants: Vec<usize>,
}

pub struct Record<'a> {
    entries: Vec<Entry<'a>>,
}

impl<'a> Record<'a> {
    /// Reads the record; lines that begin with `#` and empty ones are ignored.
    pub fn read(text: &'a str, mutants: &[&Mutant]) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entry = |line: &'a str| {
            let is_meant = |mutant: &Mutant| {
                let (name, all) = (mutant.name(), format!("{}: {}: *", mutant.file, mutant.function));
                let reason = |start: &str| line.strip_prefix(start).and_then(|rest| rest.strip_prefix(": "));
                reason(&name).or(reason(&all)).is_some_and(|why| !why.trim().is_empty())
            };
            let meant = mutants.iter().enumerate().filter(|(_, mutant)| is_meant(mutant));
            Entry { line, mutants: meant.map(|(index, _)| index).collect() }
        };
        Self { entries: lines.map(entry).collect() }
    }

    pub fn is_argued(&self, mutant: usize) -> bool {
        self.entries.iter().any(|entry| entry.mutants.contains(&mutant))
    }

    /// Returns lines without a reason, or that match no mutant.
    pub fn stale(&self) -> Vec<&'a str> {
        self.entries.iter().filter(|entry| entry.mutants.is_empty()).map(|entry| entry.line).collect()
    }
}
