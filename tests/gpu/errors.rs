//! Failures are an `Err` with a message, never a panic.

use std::process::{Command, Output};

use wgrad::Device;
use wgrad::exec::Executor;
use wgrad::exec::gpu::{AdapterKind, Gpu, GpuDevice, GpuOptions};
use wgrad::kernels::dropout::Mask;
use wgrad::kernels::{self, dense_forward};
use wgrad::network::Activation;
use wgrad::plan::{Contents, Plan, Section, Tile};
use wgrad::shape::{Dtype, Shape};

use crate::common::{adapter_name, device, open};
use crate::plans::{ADAM, Dense, adamw_plan, fill_adamw, find, read, run, step};
use crate::sabotage::tampered;

/// Runs one test of this program again, with an environment variable that it reads.
fn again(test: &str, variable: &str, value: impl AsRef<std::ffi::OsStr>) -> Output {
    let program = std::env::current_exe().expect("a test knows its program");
    let mut inner = Command::new(program);
    inner.args(["--exact", test, "--nocapture"]).env(variable, value).output().expect("the test program runs")
}

fn message<T>(result: wgrad::Result<T>) -> String {
    result.err().expect("this must be an error").to_string()
}

#[test]
fn an_unknown_adapter_is_answered_with_those_present() {
    let message = message(GpuDevice::open(Some("no such adapter")));
    println!("{message}");
    assert!(message.contains("no such adapter"), "{message}");
    let present = GpuDevice::list();
    assert!(present.iter().all(|adapter| message.contains(&adapter.to_string())), "{message}");
}

#[test]
fn a_rejected_shader_is_an_error() {
    let Some(device) = device() else { return };
    let mut plan = adamw_plan(&ADAM, 64);
    let kernel = tampered(
        kernels::update::kernel(&wgrad::elementwise::updates::ADAMW),
        &Tile::PLAIN,
        "let before = load(i);",
        "let before = load(nothing);",
    );
    plan.substitute(|_| kernel);
    let message = message(Gpu::new(&device, plan));
    assert!(message.contains("shader of update_adamw") && message.contains("nothing"), "{message}");
    // The device still works.
    Gpu::new(&device, adamw_plan(&ADAM, 64)).expect("the plan fits");
}

#[test]
fn too_large_plans_are_refused_before_memory_is_taken() {
    let Some(device) = device() else { return };
    let (limits, inputs) = (device.limits(), 1024);
    let outputs = limits.binding_bytes as usize / (4 * inputs) + 1;
    let message = message(Gpu::new(&device, Dense::new(1, inputs, outputs).plan(Activation::identity(), Mask::NONE)));
    assert!(message.contains(&format!("the device allows {}", limits.binding_bytes)), "{message}");
}

#[test]
fn views_that_no_device_can_bind_are_refused() {
    let Some(device) = device() else { return };
    let mut plan = Plan::new();
    let allocation = plan.allocate("all", Dtype::F32, 64, Contents::Host);
    let input = plan.view("input", allocation, 3, Shape::new(1, 3));
    let weight = plan.tensor("weight", Dtype::F32, Shape::new(2, 3), Contents::Host);
    let bias = plan.tensor("bias", Dtype::F32, Shape::vector(2), Contents::Host);
    let output = plan.tensor("output", Dtype::F32, Shape::new(1, 2), Contents::Computed);
    let identity = Activation::identity();
    let op = dense_forward::op(&plan, identity, Mask::NONE, input, weight, bias, output, None);
    plan.push(Section::Evaluate, op).expect("the plan is sound");
    let message = message(Gpu::new(&device, plan));
    assert!(message.contains("input begins at element 3") && message.contains("multiples of 64"), "{message}");
}

#[test]
fn window_batches_that_are_not_there_are_refused() {
    let Some(device) = device() else { return };
    let mut gpu = Gpu::new(&device, adamw_plan(&ADAM, 64)).expect("the plan fits");
    let message = message(gpu.submit(&[step(1)], &[run(Section::Update, 1)]));
    assert!(message.contains("section update: batch of the submission is 1"), "{message}");
}

#[test]
fn a_lost_device_is_an_error_everywhere() {
    let Some(name) = adapter_name() else { return };
    type Call = fn(&GpuDevice, &mut Gpu) -> wgrad::Result<()>;
    let calls: [Call; 6] = [
        |_, gpu| gpu.submit(&[step(1)], &[run(Section::Update, 0)]),
        |_, gpu| gpu.submit_op(&[step(1)], run(Section::Update, 0), 0),
        |_, gpu| gpu.write(find(gpu.plan(), "m"), 0, &[0]),
        |_, gpu| gpu.read(find(gpu.plan(), "m"), 0)?.wait().map(drop),
        |_, gpu| gpu.adopt(adamw_plan(&ADAM, 64)),
        |device, _| Gpu::new(device, adamw_plan(&ADAM, 64)).map(drop),
    ];
    for call in calls {
        let device = open(&name, GpuOptions::default());
        let mut gpu = Gpu::new(&device, adamw_plan(&ADAM, 64)).expect("the plan fits");
        fill_adamw(&mut gpu, 64, 1.0);
        let view = find(gpu.plan(), "m");
        let [mut polled, waited] = [0, 1].map(|_| gpu.read(view, 0).expect("the device answers"));
        device.lose();
        // Submitted work may still arrive, but no call may wait forever.
        let _ = (polled.poll(), waited.wait());
        let message = message(call(&device, &mut gpu));
        assert!(message.contains(": the device was lost; reopen it, and resume"), "{message}");
    }
}

/// Runs under a limit of the address space, from which software drivers take their memory.
#[cfg(target_os = "linux")]
#[test]
fn want_of_memory_is_an_error() {
    const TEST: &str = "errors::want_of_memory_is_an_error";
    const INNER: &str = "WGRAD_TEST_LITTLE_MEMORY";
    const KIBIBYTES: usize = 4 << 20;
    const WORDS: usize = 64 << 20;
    let Some(device) = device() else { return };
    if device.adapter().kind != AdapterKind::Software {
        println!("not run: memory of {} is not the process's", device.adapter());
        return;
    }
    if std::env::var_os(INNER).is_none() {
        let program = std::env::current_exe().expect("a test knows its program");
        let script = format!("ulimit -v {KIBIBYTES} && exec \"$0\" --exact {TEST} --nocapture");
        let inner = Command::new("sh").args(["-c", &script]).arg(program).env(INNER, "1").output().expect("a shell");
        let output = String::from_utf8_lossy(&inner.stdout);
        println!("{output}");
        assert!(inner.status.success(), "{output}{}", String::from_utf8_lossy(&inner.stderr));
        return;
    }
    let plan = || {
        let mut plan = Plan::new();
        plan.tensor("much", Dtype::F32, Shape::vector(WORDS), Contents::Persistent(0));
        plan
    };
    let mut held = Vec::new();
    let message = loop {
        assert!(held.len() * WORDS < KIBIBYTES << 8, "more was had than there is");
        match Gpu::new(&device, plan()) {
            Ok(gpu) => held.push(gpu),
            Err(error) => break error.to_string(),
        }
    };
    println!("after {} allocations: {message}", held.len());
    let wanted = format!("memory for much ({} bytes): out of memory; use a smaller batch", 4 * WORDS);
    assert!(message.contains(&wanted) && !held.is_empty(), "{message}");
    // After the memory is freed, training can continue.
    drop(held);
    Gpu::new(&device, adamw_plan(&ADAM, 64)).expect("there is memory again");
}

#[test]
fn shaders_can_be_dumped() {
    let Some(_) = adapter_name() else { return };
    if std::env::var_os("WGRAD_DUMP_WGSL").is_some() {
        // Inner run: compiles something.
        let mut gpu = Gpu::new(&device().expect("there is an adapter"), adamw_plan(&ADAM, 64)).expect("the plan fits");
        read(&mut gpu, "m");
        return;
    }
    let folder = tempfile::tempdir().expect("the temporary folder can be written");
    let inner = again("errors::shaders_can_be_dumped", "WGRAD_DUMP_WGSL", folder.path());
    assert!(inner.status.success(), "{}", String::from_utf8_lossy(&inner.stdout));
    let files: Vec<_> = std::fs::read_dir(folder.path()).expect("the folder is there").flatten().collect();
    assert_eq!(files.len(), 1);
    let text = std::fs::read_to_string(files[0].path()).expect("the file was just written");
    let shader = kernels::update::kernel(&wgrad::elementwise::updates::ADAMW).shader;
    assert_eq!(text, shader.wgsl(&adamw_plan(&ADAM, 64).ops(Section::Update)[0]));
}

/// Gives the Vulkan loader drivers that do not exist. Other graphics APIs ignore that.
#[test]
fn a_machine_without_adapters_trains_on_the_cpu() {
    const DRIVERS: &str = "VK_DRIVER_FILES";
    const NONE: &str = "no-such-driver.json";
    if std::env::var_os(DRIVERS).is_none_or(|drivers| drivers != NONE) {
        let inner = again("errors::a_machine_without_adapters_trains_on_the_cpu", DRIVERS, NONE);
        let output = String::from_utf8_lossy(&inner.stdout);
        println!("{output}");
        assert!(inner.status.success(), "{output}{}", String::from_utf8_lossy(&inner.stderr));
        return;
    }
    let present = GpuDevice::list();
    if !present.is_empty() {
        println!("not run: there are adapters that are not Vulkan's: {present:?}");
        return;
    }
    let missing = message(Device::gpu());
    println!("{missing}");
    assert!(missing.contains("this machine has no GPU; adapters: none"), "{missing}");
    let named = message(Device::named("llvmpipe"));
    assert!(named.contains("known: ") && named.contains("part of its name: none"), "{named}");
    let auto = Device::auto().expect("there is always the CPU");
    assert!(!auto.is_gpu() && auto.to_string().starts_with("cpu, "), "{auto}");
    assert!(auto.reason().contains("no GPU; adapters: none"), "{}", auto.reason());
}
