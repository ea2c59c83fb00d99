//! Whole steps in one op: the build that keeps nothing has the bits of the one that writes down what lies between, and
//! small whole numbers are exact.

use cases::case::{Case, Values};
use wgrad::exec::gpu::Gpu;
use wgrad::exec::{Executor, Reference};
use wgrad::kernels::{mlp_step_fused, mlp_step_sum};

use crate::common::device;
use crate::kernels::{cases_of, judge};

/// What a device has in partial, row_loss and flag.
fn results(case: &Case, device: &mut dyn Executor) -> Vec<Vec<u32>> {
    case.load(device);
    device.submit(&case.steps, &[case.run()]).expect("the device works");
    let views = case.op().views[3..6].to_vec();
    views.into_iter().map(|view| device.read(view, case.slot).and_then(|t| t.wait()).expect("it answers")).collect()
}

#[test]
fn both_builds_have_the_same_bits_and_whole_numbers_are_exact() {
    let Some(device) = device() else { return };
    let ordinary = |kernel| cases_of(kernel).into_iter().filter(|case| case.values != Values::Special);
    let (mut equal, mut exact) = (0, 0);
    for (plain, traced) in ordinary("mlp_step_fused").zip(ordinary("mlp_step_fused_traced")) {
        assert_eq!(plain.op().params, traced.op().params, "the same network");
        let both = [&plain, &traced].map(|case| {
            let mut gpu = Gpu::new(&device, case.plan.clone()).expect("the plan fits");
            results(case, &mut gpu)
        });
        assert!(both[0] == both[1], "{}: with a trace the bits differ", plain.name);
        equal += both[0].iter().map(Vec::len).sum::<usize>();
        if plain.values == Values::Whole {
            let wanted = results(&plain, &mut Reference::new(plain.plan.clone()).expect("there is memory"));
            assert!(both[0] == wanted, "{}: whole numbers are not exact", plain.name);
            exact += both[0].iter().map(Vec::len).sum::<usize>();
        }
    }
    println!("whole steps: {equal} words equal in both builds, {exact} exact on {}", device.adapter());
    assert!(equal > 20_000 && exact > 1_000);
}

#[test]
fn every_stage_is_right_in_lockstep() {
    let Some(device) = device() else { return };
    let mut compared = 0;
    for kernel in [&mlp_step_fused::KERNEL, &mlp_step_fused::TRACED, &mlp_step_sum::KERNEL] {
        for case in cases_of(kernel.name) {
            compared += judge(&device, &case, None, kernel).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        }
    }
    println!("whole steps: {compared} elements compared on {}", device.adapter());
    assert!(compared > 100_000);
}
