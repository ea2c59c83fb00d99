//! Trains dense networks on any GPU through WGSL, and on the CPU.

#![deny(missing_docs)]

pub mod data;
pub mod error;
pub mod init;
pub mod loss;
pub mod network;
pub mod optim;
pub mod rng;
pub mod schedule;
pub mod shape;
mod text;

pub use data::{Dataset, Split, Standardisation, Targets};
pub use error::{Error, Result};
pub use init::Init;
pub use loss::Loss;
pub use network::{Activation, Dense, Layer, Network};
pub use optim::{Adam, AdamW, Optimizer, RmsProp, Sgd};
pub use schedule::Schedule;
