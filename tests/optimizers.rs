//! Fifty updates by every optimizer against PyTorch, and for LAMB, Lion, Adan and schedule-free AdamW against their papers (numbers from
//! `golden/optimizers.py`, in float64).
//!
//! Tolerance: an update rounds a parameter of at most 2.6 to f32, an error of at most 1.2e-7, so fifty updates have 6e-6; the
//! sum of all changes, at most 4, has a relative error of a few roundings, 1e-6. The largest difference is 2e-6.

use serde::Deserialize;
use wgrad::elementwise::{Update, updates};
use wgrad::exec::{Cpu, Executor, Run};
use wgrad::kernels::update::{Group, grouped_kernel};
use wgrad::lower::{TrainingSpec, lower};
use wgrad::plan::{Contents, Op, Plan, Section};
use wgrad::shape::{Dtype, Shape};
use wgrad::trainer::Builder;
use wgrad::{
    Adam, AdamW, AdamWScheduleFree, Average, Device, Fit, Loss, Network, Optimizer, ParameterGroup, Result, Schedule,
    Sgd, Split, Tensor, Trainer, data,
};

const TOLERANCE: f64 = 1e-5;

#[derive(Deserialize)]
struct File {
    torch: String,
    steps: Vec<usize>,
    first: Vec<f64>,
    gradients: Vec<Vec<f64>>,
    cases: Vec<Case>,
    /// Three tensors: a tenth of the learning rate, no weight decay, frozen.
    grouped: Vec<Case>,
    /// Three tensors: L1 penalty 0.05, L2 penalty 0.04, both; gradients are clipped to ±0.5.
    penalties: Vec<Case>,
    /// Three tensors, whose gradients and first parameters are multiplied by [`SCALES`].
    tensors: Vec<TensorsCase>,
    /// Schedule-free AdamW with and without a warm-up.
    schedule_free: Vec<ScheduleFreeCase>,
    /// Averages of the parameters of SGD.
    averages: Vec<AverageCase>,
}

#[derive(Deserialize)]
struct TensorsCase {
    clip_tensor_norm: Option<f64>,
    #[serde(flatten)]
    case: Case,
}

#[derive(Deserialize)]
struct ScheduleFreeCase {
    optimizer: Optimizer,
    /// Number of steps.
    warmup: u64,
    parameters: Vec<Vec<f64>>,
    average: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct AverageCase {
    average: Average,
    parameters: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct Case {
    optimizer: Optimizer,
    parameters: Vec<Vec<f64>>,
}

fn file() -> File {
    let file: File = serde_json::from_str(include_str!("golden/optimizers.json")).expect("the file is sound");
    assert_eq!(file.torch, "2.15.0");
    file
}

fn spec(optimizer: Optimizer) -> TrainingSpec {
    TrainingSpec::new(Network::input(1).dense(1), Loss::mean_squared_error(), optimizer, 1)
}

fn update(optimizer: Optimizer) -> Op {
    let plan = lower(&spec(optimizer)).expect("the spec is sound");
    let is_update = |op: &&Op| op.kernel.name.starts_with("update_");
    plan.ops(Section::Update).iter().find(is_update).expect("an update").clone()
}

fn words(numbers: &[f64]) -> Vec<u32> {
    let padding = 64 - numbers.len();
    numbers.iter().copied().chain(vec![0.0; padding]).map(|x| (x as f32).to_bits()).collect()
}

/// Settings of the tensors, and the value to which their gradients are clipped.
type Grouping<'a> = (&'a [Group], f32);

/// Parameters after each of the given steps, of three tensors, each a block of the plan with these settings.
fn trained(file: &File, optimizer: Optimizer, (groups, most): Grouping<'_>) -> Vec<Vec<f64>> {
    let mut plan = Plan::new();
    let blocks = groups.len();
    let shape = Shape::vector(64 * blocks);
    let parameter = plan.tensor("parameter", Dtype::F32, shape, Contents::Persistent(0));
    let gradient = plan.tensor("gradient", Dtype::F32, shape, Contents::Host);
    let norm = plan.tensor("norm", Dtype::F32, Shape::vector(1), Contents::Persistent(0));
    let flag = plan.tensor("flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX));
    let mut op = update(optimizer);
    let names = optimizer.states().iter();
    let states: Vec<_> = names.map(|name| plan.tensor(*name, Dtype::F32, shape, Contents::Persistent(0))).collect();
    let table = groups.iter().flat_map(|group| bytemuck::cast::<_, [u32; Group::WORDS]>(*group)).collect();
    let groups = plan.constant("groups", Dtype::F32, table, Group::WORDS);
    let views = [vec![parameter, gradient, norm, flag], states, vec![groups]].concat();
    let declared = updates::ALL.iter().find(|update| update.kernel == op.kernel.name).expect("it is declared");
    op.kernel = grouped_kernel(declared);
    op.params = [&[op.params[0], most.to_bits()], &op.params[3..]].concat();
    plan.push(Section::Update, Op { views, items: blocks, ..op }).expect("the plan is sound");
    let mut cpu = Cpu::new(plan, 1).expect("there is memory");
    cpu.write(parameter, 0, &words(&file.first).repeat(blocks)).expect("it fits");
    let mut results = Vec::new();
    for (index, numbers) in file.gradients.iter().enumerate() {
        cpu.write(gradient, 0, &words(numbers).repeat(blocks)).expect("it fits");
        let step = spec(optimizer).record(&Schedule::Constant, 1, index as u64, 0, 1);
        cpu.submit(&[step], &[Run { section: Section::Update, batch_index: 0 }]).expect("the host works");
        if file.steps.contains(&(index + 1)) {
            let words = cpu.read(parameter, 0).and_then(|ticket| ticket.wait()).expect("the host works");
            let tensors = words.chunks(64).flat_map(|block| &block[..file.first.len()]);
            results.push(tensors.map(|word| f64::from(f32::from_bits(*word))).collect());
        }
    }
    results
}

/// Largest difference from the file, and the case in which it is.
fn deviation(file: &File, case: &Case, optimizer: Optimizer, grouping: Grouping<'_>) -> f64 {
    difference(&trained(file, optimizer, grouping), &case.parameters)
}

/// Like [`deviation`], for one tensor with the optimizer's own settings.
fn plain_deviation(file: &File, case: &Case, optimizer: Optimizer) -> f64 {
    difference(&followed(file, &spec(optimizer), "parameters", &[[1.0; 2]]), &case.parameters)
}

#[test]
fn every_update_follows_pytorch_for_fifty_steps() {
    let file = file();
    for case in &file.cases {
        let deviation = plain_deviation(&file, case, case.optimizer);
        println!("{:?}: {deviation:.1e}", case.optimizer);
        assert!(deviation <= TOLERANCE, "{:?}: {deviation}", case.optimizer);
    }
}

/// Table of the groups of three layers.
fn table(optimizer: Optimizer, groups: Vec<ParameterGroup>) -> Vec<Group> {
    let plan = lower(&TrainingSpec { groups, ..three_tensors(optimizer) }).expect("the spec is sound");
    let constant = plan.allocations().iter().find_map(|allocation| match &allocation.contents {
        Contents::Constant(words) => Some(bytemuck::pod_collect_to_vec::<u32, Group>(words)),
        Contents::Host | Contents::Persistent(_) | Contents::Computed => None,
    });
    constant.expect("there are groups")[..3].to_vec()
}

#[test]
fn groups_of_parameters_follow_pytorch() {
    let file = file();
    for case in &file.grouped {
        let groups = vec![
            ParameterGroup::of("0").learning_rate_factor(0.1),
            ParameterGroup::of("1").without_weight_decay(),
            ParameterGroup::of("2").frozen(),
        ];
        let table = table(case.optimizer, groups);
        let right = deviation(&file, case, case.optimizer, (&table, f32::MAX));
        println!("{:?}: {right:.1e}", case.optimizer);
        assert!(right <= TOLERANCE, "{:?}: {right}", case.optimizer);
        for wrong in [[0, 0, 2], [1, 1, 2], [0, 1, 1]].map(|places| places.map(|place| table[place])) {
            let wrong = deviation(&file, case, case.optimizer, (&wrong, f32::MAX));
            assert!(wrong > TOLERANCE, "{:?}: {wrong}", case.optimizer);
        }
    }
}

#[test]
fn penalties_and_clipping_by_value_follow_pytorch() {
    let file = file();
    for case in &file.penalties {
        let groups = |l1, l2| {
            let groups =
                [ParameterGroup::of("0").l1(l1), ParameterGroup::of("1").l2(l2), ParameterGroup::of("2").l1(l1).l2(l2)];
            table(case.optimizer, groups.to_vec())
        };
        let deviation = |l1, l2, most| deviation(&file, case, case.optimizer, (&groups(l1, l2), most));
        let right = deviation(0.05, 0.04, 0.5);
        println!("{:?}: {right:.1e}", case.optimizer);
        assert!(right <= TOLERANCE, "{:?}: {right}", case.optimizer);
        for wrong in [deviation(0.0505, 0.04, 0.5), deviation(0.05, 0.0404, 0.5), deviation(0.05, 0.04, 0.505)] {
            assert!(wrong > TOLERANCE, "{:?}: {wrong}", case.optimizer);
        }
    }
}

/// Values of a view after each of the given steps of a spec whose tensors have a block each. The gradients and the first
/// parameters of each tensor are multiplied by factors of its own.
fn followed(file: &File, spec: &TrainingSpec, view: &str, scales: &[[f64; 2]]) -> Vec<Vec<f64>> {
    followed_by(file, spec, &Schedule::Constant, view, scales)
}

/// Like [`followed`], with a schedule.
fn followed_by(
    file: &File,
    spec: &TrainingSpec,
    schedule: &Schedule,
    view: &str,
    scales: &[[f64; 2]],
) -> Vec<Vec<f64>> {
    let mut cpu = Cpu::new(lower(spec).expect("the spec is sound"), 1).expect("there is memory");
    let [parameters, gradients, shown] =
        ["parameters", "gradients", view].map(|name| cpu.plan().named(name).expect("it exists"));
    let scaled = |numbers: &[f64], which: usize| -> Vec<u32> {
        scales.iter().flat_map(|scale| words(&numbers.iter().map(|x| scale[which] * x).collect::<Vec<_>>())).collect()
    };
    // As in a trainer, average and z begin as the parameters.
    let copies = ["average", "adamw_schedule_free.z"].map(|name| cpu.plan().find(name));
    for view in copies.into_iter().flatten().chain([parameters]) {
        cpu.write(view, 0, &scaled(&file.first, 1)).expect("it fits");
    }
    let mut results = Vec::new();
    for (index, numbers) in file.gradients.iter().enumerate() {
        cpu.write(gradients, 0, &scaled(numbers, 0)).expect("it fits");
        let step = spec.record(schedule, 1, index as u64, 0, 1);
        cpu.submit(&[step], &[Run { section: Section::Update, batch_index: 0 }]).expect("the host works");
        if file.steps.contains(&(index + 1)) {
            let words = cpu.read(shown, 0).and_then(|ticket| ticket.wait()).expect("the host works");
            let tensors = words.chunks(64).take(scales.len()).flat_map(|block| &block[..file.first.len()]);
            results.push(tensors.map(|word| f64::from(f32::from_bits(*word))).collect());
        }
    }
    results
}

/// Largest difference of what was found from what is in the file.
fn difference(found: &[Vec<f64>], wanted: &[Vec<f64>]) -> f64 {
    let pairs = found.iter().flatten().zip(wanted.iter().flatten());
    pairs.map(|(found, wanted)| (found - wanted).abs()).fold(0.0, f64::max)
}

/// Averages after each of the shown steps of SGD.
fn averages(file: &File, average: Average) -> Vec<Vec<f64>> {
    followed(file, &TrainingSpec { average: Some(average), ..spec(Sgd::new(0.1).into()) }, "average", &[[1.0; 2]])
}

/// Three tensors, without biases.
fn three_tensors(optimizer: Optimizer) -> TrainingSpec {
    let text = "dense(1, bias=false) dense(1, bias=false) dense(1, bias=false)";
    TrainingSpec { network: Network::parse(1, text).expect("it is sound"), ..spec(optimizer) }
}

/// Factors of the gradients and of the first parameters of the three tensors.
const SCALES: [[f64; 2]; 3] = [[1.0, 1.0], [0.125, 0.5], [4.0, 0.0]];

#[test]
fn what_depends_on_norms_of_tensors_follows_pytorch() {
    let file = file();
    for TensorsCase { clip_tensor_norm, case } in &file.tensors {
        let deviation = |optimizer, clip_norm, clip_tensor_norm| {
            let spec = TrainingSpec { clip_norm, clip_tensor_norm, ..three_tensors(optimizer) };
            difference(&followed(&file, &spec, "parameters", &SCALES), &case.parameters)
        };
        let (optimizer, limit) = (case.optimizer, *clip_tensor_norm);
        let right = deviation(optimizer, None, limit);
        println!("{optimizer:?}: {right:.1e}");
        assert!(right <= TOLERANCE, "{optimizer:?}: {right}");
        let faster = optimizer.with_learning_rate(1.01 * optimizer.learning_rate());
        let wrong = [(faster, None, limit)].into_iter().chain(limit.into_iter().flat_map(|limit| {
            [(optimizer, None, None), (optimizer, Some(limit), None), (optimizer, None, Some(1.01 * limit))]
        }));
        for (optimizer, clip_norm, limit) in wrong {
            let wrong = deviation(optimizer, clip_norm, limit);
            assert!(wrong > TOLERANCE, "{optimizer:?}, {clip_norm:?}, {limit:?}: {wrong}");
        }
    }
}

/// Parameters and average, and that a weight of the average that is slightly off would be noticed.
#[test]
fn schedule_free_adamw_follows_its_authors() {
    let file = file();
    for case in &file.schedule_free {
        let warmup = |start: f64, steps: u64| Schedule::Constant.after_warmup(start, steps);
        let right =
            if case.warmup > 0 { warmup(1.0 / case.warmup as f64, case.warmup - 1) } else { Schedule::Constant };
        let deviation = |schedule: &Schedule, view: &str| {
            let wanted = if view == "average" { &case.average } else { &case.parameters };
            difference(&followed_by(&file, &spec(case.optimizer), schedule, view, &[[1.0; 2]]), wanted)
        };
        for view in ["parameters", "average"] {
            let found = deviation(&right, view);
            println!("{:?}, {view}: {found:.1e}", case.optimizer);
            assert!(found <= TOLERANCE, "{:?}, {view}: {found}", case.optimizer);
            let wrong = deviation(&warmup(0.5, 3), view);
            assert!(wrong > TOLERANCE, "{:?}, {view}: {wrong}", case.optimizer);
        }
    }
}

/// The model has the average, and the parameters that are trained are others; a resumed run has the same bits.
#[test]
fn a_schedule_free_optimizer_gives_the_model_its_average() {
    let build = || {
        let network = Network::parse(4, LAYERS).expect("it is sound");
        let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).batch(30).steps_per_submission(2);
        let builder = builder.optimizer(AdamWScheduleFree::new(0.05)).group(ParameterGroup::of("0").frozen());
        let mut trainer = builder.build(&Device::cpu()).expect("the settings are sound");
        trainer.load(&data::iris()).expect("it fits");
        trainer
    };
    let [mut whole, mut stopped, mut resumed] = [0; 3].map(|_| build());
    let first = whole.parameters().expect("finite");
    assert_eq!(whole.averaged_parameters().expect("finite"), first);
    (0..4).for_each(|_| drop(whole.advance().expect("it trains")));
    (0..2).for_each(|_| drop(stopped.advance().expect("it trains")));
    assert!(resumed.restore(&stopped.checkpoint().expect("finite")).expect("the settings are the same").is_exact());
    (0..2).for_each(|_| drop(resumed.advance().expect("it trains")));
    let (trained, model) = (whole.parameters().expect("finite"), whole.model().expect("finite"));
    assert_eq!(model.parameters, resumed.averaged_parameters().expect("finite"));
    assert_eq!(trained, resumed.parameters().expect("finite"));
    assert_ne!(model.parameters, trained);
    // A frozen tensor is not averaged with a z that was never set.
    assert_eq!(model.parameters[0], first[0]);
    let evaluated = [model.evaluate(&data::iris()), whole.evaluate(&data::iris())].map(|found| found.expect("finite"));
    approx::assert_relative_eq!(evaluated[0].loss, evaluated[1].loss, max_relative = 1e-6);
}

#[test]
fn a_schedule_free_optimizer_takes_no_schedule_and_no_average() {
    let network = Network::input(1).dense(1);
    let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(AdamWScheduleFree::default());
    let refused = |builder: Builder, part: &str| {
        let error = builder.build(&Device::cpu()).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(builder.clone().schedule(Schedule::cosine(9)), "adamw_schedule_free needs no schedule");
    refused(builder.clone().average(Average::ema(0.9)), "has an average of its own, but ema(decay=0.9) is set");
    assert!(builder.schedule(Schedule::linear_warmup(0.5, 9)).build(&Device::cpu()).is_ok());
}

#[test]
fn averages_follow_pytorch() {
    let file = file();
    for case in &file.averages {
        let deviation = |average: Average| difference(&averages(&file, average), &case.parameters);
        let right = deviation(case.average);
        println!("{:?}: {right:.1e}", case.average);
        assert!(right <= TOLERANCE, "{:?}: {right}", case.average);
        for other in file.averages.iter().filter(|other| other.average != case.average) {
            assert!(deviation(other.average) > TOLERANCE, "{:?} like {:?}", case.average, other.average);
        }
    }
}

#[test]
fn every_update_is_in_the_file() {
    let tested: Vec<&str> = file().cases.iter().map(|case| update(case.optimizer).kernel.name).collect();
    let is_tested = |update: &&Update| tested.iter().any(|name| [update.kernel, update.grouped_kernel].contains(name));
    let missing: Vec<_> = updates::ALL.iter().filter(|update| !is_tested(update)).map(|update| update.kernel).collect();
    assert!(missing.is_empty(), "tests/golden/optimizers.py has no case of {missing:?}");
}

/// A rate or decay that is one percent off would be noticed.
#[test]
fn small_errors_of_settings_are_noticed() {
    let file = file();
    for case in &file.cases {
        let rate = case.optimizer.learning_rate();
        let faster = plain_deviation(&file, case, case.optimizer.with_learning_rate(rate * 1.01));
        assert!(faster > TOLERANCE, "{:?}: {faster}", case.optimizer);
    }
}

/// Network with every kind of layer that has parameters.
const LAYERS: &str = "6 layer_norm tanh [5 rms_norm 4] 6 relu 3";

fn trainer(groups: &[ParameterGroup], primitive: bool) -> Trainer {
    let network = Network::parse(4, LAYERS).expect("it is sound");
    let mut builder = Trainer::builder(network)
        .loss(Loss::softmax_cross_entropy())
        .optimizer(AdamW::new(0.01))
        .batch(50)
        .steps_per_submission(1);
    builder = groups.iter().cloned().fold(builder, |builder, group| builder.group(group));
    if primitive { builder.primitive() } else { builder }.build(&Device::cpu()).expect("the settings are sound")
}

/// Each tensor of the network is frozen alone. The gradients of the others do not change, nor does the frozen tensor.
#[test]
fn a_frozen_tensor_keeps_its_bits_and_the_others_their_gradients() {
    let texts =
        ["0.weight", "0.bias", "1.weight", "1.bias", "4.weight", "5.weight", "6.bias", "7.weight", "8.weight", "0,1"];
    for (text, primitive) in texts.into_iter().flat_map(|text| [(text, false), (text, true)]) {
        let run = |groups: &[ParameterGroup]| -> Result<_> {
            let mut trainer = trainer(groups, primitive);
            let before = trainer.parameters()?;
            trainer.load(&data::iris())?;
            trainer.advance()?;
            Ok((before, trainer.gradients()?, trainer.parameters()?))
        };
        let (before, all, free) = run(&[]).expect("it trains");
        let (_, gradients, after) = run(&[ParameterGroup::of(text).frozen()]).expect("it trains");
        let frozen = |name: &str| {
            let name = name.trim_start_matches("grad.layer").trim_start_matches("layer");
            text.split(',').any(|item| name == item || name.starts_with(&format!("{item}.")))
        };
        for ((tensor, start), free) in after.iter().zip(&before).zip(&free) {
            let (same, is_frozen) = (tensor == start, frozen(&tensor.name));
            assert!(if is_frozen { same } else { !primitive || tensor == free }, "{text}: {}", tensor.name);
        }
        for (gradient, whole) in gradients.iter().zip(&all) {
            // A fused op adds up the gradients of weight and bias. Alone, they are added up in another order: 50 rows with
            // weights of 1/50 each, and terms below 1.
            let tolerance = if primitive { 0.0 } else { 50.0 * 2f32.powi(-24) };
            let wanted = whole.values.iter().map(|value| if frozen(&gradient.name) { 0.0 } else { *value });
            let close = gradient.values.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() <= tolerance);
            assert!(close, "{text}: {}", gradient.name);
        }
        assert_ne!(free, after);
    }
}

/// The norm of the whole change is the norm to which gradients are clipped, if frozen ones do not count.
#[test]
fn frozen_parameters_are_not_in_the_norm() {
    let network = Network::parse(4, "6 tanh 3").expect("it is sound");
    let builder =
        Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Sgd::new(1.0)).clip_norm(1e-3);
    let builder = builder.batch(150).group(ParameterGroup::of("2.weight").frozen());
    let mut trainer = builder.build(&Device::cpu()).expect("the settings are sound");
    let before = trainer.parameters().expect("the host works");
    trainer.fit(&data::iris(), Fit::epochs(1)).expect("it trains");
    let after = trainer.parameters().expect("the host works");
    let values = |tensors: &[Tensor]| tensors.iter().flat_map(|tensor| tensor.values.clone()).collect::<Vec<f32>>();
    let squares = values(&before).into_iter().zip(values(&after)).map(|(a, b)| f64::from(a - b).powi(2));
    // Each of the 33 differences of numbers below 1 has a rounding error of at most 6e-8.
    approx::assert_abs_diff_eq!(squares.sum::<f64>().sqrt(), 1e-3, epsilon = 4e-7);
}

/// A network whose first layers are frozen needs no gradients below the first that is trained.
#[test]
fn frozen_layers_at_the_bottom_cost_no_backward_pass() {
    let network = Network::parse(4, "6 tanh 5 tanh 3").expect("it is sound");
    let groups = vec![ParameterGroup::of("0,2").frozen()];
    let spec = TrainingSpec { network, groups, ..spec(Adam::default().into()) };
    let plan = wgrad::fuse::fuse(&lower(&spec).expect("it is sound")).expect("it is sound");
    let kernels: Vec<_> = plan.ops(Section::Gradients).iter().map(|op| op.kernel.name).collect();
    let forward = ["dense_forward"; 3];
    assert_eq!(kernels, [&forward[..], &["element_loss", "dense_grad_weight"]].concat());
}

#[test]
fn a_resumed_run_has_the_same_groups_and_bits() {
    let groups =
        || [ParameterGroup::of("0").learning_rate_factor(0.5), ParameterGroup::of("vectors").without_weight_decay()];
    let build = |groups: &[ParameterGroup]| {
        let mut trainer = trainer(groups, false);
        trainer.load(&data::iris()).expect("it fits");
        trainer
    };
    let [mut whole, mut stopped, mut resumed] = [0; 3].map(|_| build(&groups()));
    stopped.advance().expect("it trains");
    let checkpoint = stopped.checkpoint().expect("it is finite");
    assert!(resumed.restore(&checkpoint).expect("the settings are the same").is_exact());
    resumed.advance().expect("it trains");
    (0..2).for_each(|_| drop(whole.advance().expect("it trains")));
    assert_eq!(whole.parameters().expect("finite"), resumed.parameters().expect("finite"));
    let mut other = groups();
    other[0].learning_rate_factor = Some(0.25);
    let cases = [(other.to_vec(), "groups[0].learning_rate_factor = 0.5, but now it is 0.25"), (vec![], "groups = [")];
    for (groups, part) in cases {
        let error = build(&groups).restore(&checkpoint).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
    let error = build(&groups()).restore(&build(&[]).checkpoint().expect("finite")).expect_err("there were none");
    assert!(error.to_string().contains("groups = null, but now it is ["), "{error}");
}

/// Evaluations, predictions, the best epoch, the model and checkpoints have the average.
#[test]
fn the_average_is_what_predicts_and_is_stored() {
    let iris = data::iris();
    let build = |average: Option<Average>| {
        let network = Network::parse(4, LAYERS).expect("it is sound");
        let mut builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(0.02));
        builder = average.into_iter().fold(builder, Builder::average).batch(30);
        let mut trainer = builder.steps_per_submission(2).build(&Device::cpu()).expect("the settings are sound");
        trainer.load(&iris).expect("it fits");
        trainer
    };
    let ema = Some(Average::ema(0.75));
    let (mut plain, mut whole, mut stopped, mut resumed) = (build(None), build(ema), build(ema), build(ema));
    assert_eq!(whole.averaged_parameters().expect("finite"), whole.parameters().expect("finite"));
    (0..4).for_each(|_| drop([&mut plain, &mut whole].map(|trainer| trainer.advance().expect("it trains"))));
    // The parameters do not depend on the average.
    assert_eq!(plain.parameters().expect("finite"), whole.parameters().expect("finite"));
    let model = whole.model().expect("finite");
    assert_eq!(model.parameters, whole.averaged_parameters().expect("finite"));
    assert_ne!(model.parameters, whole.parameters().expect("finite"));
    let rows = [5.1, 3.5, 1.4, 0.2, 6.0, 3.0, 5.0, 1.8];
    assert_eq!(model.predict(&rows).expect("finite"), whole.predict(&rows).expect("finite"));
    let [of_model, of_trainer] =
        [model.evaluate(&iris), whole.evaluate(&iris)].map(|found| found.expect("finite").loss);
    approx::assert_relative_eq!(of_model, of_trainer, max_relative = 1e-6);
    (0..2).for_each(|_| drop(stopped.advance().expect("it trains")));
    let checkpoint = stopped.checkpoint().expect("finite");
    assert!(resumed.restore(&checkpoint).expect("the settings are the same").is_exact());
    (0..2).for_each(|_| drop(resumed.advance().expect("it trains")));
    assert_eq!(resumed.averaged_parameters().expect("finite"), model.parameters);
    let error = build(Some(Average::ema(0.5))).restore(&checkpoint).expect_err("another decay").to_string();
    assert!(error.contains("average.decay = 0.75, but now it is 0.5"), "{error}");
}

/// The best epoch is chosen by the average, and both parameters and average are set to it.
#[test]
fn the_best_epoch_is_that_of_the_average() {
    let (train, validation, _) =
        data::two_moons(200, 0.2, 1).and_then(|moons| moons.split(Split::parts(0.7, 0.3))).expect("rows");
    let builder =
        Trainer::builder(Network::parse(2, "8 tanh 2").expect("it is sound")).loss(Loss::softmax_cross_entropy());
    let builder = builder.optimizer(Adam::new(0.05)).average(Average::swa(3, 2));
    let mut trainer = builder.build(&Device::cpu()).expect("the settings are sound");
    let mut averages = Vec::new();
    let fit = Fit::epochs(8).validate(&validation).restore_best().on_epoch(|_, trainer| {
        averages.push(trainer.averaged_parameters().expect("finite"));
        std::ops::ControlFlow::Continue(())
    });
    let history = trainer.fit(&train, fit).expect("it trains");
    let best = history.best.expect("one is the best") - 1;
    assert_eq!(trainer.averaged_parameters().expect("finite"), averages[best]);
    assert_eq!(trainer.parameters().expect("finite"), averages[best]);
    let losses: Vec<f64> = history.epochs.iter().map(|epoch| epoch.validation.as_ref().expect("a set").loss).collect();
    assert_eq!(losses.iter().copied().reduce(f64::min), Some(losses[best]));
}

/// After each step no row of the limited matrix is longer; without the limit some are.
#[test]
fn rows_are_at_most_as_long_as_their_limit() {
    let norms = |groups: &[ParameterGroup]| {
        let mut trainer = trainer(groups, false);
        trainer.fit(&data::iris(), Fit::epochs(3)).expect("it trains");
        let parameters = trainer.parameters().expect("finite");
        let weight = parameters.iter().find(|tensor| tensor.name == "layer0.weight").expect("it exists");
        let norm = |row: &[f32]| row.iter().map(|w| f64::from(*w).powi(2)).sum::<f64>().sqrt();
        weight.values.chunks(4).map(norm).fold(0.0, f64::max)
    };
    assert!(norms(&[]) > 0.75);
    // Each of the four products has a relative error of at most 2⁻²³.
    assert!(norms(&[ParameterGroup::of("0").max_norm(0.75)]) <= 0.75 * (1.0 + 2.4e-7));
}

#[test]
fn gradients_are_clipped_in_one_way_only() {
    let builder = Trainer::builder(Network::input(1).dense(1)).loss(Loss::mean_squared_error());
    let error = builder.clone().clip_norm(1.0).clip_value(0.5).build(&Device::cpu()).expect_err("there are two");
    assert!(error.to_string().contains("by `clip_norm`, 1, and by `clip_value`, 0.5"), "{error}");
    let error = builder.clone().clip_norm(1.0).clip_tensor_norm(0.5).build(&Device::cpu()).expect_err("there are two");
    assert!(error.to_string().contains("leave out `clip_norm` or `clip_tensor_norm`"), "{error}");
    let error = builder.clone().clip_tensor_norm(f64::NAN).build(&Device::cpu()).expect_err("no norm is below it");
    assert!(error.to_string().contains("clip_tensor_norm is NaN"), "{error}");
    let error = builder.clip_value(0.0).build(&Device::cpu()).expect_err("nothing is left").to_string();
    assert!(error.contains("clip_value is 0"), "{error}");
}
