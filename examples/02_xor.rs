//! XOR with one hidden layer: what a single perceptron cannot do, four hidden units can.
//!
//! Expected: four rows with the probability of 1, near 0, 1, 1, 0, after 500 epochs.

use wgrad::{Adam, Device, Fit, Loss, Network, Trainer, data};

fn main() -> wgrad::Result<()> {
    let xor = data::xor();
    let mut trainer = Trainer::builder(Network::input(2).dense(4).tanh().dense(1))
        .loss(Loss::BinaryCrossEntropy)
        .optimizer(Adam::new(0.03))
        .batch(4)
        .seed(1)
        .build(&Device::cpu())?;
    trainer.fit(&xor, Fit::epochs(500))?;
    for (row, probability) in trainer.predict(&xor.input())?.iter().enumerate() {
        println!("{:?} → {probability:.3}", xor.input_row(row));
    }
    Ok(())
}
