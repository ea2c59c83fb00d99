//! Training steps on the CPU, timed like those of `peers/python_peer.py` and `peers/rust`, so that programs can be
//! compared: `peers/compare.py` does so, and `peers/growth.py` plots how the time grows with the network.
//!
//!     cargo bench --no-default-features --bench steps -- mnist wide         of workloads.json; all of them by default
//!     cargo bench --no-default-features --bench steps -- --threads 1 --seconds 1
//!     cargo bench --no-default-features --bench steps -- --layers 784,512,10 --batch 128 --name mine
//!     cargo bench --no-default-features --bench steps -- --layers 784,512,10 --batch 128 --between "batch_norm relu"
//!     cargo bench --no-default-features --bench steps -- --peak             peak rate of the processor
//!
//! The data set has the rows of eight batches, and is shuffled for each epoch. `ms` is the median time per step over
//! blocks of at least a quarter of a second, `best_ms` that of the fastest block. `gflops` counts only the matrix
//! multiplications of the median step; a multiplication and an addition are two operations.

use std::hint::black_box;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::{Duration, Instant};

use pulp::{Arch, Simd, WithSimd};
use serde_json::json;
use wgrad::{Device, Result};
use workload::{Workload, named};

#[path = "shared/workload.rs"]
mod workload;

const BATCHES: usize = 8;
const BLOCK: Duration = Duration::from_millis(250);

const USAGE: &str = "usage: steps [--threads N] [--seconds S] [WORKLOAD …]
       steps [--threads N] [--seconds S] --layers INPUTS,…,OUTPUTS --batch ROWS [--name NAME]
             [--between LAYERS]
       steps [--threads N] [--seconds S] --peak";

struct Arguments {
    threads: usize,
    /// Time per workload.
    budget: Duration,
    peak: bool,
    workloads: Vec<(String, Workload)>,
}

/// Parses a whole number of at least 1.
fn count(option: &str, text: &str) -> std::result::Result<usize, String> {
    match usize::from_str(text) {
        Ok(count) if count > 0 => Ok(count),
        _ => Err(format!("{option} takes whole numbers from 1 on, not `{text}`")),
    }
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> std::result::Result<Self, String> {
        let mut threads = std::thread::available_parallelism().map_or(1, usize::from);
        let (mut budget, mut peak) = (Duration::from_secs(3), false);
        let (mut layers, mut batch, mut name, mut names) = (None, None, None, Vec::new());
        let mut between = String::from("relu");
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            match word.as_str() {
                // Cargo passes this to every bench.
                "--bench" => {}
                "--threads" => threads = count(&word, &value()?)?,
                "--seconds" => {
                    let text = value()?;
                    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
                    budget = seconds.filter(|budget| !budget.is_zero()).ok_or(format!("no time: --seconds {text}"))?;
                }
                "--layers" => {
                    let sizes: std::result::Result<Vec<_>, _> = value()?.split(',').map(|n| count(&word, n)).collect();
                    let sizes = sizes?;
                    if sizes.len() < 2 {
                        return Err("--layers takes at least two sizes: inputs,…,outputs".into());
                    }
                    layers = Some(sizes);
                }
                "--batch" => batch = Some(count(&word, &value()?)?),
                "--name" => name = Some(value()?),
                "--between" => {
                    between = value()?;
                    let text = format!("2 {between} 2");
                    wgrad::Network::parse(2, &text).map_err(|error| format!("--between: {error}"))?;
                }
                "--peak" => peak = true,
                option if option.starts_with('-') => return Err(format!("no option {option}")),
                _ => names.push(word),
            }
        }
        let own = layers.is_some() || batch.is_some() || name.is_some();
        let workloads = match (layers, batch) {
            _ if peak && (own || !names.is_empty()) => return Err("--peak goes without workloads".into()),
            _ if own && !names.is_empty() => {
                return Err(format!("sizes of your own, or names: not `{}` too", names.join(" ")));
            }
            _ if peak => Vec::new(),
            (Some(layers), Some(batch)) => vec![(name.unwrap_or("own".into()), Workload { layers, batch, between })],
            _ if own => return Err("--layers and --batch go together, and --name with both".into()),
            _ => chosen(names)?,
        };
        Ok(Self { threads, budget, peak, workloads })
    }
}

/// Returns the named workloads of `workloads.json`; all without a name.
fn chosen(names: Vec<String>) -> std::result::Result<Vec<(String, Workload)>, String> {
    let known = named();
    let all = known.keys().cloned().collect::<Vec<_>>();
    let names = if names.is_empty() { all.clone() } else { names };
    let found = names.into_iter().map(|name| match known.get(&name) {
        Some(workload) => Ok((name, workload.clone())),
        None => Err(format!("no workload `{name}`: there are {}", all.join(", "))),
    });
    found.collect()
}

/// Counts the forward pass, the weight gradients, and the input gradients of all layers but the first.
fn product_flops(workload: &Workload) -> f64 {
    let matmul = |sizes: &[usize]| 2.0 * (workload.batch * sizes[0] * sizes[1]) as f64;
    3.0 * workload.layers.windows(2).map(matmul).sum::<f64>() - matmul(&workload.layers[..2])
}

/// Returns the milliseconds per step: of the median block and of the best. Each block ends with a complete submission.
fn measure(workload: &Workload, device: &Device, budget: Duration) -> Result<[f64; 2]> {
    let mut trainer = workload.trainer(device, BATCHES)?;
    let (began, mut blocks) = (Instant::now(), Vec::new());
    while blocks.is_empty() || began.elapsed() < budget {
        let (block, first) = (Instant::now(), trainer.steps());
        while block.elapsed() < BLOCK {
            trainer.advance()?;
        }
        blocks.push(block.elapsed().as_secs_f64() * 1e3 / (trainer.steps() - first) as f64);
    }
    blocks.sort_by(f64::total_cmp);
    Ok([blocks[blocks.len() / 2], blocks[0]])
}

/// Multiply-adds on numbers in registers: twelve independent sums, which hide the latency of one and fit the registers
/// of AVX2.
struct MultiplyAdds {
    rounds: usize,
}

const SUMS: usize = 12;

impl WithSimd for MultiplyAdds {
    /// Number of elements per vector.
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let (half, one) = (simd.splat_f32s(black_box(0.5)), simd.splat_f32s(black_box(1.0)));
        let mut sums = [simd.splat_f32s(0.0); SUMS];
        for _ in 0..self.rounds {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, half, one);
            }
        }
        black_box(sums);
        S::F32_LANES
    }
}

/// Returns the highest GFLOP/s that this many threads reached together, without memory traffic. It bounds every step:
/// one may come close to it, but not exceed it.
fn peak(threads: usize, budget: Duration) -> f64 {
    const ROUNDS: usize = 10_000_000;
    let (began, mut best) = (Instant::now(), 0.0_f64);
    while best == 0.0 || began.elapsed() < budget {
        let block = Instant::now();
        let items: usize = std::thread::scope(|scope| {
            let run = || Arch::new().dispatch(MultiplyAdds { rounds: ROUNDS });
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(run)).collect();
            threads.into_iter().map(|thread| thread.join().expect("it only computes")).sum()
        });
        best = best.max((2 * items * SUMS * ROUNDS) as f64 / block.elapsed().as_secs_f64() / 1e9);
    }
    best
}

/// Rounds to a number of decimal places.
fn rounded(number: f64, digits: i32) -> f64 {
    let unit = 10.0_f64.powi(digits);
    (number * unit).round() / unit
}

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("error: {problem}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let Arguments { threads, budget, peak: peak_asked, workloads } = arguments;
    if peak_asked {
        let gflops = rounded(peak(threads, budget), 1);
        println!("{}", json!({"peer": "wgrad", "threads": threads, "workload": "peak", "gflops": gflops}));
    }
    for (name, workload) in workloads {
        let [ms, best_ms] = match measure(&workload, &Device::cpu().threads(threads), budget) {
            Ok(times) => times,
            Err(error) => {
                eprintln!("error: {name}: {error}");
                return ExitCode::FAILURE;
            }
        };
        let line = json!({
            "peer": "wgrad", "threads": threads, "workload": name,
            "ms": rounded(ms, 4), "best_ms": rounded(best_ms, 4),
            "gflops": rounded(product_flops(&workload) / ms / 1e6, 2),
            "samples_per_s": (workload.batch as f64 / ms * 1e3).round() as u64,
        });
        println!("{line}");
    }
    ExitCode::SUCCESS
}
