//! Updates that overflow: an error at their step that names the tensor; the trainer returns nothing that is not finite.

use wgrad::{
    Adam, AdamW, Checkpoint, Dataset, Dense, Device, Error, Fit, Loss, Network, Optimizer, RmsProp, Sgd, Tensor,
    Trainer,
};

/// An optimizer, its initial weight, input and target of each row, and the tensor and step that overflow.
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
        // Gradients of 1e24, whose squares are infinite; parameters would never change again.
        case(Adam::new(1e-3).into(), 1.0, large, "adam.v.layer0.weight", 0),
        case(AdamW::new(1e-3).into(), 1.0, large, "adamw.v.layer0.weight", 0),
        case(RmsProp::new(1e-3).into(), 1.0, large, "rmsprop.square.layer0.weight", 0),
        // The momentum grows by 1e38 per step; the learning rate is too low for the parameter to overflow.
        case(momentum.into(), 0.0, [1e19, 5e18], "sgd.momentum.layer0.weight", 3),
        // Learning rate times gradient is beyond f32.
        case(Sgd::new(3e38).into(), 1.0, [3.0, 1.0], "layer0.weight", 0),
    ]
}

fn trainer(case: &Overflow, device: &Device) -> Trainer {
    let network = Network::input(1).layer(Dense::new(1).without_bias());
    let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(case.optimizer).batch(2).seed(1);
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

/// Parameters, model and checkpoint are errors until an earlier checkpoint is restored.
fn nothing_leaves(case: &Overflow, mut trainer: Trainer, before: &Checkpoint) {
    assert_eq!(trainer.steps(), case.step + 1);
    is_named(case, trainer.checkpoint());
    if case.tensor == "layer0.weight" {
        is_named(case, trainer.parameters());
        is_named(case, trainer.model());
    }
    trainer.restore(before).expect("an earlier checkpoint is finite");
    assert!(trainer.parameters().expect("finite again")[0].values[0].is_finite());
    assert_eq!(trainer.steps(), before.step());
}

/// Tests a custom training loop and `fit`: with later steps in the same submission, and with the bad step as the last one.
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
