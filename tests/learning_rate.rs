//! The learning rate in the user's hand: schedules from a function, changes during training, and changes on resuming.
//!
//! Many tests train one weight w on the input 1 and the target 0. Its loss is w², its gradient 2w, and an SGD step makes it
//! (1 − 2·rate)·w. With rates that are powers of two, every number is exact.

#[path = "common/forged.rs"]
mod forged;

use std::ops::ControlFlow;
use std::path::Path;

use wgrad::trainer::Builder;
use wgrad::{
    Adam, Checkpoint, Checkpoints, Dataset, Dense, Device, Epoch, Error, Fit, History, Loss, Network, Progress, Result,
    Schedule, Sgd, Tensor, Trainer, data,
};

const CONTINUE: ControlFlow<()> = ControlFlow::Continue(());

fn one_weight(rate: f64) -> Builder {
    let network = Network::input(1).layer(Dense::new(1).without_bias());
    Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(rate))
}

/// A trainer whose weight is 1.
fn at_one(builder: Builder) -> Result<Trainer> {
    let mut trainer = builder.build(&Device::cpu())?;
    trainer.set_parameters(&[Tensor { name: "layer0.weight".into(), shape: vec![1, 1], values: vec![1.0] }])?;
    Ok(trainer)
}

/// One row, so that each epoch is one step.
fn one_row() -> Dataset {
    Dataset::numbers("one row", 1, &[1.0], 1, &[0.0]).expect("a data set")
}

fn weight(trainer: &mut Trainer) -> Result<f32> {
    Ok(trainer.parameters()?[0].values[0])
}

#[track_caller]
fn says<T>(result: Result<T>, parts: &[&str]) {
    let Err(error) = result else { panic!("it was accepted") };
    let message = error.to_string();
    parts.iter().for_each(|part| assert!(message.contains(part), "`{part}` is not in: {message}"));
}

#[test]
fn a_rate_that_is_set_is_that_of_the_next_step() -> Result<()> {
    let mut trainer = at_one(one_weight(0.25))?;
    let mut step = |rate: Option<f64>| {
        rate.map_or(Ok(()), |rate| trainer.set_learning_rate(rate))?;
        trainer.step(&[1.0], &[0.0])?;
        weight(&mut trainer)
    };
    let found = [None, Some(0.125), None, Some(0.0), Some(0.5)].map(|rate| step(rate).expect("a step"));
    assert_eq!(found, [0.5, 0.375, 0.28125, 0.28125, 0.0]);
    assert_eq!(trainer.learning_rate(), 0.5);
    Ok(())
}

#[test]
fn a_rate_that_cannot_be_is_refused_and_changes_nothing() -> Result<()> {
    let mut trainer = at_one(one_weight(0.25))?;
    for (rate, found) in [(-1.0, "-1"), (f64::NAN, "NaN"), (f64::INFINITY, "inf"), (1e39, "1000")] {
        says(trainer.set_learning_rate(rate), &["optimizer sgd: learning_rate is ", found, "finite as an f32"]);
        assert_eq!(trainer.learning_rate(), 0.25);
    }
    Ok(())
}

/// Rates 1/4, 1/8, 1/16 and again 1/16; then the base rate is doubled, and they are 1/8.
#[test]
fn factors_of_a_function_multiply_the_rate_and_the_last_one_holds() -> Result<()> {
    let halves = Schedule::from_fn(3, |step| 0.5f64.powi(step as i32));
    let mut trainer = at_one(one_weight(0.25).schedule(halves))?;
    trainer.load(&one_row())?;
    let mut wanted = 1.0;
    for (step, rate) in [0.25, 0.125, 0.0625, 0.0625, 0.125].into_iter().enumerate() {
        if step == 4 {
            trainer.set_learning_rate(2.0 * trainer.learning_rate())?;
        }
        trainer.advance()?;
        wanted *= 1.0 - 2.0 * rate;
        assert_eq!(weight(&mut trainer)?, wanted, "step {step}");
    }
    assert_eq!(trainer.learning_rate(), 0.5, "the schedule's factor is not in it");
    Ok(())
}

#[test]
fn factors_that_cannot_be_are_refused_with_step_and_value() {
    let build = |schedule| one_weight(0.25).schedule(schedule).build(&Device::cpu());
    let at_three = |factor: f64| Schedule::from_fn(5, move |step| if step == 3 { factor } else { 1.0 });
    for (factor, found) in [(f64::NAN, "NaN"), (f64::INFINITY, "inf"), (-0.5, "-0.5")] {
        let message = format!("schedule: factor of step 3 is {found}, but must be finite and at least 0");
        says(build(at_three(factor)), &[&message]);
    }
    for factor in [0.0, 7.0] {
        build(at_three(factor)).expect("accepted");
    }
    says(build(Schedule::from_fn(0, |_| 1.0)), &["schedule: steps is 0, but must be at least 1"]);
    says(build(Schedule::from_fn(u64::MAX, |_| 1.0)), &["schedule: steps is more than 1048576", "at most 1048576"]);
    build(Schedule::from_fn(1 << 20, |_| 1.0)).expect("accepted");
}

#[test]
fn a_schedule_from_a_function_keeps_its_bits_as_text() {
    let schedule = Schedule::from_fn(50, |step| (step as f64).sin().abs());
    let text = serde_json::to_string(&schedule).expect("text");
    assert_eq!(serde_json::from_str::<Schedule>(&text).expect("a schedule"), schedule);
    let table: Schedule = toml::from_str("kind = \"table\"\nfactors = [1.0, 0.5]").expect("a schedule");
    assert_eq!(table, Schedule::from_fn(2, |step| 1.0 / (1.0 + step as f64)));
}

#[test]
fn schedules_are_described_in_words() {
    let cosine = |warmup_steps, end| Schedule::Cosine { start: 0.1, warmup_steps, steps: 9, end };
    for (schedule, words) in [
        (Schedule::Constant, "constant"),
        (Schedule::linear_warmup(0.1, 7), "linear warmup from 0.1 over 7 steps"),
        (cosine(0, 0.0), "cosine over 9 steps"),
        (cosine(3, 0.2), "cosine over 9 steps to 0.2, after a linear warmup from 0.1 over 3 steps"),
        (Schedule::from_fn(4, |_| 1.0), "table of 4 steps"),
    ] {
        assert_eq!(schedule.to_string(), words);
    }
}

#[test]
fn a_callback_of_an_epoch_sets_the_rate_of_the_next_ones() -> Result<()> {
    let mut trainer = at_one(one_weight(0.25))?;
    let mut weights = Vec::new();
    let fit = Fit::epochs(3).on_epoch(|epoch, trainer| {
        weights.push(weight(trainer).expect("it is finite"));
        trainer.set_learning_rate(if epoch.epoch == 1 { 0.125 } else { 0.5 }).expect("a rate");
        CONTINUE
    });
    let history = trainer.fit(&one_row(), fit)?;
    assert_eq!(weights, [0.5, 0.375, 0.0]);
    let rates: Vec<f64> = history.epochs.iter().map(|epoch| epoch.learning_rate).collect();
    assert_eq!(rates, [0.25, 0.125, 0.5]);
    Ok(())
}

/// Dropout, batches of an incomplete epoch, an optimizer with state.
fn digits() -> (Dataset, Dataset) {
    let digits = data::digits();
    let rows = |rows: std::ops::Range<usize>| digits.select(&rows.collect::<Vec<_>>());
    (rows(0..100), rows(100..150))
}

fn builder(rate: f64) -> Builder {
    let network = Network::parse(64, "12 relu dropout(0.2) 10").expect("a network");
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(rate));
    builder.batch(32).seed(3).steps_per_submission(1)
}

#[test]
fn a_callback_that_only_looks_changes_no_bit() -> Result<()> {
    let (train, other) = digits();
    let (mut plain, mut watched) = (builder(0.01).build(&Device::cpu())?, builder(0.01).build(&Device::cpu())?);
    plain.fit(&train, Fit::epochs(3))?;
    let mut losses = Vec::new();
    let look = |_: &Epoch, trainer: &mut Trainer| {
        let mut look = || {
            losses.push(trainer.evaluate(&other)?.loss);
            trainer.predict(&other.input_rows(0..3))?;
            let parameters = trainer.parameters()?;
            trainer.set_parameters(&parameters)?;
            trainer.gradients()?;
            trainer.checkpoint()?;
            trainer.check(&other)?;
            assert_eq!(trainer.model()?.evaluate(&other)?.loss, *losses.last().expect("just now"));
            trainer.set_learning_rate(trainer.learning_rate())
        };
        look().expect("it only looks");
        CONTINUE
    };
    watched.fit(&train, Fit::epochs(3).on_epoch(look))?;
    assert_eq!(watched.parameters()?, plain.parameters()?);
    assert_eq!(losses.last(), Some(&plain.evaluate(&other)?.loss));
    Ok(())
}

#[test]
fn a_callback_that_trains_or_loads_is_an_error() -> Result<()> {
    type Act = fn(&mut Trainer) -> Result<()>;
    let acts: [Act; 4] = [
        |trainer| trainer.step(&[1.0], &[0.0]).map(drop),
        |trainer| trainer.load(&Dataset::numbers("two rows", 1, &[1.0, 2.0], 1, &[0.0, 1.0])?),
        |trainer| trainer.fit(&one_row(), Fit::epochs(1)).map(drop),
        |trainer| trainer.load(&one_row()).and_then(|()| trainer.advance()).map(drop),
    ];
    for (number, act) in acts.into_iter().enumerate() {
        let mut trainer = at_one(one_weight(0.25))?;
        let fit = Fit::epochs(9).on_epoch(|epoch, trainer| {
            if epoch.epoch == 2 {
                act(trainer).expect("nothing is wrong with it by itself");
            }
            CONTINUE
        });
        let Err(error) = trainer.fit(&one_row(), fit) else { panic!("act {number} was accepted") };
        assert!(matches!(error, Error::Conflict { .. }), "{error}");
        says(Err::<(), _>(error), &["fit: the callback of epoch 2 trained", "set the learning rate"]);
    }
    Ok(())
}

/// A run whose callback sets the rate to a tenth after epoch 2. It may be stopped in the middle of epoch 3. Returns `true` if
/// it was resumed, too.
fn run(builder: Builder, checkpoints: Option<Checkpoints>, stops: bool) -> Result<(Trainer, History, bool)> {
    let (train, _) = digits();
    let mut is_resumed = false;
    let mut trainer = builder.build(&Device::cpu())?;
    let fit = Fit::epochs(4)
        .on_epoch(|epoch, trainer| {
            if epoch.epoch == 2 {
                trainer.set_learning_rate(0.001).expect("a rate");
            }
            CONTINUE
        })
        .on_submission(|progress: &Progress| {
            if stops && (progress.epoch, progress.step) == (3, 2) { ControlFlow::Break(()) } else { CONTINUE }
        })
        .on_resume(|restored| is_resumed = restored.is_exact() && restored.step == 10);
    let history = trainer.fit(&train, checkpoints.into_iter().fold(fit, Fit::checkpoints))?;
    Ok((trainer, history, is_resumed))
}

fn model_bytes(trainer: &mut Trainer, folder: &Path) -> Vec<u8> {
    let path = folder.join("model.safetensors");
    trainer.model().and_then(|model| model.save(&path)).expect("saved");
    std::fs::read(path).expect("read")
}

#[test]
fn a_resumed_run_has_the_rate_that_a_callback_has_set_and_the_same_bits() -> Result<()> {
    let schedules = [Schedule::Constant, Schedule::cosine(16), Schedule::from_fn(16, |step| 1.0 / (1.0 + step as f64))];
    for schedule in schedules {
        let folder = tempfile::tempdir().expect("a folder");
        let builder = || builder(0.01).schedule(schedule.clone());
        let checkpoints = || Some(Checkpoints::in_folder(folder.path().join("run")));
        let (mut whole, history, _) = run(builder(), None, false)?;
        let (_, stopped, _) = run(builder(), checkpoints(), true)?;
        assert!(stopped.stopped && stopped.len() == 2);
        let (mut resumed, found, is_resumed) = run(builder(), checkpoints().map(Checkpoints::resume), false)?;
        assert!(is_resumed, "{schedule}");
        assert_eq!(found, history, "{schedule}");
        assert_eq!(resumed.learning_rate(), 0.001);
        assert!(model_bytes(&mut resumed, folder.path()) == model_bytes(&mut whole, folder.path()), "{schedule}");
        // Without the change the bits would be others.
        let mut unchanged = builder().build(&Device::cpu())?;
        unchanged.fit(&digits().0, Fit::epochs(4))?;
        assert!(model_bytes(&mut unchanged, folder.path()) != model_bytes(&mut whole, folder.path()), "{schedule}");
    }
    Ok(())
}

/// Trains one weight for two epochs, with a checkpoint in the folder.
fn two_epochs(builder: Builder, folder: &Path) -> Result<Trainer> {
    let mut trainer = at_one(builder)?;
    trainer.fit(&one_row(), Fit::epochs(2).checkpoints(Checkpoints::in_folder(folder)))?;
    Ok(trainer)
}

/// Resumes for two more epochs. Returns the weight, the rates of all epochs, and what was accepted.
fn two_more(builder: Builder, checkpoints: Checkpoints) -> Result<(f32, Vec<f64>, Vec<String>)> {
    let mut trainer = builder.build(&Device::cpu())?;
    let mut accepted = Vec::new();
    let fit = Fit::epochs(4).checkpoints(checkpoints.resume()).on_resume(|restored| {
        assert_eq!(restored.is_exact(), restored.accepted.is_empty());
        accepted = restored.accepted.clone();
    });
    let history = trainer.fit(&one_row(), fit)?;
    Ok((weight(&mut trainer)?, history.epochs.iter().map(|epoch| epoch.learning_rate).collect(), accepted))
}

/// From 1 to 1/2 and 1/4 at the rate 1/4; then at 1/8 to 3/16 and 9/64.
#[test]
fn another_rate_of_the_builder_is_refused_or_accepted() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    two_epochs(one_weight(0.25), folder.path())?;
    let checkpoints = || Checkpoints::in_folder(folder.path());
    says(
        two_more(one_weight(0.125), checkpoints()),
        &["made with optimizer.learning_rate = 0.25, but now it is 0.125", "`accept_learning_rate`"],
    );
    let (weight, rates, accepted) = two_more(one_weight(0.125), checkpoints().accept_learning_rate())?;
    assert_eq!((weight, rates), (9.0 / 64.0, vec![0.25, 0.25, 0.125, 0.125]));
    assert_eq!(accepted, ["learning rate 0.25 → 0.125"]);
    // Other settings are still refused.
    says(two_more(one_weight(0.125).seed(1), checkpoints().accept_learning_rate()), &["seed = 0, but now it is 1"]);
    Ok(())
}

/// Factors of a cosine over 4 steps: 1, 0.854, then over 8 steps those of its steps 2 and 3: 0.854, 0.691.
#[test]
fn another_schedule_is_refused_or_accepted() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let [short, long] = [4, 8].map(|steps| one_weight(0.25).schedule(Schedule::cosine(steps)));
    two_epochs(short, folder.path())?;
    let checkpoints = || Checkpoints::in_folder(folder.path());
    says(
        two_more(long.clone(), checkpoints()),
        &["made with schedule.steps = 4, but now it is 8", "`accept_learning_rate`"],
    );
    let (_, rates, accepted) = two_more(long, checkpoints().accept_learning_rate())?;
    let factor = |part: f64| 0.5 * (1.0 + (std::f64::consts::PI * part).cos());
    for (rate, factor) in rates.iter().zip([1.0, factor(0.25), factor(0.25), factor(0.375)]) {
        assert!((rate - 0.25 * factor).abs() < 1e-15, "{rates:?}");
    }
    assert_eq!(accepted, ["schedule cosine over 4 steps → cosine over 8 steps"]);
    // From the new checkpoints on, it is the training's own schedule.
    let constant = one_weight(0.5);
    let (_, _, accepted) = two_more(constant, checkpoints().accept_learning_rate())?;
    assert_eq!(accepted, ["learning rate 0.25 → 0.5", "schedule cosine over 8 steps → constant"]);
    Ok(())
}

#[test]
fn tables_of_factors_are_compared_one_by_one() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let table = |steps, odd: Option<u64>| {
        Schedule::from_fn(steps, move |step| if odd == Some(step) { 0.5 } else { 1.0 / (1.0 + step as f64) })
    };
    let with = |schedule| one_weight(0.25).schedule(schedule);
    two_epochs(with(table(40, None)), folder.path())?;
    let checkpoints = || Checkpoints::in_folder(folder.path());
    says(
        two_more(with(table(40, Some(17))), checkpoints()),
        &["made with schedule.factors[17] = 0.05555555555555555, but now it is 0.5"],
    );
    says(two_more(with(table(41, None)), checkpoints()), &["… (40 values), but now it is ", "… (41 values)"]);
    let (_, rates, accepted) = two_more(with(table(40, None)), checkpoints())?;
    assert_eq!((rates, accepted), (vec![0.25, 0.125, 0.25 / 3.0, 0.0625], vec![]));
    Ok(())
}

#[test]
fn a_rate_of_ones_own_loop_is_restored_unless_another_is_accepted() -> Result<()> {
    let mut stopped = at_one(one_weight(0.25))?;
    stopped.step(&[1.0], &[0.0])?;
    stopped.set_learning_rate(0.125)?;
    let checkpoint = stopped.checkpoint()?;
    let rates = |built: f64, set: Option<f64>, accepts: bool| {
        let mut trainer = one_weight(built).build(&Device::cpu())?;
        set.map_or(Ok(()), |rate| trainer.set_learning_rate(rate))?;
        let restored = if accepts {
            trainer.restore_accepting_learning_rate(&checkpoint)?
        } else {
            trainer.restore(&checkpoint)?
        };
        assert_eq!(weight(&mut trainer)?, 0.5);
        Ok((trainer.learning_rate(), restored.accepted))
    };
    let none = Vec::<String>::new();
    // The same builder has not changed the rate on purpose.
    for accepts in [false, true] {
        assert_eq!(rates(0.25, None, accepts)?, (0.125, none.clone()));
    }
    assert_eq!(rates(0.25, Some(0.5), false)?, (0.125, none.clone()));
    assert_eq!(rates(0.25, Some(0.5), true)?, (0.5, vec!["learning rate 0.125 → 0.5".into()]));
    assert_eq!(rates(0.125, None, true)?, (0.125, none));
    says(rates(0.125, None, false), &["optimizer.learning_rate = 0.25, but now it is 0.125"]);
    Ok(())
}

#[test]
fn of_numbered_folders_the_one_with_the_same_settings_is_resumed_first() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let checkpoints = || Checkpoints::in_numbered_folder(folder.path().join("run"));
    let train = |rate, epochs, checkpoints| {
        let mut trainer = at_one(one_weight(rate))?;
        trainer.fit(&one_row(), Fit::epochs(epochs).checkpoints(checkpoints))?;
        let name = trainer.checkpoint_folder().and_then(Path::file_name).expect("a folder").to_os_string();
        Ok((name, trainer.steps()))
    };
    assert_eq!(train(0.25, 3, checkpoints())?, ("run".into(), 3));
    assert_eq!(train(0.125, 1, checkpoints())?, ("run-2".into(), 1));
    let accepting = || checkpoints().resume().accept_learning_rate();
    assert_eq!(train(0.125, 4, accepting())?, ("run-2".into(), 4));
    assert_eq!(train(0.5, 5, accepting())?, ("run-2".into(), 5), "it has come farthest");
    Ok(())
}

#[test]
fn a_checkpoint_with_a_rate_that_cannot_be_is_refused() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("step-0.safetensors");
    let mut trainer = at_one(one_weight(0.25))?;
    trainer.set_learning_rate(0.375)?;
    trainer.checkpoint()?.save(&path)?;
    assert_eq!(Checkpoint::load(&path)?, trainer.checkpoint()?);
    let bytes = std::fs::read(&path).expect("read");
    let (header, data) = forged::parts(&bytes).expect("a whole file");
    assert!(header.contains(r#"\"learning_rate\":0.375"#), "{header}");
    let file = forged::file(&header.replace(r#"\"learning_rate\":0.375"#, r#"\"learning_rate\":-0.375"#), data);
    let load = |file: &[u8]| {
        std::fs::write(&path, file).expect("written");
        Checkpoint::load(&path)
    };
    let refusal = load(&file).expect_err("its checksum is wrong").to_string();
    says(load(&forged::with_checksum(&file, &refusal).expect("the right one")), &["learning_rate is -0.375"]);
    Ok(())
}

#[test]
fn debug_texts_are_short() -> Result<()> {
    let (train, validation) = digits();
    let mut trainer = builder(0.01).profile().build(&Device::cpu())?;
    trainer.fit(&train, Fit::epochs(1))?;
    let loss = trainer.step(&train.input_rows(0..1), &[0u32])?;
    let texts = [
        format!("{trainer:?}"),
        format!("{loss:?}"),
        format!("{:?}", Fit::epochs(1).validate(&validation).on_epoch(|_, _| CONTINUE)),
        format!("{:?}", trainer.checkpoint()?),
        format!("{:?}", builder(0.01)),
    ];
    for (text, part) in texts.iter().zip(["step: 5", "StepLoss", "digits", "tensors: 12", "Builder"]) {
        assert!(text.contains(part) && text.len() < 1200, "{text}");
    }
    let spans = format!("{:?}", trainer.profile().expect("it is on"));
    assert!(spans.contains("spans: ") && !spans.contains("start_secs"), "{spans}");
    Ok(())
}
