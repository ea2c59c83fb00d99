//! Gradient accumulation on the reference and the CPU; `tests/gpu/accumulate.rs` tests GPUs.

mod common {
    pub mod accumulation;
    pub mod oracle;
    pub mod problem;
}

use common::accumulation;
use std::ops::ControlFlow;
use wgrad::{Adam, Checkpoints, Dataset, Device, Error, Fit, Loss, Network, Trainer, data};

fn devices() -> [Device; 3] {
    [Device::reference(), Device::cpu().threads(1), Device::cpu().threads(3)]
}

#[test]
fn on_whole_numbers_a_step_has_the_bits_of_one_large_batch() {
    devices().iter().for_each(accumulation::one_step_is_exact);
}

#[test]
fn on_whole_numbers_an_epoch_has_the_bits_of_one_of_large_batches() {
    devices().iter().for_each(accumulation::an_epoch_is_exact);
}

#[test]
fn on_real_numbers_all_micro_batches_lie_within_tolerances() {
    devices().iter().for_each(accumulation::real_numbers_lie_within_tolerances);
}

#[test]
fn any_grouping_and_any_number_of_threads_give_the_same_bits() {
    let [reference, one, three] = devices();
    accumulation::the_same_bits(&[reference]);
    accumulation::the_same_bits(&[one, three]);
}

#[test]
fn a_bad_batch_freezes_the_step() {
    devices().iter().for_each(accumulation::a_bad_batch_freezes_the_step);
}

#[test]
fn a_sum_that_overflows_is_named() {
    devices().iter().for_each(accumulation::a_sum_that_overflows_is_named);
}

#[test]
fn it_is_verified() {
    devices().iter().for_each(accumulation::it_is_verified);
}

fn digits() -> Dataset {
    data::digits().select(&(0..250).collect::<Vec<_>>())
}

fn trainer(threads: usize, accumulate: usize) -> Trainer {
    let network = Network::parse(64, "24 relu dropout(0.2) [rms_norm 17] layer_norm batch_norm 10").expect("a network");
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(4e-3)).seed(7);
    let builder = builder.batch(17).accumulate(accumulate).steps_per_submission(2);
    builder.build(&Device::cpu().threads(threads)).expect("a trainer")
}

/// Four steps per epoch, the last of which has three micro-batches.
#[test]
fn a_resumed_training_is_the_uninterrupted_one() {
    let bits = |trainer: &mut Trainer| {
        let parameters = trainer.parameters().expect("read");
        parameters.iter().flat_map(|tensor| &tensor.values).map(|value| value.to_bits()).collect::<Vec<_>>()
    };
    let mut whole = trainer(2, 4);
    let mut seen = Vec::new();
    let telling = Fit::epochs(3).on_submission(|progress| {
        seen.push((progress.step, progress.steps));
        ControlFlow::Continue(())
    });
    let history = whole.fit(&digits(), telling).expect("trained");
    assert_eq!(seen, [(2, 4), (4, 4)].repeat(3));
    assert_eq!(history.epochs.iter().map(|epoch| epoch.steps).collect::<Vec<_>>(), [4, 8, 12]);
    for stop in 1..12 {
        let folder = tempfile::tempdir().expect("a folder");
        let checkpoints = Checkpoints::in_folder(folder.path()).every_steps(1);
        let mut done = 0;
        let stopping = Fit::epochs(3).checkpoints(checkpoints.clone()).on_submission(|_| {
            done += 1;
            if done == stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let mut stopped = trainer(2, 4);
        stopped.fit(&digits(), stopping).expect("stopped");
        assert_eq!(stopped.steps(), stop);
        let mut resumed = trainer(3, 4);
        let found = resumed.fit(&digits(), Fit::epochs(3).checkpoints(checkpoints.resume())).expect("resumed");
        assert_eq!(found, history, "stopped after {stop} steps");
        assert!(bits(&mut resumed) == bits(&mut whole), "stopped after {stop} steps");
    }
}

#[test]
fn a_fit_may_set_the_number_of_micro_batches() {
    let [mut built, mut told] = [trainer(1, 4), trainer(1, 1)];
    let history = built.fit(&digits(), Fit::epochs(2)).expect("trained");
    assert_eq!(told.fit(&digits(), Fit::epochs(2).accumulate(4)).expect("trained"), history);
    assert_eq!(told.parameters().expect("read"), built.parameters().expect("read"));
    let error = told.fit(&digits(), Fit::epochs(1).accumulate(0)).expect_err("nothing would be added");
    assert!(error.to_string().contains("accumulate is 0, but must be at least 1 and at most 1024"), "{error}");
}

#[test]
fn another_number_of_batches_is_another_training() {
    let mut made = trainer(1, 4);
    made.load(&digits()).expect("it fits");
    made.advance().expect("trained");
    let mut other = trainer(1, 2);
    other.load(&digits()).expect("it fits");
    let error = other.restore(&made.checkpoint().expect("made")).expect_err("it is another training");
    assert!(error.to_string().contains("it was made with accumulate = 4, but now it is 2"), "{error}");
}

#[test]
fn a_number_of_batches_must_be_sensible() {
    for batches in [0, 1025, usize::MAX] {
        let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error()).accumulate(batches);
        let Err(error) = builder.build(&Device::cpu()) else { panic!("{batches} micro-batches per step") };
        assert!(matches!(error, Error::Value { .. }), "{error}");
        for part in ["accumulate", &batches.to_string(), "at least 1 and at most 1024"] {
            assert!(error.to_string().contains(part), "`{part}` is missing in `{error}`");
        }
    }
}

#[test]
fn more_rows_than_those_of_all_batches_are_refused() {
    let mut trainer = trainer(1, 2);
    let error = trainer.step(&[0.0; 64 * 35], &[0u32; 35]).expect_err("34 is the most").to_string();
    assert!(error.contains("35") && error.contains("34") && error.contains("`accumulate`"), "{error}");
}
