//! Mutation tests of the shaders: each mutant is one file of `shaders/` with one change, run in lockstep over the cases
//! of the kernels that use the file. A case must kill it, or `survivors.txt` lists it with the reason why no case can
//! distinguish it from the original.
//!
//! Only a sample is run, taken from every file in turn. `WGRAD_MUTANTS` selects it: a number, `all`, `listed` (the
//! mutants of the list), `of gather shared/tiles` (those of some files) or `like TEXT` (those with TEXT in their
//! names); `WGRAD_MUTANTS_SEED` is its seed. All of them take about half an hour (`survivors.txt` has the date of the
//! last full run): `WGRAD_MUTANTS=all cargo test --test gpu mutants_of_shaders -- --nocapture`.

mod changes;

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use cases::case::Case;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use wgrad::Error;
use wgrad::exec::gpu::{GpuDevice, GpuOptions};
use wgrad::kernels;
use wgrad::plan::{Kernel, Op, Shader, Tile, Tiles};
use wgrad::rng::{Philox, Stream};

use crate::common::{adapter_name, open};
use crate::kernels::{cases_of, judge, on_folded_grid, tiles};
use crate::sabotage::{BANDED, STAGED, WIDE};

const SURVIVORS: &str = include_str!("survivors.txt");

/// Default number of mutants in the sample.
const SAMPLE: usize = 60;

/// Number of mutants per device: a device keeps every compiled shader, so a new one is opened after this many.
const MUTANTS_OF_A_DEVICE: usize = 50;

/// File of `shaders/` with one change.
struct Mutant {
    /// Path of the file below `shaders/`, without its suffix.
    file: String,
    function: String,
    /// Changed lines, before and after.
    change: String,
    original: String,
    text: String,
}

/// Kernel with one tile, and the cases that support the tile, small ones first, since most mutants fail them all.
#[derive(Clone)]
struct Variant {
    kernel: &'static Kernel,
    tile: Option<Tile>,
    text: String,
    /// Text, and the preludes of all cases, which may call functions of the text.
    calls: String,
    cases: Vec<Case>,
}

/// Result of a mutant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Verdict {
    Invalid,
    Caught,
    Equivalent,
    Survived,
    /// Listed in `survivors.txt`, but killed.
    Stale,
}

#[test]
fn mutants_of_shaders_are_killed() {
    let Some(name) = adapter_name() else { return };
    let mutants = mutants();
    let chosen = sample(&mutants);
    let watch = watchdog();
    let mut device = open(&name, GpuOptions::default());
    let variants = variants(&device);
    let mut counts: BTreeMap<&str, BTreeMap<Verdict, usize>> = BTreeMap::new();
    for (number, mutant) in chosen.iter().enumerate() {
        if number % MUTANTS_OF_A_DEVICE == MUTANTS_OF_A_DEVICE - 1 {
            device = open(&name, GpuOptions::default());
        }
        if number % 100 == 0 {
            println!("{number} of {} mutants done", chosen.len());
        }
        watch.send(mutant.name()).expect("the watchdog is there");
        let verdict = verdict(&device, mutant, &variants);
        *counts.entry(&mutant.file).or_default().entry(verdict).or_default() += 1;
        if matches!(verdict, Verdict::Survived | Verdict::Stale) {
            println!("{verdict:?}: {}", mutant.name());
        }
    }
    drop(watch);
    report(&mutants, &counts, &device);
    let total = |verdict| counts.values().filter_map(|of| of.get(&verdict)).sum::<usize>();
    assert_eq!((total(Verdict::Survived), total(Verdict::Stale)), (0, 0), "survived, and listed but caught");
    let files: BTreeSet<&str> = mutants.iter().map(|mutant| &*mutant.file).collect();
    for kernel in kernels::ALL {
        assert!(files.iter().any(|file| kernel.name.starts_with(file)), "{} has no mutants", kernel.name);
    }
}

#[test]
fn the_list_of_survivors_names_mutants() {
    let names: BTreeSet<String> = mutants().iter().map(Mutant::name).collect();
    let is_named = |line: &&str| {
        names.iter().any(|name| line.strip_prefix(&format!("{name}: ")).is_some_and(|why| !why.is_empty()))
    };
    let lines = SURVIVORS.lines().skip_while(|line| !line.is_empty()).skip(1);
    let stale: Vec<&str> = lines.filter(|line| !is_named(line)).collect();
    assert!(stale.is_empty(), "no mutants, or no reasons:\n{}", stale.join("\n"));
}

#[test]
fn the_readme_counts_the_mutants_of_shaders() {
    let count = mutants().len();
    let said = format!("{},{:03} of shaders", count / 1000, count % 1000);
    assert!(include_str!("../../../README.md").contains(&said), "README.md does not say `{said}`");
}

impl Mutant {
    fn name(&self) -> String {
        format!("{} {}: {}", self.file, self.function, self.change)
    }

    /// Returns the reason why no case kills it; lines of the list are `FILE FUNCTION: CHANGE: WHY`.
    fn argued(&self) -> Option<&'static str> {
        let start = format!("{}: ", self.name());
        SURVIVORS.lines().find_map(|line| line.strip_prefix(&start))
    }
}

/// Returns all mutants, file by file.
fn mutants() -> Vec<Mutant> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files = Vec::new();
    for below in ["", "shared/"] {
        for entry in folder.join(below).read_dir().expect("the folder of shaders") {
            let name = entry.expect("an entry").file_name().into_string().expect("a plain name");
            files.extend(name.strip_suffix(".wgsl").map(|stem| format!("{below}{stem}")));
        }
    }
    files.sort();
    let text = |file: &String| std::fs::read_to_string(folder.join(format!("{file}.wgsl"))).expect("a shader");
    files.iter().flat_map(|file| mutants_of(file, &text(file))).collect()
}

fn mutants_of(file: &str, original: &str) -> Vec<Mutant> {
    let mut mutants: Vec<Mutant> = Vec::new();
    for change in changes::changes(original) {
        let start = original[..change.at.start].rfind('\n').map_or(0, |at| at + 1);
        let end = change.at.end + original[change.at.end..].find('\n').unwrap_or(0);
        let after = format!("{}{}{}", &original[start..change.at.start], change.to, &original[change.at.end..end]);
        let text = format!("{}{after}{}", &original[..start], &original[end..]);
        let line = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut said = format!("`{}` → `{}`", line(&original[start..end]), line(&after));
        while mutants.iter().any(|other| other.change == said && other.function == change.function) {
            said += ", further down";
        }
        let (file, original) = (file.to_string(), original.to_string());
        mutants.push(Mutant { file, function: change.function, change: said, original, text });
    }
    mutants
}

/// Returns the mutants to run: from every file in turn, in an order that depends on the seed.
fn sample(mutants: &[Mutant]) -> Vec<&Mutant> {
    let count = match env::var("WGRAD_MUTANTS").as_deref() {
        Ok("listed") => return mutants.iter().filter(|mutant| mutant.argued().is_some()).collect(),
        Ok("all") => mutants.len(),
        Ok(of) if of.starts_with("of ") => {
            return mutants.iter().filter(|m| of[3..].split(' ').any(|f| f == m.file)).collect();
        }
        Ok(like) if like.starts_with("like ") => {
            return mutants.iter().filter(|mutant| mutant.name().contains(&like[5..])).collect();
        }
        Ok(count) => count.parse().expect("WGRAD_MUTANTS is a number or `all`"),
        Err(_) => SAMPLE,
    };
    let seed = env::var("WGRAD_MUTANTS_SEED").map_or(1, |seed| seed.parse().expect("WGRAD_MUTANTS_SEED is a number"));
    let mut random = Philox::new(seed, Stream::Data, 0);
    let mut files: BTreeMap<&str, Vec<&Mutant>> = BTreeMap::new();
    mutants.iter().for_each(|mutant| files.entry(&mutant.file).or_default().push(mutant));
    let mut chosen = Vec::new();
    while chosen.len() < count && !files.is_empty() {
        for left in files.values_mut() {
            let next = random.below(left.len() as u32) as usize;
            chosen.push(left.swap_remove(next));
        }
        files.retain(|_, left| !left.is_empty());
    }
    chosen.truncate(count);
    chosen
}

/// Returns variants of every kernel: matrix multiplications with eight tiles that together use every file, and kernels
/// with a one-dimensional grid also with a folded grid, which has idle invocations after the last element.
fn variants(device: &GpuDevice) -> Vec<Variant> {
    let both = [Tile::PLAIN, Tile::SUBGROUPS, STAGED].map(|tile| [tile, Tile { vector: [true; 3], ..tile }]);
    let products: Vec<_> = both.into_iter().flatten().chain([WIDE, BANDED]).map(Some).collect();
    let mut variants = Vec::new();
    for kernel in kernels::ALL {
        let shader = kernel.shader;
        let ways = if shader.tiles.is_some() { &products[..] } else { &[None] };
        for tile in ways {
            let core = shader.tiles.zip(*tile).map(|(tiles, tile)| (tiles.core)(&tile).concat()).unwrap_or_default();
            let mut cases = cases_of(kernel.name);
            cases.retain(|case| tiles(device, case).contains(tile));
            cases.sort_by_key(Case::elements);
            let text = shader.shared.concat() + &core + shader.source;
            let preludes: BTreeSet<String> = cases.iter().map(|case| (shader.prelude)(case.op())).collect();
            let calls = preludes.into_iter().collect::<String>() + &text;
            let variant = Variant { kernel, tile: *tile, text, calls, cases };
            variants.extend(on_folded_grid(kernel).map(|kernel| Variant { kernel, ..variant.clone() }));
            variants.push(variant);
        }
    }
    variants
}

fn verdict(device: &GpuDevice, mutant: &Mutant, variants: &[Variant]) -> Verdict {
    let users = variants.iter().filter(|variant| variant.uses(mutant));
    let mut valid = false;
    for user in users {
        let kernel = user.mutated(mutant);
        if !is_valid(user, kernel) {
            continue;
        }
        valid = true;
        for case in &user.cases {
            match judge(device, case, user.tile, kernel) {
                Ok(_) => {}
                Err(Error::Mismatch { .. }) => return mutant.stale().unwrap_or(Verdict::Caught),
                Err(error) => {
                    // A shader that only the driver rejects. If the device is lost, all later mutants would seem
                    // killed.
                    judge(device, case, user.tile, user.kernel)
                        .unwrap_or_else(|after| panic!("{}: {error}; then {after}", mutant.name()));
                    println!("refused: {}: {error}", mutant.name());
                    return Verdict::Invalid;
                }
            }
        }
    }
    match (valid, mutant.argued()) {
        (false, _) => Verdict::Invalid,
        (true, Some(_)) => Verdict::Equivalent,
        (true, None) => Verdict::Survived,
    }
}

impl Mutant {
    /// Returns `Stale` if the mutant is listed and its result does not depend on the driver; called when it was killed.
    fn stale(&self) -> Option<Verdict> {
        self.argued().filter(|why| !why.starts_with("by driver")).map(|_| Verdict::Stale)
    }
}

impl Variant {
    /// Returns `true` if the mutant's file is part of it, and its function is called (or is a constant, or `main`).
    fn uses(&self, mutant: &Mutant) -> bool {
        let calls = self.calls.matches(&format!("{}(", mutant.function)).count();
        self.text.contains(&mutant.original) && (calls > 1 || ["", "main"].contains(&&*mutant.function))
    }

    /// Returns the kernel with the mutant's text. It is leaked, since kernels are static.
    fn mutated(&self, mutant: &Mutant) -> &'static Kernel {
        let source = Box::leak(self.text.replacen(&mutant.original, &mutant.text, 1).into_boxed_str());
        let shader = self.kernel.shader;
        let tiles = shader.tiles.map(|tiles| Tiles { core: |_| Vec::new(), ..tiles });
        let shader = Shader { source, shared: &[], tiles, ..shader };
        Box::leak(Box::new(Kernel { shader, ..*self.kernel }))
    }
}

/// Checks that the mutant is valid WGSL.
fn is_valid(user: &Variant, kernel: &Kernel) -> bool {
    let Some(case) = user.cases.last() else { return false };
    let wgsl = kernel.shader.wgsl(&Op { tile: user.tile, ..case.op().clone() });
    let Ok(module) = naga::front::wgsl::parse_str(&wgsl) else { return false };
    Validator::new(ValidationFlags::all(), Capabilities::SUBGROUP).validate(&module).is_ok()
}

/// Aborts the tests and names the mutant if it takes minutes: nothing else stops a shader that does not end. It counts
/// single seconds, so that a suspended process counts as one second.
fn watchdog() -> Sender<String> {
    let (sender, receiver) = channel::<String>();
    std::thread::spawn(move || {
        let (mut current, mut seconds) = (String::new(), 0);
        loop {
            match receiver.recv_timeout(Duration::from_secs(1)) {
                Ok(next) => (current, seconds) = (next, 0),
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => return,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) if seconds < 300 => seconds += 1,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    eprintln!("does not end: {current}");
                    std::process::abort();
                }
            }
        }
    });
    sender
}

fn report(mutants: &[Mutant], counts: &BTreeMap<&str, BTreeMap<Verdict, usize>>, device: &GpuDevice) {
    let mut totals = [0; 5];
    for (file, of) in counts {
        let get = |verdict| of.get(&verdict).copied().unwrap_or(0);
        let all = [Verdict::Invalid, Verdict::Caught, Verdict::Equivalent, Verdict::Survived, Verdict::Stale].map(get);
        let made = mutants.iter().filter(|mutant| mutant.file == *file).count();
        println!("{file}: {made} made, {}", said(&all));
        totals.iter_mut().zip(all).for_each(|(total, count)| *total += count);
    }
    println!("mutants of shaders: {} made, {} on {}", mutants.len(), said(&totals), device.adapter());
}

fn said([invalid, caught, equivalent, survived, stale]: &[usize; 5]) -> String {
    let run = caught + equivalent + survived + stale;
    format!(
        "{} taken, {invalid} no WGSL, {run} run: {caught} caught, {equivalent} equivalent as argued, \
         {survived} survived, {stale} listed but caught",
        run + invalid
    )
}
