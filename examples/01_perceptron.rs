//! Rosenblatt's perceptron on the gates AND, OR and XOR.
//!
//! Expected: AND and OR are learned in fewer than 10 epochs. The perceptron converges on linearly separable data; XOR
//! is not linearly separable (Minsky and Papert 1969), and is not learned.

use wgrad::{Dataset, Dense, Device, Fit, Init, Loss, Network, Sgd, Trainer, data};

const MOST_EPOCHS: usize = 100;

fn main() -> wgrad::Result<()> {
    for gate in [data::and(), data::or(), data::xor()] {
        match epochs_until_learned(&gate)? {
            Some(epochs) => println!("{}: learned in {epochs} epochs", gate.name()),
            None => println!("{}: not learned in {MOST_EPOCHS} epochs", gate.name()),
        }
    }
    Ok(())
}

/// Trains until all rows are classified correctly, and returns the number of epochs; `None` after [`MOST_EPOCHS`]. With
/// the perceptron loss, a batch size of 1 and a learning rate of 1, training follows Rosenblatt's rule.
fn epochs_until_learned(gate: &Dataset) -> wgrad::Result<Option<usize>> {
    let network = Network::input(2).layer(Dense::new(1).init(Init::Zeros));
    let mut trainer =
        Trainer::builder(network).loss(Loss::perceptron()).optimizer(Sgd::new(1.0)).batch(1).build(&Device::cpu())?;
    for epoch in 1..=MOST_EPOCHS {
        trainer.fit(gate, Fit::epochs(1))?;
        if trainer.evaluate(gate)?.accuracy()? == 1.0 {
            return Ok(Some(epoch));
        }
    }
    Ok(None)
}
