//! Runs one target: first its corpus, then mutations of it. Inputs with new coverage or messages are mutated further.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::mutation::Mutator;
use super::targets::{Sandbox, Target};
use super::{Options, watch};

/// Most inputs that are kept for further mutation; with more, each would be mutated too rarely.
const MOST_KEPT: usize = 5000;

struct Worker<'a> {
    target: &'a Target,
    sandbox: Sandbox,
    /// File with the current input.
    current: File,
    /// Messages seen so far, without their numbers.
    messages: HashSet<String>,
    edges: watch::Edges,
    looked_at: u64,
}

/// Runs the inputs that the options select; ends the process at the first fault.
pub fn run(target: &Target, options: &Options, current: &Path) {
    let current = File::create(current).expect("the file was made for this");
    let sandbox = Sandbox::new();
    watch::begin();
    let (messages, edges) = (HashSet::new(), watch::Edges::default());
    let mut worker = Worker { target, sandbox, current, messages, edges, looked_at: 0 };
    if let Some(file) = &options.file {
        println!("{}", worker.look(&std::fs::read(file).expect("it was there just now")).1);
        return;
    }
    let mut corpus = (target.seeds)(&worker.sandbox);
    for input in &corpus {
        worker.look(input);
    }
    let seeds = corpus.len();
    let mut mutator = Mutator::new(options.seed, &corpus);
    let end = options.seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let more = |looked_at| end.map_or(looked_at < options.inputs, |end| Instant::now() < end);
    while more(worker.looked_at) {
        let input = mutator.change(&corpus);
        let (new, _) = worker.look(&input);
        if new && corpus.len() < MOST_KEPT {
            corpus.push(input);
        }
    }
    println!(
        "{}: {} inputs, {} of them kept beside {seeds} seeds, {} messages, {} edges covered, at most {} MB",
        target.name,
        worker.looked_at,
        corpus.len() - seeds,
        worker.messages.len(),
        worker.edges.seen(),
        watch::most_bytes() >> 20
    );
}

impl Worker<'_> {
    /// Runs the target on an input; returns true if it shows something new, and the result.
    fn look(&mut self, input: &[u8]) -> (bool, String) {
        self.looked_at += 1;
        let written = self.current.seek(SeekFrom::Start(0)).and_then(|_| self.current.write_all(input));
        written.and_then(|()| self.current.set_len(input.len() as u64)).expect("the input can be noted");
        watch::input_begins();
        let result = catch_unwind(AssertUnwindSafe(|| (self.target.look)(&self.sandbox, input)));
        watch::input_ends();
        // The panic hook has printed message and place.
        let Ok(message) = result else { std::process::exit(101) };
        let shape = message.split(|c: char| c.is_ascii_digit()).collect::<Vec<_>>().concat();
        let shape = shape.chars().take(200).collect();
        let is_new = self.messages.len() < MOST_KEPT && self.messages.insert(shape);
        (self.edges.look().unwrap_or(is_new), message)
    }
}
