//! The trainer on the adapter under test: the same training as on the CPU, without waiting for the device.

use std::ops::ControlFlow;
use wgrad::exec::Counters;
use wgrad::exec::gpu::{GpuDevice, GpuOptions};
use wgrad::plan::STEP_BYTES;
use wgrad::specialize::FusedStep;
use wgrad::trainer::Health;
use wgrad::{Adam, Dataset, Device, Error, Evaluation, Fit, Loss, Network, Schedule, Tensor, Trainer, data};

use crate::accuracy;
use crate::common::{adapter_name, device, layered, open};

const BATCH: usize = 47;
const ROWS: usize = 300;
/// Six full batches and a short one.
const STEPS: usize = ROWS.div_ceil(BATCH);

fn digits() -> Dataset {
    data::digits().select(&(0..ROWS).collect::<Vec<_>>())
}

/// Creates a trainer with all kinds of randomness, gradient clipping, and a short last batch.
fn digits_trainer(device: &Device, steps_per_submission: usize) -> Trainer {
    let network = Network::parse(64, "48 relu dropout(0.2) 33 tanh dropout(0.1) 10").expect("a network");
    Trainer::builder(network)
        .loss(Loss::softmax_cross_entropy())
        .optimizer(Adam::new(2e-3).weight_decay(1e-3))
        .schedule(Schedule::cosine(30 * STEPS as u64))
        .clip_norm(1.0)
        .batch(BATCH)
        .seed(7)
        .steps_per_submission(steps_per_submission)
        .build(device)
        .expect("a trainer")
}

fn bits(tensors: &[Tensor]) -> Vec<u32> {
    tensors.iter().flat_map(|tensor| &tensor.values).map(|value| value.to_bits()).collect()
}

/// Returns the losses of all steps of `epochs` epochs, and the parameters after them, as bits.
fn trained(device: &Device, steps_per_submission: usize, epochs: usize) -> (Vec<u32>, Vec<u32>) {
    let mut trainer = digits_trainer(device, steps_per_submission);
    trainer.load(&digits()).expect("it fits");
    let mut losses = Vec::new();
    for _ in 0..epochs {
        loop {
            let advance = trainer.advance().expect("the device works");
            assert_eq!(advance.losses.len(), advance.rows.len());
            losses.extend(advance.losses.iter().map(|loss| loss.to_bits()));
            if advance.epoch_done {
                break;
            }
        }
        assert_eq!(losses.len() % STEPS, 0, "at the end of an epoch all is known");
    }
    (losses, bits(&trainer.parameters().expect("read")))
}

#[test]
fn any_grouping_and_a_second_run_give_the_same_bits() {
    let Some(gpu) = device() else { return };
    let gpu = Device::from(gpu);
    let first = trained(&gpu, 1, 2);
    assert_eq!(first.0.len(), 2 * STEPS);
    for steps in [1, 2, 7] {
        assert!(first == trained(&gpu, steps, 2), "{steps} steps a submission differ");
    }
    println!("free training: {} words equal, four times", first.0.len() + first.1.len());
}

/// Whole numbers, so that sums are exact in any order, and weights whose sum is a power of two.
#[test]
fn weighted_steps_and_own_losses_have_the_gradients_of_the_cpu() {
    let Some(gpu) = device() else { return };
    let (x, t) = ([1.0, 2.0, 3.0, -1.0, 0.0, -2.0, 4.0, 1.0], [1.0, -2.0, 0.0, 3.0]);
    let gradients = |device: &Device| {
        let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error());
        let mut trainer = builder.optimizer(Adam::new(2e-3)).batch(4).build(device).expect("a trainer");
        let mut parameters = trainer.parameters().expect("read");
        parameters[0].values = vec![2.0, -1.0];
        trainer.set_parameters(&parameters).expect("they fit");
        let weighted = trainer.step_weighted(&x, &t, &[1.0, 0.0, 5.0, 2.0]).expect("a step").value().expect("a loss");
        let of_weighted = trainer.gradients().expect("read");
        trainer.set_parameters(&parameters).expect("they fit");
        let own = |z: &[f32]| (0.0, z.iter().zip(t).map(|(z, t)| (z - t) * 0.5).collect());
        trainer.step_with(&x, own).expect("a step");
        (weighted, of_weighted, trainer.gradients().expect("read"))
    };
    let on_gpu = gradients(&gpu.into());
    // Outputs are 0, 7, 2 and 7, so errors −1, 9, 2 and 4: (1 + 5·4 + 2·16) / 8.
    assert_eq!((on_gpu.0, on_gpu.2[1].values[0]), (53.0 / 8.0, (-1.0 + 9.0 + 2.0 + 4.0) / 2.0));
    assert_eq!(on_gpu, gradients(&Device::cpu()));
}

#[test]
fn with_runtime_checks_the_bits_are_the_same() {
    let (Some(name), Some(gpu)) = (adapter_name(), device()) else { return };
    let checked = open(&name, GpuOptions::checked());
    assert!(trained(&checked.into(), 3, 1) == trained(&gpu.into(), 3, 1));
}

/// Compares step by step on the device's own parameters, so that differences do not add up: before each step the CPU
/// gets the GPU's parameters, and computes the loss of the same rows.
#[test]
fn each_steps_loss_is_that_of_the_cpu() {
    let Some(gpu) = device() else { return };
    let (rows, network) = (64, Network::parse(64, "48 relu dropout(0.2) 33 tanh 10").expect("a network"));
    let build = |device: &Device| {
        let builder = Trainer::builder(network.clone()).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(2e-3));
        builder.batch(rows).seed(3).build(device).expect("a trainer")
    };
    let (mut gpu, mut cpu) = (build(&gpu.into()), build(&Device::cpu().threads(1)));
    let all = digits();
    let mut worst = 0.0f64;
    for step in 0..20 {
        let part = all.select(&(0..rows).map(|row| (step * 13 + row) % ROWS).collect::<Vec<_>>());
        let wgrad::Targets::Classes { indices, .. } = part.targets() else { panic!("digits have classes") };
        cpu.set_parameters(&gpu.parameters().expect("read")).expect("they fit");
        let [on_gpu, on_cpu] =
            [&mut gpu, &mut cpu].map(|t| t.step(&part.input(), indices).expect("a step").value().expect("a loss"));
        // A loss is a smooth function of three matrix multiplications with at most 64 terms each, of order 1, whose
        // relative error is at most (64 + 2)·2⁻²⁴ each way; functions and the mean add less than as much again. 6 · 66
        // · 2 · 2⁻²⁴ = 4.7e-5.
        let difference = f64::from((on_gpu - on_cpu).abs());
        worst = worst.max(difference);
        assert!(difference <= 4.7e-5 * f64::from(on_cpu.max(1.0)), "step {step}: {on_gpu} and {on_cpu}");
    }
    println!("20 losses compared with the CPU's: {worst:e} apart at most");
}

#[test]
fn it_learns_and_evaluates_as_the_cpu_does() {
    let Some(gpu) = device() else { return };
    let data = digits();
    let run = |device: &Device| {
        let mut trainer = digits_trainer(device, 4);
        let history = trainer.fit(&data, Fit::epochs(30).validate(&data)).expect("trained");
        let evaluation = trainer.evaluate(&data).expect("evaluated");
        let last = history.epochs[29].validation.clone().expect("it was validated");
        let figures = |found: &Evaluation| (found.rows, found.loss, found.accuracy);
        assert_eq!(figures(&last), figures(&evaluation), "the same parameters, the same device");
        (trainer.into_model().expect("a model"), evaluation)
    };
    let gpu = Device::from(gpu);
    let (model, evaluation) = run(&gpu);
    let (_, on_cpu) = run(&Device::cpu());
    println!("accuracy {:?} on the GPU, {:?} on the CPU", evaluation.accuracy, on_cpu.accuracy);
    assert!(evaluation.accuracy >= Some(0.9) && on_cpu.accuracy >= Some(0.9));
    // The model from the GPU, used on both.
    let both = [&gpu, &Device::cpu()].map(|device| model.outputs_on(device, &data.input()).expect("computed"));
    let scale = both[1].iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let worst = both[0].iter().zip(&both[1]).fold(0.0f32, |most, (a, b)| most.max((a - b).abs()));
    // The same tolerance as for a loss, above, relative to the largest output.
    assert!(worst <= 4.7e-5 * scale, "{worst} of {scale}");
    assert_eq!(model.evaluate_on(&gpu, &data).expect("evaluated").accuracy, evaluation.accuracy);
}

#[test]
fn a_number_that_is_not_finite_is_found_later_and_undone() {
    let Some(gpu) = layered() else { return };
    let gpu = Device::from(gpu);
    // The first matrix multiplication overflows for one row: the second row of step 9 of 20.
    let mut order: Vec<usize> = (0..40).collect();
    wgrad::rng::Philox::new(3, wgrad::rng::Stream::Shuffle, 0).shuffle(&mut order);
    let run = |device: &Device, steps: usize| {
        let mut input: Vec<f32> = (0..80).map(|i| (i as f32 * 0.37).sin()).collect();
        input[2 * order[19]..][..2].fill(3e38);
        let data = Dataset::numbers("rows", 2, &input, 1, &[0.5; 40]).expect("a data set");
        let network = Network::parse(2, "9 leaky_relu(0.1) 1").expect("a network");
        let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).batch(2).seed(3);
        let mut trainer = builder.steps_per_submission(steps).build(device).expect("a trainer");
        let failed = trainer.fit(&data, Fit::epochs(1));
        (trainer, failed)
    };
    let (cpu, failed) = run(&Device::cpu().threads(1), 1);
    let wanted = failed.expect_err("it overflows").to_string();
    println!("{wanted}");
    let stopped = cpu.steps();
    assert!(wanted.contains("dense_forward) (layer 0"), "{wanted}");
    assert_eq!(stopped, 9);
    let mut behind = None;
    for steps in [1, 2, 7] {
        let (mut trainer, failed) = run(&gpu, steps);
        let error = failed.expect_err("it overflows");
        assert!(matches!(error, Error::NotFinite { step, .. } if step == stopped), "{error}");
        assert_eq!(error.to_string(), wanted, "{steps} steps a submission");
        assert_eq!(trainer.steps(), stopped);
        let frozen = bits(&trainer.parameters().expect("read"));
        // Parameters after the same steps, if nothing is submitted after them.
        let (mut single, failed) = run(&gpu, 1);
        failed.expect_err("it overflows");
        assert!(frozen == bits(&single.parameters().expect("read")), "{steps} steps a submission");
        // Training continues with the rows after those of the bad step, however steps are grouped, and learns.
        while !trainer.advance().expect("the next rows are good").epoch_done {}
        let learned = bits(&trainer.parameters().expect("read"));
        assert_eq!(trainer.steps(), 19, "20 steps an epoch, but for the bad one");
        assert!(
            frozen != learned && *behind.get_or_insert_with(|| learned.clone()) == learned,
            "{steps} steps a submission"
        );
    }
}

#[test]
fn losses_and_activations_are_accurate() {
    let Some(gpu) = device() else { return };
    accuracy::activations_are_accurate(&gpu.clone().into());
    accuracy::losses_are_accurate(&layered().expect("as above").into());
    // A fused step has the same formulas in its own file.
    let whole = Device::from(gpu).with_fused_step(FusedStep::Always).expect("the device opens again");
    accuracy::losses_are_accurate(&whole);
}

#[test]
fn an_update_that_overflows_is_an_error_at_its_step_and_nothing_leaves() {
    let Some(gpu) = device() else { return };
    crate::overflow::is_an_error_at_its_step(&gpu.into());
}

#[test]
fn single_steps_find_it_too() {
    let Some(gpu) = device() else { return };
    let network = Network::parse(2, "3 relu 1").expect("a network");
    let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).batch(2);
    let mut trainer = builder.build(&gpu.into()).expect("a trainer");
    let good = [[0.1f32, 0.2], [0.3, -0.4]].concat();
    trainer.step(&good, &[1.0f32, 0.0]).expect("a step");
    let before = bits(&trainer.parameters().expect("read"));
    trainer.step(&[3e38, 3e38], &[1.0f32]).expect("nothing is known yet");
    trainer.step(&good, &[1.0f32, 0.0]).expect("nothing is known yet");
    let error = trainer.parameters().expect_err("now it is");
    assert!(matches!(error, Error::NotFinite { step: 1, row: 0, .. }), "{error}");
    assert_eq!(trainer.steps(), 1);
    assert!(before == bits(&trainer.parameters().expect("read")), "the bad step and the one behind it changed nothing");
    let loss = trainer.step(&good, &[1.0f32, 0.0]).expect("a step").value().expect("a loss");
    assert!(loss.is_finite());
}

#[test]
fn a_device_that_is_lost_ends_a_training() {
    let Some(name) = adapter_name() else { return };
    let gpu: GpuDevice = open(&name, GpuOptions::default());
    let mut trainer = digits_trainer(&gpu.clone().into(), 1);
    let mut seen = 0;
    let lose = |_: &wgrad::Progress| {
        seen += 1;
        if seen == 3 {
            gpu.lose();
        }
        ControlFlow::Continue(())
    };
    let error = trainer.fit(&digits(), Fit::epochs(5).on_submission(lose)).expect_err("it was lost");
    assert!(error.to_string().contains(": the device was lost; reopen it"), "{error}");
    // Submissions in flight may still have arrived.
    assert!((3..=5).contains(&seen), "{seen}");
    assert!(trainer.parameters().is_err() && trainer.advance().is_err());
}

#[test]
fn shaders_are_compiled_once_and_for_all() {
    let Some(name) = adapter_name() else { return };
    let gpu = open(&name, GpuOptions::default());
    let device = Device::from(gpu.clone());
    let mut trainer = digits_trainer(&device, 3);
    let built = gpu.pipelines_compiled();
    assert!(built > 10, "{built}");
    let data = digits();
    trainer.fit(&data, Fit::epochs(2).validate(&data)).expect("trained");
    trainer.predict(&data.input()).expect("predicted");
    let wgrad::Targets::Classes { indices, .. } = data.targets() else { panic!("digits have classes") };
    trainer.step(&data.input()[..64], &indices[..1]).expect("a step");
    trainer.load(&data).expect("it fits");
    while !trainer.advance().expect("the device works").epoch_done {}
    let bytes = data.input().iter().map(|pixel| *pixel as u8).collect();
    let images = Dataset::images("digits", 64, bytes, indices.clone(), data.class_names().expect("named").to_vec());
    trainer.fit(&images.expect("a data set"), Fit::epochs(1)).expect("trained");
    let model = trainer.into_model().expect("a model");
    model.evaluate_on(&device, &data).expect("evaluated");
    assert_eq!(gpu.pipelines_compiled(), built, "something was compiled after `build`");
}

#[test]
fn the_host_does_not_wait_for_the_newest_two() {
    let Some(gpu) = device() else { return };
    let mut trainer = digits_trainer(&gpu.into(), 1);
    trainer.load(&digits()).expect("it fits");
    let known: Vec<usize> = (0..STEPS).map(|_| trainer.advance().expect("the device works").losses.len()).collect();
    // At the end of the epoch, all remaining losses arrive.
    assert_eq!(known, [0, 0, 1, 1, 1, 1, 3]);
}

#[test]
fn two_thousand_steps_cost_what_they_should() {
    steps_cost_what_they_should(200);
}

#[test]
#[ignore = "a minute or two on a software adapter: cargo test --test gpu ten_thousand -- --ignored"]
fn ten_thousand_steps_cost_what_they_should() {
    steps_cost_what_they_should(1000);
}

/// Epochs of ten steps: checks the requests to the device, to the byte, and that no buffer is created after the first
/// epoch.
fn steps_cost_what_they_should(epochs: u64) {
    let Some(gpu) = layered() else { return };
    let (rows, batch, steps_per_submission) = (100, 10, 4);
    let input: Vec<f32> = (0..2 * rows).map(|i| (i as f32 * 0.37).sin()).collect();
    let data = Dataset::numbers("rows", 2, &input, 1, &vec![0.5; rows]).expect("a data set");
    let network = Network::parse(2, "3 relu 1").expect("a network");
    let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).batch(batch);
    let mut trainer = builder.steps_per_submission(steps_per_submission).build(&gpu.into()).expect("a trainer");
    trainer.fit(&data, Fit::epochs(1)).expect("trained");
    let before = trainer.counters();
    trainer.load(&data).expect("it fits");
    let loaded = trainer.counters();
    assert_eq!(loaded.uploaded_bytes - before.uploaded_bytes, 4 * 3 * rows as u64, "inputs and targets");
    for _ in 0..epochs {
        while !trainer.advance().expect("the device works").epoch_done {}
    }
    let after = trainer.counters();
    // Epochs of ten steps: submissions of 4, 4 and 2.
    let (submissions, steps) = (3 * epochs, 10 * epochs);
    let records = STEP_BYTES as u64 * (steps + submissions);
    // Once per epoch.
    let index = 4 * rows as u64 * epochs;
    // Three dispatches per layer and one optimizer per step; gathering rows and reporting losses per submission.
    let dispatches = (3 * 2 + 1) * steps + (2 + 1) * submissions;
    let wanted = Counters {
        dispatches: loaded.dispatches + dispatches,
        submissions: loaded.submissions + submissions,
        uploaded_bytes: loaded.uploaded_bytes + records + index,
        // The flag, and a loss per batch.
        downloaded_bytes: loaded.downloaded_bytes + submissions * 4 * (1 + steps_per_submission as u64),
        readbacks: loaded.readbacks + 2 * submissions,
        pipelines: loaded.pipelines,
        buffers: loaded.buffers,
    };
    println!("{steps} steps: {after:?}");
    assert_eq!(after, wanted);
}

/// The update that health makes again is undone, and readbacks do not disturb later submissions.
#[test]
fn health_changes_no_bit_of_training_and_has_the_numbers_of_the_cpu() {
    let Some(gpu) = device() else { return };
    let gpu = Device::from(gpu);
    let fit = |device: &Device, health: Option<&mut Health>| {
        let mut trainer = digits_trainer(device, 2);
        let fit = health.into_iter().fold(Fit::epochs(2), Fit::callback);
        let history = trainer.fit(&digits(), fit).expect("it trains");
        (trainer.checkpoint().expect("finite"), history)
    };
    let mut health = Health::new(&digits());
    let (plain, watched) = (fit(&gpu, None), fit(&gpu, Some(&mut health)));
    assert!(watched.0 == plain.0, "parameters and optimizer state");
    let on_cpu = fit(&Device::cpu(), Some(&mut health));
    for (gpu, cpu) in watched.1.epochs.iter().zip(&on_cpu.1.epochs) {
        assert!(gpu.scalars.keys().eq(cpu.scalars.keys()) && gpu.scalars.len() > 6);
        // Both trained for some steps, with other roundings; norms differ in their last digits.
        for (name, norm) in &gpu.scalars {
            assert!((norm - cpu.scalars[name]).abs() <= 1e-3 * norm, "{name}: {norm} and {}", cpu.scalars[name]);
        }
    }
}
