//! Gradient accumulation against steps of one large batch, for every device.

use super::oracle::{Oracle, Outcome, SINGLE, exact};
use super::problem::{Batch, Labels, Numbers, batch, parameters};
use wgrad::lower::TrainingSpec;
use wgrad::rng::{Philox, Stream};
use wgrad::verify::Verify;
use wgrad::{Adam, Dataset, Device, Error, Fit, Loss, Network, Sgd, Tensor, Trainer, trainer::StepLoss};

const SEED: u64 = 0x1234_5678_9ABC_DEF0;

/// Rows of the large batch.
const ROWS: usize = 32;

fn network(inputs: usize, layers: &str) -> Network {
    Network::parse(inputs, layers).expect("the text is sound")
}

/// Trainer with plain gradient descent, `accumulate` micro-batches of `batch` rows per step, and these parameters.
fn trainer(
    device: &Device,
    network: &Network,
    rate: f64,
    [batch, accumulate]: [usize; 2],
    start: &[(String, Vec<f32>)],
    steps_per_submission: usize,
) -> Trainer {
    let builder =
        Trainer::builder(network.clone()).loss(Loss::mean_squared_error()).optimizer(Sgd::new(rate)).seed(SEED);
    let builder = builder.batch(batch).accumulate(accumulate).steps_per_submission(steps_per_submission);
    let mut trainer = builder.build(device).expect("a trainer");
    let mut parameters = trainer.parameters().expect("read");
    for (tensor, (name, values)) in parameters.iter_mut().zip(start) {
        assert_eq!(&tensor.name, name);
        tensor.values.clone_from(values);
    }
    trainer.set_parameters(&parameters).expect("they fit");
    trainer
}

fn bits(tensors: &[Tensor]) -> Vec<u32> {
    tensors.iter().flat_map(|tensor| &tensor.values).map(|value| value.to_bits()).collect()
}

fn numbers(target: &Labels) -> &[f32] {
    let Labels::Numbers(numbers) = target else { panic!("targets of this loss are numbers") };
    numbers
}

/// A network with exact gradients. Dropout scales by 2; with 4 outputs and a power of two of rows, gradients are multiples of
/// 1/64 or 1/32. Every product and sum is exact in any order, as long as the weights are.
fn whole() -> (Network, Vec<(String, Vec<f32>)>) {
    let network = network(8, "dropout(0.5) 7 relu dropout(0.5) 4");
    let mut start = parameters(&network, 1, Numbers::Whole);
    // Never 0, where even the smallest change would show.
    let sign = |number: &mut f32| *number = if *number > 0.0 { 1.0 } else { -1.0 };
    start.iter_mut().flat_map(|(_, numbers)| numbers).for_each(sign);
    (network, start)
}

/// Loss, gradients and parameters after a step on rows from the host; also with fewer micro-batches, and a short last one.
pub fn one_step_is_exact(device: &Device) {
    let (network, start) = whole();
    for (ways, rows) in [(vec![[8, 4], [16, 2], [1, 32], [11, 3]], ROWS), (vec![[8, 4], [5, 4], [3, 11]], 16)] {
        let Batch { input, target, .. } = batch(&network, Loss::mean_squared_error(), rows, 1, 0, Numbers::Whole);
        let step = |way| {
            let mut trainer = trainer(device, &network, 1.0 / 16.0, way, &start, 1);
            let loss = trainer.step(&input, numbers(&target)).expect("a step").value().expect("a loss");
            assert_eq!(trainer.steps(), 1);
            let [gradients, parameters] = [trainer.gradients(), trainer.parameters()].map(|read| read.expect("read"));
            (loss.to_bits(), bits(&gradients), bits(&parameters))
        };
        let wanted = step([ROWS, 1]);
        let nonzero = wanted.1.iter().filter(|gradient| f32::from_bits(**gradient) != 0.0).count();
        assert!(nonzero > 60, "only {nonzero} gradients are not 0");
        for way in ways {
            assert!(step(way) == wanted, "{rows} rows as {way:?} on {device}");
        }
    }
}

/// An epoch of a full and a half step on a resident data set. The learning rate is too low to change parameters, so the second
/// step is exact, too.
pub fn an_epoch_is_exact(device: &Device) {
    let (network, start) = whole();
    let rows = ROWS + ROWS / 2;
    let Batch { input, target, .. } = batch(&network, Loss::mean_squared_error(), rows, 1, 0, Numbers::Whole);
    let data = Dataset::numbers("rows", 8, &input, 4, numbers(&target)).expect("a data set");
    let epoch = |way, steps_per_submission| {
        let rate = 1.0 / (1u64 << 40) as f64;
        let mut trainer = trainer(device, &network, rate, way, &start, steps_per_submission);
        trainer.load(&data).expect("it fits");
        let (mut losses, mut counts) = (Vec::new(), Vec::new());
        loop {
            let advance = trainer.advance().expect("the device works");
            losses.extend(advance.losses.iter().map(|loss| loss.to_bits()));
            counts.extend(advance.rows);
            if advance.epoch_done {
                break;
            }
        }
        assert_eq!(trainer.steps(), 2, "{way:?}");
        assert_eq!(counts, [ROWS, ROWS / 2], "{way:?}");
        let [gradients, parameters] = [trainer.gradients(), trainer.parameters()].map(|read| read.expect("read"));
        (losses, bits(&gradients), bits(&parameters))
    };
    let wanted = epoch([ROWS, 1], 1);
    assert!(wanted.0[0] != wanted.0[1]);
    for way in [[ROWS, 1], [16, 2], [8, 4], [1, 32]] {
        for steps_per_submission in [1, 2] {
            assert!(
                epoch(way, steps_per_submission) == wanted,
                "{way:?}, {steps_per_submission} steps per submission on {device}"
            );
        }
    }
}

/// On real numbers, every split into micro-batches lies within the oracle's tolerances, which hold for any order of sums.
pub fn real_numbers_lie_within_tolerances(device: &Device) {
    let network = network(17, "65 relu dropout(0.2) 30 leaky_relu(0.01) dropout(0.4) 3");
    let draw = |seed| {
        let start = parameters(&network, seed, Numbers::Real);
        let rows = batch(&network, Loss::mean_squared_error(), ROWS - 1, seed, 0, Numbers::Real);
        let oracle = Oracle { network: &network, loss: Loss::mean_squared_error(), unit: SINGLE, seed: SEED };
        let outcome = oracle.run(&exact(&start), &rows, 0);
        (outcome.kinks.margin > 0.0).then_some((start, rows, outcome))
    };
    let (start, rows, Outcome { loss, gradients, .. }) = (0..500).find_map(draw).expect("a draw away from all kinks");
    for way in [[ROWS, 1], [8, 4], [1, 31], [10, 5]] {
        let mut trainer = trainer(device, &network, 0.1, way, &start, 1);
        let found = trainer.step(&rows.input, numbers(&rows.target)).expect("a step").value().expect("a loss");
        assert!((f64::from(found) - loss.value).abs() <= loss.error, "{way:?}: {found}, wanted {loss:?} on {device}");
        let mut compared = 0;
        for tensor in trainer.gradients().expect("read") {
            for (at, (found, wanted)) in tensor.values.iter().zip(&gradients[&tensor.name["grad.".len()..]]).enumerate()
            {
                let place = format!("{way:?}: {}[{at}] is {found}, wanted {wanted:?} on {device}", tensor.name);
                assert!((f64::from(*found) - wanted.value).abs() <= wanted.error, "{place}");
                compared += 1;
            }
        }
        assert_eq!(compared, network.parameter_count());
    }
}

/// Parameters after three epochs with shuffling and dropout; the last step of each has one full micro-batch and a short one.
fn trained(device: &Device, steps_per_submission: usize) -> Vec<u32> {
    let data = wgrad::data::digits().select(&(0..230).collect::<Vec<_>>());
    let builder = Trainer::builder(network(64, "24 relu dropout(0.2) 13 tanh 10")).loss(Loss::softmax_cross_entropy());
    let builder = builder.optimizer(Adam::new(2e-3)).clip_norm(1.0).batch(17).accumulate(4).seed(7);
    let mut trainer = builder.steps_per_submission(steps_per_submission).build(device).expect("a trainer");
    let history = trainer.fit(&data, Fit::epochs(3)).expect("trained");
    assert_eq!(trainer.steps(), 3 * 4);
    assert!(history.epochs[2].loss < history.epochs[0].loss);
    bits(&trainer.parameters().expect("read"))
}

/// The same bits for any grouping of steps, on all of these devices.
pub fn the_same_bits(devices: &[Device]) {
    let wanted = trained(&devices[0], 1);
    for device in devices {
        for steps in [1, 2, 3, 100] {
            assert!(trained(device, steps) == wanted, "{steps} steps per submission on {device}");
        }
    }
}

/// An overflow in micro-batch 3 of 4.
pub fn a_bad_batch_freezes_the_step(device: &Device) {
    let mut order: Vec<usize> = (0..40).collect();
    Philox::new(SEED, Stream::Shuffle, 0).shuffle(&mut order);
    let network = network(2, "9 leaky_relu(0.1) 1");
    let start = parameters(&network, 1, Numbers::Real);
    let good: Vec<f32> = (0..80).map(|i| (i as f32 * 0.37).sin()).collect();
    let mut bad = good.clone();
    // Row 5 of the 8 rows of step 2.
    bad[2 * order[2 * 8 + 5]..][..2].fill(3e38);
    let [good, bad] = [good, bad].map(|input| Dataset::numbers("rows", 2, &input, 1, &[0.5; 40]).expect("a data set"));
    let mut before = trainer(device, &network, 0.1, [2, 4], &start, 1);
    before.load(&good).expect("it fits");
    (0..2).for_each(|_| drop(before.advance().expect("nothing is wrong yet")));
    let wanted = bits(&before.parameters().expect("read"));
    let mut first = None;
    for steps_per_submission in [1, 2, 7] {
        let mut trainer = trainer(device, &network, 0.1, [2, 4], &start, steps_per_submission);
        let error = trainer.fit(&bad, Fit::epochs(1)).expect_err("it overflows");
        let Error::NotFinite { step, row, op, layer, .. } = &error else { panic!("{error}") };
        assert_eq!((*step, *row, op.as_str(), layer.as_str()), (2, 5, "gradients op 0 (dense_forward)", "layer 0"));
        assert_eq!(trainer.steps(), 2);
        assert!(bits(&trainer.parameters().expect("read")) == wanted, "{steps_per_submission} steps per submission");
        // Training resumes with the rows after those of the bad step, with all of its micro-batches.
        while !trainer.advance().expect("the next rows are good").epoch_done {}
        assert_eq!(trainer.steps(), 4, "5 steps per epoch, without the bad one");
        let behind = bits(&trainer.parameters().expect("read"));
        assert!(behind != wanted && *first.get_or_insert_with(|| behind.clone()) == behind);
    }
}

/// Finite gradients whose sum is not finite.
pub fn a_sum_that_overflows_is_named(device: &Device) {
    let network = network(1, "1");
    let start = [("layer0.weight".into(), vec![0.0]), ("layer0.bias".into(), vec![0.0])];
    let mut trainer = trainer(device, &network, 1e-30, [1, 4], &start, 1);
    // On a GPU, only a later read returns the error.
    let mut step = |input: &[f32]| {
        trainer.step(input, &vec![-1.0; input.len()]).and_then(StepLoss::value).and_then(|_| trainer.parameters())
    };
    let error = step(&[3e38; 4]).expect_err("3 of 4 gradients of 1.5e38 are too much");
    let Error::NotFinite { step: 0, op, view, .. } = &error else { panic!("{error}") };
    assert!(op.ends_with("(accumulate)") && view == "grad.layer0.weight", "{error}");
    assert_eq!(bits(&step(&[1.0; 4]).expect("small ones are not")), [(-2e-30f32).to_bits(); 2]);
}

/// Verification: each op in lockstep, and free runs.
pub fn it_is_verified(device: &Device) {
    let described =
        TrainingSpec::new(network(13, "20 relu dropout(0.3) 5"), Loss::softmax_cross_entropy(), Adam::new(0.01), 9);
    let described = TrainingSpec { accumulate: 3, clip_norm: Some(0.05), ..described };
    let report = Verify::network(&described).and_then(|verify| verify.run(device, |_| ())).expect("it answers");
    assert!(report.passed(), "{report}");
    let sums: Vec<_> = report.ops.iter().filter(|op| op.kernel == "accumulate").collect();
    // All micro-batches of a full and of a short step, on real and on whole numbers; the flag is one word.
    let elements: usize = [13 * 20, 20, 20 * 5, 5].iter().map(|n: &usize| n.next_multiple_of(64)).sum();
    assert_eq!(sums.iter().map(|op| op.elements).collect::<Vec<_>>(), [2 * (3 + 3) * (2 * elements + 1)]);
    assert!(report.free_runs.len() == 3 && report.free_runs.iter().all(|run| run.changed > 0));
}
