//! Plans as tables, against golden files; errors of `Plan::push`; contents that `adopt` keeps.
//!
//! `WGRAD_BLESS=1 cargo test --test plans` updates the golden files.

mod common {
    pub mod driver;
    pub mod executor;
    pub mod oracle;
    pub mod problem;
}

use std::path::Path;

use common::driver::{Device, Driver, PlanKind, executor, plan};
use common::executor::hands_on;
use common::problem::{Numbers, batch, parameters};
use wgrad::elementwise::updates;
use wgrad::exec::{Cpu, Executor, Run};
use wgrad::kernels::{accumulate, activation, bias_add, check_finite, gather, matmul, max_norm, square_sum, update};
use wgrad::lower::{TrainingSpec, lower, lower_evaluation, lower_forward};
use wgrad::plan::{AllocationId, Contents, Op, POISON, Plan, Rates, Section, ViewId, Work};
use wgrad::shape::{Dtype, Shape};
use wgrad::specialize::{DeviceLimits, Limits, specialize, traced};
use wgrad::verify::{Report, Verify};
use wgrad::{Activation, Adam, AdamW, Error, Loss, Network, Optimizer, RmsProp, Schedule, Sgd};

/// Name of the golden file, input columns, layers, loss, optimizer.
type Named = (&'static str, usize, &'static str, Loss, Optimizer);

fn described((_, inputs, layers, loss, optimizer): Named) -> TrainingSpec {
    TrainingSpec::new(Network::parse(inputs, layers).expect("the text is sound"), loss, optimizer, 32)
}

fn specs() -> Vec<(&'static str, TrainingSpec)> {
    let named: [Named; 7] = [
        (
            "classification",
            64,
            "128 relu dropout(0.1) 64 relu dropout(0.1) 10",
            Loss::softmax_cross_entropy(),
            Adam::new(1e-3).into(),
        ),
        ("regression", 13, "dense(50, bias=false) tanh 1", Loss::mean_squared_error(), RmsProp::new(1e-3).into()),
        ("binary", 30, "16 leaky_relu(0.01) 1", Loss::binary_cross_entropy(), AdamW::new(1e-3).into()),
        ("perceptron", 4, "1", Loss::perceptron(), Sgd::new(1.0).into()),
        (
            "resident",
            17,
            "dropout(0.2) 65 sigmoid 3",
            Loss::softmax_cross_entropy(),
            Sgd::new(0.1).momentum(0.9).into(),
        ),
        ("accumulated", 20, "30 relu dropout(0.1) 5", Loss::softmax_cross_entropy(), Adam::new(1e-3).into()),
        ("unfused", 5, "7 tanh relu 6 dropout(0.5) sigmoid 3 tanh", Loss::mean_squared_error(), Sgd::new(0.1).into()),
    ];
    let mut specs: Vec<_> = named.map(|named| (named.0, described(named))).into();
    specs[2].1.clip_norm = Some(1.0);
    let resident = &mut specs[4].1;
    (resident.steps, resident.data_rows, resident.evaluate_rows) = (8, Some(1000), 100);
    let accumulated = &mut specs[5].1;
    (accumulated.accumulate, accumulated.steps, accumulated.data_rows) = (4, 2, Some(1000));
    accumulated.clip_norm = Some(1.0);
    specs
}

/// Compares with the golden file, or writes it if `WGRAD_BLESS` is set.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/plans").join(format!("{name}.txt"));
    if std::env::var_os("WGRAD_BLESS").is_some() {
        std::fs::write(&path, text).expect("the folder can be written");
    }
    // Git may have changed line ends.
    let wanted = std::fs::read_to_string(&path).unwrap_or_default().replace("\r\n", "\n");
    assert_eq!(text, wanted, "the plan `{name}` has changed; if that is intended, set WGRAD_BLESS=1 and read the diff");
}

/// Parts of a sum over rows take extra memory. They must fit a binding, or else a batch that fits would be refused.
#[test]
fn sums_over_rows_have_no_more_parts_than_fit_a_binding() {
    let network = Network::parse(4096, "4096 relu 4096 relu 10").expect("the text is sound");
    for (software, batch) in [false, true].into_iter().flat_map(|s| [2048, 2049, 4096, 8192].map(|batch| (s, batch))) {
        let limits = Limits { software, subgroups: software, ..Limits::default() };
        let spec = TrainingSpec {
            evaluate_rows: 8,
            ..described(("", 1, "1", Loss::mean_squared_error(), Sgd::new(0.1).into()))
        };
        let spec = TrainingSpec { network: network.clone(), micro_batch: batch, ..spec };
        for kind in [PlanKind::Primitive, PlanKind::Fused] {
            let plan = specialize(plan(&spec, kind), &DeviceLimits::Gpu(limits));
            let plan = plan.unwrap_or_else(|error| panic!("{batch} rows, {kind:?}: {error}"));
            let parts: Vec<_> = plan.allocations().iter().filter(|all| all.name.ends_with(".parts")).collect();
            assert!(parts.iter().all(|parts| 4 * parts.elements as u64 <= limits.binding_bytes), "{batch}: {parts:?}");
            let has = |layer: usize| parts.iter().any(|all| all.name == format!("grad.layer{layer}.weight.parts"));
            assert!(!has(0) && !has(2), "two do not fit a binding: {batch} rows, {kind:?}: {parts:?}");
            assert!(has(4) || batch <= 2048, "many fit a binding: {batch} rows, {kind:?}: {parts:?}");
        }
    }
}

/// Each setting is checked by its name, before sizes are computed from it.
#[test]
fn too_many_rows_are_refused() {
    let network = || Network::parse(4, "8 relu 3").expect("the text is sound");
    let most = 1 << 30;
    for rows in [most, most + 1, usize::MAX / 2, usize::MAX - 1, usize::MAX] {
        let usual = TrainingSpec::new(network(), Loss::softmax_cross_entropy(), Sgd::new(0.1), 2);
        let resident = TrainingSpec { data_rows: Some(7), ..usual.clone() };
        let all = [
            lower(&TrainingSpec { micro_batch: rows, evaluate_rows: 2, ..usual.clone() }).err(),
            lower(&TrainingSpec { micro_batch: rows, evaluate_rows: 2, ..resident.clone() }).err(),
            lower(&TrainingSpec { evaluate_rows: rows, ..usual.clone() }).err(),
            lower(&TrainingSpec { steps: rows, ..usual.clone() }).err(),
            lower(&TrainingSpec { steps: rows, accumulate: 1024, ..resident.clone() }).err(),
            lower_forward(&network(), rows).err(),
            lower_evaluation(&network(), Loss::softmax_cross_entropy(), rows).err(),
        ];
        for (number, error) in all.into_iter().enumerate() {
            let refused = matches!(error, Some(Error::Limit { allowed, .. }) if allowed == most as u64);
            assert!(refused, "{number}, {rows} rows: {error:?}");
        }
    }
}

/// A narrow network as a GPU runs it, with a fused step, and as lockstep checks it.
#[test]
fn fused_steps_are_the_golden_ones() {
    let narrow = ("narrow", 10, "24 relu 16 tanh 3", Loss::softmax_cross_entropy(), Adam::new(1e-3).into());
    let spec = TrainingSpec { steps: 8, data_rows: Some(1000), evaluate_rows: 100, ..described(narrow) };
    let target = DeviceLimits::Gpu(Limits::default());
    let whole = specialize(plan(&spec, PlanKind::Fused), &target).expect("it fits");
    let header = format!("{} · {} · {}\n\n", spec.network, spec.loss, spec.optimizer.name());
    golden("narrow-fused-step", &format!("{header}{whole}"));
    let traced = traced(&whole).expect("it can be traced").expect("it has a fused step");
    golden("narrow-fused-step-traced", &format!("{header}{traced}"));
}

#[test]
fn tables_are_the_golden_ones() {
    for (name, spec) in specs() {
        for (kind, suffix) in [(PlanKind::Primitive, "primitive"), (PlanKind::Fused, "fused")] {
            let plan = specialize(plan(&spec, kind), &DeviceLimits::Cpu).expect("the host has no limits");
            let header = format!("{} · {} · {}\n\n", spec.network, spec.loss, spec.optimizer.name());
            golden(&format!("{name}-{suffix}"), &format!("{header}{plan}"));
        }
    }
}

#[test]
fn a_network_alone_only_evaluates() {
    let network = Network::parse(64, "128 relu dropout(0.1) 10").expect("the text is sound");
    golden("forward", &lower_forward(&network, 100).expect("the network is sound").to_string());
}

/// A small plan with views made by hand.
struct Bench {
    plan: Plan,
}

impl Bench {
    fn new() -> Self {
        Self { plan: Plan::new() }
    }

    /// Adds a view of f32.
    fn view(&mut self, name: &str, rows: usize, columns: usize, contents: Contents) -> ViewId {
        self.plan.tensor(name, Dtype::F32, Shape::new(rows, columns), contents)
    }

    /// Adds a view of f32 that the host writes.
    fn input(&mut self, name: &str, rows: usize, columns: usize) -> ViewId {
        self.view(name, rows, columns, Contents::Host)
    }

    /// Adds a view of f32 that an op writes.
    fn output(&mut self, name: &str, rows: usize, columns: usize) -> ViewId {
        self.view(name, rows, columns, Contents::Computed)
    }

    /// Adds two views of two rows and four columns, at these offsets in one allocation.
    fn parts(&mut self, names: [&str; 2], offsets: [usize; 2], contents: Contents) -> [ViewId; 2] {
        let allocation = self.plan.allocate("parts", Dtype::F32, 64, contents);
        [0, 1].map(|i| self.plan.view(names[i], allocation, offsets[i], Shape::new(2, 4)))
    }

    fn relu(&self, input: ViewId, output: ViewId) -> Op {
        activation::op(&self.plan, Activation::relu(), input, output)
    }

    fn accepts(&mut self, section: Section, op: Op) {
        self.plan.push(section, op).expect("nothing is wrong with this op");
    }

    /// Asserts that an op is refused with a message that contains all these parts.
    fn refuses(&mut self, section: Section, op: Op, parts: &[&str]) {
        let message = self.plan.push(section, op).expect_err("this op must be refused").to_string();
        for part in parts {
            assert!(message.contains(part), "`{part}` is missing in `{message}`");
        }
    }
}

#[test]
fn refuses_a_wrong_number_of_views() {
    let mut bench = Bench::new();
    let (input, output) = (bench.input("input", 2, 4), bench.output("output", 2, 4));
    let mut op = bench.relu(input, output);
    op.views.pop();
    bench.refuses(Section::Gradients, op, &["gradients op 0 (activation)", "1 views", "2 bindings"]);
}

#[test]
fn refuses_a_wrong_number_of_parameters() {
    let mut bench = Bench::new();
    let (input, output) = (bench.input("input", 2, 4), bench.output("output", 2, 4));
    let mut op = bench.relu(input, output);
    op.params.push(0);
    bench.refuses(Section::Gradients, op, &["gradients op 0 (activation)", "5 parameters", "the kernel has 4"]);
}

#[test]
fn refuses_another_type() {
    let mut bench = Bench::new();
    let input = bench.plan.tensor("input", Dtype::U32, Shape::new(2, 4), Contents::Host);
    let output = bench.output("output", 2, 4);
    let op = bench.relu(input, output);
    bench.refuses(Section::Evaluate, op, &["evaluate op 0 (activation)", "input (binding `input`)", "u32"]);
}

#[test]
fn refuses_a_view_beyond_its_allocation() {
    let mut bench = Bench::new();
    let [_, input] = bench.parts(["first", "input"], [0, 57], Contents::Host);
    let output = bench.output("output", 2, 4);
    let op = bench.relu(input, output);
    let parts = ["gradients op 0 (activation)", "input (binding `input`)", "ends at element 65", "has 64"];
    bench.refuses(Section::Gradients, op, &parts);
}

#[test]
fn refuses_another_number_of_rows_than_items() {
    let mut bench = Bench::new();
    let (input, output) = (bench.input("input", 2, 4), bench.output("output", 4, 2));
    let op = bench.relu(input, output);
    let parts = ["gradients op 0 (activation)", "output (binding `output`)", "4 rows", "2 items"];
    bench.refuses(Section::Gradients, op, &parts);
}

#[test]
fn refuses_items_that_do_not_divide_the_elements() {
    let mut bench = Bench::new();
    let (gradient, partial) = (bench.input("gradient", 1, 128), bench.output("partial", 1, 2));
    let op = square_sum::op(&bench.plan, gradient, partial);
    let parts = ["update op 0 (square_sum)", "gradient (binding `gradient`)", "128 elements", "3 items"];
    bench.refuses(Section::Update, Op { items: 3, ..op.clone() }, &parts);
    bench.refuses(Section::Update, Op { items: 0, ..op.clone() }, &["128 elements", "0 items"]);
    bench.accepts(Section::Update, op);
}

#[test]
fn refuses_reading_before_writing() {
    let mut bench = Bench::new();
    let (hidden, output) = (bench.output("hidden", 2, 4), bench.output("output", 2, 4));
    let op = bench.relu(hidden, output);
    let parts = ["gradients op 0 (activation)", "hidden (binding `input`)", "read before any op writes it"];
    bench.refuses(Section::Gradients, op, &parts);
    let input = bench.input("input", 2, 4);
    bench.accepts(Section::Gradients, bench.relu(input, hidden));
    bench.accepts(Section::Gradients, bench.relu(hidden, output));
}

#[test]
fn refuses_writing_twice() {
    let mut bench = Bench::new();
    let (input, output) = (bench.input("input", 2, 4), bench.output("output", 2, 4));
    bench.accepts(Section::Gradients, bench.relu(input, output));
    let op = bench.relu(input, output);
    let parts = ["gradients op 1 (activation)", "output (binding `output`)", "written by two ops"];
    bench.refuses(Section::Gradients, op.clone(), &parts);
    bench.accepts(Section::Evaluate, op);
}

/// Plain gradient descent over 64 parameters with these contents.
fn descent(bench: &mut Bench, parameters: Contents) -> Op {
    let kept = || Contents::Persistent(0);
    let (parameter, gradient) = (bench.view("parameters", 1, 64, parameters), bench.view("gradients", 1, 64, kept()));
    let norm = bench.view("norm", 1, 1, kept());
    let flag = bench.plan.tensor("flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX));
    let common = update::Common { max_norm: 1.0, l2: 0.0, decay: 0.0 };
    update::op(&bench.plan, &updates::SGD, common, &[], [parameter, gradient, norm, flag], &[])
}

#[test]
fn refuses_changes_in_place_outside_update() {
    let mut bench = Bench::new();
    let op = descent(&mut bench, Contents::Persistent(0));
    let parts =
        ["gradients op 0 (update_sgd)", "parameters (binding `parameter`)", "changed in place outside `update`"];
    bench.refuses(Section::Gradients, op.clone(), &parts);
    bench.accepts(Section::Update, op.clone());
    bench.refuses(
        Section::Update,
        op,
        &["update op 1 (update_sgd)", "parameters (binding `parameter`)", "written by two ops"],
    );
}

/// An optimizer, and then a limit of the norm.
#[test]
fn ops_of_different_kernels_may_change_the_same_memory() {
    let mut bench = Bench::new();
    let op = descent(&mut bench, Contents::Persistent(0));
    let limit = max_norm::op(&bench.plan, op.views[0], op.views[3], 1.0);
    bench.accepts(Section::Update, op);
    bench.accepts(Section::Update, limit.clone());
    let parts = ["update op 2 (max_norm)", "parameters (binding `weight`)", "written by two ops"];
    bench.refuses(Section::Update, limit, &parts);
}

#[test]
fn refuses_to_write_constants() {
    let mut bench = Bench::new();
    let table = bench.plan.constant("table", Dtype::F32, vec![0; 64], 64);
    let input = bench.input("input", 1, 64);
    let op = bench.relu(input, table);
    bench.refuses(Section::Gradients, op, &["gradients op 0 (activation)", "table (binding `output`)", "is constant"]);
}

#[test]
fn refuses_changes_in_place_of_what_does_not_persist() {
    for contents in [Contents::Host, Contents::Computed] {
        let mut bench = Bench::new();
        let op = descent(&mut bench, contents);
        let parts = ["update op 0 (update_sgd)", "parameters (binding `parameter`)", "does not persist"];
        bench.refuses(Section::Update, op, &parts);
    }
}

#[test]
fn refuses_flags_that_do_not_persist() {
    let mut bench = Bench::new();
    let gradient = bench.view("gradients", 1, 64, Contents::Persistent(0));
    let flag = bench.plan.tensor("flag", Dtype::U32, Shape::vector(1), Contents::Host);
    let op = check_finite::op(&bench.plan, gradient, flag);
    bench.refuses(Section::Gradients, op, &["gradients op 0 (check_finite)", "flag (binding `flag`)", "persist"]);
}

#[test]
fn refuses_a_view_twice() {
    let mut bench = Bench::new();
    let (input, output) = (bench.input("input", 4, 4), bench.output("output", 4, 4));
    let op = matmul::nt(&bench.plan, input, input, output);
    let parts = ["gradients op 0 (matmul_nt)", "input (binding `b`)", "appears again as binding `a`"];
    bench.refuses(Section::Gradients, op, &parts);
}

#[test]
fn refuses_reading_and_writing_one_allocation() {
    let mut bench = Bench::new();
    let [input, output] = bench.parts(["upper", "lower"], [0, 32], Contents::Persistent(0));
    let op = bench.relu(input, output);
    let parts = ["gradients op 0 (activation)", "lower (binding `output`)", "in one allocation with upper"];
    bench.refuses(Section::Gradients, op, &parts);
}

#[test]
fn reads_parts_of_one_allocation() {
    let mut bench = Bench::new();
    let allocation = bench.plan.allocate("parts", Dtype::F32, 64, Contents::Host);
    let input = bench.plan.view("upper", allocation, 0, Shape::new(2, 4));
    let bias = bench.plan.view("lower", allocation, 32, Shape::vector(4));
    let output = bench.output("output", 2, 4);
    bench.accepts(Section::Gradients, bias_add::op(&bench.plan, input, bias, output));
}

#[test]
fn refuses_to_write_what_overlaps() {
    for (offset, problem) in [(7, Some("overlaps upper")), (8, None)] {
        let mut bench = Bench::new();
        let [first, second] = bench.parts(["upper", "lower"], [0, offset], Contents::Computed);
        let (grad, input) = (bench.input("grad", 2, 4), bench.input("input", 2, 4));
        let flag = bench.plan.tensor("flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX));
        // A kernel that writes two views: a loss, here with as many losses as gradients.
        let op = wgrad::kernels::loss::op(Loss::mean_squared_error(), &bench.plan, grad, input, first, second, flag);
        let place = ["gradients op 0 (element_loss)", "lower (binding `grad`)"];
        match problem {
            Some(problem) => bench.refuses(Section::Gradients, op, &[place[0], place[1], problem]),
            None => bench.accepts(Section::Gradients, op),
        }
    }
}

/// A windowed view overlaps all batches of its window, not only the first.
#[test]
fn refuses_what_overlaps_in_a_window() {
    let mut bench = Bench::new();
    let input = bench.input("input", 2, 4);
    let (windowed, _) = bench.plan.windowed("output", Dtype::F32, Shape::new(2, 4), 3, Contents::Computed);
    let allocation = bench.plan.get(windowed).allocation;
    let third = bench.plan.view("third", allocation, 128, Shape::new(2, 4));
    bench.accepts(Section::Gradients, bench.relu(input, windowed));
    let op = bench.relu(input, third);
    let parts = ["gradients op 1 (activation)", "third (binding `output`)", "written by two ops"];
    bench.refuses(Section::Gradients, op, &parts);
}

/// An op waits for ops that write a buffer that it uses, the flag's included: barriers of a GPU are for complete buffers.
#[test]
fn levels_count_serial_ops() {
    let mut bench = Bench::new();
    let (input, hidden, output) =
        (bench.input("input", 1, 64), bench.output("hidden", 1, 64), bench.output("output", 1, 64));
    let flag = bench.plan.tensor("flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX));
    bench.accepts(Section::Gradients, bench.relu(input, hidden));
    bench.accepts(Section::Gradients, bench.relu(hidden, output));
    bench.accepts(Section::Gradients, check_finite::op(&bench.plan, input, flag));
    bench.accepts(Section::Gradients, check_finite::op(&bench.plan, hidden, flag));
    bench.accepts(Section::Gradients, check_finite::op(&bench.plan, output, flag));
    let other = bench.input("other", 1, 64);
    bench.accepts(Section::Gradients, check_finite::op(&bench.plan, other, flag));
    assert_eq!(bench.plan.levels(Section::Gradients), [1, 2, 1, 2, 3, 4]);
}

/// Contents move to another plan by name, if type and size are equal; everything else is reset.
#[test]
fn adopting_a_plan_keeps_contents_by_name() {
    let small = described(("", 3, "5 relu 2", Loss::mean_squared_error(), Adam::new(0.1).into()));
    let wide = TrainingSpec { micro_batch: 70, clip_norm: Some(1.0), ..small.clone() };
    for device in [Device::Reference, Device::Cpu { threads: 2 }] {
        let mut driver = Driver::new(&small, PlanKind::Primitive, device);
        driver.set(&parameters(&small.network, 1, Numbers::Real));
        driver.train(&[batch(&small.network, small.loss, 32, 1, 0, Numbers::Real)]);
        let kept = ["parameters", "gradients", "adam.m", "adam.v", "flag", "layer0.weight", "adam.v.layer2.bias"];
        let before = kept.map(|name| driver.words(name));
        driver.executor.adopt(plan(&wide, PlanKind::Fused)).expect("the host can hold it");
        for (name, before) in kept.iter().zip(&before) {
            assert_eq!(driver.words(name), *before, "{name}");
            assert!(before.iter().any(|word| *word != 0), "{name} is all zeros");
        }
        // Views of another size, and new ones.
        assert!(driver.words("input").iter().all(|word| *word == POISON));
        assert!(driver.words("norm.partial").iter().all(|word| *word == POISON));
        // Training continues like that of an executor with this plan and the same contents.
        let rows = batch(&wide.network, wide.loss, 70, 1, 1, Numbers::Real);
        let mut other = Driver::new(&wide, PlanKind::Fused, device);
        for (name, words) in kept[..4].iter().zip(&before) {
            other.write(name, 0, words);
        }
        other.next = 1;
        assert_eq!(driver.train(std::slice::from_ref(&rows)), other.train(&[rows]));
        assert_eq!(driver.words("parameters"), other.words("parameters"));
    }
}

/// Plans can be replaced in a trait object, too.
#[test]
fn adopting_goes_back_and_forth() {
    let network = Network::parse(3, "5 relu 2").expect("the text is sound");
    let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Sgd::new(0.1), 4);
    let mut host: Box<dyn Executor> = executor(plan(&spec, PlanKind::Primitive), Device::Reference);
    let view = |host: &dyn Executor| host.plan().find("layer0.weight").expect("every plan has it");
    let at = view(&*host);
    host.write(at, 0, &[7; 15]).expect("the view holds 15 words");
    for kind in [PlanKind::Fused, PlanKind::Primitive] {
        host.adopt(plan(&spec, kind)).expect("the host can hold it");
        let at = view(&*host);
        assert_eq!(host.read(at, 0).and_then(|ticket| ticket.wait()).expect("the host answers"), [7; 15]);
    }
}

/// A spec whose data set, window and parameters exceed a binding of 16 KiB: the data set is split by rows, the window by steps,
/// and parameters by blocks.
fn spanning() -> (TrainingSpec, Limits) {
    let network = Network::parse(32, "60 sigmoid 60 relu dropout(0.1) 3").expect("the text is sound");
    let spec = TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(0.01), 32);
    let spec = TrainingSpec { steps: 7, data_rows: Some(300), evaluate_rows: 20, clip_norm: Some(1.0), ..spec };
    (spec, Limits { binding_bytes: 16 << 10, ..Limits::default() })
}

#[test]
fn views_larger_than_a_binding_span_several() {
    let (spec, limits) = spanning();
    let plan = plan(&spec, PlanKind::Fused);
    let split = specialize(plan.clone(), &DeviceLimits::Gpu(limits)).expect("it can be split");
    golden("spanning-fused", &format!("bindings of {} bytes\n\n{split}", limits.binding_bytes));
    for (name, kernel) in [("data.input", "gather"), ("parameters", "adam"), ("gradients", "square_sum")] {
        assert!(split.bytes() == plan.bytes() && split.find(name).is_some(), "{name} is whole for {kernel}");
    }
    for view in Section::ALL.iter().flat_map(|section| split.ops(*section)).flat_map(|op| &op.views) {
        assert!(4 * split.shape(*view).elements() as u64 <= limits.binding_bytes, "{}", split.get(*view).name);
    }
    let again = specialize(split.clone(), &DeviceLimits::Gpu(limits)).expect("it fits");
    assert_eq!(again.to_string(), split.to_string(), "a plan that fits is unchanged");
    let whole = specialize(plan, &DeviceLimits::Gpu(Limits::default())).expect("it fits");
    assert!(whole.views().iter().all(|view| !view.name.contains("[")));
}

#[test]
fn plans_are_trusted_until_they_are_changed() {
    let (spec, limits) = spanning();
    for kind in [PlanKind::Primitive, PlanKind::Fused] {
        let plan = plan(&spec, kind);
        let split = specialize(plan.clone(), &DeviceLimits::Gpu(limits)).expect("it can be split");
        assert!(plan.is_trusted() && split.is_trusted(), "{kind:?}");
    }
    let own = plan(&spec, PlanKind::Primitive);
    let [mut substituted, mut pushed] = [own.clone(), own.clone()];
    substituted.substitute(|kernel| kernel);
    let last = own.ops(Section::Gradients).last().expect("there are ops").clone();
    pushed.push(Section::Gradients, last).expect("two ops may write the flag");
    assert!(!substituted.is_trusted() && !pushed.is_trusted() && !Plan::new().is_trusted());
    // A view with a name that `fuse` looks up, but smaller than its own.
    let mut viewed = own;
    viewed.tensor("zeros9", Dtype::F32, Shape::vector(1), Contents::Persistent(0));
    let fused = wgrad::fuse::fuse(&viewed).expect("it can be fused");
    assert!(!viewed.is_trusted() && !fused.is_trusted());
}

/// Shaders of trusted plans omit a check that `submission` makes only for ops over rows of the batch.
#[test]
fn sections_that_use_live_rows_have_an_op_over_them() {
    for (name, spec) in specs() {
        for kind in [PlanKind::Primitive, PlanKind::Fused] {
            let plan = plan(&spec, kind);
            let (batch, evaluated) = (spec.micro_batch, spec.evaluate_rows);
            for (section, rows) in
                [(Section::Gradients, batch), (Section::Evaluate, evaluated), (Section::Score, evaluated)]
            {
                let over = |op: &Op| op.most_rows() == Some(rows);
                assert!(plan.ops(section).iter().any(over), "{name}, {kind:?}, {}", section.name());
            }
        }
    }
}

/// Training on the reference with and without a split plan gives the same bits in all allocations.
#[test]
fn split_plans_compute_the_same_bits() {
    let (spec, limits) = spanning();
    let optimizers: [Optimizer; 4] = [
        Sgd::new(0.1).into(),
        Sgd::new(0.1).momentum(0.9).nesterov().into(),
        RmsProp::new(0.01).into(),
        AdamW::new(0.01).into(),
    ];
    let described = optimizers.map(|optimizer| TrainingSpec { optimizer, ..spec.clone() });
    for (spec, kind) in described.iter().flat_map(|d| [PlanKind::Primitive, PlanKind::Fused].map(|kind| (d, kind))) {
        let trained = |target: &DeviceLimits| {
            let plan = specialize(plan(spec, kind), target).expect("it can be split");
            let mut host = executor(plan, Device::Reference);
            let fill = |host: &mut dyn Executor, name: &str, word: &dyn Fn(usize) -> u32| {
                let view = host.plan().find(name).expect("every plan of a training has this view");
                let words: Vec<u32> = (0..host.plan().shape(view).elements()).map(word).collect();
                host.write(view, 0, &words).expect("the view holds its words");
            };
            fill(&mut *host, "parameters", &|i| (0.3 * (i as f32 * 0.7).sin()).to_bits());
            fill(&mut *host, "data.input", &|i| (i as f32 * 0.37).cos().to_bits());
            fill(&mut *host, "data.target", &|i| (i * i % 3) as u32);
            // Rows of every part, and an invalid index after the last step's live rows.
            fill(&mut *host, "index", &|i| if i == 7 * 32 - 1 { u32::MAX } else { (i * 67 % 300) as u32 });
            let steps: Vec<_> = (0..7)
                .map(|batch_index| {
                    spec.record(
                        &Schedule::Constant,
                        3,
                        batch_index as u64,
                        batch_index,
                        if batch_index < 6 { 32 } else { 31 },
                    )
                })
                .collect();
            host.submit(&steps, &Run::submission(&steps)).expect("the host answers");
            let allocations = host.plan().allocations().to_vec();
            let mut words = |id| host.read_allocation(AllocationId(id)).expect("the host answers");
            let words: Vec<_> = (0..allocations.len()).map(&mut words).collect();
            (allocations, words)
        };
        let (split, whole) = (trained(&DeviceLimits::Gpu(limits)), trained(&DeviceLimits::Cpu));
        assert!(split == whole, "{kind:?}, {}", spec.optimizer.name());
        let flag = whole.0.iter().position(|allocation| allocation.name == "flag").expect("there is a flag");
        assert_eq!(whole.1[flag], [[u32::MAX].as_slice(), &[u32::MAX; 63]].concat());
    }
}

/// CPU executor that splits every plan, adopted ones included.
struct Split {
    host: Cpu,
    limits: Limits,
}

impl Split {
    fn plan(plan: Plan, limits: Limits) -> wgrad::Result<Plan> {
        let split = specialize(plan, &DeviceLimits::Gpu(limits))?;
        assert!(split.find("parameters[0..4096]").is_some(), "{split}");
        Ok(split)
    }
}

impl Executor for Split {
    hands_on!(host: plan write read submit submit_op read_allocation);

    fn name(&self) -> String {
        "split".into()
    }

    fn adopt(&mut self, plan: Plan) -> wgrad::Result<()> {
        self.host.adopt(Self::plan(plan, self.limits)?)
    }
}

/// Lockstep and free runs of `wgrad verify`, on an executor with split plans.
#[test]
fn split_plans_are_verified() {
    let (spec, limits) = spanning();
    let make = &mut |plan| {
        let host = Cpu::new(Split::plan(plan, limits)?, 1)?;
        Ok(Box::new(Split { host, limits }) as Box<dyn Executor>)
    };
    let verify = Verify::network(&spec).expect("the spec is sound");
    let report = verify.run_on(make, |_| ()).and_then(Report::into_result).expect("the CPU is right");
    println!("{} elements", report.elements());
}

/// Asserts that a plan is refused for this op, with these numbers.
fn over(spec: &TrainingSpec, limits: Limits, op: &str, needed: u64, allowed: u64) {
    let refused = specialize(plan(spec, PlanKind::Fused), &DeviceLimits::Gpu(limits)).expect_err("it does not fit");
    println!("{refused}");
    assert!(matches!(refused, Error::Limit { needed: n, allowed: a, .. } if n == needed && a == allowed), "{refused}");
    assert!(refused.to_string().starts_with(op), "{refused}");
}

#[test]
fn views_that_cannot_be_split_are_refused_with_both_numbers() {
    let (spec, limits) = spanning();
    let narrow = Limits { binding_bytes: 12 << 10, ..limits };
    over(&spec, narrow, "gradients op 1 (dense_forward)", 4 * 60 * 60, 12 << 10);
    over(&spec, Limits { storage_buffers: 6, ..limits }, "update op 3 (update_adamw)", 7, 6);
    over(&spec, Limits { allocation_bytes: 30_000, ..limits }, "allocation data.input", 4 * 300 * 32, 30_000);
    over(&spec, Limits { invocations: 32, ..limits }, "every shader", 64, 32);
    over(&spec, Limits { workgroup_bytes: 128, ..limits }, "every shader", 260, 128);
    // Only every 64th row of 65 words begins at a multiple of 64 words.
    let network = Network::parse(65, "3").expect("the text is sound");
    let odd = TrainingSpec::new(network, Loss::mean_squared_error(), Sgd::new(0.1), 8);
    let odd = TrainingSpec { data_rows: Some(100), evaluate_rows: 8, ..odd };
    over(&odd, limits, "window op 0 (gather)", 4 * 100 * 65, 16 << 10);
}

#[test]
fn refuses_to_fill_the_same_rows_twice() {
    let mut bench = Bench::new();
    let index = bench.plan.tensor("index", Dtype::U32, Shape::new(2, 4), Contents::Host);
    let [upper, lower] = bench.parts(["upper", "lower"], [0, 32], Contents::Host);
    let window = bench.output("window", 2, 64);
    let [first, mut second] = [upper, lower].map(|data| gather::op(&bench.plan, data, index, window));
    bench.accepts(Section::Window, first);
    let parts = ["window op 1 (gather)", "window (binding `window`)", "do not fill it from different rows"];
    for first_row in [0, 1] {
        second.set("first_row", first_row);
        bench.refuses(Section::Window, second.clone(), &parts);
    }
    second.set("first_row", 2);
    bench.accepts(Section::Window, second);
}

/// A plan that adds the gradients of micro-batches.
struct Sum {
    bench: Bench,
    gradient: ViewId,
    sum: ViewId,
    compensation: ViewId,
    flag: ViewId,
}

impl Sum {
    fn new(contents: Contents) -> Self {
        let mut bench = Bench::new();
        let (gradient, sum) = (bench.input("gradient", 1, 128), bench.view("sum", 1, 128, contents));
        let compensation = bench.view("compensation", 1, 128, Contents::Persistent(0));
        let flag = bench.plan.tensor("flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX));
        Self { bench, gradient, sum, compensation, flag }
    }

    fn adds(&self) -> Op {
        accumulate::op(&self.bench.plan, self.gradient, self.sum, self.compensation, self.flag)
    }
}

#[test]
fn refuses_to_add_in_other_sections_or_to_views_that_do_not_persist() {
    let mut sum = Sum::new(Contents::Persistent(0));
    for section in Section::ALL.into_iter().filter(|section| *section != Section::Gradients) {
        sum.bench.refuses(section, sum.adds(), &["op 0 (accumulate)", "sum (binding `sum`)", "outside `gradients`"]);
    }
    sum.bench.accepts(Section::Gradients, sum.adds());
    let mut sum = Sum::new(Contents::Computed);
    sum.bench.refuses(Section::Gradients, sum.adds(), &["sum (binding `sum`)", "does not persist"]);
}

#[test]
fn refuses_to_use_an_incomplete_sum() {
    let parts = ["sum (binding `", "is not whole before the last batch"];
    // Added to twice, read after an addition, written before one.
    let mut sum = Sum::new(Contents::Persistent(0));
    sum.bench.accepts(Section::Gradients, sum.adds());
    sum.bench.refuses(Section::Gradients, sum.adds(), &parts);
    let output = sum.bench.output("output", 1, 128);
    let reads = sum.bench.relu(sum.sum, output);
    sum.bench.refuses(Section::Gradients, reads.clone(), &parts);
    sum.bench.accepts(Section::Update, reads);
    let mut sum = Sum::new(Contents::Persistent(0));
    let writes = sum.bench.relu(sum.gradient, sum.sum);
    sum.bench.accepts(Section::Gradients, writes);
    sum.bench.refuses(Section::Gradients, sum.adds(), &parts);
}

/// Computed by hand: a batch of 2 rows of 3 columns, two outputs.
#[test]
fn the_least_memory_traffic_of_ops_is_counted() {
    let network = Network::parse(3, "2").expect("the text is sound");
    let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Sgd::new(0.1), 2);
    let spec = TrainingSpec { data_rows: Some(1000), steps: 2, ..spec };
    let plan = plan(&spec, PlanKind::Fused);
    let moved = |section: Section| plan.ops(section).iter().map(|op| plan.traffic(op)).collect::<Vec<_>>();
    // Inputs and targets: the rows of two batches; the index: two rows; the window: batches padded to 64.
    assert_eq!(moved(Section::Window), [4 * (4 * 3 + 4 + 128), 4 * (4 * 2 + 4 + 128)]);
    // input, weight, bias → output; output, target → row_loss, gradient, flag; gradient, input → both gradients, flag.
    assert_eq!(moved(Section::Gradients), [4 * (6 + 6 + 2 + 4), 4 * (4 + 4 + 2 + 4 + 1), 4 * (4 + 6 + 6 + 2 + 1)]);
    // Parameters twice, in two tensors of 64; gradients, norm, flag.
    assert_eq!(moved(Section::Update), [4 * (2 * 128 + 128 + 2)]);
    let step = [Section::Gradients, Section::Update].map(|section| plan.section_work(section));
    let step: Work = step.into_iter().sum();
    assert_eq!(step.bytes, 4 * (18 + 15 + 19 + 386));
    let rates = Rates { flops: Some(2.0 * step.flops as f64), bytes: None };
    assert_eq!(step.roofline(rates), [Some(0.5), None]);
    let table = plan.roofline(Rates { flops: Some(1e9), bytes: Some(1e9) }).to_string();
    assert!(table.contains("per step: 4 dispatches in 4 serial levels; per submission: 3 more"), "{table}");
    assert!(table.contains("1_752"), "{table}");
}

#[test]
fn default_limits_are_those_of_webgpu() {
    let limits = Limits::default();
    assert_eq!((limits.binding_bytes, limits.allocation_bytes), (134_217_728, 268_435_456));
    assert_eq!((limits.storage_buffers, limits.workgroups, limits.invocations), (8, 65_535, 256));
    assert_eq!((limits.workgroup_bytes, limits.subgroups, limits.software), (16_384, false, false));
}

#[test]
fn intensity_is_operations_per_byte() {
    assert_eq!(Work { flops: 6, bytes: 4 }.intensity(), Some(1.5));
    assert_eq!(Work { flops: 6, bytes: 0 }.intensity(), None);
}
