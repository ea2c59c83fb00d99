//! Loss functions on the host: `Trainer::step_with`.

use wgrad::{Adam, Device, Loss, Network, Result, Trainer};

fn trainer(device: &Device) -> Result<Trainer> {
    let network = Network::parse(3, "9 tanh dropout(0.4) [9 relu 9] 2")?;
    Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Adam::new(0.02)).batch(7).seed(5).build(device)
}

fn batch(step: usize) -> (Vec<f32>, Vec<f32>) {
    let rows = 7 - step % 3;
    let number = |at: usize| ((at * 37 + step * 11) % 19) as f32 / 8.0 - 1.0;
    ((0..3 * rows).map(number).collect(), (0..2 * rows).map(|at| number(at + 5)).collect())
}

/// The gradient is written as the kernel computes it: 2·(z − t) / columns, times 1 / rows.
#[test]
fn a_mean_squared_error_on_the_host_has_the_bits_of_the_built_in_one() -> Result<()> {
    for device in [Device::cpu(), Device::reference()] {
        let (mut own, mut built_in) = (trainer(&device)?, trainer(&device)?);
        for step in 0..12 {
            let (x, t) = batch(step);
            let scale = (2.0 / t.len() as f64) as f32;
            let mine = own.step_with(&x, |outputs| {
                let errors: Vec<f32> = outputs.iter().zip(&t).map(|(z, t)| z - t).collect();
                let squares: f64 = errors.iter().map(|error| f64::from(error * error)).sum();
                (squares / t.len() as f64, errors.iter().map(|error| 2.0 * error / 2.0 * scale).collect())
            })?;
            let loss = f64::from(built_in.step(&x, &t)?.value()?);
            // Terms and mean are rounded to f32.
            assert!((mine - loss).abs() <= 4.0 * f64::from(f32::EPSILON) * loss, "step {step}: {mine} and {loss}");
            assert_eq!(own.gradients()?, built_in.gradients()?, "step {step} on {device}");
        }
        assert_eq!(own.parameters()?, built_in.parameters()?);
        assert_eq!((own.steps(), built_in.steps()), (12, 12));
    }
    Ok(())
}

#[test]
fn steps_of_all_kinds_may_follow_one_another() -> Result<()> {
    let (mut mixed, mut built_in) = (trainer(&Device::cpu())?, trainer(&Device::cpu())?);
    let (x, t) = batch(0);
    let own = |outputs: &[f32]| {
        let gradient = outputs.iter().zip(&t).map(|(z, t)| 2.0 * (z - t) / 2.0 * (1.0f64 / 7.0) as f32);
        (0.0, gradient.collect())
    };
    mixed.step(&x, &t)?;
    mixed.step_with(&x, own)?;
    mixed.step_weighted(&x, &t, &[1.0; 7])?;
    mixed.step_with(&x, own)?;
    for _ in 0..4 {
        built_in.step(&x, &t)?;
    }
    assert_eq!(mixed.parameters()?, built_in.parameters()?);
    Ok(())
}

#[test]
fn losses_and_gradients_that_do_not_fit_are_refused_and_change_nothing() -> Result<()> {
    let mut trainer = trainer(&Device::cpu())?;
    let before = trainer.parameters()?;
    let (x, t) = batch(0);
    let cases: [(f64, Vec<f32>, &str); 3] = [
        (0.0, vec![0.0; 13], "the number of gradients is 13, but the number of outputs is 14"),
        (f64::NAN, vec![0.0; 14], "the loss is NaN, but must be finite"),
        (0.0, [vec![0.0; 3], vec![f32::INFINITY; 11]].concat(), "gradient 3 is inf"),
    ];
    for (loss, gradient, problem) in cases {
        let message = trainer.step_with(&x, |_| (loss, gradient)).expect_err(problem).to_string();
        assert!(message.contains(problem), "{message}");
    }
    assert_eq!((trainer.parameters()?, trainer.steps()), (before, 0));
    assert!(trainer.step(&x, &t).is_ok());
    let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
    let mut accumulated = builder.accumulate(2).build(&Device::cpu())?;
    let message = accumulated.step_with(&[0.0], |_| (0.0, vec![0.0])).expect_err("two batches").to_string();
    assert!(message.contains("a step has 2 batches; build the trainer without `accumulate`"), "{message}");
    Ok(())
}
