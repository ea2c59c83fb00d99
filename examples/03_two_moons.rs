//! Classification of two interleaved half circles with a small network and early stopping.
//!
//! Expected: at least 97 % accuracy on the test set, in fewer than 100 epochs.

use wgrad::{Adam, Device, Fit, Loss, Network, Split, Trainer, data};

fn main() -> wgrad::Result<()> {
    let (train, validation, test) = data::two_moons(1000, 0.15, 7)?.split(Split::parts(0.7, 0.15).seed(7))?;
    let mut trainer = Trainer::builder(Network::parse(2, "16 relu 16 relu 2")?)
        .loss(Loss::softmax_cross_entropy())
        .optimizer(Adam::new(0.01))
        .seed(7)
        .build(&Device::auto()?)?;
    let history = trainer.fit(&train, Fit::epochs(200).validate(&validation).patience(10))?;
    let accuracy = trainer.evaluate(&test)?.accuracy()?;
    let best = history.best.unwrap_or(history.len());
    println!("accuracy {:.1} %; stopped after {} epochs, the best was {best}", 100.0 * accuracy, history.len());
    Ok(())
}
