//! Naming, choosing and sharing of devices, and devices that a program has opened itself.

use wgrad::exec::Executor;
use wgrad::exec::gpu::{AdapterKind, Gpu, GpuDevice, GpuOptions, wgpu};
use wgrad::lower::TrainingSpec;
use wgrad::plan::Plan;
use wgrad::specialize::FusedStep;
use wgrad::{Device, Error, Loss, Network, Sgd};

use crate::common::{adapter_name, device, open};
use crate::plans::{ADAM, adamw_plan, fill_adamw, read};

#[test]
fn part_of_a_name_in_any_case_is_enough() {
    let Some(name) = adapter_name() else { return };
    let part: String = name.to_uppercase().chars().take(5).collect();
    let device = Device::named(&part).expect("the adapter is there");
    assert!(device.is_gpu());
    assert!(device.to_string().to_uppercase().contains(&part), "{device}");
    assert_eq!(device.reason(), "requested");
    assert_eq!(part.parse::<Device>().expect("the same").to_string(), device.to_string());
}

#[test]
fn an_index_names_an_adapter_and_a_device_opened_anew_stays_on_it() {
    let Some(_) = adapter_name() else { return };
    for (index, adapter) in GpuDevice::list().into_iter().enumerate() {
        let device = Device::named(&index.to_string()).expect("the adapter is there");
        let whole = device.clone().with_fused_step(FusedStep::Always).expect("it opens again");
        for device in [device.clone().timed().unwrap_or(device), whole] {
            assert_eq!(device.as_gpu().expect("it is one").adapter(), &adapter);
        }
    }
    let count = GpuDevice::list().len();
    let message = Device::named(&count.to_string()).expect_err("there are no more").to_string();
    assert!(message.contains("an adapter by its index or part of its name: 0: `"), "{message}");
}

#[test]
fn auto_and_gpu_take_no_software_adapter() {
    let real = GpuDevice::list().iter().any(|adapter| adapter.kind != AdapterKind::Software);
    let auto = Device::auto().expect("there is always the CPU");
    println!("auto takes {auto}: {}", auto.reason());
    match Device::gpu() {
        Ok(gpu) => {
            assert!(real, "{gpu} is no GPU");
            assert_eq!(auto.to_string(), gpu.to_string());
        }
        Err(error) => {
            assert!(!real || !error.to_string().contains("no GPU"), "{error}");
            assert!(!auto.is_gpu());
            assert!(error.to_string().contains(auto.reason()), "{error} / {}", auto.reason());
        }
    }
}

#[test]
fn unknown_names_list_what_is_there() {
    for name in ["no such device", ""] {
        let error = Device::named(name).expect_err("nothing is called so");
        assert!(matches!(error, Error::Unknown { .. }), "{error}");
        assert!(error.to_string().contains("auto, cpu, gpu, reference"), "{error}");
    }
    let message = Device::named("no such device").expect_err("nothing is called so").to_string();
    assert!(GpuDevice::list().iter().all(|adapter| message.contains(&adapter.to_string())), "{message}");
}

#[test]
fn clones_share_what_was_compiled() {
    let Some(name) = adapter_name() else { return };
    let first = open(&name, GpuOptions::default());
    let compiled = |gpu: &GpuDevice| Gpu::new(gpu, adamw_plan(&ADAM, 64)).expect("the plan fits").counters().pipelines;
    assert_eq!(compiled(&first), 1);
    let shared = Device::from(first);
    let clone = shared.clone();
    assert_eq!([&shared, &clone].map(|device| compiled(device.as_gpu().expect("it is one"))), [0, 0]);
}

#[test]
fn only_plans_of_our_own_run_without_checks() {
    let Some(name) = adapter_name() else { return };
    let network = Network::parse(3, "4 relu 2").expect("a network");
    let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Sgd::new(0.1), 8);
    let own = Plan::for_training(&spec).expect("it is sound");
    let mut foreign = own.clone();
    foreign.substitute(|kernel| kernel);
    assert!(own.is_trusted() && !foreign.is_trusted());
    // SAFETY: the shaders are this crate's own.
    let options = [GpuOptions::default(), GpuOptions::checked(), unsafe { GpuOptions::unchecked() }];
    let compiled = options.map(|options| {
        let gpu = open(&name, options);
        [&own, &foreign].map(|plan| Gpu::new(&gpu, plan.clone()).expect("the plan fits").counters().pipelines)
    });
    // The same shaders are compiled again if only one plan's have checks.
    let all = compiled[0][0];
    assert!(all > 0 && compiled == [[all, all], [all, 0], [all, 0]], "{compiled:?}");
}

#[test]
fn an_adapter_says_what_it_offers() {
    let Some(device) = device() else { return };
    let (adapter, limits) = (device.adapter(), device.limits());
    assert_eq!(adapter.limits, limits, "it is opened with all that it offers");
    assert!(limits.storage_buffers >= 8 && limits.invocations >= 128 && limits.binding_bytes >= 1 << 20, "{limits:?}");
    assert_eq!(limits.software, adapter.kind == AdapterKind::Software);
}

/// A program's own device, opened with only the limits that WebGPU guarantees.
fn of_a_renderer(name: &str) -> (wgpu::Adapter, wgpu::Device, wgpu::Queue) {
    let instance = wgpu::Instance::new(wgpu::InstanceDescriptor::new_without_display_handle());
    let adapters = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let named = |adapter: &wgpu::Adapter| name.starts_with(&adapter.get_info().name);
    let adapter = adapters.into_iter().find(named).expect("the adapter is there");
    let opened = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor::default()));
    let (device, queue) = opened.expect("the adapter opens");
    (adapter, device, queue)
}

#[test]
fn a_renderers_device_computes_the_same() {
    let (Some(name), Some(own)) = (adapter_name(), device()) else { return };
    let (adapter, device, queue) = of_a_renderer(&name);
    let shared = Device::from_wgpu(adapter, device.clone(), queue);
    assert_eq!(shared.to_string(), own.adapter().to_string());
    let guest = shared.as_gpu().expect("it is one");
    assert_eq!(guest.limits().storage_buffers, 8, "the limits are those it was opened with");
    let state = |gpu: &GpuDevice| {
        let mut gpu = Gpu::new(gpu, adamw_plan(&ADAM, 192)).expect("the plan fits");
        fill_adamw(&mut gpu, 192, 1.0);
        read(&mut gpu, "parameter")
    };
    assert_eq!(state(guest), state(&own));
    // Its owner destroys it: an error, no panic.
    device.destroy();
    let lost = Gpu::new(guest, adamw_plan(&ADAM, 192)).and_then(|mut gpu| {
        let view = crate::plans::find(gpu.plan(), "parameter");
        gpu.read(view, 0)?.wait()
    });
    let message = lost.expect_err("it is lost").to_string();
    assert!(message.contains(": the device was lost; reopen it, and resume"), "{message}");
}
