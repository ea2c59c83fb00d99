//! Test suite: its tests, the mutants that each reaches, and the run of tests against a mutant.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::tree::Binary;

/// One test of a binary.
#[derive(Clone)]
pub struct Test {
    /// Index into the binaries.
    pub binary: usize,
    pub name: String,
    pub time: Duration,
    /// Mutants that it reaches.
    pub reached: Vec<u32>,
}

pub struct Suite {
    pub binaries: Vec<Binary>,
    pub tests: Vec<Test>,
    /// Folder in which the tests run.
    root: PathBuf,
}

/// Result of a test process.
enum End {
    Passed,
    Failed(String),
    TimedOut,
}

/// Result of a mutant.
pub enum Verdict {
    Killed(String),
    TimedOut(String),
    /// Number of tests that were run, and of those that reach it.
    Survived(usize, usize),
    NotReached,
}

/// Limits on the memory of a process in KiB and the size of a file in blocks: mutants may ask for any amount.
const LIMITS: &str = "ulimit -v 24000000; ulimit -S -f 4000000; exec \"$0\" \"$@\"";

impl Suite {
    /// Runs each test alone without a mutant, and records which mutants it reaches. Tests that fail even so are left
    /// out. Binaries that have not changed since `state` was written are not run again.
    pub fn record(root: &Path, binaries: Vec<Binary>, state: &Path) -> Self {
        let mut suite = Self { binaries, tests: vec![], root: root.into() };
        let known = read_known(state);
        let mut lines = String::new();
        for index in 0..suite.binaries.len() {
            let binary = suite.binaries[index].clone();
            let metadata = fs::metadata(&binary.path).expect("a built test is there");
            let built = metadata.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
            let stamp = format!("{} {}", metadata.len(), built.map_or(0, |time| time.as_nanos()));
            let start = Instant::now();
            let known = known.get(&(binary.name.clone(), stamp.clone()));
            let tests = known.cloned().unwrap_or_else(|| suite.record_binary(index, state));
            lines += &format!("binary\t{}\t{stamp}\n", binary.name);
            for test in &tests {
                let ids: Vec<String> = test.reached.iter().map(ToString::to_string).collect();
                lines += &format!("test\t{}\t{}\t{}\n", test.name, test.time.as_micros(), ids.join(" "));
            }
            if known.is_none() {
                println!("  {}: {} tests, {:.1} s", binary.name, tests.len(), start.elapsed().as_secs_f64());
                let old = fs::read_to_string(state).unwrap_or_default();
                fs::write(state, format!("{old}{}", &lines[lines.rfind("binary\t").unwrap_or_default()..]))
                    .expect("the state can be written");
            }
            suite.tests.extend(tests.into_iter().map(|test| Test { binary: index, ..test }));
        }
        fs::write(state, lines).expect("the state can be written");
        suite
    }

    fn record_binary(&self, binary: usize, state: &Path) -> Vec<Test> {
        let path = &self.binaries[binary].path;
        let list = |more: &[&str]| {
            let arguments = [&["--list", "--format", "terse"], more].concat();
            let output = Command::new(path).args(arguments).current_dir(&self.root).output().expect("a test starts");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            text.lines().filter_map(|line| line.strip_suffix(": test")).map(String::from).collect::<Vec<_>>()
        };
        let ignored = list(&["--ignored"]);
        let log = state.with_extension("reached");
        let mut tests = vec![];
        for name in list(&[]).into_iter().filter(|name| !ignored.contains(name)) {
            let _ = fs::remove_file(&log);
            let start = Instant::now();
            let environment = [("WGRAD_MUTANT", "record"), ("WGRAD_REACHED", log.to_str().expect("UTF-8"))];
            match self.process(binary, &[&name], &environment, Duration::from_secs(600), 0) {
                End::Passed => {}
                End::Failed(_) | End::TimedOut => {
                    println!("  left out: {}::{name} fails without a mutant", self.binaries[binary].name);
                    continue;
                }
            }
            let bytes = fs::read(&log).unwrap_or_default();
            let (words, _) = bytes.as_chunks::<4>();
            let mut reached: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
            reached.sort_unstable();
            reached.dedup();
            tests.push(Test { binary, name, time: start.elapsed(), reached });
        }
        tests
    }

    /// Runs the tests that reach a mutant, those of `first` before all others.
    ///
    /// Tests that would begin after `limit` are not run.
    pub fn judge(&self, id: u32, first: &[usize], limit: Duration, job: usize) -> Verdict {
        let mut tests: Vec<usize> =
            (0..self.tests.len()).filter(|&test| self.tests[test].reached.binary_search(&id).is_ok()).collect();
        if tests.is_empty() {
            return Verdict::NotReached;
        }
        // Short tests that reach few mutants are the likeliest to fail soon.
        tests.sort_by_key(|&test| {
            let known = &self.tests[test];
            (!first.contains(&test), known.time.as_micros() * known.reached.len() as u128, test)
        });
        let mut budget = Duration::from_millis(200);
        let mut rest = &tests[..];
        let mut spent = Duration::ZERO;
        while !rest.is_empty() && spent < limit {
            let mut count = 0;
            let mut time = Duration::ZERO;
            while count < rest.len() && (count == 0 || time < budget) {
                time += self.tests[rest[count]].time;
                count += 1;
            }
            let mut binaries: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
            for &test in &rest[..count] {
                binaries.entry(self.tests[test].binary).or_default().push(&self.tests[test].name);
            }
            for (binary, names) in binaries {
                let limit = Duration::from_secs(20) + 8 * time;
                let name = |test: &str| format!("{}::{test}", self.binaries[binary].name);
                match self.process(binary, &names, &[("WGRAD_MUTANT", &id.to_string())], limit, job) {
                    End::Passed => {}
                    End::Failed(test) => return Verdict::Killed(name(&test)),
                    End::TimedOut => return Verdict::TimedOut(name(names[0])),
                }
            }
            rest = &rest[count..];
            spent += time;
            budget *= 2;
        }
        Verdict::Survived(tests.len() - rest.len(), tests.len())
    }

    /// Runs some tests of a binary in their own process, until one fails.
    fn process(&self, binary: usize, names: &[&str], environment: &[(&str, &str)], limit: Duration, job: usize) -> End {
        // Mutants leave files behind.
        let scratch = self.root.join(format!("../scratch-{job}"));
        let _ = fs::remove_dir_all(&scratch);
        fs::create_dir_all(&scratch).expect("a folder for files of tests can be made");
        let scratch = scratch.canonicalize().expect("it is there");
        let mut command = Command::new("sh");
        command.args(["-c", LIMITS]).arg(&self.binaries[binary].path);
        command.args(["--exact", "--test-threads=1"]).args(names).envs(environment.iter().copied());
        command.env("TMPDIR", &scratch).env("HOME", &scratch).env("XDG_CACHE_HOME", &scratch);
        command.current_dir(&self.root).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.process_group(0).spawn().expect("a test starts");
        let end = watch(&mut child, limit);
        // The group includes the processes that the test has started.
        let group = format!("-{}", child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let status = child.wait().expect("a child that was started");
        match end {
            Some(end) => end,
            None if status.success() => End::Passed,
            None => End::Failed(format!("{} (ended by {status})", names[0])),
        }
    }
}

/// Reads the output of a test process until a test fails; `None` when the process has closed its output.
fn watch(child: &mut Child, limit: Duration) -> Option<End> {
    let deadline = Instant::now() + limit;
    let output = child.stdout.take().expect("it is piped");
    let (send, lines) = channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(output.take(64 << 20));
        let mut line = vec![];
        while reader.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(name) = line.trim_end().strip_suffix("... FAILED") {
                    return Some(End::Failed(name.trim_start_matches("test ").trim().into()));
                }
            }
            Err(RecvTimeoutError::Timeout) => return Some(End::TimedOut),
            Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    // The output is closed, but the process may hang.
    while Instant::now() < deadline {
        match child.try_wait() {
            Ok(None) => thread::sleep(Duration::from_millis(2)),
            _ => return None,
        }
    }
    Some(End::TimedOut)
}

/// Reads the results of an earlier run, by name and stamp of the binary.
fn read_known(state: &Path) -> HashMap<(String, String), Vec<Test>> {
    let text = fs::read_to_string(state).unwrap_or_default();
    let mut known: HashMap<(String, String), Vec<Test>> = HashMap::new();
    let mut current = None;
    for line in text.lines() {
        let parts: Vec<&str> = line.split('\t').collect();
        match parts[..] {
            ["binary", name, stamp] => {
                let key = (name.to_string(), stamp.to_string());
                known.insert(key.clone(), vec![]);
                current = Some(key);
            }
            ["test", name, time, ids] => {
                let time = Duration::from_micros(time.parse().unwrap_or_default());
                let reached = ids.split_whitespace().filter_map(|id| id.parse().ok()).collect();
                let tests = current.as_ref().and_then(|key| known.get_mut(key));
                if let Some(tests) = tests {
                    tests.push(Test { binary: 0, name: name.into(), time, reached });
                }
            }
            _ => {}
        }
    }
    known
}
