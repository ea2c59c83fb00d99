//! Plan of a training step, as primitive ops and as fused ops.
//!
//! Expected: two tables. The primitive plan has one op per mathematical operation, such as adding a bias. For two dense
//! layers, the fused plan has 3·2 + 1 = 7 ops in its `gradients` and `update` sections.

use wgrad::lower::{TrainingSpec, lower};
use wgrad::plan::Plan;
use wgrad::{Adam, Loss, Network};

fn main() -> wgrad::Result<()> {
    let network = Network::parse(64, "128 relu dropout(0.1) 10")?;
    let spec = TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(1e-3), 64);
    println!("primitive\n\n{}", lower(&spec)?);
    println!("fused\n\n{}", Plan::for_training(&spec)?);
    Ok(())
}
