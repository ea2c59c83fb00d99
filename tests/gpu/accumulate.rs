//! Steps of several batches on the adapter under test.

use wgrad::Device;

use crate::accumulation;
use crate::common::device;

#[test]
fn on_whole_numbers_steps_have_the_bits_of_large_batches() {
    let Some(gpu) = device() else { return };
    let gpu = Device::from(gpu);
    accumulation::one_step_is_exact(&gpu);
    accumulation::an_epoch_is_exact(&gpu);
}

#[test]
fn on_real_numbers_all_ways_lie_within_bounds() {
    let Some(gpu) = device() else { return };
    accumulation::real_numbers_lie_within_bounds(&gpu.into());
}

#[test]
fn any_grouping_gives_the_same_bits() {
    let Some(gpu) = device() else { return };
    accumulation::the_same_bits(&[gpu.into()]);
}

#[test]
fn bad_numbers_freeze_the_step() {
    let Some(gpu) = device() else { return };
    let gpu = Device::from(gpu);
    accumulation::a_bad_batch_freezes_the_step(&gpu);
    accumulation::a_sum_that_overflows_is_named(&gpu);
}

#[test]
fn it_is_verified() {
    let Some(gpu) = device() else { return };
    accumulation::it_is_verified(&gpu.into());
}
