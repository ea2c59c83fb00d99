//! Grid search over learning rate and width: accuracy after a fixed number of epochs.
//!
//! Expected after 15 epochs on two moons: with a learning rate of 0.0001, no width reaches 80 %. Wider networks need a
//! lower learning rate: 64 units reach 97 % with 0.01, 16 units need 0.1, and 2 units cannot represent the boundary at
//! any rate. Networks of 4 and 16 units are worse with a rate of 1 than with 0.1. Each number is the mean accuracy on
//! the validation set over three seeds.

use wgrad::{Adam, Dataset, Device, Fit, Loss, Network, Split, Trainer, data};

const RATES: [f64; 5] = [1e-4, 1e-3, 1e-2, 1e-1, 1.0];
const WIDTHS: [usize; 4] = [2, 4, 16, 64];
const SEEDS: [u64; 3] = [1, 2, 3];

fn main() -> wgrad::Result<()> {
    let (train, validation, _) = data::two_moons(1000, 0.15, 7)?.split(Split::parts(0.7, 0.15).seed(7))?;
    println!("width  {}", RATES.map(|rate| format!("{rate:>7}")).join(""));
    let mut table = [[0.0; RATES.len()]; WIDTHS.len()];
    for (row, width) in table.iter_mut().zip(WIDTHS) {
        for (cell, rate) in row.iter_mut().zip(RATES) {
            *cell = mean_accuracy(&train, &validation, width, rate)?;
        }
        println!("{width:>5}  {}", row.map(|accuracy| format!("{:>6.1}%", 100.0 * accuracy)).join(""));
    }
    let [two, four, sixteen, many] = table;
    assert!(table.iter().all(|row| row[0] < 0.85), "0.0001 is too low for 15 epochs");
    assert!(table.windows(2).all(|rows| rows[0][1] < rows[1][1]), "at 0.001 more units are better");
    assert!(many[2] > 0.95 && sixteen[3] > 0.94, "64 units learn with 0.01, 16 with 0.1");
    assert!(two.iter().all(|accuracy| *accuracy < 0.88), "two units cannot represent the boundary");
    assert!(four[4] < four[3] - 0.1 && sixteen[4] < sixteen[3] - 0.05, "1 is too high");
    Ok(())
}

fn mean_accuracy(train: &Dataset, validation: &Dataset, width: usize, rate: f64) -> wgrad::Result<f64> {
    let mut sum = 0.0;
    for seed in SEEDS {
        let mut trainer = Trainer::builder(Network::input(2).dense(width).relu().dense(2))
            .loss(Loss::softmax_cross_entropy())
            .optimizer(Adam::new(rate))
            .batch(32)
            .seed(seed)
            .build(&Device::cpu())?;
        trainer.fit(train, Fit::epochs(15))?;
        sum += trainer.evaluate(validation)?.accuracy()?;
    }
    Ok(sum / SEEDS.len() as f64)
}
