//! A whole training step (forward, loss, backward, optimizer) of the five networks of `workloads.json`, as `Trainer`
//! takes it: in submissions, losses read.
//!
//!     cargo bench --bench step                                        on the CPU
//!     cargo bench --bench step -- --quick 'digits|mnist'              two networks, roughly
//!     WGRAD_BENCH_DEVICE=gpu cargo bench --bench step                 on that device, too: any name of `wgrad devices`
//!
//! Throughput is in FLOP (criterion calls them elements): a multiplication and an addition are two. `wide` takes seconds
//! a step on two cores; --quick, or leaving it out, keeps the bench short.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use serde::Deserialize;
use wgrad::fuse::fuse;
use wgrad::lower::{Description, lower};
use wgrad::plan::Section;
use wgrad::rng::{Philox, Stream};
use wgrad::{Adam, Dataset, Device, Loss, Network, Result, Trainer};

/// The most that the rows of a workload take, in bytes, and the most batches that they make.
const MOST_BYTES: usize = 16 << 20;
const MOST_BATCHES: usize = 128;

/// Submissions after which a device that works on its own is as far behind the host as it ever is.
const IN_FLIGHT: usize = 3;

#[derive(Deserialize)]
struct Workload {
    layers: Vec<usize>,
    batch: usize,
}

impl Workload {
    fn network(&self) -> Network {
        let last = self.layers.len() - 1;
        let hidden = |network: Network, outputs: &usize| network.dense(*outputs).relu();
        self.layers[1..last].iter().fold(Network::input(self.layers[0]), hidden).dense(self.layers[last])
    }

    fn flops(&self) -> Result<u64> {
        let description = Description::new(self.network(), Loss::SoftmaxCrossEntropy, Adam::new(1e-3), self.batch);
        let plan = fuse(&lower(&description)?)?;
        let ops = [Section::Gradients, Section::Update].into_iter().flat_map(|section| plan.ops(section));
        Ok(ops.map(|op| plan.flops(op)).sum())
    }

    fn data(&self) -> Result<Dataset> {
        let (inputs, outputs) = (self.layers[0], self.layers[self.layers.len() - 1]);
        let rows = self.batch * (MOST_BYTES / (4 * (inputs + 1) * self.batch)).clamp(2, MOST_BATCHES);
        let mut random = Philox::new(0, Stream::Data, 0);
        let input: Vec<f32> = (0..rows * inputs).map(|_| (2.0 * random.uniform() - 1.0) as f32).collect();
        let classes: Vec<u32> = (0..rows).map(|_| random.below(outputs as u32)).collect();
        Dataset::classes("random", inputs, &input, &classes, (0..outputs).map(|class| class.to_string()))
    }

    /// A trainer in the midst of its work.
    fn trainer(&self, device: &Device) -> Result<Trainer> {
        let builder = Trainer::builder(self.network()).loss(Loss::SoftmaxCrossEntropy).optimizer(Adam::new(1e-3));
        let mut trainer = builder.batch(self.batch).build(device)?;
        trainer.load(&self.data()?)?;
        for _ in 0..IN_FLIGHT {
            trainer.advance()?;
        }
        Ok(trainer)
    }
}

/// The time of `count` steps. Submissions are whole: what they do beyond is taken off in proportion.
fn steps(trainer: &mut Trainer, count: u64) -> Result<Duration> {
    let (began, first) = (Instant::now(), trainer.steps());
    while trainer.steps() < first + count {
        trainer.advance()?;
    }
    Ok(began.elapsed().mul_f64(count as f64 / (trainer.steps() - first) as f64))
}

/// The CPU, and the device that is asked for.
fn devices() -> Result<Vec<Device>> {
    let named = std::env::var("WGRAD_BENCH_DEVICE").ok();
    let named = named.map(|name| Device::named(&name)).transpose()?;
    Ok([Device::cpu()].into_iter().chain(named).collect())
}

fn bench(criterion: &mut Criterion) -> Result<()> {
    let text = include_str!("workloads.json");
    let workloads: BTreeMap<String, Workload> = serde_json::from_str(text).expect("the file is tested by this bench");
    for device in devices()? {
        let mut group = criterion.benchmark_group("step");
        group.sample_size(10).sampling_mode(SamplingMode::Flat);
        group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
        for (name, workload) in &workloads {
            group.throughput(Throughput::Elements(workload.flops()?));
            // Built only if the filter lets the bench run.
            let mut trainer = None;
            group.bench_function(BenchmarkId::new(name, &device), |bench| {
                let trainer = trainer.get_or_insert_with(|| workload.trainer(&device).expect("the device holds it"));
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
