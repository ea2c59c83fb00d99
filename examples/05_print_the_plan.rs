//! Plan of a training step, as primitive ops and as fused ops.
//!
//! Expected: two tables. The primitive plan has one op per operation of the textbook algorithm. For two dense layers, the fused
//! plan has 3·2 + 1 = 7 ops in its `gradients` and `update` sections.

use wgrad::fuse::fuse;
use wgrad::lower::{TrainingSpec, lower};
use wgrad::{Adam, Loss, Network};

fn main() -> wgrad::Result<()> {
    let network = Network::parse(64, "128 relu dropout(0.1) 10")?;
    let spec = TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(1e-3), 64);
    let primitive = lower(&spec)?;
    println!("primitive\n\n{primitive}");
    println!("fused\n\n{}", fuse(&primitive)?);
    Ok(())
}
