//! The learning rate range test, in which nothing of the trainer changes.

use wgrad::trainer::{Builder, RateTest};
use wgrad::{Adam, Dataset, Dense, Device, Error, Fit, Loss, Network, Result, Schedule, Sgd, Tensor, Trainer, data};

fn digits(rows: usize) -> Dataset {
    data::digits().select(&(0..rows).collect::<Vec<_>>())
}

fn builder() -> Builder {
    let network = Network::parse(64, "16 batch_norm relu dropout(0.2) 10").expect("a network");
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(0.01));
    builder.schedule(Schedule::cosine(40)).batch(32).seed(3)
}

/// The loss is w², and a step makes w to (1 − 2·rate)·w: with rates from 1.25 on, it grows from the first step.
#[test]
fn rates_and_losses_are_those_of_the_steps() -> Result<()> {
    let network = Network::input(1).layer(Dense::new(1).without_bias());
    let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(0.5));
    let mut trainer = builder.build(&Device::cpu())?;
    trainer.set_parameters(&[Tensor { name: "layer0.weight".into(), shape: vec![1, 1], values: vec![1.0] }])?;
    let row = Dataset::numbers("one row", 1, &[1.0], 1, &[0.0])?;
    let curve = trainer.find_learning_rate(&row, RateTest::new().from(1.25).to(4.0).steps(21))?;
    let (mut weight, mut wanted) = (1.0f64, Vec::new());
    for rate in &curve.rates {
        wanted.push(weight * weight);
        weight *= 1.0 - 2.0 * rate;
    }
    assert!(curve.diverged && curve.losses.len() < 21, "{curve:?}");
    for (step, (found, wanted)) in curve.losses.iter().zip(&wanted).enumerate() {
        // Each step rounds to f32 a few times.
        let tolerance = 8.0 * (step + 1) as f64 * f64::from(f32::EPSILON) * wanted;
        assert!((found - wanted).abs() <= tolerance, "step {step}: {found}, not {wanted}");
    }
    assert_eq!((curve.rates[0], trainer.parameters()?[0].values[0], trainer.learning_rate()), (1.25, 1.0, 0.5));
    Ok(())
}

#[test]
fn the_trainer_is_as_before() -> Result<()> {
    let train = digits(100);
    let (mut plain, mut tested) = (builder().build(&Device::cpu())?, builder().build(&Device::cpu())?);
    let curve = tested.find_learning_rate(&train, RateTest::new().steps(60))?;
    assert!(curve.suggestion.is_some() && curve.losses.len() > 20);
    plain.load(&train)?;
    assert!(tested.checkpoint()? == plain.checkpoint()?);
    plain.fit(&train, Fit::epochs(3))?;
    tested.fit(&train, Fit::epochs(3))?;
    assert!(tested.checkpoint()? == plain.checkpoint()?);
    // In the middle of a training, too.
    assert_eq!(tested.find_learning_rate(&train, RateTest::new())?.rates[0], 1e-6);
    plain.load(&train)?;
    assert!(tested.checkpoint()? == plain.checkpoint()?);
    Ok(())
}

/// A loss that is no number ends the test without an error.
#[test]
fn a_training_that_becomes_infinite_has_diverged() -> Result<()> {
    let network = Network::parse(64, "64 64 64 1")?;
    let train = digits(100);
    let targets: Vec<f32> = (0..100).map(|row| (row % 7) as f32).collect();
    let train = Dataset::numbers("digits", 64, &train.input_rows(0..100), 1, &targets)?;
    let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(0.1));
    let mut trainer = builder.batch(32).build(&Device::cpu())?;
    let before = trainer.parameters()?;
    let curve = trainer.find_learning_rate(&train, RateTest::new().from(1e3).to(1e30).steps(50))?;
    assert!(curve.diverged && curve.losses.len() < 50, "{curve:?}");
    assert_eq!(trainer.parameters()?, before);
    Ok(())
}

#[test]
fn the_suggestion_trains_better_than_rates_far_away() -> Result<()> {
    let train = digits(600);
    let rate = builder().build(&Device::cpu())?.find_learning_rate(&train, RateTest::new())?.suggestion;
    let rate = rate.expect("the loss decreases");
    let loss = |rate: f64| {
        let mut trainer = builder().optimizer(Adam::new(rate)).build(&Device::cpu())?;
        Ok(trainer.fit(&train, Fit::epochs(3))?.epochs[2].loss)
    };
    let [low, found, high] =
        [0.01 * rate, rate, 1000.0 * rate].map(|rate| loss(rate).unwrap_or_else(|error: Error| panic!("{error}")));
    assert!(found < low && found < high, "at {rate}: {found}; a hundredth: {low}, a thousandfold: {high}");
    Ok(())
}

#[test]
fn tests_that_cannot_be_are_refused() -> Result<()> {
    let mut trainer = builder().build(&Device::cpu())?;
    let mut message = |test: RateTest| trainer.find_learning_rate(&digits(50), test).expect_err("refused").to_string();
    for (test, part) in [
        (RateTest::new().from(0.0), "first rate is 0, but must be above 0"),
        (RateTest::new().from(f64::NAN), "first rate is NaN"),
        (RateTest::new().to(1e-7), "last rate is 0.0000001, but must be above the first rate, 0.000001"),
        (RateTest::new().to(1e39), "finite as an f32"),
        (RateTest::new().steps(19), "steps is 19, but must be at least 20"),
    ] {
        let found = message(test);
        assert!(found.starts_with("learning rate test: ") && found.contains(part), "{found}");
    }
    Ok(())
}
