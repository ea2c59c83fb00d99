//! Every kernel, one op at a time, at its shapes in two networks: on the CPU (the fast CPU kernel if there is one), and
//! on a GPU.
//!
//!     cargo bench --bench kernels                                     on the CPU
//!     cargo bench --bench kernels -- --quick dense_forward            one kernel, roughly
//!     WGRAD_BENCH_DEVICE=gpu cargo bench --bench kernels              also on that device: any name of `wgrad devices`
//!
//! Throughput of matrix multiplications is in FLOP (criterion calls them elements); a multiplication and an addition
//! count as two. That of all other kernels is in bytes, with each number moved once. Kernels that the device does not
//! use at these shapes are listed at the end; on the CPU these include the split-K kernels.
//!
//! On a GPU each op is a submission of its own, unlike in training, so small ops show the driver's overhead.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wgrad::exec::{Executor, Run};
use wgrad::fuse::fuse;
use wgrad::loss::TargetKind;
use wgrad::lower::{InputStorage, TrainingSpec, lower};
use wgrad::plan::{Op, Plan, Section, Step};
use wgrad::rng::{Philox, Stream};
use wgrad::specialize::{DeviceLimits, candidates};
use wgrad::{Device, Loss, Network, Optimizer, Result, Schedule, kernels};

/// Name, inputs, layers and batch size; together they use every loss, every optimizer and every kernel.
const NETWORKS: [(&str, usize, &str, usize); 2] =
    [("digits", 64, "128 relu dropout(0.2) 64 tanh 10", 64), ("mnist", 784, "512 relu dropout(0.2) 256 relu 10", 128)];

fn recipes() -> Vec<(Loss, Optimizer)> {
    // The rate is small enough that parameters stay finite after many repeated updates.
    let optimizers = Optimizer::one_per_update().into_iter().map(|optimizer| optimizer.with_learning_rate(1e-9));
    let losses: Vec<Loss> = Loss::all().collect();
    losses.into_iter().cycle().zip(optimizers).collect()
}

/// Returns all networks as fused and as primitive plans, and fused on images: name and spec with plan.
fn plans() -> Result<Vec<(&'static str, TrainingSpec, Plan)>> {
    let mut plans = Vec::new();
    for (name, inputs, layers, batch) in NETWORKS {
        for (loss, optimizer) in recipes() {
            let spec = TrainingSpec::new(Network::parse(inputs, layers)?, loss, optimizer, batch);
            let data_rows = Some(4 * batch);
            let spec = TrainingSpec { data_rows, clip_norm: Some(1.0), evaluate_rows: batch, ..spec };
            let primitive = lower(&spec)?;
            plans.push((name, spec.clone(), fuse(&primitive)?));
            plans.push((name, spec.clone(), primitive));
            let images = TrainingSpec { data_inputs: InputStorage::Bytes, ..spec };
            plans.push((name, images.clone(), Plan::for_training(&images)?));
        }
    }
    Ok(plans)
}

/// Returns the same networks with the last tiles that a GPU can have, which are often split into parts (split-K).
fn cut(plans: &[(&'static str, TrainingSpec, Plan)], target: &DeviceLimits) -> Vec<(&'static str, TrainingSpec, Plan)> {
    let DeviceLimits::Gpu(limits) = target else { return Vec::new() };
    let first = plans.iter().filter(|(_, spec, _)| spec.loss == recipes()[0].0);
    let last = |(name, spec, plan): &(&'static str, TrainingSpec, Plan)| {
        let mut plan = plan.clone();
        plan.set_tiles(|op, shapes| candidates(op, shapes, limits).pop());
        (*name, spec.clone(), plan)
    };
    first.map(last).collect()
}

/// Writes parameters and data, and runs every section once, so that all views have realistic contents.
fn fill(executor: &mut dyn Executor, spec: &TrainingSpec) -> Result<Step> {
    let mut random = Philox::new(0, Stream::Data, 0);
    for (layer, tensor) in spec.network.tensors() {
        let number = |_| ((0.2 * random.uniform() - 0.1) as f32).to_bits();
        write(executor, &format!("layer{layer}.{}", tensor.name), number)?;
    }
    let classes = spec.network.outputs() as u32;
    for part in ["data", "evaluate"] {
        write(executor, &format!("{part}.input"), |_| (random.uniform() as f32).to_bits())?;
        write(executor, &format!("{part}.target"), |_| match spec.loss.target_kind() {
            TargetKind::Class => random.below(classes),
            TargetKind::Numbers => (random.below(2) as f32).to_bits(),
        })?;
    }
    if executor.plan().find("data.table").is_some() {
        write(executor, "data.table", |_| (random.uniform() as f32).to_bits())?;
    }
    write(executor, "index", |at| (at * 7 % (4 * spec.micro_batch)) as u32)?;
    let step = spec.record(&Schedule::Constant, 0, 0, 0, spec.micro_batch);
    let last = [Section::Evaluate, Section::Score].map(|section| Run { section, batch_index: 0 });
    executor.submit(&[step], &[Run::submission(&[step]), last.to_vec()].concat())?;
    Ok(step)
}

fn write(executor: &mut dyn Executor, name: &str, word: impl FnMut(usize) -> u32) -> Result<()> {
    let view = executor.plan().named(name)?;
    let words: Vec<u32> = (0..executor.plan().shape(view).elements()).map(word).collect();
    executor.write(view, 0, &words)
}

/// Formats shapes that are read and written: `mnist 128×784 512×784 512 → 128×512`.
fn shapes(name: &str, plan: &Plan, op: &Op) -> String {
    let [read, written] = [false, true].map(|writes| {
        let views = op.kernel.bindings.iter().zip(&op.views).filter(|(binding, _)| binding.access.writes() == writes);
        views.map(|(_, view)| plan.shape(*view).to_string()).collect::<Vec<_>>().join(" ")
    });
    format!("{name} {read} → {written}")
}

/// Matrix multiplications have many more operations than numbers to move.
fn throughput(plan: &Plan, op: &Op) -> Throughput {
    let (flops, bytes) = (plan.flops(op), plan.traffic(op));
    if flops > 2 * bytes { Throughput::Elements(flops) } else { Throughput::Bytes(bytes) }
}

/// Runs the op `count` times, and waits until it is done.
fn time(executor: &mut dyn Executor, step: Step, run: Run, op: usize, count: u64) -> Result<Duration> {
    let small = executor.plan().named("loss")?;
    let began = Instant::now();
    for _ in 0..count {
        executor.submit_op(&[step], run, op)?;
    }
    executor.read(small, 0)?.wait()?;
    Ok(began.elapsed())
}

/// Measures every op that was not measured before; returns the names of its kernels.
fn bench(criterion: &mut Criterion, device: &Device) -> Result<BTreeSet<&'static str>> {
    let (mut seen, mut names) = (BTreeSet::new(), BTreeSet::new());
    let mut plans = plans()?;
    plans.extend(cut(&plans, &device.limits()));
    for (network, spec, plan) in plans {
        let mut executor = device.executor(plan)?;
        let step = fill(executor.as_mut(), &spec)?;
        let plan = executor.plan().clone();
        for section in Section::ALL {
            for (number, op) in plan.ops(section).iter().enumerate() {
                let shapes = shapes(network, &plan, op);
                if !seen.insert((op.kernel.name, shapes.clone())) {
                    continue;
                }
                names.insert(op.kernel.name);
                let mut group = criterion.benchmark_group(op.kernel.name);
                group.sample_size(10).warm_up_time(Duration::from_millis(100));
                group.measurement_time(Duration::from_millis(400)).throughput(throughput(&plan, op));
                let run = Run { section, batch_index: 0 };
                group.bench_function(BenchmarkId::new(shapes, device), |bench| {
                    let mut time = |count| time(executor.as_mut(), step, run, number, count);
                    bench.iter_custom(|count| time(count).expect("the device answers"));
                });
            }
        }
    }
    Ok(names)
}

/// Runs on the CPU, and on the requested device.
fn all(criterion: &mut Criterion) {
    let named = std::env::var("WGRAD_BENCH_DEVICE").ok().map(|name| Device::named(&name));
    for device in [Ok(Device::cpu())].into_iter().chain(named) {
        let names = device.and_then(|device| bench(criterion, &device)).unwrap_or_else(|error| panic!("{error}"));
        let missing = kernels::ALL.iter().map(|kernel| kernel.name).filter(|name| !names.contains(name));
        println!("not measured: {}", missing.collect::<Vec<_>>().join(", "));
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
