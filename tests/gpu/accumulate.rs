//! Gradient accumulation on the adapter under test.

use wgrad::exec::gpu::GpuOptions;
use wgrad::{Dataset, Device, Fit, Loss, Network, Trainer};

use crate::accumulation;
use crate::common::{adapter_name, device, layered, open, without_fused_step};

#[test]
fn on_whole_numbers_steps_have_the_bits_of_large_batches() {
    let Some(gpu) = device() else { return };
    let gpu = Device::from(gpu);
    accumulation::one_step_is_exact(&gpu);
    accumulation::an_epoch_is_exact(&gpu);
}

#[test]
fn on_real_numbers_all_ways_lie_within_tolerances() {
    let Some(gpu) = device() else { return };
    accumulation::real_numbers_lie_within_tolerances(&gpu.into());
}

#[test]
fn any_grouping_gives_the_same_bits() {
    let Some(gpu) = device() else { return };
    accumulation::the_same_bits(&[gpu.into()]);
}

#[test]
fn bad_numbers_freeze_the_step() {
    let (Some(layered), Some(gpu)) = (layered(), device()) else { return };
    // The first one names an op of a layer.
    accumulation::a_bad_batch_freezes_the_step(&layered.into());
    accumulation::a_sum_that_overflows_is_named(&gpu.into());
}

#[test]
fn it_is_verified() {
    let Some(gpu) = layered() else { return };
    accumulation::it_is_verified(&gpu.into());
}

/// One more dispatch per batch, and one optimizer op per step; nothing is compiled after `build`.
#[test]
fn steps_cost_what_they_should() {
    let Some(name) = adapter_name() else { return };
    let gpu = open(&name, without_fused_step(GpuOptions::default()));
    let input: Vec<f32> = (0..200).map(|i| (i as f32 * 0.37).sin()).collect();
    let data = Dataset::numbers("rows", 2, &input, 1, &[0.5; 100]).expect("a data set");
    let network = Network::parse(2, "3 relu 1").expect("a network");
    let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).batch(10).accumulate(4);
    let mut trainer = builder.steps_per_submission(2).build(&gpu.clone().into()).expect("a trainer");
    let (compiled, before) = (gpu.pipelines_compiled(), trainer.counters());
    trainer.fit(&data, Fit::epochs(3)).expect("trained");
    let after = trainer.counters();
    // An epoch has 10 batches: steps of 4, 4 and 2, of which the first two are one submission. Per batch: three ops per
    // layer except the input gradient of the first, the loss, and the sum.
    let (batches, steps, submissions) = (3 * 10, 3 * 3, 3 * 2);
    assert_eq!(trainer.steps(), steps);
    assert_eq!(after.submissions - before.submissions, submissions);
    assert_eq!(after.dispatches - before.dispatches, (3 * 2 - 1 + 1 + 1) * batches + steps + (2 + 1) * submissions);
    assert_eq!(gpu.pipelines_compiled(), compiled);
}
