//! Trains dense neural networks (multi-layer perceptrons, MLPs) on the CPU and on any GPU (Vulkan, Metal, DX12) through
//! WGSL compute shaders. [`verify`] checks every gradient against a reference implementation.
//!
//! Five types are enough for most programs:
//!
//! | type | purpose |
//! |---|---|
//! | [`Dataset`] | Rows of numbers with their targets: from arrays, CSV files, images or generators |
//! | [`Network`] | Layers of a network, as plain data |
//! | [`Trainer`] | Parameters of a network on a device; trains, evaluates, saves checkpoints |
//! | [`Model`] | A trained network; predicts, evaluates, is saved and loaded |
//! | [`Device`] | The CPU or a GPU |
//!
//! ```
//! use wgrad::{Adam, Device, Fit, Loss, Network, Split, Trainer, data};
//!
//! # fn main() -> wgrad::Result<()> {
//! let (train, validation, test) = data::digits().split(Split::parts(0.7, 0.15).seed(7))?;
//! let network = Network::input(64).dense(128).relu().dropout(0.1).dense(10);
//! let mut trainer = Trainer::builder(network)
//!     .loss(Loss::softmax_cross_entropy())
//!     .optimizer(Adam::new(1e-3).weight_decay(1e-4))
//!     .batch(64)
//!     .seed(7)
//!     .build(&Device::auto()?)?;
//! let history = trainer.fit(&train, Fit::epochs(30).validate(&validation))?;
//! let accuracy = trainer.evaluate(&test)?.accuracy()?;
//! assert!(accuracy > 0.95, "{accuracy} after {} epochs", history.len());
//! # Ok(())
//! # }
//! ```
//!
//! The command `wgrad` does the same for a table on disk: `wgrad train my_table.csv`.
//!
//! # Guarantees
//!
//! - The same seed on the same device gives bitwise identical results, for any number of threads and of steps per
//!   submission to the device. A run that is resumed from a [`Checkpoint`] equals the uninterrupted one.
//! - Names, formulas and defaults are PyTorch's. Where they differ, the documentation says so and why.
//! - Invalid input is an [`Error`] that states the position, the value found, the limit and a remedy. The library does
//!   not panic.
//! - A NaN or infinite loss or gradient stops training before the parameters change, and the error names the layer.
//! - The library prints nothing. No result depends on a clock, with two exceptions: the tile sizes that
//!   [autotuning](tune) chooses, and the number of epochs under a [time limit](trainer::TimeLimit). Checkpoints store
//!   the tile sizes.
//!
//! # Features
//!
//! `gpu` (default) adds the GPU through wgpu. `cli` (default) adds the command `wgrad`. With `default-features = false`
//! the library trains on the CPU alone.

#![deny(missing_docs)]

mod activation;
pub mod data;
pub mod device;
#[doc(hidden)]
pub mod elementwise;
pub mod error;
#[doc(hidden)]
pub mod exec;
#[doc(hidden)]
pub mod fuse;
pub mod init;
#[doc(hidden)]
pub mod kernels;
mod layer;
pub mod loss;
#[doc(hidden)]
pub mod lower;
pub mod metrics;
mod mix;
pub mod model;
pub mod network;
#[doc(hidden)]
pub mod numeric;
pub mod optim;
#[doc(hidden)]
pub mod plan;
mod replace;
pub mod rng;
pub mod schedule;
#[doc(hidden)]
pub mod shape;
#[doc(hidden)]
pub mod specialize;
mod text;
pub mod trainer;
pub mod tune;
pub mod verify;

/// Internals: **unstable**, and not covered by semantic versioning.
///
/// [`lower`] turns a network into a [`Plan`](internals::plan::Plan): primitive ops over named views of memory. [`fuse`]
/// replaces them by fewer, larger ops. [`specialize`] fits the plan to a device's limits. An
/// [`Executor`](internals::exec::Executor) runs it. Each op runs one [`Kernel`](internals::plan::Kernel), which
/// declares its bindings and the tolerance of its results. [`lockstep`](internals::exec::lockstep) compares every
/// element of every op with the reference implementation. ARCHITECTURE.md explains the design.
pub mod internals {
    #[doc(inline)]
    pub use crate::{elementwise, exec, fuse, kernels, lower, numeric, plan, shape, specialize};
}

#[doc(inline)]
pub use data::Dataset;
#[doc(inline)]
pub use device::Device;
#[doc(inline)]
pub use model::Model;
#[doc(inline)]
pub use network::Network;
#[doc(inline)]
pub use trainer::Trainer;

pub use data::{Split, Standardization, Targets};
pub use error::{Error, Result};
pub use init::Init;
pub use loss::Loss;
pub use lower::TrainingSpec;
pub use mix::Mix;
pub use model::{Evaluation, Labels, Tensor};
pub use network::{Activation, Dense, Gate, Layer};
pub use optim::{
    Adadelta, Adagrad, Adam, AdamW, AdamWScheduleFree, Adamax, Adan, Average, Lamb, Lion, NAdam, Optimizer,
    ParameterGroup, RAdam, RmsProp, Sgd,
};
pub use schedule::Schedule;
pub use trainer::{Checkpoint, Checkpoints, Epoch, Fit, History, Progress, Restored, StepLoss};

/// Compiles the program in README.md as a doc test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
