//! The flag records the first bad step, whose loss or gradient is not finite. From that step on, parameters and optimizer state
//! do not change. For an update that is not finite, the flag records the next step.

mod common {
    pub mod driver;
    pub mod oracle;
    pub mod overflow;
    pub mod problem;
}

use common::driver::{Device, Driver, PlanKind};
use common::problem::{Batch, Numbers, batch, parameters};
use wgrad::lower::TrainingSpec;
use wgrad::{Activation, Adam, Loss, Network};

const STEPS: usize = 5;

/// Index of the bad step.
const BAD: usize = 2;

/// Parameters and optimizer state.
fn state(driver: &mut Driver) -> [Vec<u32>; 3] {
    ["parameters", "adam.m", "adam.v"].map(|name| driver.words(name))
}

/// Tests every plan and device with every number; returns the number of runs.
fn freezes(loss: Loss, network: &Network) -> usize {
    let mut spec = TrainingSpec::new(network.clone(), loss, Adam::new(0.01), 6);
    spec.steps = STEPS;
    let good: Vec<Batch> = (0..STEPS).map(|step| batch(network, loss, 6, 1, step as u32, Numbers::Real)).collect();
    let mut runs = 0;
    for (kind, device) in [
        (PlanKind::Primitive, Device::Reference),
        (PlanKind::Fused, Device::Reference),
        (PlanKind::Fused, Device::Cpu { threads: 2 }),
    ] {
        let driver = || {
            let mut driver = Driver::new(&spec, kind, device);
            driver.set(&parameters(network, 1, Numbers::Real));
            driver
        };
        for number in [f32::NAN, f32::INFINITY] {
            let mut before = driver();
            before.train(&good[..BAD]);
            let mut bad = good.clone();
            bad[BAD].input[13] = number;
            let mut after = driver();
            after.train(&bad);
            let place = format!("{loss}, {network}, {number}, {kind:?} on {device:?}");
            assert_eq!(before.words("flag"), [u32::MAX], "{place}");
            assert_eq!(after.words("flag"), [BAD as u32], "{place}");
            assert!(state(&mut before) == state(&mut after), "{place}: the state changed");
            // Without the bad number it changes.
            before.train(&good[BAD..]);
            assert!(state(&mut before) != state(&mut after), "{place}: the state never changes");
            runs += 1;
        }
    }
    runs
}

#[test]
fn training_is_frozen_from_the_bad_step_on() {
    let mut runs = 0;
    for loss in Loss::all() {
        for function in Activation::all() {
            // Sigmoid and tanh of infinity are finite. Then only the checks of gradients detect it, which are fused if every
            // layer has a bias.
            let outputs = 3 * loss.outputs_per_target();
            for last in [format!("{outputs}"), format!("dense({outputs}, bias=false)")] {
                let network = Network::parse(4, &format!("7 {function} {last}")).expect("the text is sound");
                runs += freezes(loss, &network);
            }
        }
    }
    assert_eq!(runs, Loss::NAMES.len() * Activation::all().count() * 2 * 3 * 2);
}

#[test]
fn an_update_that_overflows_is_an_error_at_its_step_and_is_not_returned() {
    for device in [wgrad::Device::cpu(), wgrad::Device::cpu().threads(1), wgrad::Device::reference()] {
        common::overflow::is_an_error_at_its_step(&device);
    }
}
