//! `wgrad devices`: devices to compute on, and the one that `auto` takes.

use serde::Serialize;
use wgrad::data::shown;
use wgrad::{Device, Result};

use super::lines::wrapped;
use super::report::Output;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad devices
  wgrad train digits --device radeon     part of a name, upper or lower case
  wgrad train digits --device 1          the GPU with that number
  WGRAD_DEVICE=cpu wgrad train digits

An entry with `software` is a simulated GPU: it computes on the CPU, more slowly
than `--device cpu`, and is meant for tests. `auto` and `gpu` never take it;
`wgrad bench` without --device measures it, too.
";

/// Options of `wgrad devices`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    /// Prints JSON, one object per line
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// Device, as a JSON object. The CPU has no `adapter`, and a GPU has no `threads`.
#[derive(Serialize)]
struct Found {
    event: &'static str,
    name: String,
    kind: &'static str,
    /// `true` if `auto` takes this device.
    auto: bool,
    /// Reason why `auto` takes this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    threads: Option<usize>,
    #[serde(flatten)]
    adapter: Option<Adapter>,
}

/// Properties of a GPU adapter, as its driver reports them.
#[derive(Serialize)]
struct Adapter {
    /// Number for `--device`.
    index: usize,
    /// PCI IDs of the vendor (`vendor`) and of the adapter (`device`).
    vendor: u32,
    device: u32,
    /// Address on the PCI bus, if known.
    #[serde(skip_serializing_if = "String::is_empty")]
    pci: String,
    interface: String,
    driver: String,
    binding_bytes: u64,
    allocation_bytes: u64,
    storage_buffers: u32,
    workgroup_bytes: u32,
    invocations: u32,
    features: Vec<&'static str>,
}

/// Prints all devices.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let auto = Device::auto()?;
    let cpu = Found {
        event: "device",
        name: "cpu".into(),
        kind: "cpu",
        auto: !auto.is_gpu(),
        reason: None,
        threads: Device::cpu().thread_count(),
        adapter: None,
    };
    let mut all = vec![cpu];
    all.extend(adapters(&auto));
    for found in &mut all {
        found.reason = found.auto.then(|| auto.reason().into());
        if arguments.json {
            output.json(found);
        } else {
            print_device(output, found);
        }
    }
    Ok(())
}

#[cfg(feature = "gpu")]
fn adapters(auto: &Device) -> Vec<Found> {
    let mut taken = auto.as_gpu().map(|gpu| gpu.adapter().clone());
    let found = |(index, adapter): (usize, wgrad::exec::gpu::Adapter)| {
        let auto = taken.take_if(|taken| *taken == adapter).is_some();
        let limits = adapter.limits;
        Found {
            event: "device",
            name: adapter.name,
            kind: adapter.kind.name(),
            auto,
            reason: None,
            threads: None,
            adapter: Some(Adapter {
                index,
                vendor: adapter.ids[0],
                device: adapter.ids[1],
                pci: adapter.pci,
                interface: adapter.interface,
                driver: adapter.driver,
                binding_bytes: limits.binding_bytes,
                allocation_bytes: limits.allocation_bytes,
                storage_buffers: limits.storage_buffers,
                workgroup_bytes: limits.workgroup_bytes,
                invocations: limits.invocations,
                features: adapter.features,
            }),
        }
    };
    wgrad::exec::gpu::GpuDevice::list().into_iter().enumerate().map(found).collect()
}

#[cfg(not(feature = "gpu"))]
fn adapters(_: &Device) -> Vec<Found> {
    Vec::new()
}

fn print_device(output: &mut Output, found: &Found) {
    output.line(match (&found.adapter, found.threads) {
        (Some(Adapter { index, interface, pci, .. }), _) => {
            let address = if pci.is_empty() { String::new() } else { format!(", at {pci}") };
            wrapped("", "  ", &shown(&format!("{index}: {}, {interface}, {}{address}", found.name, found.kind)))
        }
        (None, Some(1)) => "cpu, 1 thread".into(),
        (None, threads) => format!("cpu, {} threads", threads.unwrap_or_default()),
    });
    if let Some(reason) = &found.reason {
        output.line(wrapped("  `auto` takes it: ", "    ", &shown(reason)));
    }
    let Some(adapter) = &found.adapter else { return };
    let driver = format!("driver {}, PCI id {:04x}:{:04x}", adapter.driver, adapter.vendor, adapter.device);
    output.line(wrapped("  ", "    ", &shown(&driver)));
    let (binding, allocation) = (size(adapter.binding_bytes), size(adapter.allocation_bytes));
    let (buffers, invocations) = (adapter.storage_buffers, adapter.invocations);
    output.line(format!("  {binding} per binding, {allocation} per allocation, {buffers} storage buffers"));
    output.line(format!("  {} and {invocations} invocations per workgroup", size(adapter.workgroup_bytes.into())));
    let features = if adapter.features.is_empty() {
        "no f16, subgroups or timestamps".into()
    } else {
        adapter.features.join(", ")
    };
    output.line(format!("  {features}"));
}

/// Formats a size in the largest unit that gives a number of at least 1: `128 MiB`, `1.5 GiB`.
fn size(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    // Some drivers report one byte less than a power of two.
    let rounded = bytes.checked_add(1).filter(|next| next.is_power_of_two()).unwrap_or(bytes);
    let unit = (1..units.len()).take_while(|unit| rounded >> (10 * unit) > 0).last().unwrap_or(0);
    let number = rounded as f64 / (1u64 << (10 * unit)) as f64;
    if number.fract() == 0.0 { format!("{number} {}", units[unit]) } else { format!("{number:.1} {}", units[unit]) }
}
