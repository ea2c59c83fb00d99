//! Callbacks of a fit: their order, what they may do, and logs, plateau, time limit and health.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;
use wgrad::trainer::{Builder, Callback, CsvLog, FindingKind, Health, JsonLog, Plateau, TensorBoardLog, TimeLimit};
use wgrad::{
    Adam, AdamW, Average, Checkpoints, Dataset, Dense, Device, Epoch, Error, Fit, History, Loss, Network, Optimizer,
    ParameterGroup, Progress, Result, Schedule, Sgd, Tensor, Trainer, data,
};

const CONTINUE: ControlFlow<()> = ControlFlow::Continue(());

/// Trains one weight w on the input 1 and the target 0: the loss is w², the gradient 2w, and an SGD step makes it
/// (1 − 2·rate)·w. With rates that are powers of two, every number is exact.
fn one_weight(rate: f64) -> Result<Trainer> {
    let network = Network::input(1).layer(Dense::new(1).without_bias());
    let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(rate));
    let mut trainer = builder.build(&Device::cpu())?;
    trainer.set_parameters(&[Tensor { name: "layer0.weight".into(), shape: vec![1, 1], values: vec![1.0] }])?;
    Ok(trainer)
}

/// One row, so that each epoch is one step.
fn one_row() -> Dataset {
    Dataset::numbers("one row", 1, &[1.0], 1, &[0.0]).expect("a data set")
}

/// Training and validation set, with batches of an incomplete epoch.
static DIGITS: LazyLock<(Dataset, Dataset)> = LazyLock::new(|| {
    let digits = data::digits();
    let rows = |rows: std::ops::Range<usize>| digits.select(&rows.collect::<Vec<_>>());
    (rows(0..100), rows(100..150))
});

fn builder(hidden: &str, optimizer: impl Into<Optimizer>) -> Builder {
    let network = Network::parse(64, &format!("{hidden} 10")).expect("a network");
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(optimizer);
    builder.batch(32).seed(3).steps_per_submission(1)
}

fn model_bytes(trainer: &mut Trainer) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    trainer.model().and_then(|model| model.save(&path)).expect("saved");
    std::fs::read(path).expect("read")
}

/// Records its calls.
struct Recorder<'a>(&'static str, &'a std::sync::Mutex<Vec<String>>);

impl Recorder<'_> {
    fn note(&self, text: String) {
        self.1.lock().expect("no panic").push(format!("{} {text}", self.0));
    }
}

impl Callback for Recorder<'_> {
    fn on_start(&mut self, past: &[Epoch], trainer: &mut Trainer) -> Result<()> {
        self.note(format!("start {} {}", past.len(), trainer.steps()));
        Ok(())
    }

    fn on_submission(&mut self, progress: &Progress) -> ControlFlow<()> {
        self.note(format!("submission {}", progress.epoch));
        CONTINUE
    }

    fn on_epoch(&mut self, epoch: &mut Epoch, _: &mut Trainer) -> Result<ControlFlow<()>> {
        self.note(format!("epoch {}", epoch.epoch));
        Ok(CONTINUE)
    }

    fn on_end(&mut self, history: &History, _: &mut Trainer) -> Result<()> {
        self.note(format!("end {}", history.len()));
        Ok(())
    }
}

#[test]
fn callbacks_are_called_in_the_order_in_which_they_were_added() -> Result<()> {
    let calls = std::sync::Mutex::new(Vec::new());
    let mut lent = Recorder("b", &calls);
    let fit = Fit::epochs(2).callback(Recorder("a", &calls)).callback(&mut lent).on_epoch(|epoch, _| {
        calls.lock().expect("no panic").push(format!("c epoch {}", epoch.epoch));
        CONTINUE
    });
    one_weight(0.25)?.fit(&one_row(), fit)?;
    let wanted = "a start 0 0|b start 0 0|a submission 1|b submission 1|a epoch 1|b epoch 1|c epoch 1|\
                  a submission 2|b submission 2|a epoch 2|b epoch 2|c epoch 2|a end 2|b end 2";
    assert_eq!(calls.into_inner().expect("no panic").join("|"), wanted);
    Ok(())
}

/// All are called, even if the first one stops training.
#[test]
fn any_callback_stops_training_after_all_were_called() -> Result<()> {
    let calls = std::sync::Mutex::new(Vec::new());
    let fit = Fit::epochs(9).on_epoch(|_, _| ControlFlow::Break(())).callback(Recorder("b", &calls));
    let history = one_weight(0.25)?.fit(&one_row(), fit)?;
    assert!(history.stopped && history.len() == 1);
    assert_eq!(calls.into_inner().expect("no panic").join("|"), "b start 0 0|b submission 1|b epoch 1|b end 1");
    Ok(())
}

struct OnStart(fn(&mut Trainer) -> Result<()>);

impl Callback for OnStart {
    fn on_start(&mut self, _: &[Epoch], trainer: &mut Trainer) -> Result<()> {
        (self.0)(trainer)
    }
}

struct OnRecord(fn(&mut Epoch) -> Result<()>);

impl Callback for OnRecord {
    fn on_epoch(&mut self, epoch: &mut Epoch, _: &mut Trainer) -> Result<ControlFlow<()>> {
        (self.0)(epoch).map(|()| CONTINUE)
    }
}

#[test]
fn errors_of_callbacks_end_training_and_those_that_train_are_refused() -> Result<()> {
    let message = |fit: Fit<'_>| {
        let error = one_weight(0.25).and_then(|mut trainer| trainer.fit(&one_row(), fit)).expect_err("it is refused");
        error.to_string()
    };
    let own = |_: &mut Epoch| Err(Error::value("own callback", "x", 7, "at most 6"));
    assert_eq!(message(Fit::epochs(2).callback(OnRecord(own))), "own callback: x is 7, but must be at most 6");
    let trains = |trainer: &mut Trainer| trainer.load(&one_row()).and_then(|()| trainer.advance()).map(drop);
    let found = message(Fit::epochs(2).callback(OnStart(trains)));
    assert!(found.contains("fit: the callback at the start trained"), "{found}");
    let nan = |epoch: &mut Epoch| {
        epoch.scalars.insert("x".into(), f64::NAN);
        Ok(())
    };
    assert_eq!(message(Fit::epochs(2).callback(OnRecord(nan))), "callback of epoch 1: x is NaN, but must be finite");
    Ok(())
}

#[test]
fn callbacks_add_numbers_to_an_epoch_and_change_nothing_else() -> Result<()> {
    let adds = |epoch: &mut Epoch| {
        epoch.scalars.insert("tenfold".into(), 10.0 * epoch.loss);
        (epoch.epoch, epoch.loss, epoch.steps) = (99, 99.0, 99);
        Ok(())
    };
    let history = one_weight(0.25)?.fit(&one_row(), Fit::epochs(2).callback(OnRecord(adds)))?;
    let found: Vec<_> = history.epochs.iter().map(|epoch| (epoch.epoch, epoch.steps, epoch.loss)).collect();
    assert_eq!(found, [(1, 1, 1.0), (2, 2, 0.25)]);
    assert_eq!(history.epochs[1].scalars, BTreeMap::from([("tenfold".to_string(), 2.5)]));
    Ok(())
}

/// Trains for 12 epochs. With a folder, writes checkpoints, stops in epoch 7, and resumes.
fn in_parts(
    builder: &dyn Fn() -> Builder,
    folder: Option<&Path>,
    add: &dyn Fn(Fit<'static>) -> Fit<'static>,
) -> Result<(Trainer, History)> {
    let (train, validation) = &*DIGITS;
    let fit = || add(Fit::epochs(12).validate(validation));
    if let Some(folder) = folder {
        let stop = |progress: &Progress| match (progress.epoch, progress.step) {
            (7, 2) => ControlFlow::Break(()),
            _ => CONTINUE,
        };
        let fit = fit().checkpoints(Checkpoints::in_folder(folder)).on_submission(stop);
        let stopped = builder().build(&Device::cpu())?.fit(train, fit)?;
        assert_eq!((stopped.stopped, stopped.len()), (true, 6));
    }
    let resumed = folder.map(|folder| Checkpoints::in_folder(folder).resume());
    let mut trainer = builder().build(&Device::cpu())?;
    let history = trainer.fit(train, resumed.into_iter().fold(fit(), Fit::checkpoints))?;
    Ok((trainer, history))
}

#[derive(Deserialize)]
struct PlateauFile {
    torch: String,
    learning_rate: f64,
    cases: Vec<PlateauCase>,
}

#[derive(Deserialize)]
struct PlateauCase {
    settings: BTreeMap<String, serde_json::Value>,
    values: Vec<f64>,
    learning_rates: Vec<f64>,
}

/// Numbers of `golden/plateau.py`. Both sides make the same few operations in f64, so that rates are equal.
#[test]
fn a_plateau_has_the_rates_of_pytorch() -> Result<()> {
    let file: PlateauFile = serde_json::from_str(include_str!("golden/plateau.json")).expect("the file is sound");
    assert_eq!((file.torch.as_str(), file.cases.len()), ("2.15.0", 11));
    for PlateauCase { mut settings, values, learning_rates } in file.cases {
        let metric = settings.remove("metric");
        let text: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut plateau: Plateau = text.join(", ").parse()?;
        if let Some(metric) = metric {
            plateau = plateau.metric(metric.as_str().expect("a text").parse()?);
        }
        let mut rate = file.learning_rate;
        for (epoch, (value, wanted)) in values.iter().zip(learning_rates).enumerate() {
            rate = plateau.rate_after(*value, rate);
            assert_eq!(rate, wanted, "{text:?}, epoch {epoch}");
        }
    }
    Ok(())
}

/// Losses 1, 1/4, 1/16, …, of which the relative improvement is below 0.9.
#[test]
fn a_plateau_sets_the_rate_of_later_epochs() -> Result<()> {
    let plateau = || Plateau::new().factor(0.5).patience(1).threshold(0.9);
    let mut trainer = one_weight(0.25)?;
    let history = trainer.fit(&one_row(), Fit::epochs(6).callback(plateau()))?;
    let rates: Vec<f64> = history.epochs.iter().map(|epoch| epoch.learning_rate).collect();
    // Losses 1, 1/4 (bad), 1/16 (better than 1/10), 1/64 (better than 1/160 it is not: bad), 1/256 (better).
    assert_eq!(rates, [0.25; 6]);
    let mut trainer = one_weight(0.25)?;
    let history = trainer.fit(&one_row(), Fit::epochs(5).callback(plateau().patience(0)))?;
    let rates: Vec<f64> = history.epochs.iter().map(|epoch| epoch.learning_rate).collect();
    assert_eq!((rates, trainer.learning_rate()), (vec![0.25, 0.25, 0.125, 0.125, 0.0625], 0.03125));
    Ok(())
}

#[test]
fn a_resumed_run_with_a_plateau_equals_the_uninterrupted_one() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let builder = || builder("12 relu dropout(0.2)", Adam::new(0.05)).schedule(Schedule::cosine(60));
    let add = |fit| Fit::callback(fit, Plateau::new().factor(0.5).patience(3).threshold(0.3).cooldown(1));
    let (mut whole, history) = in_parts(&builder, None, &add)?;
    let (mut resumed, found) = in_parts(&builder, Some(folder.path()), &add)?;
    assert_eq!((&found, resumed.learning_rate()), (&history, whole.learning_rate()));
    assert!(whole.learning_rate() < 0.05, "the plateau was reached");
    assert!(model_bytes(&mut resumed) == model_bytes(&mut whole));
    Ok(())
}

#[test]
fn plateaus_that_cannot_be_are_refused() -> Result<()> {
    for (text, wanted) in [
        ("factor=1", "plateau: factor is 1, but must be at least 0 and below 1"),
        ("threshold=-1", "plateau: threshold is -1, but must be finite and at least 0"),
        ("least=inf", "plateau: least is inf, but must be finite and at least 0"),
        ("-1", "plateau: patience is `-1`, but must be a whole number of epochs"),
        ("absolute=1", "plateau: absolute is `1`, but must be true or false"),
    ] {
        assert_eq!(text.parse::<Plateau>().expect_err(text).to_string(), wanted);
    }
    let message = |plateau: Plateau| {
        let mut trainer = one_weight(0.25).expect("a trainer");
        trainer.fit(&one_row(), Fit::epochs(1).callback(plateau)).expect_err("it is refused").to_string()
    };
    assert!(message(Plateau::new().factor(f64::NAN)).contains("factor is NaN"));
    let found = message(Plateau::new().metric("mae".parse()?));
    assert!(found.contains("it watches the metric `mae`, but there is no validation set"), "{found}");
    let text = "patience=3, factor=0.5, threshold=0.01, absolute=true, cooldown=2, least=0.001";
    assert_eq!(text.parse::<Plateau>()?.to_string(), text);
    Ok(())
}

#[test]
fn a_time_limit_stops_after_the_first_epoch_that_reaches_it() -> Result<()> {
    let mut limit = TimeLimit::new(Duration::ZERO);
    let history = one_weight(0.25)?.fit(&one_row(), Fit::epochs(5).callback(&mut limit))?;
    assert_eq!((history.len(), history.stopped, limit.is_reached()), (1, true, true));
    let mut limit = TimeLimit::new(Duration::MAX);
    let history = one_weight(0.25)?.fit(&one_row(), Fit::epochs(5).callback(&mut limit))?;
    assert_eq!((history.len(), history.stopped, limit.is_reached()), (5, false, false));
    Ok(())
}

#[test]
fn logs_have_the_numbers_of_each_epoch() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join("new/folder").join(name);
    std::fs::create_dir_all(path("")).expect("created");
    std::fs::write(path("epochs.csv"), "a log of another run\n".repeat(99)).expect("written");
    let adds = |epoch: &mut Epoch| {
        if epoch.epoch > 1 {
            epoch.scalars.insert("a/b, c".into(), 0.5);
        }
        Ok(())
    };
    let row = one_row();
    let fit = Fit::epochs(3).validate(&row).callback(OnRecord(adds));
    let fit = fit.callback(CsvLog::new(path("epochs.csv"))).callback(JsonLog::new(path("epochs.jsonl")));
    let history = one_weight(0.25)?.fit(&row, fit)?;
    let csv = std::fs::read_to_string(path("epochs.csv")).expect("written");
    let wanted = "epoch,steps,loss,learning_rate,validation_loss,validation_r2,validation_mae,validation_rmse,\"a_b, c\"\n\
                  1,1,1,0.25,0.25,0,0.5,0.5,\n2,2,0.25,0.25,0.0625,0,0.25,0.25,0.5\n\
                  3,3,0.0625,0.25,0.015625,0,0.125,0.125,0.5\n";
    assert_eq!(csv, wanted);
    let json = std::fs::read_to_string(path("epochs.jsonl")).expect("written");
    let epochs: Vec<Epoch> = json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(epochs, history.epochs);
    Ok(())
}

#[test]
fn logs_that_cannot_be_written_are_errors_with_their_path() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("file"), "").expect("written");
    let path = folder.path().join("file/epochs.csv");
    let error = one_weight(0.25)?.fit(&one_row(), Fit::epochs(1).callback(CsvLog::new(&path))).expect_err("no folder");
    assert!(matches!(error, Error::File { .. }) && error.to_string().contains("file"), "{error}");
    Ok(())
}

#[test]
fn logs_and_health_of_a_resumed_run_equal_those_of_the_uninterrupted_one() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, is_stopped: bool| {
        let logs = folder.path().join(name);
        let add = |fit| {
            let fit = Fit::callback(fit, Health::new(&DIGITS.0));
            fit.callback(CsvLog::new(logs.join("epochs.csv"))).callback(JsonLog::new(logs.join("epochs.jsonl")))
        };
        let checkpoints = folder.path().join("checkpoints");
        let builder =
            || builder("12 relu dropout(0.2) 8 batch_norm tanh", Adam::new(0.01)).schedule(Schedule::cosine(48));
        let (_, history) = in_parts(&builder, is_stopped.then_some(checkpoints.as_path()), &add)?;
        let files = ["epochs.csv", "epochs.jsonl"].map(|file| std::fs::read(logs.join(file)).expect("written"));
        Ok((history, files))
    };
    let [(whole, files), (resumed, found)] = [run("a", false)?, run("b", true)?];
    assert_eq!(resumed, whole);
    assert!(found == files);
    assert_eq!(files[0].split(|byte| *byte == b'\n').count(), 1 + 12 + 1);
    assert!(whole.epochs[11].scalars.contains_key("saturated_units/layer5"), "{:?}", whole.epochs[11].scalars);
    Ok(())
}

/// Reader of an event file: fields of a message by number, with the bytes of their values. Independent of the writer: it knows
/// only the format.
fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key % 8 {
            0 => {
                found.push((key / 8, varint(&mut message).to_le_bytes().to_vec()));
                continue;
            }
            1 => 8,
            2 => varint(&mut message) as usize,
            5 => 4,
            other => panic!("wire type {other}"),
        };
        let (value, rest) = message.split_at(length);
        found.push((key / 8, value.to_vec()));
        message = rest;
    }
    found
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().expect("a byte");
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            break;
        }
    }
    number
}

/// CRC-32C by division of polynomials, highest power first, as a check of the reflected form of the writer.
fn checksum(data: &[u8]) -> u32 {
    let mut remainder = !0u32;
    for byte in data {
        for bit in 0..8 {
            let next = u32::from(byte >> bit & 1) ^ (remainder >> 31);
            remainder = remainder << 1 ^ if next == 1 { 0x1edc_6f41 } else { 0 };
        }
    }
    let crc = !remainder.reverse_bits();
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Step, version of the file, and numbers by tag.
type Event = (u64, String, Vec<(String, f32)>);

/// Events of a file.
fn events(mut file: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut take = |length: usize| {
        let (taken, rest) = file.split_at(length);
        file = rest;
        (taken.to_vec(), file.is_empty())
    };
    let word = |bytes: Vec<u8>| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let mut is_over = false;
    while !is_over {
        let (length, _) = take(8);
        assert_eq!(checksum(&length), word(take(4).0));
        let (data, _) = take(u64::from_le_bytes(length.try_into().expect("eight bytes")) as usize);
        let (check, end) = take(4);
        assert_eq!(checksum(&data), word(check));
        is_over = end;
        let (mut step, mut version, mut numbers) = (0, String::new(), Vec::new());
        for (field, value) in fields(&data) {
            match field {
                1 => assert!(f64::from_le_bytes(value.try_into().expect("eight bytes")) > 1.7e9, "a time after 2023"),
                2 => step = u64::from_le_bytes(value.try_into().expect("eight bytes")),
                3 => version = String::from_utf8(value).expect("text"),
                5 => numbers = fields(&value).into_iter().map(|(_, value)| number(&value)).collect(),
                other => panic!("field {other}"),
            }
        }
        events.push((step, version, numbers));
    }
    events
}

fn number(message: &[u8]) -> (String, f32) {
    let [(1, tag), (2, value)] = &fields(message)[..] else { panic!("a tag and a value") };
    (String::from_utf8(tag.clone()).expect("text"), f32::from_le_bytes(value[..].try_into().expect("four bytes")))
}

#[test]
fn an_event_file_is_read_back_by_another_parser() -> Result<()> {
    let folder = tempfile::tempdir().expect("a folder");
    let (train, validation) = &*DIGITS;
    let log = TensorBoardLog::new(folder.path());
    let fit = Fit::epochs(40).validate(validation).callback(Health::new(train)).callback(log);
    let history = builder("12 relu", Adam::new(0.01)).build(&Device::cpu())?.fit(train, fit)?;
    let bytes = std::fs::read(folder.path().join("events.out.tfevents.wgrad")).expect("written");
    let events = events(&bytes);
    assert_eq!(events[0], (0, "brain.Event:2".into(), vec![]));
    assert_eq!(events.len(), 1 + 40);
    for (epoch, (step, _, numbers)) in history.epochs.iter().zip(&events[1..]) {
        assert_eq!(*step, epoch.steps, "steps of two bytes, too: {}", epoch.steps);
        let value = |tag: &str| numbers.iter().find(|(found, _)| found == tag).map(|(_, value)| *value);
        let validation = epoch.validation.as_ref().expect("a validation set");
        for (tag, wanted) in [
            ("loss", epoch.loss),
            ("learning_rate", epoch.learning_rate),
            ("validation/loss", validation.loss),
            ("gradient_norm/layer2", epoch.scalars["gradient_norm/layer2"]),
        ] {
            assert_eq!(value(tag), Some(wanted as f32), "{tag}");
        }
        assert_eq!(value("validation/accuracy"), validation.accuracy.map(|accuracy| accuracy as f32));
        assert_eq!(numbers.len(), 4 + epoch.scalars.len());
    }
    Ok(())
}

/// From 1 to 1/2 by the gradient 2 and the rate 1/4: the update made again is −1/2, which is all of the weight.
#[test]
fn norms_are_those_of_the_last_step() -> Result<()> {
    let mut health = Health::new(&one_row());
    let history = one_weight(0.25)?.fit(&one_row(), Fit::epochs(1).callback(&mut health))?;
    assert_eq!(history.epochs[0].scalars["gradient_norm/layer0"], 2.0);
    assert_eq!(history.epochs[0].scalars["update_ratio/layer0"], 1.0);
    let [finding] = health.findings() else { panic!("{:?}", health.findings()) };
    assert_eq!(finding.kind, FindingKind::LargeUpdates);
    assert_eq!(
        finding.to_string(),
        "layer 0 (dense(1, bias=false)): a step changes its parameters by 100 % of their norm; lower the learning rate, use a \
         warm-up, or clip gradients to a norm"
    );
    Ok(())
}

#[test]
fn health_changes_no_bit_of_training() -> Result<()> {
    let (train, _) = &*DIGITS;
    let builders: [(&str, &dyn Fn() -> Builder); 4] = [
        ("batch norm", &|| builder("12 batch_norm relu dropout(0.2)", Adam::new(0.01)).accumulate(2)),
        ("clipping", &|| builder("12 tanh", Sgd::new(0.1).momentum(0.9)).clip_norm(0.5)),
        ("groups", &|| builder("12 gelu", AdamW::new(0.01)).group(ParameterGroup::of("0.bias").frozen())),
        ("average", &|| builder("12 relu [12 layer_norm relu 12]", Adam::new(0.01)).average(Average::ema(0.9))),
    ];
    for (name, builder) in builders {
        let (mut plain, mut watched) = (builder().build(&Device::cpu())?, builder().build(&Device::cpu())?);
        plain.fit(train, Fit::epochs(3))?;
        watched.fit(train, Fit::epochs(3).callback(Health::new(train)))?;
        // The optimizer's state, too.
        assert!(watched.checkpoint()? == plain.checkpoint()?, "{name}");
    }
    Ok(())
}

/// Finds the problems of a network after one epoch on digits.
fn findings(builder: Builder) -> Result<Vec<(FindingKind, String)>> {
    let (train, _) = &*DIGITS;
    let mut health = Health::new(train);
    builder.build(&Device::cpu())?.fit(train, Fit::epochs(1).callback(&mut health))?;
    Ok(health.findings().iter().map(|finding| (finding.kind, finding.problem.clone())).collect())
}

/// The inputs of digits are from 0 to 16, and about 300 in sum.
#[test]
fn units_that_are_saturated_or_dead_are_found() -> Result<()> {
    let slow = || Sgd::new(1e-6);
    let problem = "layer 1 (tanh): 12 of 12 units are saturated for all of 100 rows";
    let found = findings(builder("dense(12, init=constant(1)) tanh", slow()))?;
    assert_eq!(found[0], (FindingKind::SaturatedUnits, problem.into()));
    // The hyperbolic tangent of 300 is 1 in f32, and its derivative 0.
    let problem = "layer 0 (dense(12, init=constant(1))): its gradients are 0, and those of layer 2 are not";
    assert_eq!(found[1..], [(FindingKind::VanishingGradients, problem.into())]);
    let problem = "layer 1 (relu): 12 of 12 units are 0 for all of 100 rows";
    let found = findings(builder("dense(12, init=constant(-1)) relu", slow()))?;
    assert_eq!(found, [(FindingKind::DeadUnits, problem.into())]);
    assert_eq!(findings(builder("dense(12, init=constant(1)) relu", slow()))?, []);
    // A leaky ReLU is never dead.
    assert_eq!(findings(builder("dense(12, init=constant(-1)) leaky_relu", slow()))?, []);
    Ok(())
}

/// Each sigmoid multiplies gradients by at most 1/4. Between the tangents, weights of standard deviation 1 multiply the squares of
/// gradients by 32 · E tanh′² ≈ 32 · (4/3) / (√(2π) · 5.2) = 3.3 (Poole et al. 2016), so that gradients grow by 1.8 per layer.
#[test]
fn gradients_that_vanish_or_explode_are_found_in_the_first_layer() -> Result<()> {
    let found = findings(builder(&"12 sigmoid ".repeat(10), Sgd::new(1e-3)))?;
    let [(FindingKind::VanishingGradients, problem)] = &found[..] else { panic!("{found:?}") };
    assert!(problem.starts_with("layer 0 (dense(12)): its gradients are"), "{problem}");
    assert!(problem.ends_with("times smaller than those of layer 20"), "{problem}");
    let layers = format!("layer_norm {}", "dense(32, init=normal(1)) tanh ".repeat(24));
    let found = findings(builder(&layers, Sgd::new(1e-9)))?;
    let [(FindingKind::ExplodingGradients, problem)] = &found[..] else { panic!("{found:?}") };
    assert!(problem.contains("times larger than those of layer 49"), "{problem}");
    let found = findings(builder(&"32 leaky_relu ".repeat(3), Adam::new(1e-3)))?;
    assert_eq!(found, [], "nothing is wrong");
    Ok(())
}
