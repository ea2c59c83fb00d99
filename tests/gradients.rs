//! Gradients: the oracle against finite differences, and every executor against the oracle.
//!
//! Both tests combine losses × activations × structures. No kink (of a ReLU or of the perceptron criterion) may lie between two
//! evaluations. So parameters and batches are drawn until every value that is compared with 0 is further from it than its error
//! and [`MARGIN`]. Every finite difference checks that all its evaluations took the same sides.

mod common {
    pub mod driver;
    pub mod oracle;
    pub mod problem;
}

use common::driver::{Device, Driver, PlanKind, SEED, compare, plan};
use common::oracle::{DOUBLE, Oracle, Outcome, SINGLE, Tensors, exact};
use common::problem::{Batch, Numbers, Parameters, batch, parameters};
use wgrad::Activation;
use wgrad::kernels::{activation_grad, dropout, element_loss, matmul, softmax_cross_entropy};
use wgrad::loss::Task;
use wgrad::lower::TrainingSpec;
use wgrad::plan::{Call, Kernel, Plan, Step};
use wgrad::{Loss, Network, Sgd};

/// Input columns and layers: 1 to 4 dense layers, one or several outputs, with and without bias, dropout first, before and after
/// an activation, an activation first, last, and after another. Residual blocks first and last, before and after an activation,
/// with and without a projection, with dropout inside and around, in a row, and nested: at the start of a block, and at its end.
/// Normalizations first, between, last, and in a block. Other noise than dropout.
const STRUCTURES: [(usize, &str); 24] = [
    (4, "F 1"),
    (3, "dense(4, bias=false) F"),
    (5, "7 F 3"),
    (4, "6 F dropout(0.3) 1"),
    (3, "dropout(0.2) 5 dropout(0.4) F dense(4, bias=false) F 2"),
    (4, "5 F tanh 6 F dropout(0.25) dense(3, bias=false) F 2"),
    (3, "3 F [2 F dropout(0.3) 3] F 2"),
    (3, "[2 F] dropout(0.2) [dense(3, bias=false) F 2]"),
    (3, "3 [[2 F 3] F 3] 2"),
    (3, "[F 2 [2 F]] 2"),
    (2, "[F 2] F [3 tanh]"),
    (4, "layer_norm 5 F dropout(0.2) 2"),
    (3, "8 rms_norm F 2"),
    (3, "F 8 layer_norm"),
    (3, "[rms_norm F 3] 2"),
    (4, "5 batch_norm F dropout(0.2) 2"),
    (3, "[F 3] batch_norm"),
    (3, "[3 batch_norm F 3] 2"),
    (3, "prelu 4 prelu(per_unit=true) F 3 prelu 2"),
    (4, "glu 6 swiglu F 2"),
    (4, "F 6 geglu 2"),
    (3, "scaling F 3 scaling"),
    (3, "gaussian_noise(0.1) 4 F alpha_dropout(0.3) 2"),
    (2, "[3 alpha_dropout(0.2) F gaussian_noise(0.2)] 2"),
];

/// All losses, and some with parameters that are not the defaults.
fn losses() -> impl Iterator<Item = Loss> {
    let others = [
        Loss::smoothed_cross_entropy(0.25),
        Loss::weighted_binary_cross_entropy(2.5),
        Loss::quantile(0.125),
        Loss::quantiles([0.125, 0.75]),
    ];
    Loss::all().chain(others)
}

/// All activation functions.
fn functions() -> Vec<String> {
    Activation::all().map(|activation| activation.to_string()).collect()
}

/// Number of networks that end in the activation that their loss applies itself: losses of logits after a sigmoid, losses of
/// scores after a step.
fn clashes() -> usize {
    losses().filter(|loss| loss.task(1) == Task::Binary).count()
}

/// Smallest distance of a value from a kink; the steps of the finite differences are a hundredth of it.
const MARGIN: f64 = 1e-3;

/// Live rows, and batch size of the plan.
const ROWS: usize = 5;
const BATCH: usize = 7;

/// Step whose dropout masks are used.
const STEP: u32 = 3;

struct Case {
    name: String,
    network: Network,
    loss: Loss,
    parameters: Parameters,
    batch: Batch,
}

impl Case {
    /// Draws a case until no value is near a kink.
    fn draw(network: Network, loss: Loss, rows: usize, margin: f64) -> Self {
        for seed in 0..5000 {
            let parameters = parameters(&network, seed, Numbers::Real);
            let batch = batch(&network, loss, rows, seed, 0, Numbers::Real);
            let name = format!("{loss}: {network}");
            let case = Self { name, network: network.clone(), loss, parameters, batch };
            if case.outcome(SINGLE, &exact(&case.parameters)).kinks.margin > margin {
                return case;
            }
        }
        panic!("{network}: every draw puts a value near a kink");
    }

    fn outcome(&self, unit: f64, parameters: &Tensors) -> Outcome {
        Oracle { network: &self.network, loss: self.loss, unit, seed: SEED }.run(parameters, &self.batch, STEP)
    }

    fn spec(&self, batch: usize) -> TrainingSpec {
        TrainingSpec::new(self.network.clone(), self.loss, Sgd::new(0.1), batch)
    }

    /// Runs one step on an executor and compares the loss and every gradient with the oracle.
    fn check(&self, plan: Plan, batch: usize, device: Device) -> Result<usize, String> {
        let mut driver = Driver::with_plan(&self.spec(batch), plan, device);
        driver.next = u64::from(STEP);
        driver.set(&self.parameters);
        let loss = driver.train(std::slice::from_ref(&self.batch));
        let wanted = self.outcome(SINGLE, &exact(&self.parameters));
        let mut compared = compare("loss", &loss, &[wanted.loss])?;
        for (name, gradient) in &wanted.gradients {
            compared += compare(name, &driver.read(&format!("grad.{name}")), gradient)?;
        }
        Ok(compared)
    }
}

/// All losses with all networks, without those that exclude each other.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut left_out = 0;
    for loss in losses() {
        for function in functions() {
            for (inputs, text) in STRUCTURES {
                let network = Network::parse(inputs, &text.replace('F', &function)).expect("the text is sound");
                if loss.check(&network).is_err() {
                    left_out += 1;
                    continue;
                }
                cases.push(Case::draw(network, loss, ROWS, MARGIN));
            }
        }
    }
    assert_eq!(left_out, losses().count() * functions().len() * STRUCTURES.len() - count_of_all());
    assert_eq!(cases.len(), count_of_all());
    cases
}

/// Number of parameters of the structures.
const PARAMETERS: [usize; 24] =
    [5, 12, 66, 37, 50, 87, 37, 28, 49, 26, 21, 45, 58, 48, 23, 47, 18, 38, 45, 26, 38, 18, 26, 23];

/// Number of outputs of the structures.
const OUTPUTS: [usize; 24] = [1, 4, 3, 1, 2, 2, 2, 2, 2, 2, 3, 2, 2, 8, 2, 2, 3, 2, 2, 2, 2, 3, 2, 2];

/// Returns the structures whose number of outputs fits a loss.
fn fitting(loss: Loss) -> impl Iterator<Item = usize> {
    let is_fitting = move |outputs: usize| match loss.to_string().as_str() {
        "gaussian_nll" | "quantiles(0.125, 0.75)" => outputs.is_multiple_of(2),
        "quantiles" => outputs.is_multiple_of(3),
        "soft_cross_entropy" | "kl_divergence" | "cosine" => outputs > 1,
        _ => true,
    };
    (0..OUTPUTS.len()).filter(move |structure| is_fitting(OUTPUTS[*structure]))
}

/// Number of all cases.
fn count_of_all() -> usize {
    losses().map(|loss| fitting(loss).count()).sum::<usize>() * functions().len() - clashes()
}

/// Number of parameters of all cases.
fn parameters_of_all() -> usize {
    let of_loss = |loss| fitting(loss).map(|structure| PARAMETERS[structure]).sum::<usize>();
    losses().map(of_loss).sum::<usize>() * functions().len() - clashes() * 12
}

/// (L(p + h) − L(p − h)) / 2h = L′ + h²/6·L‴ + O(h⁴). The difference of this quotient at 2h and at h is three times the second
/// term, so it is an upper bound of it. Evaluation adds the errors of the losses, from the oracle, divided by the distance. No
/// analytic gradient enters the tolerance.
#[test]
fn finite_differences_confirm_the_oracle() {
    const H: f64 = 1.0 / (1 << 17) as f64;
    let (mut checked, mut not_zero, mut loosest) = (0, 0, (0.0, String::new()));
    for case in cases() {
        let mut parameters = exact(&case.parameters);
        let center = case.outcome(DOUBLE, &parameters);
        for (name, gradient) in &center.gradients {
            for (index, gradient) in gradient.iter().enumerate() {
                let mut quotient = |h: f64| {
                    let mut loss = |shift: f64| {
                        let element = &mut parameters.get_mut(name).expect("it has a gradient")[index];
                        let original = *element;
                        element.value += shift;
                        let outcome = case.outcome(DOUBLE, &parameters);
                        parameters.get_mut(name).expect("it has a gradient")[index] = original;
                        assert_eq!(outcome.kinks.sides, center.kinks.sides, "{}: a kink is crossed", case.name);
                        outcome.loss
                    };
                    let (above, below) = (loss(h), loss(-h));
                    ((above.value - below.value) / (2.0 * h), (above.error + below.error) / (2.0 * h))
                };
                let ((near, near_error), (far, far_error)) = (quotient(H), quotient(2.0 * H));
                let tolerance = (far - near).abs() + 2.0 * near_error + far_error + gradient.error;
                assert!(
                    (near - gradient.value).abs() <= tolerance,
                    "{}: {name}[{index}] is {}, but finite differences give {near} ± {tolerance}",
                    case.name,
                    gradient.value
                );
                checked += 1;
                not_zero += usize::from(gradient.value != 0.0);
                // The error of a loss is relative to it. Third derivatives of the cosine grow with 1 / length³, and no
                // length is below 1/4. The likelihood's is its term T = (t − m)² / 2v, and the loss is T + s / 2: for
                // s ≥ −2, T is at most twice the larger of the loss and 1.
                let steepness = match case.loss {
                    loss if loss == Loss::cosine() => 64.0,
                    loss if loss == Loss::gaussian_nll() => 2.0,
                    _ => 1.0,
                };
                let size = tolerance / (steepness * center.loss.value.abs().max(1.0));
                if size > loosest.0 {
                    loosest = (size, format!("{}: {name}[{index}]", case.name));
                }
            }
        }
    }
    assert_eq!(checked, parameters_of_all());
    assert!(loosest.0 < 2e-8, "a tolerance is too loose: {loosest:?}");
    // There are no gradients before a step function, and fewer with ReLU and dropout.
    assert!(not_zero > checked * 3 / 5, "only {not_zero} of {checked} gradients are not 0");
}

const PLANS: [(PlanKind, Device); 3] = [
    (PlanKind::Primitive, Device::Reference),
    (PlanKind::Fused, Device::Reference),
    (PlanKind::Fused, Device::Cpu { threads: 2 }),
];

#[test]
fn executors_confirm_the_oracle() {
    let cases = cases();
    for (kind, device) in PLANS {
        let mut compared = 0;
        for case in &cases {
            let plan = plan(&case.spec(BATCH), kind);
            compared += case
                .check(plan, BATCH, device)
                .unwrap_or_else(|problem| panic!("{kind:?} on {device:?}: {}: {problem}", case.name));
        }
        assert_eq!(compared, parameters_of_all() + cases.len(), "gradients, and one loss per case");
    }
}

/// Input columns, layers, live rows and batch size, with 1, 3, 17, 64, 65 and 100 columns.
const ODD_SIZES: [(usize, &str, usize, usize); 5] = [
    (17, "65 relu dropout(0.2) 100 sigmoid 3", 33, 64),
    (64, "3 tanh 64 leaky_relu(0.01) 17", 7, 7),
    (65, "1 identity dense(65, bias=false) relu 64", 64, 64),
    (1, "100 tanh dropout(0.5) 1", 1, 3),
    (100, "17 relu 65 tanh dropout(0.3) dense(100, bias=false)", 20, 33),
];

#[test]
fn executors_confirm_the_oracle_at_odd_sizes() {
    let mut wanted = 0;
    let mut compared = 0;
    for (inputs, text, rows, batch) in ODD_SIZES {
        for loss in losses() {
            let network = Network::parse(inputs, text).expect("the text is sound");
            if loss.check(&network).is_err() {
                continue;
            }
            let case = Case::draw(network, loss, rows, 0.0);
            wanted += PLANS.len() * (case.network.parameter_count() + 1);
            for (kind, device) in PLANS {
                let plan = plan(&case.spec(batch), kind);
                compared += case
                    .check(plan, batch, device)
                    .unwrap_or_else(|problem| panic!("{kind:?} on {device:?}: {}: {problem}", case.name));
            }
        }
    }
    assert_eq!(compared, wanted, "gradients, and one loss per case");
}

/// The oracle's tolerances are tight: per case, the largest is a small fraction of the largest gradient.
#[test]
fn the_errors_are_small() {
    // Relative to the largest gradient, or to 0.1, since gradients of softmax over a single output are 0.
    const SHARE: f64 = 1e-4;
    for case in cases() {
        let outcome = case.outcome(SINGLE, &exact(&case.parameters));
        // An error of an output reaches the derivatives of the cosine times 1 / length², and no length is below 1/4.
        let share = if case.loss == Loss::cosine() { 16.0 * SHARE } else { SHARE };
        assert!(outcome.loss.error <= SHARE * outcome.loss.value.max(1.0), "{}: loss {:?}", case.name, outcome.loss);
        let all = || outcome.gradients.values().flatten();
        let largest = all().map(|g| g.value.abs()).fold(0.0, f64::max);
        let loosest = all().map(|g| g.error).fold(0.0, f64::max);
        assert!(loosest <= share * largest.max(0.1), "{}: errors up to {loosest} of at most {largest}", case.name);
    }
}

/// Kernels with a small mistake, each under its original name.
static SABOTAGED: [Kernel; 5] = [
    // Omits the last live row in the weight gradient.
    Kernel {
        reference: |call| {
            let step = Step { rows: call.step.rows - 1, ..*call.step };
            (matmul::TN.reference)(Call { step: &step, ..call });
        },
        ..matmul::TN
    },
    // Uses the mask of the next row.
    Kernel {
        reference: |call| {
            let step = Step { first_row: 1, ..*call.step };
            (dropout::KERNEL.reference)(Call { step: &step, ..call });
        },
        ..dropout::KERNEL
    },
    // Uses tanh′ for every function.
    Kernel {
        reference: |call| {
            let params = [call.params[0], Activation::tanh().number(), 0, 0];
            (activation_grad::KERNEL.reference)(Call { params: &params, ..call });
        },
        ..activation_grad::KERNEL
    },
    // Makes the gradient too large by 2⁻¹⁸.
    Kernel {
        reference: |call| {
            let step = Step { loss_scale: call.step.loss_scale * (1.0 + 1.0 / (1 << 18) as f32), ..*call.step };
            (element_loss::KERNEL.reference)(Call { step: &step, ..call });
        },
        ..element_loss::KERNEL
    },
    // Writes nothing, so that NaN stays.
    Kernel { reference: |_| (), ..softmax_cross_entropy::KERNEL },
];

#[test]
fn a_small_mistake_in_a_kernel_is_noticed() {
    for sabotaged in &SABOTAGED {
        let loss = if sabotaged.name.starts_with("softmax") {
            Loss::softmax_cross_entropy()
        } else {
            Loss::mean_squared_error()
        };
        let network = Network::parse(4, "6 sigmoid dropout(0.3) 3").expect("the text is sound");
        let case = Case::draw(network, loss, ROWS, MARGIN);
        let honest = plan(&case.spec(BATCH), PlanKind::Primitive);
        case.check(honest.clone(), BATCH, Device::Reference).expect("nothing is wrong yet");
        let mut tampered = honest;
        tampered.substitute(|kernel| if kernel.name == sabotaged.name { sabotaged } else { kernel });
        let found = case.check(tampered, BATCH, Device::Reference);
        assert!(found.is_err(), "{}: {found:?} numbers agree with the oracle", sabotaged.name);
    }
}
