//! Training step (forward pass, loss, backward pass, optimizer) of the five networks of `workloads.json`, run by
//! `Trainer` in submissions, with losses read back.
//!
//!     cargo bench --bench step                                        on the CPU
//!     cargo bench --bench step -- --quick 'digits|mnist'              two networks, roughly
//!     WGRAD_BENCH_DEVICE=gpu cargo bench --bench step                 also on that device: any name of `wgrad devices`
//!
//! Throughput is in FLOP (criterion calls them elements); a multiplication and an addition count as two. A step of
//! `wide` takes seconds on two cores; `--quick`, or leaving it out, keeps the bench short.

use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use wgrad::lower::TrainingSpec;
use wgrad::plan::{Plan, Section};
use wgrad::{Adam, Device, Result, Trainer};
use workload::{Workload, named};

#[path = "shared/workload.rs"]
mod workload;

/// Largest size of a workload's rows in bytes, and largest number of its batches.
const MOST_BYTES: usize = 16 << 20;
const MOST_BATCHES: usize = 128;

fn batches(workload: &Workload) -> usize {
    (MOST_BYTES / (4 * (workload.layers[0] + 1) * workload.batch)).clamp(2, MOST_BATCHES)
}

/// Returns the operations of a step, including the optimizer's.
fn flops(workload: &Workload) -> Result<u64> {
    let spec = TrainingSpec::new(workload.network(), workload.loss(), Adam::new(1e-3), workload.batch);
    let plan = Plan::for_training(&spec)?;
    let ops = [Section::Gradients, Section::Update].into_iter().flat_map(|section| plan.ops(section));
    Ok(ops.map(|op| plan.flops(op)).sum())
}

/// Returns the time of `count` steps. Submissions are run completely; the time of extra steps is subtracted in
/// proportion.
fn steps(trainer: &mut Trainer, count: u64) -> Result<Duration> {
    let (began, first) = (Instant::now(), trainer.steps());
    while trainer.steps() < first + count {
        trainer.advance()?;
    }
    Ok(began.elapsed().mul_f64(count as f64 / (trainer.steps() - first) as f64))
}

/// Returns the CPU, and the requested device.
fn devices() -> Result<Vec<Device>> {
    let named = std::env::var("WGRAD_BENCH_DEVICE").ok();
    let named = named.map(|name| Device::named(&name)).transpose()?;
    Ok([Device::cpu()].into_iter().chain(named).collect())
}

fn bench(criterion: &mut Criterion) -> Result<()> {
    let workloads = named();
    for device in devices()? {
        let mut group = criterion.benchmark_group("step");
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
        for (name, workload) in &workloads {
            group.throughput(Throughput::Elements(flops(workload)?));
            // Built only if the filter lets the bench run.
            let mut trainer = None;
            group.bench_function(BenchmarkId::new(name, &device), |bench| {
                let trainer = trainer
                    .get_or_insert_with(|| workload.trainer(&device, batches(workload)).expect("the device holds it"));
                bench.iter_custom(|count| steps(trainer, count).expect("the device answers"));
            });
        }
    }
    Ok(())
}

fn all(criterion: &mut Criterion) {
    bench(criterion).unwrap_or_else(|error| panic!("{error}"));
}

criterion_group!(benches, all);
criterion_main!(benches);
