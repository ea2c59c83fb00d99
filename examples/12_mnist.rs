//! Classification of images from files: MNIST, or a data set in the same format. Download the files, and pass their
//! folder or set `MNIST_DIR`:
//!
//!     cargo run --release --example 12_mnist -- FOLDER
//!
//! Expected after 5 epochs, in about a minute on two cores: 98 % accuracy on MNIST's 10,000 test images, 87 % or more
//! on Fashion-MNIST's. Without a folder, the program asks for one and exits.

use std::ops::ControlFlow;
use wgrad::{AdamW, Device, Fit, Loss, Network, Schedule, Split, Standardization, Trainer, data};

const EPOCHS: usize = 5;
const BATCH: usize = 128;

fn main() -> wgrad::Result<()> {
    let Some(folder) = std::env::args_os().nth(1).or_else(|| std::env::var_os("MNIST_DIR")) else {
        println!("pass the folder with MNIST's four files, or set MNIST_DIR");
        return Ok(());
    };
    let (images, test) = data::mnist(folder)?;
    let (train, validation, _) = images.split(Split::parts(11.0 / 12.0, 1.0 / 12.0).seed(1))?;
    println!("{} training images, {} validation images, {} test images", train.len(), validation.len(), test.len());

    let steps = EPOCHS * train.len().div_ceil(BATCH);
    let mut trainer = Trainer::builder(Network::parse(train.inputs(), "512 relu 256 relu 10")?)
        .loss(Loss::softmax_cross_entropy())
        .optimizer(AdamW::new(1e-3))
        .schedule(Schedule::cosine(steps as u64))
        // All pixels share one mean and one scale. The data set keeps pixels as bytes; each step converts those of its
        // batch.
        .preprocessing(Standardization::fit_all(&train)?)
        .batch(BATCH)
        .seed(1)
        .build(&Device::auto()?)?;
    let fit = Fit::epochs(EPOCHS).validate(&validation).restore_best().on_epoch(|epoch, _| {
        let right = epoch.validation.as_ref().and_then(|found| found.accuracy).unwrap_or_default();
        println!("epoch {}: loss {:.4}, validation {:.1} %", epoch.epoch, epoch.loss, 100.0 * right);
        ControlFlow::Continue(())
    });
    trainer.fit(&train, fit)?;
    let accuracy = trainer.evaluate(&test)?.accuracy()?;
    println!("test accuracy {:.2} %", 100.0 * accuracy);
    assert!(accuracy > 0.87, "{accuracy}");
    Ok(())
}
