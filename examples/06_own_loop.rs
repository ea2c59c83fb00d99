//! Custom training loop: batches from any source, access to gradients, losses on demand.
//!
//! Expected: with targets y = 3·x₀ − 2·x₁ + 1, the loss falls below 0.0001 within 200 steps. The weights become 3 and
//! −2, the bias 1.

use rand::RngExt;
use wgrad::rng::{Philox, Stream};
use wgrad::{Adam, Device, Loss, Network, Trainer};

fn main() -> wgrad::Result<()> {
    let mut trainer = Trainer::builder(Network::input(2).dense(1))
        .loss(Loss::mean_squared_error())
        .optimizer(Adam::new(0.1))
        .batch(32)
        .build(&Device::cpu())?;
    let mut random = Philox::new(1, Stream::Data, 0);
    for step in 1..=200 {
        let features: Vec<f32> = (0..64).map(|_| random.random_range(-2.0..2.0)).collect();
        let targets: Vec<f32> = features.chunks(2).map(|x| 3.0 * x[0] - 2.0 * x[1] + 1.0).collect();
        let loss = trainer.step(&features, &targets)?;
        if step % 50 == 0 {
            let norm = trainer.gradients()?.iter().flat_map(|g| &g.values).map(|g| g * g).sum::<f32>().sqrt();
            println!("step {step}: loss {:.6}, norm of the gradients {norm:.6}", loss.value()?);
        }
    }
    for parameter in trainer.parameters()? {
        println!("{} {:?} = {:.3?}", parameter.name, parameter.shape, parameter.values);
    }
    Ok(())
}
