//! Trains dense networks on any GPU through WGSL, and on the CPU.

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
pub mod rng;
pub mod schedule;
pub mod shape;
pub mod specialize;
mod text;
pub mod trainer;

pub use data::{Dataset, Split, Standardisation, Targets};
pub use device::Device;
pub use error::{Error, Result};
pub use init::Init;
pub use loss::Loss;
pub use model::{Model, Tensor};
pub use network::{Activation, Dense, Layer, Network};
pub use optim::{Adam, AdamW, Optimizer, RmsProp, Sgd};
pub use schedule::Schedule;
pub use trainer::{Epoch, Evaluation, Fit, Flow, History, Progress, Trainer};
