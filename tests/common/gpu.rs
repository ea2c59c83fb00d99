//! The device that GPU tests run on.
//!
//! `WGRAD_TEST_ADAPTER` names it (any part of its spec); else it is the best adapter there is, a software one
//! if there is no other. Where there is none, tests say so and pass, unless `WGRAD_GPU=require`.

use std::sync::OnceLock;

use wgrad::exec::gpu::{GpuDevice, GpuOptions};
use wgrad::specialize::FusedStep;

/// The name that selects the device under test; `None` where there is no adapter.
pub fn adapter_name() -> Option<String> {
    static NAME: OnceLock<Option<String>> = OnceLock::new();
    let first = || GpuDevice::list().first().map(ToString::to_string);
    let name = NAME.get_or_init(|| std::env::var("WGRAD_TEST_ADAPTER").ok().or_else(first)).clone();
    if name.is_none() {
        assert!(std::env::var_os("WGRAD_GPU").is_none_or(|v| v != "require"), "WGRAD_GPU=require, but there is no GPU");
        let thread = std::thread::current();
        println!("not run: {}: there is no GPU adapter", thread.name().unwrap_or("a test"));
    }
    name
}

/// The device under test, shared by all tests of a program; `None` where there is no adapter.
pub fn device() -> Option<GpuDevice> {
    static DEVICE: OnceLock<GpuDevice> = OnceLock::new();
    let name = adapter_name()?;
    Some(DEVICE.get_or_init(|| open(&name, GpuOptions::default())).clone())
}

/// The same with steps in layers, also where one op would pay: for tests that count ops, name those of a layer or look for
/// their tiles. What tests results alone takes [`device`], whose small networks have fused steps on a GPU.
pub fn layered() -> Option<GpuDevice> {
    static DEVICE: OnceLock<GpuDevice> = OnceLock::new();
    let name = adapter_name()?;
    Some(DEVICE.get_or_init(|| open(&name, in_layers(GpuOptions::default()))).clone())
}

/// Options with steps in layers, like [`layered`].
pub fn in_layers(options: GpuOptions) -> GpuOptions {
    options.fused_step(FusedStep::Never)
}

/// A device of one's own.
pub fn open(name: &str, options: GpuOptions) -> GpuDevice {
    // What tests compile, wrong shaders among it, is nothing to keep.
    GpuDevice::open_with(Some(name), options.without_pipeline_cache()).expect("the adapter under test opens")
}
