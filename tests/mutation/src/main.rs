//! Mutation tests of `src` outside the kernels, which have their own in `tests/mutants` and `tests/gpu/mutants`.
//!
//! A copy of the library and the command is built once, with all mutants in it. An environment variable switches one of
//! them on. Each test runs once without a mutant and records which mutants it reaches. Then each mutant is tested by
//! the tests that reach it. Results are kept in `target/mutation`, and an interrupted run resumes from there.

mod points;
mod record;
mod suite;
mod tree;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use points::{File, Mutant};
use record::Record;
use suite::{Suite, Verdict};
use tree::{Tree, sources};

const HELP: &str = "\
Mutation tests of wgrad's source outside the kernels.

    cargo run --manifest-path tests/mutation/Cargo.toml -- COMMAND [OPTIONS]

Commands:
  list    Prints the mutants, without building anything
  check   Checks that each line of survivors.txt still names a mutant and has a reason
  run     Builds the mutants and runs the tests that reach each

Options:
  --files GLOBS       Only mutants of files below src that match, separated by commas, * for any text
  --sample N          Only N mutants, drawn by --seed [default: all]
  --seed S            Seed of the sample [default: 1]
  --shard I/N         The I-th of N parts, from 1
  --jobs N            Mutants tested in parallel [default: 1]
  --matmuls           Mutants of numeric/matmul instead of all others
  --lean              Builds only the mutants that are asked for: faster to build and to run, good for one sample
  --again             Tests survivors again
  --limit SECONDS     Seconds of tests for one mutant, the likeliest first [default: all tests that reach it]
  --tests NAMES       Only these test binaries, separated by commas; `unit` for those in src [default: all]
  --target-dir DIR    Folder for builds [default: target/mutation/build]
";

/// Inner loops of matrix multiplications. Thousands of mutants in them compile very slowly, and would slow down every
/// test of other mutants, so they have a separate build.
const MATMULS: &str = "numeric/matmul/";

struct Options {
    files: String,
    sample: Option<usize>,
    seed: u64,
    shard: (usize, usize),
    jobs: usize,
    matmuls: bool,
    lean: bool,
    again: bool,
    limit: Duration,
    tests: String,
    target: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((command, options)) = parse(&arguments) else {
        eprint!("{HELP}");
        return ExitCode::from(2);
    };
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository");
    let mut files: Vec<File> = sources(&repository.join("src"))
        .iter()
        .map(|(path, text)| match path.starts_with("kernels/") {
            true => File { path: path.clone(), text: text.clone(), points: vec![], mutants: vec![] },
            false => points::find(path, text),
        })
        .collect();
    let survivors = repository.join("tests/mutation/survivors.txt");
    let survivors = fs::read_to_string(survivors).expect("the record of survivors can be read");
    match command {
        "list" => {
            let all = flat(&files);
            let chosen: Vec<String> = choose(&all, &options).into_iter().map(|index| all[index].name()).collect();
            // The reader of the list may close it early.
            let _ = writeln!(std::io::stdout(), "{}", chosen.join("\n"));
            eprintln!("{} mutants", chosen.len());
            ExitCode::SUCCESS
        }
        "check" => stale(&Record::read(&survivors, &flat(&files))),
        _ => run(&repository, &mut files, &survivors, &options),
    }
}

fn flat(files: &[File]) -> Vec<&Mutant> {
    files.iter().flat_map(|file| &file.mutants).collect()
}

fn parse(arguments: &[String]) -> Option<(&str, Options)> {
    let (command, rest) = arguments.split_first()?;
    let mut options = Options {
        files: "*".into(),
        sample: None,
        seed: 1,
        shard: (1, 1),
        jobs: 1,
        matmuls: false,
        lean: false,
        again: false,
        limit: Duration::MAX,
        tests: "*".into(),
        target: None,
    };
    let mut rest = rest.iter();
    while let Some(option) = rest.next() {
        let flag = match option.as_str() {
            "--again" => Some(&mut options.again),
            "--matmuls" => Some(&mut options.matmuls),
            "--lean" => Some(&mut options.lean),
            _ => None,
        };
        if let Some(flag) = flag {
            *flag = true;
            continue;
        }
        let value = rest.next()?;
        match option.as_str() {
            "--files" => options.files = value.clone(),
            "--sample" => options.sample = Some(value.parse().ok()?),
            "--seed" => options.seed = value.parse().ok()?,
            "--shard" => {
                let (part, parts) = value.split_once('/')?;
                options.shard = (part.parse().ok()?, parts.parse().ok()?);
                (1..=options.shard.1).contains(&options.shard.0).then_some(())?;
            }
            "--jobs" => options.jobs = value.parse().ok()?,
            "--limit" => options.limit = Duration::from_secs(value.parse().ok()?),
            "--tests" => options.tests = value.clone(),
            "--target-dir" => options.target = Some(PathBuf::from(value)),
            _ => return None,
        }
    }
    ["list", "check", "run"].contains(&command.as_str()).then_some((command, options))
}

/// Matches a text against a pattern in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text
            .strip_prefix(start)
            .is_some_and(|text| (0..=text.len()).any(|at| text.is_char_boundary(at) && matches(rest, &text[at..]))),
    }
}

fn stale(record: &Record<'_>) -> ExitCode {
    for line in record.stale() {
        println!("stale in survivors.txt: no mutant has this name, or there is no reason: {line}");
    }
    if record.stale().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Results so far, by name of the mutant, and their file.
struct Results {
    known: HashMap<String, String>,
    file: fs::File,
}

impl Results {
    /// Reads earlier results. Results of other sources are discarded, and so are survivors of other tests.
    fn open(folder: &Path, sources: u64, tests: u64, again: bool) -> Self {
        let path = folder.join("results.txt");
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut lines = text.lines();
        let head: Vec<String> = lines.next().unwrap_or_default().split('\t').map(String::from).collect();
        let same = |index: usize, hash: u64| head.get(index).is_some_and(|text| *text == format!("{hash:x}"));
        let mut known: HashMap<String, String> = HashMap::new();
        if same(0, sources) {
            let results = lines.filter_map(|line| line.split_once('\t'));
            known.extend(results.map(|(result, name)| (name.into(), result.into())));
            let stays = |result: &String| result.starts_with("killed") || result.starts_with("timed out");
            known.retain(|_, result| stays(result) || same(1, tests) && !again);
        }
        let mut text = format!("{sources:x}\t{tests:x}\n");
        for (name, result) in &known {
            text += &format!("{result}\t{name}\n");
        }
        fs::write(&path, text).expect("results can be written");
        let file = fs::OpenOptions::new().append(true).open(&path).expect("results can be written");
        Self { known, file }
    }

    fn add(&mut self, name: String, result: String) {
        writeln!(self.file, "{result}\t{name}").expect("results can be written");
        self.known.insert(name, result);
    }
}

fn hash(files: &[(String, String)]) -> u64 {
    let mut hasher = DefaultHasher::new();
    files.hash(&mut hasher);
    hasher.finish()
}

fn run(repository: &Path, files: &mut [File], survivors: &str, options: &Options) -> ExitCode {
    let build = ["", "lean"][usize::from(options.lean)].to_string() + ["", "products"][usize::from(options.matmuls)];
    let folder = repository.join("target/mutation/state").join(build);
    fs::create_dir_all(&folder).expect("the folder of results can be made");
    let target =
        options.target.clone().map_or(repository.join("target/mutation/build"), |target| repository.join(target));
    let start = Instant::now();
    let part = |text: &str| println!("== {text} ({} s)", start.elapsed().as_secs());

    part("sources with mutants");
    let source_hash = hash(&sources(&repository.join("src")));
    let mut tests = sources(&repository.join("tests"));
    tests.retain(|(path, _)| !path.starts_with("mutation/"));
    let test_hash = hash(&tests);
    let tree = Tree::copy(repository, &repository.join("target/mutation/tree"), &target);
    let dropped = folder.join("dropped.txt");
    let known = fs::read_to_string(&dropped).unwrap_or_default();
    let known: std::collections::HashSet<&str> = known.lines().collect();
    for mutant in files.iter_mut().flat_map(|file| &mut file.mutants) {
        mutant.dropped = known.contains(mutant.name().as_str());
        mutant.elsewhere = mutant.file.starts_with(MATMULS) != options.matmuls;
    }
    if options.lean {
        let chosen: std::collections::HashSet<String> = {
            let all = flat(files);
            choose(&all, options).into_iter().map(|index| all[index].name()).collect()
        };
        for mutant in files.iter_mut().flat_map(|file| &mut file.mutants) {
            mutant.elsewhere = !chosen.contains(&mutant.name());
        }
    }
    let rounds = tree.drop_refused(files);
    let all = flat(files);
    let built = all.iter().filter(|mutant| !mutant.elsewhere).count();
    let names: Vec<String> = all.iter().filter(|mutant| mutant.dropped).map(|mutant| mutant.name()).collect();
    fs::write(&dropped, names.join("\n")).expect("the state can be written");
    println!("{built} mutants of {}, {} do not compile ({rounds} rounds)", all.len(), names.len());

    part("tests");
    let tests: Vec<&str> = options.tests.split(',').collect();
    let binaries = tree.build(&tests);
    part("mutants that tests reach");
    // Numbers of mutants depend on all sources.
    let suite = Suite::record(&tree.root, binaries, &folder.join(format!("reached-{source_hash:x}.txt")));
    println!("{} tests, {:.0} s one by one", suite.tests.len(), seconds(&suite));

    part("mutants");
    let results = Results::open(&folder, source_hash, test_hash, options.again);
    let record = Record::read(survivors, &all);
    let chosen = choose(&all, options);
    let results = Mutex::new(results);
    judge(&suite, &all, &chosen, &record, &results, options);
    let results = results.into_inner().expect("no job has panicked");
    report(&all, &chosen, &record, &results.known)
}

fn seconds(suite: &Suite) -> f64 {
    suite.tests.iter().map(|test| test.time.as_secs_f64()).sum()
}

/// Returns the indices of the mutants that the options select, in the order of their files.
fn choose(all: &[&Mutant], options: &Options) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..all.len()).collect();
    chosen
        .retain(|&index| all[index].is_built() && options.files.split(',').any(|glob| matches(glob, &all[index].file)));
    if let Some(count) = options.sample {
        // Sorted by a hash, so that a mutant keeps its place when others are added or removed.
        chosen.sort_by_key(|&index| {
            let mut hasher = DefaultHasher::new();
            (options.seed, all[index].name()).hash(&mut hasher);
            hasher.finish()
        });
        chosen.truncate(count);
        chosen.sort_unstable();
    }
    let (part, parts) = options.shard;
    chosen.into_iter().enumerate().filter(|(at, _)| at % parts == part - 1).map(|(_, index)| index).collect()
}

fn judge(
    suite: &Suite,
    all: &[&Mutant],
    chosen: &[usize],
    record: &Record<'_>,
    results: &Mutex<Results>,
    options: &Options,
) {
    let next = AtomicUsize::new(0);
    // Tests that have killed mutants of the same file are tried first.
    let killers: Mutex<HashMap<&str, Vec<usize>>> = Mutex::default();
    let work = |job: usize| {
        while let Some(&index) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mutant = all[index];
            let name = mutant.name();
            let is_known = results.lock().expect("no job has panicked").known.contains_key(&name);
            if is_known || record.is_argued(index) {
                continue;
            }
            let start = Instant::now();
            let first = killers.lock().expect("no job has panicked").get(&*mutant.file).cloned().unwrap_or_default();
            let id = u32::try_from(index + 1).expect("fewer mutants than that");
            let result = match suite.judge(id, &first, options.limit, job) {
                Verdict::Killed(test) => {
                    let killer =
                        |known: &suite::Test| test == format!("{}::{}", suite.binaries[known.binary].name, known.name);
                    if let Some(killer) = suite.tests.iter().position(killer) {
                        let mut killers = killers.lock().expect("no job has panicked");
                        let known = killers.entry(&mutant.file).or_default();
                        if known.len() < 4 && !known.contains(&killer) {
                            known.push(killer);
                        }
                    }
                    format!("killed by {test}")
                }
                Verdict::TimedOut(test) => format!("timed out in {test}"),
                Verdict::Survived(run, all) => format!("survived {run} of {all} tests"),
                Verdict::NotReached => "not reached".into(),
            };
            println!("{:6.1} s  {result}: {name}", start.elapsed().as_secs_f64());
            results.lock().expect("no job has panicked").add(name, result);
        }
    };
    thread::scope(|scope| {
        for job in 0..options.jobs.max(1) {
            let work = &work;
            scope.spawn(move || work(job));
        }
    });
}

fn report(all: &[&Mutant], chosen: &[usize], record: &Record<'_>, results: &HashMap<String, String>) -> ExitCode {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut red = vec![];
    for &index in chosen {
        let name = all[index].name();
        let result = results.get(&name).map_or("", String::as_str);
        let kinds = ["killed", "timed out", "survived", "not reached"];
        let kind = kinds.into_iter().find(|kind| result.starts_with(kind));
        let argued = record.is_argued(index);
        if !argued && matches!(kind, Some("survived" | "not reached")) {
            red.push(format!("{result}: {name}"));
        }
        *counts.entry(if argued { "equivalent as argued" } else { kind.unwrap_or("not judged") }).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
    for line in &red {
        println!("{line}");
    }
    println!("mutants outside the kernels: {} judged: {}", chosen.len(), counts.join(", "));
    let fresh = stale(record);
    if red.is_empty() { fresh } else { ExitCode::FAILURE }
}
