//! Where training runs: a plain value, chosen at run time.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::exec::gpu::{Gpu, GpuDevice};
use crate::exec::{Cpu, Executor, Reference};
use crate::plan::Plan;
use crate::specialize::{DeviceLimits, FusedStep, Machine, specialize};

/// A device to train on. Cheap to clone; all clones share one GPU and the shaders compiled for it.
///
/// ```
/// use wgrad::Device;
/// let device = Device::cpu().threads(2);
/// assert_eq!(device.to_string(), "cpu, 2 threads");
/// ```
#[derive(Clone, Debug)]
pub struct Device {
    kind: Kind,
    reason: String,
}

#[derive(Clone, Debug)]
enum Kind {
    Cpu {
        threads: usize,
    },
    Reference,
    #[cfg(feature = "gpu")]
    Gpu(GpuDevice),
}

const ASKED_FOR: &str = "asked for";

impl Device {
    /// Names that do not depend on the machine.
    pub const NAMES: [&str; 4] = ["auto", "cpu", "gpu", "reference"];

    /// A GPU where there is one, the one with its own memory where there are several, and else the CPU: never a
    /// software adapter. [`Device::reason`] says what was found.
    ///
    /// # Errors
    /// None in this version: a GPU that cannot be opened is a reason to take the CPU.
    pub fn auto() -> Result<Self> {
        let reason = match Self::gpu() {
            Ok(gpu) => return Ok(Self { reason: gpu.found(), ..gpu }),
            Err(Error::Device { problem, .. }) => problem,
            Err(error) => error.to_string(),
        };
        Ok(Self { reason, ..Self::cpu() })
    }

    /// The CPU, with a thread for each physical core that the process may use.
    pub fn cpu() -> Self {
        // Limits of containers are known to the second alone.
        let threads = num_cpus::get_physical().min(num_cpus::get()).max(1);
        Self { kind: Kind::Cpu { threads }, reason: ASKED_FOR.into() }
    }

    /// The CPU with plain loops on one thread: slow, and what all else is judged by.
    pub fn reference() -> Self {
        Self { kind: Kind::Reference, reason: ASKED_FOR.into() }
    }

    /// The best GPU of this machine, which is no software adapter.
    ///
    /// # Errors
    /// No GPU, with a list of what is there; a driver that refuses; a build without the feature `gpu`.
    pub fn gpu() -> Result<Self> {
        Self::adapter(None)
    }

    /// The device of that name: `auto`, `cpu`, `gpu`, `reference`, the index of an adapter, `1` say, or part of its
    /// spec, in any case: `llvmpipe`, or `llvmpipe#1`, the second of those. Only so can a software adapter be had.
    ///
    /// # Errors
    /// A name that nothing here has, with a list of those present; one that fits several; a driver that refuses.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "auto" => Self::auto(),
            "cpu" => Ok(Self::cpu()),
            "reference" => Ok(Self::reference()),
            "gpu" => Self::gpu(),
            "" => Err(unknown(name, "")),
            name => Self::adapter(Some(name)),
        }
    }

    #[cfg(feature = "gpu")]
    fn adapter(name: Option<&str>) -> Result<Self> {
        match GpuDevice::open(name) {
            Ok(gpu) => Ok(gpu.into()),
            Err(Error::Unknown { name, known, .. }) => {
                Err(unknown(&name, &format!(", or the number or part of the name of an adapter: {known}")))
            }
            Err(error) => Err(error),
        }
    }

    #[cfg(not(feature = "gpu"))]
    fn adapter(name: Option<&str>) -> Result<Self> {
        let problem = "this build cannot use GPUs";
        match name {
            Some(name) => Err(unknown(name, &format!(" ({problem})"))),
            None => Err(Error::Device {
                device: "gpu".into(),
                problem: problem.into(),
                remedy: "build with the feature `gpu`, or use the CPU".into(),
            }),
        }
    }

    /// The same device with `threads` threads, where it is the CPU; the result of training has the same bits for any
    /// number.
    pub fn threads(mut self, threads: usize) -> Self {
        if let Kind::Cpu { threads: current } = &mut self.kind {
            *current = threads;
        }
        self
    }

    /// The same device, opened so that it can tell when ops begin and end: a GPU is opened anew for that.
    ///
    /// # Errors
    /// A GPU without timestamps; a driver that refuses.
    pub fn timed(self) -> Result<Self> {
        #[cfg(feature = "gpu")]
        if let Kind::Gpu(gpu) = &self.kind {
            return Ok(Self { kind: Kind::Gpu(gpu.timed()?), reason: self.reason });
        }
        Ok(self)
    }

    /// The same device, with narrow networks' steps in one op as `choice` says: a GPU is opened anew for that, and no
    /// other device has such steps.
    ///
    /// # Errors
    /// A driver that refuses.
    pub fn with_fused_step(self, choice: FusedStep) -> Result<Self> {
        #[cfg(feature = "gpu")]
        if let Kind::Gpu(gpu) = &self.kind {
            return Ok(Self { kind: Kind::Gpu(gpu.with_fused_step(choice)?), reason: self.reason });
        }
        let _ = choice;
        Ok(self)
    }

    /// How many threads it computes on, where it is the CPU.
    pub fn thread_count(&self) -> Option<usize> {
        match self.kind {
            Kind::Cpu { threads } => Some(threads),
            _ => None,
        }
    }

    /// What the bits of results depend on, of all that the device is: for the CPU the instructions that it has, and not
    /// the number of threads.
    pub fn arithmetic(&self) -> String {
        match &self.kind {
            Kind::Cpu { .. } => format!("cpu ({})", processor()),
            Kind::Reference => format!("reference ({})", processor()),
            #[cfg(feature = "gpu")]
            Kind::Gpu(gpu) => gpu.adapter().to_string(),
        }
    }

    /// What measurements on it are those of, where it is a GPU.
    pub fn machine(&self) -> Option<Machine> {
        #[cfg(feature = "gpu")]
        if let Some(gpu) = self.as_gpu() {
            let adapter = gpu.adapter();
            return Some(Machine {
                adapter: adapter.name.clone(),
                vendor: adapter.ids[0],
                device: adapter.ids[1],
                interface: adapter.interface.clone(),
                driver: adapter.driver.clone(),
                wgrad: env!("CARGO_PKG_VERSION").into(),
            });
        }
        None
    }

    /// Why this device was chosen.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Whether it is a GPU or a software adapter, and not one of our own executors on the CPU.
    pub fn is_gpu(&self) -> bool {
        !matches!(self.kind, Kind::Cpu { .. } | Kind::Reference)
    }

    /// Whether it is a software adapter: a program on the CPU that stands for a GPU.
    pub fn is_software(&self) -> bool {
        matches!(self.target(), DeviceLimits::Gpu(limits) if limits.software)
    }

    /// The open GPU, where it is one.
    #[cfg(feature = "gpu")]
    pub fn as_gpu(&self) -> Option<&GpuDevice> {
        match &self.kind {
            Kind::Gpu(gpu) => Some(gpu),
            Kind::Cpu { .. } | Kind::Reference => None,
        }
    }

    /// Why a GPU was taken where it was not asked for.
    fn found(&self) -> String {
        #[cfg(feature = "gpu")]
        if let Some(gpu) = self.as_gpu() {
            return format!("the best that this machine has is a {}", gpu.adapter().kind.name());
        }
        self.reason.clone()
    }

    /// A plan as this device runs it.
    ///
    /// # Errors
    /// An op beyond the device's limits, with both numbers.
    pub fn specialize(&self, plan: Plan) -> Result<Plan> {
        specialize(plan, &self.target())
    }

    /// What plans are fitted to.
    pub fn target(&self) -> DeviceLimits {
        #[cfg(feature = "gpu")]
        if let Some(gpu) = self.as_gpu() {
            return DeviceLimits::Gpu(gpu.limits());
        }
        DeviceLimits::Cpu
    }

    /// Returns true for the host with its fast kernels, and false for the reference.
    pub(crate) fn is_cpu(&self) -> bool {
        matches!(self.kind, Kind::Cpu { .. })
    }

    /// An executor with memory for `plan` on this device.
    ///
    /// # Errors
    /// A device that cannot hold or run the plan.
    pub fn executor(&self, plan: Plan) -> Result<Box<dyn Executor>> {
        Ok(match &self.kind {
            Kind::Cpu { threads } => Box::new(Cpu::new(plan, *threads)?),
            Kind::Reference => Box::new(Reference::new(plan)?),
            #[cfg(feature = "gpu")]
            Kind::Gpu(gpu) => Box::new(Gpu::new(gpu, plan)?),
        })
    }
}

/// The processor's family, and those of its instructions that products and functions choose by.
fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    let has = [
        ("avx", std::arch::is_x86_feature_detected!("avx")),
        ("fma", std::arch::is_x86_feature_detected!("fma")),
        ("avx2", std::arch::is_x86_feature_detected!("avx2")),
        ("avx512f", std::arch::is_x86_feature_detected!("avx512f")),
    ];
    #[cfg(not(target_arch = "x86_64"))]
    let has: [(&str, bool); 0] = [];
    let has = has.iter().filter(|(_, has)| *has).map(|(name, _)| format!(" {name}")).collect::<String>();
    format!("{} {}{has}", std::env::consts::OS, std::env::consts::ARCH)
}

/// Nothing here has that name; `also` says what else could have been named.
fn unknown(name: &str, also: &str) -> Error {
    match Error::unknown("device", name, &Device::NAMES) {
        Error::Unknown { kind, name, nearest, known } => {
            Error::Unknown { kind, name, nearest, known: format!("{known}{also}") }
        }
        other => other,
    }
}

#[cfg(feature = "gpu")]
impl From<GpuDevice> for Device {
    fn from(gpu: GpuDevice) -> Self {
        Self { kind: Kind::Gpu(gpu), reason: ASKED_FOR.into() }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Cpu { threads: 1 } => f.write_str("cpu, 1 thread"),
            Kind::Cpu { threads } => write!(f, "cpu, {threads} threads"),
            Kind::Reference => f.write_str("reference"),
            #[cfg(feature = "gpu")]
            Kind::Gpu(gpu) => gpu.adapter().fmt(f),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// The same as [`Device::named`].
    fn from_str(text: &str) -> Result<Self> {
        Self::named(text)
    }
}
