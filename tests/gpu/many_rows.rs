//! Long sums on a device: none is cut off, and none drifts.

use wgrad::{Dense, Device, Init, Loss, Network, Sgd, Trainer};

use crate::common::device;

/// What a sum may be off, however many its terms are.
const RELATIVE: f64 = 1e-6;

fn near(found: f32, wanted: f64, place: &str) {
    let error = (f64::from(found) / wanted - 1.0).abs();
    assert!(error <= RELATIVE, "{place}: {found} is {error:e} off {wanted}");
}

/// More rows than any loop of llvmpipe's goes along, four to a round.
#[test]
fn sums_over_many_equal_rows_are_those_of_one() {
    let Some(device) = device() else { return };
    let device = Device::from(device);
    for (rows, bias) in [(300_000, true), (300_000, false), (2_049, true)] {
        let dense = Dense::new(1).init(Init::Zeros);
        let network = Network::input(1).layer(if bias { dense } else { dense.without_bias() });
        let builder = Trainer::builder(network).loss(Loss::MeanSquaredError).optimizer(Sgd::new(1e-3));
        let mut trainer = builder.clip_norm(1.0).batch(rows).build(&device).expect("it is cut into parts");
        let step = trainer.step(&vec![0.3; rows], &vec![1.7f32; rows]);
        near(step.and_then(|loss| loss.value()).expect("finite"), f64::from(1.7f32).powi(2), "loss");
        let gradients = trainer.gradients().expect("read");
        let wanted = [-2.0 * f64::from(1.7f32) * f64::from(0.3f32), -2.0 * f64::from(1.7f32)];
        for (tensor, wanted) in gradients.iter().zip(wanted) {
            near(tensor.values[0], wanted, &format!("{rows} rows: {}", tensor.name));
        }
        assert_eq!(gradients.len(), 1 + usize::from(bias));
    }
}

#[test]
fn sums_over_many_columns_are_whole() {
    let Some(device) = device() else { return };
    const COLUMNS: usize = 300_000;
    for dense in [Dense::new(1), Dense::new(1).without_bias()] {
        let network = Network::input(COLUMNS).layer(dense);
        let builder = Trainer::builder(network).loss(Loss::MeanSquaredError).optimizer(Sgd::new(1e-3)).batch(1);
        let mut trainer = builder.build(&Device::from(device.clone())).expect("it is cut into parts");
        let mut parameters = trainer.parameters().expect("read");
        parameters[0].values.fill(1.0);
        trainer.set_parameters(&parameters).expect("of their size");
        assert_eq!(trainer.predict(&vec![1.0; COLUMNS]).expect("a prediction"), [COLUMNS as f32]);
    }
}
