//! Trains dense networks, on the CPU and on any GPU through WGSL, and proves its
//! gradients.
//!
//! Three types carry a training: a [`Network`] says which layers there are, a [`Trainer`] changes its parameters on a
//! [`Device`], and a [`Model`] is what comes out.
//!
//! ```
//! use wgrad::{Adam, Dense, Device, Fit, Loss, Network, Split, Trainer, data};
//!
//! # fn main() -> wgrad::Result<()> {
//! let (train, validation, test) = data::digits().split(Split::parts(0.7, 0.15).seed(7))?;
//! let network = Network::input(64).dense(128).relu().dropout(0.1).layer(Dense::new(10));
//! let mut trainer = Trainer::builder(network)
//!     .loss(Loss::SoftmaxCrossEntropy)
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
//! # How it works
//!
//! A spec is plain data. [`lower::lower`] turns it into a [`plan::Plan`]: primitive ops over named views of
//! memory. [`fuse::fuse`] makes few big ops of them, [`specialize::specialize`] fits the plan to a device's limits, and
//! an [`exec::Executor`] runs it. Each op is a run of a [`plan::Kernel`], which declares what it binds and how far
//! rounding can carry its results; its reference implementation is the truth that [`exec::lockstep`] holds every device to, element
//! by element.
//!
//! # What is promised
//!
//! - The same seed on the same device gives the same bits, for any number of threads and any grouping of steps.
//! - Names, formulas and defaults are PyTorch's; where they are not, the documentation says so and why.
//! - Bad input is an [`Error`] that says what, where, both numbers and the remedy. A number that becomes infinite or
//!   NaN stops training before the bad step, and the message names op and layer.
//! - A training that goes on from a [`Checkpoint`] gives the bits of one that was never stopped.
//! - The library prints nothing; its clocks say when a checkpoint is due, how many steps a submission has, and what a
//!   profile shows, and no arithmetic depends on them. Who asks for a [tuning](tune) has tiles that a clock has chosen: plain
//!   data, which give the same bits each time, and stand in checkpoints.

#![deny(missing_docs)]

pub mod data;
pub mod device;
pub mod error;
pub mod exec;
pub mod fuse;
pub mod init;
pub mod kernels;
pub mod loss;
pub mod lower;
pub mod model;
pub mod network;
pub mod numeric;
pub mod optim;
pub mod plan;
mod replace;
pub mod rng;
pub mod schedule;
pub mod shape;
pub mod specialize;
mod text;
pub mod trainer;
pub mod tune;
pub mod verify;

pub use data::{Dataset, Split, Standardization, Targets};
pub use device::Device;
pub use error::{Error, Result};
pub use init::Init;
pub use loss::Loss;
pub use model::{Model, Tensor};
pub use network::{Activation, Dense, Layer, Network};
pub use optim::{Adam, AdamW, Optimizer, RmsProp, Sgd};
pub use schedule::Schedule;
pub use trainer::{Checkpoint, Checkpoints, Epoch, Evaluation, Fit, History, Progress, Restored, StepLoss, Trainer};

/// The README's program, so that it compiles; the one on the front page above runs.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
