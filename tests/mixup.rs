//! Mixup and CutMix: against training on rows and targets that were mixed before, and by hand; determinism; checkpoints.

use wgrad::kernels::mix_rows;
use wgrad::{Adam, Checkpoints, Dataset, Device, Error, Fit, Loss, Mix, Network, Sgd, Trainer, data};

const SEED: u64 = 7;
const ROWS: usize = 9;
const INPUTS: usize = 6;

fn builder(loss: Loss, outputs: usize) -> wgrad::trainer::Builder {
    let network = Network::input(INPUTS).dense(7).tanh().dense(outputs);
    Trainer::builder(network).loss(loss).optimizer(Sgd::new(0.1)).batch(ROWS).seed(SEED)
}

/// Numbers that are the same in every run.
fn numbers(count: usize, factor: f64) -> Vec<f32> {
    (0..count).map(|i| (factor * i as f64).sin() as f32).collect()
}

/// Mixes rows as the papers do: with the row from the other end of the batch.
fn mixed(mix: Mix, step: u64, rows: &[f32], columns: usize, are_inputs: bool) -> Vec<f32> {
    let record = spec(mix).record(&wgrad::Schedule::Constant, SEED, step, 0, rows.len() / columns);
    let share = f64::from(record.mix_own);
    let pairs = rows.chunks(columns).zip(rows.chunks(columns).rev());
    let cuts = are_inputs && matches!(mix, Mix::Cutmix { .. });
    let element = |(c, (own, other)): (usize, (&f32, &f32))| match cuts {
        true => {
            if mix_rows::is_cut(&record, columns, c) {
                *other
            } else {
                *own
            }
        }
        false => (share * f64::from(*own) + (1.0 - share) * f64::from(*other)) as f32,
    };
    pairs.flat_map(|(own, other)| own.iter().zip(other).enumerate().map(element).collect::<Vec<_>>()).collect()
}

fn spec(mix: Mix) -> wgrad::TrainingSpec {
    let network = Network::input(INPUTS).dense(1);
    let spec = wgrad::TrainingSpec::new(network, Loss::mean_squared_error(), Sgd::new(0.1), ROWS);
    wgrad::TrainingSpec { mix: Some(mix), ..spec }
}

/// Asserts that numbers agree as f32 numbers of this network do: 40 roundings of numbers below 2.
fn assert_close(found: &[f32], wanted: &[f32], what: &str) {
    assert_eq!(found.len(), wanted.len());
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < 40.0 * f32::EPSILON, "{what}: {found}, wanted {wanted}");
    }
}

const MIXES: [fn(f64) -> Mix; 2] = [Mix::mixup, Mix::cutmix];

/// The cross-entropy is linear in its targets: mixing two losses is mixing their targets, as in the papers.
#[test]
fn classes_are_mixed_as_probabilities() {
    let classes: Vec<u32> = (0..ROWS as u32).map(|row| row * row % 3).collect();
    let one_hot: Vec<f32> =
        classes.iter().flat_map(|class| (0..3).map(move |c| f32::from(u8::from(c == *class)))).collect();
    for mix in MIXES.map(|mix| mix(0.7)) {
        let device = Device::cpu().threads(2);
        let mut trainer = builder(Loss::softmax_cross_entropy(), 3).mix(mix).build(&device).expect("a trainer");
        let mut by_hand = builder(Loss::soft_cross_entropy(), 3).build(&device).expect("a trainer");
        for step in 0..4 {
            let inputs = numbers(ROWS * INPUTS, 0.7 + step as f64);
            let loss = trainer.step(&inputs, &classes).and_then(|loss| loss.value()).expect("a step");
            let (inputs, targets) = (mixed(mix, step, &inputs, INPUTS, true), mixed(mix, step, &one_hot, 3, false));
            let wanted = by_hand.step(&inputs, &targets[..]).and_then(|loss| loss.value()).expect("a step");
            assert_close(&[loss], &[wanted], &format!("{mix}, loss of step {step}"));
        }
        let [found, wanted] = [&mut trainer, &mut by_hand].map(|trainer| trainer.parameters().expect("finite"));
        found.iter().zip(&wanted).for_each(|(found, wanted)| assert_close(&found.values, &wanted.values, &found.name));
    }
}

/// The derivative of the squared error is linear in the target. Its loss is that of mixed targets and λ·(1 − λ)·(t − t′)².
#[test]
fn gradients_of_the_squared_error_are_those_of_mixed_targets() {
    let targets = numbers(ROWS, 2.3);
    for mix in MIXES.map(|mix| mix(0.7)) {
        let device = Device::cpu().threads(1);
        let mut trainer = builder(Loss::mean_squared_error(), 1).mix(mix).build(&device).expect("a trainer");
        let mut by_hand = builder(Loss::mean_squared_error(), 1).build(&device).expect("a trainer");
        let inputs = numbers(ROWS * INPUTS, 0.7);
        let loss = trainer.step(&inputs, &targets[..]).and_then(|loss| loss.value()).expect("a step");
        let both = mixed(mix, 0, &targets, 1, false);
        let less = by_hand.step(&mixed(mix, 0, &inputs, INPUTS, true), &both[..]);
        let less = less.and_then(|loss| loss.value()).expect("a step");
        let share = spec(mix).record(&wgrad::Schedule::Constant, SEED, 0, 0, ROWS).mix_own;
        let spread = targets.iter().zip(targets.iter().rev()).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        assert_close(&[loss], &[less + share * (1.0 - share) * spread / ROWS as f32], &mix.to_string());
        assert!((loss - less).abs() > 1e-3, "{mix}: the losses differ");
        let [found, wanted] = [&mut trainer, &mut by_hand].map(|trainer| trainer.parameters().expect("finite"));
        found.iter().zip(&wanted).for_each(|(found, wanted)| assert_close(&found.values, &wanted.values, &found.name));
    }
}

/// Weights stay with their targets: a row of weight 0 has no part in the loss, wherever its inputs are.
#[test]
fn weights_belong_to_targets() {
    let weights = [1.0, 0.0, 2.0, 1.0, 0.5, 0.0, 3.0, 1.0, 0.25];
    let inputs = numbers(ROWS * INPUTS, 0.7);
    let losses = [1.0f32, 1e6].map(|number| {
        let mut targets = numbers(ROWS, 2.3);
        (targets[1], targets[5]) = (number, -number);
        let builder = builder(Loss::mean_squared_error(), 1).mix(Mix::mixup(1.0));
        let mut trainer = builder.build(&Device::cpu().threads(1)).expect("a trainer");
        let loss = trainer.step_weighted(&inputs, &targets[..], &weights).and_then(|loss| loss.value());
        loss.expect("a step").to_bits()
    });
    assert_eq!(losses[0], losses[1]);
}

fn digits(rows: usize) -> Dataset {
    data::digits().select(&(0..rows).collect::<Vec<_>>())
}

/// Trains with mixing, dropout and a short last batch.
fn trained(mix: Mix, device: &Device, seed: u64, checkpoints: Option<Checkpoints>, steps: usize) -> Vec<u32> {
    let network = Network::parse(64, "20 relu dropout(0.2) 10").expect("a network");
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(0.01));
    let builder = builder.mix(mix).batch(33).accumulate(2).seed(seed).steps_per_submission(2);
    let mut trainer = builder.build(device).expect("a trainer");
    let mut done = 0;
    let fit = Fit::epochs(3).on_submission(|_| {
        done += 2;
        if done >= steps { std::ops::ControlFlow::Break(()) } else { std::ops::ControlFlow::Continue(()) }
    });
    let fit = checkpoints.into_iter().fold(fit, Fit::checkpoints);
    trainer.fit(&digits(250), fit).expect("it trains");
    let parameters = trainer.parameters().expect("finite");
    parameters.iter().flat_map(|tensor| tensor.values.iter().map(|value| value.to_bits())).collect()
}

#[test]
fn bits_depend_on_the_seed_and_not_on_threads() {
    for mix in MIXES.map(|mix| mix(0.4)) {
        let on = |threads: usize, seed: u64| trained(mix, &Device::cpu().threads(threads), seed, None, usize::MAX);
        let wanted = on(1, 3);
        assert!(on(2, 3) == wanted && on(3, 3) == wanted, "{mix}");
        assert!(on(1, 4) != wanted, "{mix}");
    }
    let [mixup, cutmix] = MIXES.map(|mix| trained(mix(0.4), &Device::cpu().threads(1), 3, None, usize::MAX));
    assert!(mixup != cutmix);
}

#[test]
fn a_resumed_training_is_the_uninterrupted_one() {
    let device = Device::cpu().threads(2);
    for mix in MIXES.map(|mix| mix(0.4)) {
        let wanted = trained(mix, &device, 3, None, usize::MAX);
        for steps in [2, 6] {
            let folder = tempfile::tempdir().expect("a folder");
            let checkpoints = Checkpoints::in_folder(folder.path());
            assert!(trained(mix, &device, 3, Some(checkpoints.clone()), steps) != wanted, "it was stopped");
            assert!(trained(mix, &device, 3, Some(checkpoints.resume()), usize::MAX) == wanted, "{mix} from {steps}");
        }
    }
}

#[test]
fn evaluations_and_predictions_mix_nothing() {
    let mut plain = builder(Loss::mean_squared_error(), 1).build(&Device::cpu()).expect("a trainer");
    let mut mixing =
        builder(Loss::mean_squared_error(), 1).mix(Mix::mixup(1.0)).build(&Device::cpu()).expect("a trainer");
    let inputs = numbers(ROWS * INPUTS, 0.7);
    assert_eq!(plain.predict(&inputs).expect("finite"), mixing.predict(&inputs).expect("finite"));
}

#[test]
fn faults_are_errors_with_remedies() {
    let of = |mix: Mix| builder(Loss::mean_squared_error(), 1).mix(mix).build(&Device::cpu()).map(drop);
    for (mix, wanted) in [(Mix::mixup(0.0), "mixup: alpha is 0"), (Mix::cutmix(f64::NAN), "cutmix: alpha is NaN")] {
        let error = of(mix).expect_err("out of range").to_string();
        assert!(error.contains(wanted) && error.contains("from 0.001 to 1000"), "{error}");
    }
    let mut trainer =
        builder(Loss::mean_squared_error(), 1).mix(Mix::mixup(0.2)).build(&Device::cpu()).expect("a trainer");
    let error = trainer.step_with(&[0.5; INPUTS], |_| (0.0, vec![0.0])).expect_err("mixed").to_string();
    assert!(error.contains("mixup(0.2)") && error.contains("without `mix`"), "{error}");
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = Checkpoints::in_folder(folder.path());
    trained(Mix::mixup(0.4), &Device::cpu(), 3, Some(checkpoints.clone()), 2);
    let network = Network::parse(64, "20 relu dropout(0.2) 10").expect("a network");
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(0.01));
    let builder = builder.mix(Mix::mixup(0.5)).batch(33).accumulate(2).seed(3).steps_per_submission(2);
    let mut other = builder.build(&Device::cpu()).expect("a trainer");
    let found = other.fit(&digits(250), Fit::epochs(3).checkpoints(checkpoints.resume()));
    assert!(matches!(&found, Err(Error::Conflict { .. })), "{found:?}");
    assert!(found.expect_err("another mix").to_string().contains("mix.alpha = 0.4, but now it is 0.5"));
}
