//! Networks that together run every kernel.

use crate::error::Result;
use crate::loss::Loss;
use crate::lower::{InputStorage, Reduction, TrainingSpec};
use crate::mix::Mix;
use crate::network::{Activation, Network};
use crate::optim::{Adam, AdamW, Average, Optimizer, ParameterGroup, RmsProp, Sgd};
use crate::plan::{Op, Plan, Section};
use crate::specialize::{DeviceLimits, Limits, candidates};
use crate::verify::case::{Case, PlanKind};

/// Input columns, layers and batch size.
type Sizes = (usize, &'static str, usize);

/// Sizes that no tile divides, a network of size 1, sizes that many tiles divide, and at the end a network with a fused
/// step.
const SIZES: [Sizes; 8] = [
    (1, "1", 1),
    (3, "17 relu dropout(0.5) 1 tanh 3", 7),
    (64, "65 leaky_relu(0.1) dense(17, bias=false) sigmoid dropout(0.1) 3", 33),
    (100, "dropout(0.2) 64 dropout(0.3) tanh 100 step relu 17", 64),
    (65, "dense(100, bias=false) tanh dropout(0.4) dense(1, bias=false)", 67),
    (17, "3 identity dropout(0.9) 131 sigmoid sigmoid", 31),
    (128, "192 relu dropout(0.5) 64 tanh 12", 128),
    (19, "33 tanh 17 leaky_relu(0.2) 11 sigmoid 3", 45),
];

/// Losses of the networks in [`SIZES`]. Each other loss has a small network of its own.
const LOSSES: [Loss; 4] =
    [Loss::mean_squared_error(), Loss::softmax_cross_entropy(), Loss::perceptron(), Loss::binary_cross_entropy()];

fn optimizers() -> [Optimizer; 8] {
    [
        Sgd::new(0.1).into(),
        RmsProp::new(0.01).weight_decay(0.01).into(),
        Sgd::new(0.1).momentum(0.9).weight_decay(0.01).into(),
        Adam::new(0.01).into(),
        Sgd::new(0.1).momentum(0.9).nesterov().into(),
        Adam::new(0.01).weight_decay(0.1).beta1(0.8).epsilon(1e-3).into(),
        AdamW::new(0.01).weight_decay(0.1).into(),
        Adam::new(0.01).into(),
    ]
}

/// Networks on which each tile that a device supports is verified. They are larger than any tile. The row lengths of
/// the first are multiples of four, those of the second are not.
const TILED: [Sizes; 2] = [(36, "132 relu dropout(0.5) 20", 132), (37, "131 relu 19", 129)];

/// Returns one case for each network of [`TILED`] and each index of a tile candidate. Index 0 is left out, since all
/// other cases use it. Returns no cases if the device is not a GPU.
pub(super) fn tiles(target: &DeviceLimits, plan_kinds: &[PlanKind]) -> Result<Vec<Case>> {
    let DeviceLimits::Gpu(limits) = target else { return Ok(Vec::new()) };
    let mut cases = Vec::new();
    for (inputs, layers, batch) in TILED {
        let network = Network::parse(inputs, layers)?;
        let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Sgd::new(0.1), batch);
        let case = Case::new(TrainingSpec { evaluate_rows: batch + 3, ..spec })?;
        let plans = plan_kinds.iter().map(|kind| case.plan(*kind)).collect::<Result<Vec<_>>>()?;
        let ranks = plans.iter().map(|plan| most_candidates(plan, limits)).max().unwrap_or(0);
        cases.extend((1..ranks).map(|rank| Case { tiles: Some((rank, *limits)), ..case.clone() }));
    }
    Ok(cases)
}

/// Returns the largest number of tile candidates of an op of the plan.
fn most_candidates(plan: &Plan, limits: &Limits) -> usize {
    let ops = Section::ALL.into_iter().flat_map(|section| plan.ops(section));
    let shapes = |op: &Op| op.views.iter().map(|view| plan.shape(*view)).collect::<Vec<_>>();
    ops.map(|op| candidates(op, &shapes(op), limits).len()).max().unwrap_or(0)
}

const INPUT_STORAGE: [InputStorage; 3] = [InputStorage::Numbers, InputStorage::Bytes, InputStorage::BytesByColumn];

/// Micro-batches per step.
const ACCUMULATE: [usize; 3] = [1, 3, 2];

/// Returns one case per network. Together they have each optimizer, each loss function and each storage of the inputs,
/// with and without gradient clipping and gradient accumulation.
pub(super) fn cases() -> Result<Vec<Case>> {
    let case = |(number, ((inputs, layers, batch), optimizer)): (usize, (Sizes, Optimizer))| {
        let network = Network::parse(inputs, layers)?;
        let mut losses = LOSSES.into_iter().cycle().skip(number);
        let loss = losses.find(|loss| loss.check(&network).is_ok()).unwrap_or(Loss::mean_squared_error());
        let clip_norm = (number % 2 == 0).then_some(0.05);
        let spec = TrainingSpec::new(network, loss, optimizer, batch);
        let (data_inputs, accumulate) =
            (INPUT_STORAGE[number % INPUT_STORAGE.len()], ACCUMULATE[number % ACCUMULATE.len()]);
        let case = Case::new(TrainingSpec { clip_norm, data_inputs, accumulate, evaluate_rows: batch + 3, ..spec })?;
        Ok(Case { fused_step: number + 1 == SIZES.len(), ..case })
    };
    let more = more_optimizers().map(small);
    SIZES
        .into_iter()
        .zip(optimizers())
        .enumerate()
        .map(case)
        .chain([activations()])
        .chain(BLOCKS.map(blocks))
        .chain(losses())
        .chain([Mix::mixup(0.4), Mix::cutmix(1.0)].map(mixed))
        .chain(more)
        .chain(Optimizer::one_per_update().into_iter().enumerate().map(grouped))
        .collect()
}

/// Returns an optimizer for each update that [`optimizers`] does not have.
fn more_optimizers() -> impl Iterator<Item = Optimizer> {
    let name = |optimizer: &Optimizer| optimizer.rule().update.name;
    let seen = optimizers().map(|optimizer| name(&optimizer));
    Optimizer::one_per_update().into_iter().filter(move |optimizer| !seen.contains(&name(optimizer)))
}

/// Returns the case of a small network with this optimizer.
fn small(optimizer: Optimizer) -> Result<Case> {
    let spec = TrainingSpec::new(Network::parse(5, "33 tanh 2")?, LOSSES[0], optimizer.with_weight_decay(0.05), 9);
    Case::new(TrainingSpec { clip_norm: Some(0.05), ..spec })
}

/// Returns the case of a small network with this optimizer, whose parameters have settings of their own and are
/// averaged. In every second case, gradients are clipped per tensor.
fn grouped((number, optimizer): (usize, Optimizer)) -> Result<Case> {
    let case = small(optimizer)?;
    let [clip_norm, clip_tensor_norm] = if number % 2 == 0 { [Some(0.05), None] } else { [None, Some(0.05)] };
    let groups = vec![
        ParameterGroup::of("0.weight").learning_rate_factor(0.5),
        ParameterGroup::of("0.bias").without_weight_decay(),
        ParameterGroup::of("matrices").l1(0.01).l2(0.02).max_norm(0.5),
        ParameterGroup::of("2.bias").frozen(),
    ];
    let average = (!optimizer.is_schedule_free()).then(|| Average::ema(0.75));
    Ok(Case { spec: TrainingSpec { groups, average, clip_norm, clip_tensor_norm, ..case.spec }, ..case })
}

/// Returns the case of a network whose rows are mixed, and have weights.
fn mixed(mix: Mix) -> Result<Case> {
    let (network, reduction) = (Network::parse(70, "9 tanh 3")?, Reduction::WeightedMean);
    let spec = TrainingSpec::new(network, Loss::softmax_cross_entropy(), Sgd::new(0.1), 13);
    Case::new(TrainingSpec { mix: Some(mix), reduction, ..spec })
}

/// Networks whose rows have weights. They have gated layers and PReLU, normalizations of narrow and of wide rows,
/// residual blocks in a row, nested, and with projections, and noise.
const BLOCKS: [Sizes; 6] = [
    (12, "glu 66 prelu swiglu scaling [prelu(per_unit=true) 33] 14 geglu 3", 35),
    (11, "batch_norm 70 batch_norm relu [70 batch_norm] 3", 33),
    (14, "layer_norm 66 rms_norm relu [layer_norm 66] rms_norm 5", 37),
    (21, "33 relu [33 relu dropout(0.2) 33] [[tanh 33] gelu 33] 5", 35),
    (9, "[66 gelu 13] relu [4 tanh] 6", 19),
    (10, "gaussian_noise(0.1) 66 selu alpha_dropout(0.2) [13 gaussian_noise(0.3) selu 66 alpha_dropout(0.1)] 3", 21),
];

fn blocks((inputs, layers, batch): Sizes) -> Result<Case> {
    let spec = TrainingSpec::new(Network::parse(inputs, layers)?, LOSSES[1], Adam::new(0.01), batch);
    Case::new(TrainingSpec {
        clip_norm: Some(0.05),
        reduction: Reduction::WeightedMean,
        evaluate_rows: batch + 3,
        ..spec
    })
}

/// Returns one case for each loss that is not among [`LOSSES`]. Every second case has a fused step, if its loss is
/// computed per element.
fn losses() -> impl Iterator<Item = Result<Case>> {
    let others = Loss::all().filter(|loss| !LOSSES.contains(loss)).enumerate();
    others.map(|(number, loss)| {
        let network = Network::parse(5, &format!("7 tanh {}", 3 * loss.outputs_per_target()))?;
        let spec = TrainingSpec::new(network, loss, Sgd::new(0.1), 9);
        let fused_step = number % 2 == 1 && loss.function().element().is_some();
        Ok(Case { fused_step, ..Case::new(TrainingSpec { evaluate_rows: 11, ..spec })? })
    })
}

/// Returns the case of a network with all activation functions, every third with dropout.
fn activations() -> Result<Case> {
    let layer = |(number, activation): (usize, Activation)| {
        let dropout = if number % 3 == 0 { " dropout(0.2)" } else { "" };
        format!("{} {activation}{dropout} ", 5 + number % 4)
    };
    let layers: String = Activation::all().enumerate().map(layer).collect();
    let network = Network::parse(9, &(layers + "4"))?;
    Case::new(TrainingSpec { evaluate_rows: 5, ..TrainingSpec::new(network, LOSSES[0], Sgd::new(0.1), 13) })
}
