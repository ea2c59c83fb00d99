//! The same seed gives the same bits: in two runs, for any number of threads, and for any grouping of steps.

use wgrad::plan::{Rates, Section};
use wgrad::rng::{Philox, Stream};
use wgrad::trainer::OpTime;
use wgrad::{Adam, Dataset, Device, Fit, Loss, Model, Network, Schedule, Standardization, Trainer, data};

fn digits() -> Dataset {
    data::digits().select(&(0..300).collect::<Vec<_>>())
}

/// Trains three epochs with random initialization, shuffling and dropout; the last batch is short.
fn trained(device: &Device, seed: u64, steps_per_submission: Option<usize>) -> Model {
    let network = Network::parse(64, "48 relu dropout(0.2) 33 tanh dropout(0.1) 10").expect("a network");
    let mut builder = Trainer::builder(network)
        .loss(Loss::softmax_cross_entropy())
        .optimizer(Adam::new(2e-3).weight_decay(1e-3))
        .schedule(Schedule::cosine(60))
        .clip_norm(1.0)
        .batch(47)
        .seed(seed);
    if let Some(steps) = steps_per_submission {
        builder = builder.steps_per_submission(steps);
    }
    let mut trainer = builder.build(device).expect("a trainer");
    trainer.fit(&digits(), Fit::epochs(3)).expect("trained");
    trainer.into_model().expect("a model")
}

fn bits(model: &Model) -> Vec<u32> {
    model.parameters.iter().flat_map(|tensor| &tensor.values).map(|value| value.to_bits()).collect()
}

#[test]
fn two_runs_agree_and_another_seed_does_not() {
    let device = Device::cpu().threads(2);
    let first = bits(&trained(&device, 7, None));
    assert_eq!(first, bits(&trained(&device, 7, None)));
    assert_ne!(first, bits(&trained(&device, 8, None)));
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let one = bits(&trained(&Device::cpu().threads(1), 7, None));
    for threads in [2, 3, 8] {
        assert_eq!(one, bits(&trained(&Device::cpu().threads(threads), 7, None)), "{threads} threads");
    }
}

/// Networks whose work is split among threads: rows in several tasks, slices of a large batch with a short last one, and columns
/// if a batch has too few rows.
#[test]
fn work_that_threads_share_has_the_same_bits() {
    let small_batch = "1000 relu dropout(0.2) 700 tanh dropout(0.1) 3";
    for (inputs, layers, batch) in [
        (200, "300 relu 10", 200),
        (24, "32 tanh dropout(0.2) 32 relu 5", 1100),
        (8, "1024 relu 3", 1030),
        (500, small_batch, 7),
        (500, small_batch, 1),
        (
            24,
            "layer_norm 300 rms_norm relu [dropout(0.2) 200 gelu layer_norm 300] [33] batch_norm 70 swiglu prelu batch_norm scaling 5",
            300,
        ),
    ] {
        let rows = 2 * batch + batch / 3 + 1;
        let mut random = Philox::new(3, Stream::Data, 0);
        let network = Network::parse(inputs, layers).expect("the text is sound");
        let values: Vec<f32> = (0..rows * inputs).map(|_| (2.0 * random.uniform() - 1.0) as f32).collect();
        let classes: Vec<u32> = (0..rows).map(|_| random.below(network.outputs() as u32)).collect();
        let names = (0..network.outputs()).map(|class| class.to_string());
        let data = Dataset::classes("random", inputs, &values, &classes, names).expect("a data set");
        let trained = |threads| {
            let builder =
                Trainer::builder(network.clone()).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(1e-3));
            let mut trainer = builder.batch(batch).seed(7).build(&Device::cpu().threads(threads)).expect("a trainer");
            trainer.fit(&data, Fit::epochs(2)).expect("trained");
            let parameters = trainer.parameters().expect("read");
            parameters.iter().flat_map(|tensor| &tensor.values).map(|value| value.to_bits()).collect::<Vec<_>>()
        };
        let one = trained(1);
        for threads in [2, 3, 8] {
            assert!(one == trained(threads), "{layers}: {threads} threads");
        }
    }
}

#[test]
fn any_grouping_of_steps_gives_the_same_bits() {
    for device in [Device::cpu().threads(2), Device::reference()] {
        let one = bits(&trained(&device, 7, Some(1)));
        // Up to the size of the window.
        for steps in [Some(2), Some(5), Some(7), Some(100), None] {
            assert_eq!(one, bits(&trained(&device, 7, steps)), "{steps:?} steps per submission on {device}");
        }
    }
}

#[test]
fn a_profile_changes_no_bits_and_has_every_op_of_every_step() {
    for device in [Device::cpu().threads(2), Device::reference()] {
        let trained = |profile: bool| {
            let network = Network::parse(64, "48 relu dropout(0.2) 10").expect("a network");
            let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).batch(47).seed(7);
            let builder = if profile { builder.profile() } else { builder };
            let mut trainer = builder.build(&device).expect("a trainer");
            trainer.fit(&digits(), Fit::epochs(3)).expect("trained");
            trainer
        };
        let (mut with, mut without) = (trained(true), trained(false));
        assert_eq!(bits(&with.model().expect("a model")), bits(&without.model().expect("a model")), "{device}");
        assert!(without.profile().is_none());
        let profile = with.profile().expect("it was asked for").clone();
        let steps = with.steps();
        let often = |op: &&OpTime| matches!(op.section, Section::Gradients | Section::Update);
        let ops: Vec<_> = profile.ops().iter().filter(often).collect();
        assert_eq!(ops.len(), 3 * 2 + 1, "{device}");
        assert!(ops.iter().all(|op| op.calls == steps && op.secs >= 0.0 && op.work.bytes > 0), "{ops:?}");
        let rates = Rates { flops: Some(1e9), bytes: Some(1e9) };
        assert_eq!(profile.table(rates).lines().count(), 1 + profile.ops().len());
        let mut trace = Vec::new();
        profile.write_trace(&mut trace).expect("written to memory");
        let trace: serde_json::Value = serde_json::from_slice(&trace).expect("JSON");
        let spans = trace["traceEvents"].as_array().expect("events").len() as u64;
        assert_eq!(spans, profile.ops().iter().map(|op| op.calls).sum::<u64>());
    }
}

#[test]
fn saved_files_are_equal_byte_by_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let files = [1, 2, 3].map(|threads| {
        let path = folder.path().join(format!("{threads}.safetensors"));
        trained(&Device::cpu().threads(threads), 7, None).save(&path).expect("saved");
        std::fs::read(path).expect("read")
    });
    assert_eq!(files[0], files[1]);
    assert_eq!(files[0], files[2]);
}

#[test]
fn a_loop_of_single_steps_is_the_same_training() {
    let data = digits();
    let build = || {
        let network = Network::parse(64, "20 relu dropout(0.3) 10").expect("a network");
        let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).batch(300).seed(3);
        builder.build(&Device::cpu().threads(2)).expect("a trainer")
    };
    // One batch per epoch, with the rows in the order of the first epoch.
    let mut order: Vec<usize> = (0..300).collect();
    Philox::new(3, Stream::Shuffle, 0).shuffle(&mut order);
    let shuffled = data.select(&order);
    let wgrad::Targets::Classes { indices, .. } = shuffled.targets() else { panic!("digits have classes") };
    let (mut fitted, mut stepped) = (build(), build());
    let history = fitted.fit(&data, Fit::epochs(1)).expect("trained");
    let loss = stepped.step(&shuffled.input(), indices).expect("a step").value().expect("a loss");
    assert_eq!(history.epochs[0].loss, f64::from(loss));
    assert_eq!(fitted.parameters().expect("read"), stepped.parameters().expect("read"));
    assert_eq!(fitted.gradients().expect("read"), stepped.gradients().expect("read"));
}

#[test]
fn a_saved_model_predicts_what_the_trainer_did() {
    let data = data::iris();
    let mut trainer = Trainer::builder(Network::parse(4, "9 tanh 3").expect("a network"))
        .loss(Loss::softmax_cross_entropy())
        .preprocessing(Standardization::fit(&data).expect("fitted"))
        .build(&Device::cpu())
        .expect("a trainer");
    trainer.fit(&data, Fit::epochs(20)).expect("trained");
    let predicted = trainer.predict(&data.input()).expect("predicted");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("iris.safetensors");
    trainer.model().expect("a model").save(&path).expect("saved");
    let model = Model::load(&path).expect("loaded");
    assert_eq!(predicted, model.predict(&data.input()).expect("predicted"));
    assert_eq!(trainer.into_model().expect("a model"), model);
}

/// Bytes are scaled by a lookup table, numbers on the host.
#[test]
fn bytes_train_like_the_same_numbers() {
    let bytes: Vec<u8> = (0..90u32 * 7).map(|at| (at * at * 37 % 251) as u8).collect();
    let numbers: Vec<f32> = bytes.iter().map(|byte| f32::from(*byte)).collect();
    let classes: Vec<u32> = (0..90).map(|row| row * 5 % 3).collect();
    let names = ["a", "b", "c"];
    let images = Dataset::images("images", 7, bytes, classes.clone(), names).expect("images");
    let numbers = Dataset::classes("images", 7, &numbers, &classes, names).expect("numbers");
    let columns = Standardization::fit(&images).expect("scales");
    let all = Standardization::fit_all(&images).expect("a scale");
    assert_eq!((&columns, &all), (&fit(&numbers), &Standardization::fit_all(&numbers).expect("a scale")));
    assert!(all.is_uniform() && !columns.is_uniform());
    for device in [Device::cpu().threads(2), Device::reference()] {
        for scaling in [None, Some(&columns), Some(&all)] {
            let train = |data: &Dataset| {
                let network = Network::parse(7, "16 relu 3").expect("a network");
                let mut builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).batch(16);
                builder = scaling.map_or(builder.clone(), |scaling| builder.preprocessing(scaling.clone()));
                let mut trainer = builder.build(&device).expect("a trainer");
                let history = trainer.fit(data, Fit::epochs(3).validate(data)).expect("trained");
                (history, bits(&trainer.into_model().expect("a model")))
            };
            assert_eq!(train(&images), train(&numbers), "{device}, {scaling:?}");
        }
    }
}

fn fit(data: &Dataset) -> Standardization {
    Standardization::fit(data).expect("scales")
}
