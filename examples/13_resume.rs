//! Training that is stopped and resumed from a checkpoint.
//!
//! Expected: stopped after 65 of 200 steps; the resumed model equals that of an uninterrupted run, bit for bit.

use std::ops::ControlFlow;
use wgrad::{Adam, Checkpoints, Dataset, Device, Fit, Loss, Model, Network, Schedule, Split, Trainer, data};

const EPOCHS: usize = 10;

fn main() -> wgrad::Result<()> {
    let (train, validation, _) = data::digits().split(Split::parts(0.7, 0.15).seed(7))?;
    let folder = std::env::temp_dir().join(format!("wgrad-resume-{}", std::process::id()));
    let checkpoints = Checkpoints::in_folder(&folder).every_steps(30);

    let (whole, _) = trained(&train, &validation, None, u64::MAX)?;
    let (_, stopped) = trained(&train, &validation, Some(checkpoints.clone()), 65)?;
    println!("stopped after {stopped} of 200 steps");
    // A new trainer needs only the checkpoint folder, as another process would after a crash.
    let (resumed, steps) = trained(&train, &validation, Some(checkpoints.resume()), u64::MAX)?;
    println!("resumed, up to step {steps}: the same model is {}", whole == resumed);

    std::fs::remove_dir_all(&folder).ok();
    assert!(whole == resumed && stopped == 65 && steps == 200);
    Ok(())
}

/// Trains a model; a callback stops it after `most` steps. Returns the model and the number of steps.
fn trained(
    train: &Dataset,
    validation: &Dataset,
    checkpoints: Option<Checkpoints>,
    most: u64,
) -> wgrad::Result<(Model, u64)> {
    let mut trainer = Trainer::builder(Network::parse(64, "64 relu dropout(0.2) 10")?)
        .loss(Loss::softmax_cross_entropy())
        .optimizer(Adam::new(2e-3))
        .schedule(Schedule::cosine(200))
        .steps_per_submission(5)
        .seed(7)
        .build(&Device::cpu())?;
    let mut fit = Fit::epochs(EPOCHS).validate(validation).restore_best().on_submission(|progress| {
        let done = 20 * (progress.epoch - 1) + progress.step;
        if done as u64 >= most { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    if let Some(checkpoints) = checkpoints {
        fit = fit.checkpoints(checkpoints);
    }
    trainer.fit(train, fit)?;
    let steps = trainer.steps();
    Ok((trainer.into_model()?, steps))
}
