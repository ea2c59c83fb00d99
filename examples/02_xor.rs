//! XOR, which a single perceptron cannot learn, with one hidden layer of four units.
//!
//! Expected: after 500 epochs, the probabilities of 1 for the four rows are near 0, 1, 1 and 0.

use wgrad::{Adam, Device, Fit, Loss, Network, Trainer, data};

fn main() -> wgrad::Result<()> {
    let xor = data::xor();
    let mut trainer = Trainer::builder(Network::input(2).dense(4).tanh().dense(1))
        .loss(Loss::binary_cross_entropy())
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
