//! Tests of `mlp_step_fused`: the fused step of a narrow network.
//!
//! The oracle computes the layers in f64. For the build with a trace, each stage starts from the results of the
//! reference in the previous stage, since its tolerances are relative to those.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::Loss;
use wgrad::elementwise::Range;
use wgrad::kernels::mlp_step_fused::{self, Layer, Params};
use wgrad::loss::TargetKind;
use wgrad::plan::{Section, ViewId};
use wgrad::shape::{Dtype, Shape};

/// Rows, active rows, rows per workgroup; inputs; outputs and numbers of the activations of the layers; loss.
type Network = (usize, usize, u32, usize, &'static [(usize, u32)], Loss);

const SQUARED: Loss = Loss::mean_squared_error();
const BINARY: Loss = Loss::binary_cross_entropy();
const SOFTMAX: Loss = Loss::softmax_cross_entropy();
const PERCEPTRON: Loss = Loss::perceptron();

/// Every activation and loss, one layer and many, irregular batch sizes and widths, more units than a workgroup has
/// invocations.
const NETWORKS: [Network; 19] = [
    (1, 1, 4, 1, &[(1, 0)], SQUARED),
    (5, 4, 4, 3, &[(2, 2)], BINARY),
    (7, 0, 4, 2, &[(3, 4), (2, 0)], SOFTMAX),
    (9, 9, 8, 4, &[(5, 3), (3, 0)], SOFTMAX),
    (17, 13, 8, 2, &[(16, 4), (16, 3), (2, 0)], SQUARED),
    (33, 33, 16, 5, &[(7, 5), (4, 2), (3, 3), (1, 0)], BINARY),
    (64, 61, 32, 2, &[(9, 3), (1, 1)], SQUARED),
    (6, 6, 4, 2, &[(2, 0)], PERCEPTRON),
    (12, 11, 4, 3, &[(1, 0)], PERCEPTRON),
    (20, 20, 4, 31, &[(67, 4), (10, 0)], SOFTMAX),
    (3, 2, 64, 130, &[(2, 2), (5, 3)], SQUARED),
    (40, 37, 4, 1, &[(2, 2), (2, 3), (2, 2), (2, 3), (2, 2), (2, 3), (3, 0)], SOFTMAX),
    (70, 69, 16, 6, &[(8, 3), (8, 5), (4, 2)], BINARY),
    (19, 18, 8, 17, &[(65, 2), (33, 3), (5, 0)], SOFTMAX),
    (11, 10, 4, 3, &[(5, 3), (3, 0)], BINARY),
    (70, 67, 64, 2, &[(9, 3), (3, 0)], SQUARED),
    (13, 12, 8, 3, &[(6, 3), (2, 0)], Loss::huber(0.25)),
    (9, 9, 4, 4, &[(5, 2), (3, 0)], Loss::poisson()),
    (10, 9, 4, 3, &[(4, 3), (1, 0)], Loss::focal(1.5)),
];

/// Networks whose numbers stay small integers, or halves: gradients are divided by two outputs, or one, and there is no
/// scale. Some outputs are 0.
const WHOLE: [Network; 4] = [
    (5, 5, 4, 3, &[(2, 4)], SQUARED),
    (21, 19, 8, 4, &[(5, 4), (3, 0), (1, 4)], SQUARED),
    (34, 33, 16, 3, &[(4, 4), (2, 0)], SQUARED),
    (30, 29, 8, 3, &[(2, 0)], PERCEPTRON),
];

pub fn cases() -> Vec<Case> {
    let real = NETWORKS.iter().enumerate().map(|(seed, network)| (network, Values::Real, seed));
    let whole = WHOLE.iter().enumerate().map(|(seed, network)| (network, Values::Whole, seed));
    let all = real
        .chain(whole)
        .flat_map(|(network, values, seed)| [false, true].map(|traced| case(network, values, seed, traced, u32::MAX)));
    all.chain([false, true].map(steep)).chain([false, true].map(level)).chain(broken()).collect()
}

/// Logits of 0 for binary cross-entropy, where the two branches of the sigmoid meet.
fn level(traced: bool) -> Case {
    let mut case = case(&(9, 8, 8, 3, &[(3, 0)], BINARY), Values::Special, 3, traced, u32::MAX);
    let parameters = case.op().views[0];
    case.set_f32(parameters, &[0.0; 128]);
    case
}

/// Inputs become logits in another order, and their exponentials exceed the range of f32. Each column is the largest of
/// some row, and adjacent rows of a workgroup are far apart.
fn steep(traced: bool) -> Case {
    let mut case = case(&(9, 8, 8, 3, &[(3, 0)], SOFTMAX), Values::Special, 2, traced, u32::MAX);
    let logits: [[f32; 3]; 8] = [
        [-100.0, -200.0, -300.0],
        [-10.0, 150.0, 0.0],
        [300.0, 0.0, 299.0],
        [-300.0, -150.0, -299.0],
        [0.0, 1.0, 300.0],
        [200.0, 0.0, 100.0],
        [-200.0, -200.0, 100.0],
        [100.0, 250.0, 250.0],
    ];
    let mut parameters = [0.0; 128];
    [1, 5, 6].into_iter().for_each(|one| parameters[one] = 1.0);
    let views = case.op().views.clone();
    case.set_f32(views[0], &parameters);
    case.set_f32(views[1], logits.as_flattened());
    case
}

fn case(
    (rows, live, chunk, inputs, layers, loss): &Network,
    values: Values,
    seed: usize,
    traced: bool,
    flag: u32,
) -> Case {
    let mut case = Case::new(Section::Gradients, *live, values, seed);
    if values == Values::Whole {
        case.steps.iter_mut().for_each(|step| step.loss_scale = 1.0);
    }
    let params = Params { chunk: *chunk, ..Params::new(*rows, *inputs, layers, *loss, [0.25, 0.25]) };
    let outputs = layers[layers.len() - 1].0;
    let parameters = case.tensor("parameters", Shape::vector(params.parameters()), Fill::Real(1.0));
    let input = case.batch("input", Shape::new(*rows, *inputs), Fill::Real(1.0));
    let (columns, fill) = match loss.function().range {
        Range::Any => (outputs, Fill::Real(1.0)),
        Range::NotNegative => (outputs, Fill::Positive(1.0)),
        Range::Class => (1, Fill::Below(outputs as u32)),
        Range::Unit | Range::Distribution | Range::Bit => (outputs, Fill::Bit),
    };
    let targets = case.batch("targets", Shape::new(*rows, columns), fill);
    let [partial, row_loss, trace] = mlp_step_fused::written(&params);
    let partial = case.output("partial", Dtype::F32, partial);
    let row_loss = case.batch_output("row_loss", Dtype::F32, row_loss);
    let flag = case.flag(flag);
    let mut views: Vec<ViewId> = vec![parameters, input, targets, partial, row_loss, flag];
    if traced {
        let view = case.output("trace", Dtype::F32, trace);
        // Not poison, which `prove` reports as a forgotten element: inactive rows and padding keep this value.
        case.set_f32(view, &vec![7.5; trace.elements()]);
        views.push(view);
    }
    case.with(mlp_step_fused::op(&params, &views))
}

/// An infinite loss in an active row, with a flag that is not set, and one that an earlier step has set.
fn broken() -> impl Iterator<Item = Case> {
    [(u32::MAX, false), (2, false), (u32::MAX, true)].into_iter().map(|(flag, traced)| {
        let mut case = case(&(6, 5, 4, 1, &[(1, 0)], SQUARED), Values::Special, 1, traced, flag);
        let input = case.op().views[1];
        case.set_f32(input, &[1.0, 2.0, 3.0, 4.0, 1e30, f32::INFINITY]);
        case
    })
}

/// One step in f64. With a trace, each stage starts from the `x` or `d` in the trace of `seen`.
struct Step<'a> {
    seen: &'a Seen<'a>,
    params: Params,
    trace: Option<Vec<f64>>,
}

fn activate(function: u32, x: f64) -> f64 {
    match function {
        1 if !x.is_nan() => f64::from(u8::from(x > 0.0)),
        2 => 1.0 / (1.0 + (-x).exp()),
        3 => x.tanh(),
        4 => x.max(0.0),
        5 => x.max(0.25 * x),
        _ => x,
    }
}

fn derivative(function: u32, y: f64) -> f64 {
    match function {
        1 => 0.0,
        2 => y * (1.0 - y),
        3 => 1.0 - y * y,
        4 => f64::from(u8::from(y > 0.0)),
        5 => {
            if y > 0.0 {
                1.0
            } else {
                0.25
            }
        }
        _ => 1.0,
    }
}

/// Returns the loss of a row, and its derivative with respect to each output.
fn loss(loss: Loss, z: &[f64], t: &[f64]) -> (f64, Vec<f64>) {
    let Some(element) = loss.function().element() else {
        let total = z.iter().map(|z| z.exp()).sum::<f64>();
        let class = t[0] as usize;
        let gradient = |(c, z): (usize, &f64)| z.exp() / total - f64::from(u8::from(c == class));
        return (total.ln() - z[class], z.iter().enumerate().map(gradient).collect());
    };
    let (n, parameters) = (z.len() as f64, loss.parameters().map(f64::from));
    let each = |which: usize| z.iter().zip(t).map(move |(z, t)| element.double[which](*z, *t, parameters) / n);
    (each(0).sum(), each(1).collect())
}

impl Step<'_> {
    /// Returns the values that a later stage starts from.
    fn next(&self, begin: usize, own: &[f64]) -> Vec<f64> {
        self.trace.as_ref().map_or_else(|| own.to_vec(), |trace| trace[begin..begin + own.len()].to_vec())
    }

    fn forward(&self, layer: &Layer, w: &[f64], below: &[f64]) -> Vec<f64> {
        let at = |r: usize, o: usize| {
            let terms = (0..layer.inputs).map(|i| below[r * layer.inputs + i] * w[layer.weight + o * layer.inputs + i]);
            activate(layer.function, terms.sum::<f64>() + w[layer.bias + o])
        };
        (0..self.seen.rows()).flat_map(|r| (0..layer.outputs).map(move |o| (r, o))).map(|(r, o)| at(r, o)).collect()
    }

    fn backward(&self, above: &Layer, lower: &Layer, w: &[f64], d: &[f64], y: &[f64]) -> Vec<f64> {
        let at = |(at, y): (usize, &f64)| {
            let (r, i) = (at / above.inputs, at % above.inputs);
            let terms = (0..above.outputs).map(|o| d[r * above.outputs + o] * w[above.weight + o * above.inputs + i]);
            terms.sum::<f64>() * derivative(lower.function, *y)
        };
        y.iter().enumerate().map(at).collect()
    }

    /// Returns the losses, and d of the last layer.
    fn losses(&self, layer: &Layer, y: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (words, n) = (self.seen.words(2), layer.outputs);
        let target = |r: usize| match self.params.loss().target_kind() {
            TargetKind::Class => vec![f64::from(words[r])],
            TargetKind::Numbers => {
                words[r * n..(r + 1) * n].iter().map(|word| f64::from(f32::from_bits(*word))).collect()
            }
        };
        let (mut losses, mut ds) = (Vec::new(), Vec::new());
        for (r, row) in y.chunks(n).enumerate() {
            let (loss, gradient) = loss(self.params.loss(), row, &target(r));
            losses.push(loss);
            let scale = f64::from(self.seen.step().loss_scale);
            ds.extend(gradient.iter().zip(row).map(|(g, y)| g * scale * derivative(layer.function, *y)));
        }
        (losses, ds)
    }
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let traced = seen.case.op().views.len() > 6;
    let step = Step { seen, params: *seen.params(), trace: traced.then(|| seen.results(6)) };
    let (layers, w, rows) = (step.params.network(), seen.numbers(0), seen.rows());
    let input = seen.numbers(1)[..rows * layers[0].inputs].to_vec();
    let (mut xs, mut own_xs) = (vec![input], Vec::new());
    for layer in &layers {
        let x = step.forward(layer, &w, &xs[xs.len() - 1]);
        xs.push(step.next(layer.output, &x));
        own_xs.push(x);
    }
    let last = &layers[layers.len() - 1];
    let (losses, d) = step.losses(last, &xs[layers.len()]);
    let (mut ds, mut own_ds) = (vec![step.next(last.gradient, &d)], vec![d]);
    for (number, pair) in layers.windows(2).enumerate().rev() {
        let d = step.backward(&pair[1], &pair[0], &w, &ds[0], &xs[number + 1]);
        ds.insert(0, step.next(pair[0].gradient, &d));
        own_ds.insert(0, d);
    }
    // Beyond the range of f32, a number is infinite.
    let in_range = |x: f64| if x.abs() > f64::from(f32::MAX) { x.signum() * f64::INFINITY } else { x };
    let losses: Vec<f64> = losses.into_iter().map(in_range).collect();
    let flag = seen.flag(5, &losses);
    let partial = partial(&step.params, &layers, &xs, &ds, rows).into_iter().map(in_range).collect();
    let mut expected = vec![Expected::Numbers(partial), Expected::Numbers(losses), flag];
    if traced {
        // Padding between matrices, and inactive rows, keep their values.
        let mut trace: Vec<f64> = seen.numbers(6);
        for ((layer, x), d) in layers.iter().zip(&own_xs).zip(&own_ds) {
            trace[layer.output..][..x.len()].copy_from_slice(x);
            trace[layer.gradient..][..d.len()].copy_from_slice(d);
        }
        expected.push(Expected::Numbers(trace));
    }
    expected
}

fn partial(params: &Params, layers: &[Layer], xs: &[Vec<f64>], ds: &[Vec<f64>], rows: usize) -> Vec<f64> {
    let size = params.parameters();
    let mut partial = vec![0.0; params.parts() * size];
    for (part, share) in partial.chunks_mut(size).enumerate() {
        let chunk = params.chunk as usize;
        for r in (part * chunk).min(rows)..((part + 1) * chunk).min(rows) {
            for ((layer, x), d) in layers.iter().zip(xs).zip(ds) {
                for o in 0..layer.outputs {
                    let d = d[r * layer.outputs + o];
                    let weights = &mut share[layer.weight + o * layer.inputs..][..layer.inputs];
                    weights.iter_mut().zip(&x[r * layer.inputs..]).for_each(|(w, x)| *w += d * x);
                    share[layer.bias + o] += d;
                }
            }
        }
    }
    partial
}

#[test]
fn cpu_kernels_are_right() {
    let (traced, plain): (Vec<Case>, Vec<Case>) = cases().into_iter().partition(|case| case.op().views.len() > 6);
    assert!(prove(&traced, oracle, 0.01) > 20_000);
    // Without a trace, tolerances include the errors of earlier stages, and a fifth of them becomes weak. A tanh may be
    // off by 10⁻⁵, which propagates through all layers, and an output near 0 may be on either side of the kink. The
    // build with a trace exists for this reason; `tests/gpu` checks that both builds give the same bits.
    assert!(prove(&plain, oracle, 0.25) > 20_000);
}

#[test]
fn layers_lie_where_the_plan_has_them() {
    let layers = Params::new(5, 3, &[(4, 4), (2, 0)], SQUARED, [0.0; 2]).network();
    let places = |layer: &Layer| [layer.weight, layer.bias, layer.end, layer.output, layer.gradient];
    assert_eq!(layers.iter().map(places).collect::<Vec<_>>(), [[0, 64, 128, 0, 128], [128, 192, 256, 64, 192]]);
}
