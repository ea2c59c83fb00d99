//! Fused plans against primitive ones: the ops that are fused, their number, and equal results.

mod common {
    pub mod driver;
    pub mod oracle;
    pub mod problem;
}

use common::driver::{Device, Driver, PlanKind, SEED, compare, plan};
use common::oracle::{Oracle, SINGLE, Tensors, exact};
use common::problem::{Batch, Numbers, Parameters, batch, parameters};
use wgrad::lower::TrainingSpec;
use wgrad::plan::{Plan, Section};
use wgrad::{Adam, AdamW, Loss, Network, Optimizer, RmsProp, Sgd};

/// Layers after 5 input columns, and the ops of the fused `gradients` section.
const PATTERNS: [(&str, &[&str]); 22] = [
    // All layers have a bias: 3·L ops, and the optimizer's.
    ("3", &["dense_forward", "loss", "dense_grad_weight"]),
    (
        "7 relu 3",
        &["dense_forward", "dense_forward", "loss", "dense_grad_weight", "dense_grad_input", "dense_grad_weight"],
    ),
    // Activation and dropout are fused into their layers, and into the gradients.
    (
        "7 sigmoid dropout(0.2) 3",
        &["dense_forward", "dense_forward", "loss", "dense_grad_weight", "dense_grad_input", "dense_grad_weight"],
    ),
    (
        "7 dropout(0.2) 3",
        &["dense_forward", "dense_forward", "loss", "dense_grad_weight", "dense_grad_input", "dense_grad_weight"],
    ),
    // Without a bias there is no bias gradient to fuse, so all gradients are checked at the end.
    (
        "dense(7, bias=false) tanh 3",
        &[
            "dense_forward",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "dense_grad_input",
            "matmul_tn",
            "check_finite",
        ],
    ),
    ("dense(3, bias=false)", &["matmul_nt", "loss", "matmul_tn", "check_finite"]),
    // Of two successive activations, the first is fused into its layer, the second's gradient into the next layer's.
    (
        "7 tanh leaky_relu(0.1) 3",
        &[
            "dense_forward",
            "activation",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "dense_grad_input",
            "activation_grad",
            "dense_grad_weight",
        ],
    ),
    // Dropout before the activation.
    (
        "7 dropout(0.2) tanh 3",
        &[
            "dense_forward",
            "activation",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "dense_grad_input",
            "dropout",
            "dense_grad_weight",
        ],
    ),
    // Activation or dropout last: there is no later layer whose gradient it could be fused into.
    ("3 tanh", &["dense_forward", "loss", "activation_grad", "dense_grad_weight"]),
    ("3 relu dropout(0.2)", &["dense_forward", "dropout", "loss", "dropout", "activation_grad", "dense_grad_weight"]),
    // Dropout or activation first: there are no gradients before the first dense layer.
    (
        "dropout(0.2) sigmoid 7 relu 3",
        &[
            "dropout",
            "activation",
            "dense_forward",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "dense_grad_input",
            "dense_grad_weight",
        ],
    ),
    // Residual blocks: two gradients meet at the input of a block, so the gradient of its first layer is not fused into the
    // layer before it.
    (
        "2 [2 relu 2] 3",
        &[
            "dense_forward",
            "dense_forward",
            "dense_forward",
            "add",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "matmul_nn",
            "dense_grad_weight",
            "dense_grad_input",
            "dense_grad_weight",
            "matmul_nn",
            "add",
            "dense_grad_weight",
        ],
    ),
    (
        "3 relu [2 relu 3] relu 3",
        &[
            "dense_forward",
            "dense_forward",
            "dense_forward",
            "add",
            "activation",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "dense_grad_input",
            "dense_grad_weight",
            "dense_grad_input",
            "dense_grad_weight",
            "matmul_nn",
            "add",
            "activation_grad",
            "dense_grad_weight",
        ],
    ),
    // The block's input is read twice: by the activation and by the sum. It is fused only if it is kept anyway.
    (
        "2 [relu 2] 3",
        &[
            "dense_forward",
            "activation",
            "dense_forward",
            "add",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "matmul_nn",
            "dense_grad_weight",
            "dense_grad_input",
            "add",
            "dense_grad_weight",
        ],
    ),
    (
        "2 [gelu 2] 3",
        &[
            "dense_forward_kept",
            "dense_forward",
            "add",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "matmul_nn",
            "dense_grad_weight",
            "dense_grad_input",
            "add",
            "dense_grad_weight",
        ],
    ),
    // The gradient of the block's output is read twice: by the dropout and by the sum.
    (
        "2 [relu dropout(0.3) ] 3",
        &[
            "dense_forward",
            "activation",
            "dropout",
            "add",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "matmul_nn",
            "dropout",
            "activation_grad",
            "add",
            "dense_grad_weight",
        ],
    ),
    // A block at the start: its input needs no gradient. The next layer reads the sum, not the tanh, so the tanh's gradient
    // is not fused into that of the next layer.
    (
        "[5 tanh] 3",
        &[
            "dense_forward",
            "add",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "matmul_nn",
            "activation_grad",
            "dense_grad_weight",
        ],
    ),
    // Normalizations: one op forward, two backward, one if the input needs no gradient.
    (
        "layer_norm 7 rms_norm relu 3",
        &[
            "row_norm",
            "dense_forward",
            "row_norm",
            "activation",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "dense_grad_input",
            "row_norm_grad_weight",
            "row_norm_grad",
            "dense_grad_weight",
            "matmul_nn",
            "row_norm_grad_weight",
        ],
    ),
    // Batch normalization: one op forward, one backward.
    (
        "7 batch_norm relu 3",
        &[
            "dense_forward",
            "batch_norm",
            "activation",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "dense_grad_input",
            "batch_norm_grad",
            "dense_grad_weight",
        ],
    ),
    (
        "5 [layer_norm 5] 3",
        &[
            "dense_forward",
            "row_norm",
            "dense_forward",
            "add",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "matmul_nn",
            "dense_grad_weight",
            "matmul_nn",
            "row_norm_grad_weight",
            "row_norm_grad",
            "add",
            "dense_grad_weight",
        ],
    ),
    // Blocks with a projection.
    (
        "[relu dropout(0.5) 3]",
        &[
            "activation",
            "dropout",
            "dense_forward",
            "matmul_nt",
            "add",
            "loss",
            "matmul_tn",
            "dense_grad_weight",
            "check_finite",
        ],
    ),
    (
        "2 [1 relu dropout(0.3) ] 3",
        &[
            "dense_forward",
            "dense_forward",
            "dropout",
            "matmul_nt",
            "add",
            "dense_forward",
            "loss",
            "dense_grad_weight",
            "matmul_nn",
            "matmul_tn",
            "matmul_nn",
            "dropout",
            "activation_grad",
            "dense_grad_weight",
            "matmul_nn",
            "add",
            "dense_grad_weight",
            "check_finite",
        ],
    ),
];

fn describe(layers: &str, loss: Loss, optimizer: impl Into<Optimizer>) -> TrainingSpec {
    TrainingSpec::new(Network::parse(5, layers).expect("the text is sound"), loss, optimizer, 6)
}

fn kernels(plan: &Plan, section: Section, loss: Loss) -> Vec<&'static str> {
    let name = |name: &'static str| if [loss.name(), "element_loss"].contains(&name) { "loss" } else { name };
    plan.ops(section).iter().map(|op| name(op.kernel.name)).collect()
}

#[test]
fn each_pattern_becomes_its_ops() {
    for (layers, wanted) in PATTERNS {
        for loss in [Loss::mean_squared_error(), Loss::softmax_cross_entropy()] {
            let plan = plan(&describe(layers, loss, Sgd::default()), PlanKind::Fused);
            assert_eq!(kernels(&plan, Section::Gradients, loss), wanted, "{layers}");
            // One op for the running statistics of all layers.
            let running = layers.contains("batch_norm").then_some("running_update");
            let update: Vec<_> = ["update_sgd"].into_iter().chain(running).collect();
            assert_eq!(kernels(&plan, Section::Update, loss), update, "{layers}");
        }
    }
}

/// 3L + 1 ops per step in 2L + 2 serial levels; two more of each with clipping.
#[test]
fn a_step_has_the_documented_number_of_ops() {
    for layers in 1..=6 {
        for ending in ["", " relu", " sigmoid dropout(0.1)"] {
            let hidden = format!("7{ending} ").repeat(layers - 1);
            let mut spec = describe(&format!("{hidden}3"), Loss::softmax_cross_entropy(), Adam::new(1e-3));
            for (clip_norm, more) in [(None, 0), (Some(1.0), 2)] {
                spec.clip_norm = clip_norm;
                let plan = plan(&spec, PlanKind::Fused);
                let sections = [Section::Gradients, Section::Update];
                let ops: usize = sections.iter().map(|section| plan.ops(*section).len()).sum();
                let levels: usize = sections.iter().filter_map(|s| plan.levels(*s).into_iter().max()).sum();
                assert_eq!(ops, 3 * layers + 1 + more, "{hidden}");
                assert_eq!(levels, 2 * layers + 2 + more, "{hidden}");
                assert_eq!(plan.ops(Section::Report).len(), 1);
            }
        }
    }
}

const STEPS: u32 = 5;

fn batches(spec: &TrainingSpec, seed: u64) -> Vec<Batch> {
    let rows = |step| if step == 2 { 4 } else { 6 };
    let TrainingSpec { network, loss, .. } = spec;
    (0..STEPS).map(|step| batch(network, *loss, rows(step), seed, step, Numbers::Real)).collect()
}

/// Trains with one submission per batch.
fn trained(spec: &TrainingSpec, kind: PlanKind, device: Device, parameters: &Parameters, seed: u64) -> Driver {
    let mut driver = Driver::new(spec, kind, device);
    driver.set(parameters);
    batches(spec, seed).iter().for_each(|batch| {
        driver.train(std::slice::from_ref(batch));
    });
    driver
}

/// The reference implementations of fused kernels compute in the same order as the primitive ones. One case differs: the
/// derivative of a sigmoid or tanh under dropout is computed from an output that is divided by the dropout factor again.
#[test]
fn five_steps_are_bit_equal_on_the_reference() {
    let optimizers: [Optimizer; 5] = [
        Sgd::new(0.1).into(),
        Sgd::new(0.1).momentum(0.9).nesterov().into(),
        RmsProp::new(0.01).into(),
        Adam::new(0.01).weight_decay(0.1).into(),
        AdamW::new(0.01).into(),
    ];
    let mut compared = 0;
    for (layers, _) in PATTERNS.iter().filter(|(layers, _)| *layers != "7 sigmoid dropout(0.2) 3") {
        for optimizer in optimizers {
            let mut spec = describe(layers, Loss::softmax_cross_entropy(), optimizer);
            spec.clip_norm = Some(0.5);
            let parameters = parameters(&spec.network, 1, Numbers::Real);
            let after = |kind| trained(&spec, kind, Device::Reference, &parameters, 1).persistent();
            let (primitive, fused) = (after(PlanKind::Primitive), after(PlanKind::Fused));
            for (name, words) in &primitive {
                let (_, other) = fused.iter().find(|(other, _)| other == name).expect("nothing that persists is lost");
                assert_eq!(words, other, "{layers}: {name}");
                compared += words.len();
            }
            let (_, after) = primitive.iter().find(|(name, _)| name == "parameters").expect("every plan has them");
            let before: Vec<u32> = parameters.iter().flat_map(|(_, p)| bytemuck::cast_slice(p).to_vec()).collect();
            assert_ne!(after[..before.len().min(8)], before[..before.len().min(8)], "{layers}: nothing was learned");
        }
    }
    assert!(compared > 10_000, "only {compared}");
}

/// Five steps of gradient descent by the oracle, which propagates the errors of the parameters.
fn five_steps(spec: &TrainingSpec, start: &Parameters, seed: u64) -> Option<Tensors> {
    let TrainingSpec { network, loss, .. } = spec;
    let oracle = Oracle { network, loss: *loss, unit: SINGLE, seed: SEED };
    let mut parameters = exact(start);
    for (step, batch) in (0..).zip(batches(spec, seed)) {
        let outcome = oracle.run(&parameters, &batch, step);
        if outcome.kinks.margin <= 0.0 {
            return None;
        }
        oracle.descend(&mut parameters, &outcome.gradients, spec.optimizer.learning_rate());
        parameters.extend(outcome.running);
    }
    Some(parameters)
}

#[test]
fn five_steps_of_every_plan_confirm_the_oracle() {
    let (mut compared, mut wanted) = (0, 0);
    for (layers, _) in PATTERNS {
        let mut loosest = 0.0f64;
        let spec = describe(layers, Loss::softmax_cross_entropy(), Sgd::new(0.02));
        let draw = |seed| {
            let start = parameters(&spec.network, seed, Numbers::Real);
            five_steps(&spec, &start, seed).map(|after| (start, seed, after))
        };
        let (start, seed, after) = (0..100).find_map(draw).expect("a draw away from every kink");
        for (kind, device) in [
            (PlanKind::Primitive, Device::Reference),
            (PlanKind::Primitive, Device::Cpu { threads: 2 }),
            (PlanKind::Fused, Device::Reference),
            (PlanKind::Fused, Device::Cpu { threads: 2 }),
        ] {
            let mut driver = trained(&spec, kind, device, &start, seed);
            for (name, tensor) in &after {
                compared += compare(name, &driver.read(name), tensor)
                    .unwrap_or_else(|problem| panic!("{kind:?} on {device:?}: {layers}: {problem}"));
                loosest = tensor.iter().map(|p| p.error).fold(loosest, f64::max);
            }
            wanted += spec.network.tensors().map(|(_, tensor)| tensor.elements()).sum::<usize>();
        }
        assert!(loosest < 1e-5, "{layers}: errors of {loosest} are too loose");
    }
    assert_eq!(compared, wanted);
}

/// Evaluation has no dropout, in either plan.
#[test]
fn evaluation_is_the_same_in_both_plans() {
    for (layers, _) in PATTERNS {
        let spec = describe(layers, Loss::mean_squared_error(), Sgd::new(0.1));
        let parameters = parameters(&spec.network, 1, Numbers::Real);
        let rows = batch(&spec.network, spec.loss, 5, 1, 0, Numbers::Real);
        let evaluated = |kind| {
            let mut driver = Driver::new(&spec, kind, Device::Reference);
            driver.set(&parameters);
            driver.write("evaluate.input", 0, bytemuck::cast_slice(&rows.input));
            let step = driver.feed(std::slice::from_ref(&rows));
            let run = wgrad::exec::Run { section: Section::Evaluate, batch_index: 0 };
            driver.executor.submit(&step, &[run]).expect("the host answers");
            driver.words("evaluate.output")[..5 * spec.network.outputs()].to_vec()
        };
        let primitive = evaluated(PlanKind::Primitive);
        assert_eq!(primitive, evaluated(PlanKind::Fused), "{layers}");
        let oracle = Oracle { network: &spec.network, loss: spec.loss, unit: SINGLE, seed: SEED };
        let output = oracle.evaluate(&exact(&parameters), &rows);
        compare("evaluate.output", bytemuck::cast_slice(&primitive), &output)
            .unwrap_or_else(|problem| panic!("{layers}: {problem}"));
    }
}
