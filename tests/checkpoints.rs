//! Training that is stopped and resumed from a checkpoint equals uninterrupted training, bit for bit.

#[path = "common/forged.rs"]
mod forged;

use std::ops::ControlFlow;
use std::path::Path;
use std::time::Duration;

use wgrad::rng::{Philox, Stream};
use wgrad::{
    Adam, Checkpoint, Checkpoints, Dataset, Device, Epoch, Error, Fit, History, Loss, Model, Network, Optimizer,
    Progress, RmsProp, Schedule, Sgd, Standardization, Trainer, data,
};

const ROWS: usize = 250;
const BATCH: usize = 47;
/// Five full batches and a short one.
const STEPS: u64 = ROWS.div_ceil(BATCH) as u64;
const EPOCHS: usize = 4;

fn digits(rows: std::ops::Range<usize>) -> Dataset {
    data::digits().select(&rows.collect::<Vec<_>>())
}

/// Trainer with shuffling, dropout, clipping, a schedule and an optimizer with state.
fn trainer(device: &Device, optimizer: impl Into<Optimizer>) -> Trainer {
    let network = Network::parse(64, "24 relu dropout(0.2) 13 tanh dropout(0.1) [7 batch_norm layer_norm] rms_norm 10")
        .expect("a network");
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(optimizer);
    let builder = builder.schedule(Schedule::cosine(STEPS * EPOCHS as u64)).clip_norm(1.0).batch(BATCH).seed(7);
    builder.steps_per_submission(4).build(device).expect("a trainer")
}

/// Trains or resumes; a callback stops it after `stop` steps.
fn train(
    trainer: &mut Trainer,
    validation: &Dataset,
    checkpoints: Option<Checkpoints>,
    stop: u64,
) -> wgrad::Result<History> {
    let fit = Fit::epochs(EPOCHS).validate(validation).restore_best().on_submission(|progress| {
        let done = (progress.epoch as u64 - 1) * STEPS + progress.step as u64;
        if done >= stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    let fit = match checkpoints {
        Some(checkpoints) => fit.checkpoints(checkpoints),
        None => fit,
    };
    trainer.fit(&digits(0..ROWS), fit)
}

fn bits(trainer: &mut Trainer) -> Vec<u32> {
    let parameters = trainer.parameters().expect("read");
    parameters.iter().flat_map(|tensor| &tensor.values).map(|value| value.to_bits()).collect()
}

/// Stops at every submission, and resumes on another device.
fn resumed_is_uninterrupted(one: &Device, other: &Device, optimizer: Optimizer) {
    let validation = digits(ROWS..ROWS + 60);
    let mut whole = trainer(one, optimizer);
    let history = train(&mut whole, &validation, None, u64::MAX).expect("trained");
    let wanted = bits(&mut whole);
    for every in [None, Some(5)] {
        for stop in (0..STEPS * EPOCHS as u64).step_by(5) {
            let folder = tempfile::tempdir().expect("a folder");
            let checkpoints = Checkpoints::in_folder(folder.path());
            let checkpoints = every.map_or(checkpoints.clone(), |steps| checkpoints.every_steps(steps));
            train(&mut trainer(one, optimizer), &validation, Some(checkpoints.clone()), stop).expect("stopped");
            let mut resumed = trainer(other, optimizer);
            let found = train(&mut resumed, &validation, Some(checkpoints.resume()), u64::MAX).expect("resumed");
            assert_eq!(found, history, "stopped after {stop} steps, a checkpoint every {every:?}");
            assert!(bits(&mut resumed) == wanted, "stopped after {stop} steps, a checkpoint every {every:?}");
        }
    }
}

#[test]
fn a_resumed_training_is_the_uninterrupted_one_on_other_threads() {
    let [two, three] = [2, 3].map(|threads| Device::cpu().threads(threads));
    resumed_is_uninterrupted(&two, &three, Adam::new(4e-3).weight_decay(1e-3).into());
    resumed_is_uninterrupted(&three, &two, RmsProp::new(1e-3).into());
}

#[test]
fn a_resumed_training_of_the_reference_is_the_uninterrupted_one() {
    let reference = Device::reference();
    resumed_is_uninterrupted(&reference, &reference, Sgd::new(0.1).momentum(0.9).nesterov().into());
}

/// Names of the checkpoints in a folder, in the order of their steps.
fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("readable").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "lock")
        .collect();
    names.sort_by_key(|name| (name.len(), name.clone()));
    names
}

/// Validation set with wrong classes, so that the first epoch is the best.
fn wrong_answers() -> Dataset {
    let other = digits(ROWS..ROWS + 60);
    let wgrad::Targets::Classes { indices, names } = other.targets() else { panic!("digits have classes") };
    let wrong: Vec<u32> = indices.iter().map(|class| (class + 1) % 10).collect();
    Dataset::classes("wrong", 64, &other.input(), &wrong, names.clone()).expect("a data set")
}

#[test]
fn the_best_epoch_may_lie_before_the_stop() {
    let validation = wrong_answers();
    let build = || trainer(&Device::cpu(), Sgd::new(0.2));
    let mut whole = build();
    let history = train(&mut whole, &validation, None, u64::MAX).expect("trained");
    assert!(history.best == Some(1));
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = Checkpoints::in_folder(folder.path());
    train(&mut build(), &validation, Some(checkpoints.clone()), 16).expect("stopped");
    let mut resumed = build();
    assert_eq!(train(&mut resumed, &validation, Some(checkpoints.resume()), u64::MAX).expect("resumed"), history);
    assert!(bits(&mut resumed) == bits(&mut whole));
}

#[test]
fn the_newest_three_and_the_best_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = Checkpoints::in_folder(folder.path()).every_steps(2);
    let validation = wrong_answers();
    let mut trainer = trainer(&Device::cpu(), Sgd::new(0.5));
    let history = train(&mut trainer, &validation, Some(checkpoints), u64::MAX).expect("trained");
    let best = history.best.expect("one is the best") as u64;
    let last = STEPS * EPOCHS as u64;
    let mut wanted = vec![best * STEPS, last - 4, last - 2, last];
    wanted.sort_unstable();
    wanted.dedup();
    assert!(wanted.len() == 4, "the best epoch is {best}");
    assert_eq!(files(folder.path()), wanted.iter().map(|step| format!("step-{step}.safetensors")).collect::<Vec<_>>());
}

/// A folder with checkpoints of a training that was stopped after 16 steps.
fn stopped() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = Checkpoints::in_folder(folder.path()).every_steps(4);
    train(&mut trainer(&Device::cpu(), Adam::new(1e-3)), &digits(300..340), Some(checkpoints), 14).expect("stopped");
    folder
}

#[test]
fn a_truncated_or_changed_file_is_refused_and_the_one_before_is_used() {
    let folder = stopped();
    let names = files(folder.path());
    let newest = folder.path().join(names.last().expect("there are some"));
    let bytes = std::fs::read(&newest).expect("read");
    Checkpoint::load(&newest).expect("it is whole");
    let refused = |bytes: &[u8], what: String| {
        std::fs::write(&newest, bytes).expect("written");
        let error = Checkpoint::load(&newest).expect_err(&what);
        assert!(matches!(error, Error::Format { .. }), "{what}: {error}");
        assert!(error.to_string().contains("step-") && error.to_string().contains("; "), "{what}: {error}");
    };
    for end in (bytes.len() - 1024..bytes.len()).chain(0..300) {
        refused(&bytes[..end], format!("cut at {end} of {}", bytes.len()));
    }
    for at in (0..bytes.len()).step_by(23) {
        let mut changed = bytes.clone();
        changed[at] ^= 0x04;
        refused(&changed, format!("byte {at} of {} changed", bytes.len()));
    }
    let mut resumed = trainer(&Device::cpu(), Adam::new(1e-3));
    let mut skipped = Vec::new();
    let validation = digits(300..340);
    let fit = Fit::epochs(EPOCHS).validate(&validation).restore_best();
    let fit = fit.checkpoints(Checkpoints::in_folder(folder.path()).resume()).on_resume(|restored| {
        skipped = restored.skipped_checkpoints.clone();
        assert!(restored.step > 0 && restored.step < newest_step(&names), "{restored:?}");
    });
    resumed.fit(&digits(0..ROWS), fit).expect("the one before is valid");
    assert!(skipped.len() == 1 && skipped[0].contains(names.last().expect("some")), "{skipped:?}");
    let mut whole = trainer(&Device::cpu(), Adam::new(1e-3));
    train(&mut whole, &validation, None, u64::MAX).expect("trained");
    assert!(bits(&mut resumed) == bits(&mut whole));
}

fn newest_step(names: &[String]) -> u64 {
    let number = |name: &String| name.strip_prefix("step-")?.strip_suffix(".safetensors")?.parse().ok();
    names.iter().filter_map(number).max().expect("there are some")
}

#[test]
fn a_training_does_not_start_over_if_all_checkpoints_are_damaged() {
    let folder = stopped();
    for name in files(folder.path()) {
        std::fs::write(folder.path().join(name), "something else").expect("written");
    }
    let resume = Some(Checkpoints::in_folder(folder.path()).resume());
    let error = train(&mut trainer(&Device::cpu(), Adam::new(1e-3)), &digits(300..340), resume, u64::MAX);
    let message = error.expect_err("none is whole").to_string();
    assert!(
        message.contains("none of its checkpoints can be used") && message.contains("to start a new training"),
        "{message}"
    );
}

/// Bits of a file that can be flipped without a read error, among 400 random ones and one in each byte of the header.
fn unnoticed<T>(path: &Path, load: impl Fn(&Path) -> wgrad::Result<T>) -> Vec<usize> {
    let whole = std::fs::read(path).expect("read");
    load(path).expect("it is whole");
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().expect("eight bytes")) as usize;
    let mut random = Philox::new(27, Stream::Data, 0);
    let drawn: Vec<usize> = (0..400).map(|_| random.below(8 * whole.len() as u32) as usize).collect();
    let flipped = |bit: &usize| {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(path, bytes).expect("written");
        match load(path) {
            Ok(_) => true,
            Err(error) => {
                let message = error.to_string();
                assert!(matches!(error, Error::Format { .. }) && message.contains("; "), "bit {bit}: {message}");
                false
            }
        }
    };
    let each = (0..header).map(|byte| 8 * byte + random.below(8) as usize).collect::<Vec<_>>();
    let unnoticed = drawn.into_iter().chain(each).filter(flipped).collect();
    std::fs::write(path, whole).expect("written");
    unnoticed
}

#[test]
fn a_flipped_bit_anywhere_in_a_model_or_a_checkpoint_is_noticed() {
    let folder = stopped();
    let checkpoint = folder.path().join(files(folder.path()).last().expect("there are some"));
    let found = unnoticed(&checkpoint, |path| Checkpoint::load(path));
    assert!(found.is_empty(), "checkpoint: {} bits: {found:?}", found.len());
    let model = folder.path().join("model.safetensors");
    trainer(&Device::cpu(), Adam::new(1e-3)).model().expect("a model").save(&model).expect("saved");
    let found = unnoticed(&model, |path| Model::load(path));
    assert!(found.is_empty(), "model: {} bits: {found:?}", found.len());
}

#[test]
fn other_settings_and_other_data_are_refused_with_both_values() {
    let folder = stopped();
    let resume = || Checkpoints::in_folder(folder.path()).resume();
    let refused = |trainer: &mut Trainer, validation: &Dataset| {
        let error = train(trainer, validation, Some(resume()), u64::MAX).expect_err("it is another training");
        assert!(matches!(error, Error::Conflict { .. }), "{error}");
        error.to_string()
    };
    let validation = digits(300..340);
    let message = refused(&mut trainer(&Device::cpu(), Adam::new(2e-3)), &validation);
    assert!(message.contains("it was made with optimizer.learning_rate = 0.001, but now it is 0.002"), "{message}");
    let message = refused(&mut trainer(&Device::cpu(), Adam::new(1e-3)), &digits(300..341));
    assert!(message.contains("validation."), "{message}");
    let occupied = Checkpoints::in_folder(folder.path());
    let error = train(&mut trainer(&Device::cpu(), Adam::new(1e-3)), &validation, Some(occupied), u64::MAX);
    assert!(error.expect_err("the folder is taken").to_string().contains("has checkpoints of an earlier training"));
}

#[test]
fn another_device_resumes_and_is_reported_as_different() {
    let folder = stopped();
    let mut said = Vec::new();
    let mut trainer = trainer(&Device::reference(), Adam::new(1e-3));
    let validation = digits(300..340);
    let fit = Fit::epochs(EPOCHS).validate(&validation).restore_best();
    let fit = fit.checkpoints(Checkpoints::in_folder(folder.path()).resume()).on_resume(|restored| {
        assert_eq!((restored.step, restored.epochs, restored.is_exact()), (16, 2, false));
        said = restored.differences.clone();
    });
    trainer.fit(&digits(0..ROWS), fit).expect("trained");
    assert!(said.len() == 1 && said[0].starts_with("device was cpu (") && said[0].contains("is reference"), "{said:?}");
}

#[test]
fn temporary_files_of_a_killed_process_are_deleted() {
    let folder = stopped();
    let left = folder.path().join(".step-7.safetensors-1-0.wgrad-part");
    std::fs::write(left, "half of a check").expect("written");
    let resume = Some(Checkpoints::in_folder(folder.path()).resume());
    train(&mut trainer(&Device::cpu(), Adam::new(1e-3)), &digits(300..340), resume, u64::MAX).expect("resumed");
    assert!(files(folder.path()).iter().all(|name| name.starts_with("step-")), "{:?}", files(folder.path()));
}

/// Users may keep other files in the folder.
#[test]
fn files_in_a_folder_of_checkpoints_that_are_not_its_own_stay() {
    let folder = tempfile::tempdir().expect("a folder");
    let users =
        ["lock", ".step-notes-1-2", ".step-notes-1-2.wgrad-part", "step-007.safetensors", "step-+5.safetensors"];
    for name in users {
        std::fs::write(folder.path().join(name), "the user's").expect("written");
    }
    let checkpoints = Checkpoints::in_folder(folder.path()).every_steps(2);
    train(&mut trainer(&Device::cpu(), Adam::new(1e-3)), &digits(300..340), Some(checkpoints), 14).expect("stopped");
    for name in users {
        let found = std::fs::read(folder.path().join(name));
        assert!(found.as_ref().is_ok_and(|found| found == b"the user's"), "{name}: {found:?}");
    }
}

#[test]
fn skipped_damaged_checkpoints_do_not_count_as_the_newest_three() {
    // Stopped after each step, or once.
    for stops in [(9..19).collect::<Vec<u64>>(), vec![18]] {
        let folder = tempfile::tempdir().expect("a folder");
        let go_on = |checkpoints: Checkpoints, stop| {
            let mut trainer = trainer(&Device::cpu(), Sgd::new(0.5));
            train(&mut trainer, &wrong_answers(), Some(checkpoints), stop).expect("trained");
        };
        let checkpoints = || Checkpoints::in_folder(folder.path());
        go_on(checkpoints().every_steps(4), 16);
        assert_eq!(files(folder.path()), [6, 8, 12, 16].map(|step| format!("step-{step}.safetensors")));
        for step in [12, 16] {
            std::fs::write(folder.path().join(format!("step-{step}.safetensors")), "something else").expect("written");
        }
        let is_usable = |step: &u64| Checkpoint::load(folder.path().join(format!("step-{step}.safetensors"))).is_ok();
        for stop in stops {
            go_on(checkpoints().resume().every_steps(1), stop);
            let newest: Vec<u64> = (8.max(stop - 2)..=stop).collect();
            assert!(newest.iter().all(is_usable), "{:?} after step {stop}", files(folder.path()));
        }
        // Files that were written again no longer count as damaged.
        assert_eq!(files(folder.path()), [6, 16, 17, 18].map(|step| format!("step-{step}.safetensors")));
    }
}

/// Data set with one row whose loss is infinite, for any parameters.
fn with_a_bad_row(targets: [f32; 8]) -> Dataset {
    let inputs: Vec<f32> = (0..8).map(|row| row as f32 / 8.0).collect();
    Dataset::numbers("rows", 1, &inputs, 1, &targets).expect("a data set")
}

#[test]
fn checkpoints_of_trainings_whose_steps_have_failed_can_be_used() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("checkpoint.safetensors");
    let mut targets = [0.5f32; 8];
    let good = with_a_bad_row(targets);
    targets[3] = 1e30;
    let bad = with_a_bad_row(targets);
    // Two steps per epoch, or one, which always fails.
    for batch in [4, 8] {
        let build = || {
            let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error()).batch(batch);
            builder.optimizer(Adam::new(0.1)).steps_per_submission(1).build(&Device::cpu()).expect("a trainer")
        };
        let mut trainer = build();
        trainer.load(&bad).expect("it fits");
        let mut failures = 0;
        for _ in 0..8 {
            failures += usize::from(trainer.advance().is_err());
            let checkpoint = trainer.checkpoint().expect("all is finite");
            checkpoint.save(&path).expect("saved");
            let loaded = Checkpoint::load(&path).expect("it was written just now");
            let mut other = build();
            other.load(&bad).expect("it fits");
            other.restore(&loaded).expect("the same settings");
            assert!(other.checkpoint().expect("all is finite") == checkpoint);
        }
        assert_eq!((failures, trainer.steps()), if batch == 8 { (8, 0) } else { (4, 4) });
        // Started epochs count for the order of the rows.
        let below = folder.path().join(format!("run-{batch}"));
        let checkpoints = Checkpoints::in_folder(&below).every_steps(1);
        let stop = |_: &Epoch, _: &mut Trainer| ControlFlow::Break(());
        trainer.fit(&good, Fit::epochs(3).checkpoints(checkpoints.clone()).on_epoch(stop)).expect("stopped");
        let mut resumed = build();
        resumed.fit(&good, Fit::epochs(3).checkpoints(checkpoints.resume())).expect("resumed");
        assert_eq!(resumed.steps(), trainer.steps() + 2 * 8 / batch as u64);
    }
}

#[test]
fn a_folder_belongs_to_one_training_at_a_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = || Some(Checkpoints::in_folder(folder.path()).resume());
    let validation = digits(300..340);
    let mut message = String::new();
    let fit = Fit::epochs(1).validate(&validation).restore_best().checkpoints(checkpoints().expect("some"));
    let fit = fit.on_epoch(|_, _| {
        let second = train(&mut trainer(&Device::cpu(), Adam::new(1e-3)), &validation, checkpoints(), u64::MAX);
        message = second.expect_err("it is taken").to_string();
        ControlFlow::Continue(())
    });
    trainer(&Device::cpu(), Adam::new(1e-3)).fit(&digits(0..ROWS), fit).expect("trained");
    assert!(message.contains("another training is writing checkpoints to it"), "{message}");
}

#[test]
fn only_when_stopped_leaves_a_checkpoint_only_if_stopped_and_replaces_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let below = folder.path().join("run");
    let checkpoints = || Some(Checkpoints::in_folder(&below).only_when_stopped());
    let validation = digits(300..340);
    let train =
        |checkpoints, stop| train(&mut trainer(&Device::cpu(), Adam::new(1e-3)), &validation, checkpoints, stop);
    assert!(!train(checkpoints(), u64::MAX).expect("trained").stopped && !below.exists());
    assert!(train(checkpoints(), 14).expect("stopped").stopped);
    assert_eq!(files(&below), ["step-16.safetensors"]);
    assert!(train(checkpoints(), 4).expect_err("it is taken").to_string().contains("of an earlier training"));
    assert_eq!(files(&below), ["step-16.safetensors"]);
}

#[test]
fn a_numbered_folder_belongs_to_one_training() {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = || Checkpoints::in_numbered_folder(folder.path().join("run")).only_when_stopped();
    let validation = digits(300..340);
    let stop = |rate, checkpoints, stop| {
        let mut trainer = trainer(&Device::cpu(), Adam::new(rate));
        train(&mut trainer, &validation, Some(checkpoints), stop)?;
        let below = |found: &Path| found.strip_prefix(folder.path()).expect("below").to_path_buf();
        Ok(trainer.checkpoint_folder().map(below))
    };
    let name = |found: wgrad::Result<Option<std::path::PathBuf>>| found.expect("trained").expect("a folder");
    assert_eq!(stop(1e-3, checkpoints(), u64::MAX).expect("trained"), None);
    // Both begin before either is stopped.
    let mut second = None;
    let fit = Fit::epochs(EPOCHS).validate(&validation).restore_best().checkpoints(checkpoints()).on_epoch(|_, _| {
        second = Some(name(stop(2e-3, checkpoints(), 4)));
        ControlFlow::Break(())
    });
    let mut first = trainer(&Device::cpu(), Adam::new(1e-3));
    first.fit(&digits(0..ROWS), fit).expect("stopped");
    assert_eq!(second.as_deref(), Some(Path::new("run")));
    assert_eq!(first.checkpoint_folder(), Some(&*folder.path().join("run-2")));
    // Each is found by its settings; a third finds none and starts from scratch.
    assert_eq!(name(stop(1e-3, checkpoints().resume(), 14)), Path::new("run-2"));
    assert_eq!(name(stop(2e-3, checkpoints().resume(), 14)), Path::new("run"));
    assert_eq!(name(stop(3e-3, checkpoints().resume(), 14)), Path::new("run-3"));
    // A folder that is locked by another training is not used.
    let lock = std::fs::File::create(folder.path().join("run/lock")).expect("made");
    lock.try_lock().expect("nobody has it");
    let error = stop(2e-3, checkpoints().resume(), 14).expect_err("its folder is taken");
    assert!(error.to_string().contains("another training is writing checkpoints to it"), "{error}");
}

/// Folders of other trainings are neither locked nor cleaned up, and a file is not a folder.
#[test]
fn a_search_for_checkpoints_changes_nothing_that_belongs_to_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = folder.path().join("run");
    std::fs::write(&place, "a file of the user's").expect("written");
    let checkpoints = || Checkpoints::in_numbered_folder(&place).only_when_stopped();
    let validation = digits(300..340);
    let stop = |rate, checkpoints| {
        let mut trainer = trainer(&Device::cpu(), Adam::new(rate));
        train(&mut trainer, &validation, Some(checkpoints), 14).expect("stopped");
        trainer.checkpoint_folder().expect("it was stopped").to_path_buf()
    };
    let first = stop(1e-3, checkpoints().resume());
    assert_eq!(first, folder.path().join("run-2"));
    std::fs::remove_file(first.join("lock")).expect("nobody has it");
    let part = ".step-7.safetensors-1-0.wgrad-part";
    std::fs::write(first.join(part), "half of a check").expect("written");
    assert_eq!(stop(2e-3, checkpoints().resume()), folder.path().join("run-3"));
    assert!(first.join(part).exists() && !first.join("lock").exists());
    let error = train(
        &mut trainer(&Device::cpu(), Adam::new(2e-3)),
        &validation,
        Some(Checkpoints::in_folder(&first).resume()),
        u64::MAX,
    );
    let error = error.expect_err("it is another training").to_string();
    let said = format!("{}: it was made with optimizer.learning_rate = 0.001", first.display());
    assert!(error.starts_with(&said), "{error}");
    assert!(first.join(part).exists() && !first.join("lock").exists());
    assert_eq!(stop(1e-3, checkpoints().resume()), first);
    assert!(!first.join(part).exists() && first.join("lock").exists());
}

/// Scaled bytes, with a checkpoint after every submission, resumed with another number of steps per submission.
#[test]
fn images_are_resumed_for_any_grouping_of_steps() {
    let bytes: Vec<u8> = (0..90u32 * 7).map(|at| (at * at * 37 % 251) as u8).collect();
    let classes: Vec<u32> = (0..90).map(|row| row * 5 % 3).collect();
    let images = Dataset::images("images", 7, bytes, classes, ["a", "b", "c"]).expect("images");
    let build = |steps| {
        let builder = Trainer::builder(Network::parse(7, "16 relu dropout(0.2) 3").expect("a network"));
        let builder = builder.loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(1e-2)).batch(16).seed(5);
        let scaling = Standardization::fit(&images).expect("scales");
        builder.preprocessing(scaling).steps_per_submission(steps).build(&Device::cpu()).expect("a trainer")
    };
    let mut whole = build(4);
    whole.fit(&images, Fit::epochs(3)).expect("trained");
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = Checkpoints::in_folder(folder.path()).every(Duration::ZERO);
    let stop =
        |progress: &Progress| if progress.epoch == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    build(2).fit(&images, Fit::epochs(3).checkpoints(checkpoints.clone()).on_submission(stop)).expect("stopped");
    assert_eq!(files(folder.path()), ["step-4.safetensors", "step-6.safetensors", "step-8.safetensors"]);
    let (mut resumed, mut exact) = (build(5), false);
    let fit = Fit::epochs(3).checkpoints(checkpoints.resume()).on_resume(|restored| exact = restored.is_exact());
    resumed.fit(&images, fit).expect("resumed");
    assert!(exact && bits(&mut resumed) == bits(&mut whole));
}

#[test]
fn a_custom_training_loop_resumes_from_a_checkpoint_too() {
    let data = digits(0..200);
    let wgrad::Targets::Classes { indices, .. } = data.targets() else { panic!("digits have classes") };
    let step = |trainer: &mut Trainer, number: usize| {
        let rows = number * 20..(number + 1) * 20;
        let loss = trainer.step(&data.input_rows(rows.clone()), &indices[rows]).expect("a step");
        loss.value().expect("a loss").to_bits()
    };
    let build = || trainer(&Device::cpu(), Adam::new(1e-3));
    let (mut whole, mut stopped, mut resumed) = (build(), build(), build());
    let losses: Vec<u32> = (0..10).map(|number| step(&mut whole, number)).collect();
    (0..4).for_each(|number| assert_eq!(step(&mut stopped, number), losses[number]));
    let restored = resumed.restore(&stopped.checkpoint().expect("a checkpoint")).expect("restored");
    assert_eq!((restored.step, restored.is_exact()), (4, true));
    (4..10).for_each(|number| assert_eq!(step(&mut resumed, number), losses[number]));
    // With a data set loaded it is another training.
    let mut other = build();
    other.load(&data).expect("it fits");
    let message = other.restore(&stopped.checkpoint().expect("a checkpoint")).expect_err("refused").to_string();
    assert!(message.contains("it was made with data = null, but now it is {"), "{message}");
}

#[test]
fn a_deleted_folder_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let below = folder.path().join("run");
    let vanish = |progress: &Progress| {
        if progress.epoch == 2 {
            std::fs::remove_dir_all(&below).expect("deleted");
        }
        ControlFlow::Continue(())
    };
    let fit = Fit::epochs(2).checkpoints(Checkpoints::in_folder(&below).every_steps(3)).on_submission(vanish);
    let error = trainer(&Device::cpu(), Adam::new(1e-3)).fit(&digits(0..ROWS), fit).expect_err("it is gone");
    assert!(matches!(error, Error::File { .. }), "{error}");
    assert!(error.to_string().contains("step-9.safetensors: creating a file beside it failed"), "{error}");
}

#[test]
fn an_impossible_folder_is_an_error_before_training() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "").expect("written");
    for path in ["file", "file/below"] {
        let checkpoints = Checkpoints::in_folder(folder.path().join(path));
        let mut trainer = trainer(&Device::cpu(), Adam::new(1e-3));
        let error = train(&mut trainer, &digits(300..340), Some(checkpoints), u64::MAX).expect_err("no folder");
        assert!(matches!(error, Error::File { .. }), "{error}");
        assert_eq!(trainer.steps(), 0);
    }
}

/// A checkpoint within an epoch, with an earlier best epoch, and its header.
fn in_the_midst() -> (Vec<u8>, String) {
    let folder = stopped();
    let bytes = std::fs::read(folder.path().join("step-16.safetensors")).expect("written");
    let (header, _) = forged::parts(&bytes).expect("a whole file");
    let header = header.to_string();
    (bytes, header)
}

/// Checkpoints of earlier versions must load: a field that is renamed in the code keeps its name in files.
#[test]
fn fields_of_the_file_keep_their_names() {
    let header: serde_json::Value = serde_json::from_str(&in_the_midst().1).expect("a header");
    let text = header["__metadata__"]["wgrad.checkpoint"].as_str().expect("metadata");
    let metadata: serde_json::Value = serde_json::from_str(text).expect("JSON");
    let names = |value: &serde_json::Value| {
        let mut names: Vec<String> = value.as_object().expect("an object").keys().cloned().collect();
        names.sort();
        names.join(" ")
    };
    let (head, course) = (&metadata["head"], &metadata["head"]["course"]);
    assert_eq!(names(&metadata), "crc32 head");
    assert_eq!(names(head), "course epoch format made_on settings step used");
    assert_eq!(names(course), "best epochs running");
    let settings =
        "accumulate batch clip_norm data fused loss network optimizer preprocessing schedule seed validation";
    assert_eq!(names(&head["settings"]), settings);
}

/// A matching checksum does not prove that the contents are consistent.
#[test]
fn inconsistent_contents_are_refused_before_they_are_used() {
    let (bytes, header) = in_the_midst();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("step-16.safetensors");
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        Checkpoint::load(&path)
    };
    let data = forged::parts(&bytes).expect("a whole file").1;
    // With a matching checksum; files that are not checkpoints are refused earlier.
    let forged = |header: &str, data: &[u8]| {
        let file = forged::file(header, data);
        let found = load(&file);
        let right = found.as_ref().err().and_then(|error| forged::with_checksum(&file, &error.to_string()));
        right.map_or(found, |file| load(&file))
    };
    forged(&header, data).expect("nothing was changed");
    let at = |name: &str| header.find(name).unwrap_or_else(|| panic!("{name} is not in {header}"));
    // Old text, new text, and part of the message.
    let best = r#"\"best\":{\"epoch\":"#;
    let cases: [(&str, &str, &str); 18] = [
        (r#"\"step\":16,\"epoch\":3"#, r#"\"step\":18446744073709551615,\"epoch\":3"#, "below 281474976710656"),
        (r#"\"step\":16,\"epoch\":3"#, r#"\"step\":1,\"epoch\":3"#, "epoch 1 ended at step 6, not between 0 and 1"),
        (r#"\"step\":16,\"epoch\":3"#, r#"\"step\":16,\"epoch\":4294967295"#, "4294967295 epochs were begun"),
        (
            r#"\"step\":16,\"epoch\":3"#,
            r#"\"step\":16,\"epoch\":0"#,
            "188 rows of the epoch were used, but none was begun",
        ),
        (r#"\"step\":16,\"epoch\":3"#, r#"\"step\":16,\"epoch\":1"#, "2 epochs are complete, but 1 were begun"),
        (r#"\"step\":16,\"epoch\":3"#, r#"\"step\":11,\"epoch\":3"#, "not between 6 and 11"),
        (r#"\"used\":188"#, r#"\"used\":189"#, "189 of 250 rows of the epoch were used, but a step has 47"),
        (r#"\"used\":188"#, r#"\"used\":300"#, "300 of 250 rows"),
        (r#"\"used\":188"#, r#"\"used\":null"#, "rows of the epoch that were used: None"),
        (r#"\"used\":188"#, r#"\"used\":141"#, "losses are of 4 steps and 188 rows, but 141 rows"),
        (r#"\"used\":188"#, r#"\"used\":250"#, "but 0 rows of the epoch were used"),
        (r#"\"batch\":47"#, r#"\"batch\":0"#, "batch is 0"),
        (r#"\"batch\":47"#, r#"\"batch\":46"#, "a step has 46"),
        (
            r#"\"batch\":47,\"accumulate\":1"#,
            r#"\"batch\":18446744073709551615,\"accumulate\":2"#,
            "a step has 18446744073709551615",
        ),
        (r#"\"epochs\":[{\"epoch\":1,"#, r#"\"epochs\":[{\"epoch\":2,"#, "epoch 1 has the number 2"),
        (r#"\"restore_best\":true"#, r#"\"restore_best\":false"#, "none of its 2 epochs is that one"),
        (r#"adam.v.layer0.bias"#, r#"adam.w.layer0.bias"#, "tensor `adam.w.layer0.bias` is not one of the training's"),
        (r#"[13]"#, r#"[1,13]"#, "has the shape [1, 13], but [13] is needed"),
    ];
    for (from, to, said) in cases {
        at(from);
        let error = forged(&header.replacen(from, to, 1), data).expect_err(to);
        assert!(matches!(error, Error::Format { .. }), "{to}: {error}");
        assert!(error.to_string().contains(said), "{to}: {error}");
    }
    // Best epochs that do not exist or are not the best.
    let number = &header[at(best) + best.len()..][..1];
    for other in ["0", "3", "1000000"] {
        let changed = header.replacen(&format!("{best}{number}"), &format!("{best}{other}"), 1);
        let error = forged(&changed, data).expect_err(other).to_string();
        assert!(error.contains(&format!("the best epoch is {other} at step")), "{error}");
    }
    // Values of a parameter and of optimizer state.
    let begin = |tensor: &str| {
        let behind = &header[at(&format!("\"{tensor}\""))..];
        let (_, offsets) = behind.split_once("\"data_offsets\":[").expect("each has them");
        offsets.split(',').next().and_then(|begin| begin.parse::<usize>().ok()).expect("a number")
    };
    for (tensor, number, said) in [
        ("layer0.weight", f32::NAN, "tensor `layer0.weight` holds NaN, but must be finite"),
        ("adam.m.layer3.bias", f32::INFINITY, "tensor `adam.m.layer3.bias` holds inf"),
        ("adam.v.layer0.weight", -1.0, "tensor `adam.v.layer0.weight` holds -1, but must be finite and at least 0"),
        ("best.layer0.bias", f32::NEG_INFINITY, "tensor `best.layer0.bias` holds -inf"),
    ] {
        let mut data = data.to_vec();
        data[begin(tensor)..][..4].copy_from_slice(&number.to_le_bytes());
        let error = forged(&header, &data).expect_err(tensor).to_string();
        assert!(error.contains(said), "{error}");
    }
}
