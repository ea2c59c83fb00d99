//! Ops timed by the device's clock.

use wgrad::exec::gpu::{Gpu, GpuOptions};
use wgrad::exec::{Executor, Run};
use wgrad::lower::{TrainingSpec, lower};
use wgrad::plan::{Plan, Section};
use wgrad::trainer::Builder;
use wgrad::{Adam, Device, Fit, Loss, Network, Schedule, Trainer, data};

use crate::common::{adapter_name, device, open};

fn network() -> Network {
    Network::parse(64, "48 relu dropout(0.2) 33 tanh 10").expect("a network")
}

#[test]
fn a_profile_changes_no_bits() {
    let Some(name) = adapter_name() else { return };
    let device = Device::from(open(&name, GpuOptions::default().timestamps()));
    let rows = data::digits().select(&(0..300).collect::<Vec<_>>());
    // Submissions sized by the clock, or with a fixed number of steps.
    let trained = |profile: bool, steps: Option<usize>| {
        let builder = Trainer::builder(network()).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(2e-3));
        let builder = builder.batch(47).seed(7);
        let builder = if profile { builder.profile() } else { builder };
        let builder = steps.into_iter().fold(builder, Builder::steps_per_submission);
        let mut trainer = builder.build(&device).expect("a trainer");
        let built = trainer.counters().pipelines;
        trainer.fit(&rows, Fit::epochs(2)).expect("trained");
        assert_eq!(trainer.counters().pipelines, built, "something was compiled after `build`");
        let parameters = trainer.parameters().expect("read");
        let bits = parameters.iter().flat_map(|tensor| &tensor.values).map(|value| value.to_bits()).collect::<Vec<_>>();
        (bits, trainer)
    };
    let ((with, trainer), (without, _)) = (trained(true, None), trained(false, None));
    assert!(with == without, "a profile changed bits");
    assert!(without == trained(false, Some(3)).0, "the clock changed bits");
    let profile = trainer.profile().expect("it was asked for");
    let steps: Vec<_> = profile.ops().iter().filter(|op| op.section == Section::Gradients).collect();
    assert!(steps.len() >= 3 * 3 && steps.iter().all(|op| op.calls == trainer.steps()), "{steps:?}");
    let secs: f64 = profile.ops().iter().map(|op| op.secs).sum();
    assert!(secs > 0.0, "no op took any time: {profile:?}");
    println!("{}", profile.table(Default::default()));
}

/// One submission with more ops than a query set holds.
#[test]
fn long_submissions_are_timed_whole() {
    let Some(name) = adapter_name() else { return };
    let device = open(&name, GpuOptions::default().timestamps());
    let spec = TrainingSpec::new(
        Network::parse(2, "3 relu 1").expect("a network"),
        Loss::mean_squared_error(),
        Adam::new(1e-3),
        4,
    );
    let plan = Plan::for_training(&spec).expect("sound");
    let mut gpu = Gpu::new(&device, plan).expect("it fits");
    let step = spec.record(&Schedule::Constant, 0, 0, 0, 4);
    let runs = vec![Run { section: Section::Update, batch_index: 0 }; 5000 / gpu.plan().ops(Section::Update).len()];
    let before = gpu.counters();
    let spans = gpu.submit_timed(&[step], &runs).expect("it works");
    assert_eq!(spans.len(), runs.len());
    assert_eq!(gpu.counters().dispatches - before.dispatches, spans.len() as u64);
    assert!(spans.iter().all(|span| span.section == Section::Update && span.secs >= 0.0 && span.start_secs >= 0.0));
    // One op after the other, by a clock that may stand still.
    assert!(spans.windows(2).all(|two| two[0].start_secs <= two[1].start_secs), "{spans:?}");
}

/// Repeats ops in one submission, timed by any clock that the device has.
#[test]
fn repetitions_are_one_submission() {
    let Some(name) = adapter_name() else { return };
    let spec = TrainingSpec::new(network(), Loss::softmax_cross_entropy(), Adam::new(1e-3), 4);
    let step = spec.record(&Schedule::Constant, 0, 0, 0, 4);
    for options in [GpuOptions::default(), GpuOptions::default().timestamps()] {
        let plan = Plan::for_training(&spec).expect("sound");
        let mut gpu = Gpu::new(&open(&name, options), plan).expect("it fits");
        let before = gpu.counters();
        let secs = gpu.submit_repeated(&[step], Run { section: Section::Gradients, batch_index: 0 }, 0..2, 5);
        assert!(secs.is_ok_and(|secs| secs >= 0.0), "{options:?}");
        let after = gpu.counters();
        assert_eq!([after.dispatches - before.dispatches, after.submissions - before.submissions], [10, 1]);
    }
}

#[test]
fn a_device_that_was_opened_without_timestamps_says_so() {
    let Some(gpu) = device() else { return };
    let spec = TrainingSpec::new(network(), Loss::softmax_cross_entropy(), Adam::new(1e-3), 4);
    let mut gpu = Gpu::new(&gpu, lower(&spec).expect("sound")).expect("it fits");
    let step = spec.record(&Schedule::Constant, 0, 0, 0, 4);
    let error = gpu.submit_timed(&[step], &Run::submission(&[step])).expect_err("it has none").to_string();
    assert!(error.contains("timestamps") && error.contains("GpuOptions::timestamps"), "{error}");
}
