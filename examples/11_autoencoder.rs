//! Autoencoder: 64 pixels are encoded as 8 numbers and decoded again. The targets are the inputs.
//!
//! Expected: reconstructed digits of the test set are recognizable. Their mean squared error is less than a third of
//! that of the mean image.

use wgrad::{Adam, Dataset, Device, Fit, Loss, Network, Schedule, Split, Trainer, data};

const EPOCHS: usize = 60;
/// Characters from white to black, for pixels from 0 to 1.
const INK: [char; 5] = [' ', '░', '▒', '▓', '█'];

fn main() -> wgrad::Result<()> {
    let (train, _, test) = data::digits().split(Split::parts(0.8, 0.0).seed(7))?;
    let (train, test) = (to_itself(&train)?, to_itself(&test)?);
    let network = Network::input(64).dense(64).relu().dense(8).dense(64).relu().dense(64);
    let mut trainer = Trainer::builder(network)
        .loss(Loss::mean_squared_error())
        .optimizer(Adam::new(3e-3))
        .schedule(Schedule::cosine((EPOCHS * train.len().div_ceil(32)) as u64))
        .batch(32)
        .seed(7)
        .build(&Device::auto()?)?;
    trainer.fit(&train, Fit::epochs(EPOCHS))?;
    let back = trainer.predict(&test.input())?;
    for digit in 0..3 {
        print_beside(&test.input_row(digit), &back[64 * digit..64 * (digit + 1)]);
    }
    let error = trainer.evaluate(&test)?.loss;
    let by_mean = mean_squared_error(&test.input(), &mean_image(&train));
    println!("mean squared error {error:.4}; {by_mean:.4} with the mean image");
    assert!(error < by_mean / 3.0, "8 numbers are better than the mean image");
    Ok(())
}

/// Returns a data set whose inputs and targets are both the pixels of `data`, scaled from 0 to 1.
fn to_itself(data: &Dataset) -> wgrad::Result<Dataset> {
    let pixels: Vec<f32> = data.input().iter().map(|pixel| pixel / 16.0).collect();
    Dataset::numbers(data.name(), 64, &pixels, 64, &pixels)
}

fn mean_image(data: &Dataset) -> Vec<f32> {
    let sum = |pixel: usize| data.input().iter().skip(pixel).step_by(64).sum::<f32>();
    (0..64).map(|pixel| sum(pixel) / data.len() as f32).collect()
}

/// Mean squared error if the image `one` is the reconstruction of all images.
fn mean_squared_error(images: &[f32], one: &[f32]) -> f64 {
    let squares = images.iter().zip(one.iter().cycle()).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>() / images.len() as f64
}

/// Prints an image and its reconstruction, with two characters per pixel so that images are about square.
fn print_beside(image: &[f32], back: &[f32]) {
    let ink = |pixel: &f32| INK[(pixel.clamp(0.0, 1.0) * (INK.len() - 1) as f32).round() as usize];
    let line = |pixels: &[f32]| pixels.iter().map(ink).flat_map(|ink| [ink, ink]).collect::<String>();
    for (left, right) in image.chunks(8).zip(back.chunks(8)) {
        println!("{}  →  {}", line(left), line(right));
    }
    println!();
}
