//! Losses and activations against f64, over the whole range of their arguments, for every device.

use wgrad::{Device, Loss, Network, Sgd, Tensor, Trainer, trainer::Labels};

/// Largest relative error allowed.
const ALLOWED: f64 = 1e-6;

/// Sizes of logits: 0, near 0, confident, and with powers that overflow.
const SIZES: [f32; 17] =
    [0.0, 1e-30, 1e-8, 1e-4, 0.3, 1.0, 5.0, 10.0, 15.0, 17.0, 20.5, 40.3, 63.7, 80.1, 87.2, 1e4, 3e37];

fn assert_accurate(place: &str, found: f32, wanted: f64) {
    // A device may flush subnormal numbers to 0.
    let allowed = ALLOWED * wanted.abs() + f64::from(f32::MIN_POSITIVE);
    let error = (f64::from(found) - wanted).abs();
    assert!(error <= allowed, "{place}: {found:e}, but {wanted:e} in f64, {:.1e} off", error / wanted.abs());
}

/// Identity matrix as a weight.
fn weight(number: usize, columns: usize) -> Tensor {
    let values = (0..columns * columns).map(|at| f32::from(at % (columns + 1) == 0)).collect();
    Tensor { name: format!("layer{number}.weight"), shape: vec![columns, columns], values }
}

fn zeros(number: usize, columns: usize) -> Tensor {
    Tensor { name: format!("layer{number}.bias"), shape: vec![columns], values: vec![0.0; columns] }
}

/// Trainer of an identity layer. It has biases, so that a fused step is possible.
fn identity(columns: usize, loss: Loss, device: &Device) -> Trainer {
    let network = Network::input(columns).dense(columns);
    let builder = Trainer::builder(network).loss(loss).optimizer(Sgd::new(0.0)).batch(1).seed(1);
    let mut trainer = builder.build(device).expect("a trainer");
    trainer.set_parameters(&[weight(0, columns), zeros(0, columns)]).expect("set");
    trainer
}

fn loss<'a>(trainer: &mut Trainer, row: &[f32], target: impl Into<Labels<'a>>) -> f32 {
    trainer.step(row, target).and_then(|loss| loss.value()).expect("a finite loss")
}

/// Tests each loss on single rows.
pub fn losses_are_accurate(device: &Device) {
    let mut binary = identity(1, Loss::binary_cross_entropy(), device);
    let mut squared = identity(1, Loss::mean_squared_error(), device);
    let mut perceptron = identity(1, Loss::perceptron(), device);
    let mut softmax = identity(3, Loss::softmax_cross_entropy(), device);
    for size in SIZES {
        for z in [size, -size] {
            for t in [0.0, 1.0, 0.25, 0.999f32] {
                let (exact, target) = (f64::from(z), f64::from(t));
                let wrong = if z > 0.0 { 1.0 - target } else { target };
                let wanted = exact.abs() * wrong + (-exact.abs()).exp().ln_1p();
                let place = |name: &str| format!("{name} on {device}, z {z}, t {t}");
                assert_accurate(&place("binary_cross_entropy"), loss(&mut binary, &[z], &[t]), wanted);
                if size < 1e10 {
                    let wanted = (exact - target).powi(2);
                    assert_accurate(&place("mean_squared_error"), loss(&mut squared, &[z], &[t]), wanted);
                }
                // The criterion has no targets between 0 and 1.
                if t.fract() == 0.0 {
                    let wanted = (f64::from(z > 0.0) - target) * exact;
                    assert_accurate(&place("perceptron"), loss(&mut perceptron, &[z], &[t]), wanted);
                }
            }
            for row in [[z, 0.3, -0.2], [0.7, z / 2.0, -z / 2.0], [z, z, 0.1], [z, -z, z / 3.0]] {
                for t in 0..3usize {
                    let exact = row.map(f64::from);
                    let others = (0..3).filter(|c| *c != t).map(|c| exact[c] - exact[t]);
                    // Relative to the class's own logit if nothing overflows, otherwise to the largest.
                    let distance = others.clone().fold(f64::NEG_INFINITY, f64::max);
                    let wanted = if distance < 700.0 {
                        others.map(f64::exp).sum::<f64>().ln_1p()
                    } else {
                        distance + others.map(|z| (z - distance).exp()).sum::<f64>().ln()
                    };
                    let place = format!("softmax_cross_entropy on {device}, {row:?}, class {t}");
                    assert_accurate(&place, loss(&mut softmax, &row, &[t as u32]), wanted);
                }
            }
        }
    }
}

/// A function in f64.
type Exact = fn(f64) -> f64;

/// Tests each activation with an elementary function, between two identity layers.
pub fn activations_are_accurate(device: &Device) {
    let functions: [(&str, Exact); 2] = [("tanh", f64::tanh), ("sigmoid", |x| 1.0 / (1.0 + (-x).exp()))];
    for (name, exact) in functions {
        let network = Network::parse(1, &format!("1 {name} 1")).expect("a network");
        let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).batch(1).seed(1);
        let mut trainer = builder.build(device).expect("a trainer");
        trainer.set_parameters(&[weight(0, 1), zeros(0, 1), weight(2, 1), zeros(2, 1)]).expect("set");
        let near = (0..400).map(|i| 10f32.powf(f32::from(i as u16) / 25.0 - 14.0));
        let inputs: Vec<f32> = SIZES.into_iter().chain(near).flat_map(|x| [x, -x]).collect();
        for (x, found) in inputs.iter().zip(trainer.predict(&inputs).expect("outputs")) {
            assert_accurate(&format!("{name} on {device}, x {x:e}"), found, exact(f64::from(*x)));
        }
    }
}
