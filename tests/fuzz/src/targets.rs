//! Fuzz targets, each with its seed inputs.

use std::ffi::OsString;
use std::ops::ControlFlow;
use std::path::PathBuf;

use wgrad::data::{
    CsvOptions, Inspection, NumberFormat, Preparation, Table, Wanted, mnist, read_idx_images, read_idx_labels,
};
use wgrad::lower::TrainingSpec;
use wgrad::model::TableLayout;
use wgrad::plan::Plan;
use wgrad::specialize::{Choice, Limits, Machine, Tuning, specialize};
use wgrad::{
    Adam, Checkpoint, Checkpoints, Dataset, Device, Error, Fit, Loss, Model, Network, Split, Standardization, Trainer,
};

use super::{command, forged};

/// Fuzz target: one kind of input.
pub struct Target {
    pub name: &'static str,
    /// Seed inputs, which are mutated.
    pub seeds: fn(&Sandbox) -> Vec<Vec<u8>>,
    /// Reads and uses an input; returns the result, usually an error message.
    pub look: fn(&Sandbox, &[u8]) -> String,
}

/// All kinds of input from users and their files.
pub static TARGETS: [Target; 8] = [
    Target { name: "csv", seeds: |_| committed("csv"), look: csv },
    Target { name: "idx", seeds: |_| committed("idx"), look: idx },
    Target { name: "model", seeds: Sandbox::models, look: model },
    Target { name: "checkpoint", seeds: Sandbox::checkpoints, look: checkpoint },
    Target { name: "run_file", seeds: |_| committed("run_file"), look: run_file },
    Target { name: "tuning", seeds: |sandbox| vec![sandbox.tuning()], look: tuning },
    Target { name: "network", seeds: |_| committed("network"), look: network },
    Target { name: "values", seeds: |_| committed("values"), look: values },
];

/// Files of `corpus/NAME`, sorted by name.
fn committed(name: &str) -> Vec<Vec<u8>> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let entries = std::fs::read_dir(folder).expect("each target has a corpus");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("it can be read").path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).expect("it can be read")).collect()
}

/// A temporary folder and a data set.
pub struct Sandbox {
    folder: tempfile::TempDir,
    data: Dataset,
}

fn said<T>(result: &wgrad::Result<T>) -> String {
    result.as_ref().err().map_or_else(|| "ok".into(), Error::to_string)
}

impl Sandbox {
    pub fn new() -> Self {
        // A folder in memory if there is one, since every input is written to a file.
        let shared = PathBuf::from("/dev/shm");
        let folder = tempfile::tempdir_in(if shared.is_dir() { shared } else { std::env::temp_dir() });
        let data = wgrad::data::two_moons(11, 0.1, 1).expect("eleven rows");
        Self { folder: folder.expect("a folder"), data }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, bytes).expect("written");
        path
    }

    fn trainer(&self) -> Trainer {
        let builder = Trainer::builder(Network::input(2).dense(3).tanh().dropout(0.1).dense(2));
        let builder = builder.loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(0.01)).batch(2).accumulate(2);
        let scaling = Standardization::fit(&self.data).expect("it has rows");
        builder.preprocessing(scaling).steps_per_submission(1).build(&Device::cpu().threads(1)).expect("a trainer")
    }

    /// Models of a data set and of two tables, with and without column names.
    fn models(&self) -> Vec<Vec<u8>> {
        let mut trainer = self.trainer();
        trainer.fit(&self.data, Fit::epochs(1)).expect("trained");
        let model = trainer.into_model().expect("trained");
        let formats =
            std::iter::once(("column2".into(), NumberFormat { decimal: ',', ..NumberFormat::PLAIN })).collect();
        let named =
            TableLayout { header: true, delimiter: Some(';'), dropped: vec!["column1".into()], weights: None, formats };
        let unnamed = TableLayout { header: false, ..named.clone() };
        let of = |table: Option<TableLayout>| {
            let mut model = model.clone();
            if table.is_some() {
                model.metadata.columns = ["column2", "column3"].map(String::from).to_vec();
                model.metadata.targets = vec!["column4".into()];
            }
            model.metadata.table = table;
            let path = self.file("model", b"");
            model.save(&path).expect("saved");
            as_input(&std::fs::read(path).expect("saved just now"))
        };
        let models = [None, Some(named), Some(unnamed)].map(of);
        let table = self.file("table.csv", b"a,b,y\n,2024-01-02,1\n2,2024-02-03,2.5\n3,,3.5\n");
        let table = Table::read(table, &CsvOptions::default()).expect("a table");
        let preparation = Preparation::fit(&table, &table.rows()).expect("it has rows");
        let network = Network::input(preparation.width()).dense(1);
        let trainer = Trainer::builder(network).loss(Loss::mean_squared_error()).build(&Device::cpu().threads(1));
        let mut prepared = trainer.and_then(Trainer::into_model).expect("a model");
        prepared.metadata.prepare_with(preparation);
        let path = self.file("model", b"");
        prepared.save(&path).expect("saved");
        [&models[..], &[as_input(&std::fs::read(path).expect("saved just now"))]].concat()
    }

    /// Checkpoints within an epoch, between two epochs, and of a custom training loop.
    fn checkpoints(&self) -> Vec<Vec<u8>> {
        let folder = self.folder.path().join("written");
        let fit = Fit::epochs(3).validate(&self.data).restore_best();
        let fit = fit.checkpoints(Checkpoints::in_folder(&folder).every_steps(4));
        let mut trainer = self.trainer();
        let stop = |progress: &wgrad::Progress| {
            if progress.epoch == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        trainer.fit(&self.data, fit.on_submission(stop)).expect("trained");
        let own = folder.join("own");
        trainer.checkpoint().and_then(|checkpoint| checkpoint.save(&own)).expect("saved");
        let entries = std::fs::read_dir(folder).expect("it was made").map(|entry| entry.expect("readable").path());
        let mut paths: Vec<_> = entries.filter(|path| path.file_name().is_some_and(|name| name != "lock")).collect();
        paths.sort();
        paths.iter().map(|path| as_input(&std::fs::read(path).expect("it was written"))).collect()
    }

    fn tuning(&self) -> Vec<u8> {
        let [adapter, interface, driver, wgrad] = ["An adapter", "vulkan", "1.2", "0.1.0"].map(String::from);
        let machine = Machine { adapter, vendor: 1, device: 2, interface, driver, wgrad };
        let path = self.file("tuning", b"");
        let plan = Plan::for_training(&description()).expect("sound");
        let choices = Tuning::of(&plan, &gpu()).choices().to_vec();
        Tuning::new(Some(machine), choices).save(&path).expect("saved");
        std::fs::read(path).expect("saved just now")
    }
}

fn description() -> TrainingSpec {
    let network = Network::input(8).dense(64).relu().dense(4);
    TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(0.01), 64)
}

fn gpu() -> wgrad::specialize::DeviceLimits {
    wgrad::specialize::DeviceLimits::Gpu(Limits::default())
}

/// Converts a safetensors file to an input without the header length, which most mutations would make wrong.
fn as_input(file: &[u8]) -> Vec<u8> {
    let (header, data) = forged::parts(file).expect("it was written whole");
    [header.as_bytes(), b"\n", data].concat()
}

/// Converts an input back to a file; it is unchanged if it does not begin with a header.
fn as_file(input: &[u8]) -> Vec<u8> {
    let end = input.iter().position(|byte| *byte == b'\n').filter(|_| input.first() == Some(&b'{'));
    let parts = end.and_then(|end| Some((std::str::from_utf8(&input[..end]).ok()?, &input[end + 1..])));
    parts.map_or_else(|| input.to_vec(), |(header, data)| forged::file(header, data))
}

/// Reads a table with options that depend on a hash of its bytes.
fn csv(sandbox: &Sandbox, input: &[u8]) -> String {
    let path = sandbox.file("table.csv", input);
    let format = NumberFormat { decimal: ',', thousands: Some('.'), ..NumberFormat::PLAIN };
    let form = match crc32fast::hash(input) % 8 {
        0 => CsvOptions::default().target("a"),
        1 => CsvOptions::default().delimiter(b';'),
        2 => CsvOptions::default().drop("a").target("b"),
        3 => CsvOptions::default().header(false),
        4 => CsvOptions {
            names: ["a", "b", "c"].map(String::from).to_vec(),
            ..CsvOptions::default().header(false).target("b")
        },
        5 => CsvOptions { formats: ["a", "b"].map(|name| (name.into(), format)).into(), ..CsvOptions::default() },
        _ => CsvOptions::default(),
    };
    let inspected = Inspection::of_csv(&path, form.clone());
    if let Ok(inspection) = &inspected {
        serde_json::to_string(inspection).expect("it has text for keys");
    }
    let table = Table::read(&path, &form).map(|table| {
        let prepared = prepared(&table);
        if let Ok(preparation) = &prepared {
            let stored = serde_json::to_string(preparation).expect("it has text for keys");
            assert!(serde_json::from_str::<Preparation>(&stored).expect("it was written just now") == *preparation);
            let kept: Vec<String> = preparation.columns().take(1).map(String::from).collect();
            let wanted = Wanted { kept: &kept, ..Wanted::default() };
            // Only rows of tables without a header may differ: their columns are counted.
            let again = Table::read_for(&path, &form, preparation, &wanted);
            let values = again.and_then(|table| preparation.values(&table, &table.rows()));
            assert!(values.iter().flatten().all(|value| value.is_finite()));
        }
        said(&prepared)
    });
    let data = Dataset::from_csv(&path, form);
    let parts = data.as_ref().map(|data| data.split(Split::parts(0.6, 0.2).seed(1)));
    let scaled = parts.map(|parts| {
        let (train, _, test) = parts?;
        test.standardized(&Standardization::fit(&train)?)
    });
    let scaled = scaled.map_or_else(|_| String::new(), |scaled| said(&scaled));
    format!("{} | {} | {} | {scaled}", said(&inspected), said(&table), said(&data))
}

/// Fits a preparation on all rows with a target, and applies it.
fn prepared(table: &Table) -> wgrad::Result<Preparation> {
    let rows = table.rows();
    let preparation = Preparation::fit(table, &rows)?;
    let data = preparation.dataset(table, &rows)?;
    preparation.summary(table);
    Standardization::robust(&data).and_then(|scaling| data.standardized(&scaling)).map(|_| preparation)
}

fn idx(sandbox: &Sandbox, input: &[u8]) -> String {
    let path = sandbox.file("train-images-idx3-ubyte", input);
    let labels = [&[0, 0, 8, 1, 0, 0, 0, 2], &[1u8, 0][..]].concat();
    sandbox.file("train-labels-idx1-ubyte", &labels);
    sandbox.file("t10k-images-idx3-ubyte", input);
    sandbox.file("t10k-labels-idx1-ubyte", if crc32fast::hash(input).is_multiple_of(2) { input } else { &labels });
    let all = mnist(sandbox.folder.path());
    format!("{} | {} | {}", said(&read_idx_images(&path)), said(&read_idx_labels(&path)), said(&all))
}

/// Loads the file of an input. If only the checksum is wrong, it is corrected.
fn repaired<T>(sandbox: &Sandbox, name: &str, input: &[u8], load: fn(PathBuf) -> wgrad::Result<T>) -> wgrad::Result<T> {
    let file = as_file(input);
    let found = load(sandbox.file(name, &file));
    let right = found.as_ref().err().and_then(|error| forged::with_checksum(&file, &error.to_string()));
    right.map_or(found, |file| load(sandbox.file(name, &file)))
}

fn model(sandbox: &Sandbox, input: &[u8]) -> String {
    let model = match repaired(sandbox, "m.safetensors", input, Model::load) {
        Ok(model) => model,
        Err(error) => return error.to_string(),
    };
    let path = sandbox.folder.path().join("again.safetensors");
    model.save(&path).expect("what was read can be written");
    assert!(Model::load(&path).expect("it was written just now") == model);
    let rows = model.predict(&vec![0.5; model.metadata.network.inputs()]);
    let tables = ["a,b,c\n1,2,0\n", "1;2,5\n", "1;2,5;3\n", "1;2,5;3;0\n", "column2;column3\n1,5;2\n"].map(|text| {
        let path = sandbox.file("table.csv", text.as_bytes());
        let (preparation, wanted) = (model.metadata.table_preparation(), Wanted::default());
        let table = Table::read_for(path, &model.metadata.csv_options(CsvOptions::default()), &preparation, &wanted);
        table.map_or_else(
            |error| error.to_string(),
            |table| {
                said(
                    &preparation
                        .values(&table, &table.rows())
                        .and_then(|values| model.outputs_on(&Device::cpu(), &values)),
                )
            },
        )
    });
    format!("{} | {} | {}", said(&rows), said(&model.evaluate(&sandbox.data)), tables.join(" | "))
}

fn checkpoint(sandbox: &Sandbox, input: &[u8]) -> String {
    let name = "run/step-1.safetensors";
    std::fs::create_dir_all(sandbox.folder.path().join("run")).expect("a folder");
    if let Err(error) = repaired(sandbox, name, input, Checkpoint::load) {
        return error.to_string();
    }
    let folder = sandbox.folder.path().join("run");
    let fit = Fit::epochs(4).validate(&sandbox.data).restore_best();
    let fit = fit.checkpoints(Checkpoints::in_folder(folder).only_when_stopped().resume());
    let mut resumed = String::new();
    let fitted = sandbox.trainer().fit(&sandbox.data, fit.on_resume(|restored| resumed = format!("{restored:?}")));
    let mut own = sandbox.trainer();
    own.load(&sandbox.data).expect("it fits");
    let path = sandbox.folder.path().join(name);
    let restored = Checkpoint::load(path).and_then(|checkpoint| own.restore(&checkpoint));
    let advanced = restored.as_ref().map(|_| said(&own.advance())).unwrap_or_default();
    format!("{resumed} | {} | {} | {advanced}", said(&fitted), said(&restored))
}

fn tuning(sandbox: &Sandbox, input: &[u8]) -> String {
    let tuning = match Tuning::load(sandbox.file("tuning.json", input)) {
        Ok(tuning) => tuning,
        Err(error) => return error.to_string(),
    };
    let path = sandbox.folder.path().join("again.json");
    tuning.save(&path).expect("what was read can be written");
    assert!(Tuning::load(&path).expect("it was written just now") == tuning);
    tuning.choices().iter().for_each(|choice: &Choice| drop(choice.to_string()));
    let mut plan = Plan::for_training(&description()).expect("sound");
    let (fitting, ignored) = tuning.clone().fitting(&plan, &gpu());
    fitting.apply(&mut plan, &gpu()).expect("what does not fit was left out");
    specialize(plan.clone(), &gpu()).expect("its tiles are possible");
    format!("{} | {}", said(&tuning.apply(&mut plan, &gpu())), ignored.concat())
}

/// Parses a number of input columns, a space, and layers.
fn network(_: &Sandbox, input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let (inputs, layers) = text.split_once(' ').unwrap_or(("4", &text));
    let network = match Network::parse(inputs.parse().unwrap_or(4), layers) {
        Ok(network) => network,
        Err(error) => return error.to_string(),
    };
    let printed = network.to_string();
    let (_, layers) = printed.split_once("→ ").expect("layers follow the arrow");
    assert!(Network::parse(network.inputs(), layers).expect("it was printed just now") == network);
    let stored = serde_json::to_string(&network).expect("it has text for keys");
    assert!(serde_json::from_str::<Network>(&stored).expect("it was written just now") == network);
    let description = TrainingSpec::new(network, Loss::mean_squared_error(), Adam::new(0.01), 8);
    let planned = Plan::for_training(&description).and_then(|plan| specialize(plan, &gpu()));
    format!("{:?} | {}", description.network.parameter_count().checked_ilog2(), said(&planned))
}

fn typed(words: Vec<OsString>) -> String {
    match command::parsed(&words) {
        Ok(_) => "ok".into(),
        Err(command::Refusal::Usage(usage)) => usage.to_string(),
        Err(command::Refusal::Error(error)) => error.to_string(),
    }
}

fn run_file(sandbox: &Sandbox, input: &[u8]) -> String {
    let path = sandbox.file("run.toml", input);
    typed(vec!["wgrad".into(), "train".into(), path.into()])
}

/// Parses a command line with one word per line.
fn values(_: &Sandbox, input: &[u8]) -> String {
    let text = String::from_utf8_lossy(input);
    let words = ["wgrad"].into_iter().chain(text.split('\n')).map(OsString::from).collect();
    typed(words)
}
