//! Layers, trained: against PyTorch (numbers from `golden/layers.py`), and the promises of each kind of layer.

use serde::Deserialize;
use wgrad::rng::philox;
use wgrad::{Dataset, Device, Error, Fit, Loss, Network, Result, Sgd, Trainer, data};

/// Largest difference of a loss relative to itself, and of a tensor's numbers relative to its largest. The script accepts only
/// draws on which PyTorch's float32 is within 1e-6 of its float64. Our roundings are of the same number and size, in another
/// order.
const TOLERANCE: f64 = 2e-6;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    torch: String,
    /// With the number of the draw, the key of all random numbers.
    key: u32,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    network: String,
    inputs: usize,
    /// Rows of each micro-batch of a step.
    batches: Vec<usize>,
    learning_rate: f64,
    draw: u32,
    losses: Vec<f64>,
    /// Predictions after the last step.
    predictions: Vec<f64>,
    /// Tensors after the last step, in the order of the layers.
    tensors: Vec<Vec<f64>>,
}

/// Numbers from 0 to below 1, like `unit(draw(…))` in the script.
fn units(key: [u32; 2], stream: usize, count: usize) -> impl Iterator<Item = f64> {
    let quads = (0..count.div_ceil(4)).flat_map(move |quad| philox([quad as u32, 0, 0, stream as u32], key));
    quads.take(count).map(|word| f64::from(word) / 4_294_967_296.0)
}

/// Largest difference relative to the largest number.
fn distance(found: &[f32], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let largest = wanted.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
    let distances = found.iter().zip(wanted).map(|(found, wanted)| (f64::from(*found) - wanted).abs() / largest);
    // In this order, a NaN stays.
    distances.fold(0.0, |worst, distance| if distance <= worst { worst } else { distance })
}

impl Case {
    fn trainer(&self, device: &Device, key: [u32; 2]) -> Result<Trainer> {
        let network = Network::parse(self.inputs, &self.network)?;
        let builder =
            Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(self.learning_rate));
        let mut trainer = builder.batch(self.batches[0]).accumulate(self.batches.len()).build(device)?;
        let mut parameters = trainer.parameters()?;
        let mut units = units(key, 0, parameters.iter().map(|tensor| tensor.values.len()).sum());
        for tensor in &mut parameters {
            let first = |unit: f64| match tensor.shape[..] {
                [_, inputs] => 1.5 * (2.0 * unit - 1.0) / (inputs as f64).sqrt(),
                _ => 0.5 + 0.5 * unit,
            };
            tensor.values = units.by_ref().take(tensor.values.len()).map(|unit| first(unit) as f32).collect();
        }
        trainer.set_parameters(&parameters)?;
        Ok(trainer)
    }

    /// Largest difference of any loss, tensor or prediction.
    fn check(&self, device: &Device, key: u32) -> Result<f64> {
        let key = [self.draw, key];
        let mut trainer = self.trainer(device, key)?;
        let outputs = trainer.network().outputs();
        let rows: usize = self.batches.iter().sum();
        let numbers = |stream: usize, count: usize| -> Vec<f32> {
            units(key, stream, count).map(|unit| (4.0 * unit - 2.0) as f32).collect()
        };
        let mut worst = 0.0f64;
        let mut look = |distance: f64| worst = if distance <= worst { worst } else { distance };
        for (step, wanted) in self.losses.iter().enumerate() {
            let loss =
                trainer.step(&numbers(2 * step + 1, rows * self.inputs), &numbers(2 * step + 2, rows * outputs))?;
            look((f64::from(loss.value()?) - wanted).abs() / wanted);
        }
        let parameters = trainer.parameters()?;
        assert_eq!(parameters.len(), self.tensors.len());
        parameters.iter().zip(&self.tensors).for_each(|(found, wanted)| look(distance(&found.values, wanted)));
        let rows = self.predictions.len() / outputs;
        look(distance(&trainer.predict(&numbers(2 * self.losses.len() + 1, rows * self.inputs))?, &self.predictions));
        Ok(worst)
    }
}

fn file() -> File {
    let file: File = serde_json::from_str(include_str!("golden/layers.json")).expect("the file is sound");
    assert_eq!((file.torch.as_str(), file.cases.len()), ("2.15.0", 5));
    assert!(file.cases.iter().all(|case| case.losses.len() == 50));
    file
}

/// Losses, tensors (among them running statistics) and predictions in evaluation.
#[test]
fn fifty_steps_agree_with_pytorch() {
    let file = file();
    for device in [Device::reference(), Device::cpu().threads(2)] {
        for case in &file.cases {
            let distance = case.check(&device, file.key).expect("it trains");
            println!("{} on {device}: {distance:e}", case.network);
            assert!(distance <= TOLERANCE, "{} on {device}: {distance:e} off PyTorch", case.network);
        }
    }
}

#[test]
fn a_slightly_wrong_learning_rate_is_noticed() {
    let file = file();
    for mut case in file.cases {
        case.learning_rate *= 1.001;
        let distance = case.check(&Device::cpu().threads(1), file.key).expect("it trains");
        assert!(distance > 5.0 * TOLERANCE, "{}: {distance:e}", case.network);
    }
}

fn digits(rows: usize) -> Dataset {
    data::digits().select(&(0..rows).collect::<Vec<_>>())
}

fn batch_norm(batch: usize) -> Trainer {
    let network = Network::parse(64, "20 batch_norm relu 10").expect("the text is sound");
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Sgd::new(0.1));
    builder.batch(batch).build(&Device::cpu().threads(1)).expect("a trainer")
}

/// Running mean and variance.
fn running(trainer: &mut Trainer) -> Vec<Vec<u32>> {
    let parameters = trainer.parameters().expect("finite");
    let running = parameters.iter().filter(|tensor| tensor.name.contains("running"));
    let running: Vec<_> = running.map(|t| t.values.iter().map(|x| x.to_bits()).collect::<Vec<_>>()).collect();
    assert_eq!(running.len(), 2);
    running
}

#[test]
fn evaluation_leaves_running_statistics_unchanged() {
    let (mut trainer, digits) = (batch_norm(32), digits(100));
    trainer.fit(&digits, Fit::epochs(2)).expect("it trains");
    let before = running(&mut trainer);
    trainer.evaluate(&digits).expect("finite");
    assert_eq!(running(&mut trainer), before);
}

/// A row with an infinite loss makes a whole step bad; so does the second of its micro-batches.
#[test]
fn a_bad_step_leaves_running_statistics_unchanged() {
    let network = Network::parse(2, "3 batch_norm tanh 1").expect("the text is sound");
    let builder = Trainer::builder(network).loss(Loss::mean_squared_error()).optimizer(Sgd::new(0.1));
    let mut trainer = builder.batch(3).accumulate(2).build(&Device::cpu().threads(1)).expect("a trainer");
    let inputs: Vec<f32> = (0..12).map(|i| (i * i % 7) as f32).collect();
    trainer.step(&inputs, &[0.5; 6]).expect("submitted");
    let before = running(&mut trainer);
    let bad = [0.5, 0.5, 0.5, 0.5, f32::MAX, 0.5];
    let found = trainer.step(&inputs, &bad).and_then(|_| trainer.parameters().map(drop));
    assert!(matches!(found, Err(Error::NotFinite { .. })), "the loss overflows: {found:?}");
    assert_eq!(running(&mut trainer), before);
    trainer.step(&inputs, &[0.5; 6]).expect("submitted");
    assert_ne!(running(&mut trainer), before);
}

#[test]
fn a_batch_of_one_row_is_an_error_before_training() {
    let error = batch_norm(33).load(&digits(100)).expect_err("the last of four batches has one row").to_string();
    for part in ["layer 1 (batch_norm)", "at least 2 rows", "batches of 33 of 100 rows", "batch size of 34"] {
        assert!(error.contains(part), "{error}");
    }
    batch_norm(34).load(&digits(100)).expect("the last of three batches has 32 rows");
    // Batches of 50 are no longer than the data set.
    batch_norm(50).load(&digits(30)).expect("one batch");
    let error = batch_norm(1).load(&digits(10)).expect_err("each batch has one row").to_string();
    assert!(error.contains("batch size of 2"), "{error}");
    let error = batch_norm(4).step(&[0.5; 64], &[3]).expect_err("one row").to_string();
    assert!(error.contains("at least 2 rows"), "{error}");
}
