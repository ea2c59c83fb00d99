//! Fused steps: the untraced build has the same bits as the one that stores intermediate values, and small whole
//! numbers are exact.

use cases::case::{Case, Values};
use wgrad::exec::gpu::{Gpu, GpuDevice, GpuOptions};
use wgrad::exec::{Executor, Reference};
use wgrad::kernels::{mlp_step_fused, mlp_step_sum};
use wgrad::lower::TrainingSpec;
use wgrad::specialize::FusedStep;
use wgrad::verify::{Report, Verify};
use wgrad::{Adam, Error, Loss, Network, Trainer, data};

use crate::common::{adapter_name, device, open};
use crate::kernels::{cases_of, judge};

/// Returns the device's partial, row_loss and flag.
fn results(case: &Case, device: &mut dyn Executor) -> Vec<Vec<u32>> {
    case.load(device);
    device.submit(&case.steps, &[case.run()]).expect("the device works");
    let views = case.op().views[3..6].to_vec();
    views
        .into_iter()
        .map(|view| device.read(view, case.batch_index).and_then(|t| t.wait()).expect("it answers"))
        .collect()
}

/// Replaces −0 by 0: the sign of a sum of zeros depends on where it begins.
fn one_zero(results: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let one = |word: &u32| if *word == (-0.0f32).to_bits() { 0 } else { *word };
    results.iter().map(|words| words.iter().map(one).collect()).collect()
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
            assert!(one_zero(&both[0]) == one_zero(&wanted), "{}: whole numbers are not exact", plain.name);
            exact += both[0].iter().map(Vec::len).sum::<usize>();
        }
    }
    println!("fused steps: {equal} words equal in both builds, {exact} exact on {}", device.adapter());
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
    println!("fused steps: {compared} elements compared on {}", device.adapter());
    assert!(compared > 100_000);
}

fn verified(gpu: &GpuDevice, layers: &str, loss: Loss, batch: usize, accumulate: usize) -> Report {
    let network = Network::parse(9, layers).expect("the text is sound");
    let spec = TrainingSpec::new(network, loss, Adam::new(0.01), batch);
    let spec = TrainingSpec { clip_norm: Some(1.0), accumulate, ..spec };
    let verify = Verify::network(&spec).expect("the spec is sound").seed(11);
    verify.run(&gpu.clone().into(), |_| ()).and_then(Report::into_result).expect("the device is right")
}

/// Every section in lockstep, stage by stage, and free runs of 1, 2 and 7 steps that must have its bits.
#[test]
fn networks_are_right_and_run_freely() {
    let Some(name) = adapter_name() else { return };
    let gpu = open(&name, GpuOptions::default().fused_step(FusedStep::Always));
    let first = verified(&gpu, "17 relu 12 tanh 3", Loss::softmax_cross_entropy(), 33, 1);
    let second = verified(&gpu, "8 sigmoid 8 leaky_relu(0.1) 2 tanh", Loss::mean_squared_error(), 8, 3);
    for report in [&first, &second] {
        assert!(report.header.fused_step && report.to_string().contains("mlp_step_fused_traced"), "{report}");
        assert!(report.free_runs.iter().all(|run| run.changed > 100), "{report}");
    }
    println!("whole networks: {} elements compared", first.elements() + second.elements());
}

/// A trainer's steps are three dispatches each, and learn the same as layered ones.
#[test]
fn a_training_step_is_three_dispatches() {
    let Some(name) = adapter_name() else { return };
    let trained = |fused_step, batch, steps_per_submission| {
        let gpu = open(&name, GpuOptions::default().fused_step(fused_step));
        let mut trainer = Trainer::builder(Network::parse(64, "20 relu 10").expect("the text is sound"))
            .loss(Loss::softmax_cross_entropy())
            .optimizer(Adam::new(1e-2))
            .batch(batch)
            .seed(7)
            .steps_per_submission(steps_per_submission)
            .build(&gpu.into())
            .expect("a trainer");
        trainer.load(&data::digits().select(&(0..300).collect::<Vec<_>>())).expect("it fits");
        let before = trainer.counters();
        let mut losses = Vec::new();
        while losses.len() < 300usize.div_ceil(batch) {
            losses.extend(trainer.advance().expect("the device works").losses);
        }
        let after = trainer.counters();
        assert_eq!(after.pipelines, before.pipelines, "nothing is compiled after `build`");
        (losses, after.dispatches - before.dispatches, after.submissions - before.submissions)
    };
    let (losses, dispatches, submissions) = trained(FusedStep::Always, 50, 3);
    // Gathering rows and reporting losses, once per submission.
    assert_eq!(dispatches, 3 * losses.len() as u64 + 3 * submissions);
    let (layered, more, _) = trained(FusedStep::Never, 50, 3);
    assert_eq!(more - dispatches, 4 * losses.len() as u64, "two layers are seven ops");
    // The first losses have the same parameters; later rounding differences do not matter here.
    assert!((losses[0] - layered[0]).abs() < 1e-4, "{losses:?}, {layered:?}");
    assert!(losses[losses.len() - 1] < losses[0], "{losses:?}");
    assert!(losses == trained(FusedStep::Always, 50, 1).0, "any grouping of steps has the same bits");
}

/// The message names the stage, and training continues as before, with the untraced build.
#[test]
fn a_number_that_is_not_finite_is_found_in_its_layer() {
    let Some(name) = adapter_name() else { return };
    let gpu = open(&name, GpuOptions::default().fused_step(FusedStep::Always));
    // Two inputs for which a matrix multiplication overflows, and a target whose square does.
    let good = [0.1, 0.2, 0.3, -0.4, 0.5, 0.6];
    for (input, target, wanted, named) in [(3e38, 0.5, "layer1.output", "layer 0"), (0.5, 1e20, "row_loss", "no layer")]
    {
        let mut trainer =
            Trainer::builder(Network::parse(2, "3 leaky_relu(0.1) 1 sigmoid").expect("the text is sound"))
                .loss(Loss::mean_squared_error())
                .batch(3)
                .build(&gpu.clone().into())
                .expect("a trainer");
        let step = |trainer: &mut Trainer, input: &[f32], target: &[f32]| {
            let before = trainer.counters();
            trainer.step(input, target).expect("nothing is known yet");
            let after = trainer.counters();
            (after.dispatches - before.dispatches, after.pipelines - before.pipelines)
        };
        let usual = step(&mut trainer, &good, &[0.5; 3]);
        let start = trainer.parameters().expect("read");
        step(&mut trainer, &[0.1, 0.2, input, input, 0.5, 0.6], &[0.5, target, 0.5]);
        match trainer.parameters() {
            Err(Error::NotFinite { step: 1, op, view, layer, row: 1, .. }) => {
                assert_eq!((view.as_str(), layer.as_str()), (wanted, named), "{op}");
                assert!(op.contains("mlp_step_fused_traced"), "{op}");
            }
            other => panic!("{wanted}: {other:?}"),
        }
        assert!(start == trainer.parameters().expect("read"), "the bad step changed nothing");
        assert_eq!(step(&mut trainer, &good, &[0.5; 3]), usual, "the build that keeps nothing is back");
        assert!(start != trainer.parameters().expect("read"));
    }
}

/// An overflow in a fused step is named as in layers; if several numbers overflow, the first one in computing order.
#[test]
fn a_number_that_is_not_finite_is_named_as_in_layers() {
    let Some(name) = adapter_name() else { return };
    // Weights that make a gradient grow from layer to layer, and a target whose square overflows at once.
    for (target, wanted) in [(1e15, ["grad.layer2.output", "layer 4"]), (1e20, ["row_loss", "no layer"])] {
        for fused_step in [FusedStep::Never, FusedStep::Always] {
            let gpu = open(&name, GpuOptions::default().fused_step(fused_step));
            let network = Network::parse(2, "2 tanh 2 tanh 2 tanh 1").expect("the text is sound");
            let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).batch(3);
            let mut trainer = builder.build(&gpu.into()).expect("a trainer");
            let mut start = trainer.parameters().expect("read");
            for tensor in &mut start {
                tensor.values.fill(if tensor.name.ends_with("weight") { 1e12 } else { 0.0 });
            }
            trainer.set_parameters(&start).expect("set");
            trainer.step(&[0.0; 6], &[0.5, target, 0.5]).expect("nothing is known yet");
            match trainer.parameters() {
                Err(Error::NotFinite { view, layer, .. }) => {
                    assert_eq!([view.as_str(), layer.as_str()], wanted, "{fused_step:?}");
                }
                other => panic!("{wanted:?}, {fused_step:?}: {other:?}"),
            }
        }
    }
}
