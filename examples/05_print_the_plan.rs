//! What a training step consists of, as primitive ops and fused.
//!
//! Expected: two tables. The primitive plan has one op for each line of a textbook; the fused one has
//! 3·2 + 1 = 7 ops in its `gradients` and `update` sections, for two dense layers.

use wgrad::fuse::fuse;
use wgrad::lower::{TrainingSpec, lower};
use wgrad::{Adam, Loss, Network};

fn main() -> wgrad::Result<()> {
    let network = Network::parse(64, "128 relu dropout(0.1) 10")?;
    let spec = TrainingSpec::new(network, Loss::SoftmaxCrossEntropy, Adam::new(1e-3), 64);
    let primitive = lower(&spec)?;
    println!("primitive\n\n{primitive}");
    println!("fused\n\n{}", fuse(&primitive)?);
    Ok(())
}
