//! Tests of the GPU executor against the reference, op by op, on any available adapter.
//!
//! With a software driver all tests pass. Without any adapter they also pass and print what was not run, unless
//! `WGRAD_GPU=require`.

#![cfg(feature = "gpu")]

mod accumulate;
#[path = "../common/accumulation.rs"]
mod accumulation;
#[path = "../common/accuracy.rs"]
mod accuracy;
#[path = "../common/gpu.rs"]
mod common;
mod dense;
mod devices;
mod errors;
#[path = "../common/executor.rs"]
mod executor;
mod free_run;
mod fused_step;
mod kernels;
mod limits;
mod many_rows;
mod mechanism;
mod mutants;
#[path = "../common/oracle.rs"]
mod oracle;
#[path = "../common/overflow.rs"]
mod overflow;
mod plans;
#[path = "../common/problem.rs"]
mod problem;
mod profile;
mod sabotage;
mod traffic;
mod trainer;
mod tuning;
mod update;
mod verify;
