//! Comparison of the CPU with every GPU adapter of this machine: losses of the same training, and time per step.
//!
//! Expected: for each adapter, losses that differ from the CPU's by rounding only, less than 0.001 in 60 steps, and the
//! time per step on both; without an adapter, a line that says so. A software adapter runs on the CPU and is slower.
//! `wgrad bench` measures larger networks.

use std::time::Instant;

use wgrad::{Dataset, Device, Loss, Network, Sgd, Standardization, Trainer, data};

const STEPS: usize = 60;
const BATCH: usize = 64;

fn main() -> wgrad::Result<()> {
    let digits = data::digits();
    let (cpu_losses, cpu_seconds) = train(&Device::cpu(), &digits)?;
    println!("{}: {:.3} ms per step", Device::cpu(), 1e3 * cpu_seconds);
    let adapters = adapters();
    if adapters.is_empty() {
        println!("no GPU adapter found, not even a software one: nothing to compare");
    }
    for name in adapters {
        let device = Device::named(&name)?;
        let (losses, seconds) = train(&device, &digits)?;
        println!("{device}: {:.3} ms per step", 1e3 * seconds);
        println!("step  CPU     {name}");
        for step in [0, 1, 2, 5, 10, 20, 40, STEPS - 1] {
            println!("{step:>4}  {:.4}  {:.4}", cpu_losses[step], losses[step]);
        }
        let differences = losses.iter().zip(&cpu_losses).map(|(a, b)| (a - b).abs());
        let largest = differences.fold(0.0, f32::max);
        println!("largest difference {largest:.1e}");
        assert!(largest < 1e-3 && losses.iter().all(|loss| loss.is_finite()), "they differ by more than rounding");
    }
    assert!(cpu_losses[STEPS - 1] < 0.5 * cpu_losses[0], "the network has learned");
    Ok(())
}

/// Trains, and returns the loss of each step and the mean time per step in seconds. The time leaves out the first step,
/// which allocates memory.
fn train(device: &Device, data: &Dataset) -> wgrad::Result<(Vec<f32>, f64)> {
    let mut trainer = Trainer::builder(Network::input(64).dense(128).relu().dense(64).relu().dense(10))
        .loss(Loss::softmax_cross_entropy())
        .optimizer(Sgd::new(0.1))
        .preprocessing(Standardization::fit(data)?)
        .batch(BATCH)
        .seed(7)
        .build(device)?;
    let classes = data.class_indices().unwrap_or_default();
    let (mut losses, mut began) = (Vec::new(), Instant::now());
    for step in 0..STEPS {
        let first = step * BATCH % (data.len() - BATCH);
        let rows = first..first + BATCH;
        let loss = trainer.step(&data.input()[64 * rows.start..64 * rows.end], &classes[rows])?;
        losses.push(loss.value()?);
        if step == 0 {
            began = Instant::now();
        }
    }
    Ok((losses, began.elapsed().as_secs_f64() / (STEPS - 1) as f64))
}

/// Indices of all adapters, including software ones.
#[cfg(feature = "gpu")]
fn adapters() -> Vec<String> {
    (0..wgrad::exec::gpu::GpuDevice::list().len()).map(|index| index.to_string()).collect()
}

#[cfg(not(feature = "gpu"))]
fn adapters() -> Vec<String> {
    Vec::new()
}
