//! The device that GPU tests run on.
//!
//! `WGRAD_TEST_ADAPTER` selects it by any part of its description. By default it is the best adapter, a software one if there is
//! no other. Without an adapter, tests print so and pass, unless `WGRAD_GPU=require`.

use std::sync::OnceLock;

use wgrad::exec::gpu::{GpuDevice, GpuOptions};
use wgrad::specialize::FusedStep;

/// Name that selects the device under test; `None` if there is no adapter.
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

/// Device under test, shared by all tests of a program; `None` if there is no adapter.
pub fn device() -> Option<GpuDevice> {
    static DEVICE: OnceLock<GpuDevice> = OnceLock::new();
    let name = adapter_name()?;
    Some(DEVICE.get_or_init(|| open(&name, GpuOptions::default())).clone())
}

/// Device under test without fused steps: for tests that count ops, name those of a layer or look for their tiles. Tests of
/// results alone use [`device`], on which small networks have fused steps.
pub fn layered() -> Option<GpuDevice> {
    static DEVICE: OnceLock<GpuDevice> = OnceLock::new();
    let name = adapter_name()?;
    Some(DEVICE.get_or_init(|| open(&name, without_fused_step(GpuOptions::default()))).clone())
}

/// Options without fused steps, like [`layered`].
pub fn without_fused_step(options: GpuOptions) -> GpuOptions {
    options.fused_step(FusedStep::Never)
}

/// Opens a separate device.
pub fn open(name: &str, options: GpuOptions) -> GpuDevice {
    // Shaders of tests, some of them wrong, should not be cached.
    GpuDevice::open_with(Some(name), options.without_pipeline_cache()).expect("the adapter under test opens")
}
