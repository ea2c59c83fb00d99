//! Vanishing gradients: in deep networks of sigmoids, gradients shrink from layer to layer in the backward pass.
//!
//! Expected: with ten hidden layers of sigmoids and Xavier initialization (Glorot and Bengio 2010), the first layer's
//! gradient is more than 100,000 times smaller than the last one's, since a sigmoid's derivative is at most 1/4. With
//! ReLUs and He initialization (He et al. 2015), the two gradients differ by less than a factor of ten.

use wgrad::{Activation, Dense, Device, Init, Loss, Network, Sgd, Trainer, data};

const DEPTH: usize = 10;
const WIDTH: usize = 64;
const ROWS: usize = 256;

fn main() -> wgrad::Result<()> {
    let sigmoid = norms(Activation::sigmoid(), Init::XavierUniform)?;
    let relu = norms(Activation::relu(), Init::HeUniform)?;
    println!("layer  sigmoid, Xavier  relu, He");
    for (layer, (sigmoid, relu)) in sigmoid.iter().zip(&relu).enumerate() {
        println!("{:>5}  {sigmoid:>15.1e}  {relu:>8.1e}", layer + 1);
    }
    let [sigmoid, relu] = [sigmoid, relu].map(|norms| norms[DEPTH - 1] / norms[0]);
    println!("last hidden layer against the first: {sigmoid:.1e} with sigmoids, {relu:.1} with ReLUs");
    assert!(sigmoid > 1e5, "sigmoids make gradients vanish");
    assert!((0.1..10.0).contains(&relu), "ReLUs do not");
    Ok(())
}

/// Norm of each layer's weight gradient in the first step.
fn norms(activation: Activation, init: Init) -> wgrad::Result<Vec<f64>> {
    let hidden = Dense::new(WIDTH).init(init);
    let network = (0..DEPTH).fold(Network::input(64), |network, _| network.layer(hidden).layer(activation)).dense(10);
    let digits = data::digits().select(&(0..ROWS).collect::<Vec<_>>());
    let mut trainer = Trainer::builder(network)
        .loss(Loss::softmax_cross_entropy())
        .optimizer(Sgd::new(0.01))
        .preprocessing(wgrad::Standardization::fit(&digits)?)
        .batch(ROWS)
        .seed(7)
        .build(&Device::cpu())?;
    trainer.step(&digits.input(), digits.class_indices().unwrap_or_default())?.value()?;
    let gradients = trainer.gradients()?;
    let weights = gradients.iter().filter(|gradient| gradient.name.ends_with("weight"));
    Ok(weights.map(|weight| weight.values.iter().map(|g| f64::from(*g).powi(2)).sum::<f64>().sqrt()).collect())
}
