//! Rosenblatt's perceptron on the gates AND, OR and XOR.
//!
//! Expected: AND and OR are learnt in fewer than 10 epochs, as the perceptron's convergence theorem promises for
//! sets that a line separates; XOR is not learnt, since no line separates it (Minsky and Papert 1969).

use wgrad::{Dataset, Dense, Device, Fit, Init, Loss, Network, Sgd, Trainer, data};

const MOST_EPOCHS: usize = 100;

fn main() -> wgrad::Result<()> {
    for gate in [data::and(), data::or(), data::xor()] {
        match epochs_until_learnt(&gate)? {
            Some(epochs) => println!("{}: learnt in {epochs} epochs", gate.name()),
            None => println!("{}: not learnt in {MOST_EPOCHS} epochs", gate.name()),
        }
    }
    Ok(())
}

/// One row a step and a learning rate of 1: Rosenblatt's own rule.
fn epochs_until_learnt(gate: &Dataset) -> wgrad::Result<Option<usize>> {
    let network = Network::input(2).layer(Dense::new(1).init(Init::Zeros));
    let mut trainer =
        Trainer::builder(network).loss(Loss::Perceptron).optimizer(Sgd::new(1.0)).batch(1).build(&Device::cpu())?;
    for epoch in 1..=MOST_EPOCHS {
        trainer.fit(gate, Fit::epochs(1))?;
        if trainer.evaluate(gate)?.accuracy()? == 1.0 {
            return Ok(Some(epoch));
        }
    }
    Ok(None)
}
