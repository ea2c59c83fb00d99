//! One row through a kept [`wgrad::model::Predictor`], beside three plain loops over the same weights, in one run.
//!
//!     cargo bench --bench predictor

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wgrad::{Device, Loss, Model, Network, Result, Trainer};

/// Inputs and layers, as in `wgrad train --hidden`.
const NETWORKS: [(usize, &str); 2] = [(2, "64 relu 64 relu 1"), (8, "64 relu 64 relu 12")];

fn model(inputs: usize, layers: &str) -> Result<Model> {
    let builder = Trainer::builder(Network::parse(inputs, layers)?).loss(Loss::mean_squared_error());
    builder.build(&Device::cpu())?.into_model()
}

/// Computes the outputs of a row with plain loops. `sums` has room for the widest layer, twice.
fn plain(model: &Model, row: &[f32], sums: &mut [Vec<f32>; 2]) {
    sums[0][..row.len()].copy_from_slice(row);
    let layers = model.parameters.chunks(2);
    let last = layers.len() - 1;
    for (number, layer) in layers.enumerate() {
        let (weight, bias) = (&layer[0].values, &layer[1].values);
        let inputs = weight.len() / bias.len();
        let [before, after] = sums;
        for (unit, (weights, bias)) in weight.chunks(inputs).zip(bias).enumerate() {
            let sum: f32 = weights.iter().zip(&before[..]).map(|(w, x)| w * x).sum::<f32>() + bias;
            after[unit] = if number < last { sum.max(0.0) } else { sum };
        }
        sums.swap(0, 1);
    }
}

fn bench(criterion: &mut Criterion) -> Result<()> {
    let mut group = criterion.benchmark_group("predict_row");
    for (inputs, layers) in NETWORKS {
        let model = model(inputs, layers)?;
        let (name, row) = (format!("{inputs}-{layers}"), vec![0.5; inputs]);
        let mut predictor = model.predictor(&Device::cpu())?;
        let mut output = vec![0.0; predictor.outputs()];
        let mut sums = [vec![0.0; 64], vec![0.0; 64]];
        // Both compute the same.
        predictor.predict_row(&row, &mut output)?;
        plain(&model, &row, &mut sums);
        assert!(output.iter().zip(&sums[0]).all(|(a, b)| (a - b).abs() <= 1e-5), "{name}");
        group.bench_function(BenchmarkId::new("predictor", &name), |bench| {
            bench.iter(|| predictor.predict_row(&row, &mut output).expect("the numbers are finite"));
        });
        group.bench_function(BenchmarkId::new("plain loops", &name), |bench| {
            bench.iter(|| plain(&model, std::hint::black_box(&row), &mut sums));
        });
    }
    group.finish();
    Ok(())
}

fn benches(criterion: &mut Criterion) {
    bench(criterion).expect("the models are sound");
}

criterion_group!(all, benches);
criterion_main!(all);
