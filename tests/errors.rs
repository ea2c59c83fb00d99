//! Bad input to the library gives an error with the problem, place, both numbers and the remedy. Nothing panics, and no file
//! is lost.

#[path = "common/forged.rs"]
mod forged;

use std::path::Path;

use wgrad::data::NumberFormat;
use wgrad::model::{Metadata, TableLayout};
use wgrad::{
    Adam, Dataset, Dense, Device, Error, Fit, Init, Loss, Model, Network, Schedule, Sgd, Standardization, Tensor,
    Trainer, data,
};

/// Asserts that the message contains each of the texts.
fn says<T>(result: wgrad::Result<T>, parts: &[&str]) {
    let Err(error) = result else { panic!("no error, but one with {parts:?} is expected") };
    let message = error.to_string();
    for part in parts {
        assert!(message.contains(part), "`{part}` is not in `{message}`");
    }
}

fn trainer(network: &str, loss: Loss) -> wgrad::Result<Trainer> {
    Trainer::builder(Network::parse(2, network)?).loss(loss).batch(4).build(&Device::cpu())
}

#[test]
fn networks() {
    says(Network::parse(0, "3"), &["input columns is 0", "at least 1"]);
    says(Network::parse(2, "relu"), &["no dense layer", "dense(10)"]);
    says(Network::parse(2, "8 rleu 3"), &["unknown layer `rleu`", "did you mean `relu`?"]);
    says(Network::parse(2, "0"), &["number of outputs is 0", "at least 1"]);
    says(Network::parse(2, "-5"), &["`-5`", "whole number"]);
    says(Network::parse(2, "99999999999999999999999"), &["whole number"]);
    says(Network::parse(2, "dense(4"), &["parentheses"]);
    says(Network::parse(2, "3 [relu 3"), &["layer 1 ([)", "the residual block is not closed", "`[64 relu 64]`"]);
    says(Network::parse(2, "3 relu] 3"), &["layer 2 (])", "no residual block is open here", "`[64 relu 64]`"]);
    says(Network::parse(2, "[[3] 3]] 3"), &["layer 6 (])", "no residual block is open here"]);
    says(Network::parse(2, "3 [] 3"), &["layer 1 ([)", "the residual block has no layers"]);
    says(Network::parse(2, "3 [2 [dropout(0.1)]] 3"), &["layer 3 ([)", "no layers, or only noise such as dropout"]);
    says(Network::input(2).residual(|block| block).dense(3).check(), &["layer 0 ([)", "no layers"]);
    says(Network::parse(2, "[relu]"), &["no dense layer"]);
    says(Network::parse(2, "3 layer_norm(1e-3)"), &["layer `layer_norm`", "number of values is 1", "at most 0"]);
    says(Network::parse(2, "3 layernorm"), &["unknown layer `layernorm`", "did you mean `layer_norm`?"]);
    says(Network::parse(2, "dense([3])"), &["number of outputs"]);
    says(Network::parse(2, "dense(4, bais=false)"), &["unknown option `bais`", "did you mean `bias`?"]);
    says(Network::parse(2, "dense(4, 5=true)"), &["unknown option `5`"]);
    says(Network::parse(2, "4 tanh(a=1)"), &["`tanh`: it has no option `a`; leave the option out"]);
    says("perceptron(a=1)".parse::<Loss>(), &["loss `perceptron`: it has no option `a`"]);
    says(Network::parse(2, "dense(4, init=he)"), &["unknown initialization `he`", "he_normal"]);
    says(Network::parse(2, "dense(4, init=normal(-1))"), &["std is -1"]);
    says(Network::parse(2, "dropout(1) 3"), &["rate is 1", "below 1"]);
    says(Network::parse(2, "dropout 3"), &["rate is missing", "dropout(0.2)"]);
    says(Network::parse(2, "dropout(NaN) 3"), &["rate is NaN"]);
    says(Network::parse(2, "alpha_dropout(1) 3"), &["layer `alpha_dropout(1)`", "rate is 1", "below 1"]);
    says(Network::parse(2, "alpha_dropout 3"), &["rate is missing", "alpha_dropout(0.2)"]);
    says(Network::parse(2, "gaussian_noise(-0.1) 3"), &["std is -0.1", "finite and at least 0"]);
    says(Network::parse(2, "gaussian_noise(inf) 3"), &["std is inf", "finite and at least 0"]);
    says(Network::parse(2, "gaussian_noise(rate=0.1) 3"), &["unknown option `rate`"]);
    says(Network::parse(2, "3 leaky_relu(-1)"), &["slope is -1"]);
    says(Network::parse(2, "3 softmax"), &["applies the softmax itself", "leave the softmax layer out"]);
    let deep = (0..1 << 16).fold(Network::input(2).dense(2), |network, _| network.relu());
    says(deep.check(), &["number of layers is 65537", "at most 65536"]);
    says(Network::input(2).dense(0).check(), &["layer 0 (dense)", "number of outputs is 0"]);
    let error = serde_json::from_str::<Network>(r#"{"input":2,"layers":["dense(3)","rleu"]}"#).expect_err("unknown");
    assert!(error.to_string().contains("did you mean `relu`?"), "{error}");
}

#[test]
fn trainings() {
    says(Trainer::builder(Network::input(2).dense(1)).build(&Device::cpu()), &["no loss is set"]);
    says(trainer("1 sigmoid", Loss::binary_cross_entropy()), &["layer 1", "applies the sigmoid itself", "leave"]);
    says(trainer("1 step", Loss::perceptron()), &["layer 1", "applies the step function itself"]);
    let builder = || Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error());
    let cpu = Device::cpu();
    says(builder().batch(0).build(&cpu), &["batch is 0"]);
    says(builder().steps_per_submission(0).build(&cpu), &["steps_per_submission is 0"]);
    says(builder().clip_norm(f64::NAN).build(&cpu), &["clip_norm is NaN"]);
    says(builder().optimizer(Adam::new(-1.0)).build(&cpu), &["optimizer adam", "learning_rate is -1"]);
    says(builder().optimizer(Adam::new(0.1).beta1(1.0)).build(&cpu), &["beta1 is 1", "below 1"]);
    says(builder().optimizer(Adam::new(0.1).epsilon(0.0)).build(&cpu), &["epsilon is 0", "above 0"]);
    says(builder().optimizer(Adam::new(0.1).epsilon(1e-60)).build(&cpu), &["epsilon is 0.000", "above 0"]);
    says(builder().optimizer(Sgd::new(1e39)).build(&cpu), &["learning_rate is 1000", "finite as an f32"]);
    says(builder().optimizer(Sgd::new(0.1).nesterov()).build(&cpu), &["nesterov needs momentum"]);
    says(builder().schedule(Schedule::cosine(0)).build(&cpu), &["steps is 0"]);
    says(builder().build(&Device::cpu().threads(0)), &["threads is 0"]);
    says(builder().build(&Device::cpu().threads(200_000)), &["threads is 200000", "at most 1024"]);
    let other = Standardization::new(vec![0.0; 3], vec![1.0; 3]).expect("fine");
    says(builder().preprocessing(other).build(&cpu), &["3", "2"]);
    says("cpuu".parse::<Device>(), &["unknown device `cpuu`", "did you mean `cpu`?"]);
    says("adm".parse::<wgrad::Optimizer>(), &["did you mean `adam`?"]);
    says("softmax_crossentropy".parse::<Loss>(), &["did you mean `softmax_cross_entropy`?"]);
}

#[test]
fn rows_and_targets() {
    let mut softmax = trainer("3", Loss::softmax_cross_entropy()).expect("a trainer");
    says(softmax.step(&[1.0, 2.0, 3.0], &[0u32]), &["number of values is 3", "2", "whole rows"]);
    says(softmax.step(&[1.0, f32::NAN], &[0u32]), &["row 0, column 1", "NaN"]);
    says(softmax.step(&[1.0; 10], &[0u32; 5]), &["rows are 5", "4", "batch"]);
    says(softmax.step(&[1.0; 4], &[0u32]), &["number of values is 1", "2 rows need 2"]);
    says(softmax.step(&[1.0; 4], &[0u32, 3]), &["row 1", "class is 3", "3 outputs"]);
    says(softmax.step(&[1.0; 4], &[0.0f32, 1.0]), &["needs a class for each row"]);
    let mut binary = trainer("1", Loss::binary_cross_entropy()).expect("a trainer");
    says(binary.step(&[1.0; 4], &[0.0f32, 1.5]), &["row 1", "1.5", "between 0 and 1"]);
    says(binary.step(&[1.0; 4], &[0u32, 1]), &["needs numbers"]);
    says(
        trainer("2", Loss::binary_cross_entropy()).expect("a trainer").predict_classes(&[1.0; 2]),
        &["2 outputs", "predict"],
    );
    says(
        trainer("1", Loss::mean_squared_error()).expect("a trainer").predict_classes(&[1.0; 2]),
        &["mean_squared_error"],
    );
    says(binary.advance(), &["no data set is loaded", "load"]);
    says(binary.evaluate(&data::xor()).expect("evaluated").metric("accurcy"), &["did you mean `accuracy`?"]);
}

#[test]
fn data_sets_that_do_not_fit() {
    let mut softmax = trainer("3", Loss::softmax_cross_entropy()).expect("a trainer");
    says(softmax.fit(&data::iris(), Fit::epochs(1)), &["iris", "4", "2"]);
    let two = Dataset::classes("two", 2, &[0.0; 4], &[0, 1], ["a", "b"]).expect("fine");
    says(softmax.fit(&two, Fit::epochs(1)), &["classes are 2", "outputs are 3"]);
    let three = Dataset::classes("three", 2, &[0.0; 4], &[0, 2], ["a", "b", "c"]).expect("fine");
    says(
        trainer("1", Loss::binary_cross_entropy()).expect("a trainer").fit(&three, Fit::epochs(1)),
        &["3 classes", "softmax"],
    );
    let numbers = Dataset::numbers("numbers", 2, &[0.0; 4], 2, &[0.0; 4]).expect("fine");
    says(trainer("1", Loss::mean_squared_error()).expect("a trainer").fit(&numbers, Fit::epochs(1)), &["4", "2"]);
    says(softmax.fit(&three, Fit::epochs(1).patience(1)), &["chosen by validation"]);
}

#[test]
fn parameters_that_do_not_fit() {
    let mut trainer = trainer("3", Loss::softmax_cross_entropy()).expect("a trainer");
    let good = trainer.parameters().expect("read");
    let changed = |change: fn(&mut Vec<Tensor>)| {
        let mut parameters = good.clone();
        change(&mut parameters);
        parameters
    };
    says(trainer.set_parameters(&changed(|p| p[0].name = "layer0.wieght".into())), &["did you mean `layer0.weight`?"]);
    says(trainer.set_parameters(&changed(|p| drop(p.pop()))), &["layer0.bias", "missing"]);
    says(trainer.set_parameters(&changed(|p| p[0].shape = vec![2, 3])), &["[2, 3]", "[3, 2]"]);
    says(trainer.set_parameters(&changed(|p| p[1].values[2] = f32::INFINITY)), &["layer0.bias", "element 2 is inf"]);
    assert_eq!(trainer.parameters().expect("read"), good);
}

#[test]
fn a_number_that_is_not_finite_stops_training_before_the_bad_step() {
    for device in [Device::cpu(), Device::reference()] {
        let network = Network::input(1).layer(Dense::new(1).without_bias().init(Init::Normal { std: 1.0 }));
        let builder =
            Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(1e6)).batch(2).seed(1);
        let mut trainer = builder.build(&device).expect("a trainer");
        let (features, targets) = ([1.0f32, -2.0], [1.0f32, 1.0]);
        let (mut before, mut step) = (trainer.parameters().expect("read"), 0);
        let error = loop {
            match trainer.step(&features, &targets) {
                Ok(_) => (before, step) = (trainer.parameters().expect("read"), step + 1),
                Err(error) => break error,
            }
            assert!(step < 100, "a learning rate of a million must diverge");
        };
        assert!(step > 1, "the first steps are finite");
        let Error::NotFinite { step: bad, ref op, ref layer, .. } = error else { panic!("{error}") };
        assert_eq!(bad, step);
        assert!(op.contains("element_loss") && layer == "no layer", "{error}");
        assert_eq!(trainer.parameters().expect("read"), before);
        assert_eq!(trainer.steps(), step);
        // Training can continue from there.
        let calm: Vec<Tensor> =
            before.iter().map(|t| Tensor { values: vec![0.5; t.values.len()], ..t.clone() }).collect();
        trainer.set_parameters(&calm).expect("set");
        trainer.step(&features, &targets).expect("finite again");
    }
}

#[test]
fn the_layer_of_a_bad_gradient_is_named() {
    // The output 3e8 and its loss are finite, but its gradient times the hidden value 3e38 is not.
    let network = Network::parse(1, "dense(1, bias=false) dense(1, bias=false)").expect("a network");
    let mut trainer =
        Trainer::builder(network).loss(Loss::mean_squared_error()).batch(2).build(&Device::cpu()).expect("a trainer");
    let tensor = |name: &str, value| Tensor { name: name.into(), shape: vec![1, 1], values: vec![value] };
    let parameters = [tensor("layer0.weight", 3e38), tensor("layer1.weight", 1e-30)];
    trainer.set_parameters(&parameters).expect("set");
    let error = trainer.step(&[1.0, 1.0], &[0.0f32, 0.0]).expect_err("an error");
    let message = error.to_string();
    assert!(message.contains("layer 1") && message.contains("grad.layer1.weight"), "{message}");
    assert_eq!(trainer.parameters().expect("read"), parameters);
}

fn saved(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("model.safetensors");
    trainer("3", Loss::softmax_cross_entropy())
        .expect("a trainer")
        .into_model()
        .expect("a model")
        .save(&path)
        .expect("saved");
    path
}

#[test]
fn damaged_model_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = saved(folder.path());
    let good = std::fs::read(&path).expect("read");
    let load = |bytes: &[u8]| {
        std::fs::write(&path, bytes).expect("written");
        Model::load(&path)
    };
    // The checksum is corrected, so that other errors are reported.
    let broken = |bytes: &[u8]| {
        let found = load(bytes);
        let right = found.as_ref().err().and_then(|error| forged::with_checksum(bytes, &error.to_string()));
        right.map_or(found, |bytes| load(&bytes))
    };
    for length in 0..good.len() {
        says(broken(&good[..length]), &["model.safetensors", "use"]);
    }
    for lie in [0, 1, 7, good.len() as u64, 1 << 40, u64::MAX] {
        says(broken(&[&lie.to_le_bytes(), &good[8..]].concat()), &["not a valid safetensors file"]);
    }
    // The checksum detects any change. Files of version 1 have none and can be read.
    let sealed = [&good[..], &[0]].concat();
    says(load(&sealed), &["its contents have the checksum", "damaged"]);
    let field = b"\\\"crc32\\\":\\\"01234567\\\",";
    let at = good.windows(12).position(|window| window == &field[..12]).expect("it has a checksum");
    let mut good = good;
    // Blanks keep the length of the header.
    good[at..at + field.len()].fill(b' ');
    says(broken(&good), &["model.safetensors", "its checksum is missing", "damaged"]);
    let version = b"\\\"format\\\":2";
    let at = good.windows(version.len()).position(|window| window == version).expect("it has a version");
    good[at + version.len() - 1] = b'1';
    assert!(broken(&good).is_ok());
    let text = String::from_utf8_lossy(&good).into_owned();
    // Texts of equal length keep it, too.
    let with = |from: &str, to: &str| {
        assert!(from.len() == to.len() && text.contains(from), "{from} is not in the file");
        let at = good.windows(from.len()).position(|w| w == from.as_bytes()).expect("just seen");
        [&good[..at], to.as_bytes(), &good[at + from.len()..]].concat()
    };
    says(broken(&with("dense(3)", "dense(4)")), &["do not fit its network"]);
    says(broken(&with("dense(3)", "dnese(3)")), &["did you mean `dense`?"]);
    says(broken(&with("0.weight", "9.weight")), &["layer9.weight"]);
    says(broken(&with("0.weight", "0.wieght")), &["unexpected tensor `0.wieght`"]);
    says(broken(&with("\\\"format\\\":1", "\\\"format\\\":9")), &["version 9", "newer wgrad"]);
    says(broken(&with("\"wgrad\"", "\"other\"")), &["metadata key `wgrad` is missing"]);
    says(Model::load(folder.path().join("none")), &["none", "reading"]);
    assert!(broken(&good).is_ok());
}

#[test]
fn a_model_is_not_lost_if_it_cannot_be_written() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = saved(folder.path());
    let model = Model::load(&path).expect("loaded");
    says(model.save(folder.path().join("no such folder/model.safetensors")), &["creating a file"]);
    std::fs::create_dir(folder.path().join("taken")).expect("made");
    says(model.save(folder.path().join("taken")), &["taken", "replacing"]);
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 2, "no temporary file is left");
    assert_eq!(Model::load(&path).expect("still there"), model);
}

#[test]
fn predictions_of_a_model_check_their_input() {
    let folder = tempfile::tempdir().expect("a folder");
    let model = Model::load(saved(folder.path())).expect("loaded");
    says(model.predict(&[]), &["number of values is 0"]);
    says(model.predict(&[1.0]), &["number of values is 1", "2"]);
    says(model.predict(&[1.0, f32::NEG_INFINITY]), &["row 0, column 1", "-inf"]);
}

#[test]
fn sizes_beyond_any_device() {
    let network = || Network::input(2).dense(1);
    for batch in [1 << 60, usize::MAX, 1 << 31] {
        let builder = Trainer::builder(network()).loss(Loss::mean_squared_error()).batch(batch);
        says(builder.build(&Device::cpu()), &["allocations of a batch", "rows", "1073741824", "smaller batch"]);
    }
    let huge = Network::input(usize::MAX).dense(usize::MAX).dense(usize::MAX);
    says(huge.check(), &["number of parameters", "narrower"]);
    let bad = Network::input(2).layer(Dense::new(1).init(Init::Normal { std: f32::NAN }));
    says(bad.check(), &["std is NaN"]);
}

#[test]
fn a_model_that_was_tampered_with() {
    let model = trainer("3", Loss::softmax_cross_entropy()).expect("a trainer").into_model().expect("a model");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    model.save(&path).expect("saved");
    let good = std::fs::read(&path).expect("read");
    type Change = fn(&mut Model);
    let format = |decimal, thousands| NumberFormat { decimal, thousands, ..NumberFormat::PLAIN };
    let table = move |header, format| {
        Some(TableLayout {
            header,
            delimiter: None,
            weights: None,
            dropped: vec![],
            formats: std::iter::once(("a".into(), format)).collect(),
        })
    };
    let tables = [
        (table(false, NumberFormat::PLAIN), "a table without a header, but no target is named"),
        (
            table(true, NumberFormat::PLAIN).map(|table| TableLayout { delimiter: Some('x'), ..table }),
            "the delimiter is `x`",
        ),
        (
            table(true, NumberFormat::PLAIN).map(|table| TableLayout { delimiter: Some('→'), ..table }),
            "the delimiter is",
        ),
        (table(true, format('5', None)), "column `a`: decimal sign is `5`"),
        (table(true, format(',', Some(','))), "column `a`: thousands separator is `,`"),
        (table(true, format('.', Some('x'))), "thousands separator is `x`"),
        (table(true, NumberFormat { currency: Some('x'), ..NumberFormat::PLAIN }), "currency sign is `x`"),
    ];
    for (table, part) in tables {
        let metadata = Metadata { table, ..model.metadata.clone() };
        says(Model { metadata, ..model.clone() }.save(&path), &[part]);
    }
    let changes: [(Change, &str); 8] = [
        (|m| m.metadata.format = 0, "format is 0"),
        (|m| m.metadata.columns = vec!["a".into(), "a".into()], "two of its input columns are called `a`"),
        (|m| m.metadata.classes = Some(vec!["b".into(), "c".into(), "b".into()]), "two of its classes are called `b`"),
        (|m| m.parameters.clear(), "missing"),
        (|m| m.parameters[0].shape = vec![2, 3], "[2, 3]"),
        (|m| m.parameters[0].name = "layer9.weight".into(), "layer9.weight"),
        (|m| m.parameters[0].values[0] = f32::INFINITY, "inf"),
        (|m| m.metadata.columns.clear(), "names of input columns are 0"),
    ];
    for (change, part) in changes {
        let mut tampered = model.clone();
        change(&mut tampered);
        says(tampered.save(&path), &[part]);
        if part != "names of input columns are 0" {
            says(tampered.predict(&[1.0, 2.0]), &[part]);
        }
    }
    assert_eq!(std::fs::read(&path).expect("read"), good);
}

#[cfg(unix)]
#[test]
fn a_saved_file_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().expect("a folder");
    let path = saved(folder.path());
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
    Model::load(&path).expect("loaded").save(&path).expect("saved");
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_refused_step_changes_nothing() {
    let mut trainer = trainer("1", Loss::binary_cross_entropy()).expect("a trainer");
    trainer.load(&data::xor()).expect("loaded");
    says(trainer.step(&[f32::NAN, 0.0], &[1.0f32]), &["NaN"]);
    trainer.advance().expect("the data set is still loaded");
}

#[test]
fn a_validation_set_that_does_not_fit_is_refused_before_training() {
    let mut trainer = trainer("3", Loss::softmax_cross_entropy()).expect("a trainer");
    let rows = Dataset::classes("rows", 2, &[0.0; 4], &[0, 2], ["a", "b", "c"]).expect("fine");
    says(trainer.fit(&rows, Fit::epochs(1).validate(&data::iris())), &["iris", "4", "2"]);
    assert_eq!(trainer.steps(), 0);
}

#[test]
fn executors_refuse_arguments_that_do_not_fit_the_plan() {
    use wgrad::exec::{Cpu, Executor, Reference, Run};
    use wgrad::lower::{TrainingSpec, lower};
    use wgrad::plan::{Section, Step};
    let plan = lower(&TrainingSpec::new(Network::input(2).dense(1), Loss::mean_squared_error(), Sgd::new(0.1), 4))
        .expect("a plan");
    let executors: [Box<dyn Executor>; 2] =
        [Box::new(Cpu::new(plan.clone(), 1).expect("a thread")), Box::new(Reference::new(plan).expect("memory"))];
    for mut executor in executors {
        let input = executor.plan().find("input").expect("a view");
        let run = |batch_index| [Run { section: Section::Gradients, batch_index }];
        let step = |rows| [Step { rows, ..Step::default() }];
        says(executor.submit(&step(4), &run(1)), &["section gradients", "batch of the submission is 1", "below 1"]);
        says(executor.submit(&[step(4)[0]; 2], &run(1)), &["input", "batch of the submission is 1", "below 1"]);
        says(executor.submit(&step(5), &run(0)), &["rows of a step is 5", "at most 4"]);
        says(executor.write(input, 1, &[0]), &["input", "batch of the submission is 1"]);
        says(executor.write(input, 0, &[0; 9]), &["words to write are 9", "8"]);
        says(executor.read(input, 1), &["input", "batch of the submission is 1"]);
    }
}

/// Each allocation is checked by its own size: many rows of few columns are not multiplied by the width of a layer.
#[test]
fn sizes_of_different_allocations_are_not_multiplied() {
    use wgrad::lower::{TrainingSpec, lower};
    let network = Network::input(28).dense(300).relu().dense(2);
    let spec = |rows: usize, batch: usize| TrainingSpec {
        data_rows: Some(rows),
        ..TrainingSpec::new(network.clone(), Loss::softmax_cross_entropy(), Adam::new(1e-3), batch)
    };
    // HIGGS, and the largest allowed number of elements.
    for (rows, batch) in [(11_000_000, 4096), ((1 << 30) / 28, 64)] {
        assert!(lower(&spec(rows, batch)).is_ok(), "{rows} rows");
    }
    says(lower(&spec(1 << 26, 64)), &["allocation data.input", "1879048192 elements", "1073741824", "fewer rows"]);
    says(lower(&spec(64, 1 << 22)), &["allocation layer0", "1258291200 elements", "smaller batch"]);
    for rows in [1 << 40, usize::MAX] {
        says(lower(&spec(rows, 64)), &["allocation", "elements", "fewer rows"]);
        says(lower(&spec(64, rows)), &["allocations of a batch", "rows", "smaller batch"]);
        let steps = TrainingSpec { steps: rows, accumulate: 1024, ..spec(64, 64) };
        says(lower(&steps), &["allocations of a submission", "rows", "fewer steps"]);
    }
}

#[test]
fn trainings_of_nothing_are_refused() {
    let data = data::two_moons(20, 0.1, 0).expect("a data set");
    let mut trainer = trainer("2", Loss::softmax_cross_entropy()).expect("a trainer");
    says(trainer.fit(&data, Fit::epochs(0)), &["epochs is 0", "at least 1"]);
    says(trainer.fit(&data, Fit::epochs(1).validate(&data).patience(0)), &["patience is 0", "at least 1"]);
}
