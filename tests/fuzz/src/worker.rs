//! Feeds one target: first its corpus, then changes to it; what shows something new is changed further.

use std::collections::HashSet;
use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use super::mutation::Mutator;
use super::targets::{Sandbox, Target};
use super::{Options, watch};

/// Most inputs that are kept for further changes; more of them would each be changed too seldom.
const MOST_KEPT: usize = 5000;

struct Worker<'a> {
    target: &'a Target,
    sandbox: Sandbox,
    /// Where the input stands that is being looked at.
    current: File,
    /// Messages seen so far, without their numbers.
    messages: HashSet<String>,
    edges: watch::Edges,
    looked_at: u64,
}

/// Looks at the inputs that the options say; ends the process at the first fault.
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
        "{}: {} inputs, {} of them new beside {seeds} seeds, {} messages, {} edges of code, at most {} MB",
        target.name,
        worker.looked_at,
        corpus.len() - seeds,
        worker.messages.len(),
        worker.edges.seen(),
        watch::most_bytes() >> 20
    );
}

impl Worker<'_> {
    /// Hands an input to the target; returns whether it has shown something new, and what came of it.
    fn look(&mut self, input: &[u8]) -> (bool, String) {
        self.looked_at += 1;
        let written = self.current.seek(SeekFrom::Start(0)).and_then(|_| self.current.write_all(input));
        written.and_then(|()| self.current.set_len(input.len() as u64)).expect("the input can be noted");
        watch::input_begins();
        let result = catch_unwind(AssertUnwindSafe(|| (self.target.look)(&self.sandbox, input)));
        watch::input_ends();
        // The hook has told what and where.
        let Ok(message) = result else { std::process::exit(101) };
        let shape = message.split(|c: char| c.is_ascii_digit()).collect::<Vec<_>>().concat();
        let shape = shape.chars().take(200).collect();
        let said = self.messages.len() < MOST_KEPT && self.messages.insert(shape);
        (self.edges.look().unwrap_or(said), message)
    }
}
