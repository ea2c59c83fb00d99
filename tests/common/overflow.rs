//! Updates that overflow by themselves: an error at their step that names the tensor, and nothing that leaves the trainer.

use wgrad::{
    Adam, AdamW, Checkpoint, Dataset, Dense, Device, Error, Fit, Loss, Network, Optimizer, RmsProp, Sgd, Tensor,
    Trainer,
};

/// An optimizer, the weight that it begins with, an input and a target of each row, the tensor that overflows, and at which step.
struct Overflow {
    optimizer: Optimizer,
    weight: f32,
    row: [f32; 2],
    tensor: &'static str,
    step: u64,
}

fn overflows() -> Vec<Overflow> {
    let large = [1.7e12, 3.4e12];
    let case = |optimizer: Optimizer, weight, row, tensor, step| Overflow { optimizer, weight, row, tensor, step };
    let momentum = Sgd::new(1e-43).momentum(0.9);
    vec![
        // Gradients of 1e24, whose squares are infinite; the parameters would stay as they are, for ever.
        case(Adam::new(1e-3).into(), 1.0, large, "adam.v.layer0.weight", 0),
        case(AdamW::new(1e-3).into(), 1.0, large, "adamw.v.layer0.weight", 0),
        case(RmsProp::new(1e-3).into(), 1.0, large, "rmsprop.square.layer0.weight", 0),
        // 1e38 a step in the momentum, of which next to nothing reaches the parameter.
        case(momentum.into(), 0.0, [1e19, 5e18], "sgd.momentum.layer0.weight", 3),
        // A learning rate times a gradient beyond f32.
        case(Sgd::new(3e38).into(), 1.0, [3.0, 1.0], "layer0.weight", 0),
    ]
}

fn trainer(case: &Overflow, device: &Device) -> Trainer {
    let network = Network::input(1).layer(Dense::new(1).without_bias());
    let builder = Trainer::builder(network).loss(Loss::MeanSquaredError).optimizer(case.optimizer).batch(2).seed(1);
    let mut trainer = builder.build(device).expect("a trainer");
    let weight = Tensor { name: "layer0.weight".into(), shape: vec![1, 1], values: vec![case.weight] };
    trainer.set_parameters(&[weight]).expect("set");
    trainer
}

fn is_named<T>(case: &Overflow, result: wgrad::Result<T>) {
    match result {
        Err(Error::StateNotFinite { step, view, row: 0, column: 0, value }) => {
            assert!(step == case.step && view == case.tensor && !value.is_finite(), "step {step}: {view} is {value}");
        }
        Err(error) => panic!("{}: {error}", case.tensor),
        Ok(_) => panic!("{}: no error", case.tensor),
    }
}

/// Nothing that is not finite leaves: neither parameters nor model nor checkpoint, nor one of those of before.
fn nothing_leaves(case: &Overflow, mut trainer: Trainer, before: &Checkpoint) {
    assert_eq!(trainer.steps(), case.step + 1);
    is_named(case, trainer.checkpoint());
    if case.tensor == "layer0.weight" {
        is_named(case, trainer.parameters());
        is_named(case, trainer.model());
    }
    trainer.restore(before).expect("a checkpoint of before is finite");
    assert!(trainer.parameters().expect("finite again")[0].values[0].is_finite());
    assert_eq!(trainer.steps(), before.step());
}

/// Proves it for a loop of one's own and for `fit`: once with steps of the same submission behind the bad one, and once with
/// the bad step as the last of all.
pub fn is_an_error_at_its_step(device: &Device) {
    for case in overflows() {
        let [input, target] = case.row;
        let mut own = trainer(&case, device);
        let mut before = own.checkpoint().expect("finite");
        let mut done = 0;
        let error = loop {
            let step = own.step(&[input; 2], &[target; 2]).and_then(|loss| loss.value()).and_then(|_| own.checkpoint());
            match step {
                Ok(checkpoint) => (before, done) = (checkpoint, done + 1),
                Err(error) => break error,
            }
            assert!(done <= case.step, "{}: step {done} was no error", case.tensor);
        };
        is_named(&case, Err::<(), _>(error));
        nothing_leaves(&case, own, &before);
        let data = Dataset::numbers("rows", 1, &[input; 14], 1, &[target; 14]).expect("a data set");
        let last = Dataset::numbers("rows", 1, &[input; 2], 1, &[target; 2]).expect("a data set");
        for (data, epochs) in [(&data, 2), (&last, case.step as usize + 1)] {
            let mut fitted = trainer(&case, device);
            is_named(&case, fitted.fit(data, Fit::epochs(epochs)));
            assert_eq!(fitted.steps(), case.step + 1);
            is_named(&case, fitted.checkpoint());
        }
    }
}
