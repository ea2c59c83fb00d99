//! Devices for training and prediction: the CPU, a GPU, or the slow reference. They are chosen at run time.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
#[cfg(feature = "gpu")]
use crate::exec::gpu::Gpu;
#[cfg(feature = "gpu")]
pub use crate::exec::gpu::{Adapter, AdapterKind, GpuDevice, GpuOptions};
use crate::exec::{Cpu, Executor, Reference};
use crate::plan::Plan;
use crate::specialize::{DeviceLimits, Machine, specialize};
pub use crate::specialize::{FusedStep, Limits};

/// Device for training and prediction: the CPU, a GPU, or the slow reference. Clones are cheap: all clones of a GPU
/// share the open GPU and its compiled shaders.
///
/// # Examples
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

/// Result of [`Device::reason`] for a device that the caller chose.
const REQUESTED: &str = "requested";

impl Device {
    /// Device names that are known on every machine. [`Device::named`] also accepts the adapters of this machine.
    pub const NAMES: [&str; 4] = ["auto", "cpu", "gpu", "reference"];

    /// Selects the best GPU, or the CPU if there is none. A GPU with its own memory comes before one that shares the
    /// host's memory. Software adapters are never selected. [`Device::reason`] returns the reason for the choice.
    ///
    /// # Errors
    /// This version returns no error: if no GPU can be opened, the CPU is selected.
    ///
    /// # Examples
    /// ```no_run
    /// let device = wgrad::Device::auto()?;
    /// println!("{device}: {}", device.reason());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn auto() -> Result<Self> {
        let reason = match Self::gpu() {
            Ok(gpu) => return Ok(Self { reason: gpu.found(), ..gpu }),
            Err(Error::Device { problem, .. }) => problem,
            Err(error) => error.to_string(),
        };
        Ok(Self { reason, ..Self::cpu() })
    }

    /// Returns the CPU, with one thread per physical core that the process may use.
    ///
    /// # Examples
    /// ```
    /// assert!(wgrad::Device::cpu().thread_count() >= Some(1));
    /// ```
    pub fn cpu() -> Self {
        // Only `num_cpus::get` respects the limits of containers.
        let threads = num_cpus::get_physical().min(num_cpus::get()).max(1);
        Self { kind: Kind::Cpu { threads }, reason: REQUESTED.into() }
    }

    /// Returns the reference device, which runs plain loops on one CPU thread. It is slow. The results of all other
    /// devices are checked against its results.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Device::reference().to_string(), "reference");
    /// ```
    pub fn reference() -> Self {
        Self { kind: Kind::Reference, reason: REQUESTED.into() }
    }

    /// Opens the best GPU of this machine, chosen as by [`Device::auto`]; never a software adapter.
    ///
    /// # Errors
    /// There is no GPU (the message lists the adapters); the driver cannot open it; the build lacks the feature `gpu`.
    ///
    /// # Examples
    /// ```no_run
    /// assert!(wgrad::Device::gpu()?.is_gpu());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn gpu() -> Result<Self> {
        Self::adapter(None)
    }

    /// Opens a device by name: `auto`, `cpu`, `gpu`, `reference`, or an adapter of this machine. An adapter is named by
    /// its index (`1`) or by part of its description (`llvmpipe`), ignoring case. `llvmpipe#1` is the second adapter
    /// that matches. A software adapter is opened only if an adapter name is given.
    ///
    /// # Errors
    /// The name is unknown (the message lists the devices) or matches several adapters; the driver cannot open the
    /// device.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Device;
    /// assert_eq!(Device::named("reference")?.to_string(), "reference");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
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
                Err(unknown(&name, &format!(", or an adapter by its index or part of its name: {known}")))
            }
            Err(error) => Err(error),
        }
    }

    #[cfg(not(feature = "gpu"))]
    fn adapter(name: Option<&str>) -> Result<Self> {
        let problem = "this build has no GPU support";
        match name {
            Some(name) => Err(unknown(name, &format!(" ({problem})"))),
            None => Err(Error::Device {
                device: "gpu".into(),
                problem: problem.into(),
                remedy: "build with the feature `gpu`, or use the CPU".into(),
            }),
        }
    }

    /// Sets the number of CPU threads, from 1 to 1024. Other numbers are an error when an executor is created. Other
    /// devices are returned unchanged. The results of training have the same bits for any number of threads.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Device;
    /// assert_eq!(Device::cpu().threads(4).thread_count(), Some(4));
    /// assert_eq!(Device::reference().threads(4).thread_count(), None);
    /// ```
    pub fn threads(mut self, threads: usize) -> Self {
        if let Kind::Cpu { threads: current } = &mut self.kind {
            *current = threads;
        }
        self
    }

    /// Enables the measurement of each op's time, which profiling on a GPU needs. A GPU that was opened without
    /// timestamps is opened again; other devices are returned unchanged.
    ///
    /// # Errors
    /// The GPU does not support timestamps, or the driver cannot open it again.
    ///
    /// # Examples
    /// ```
    /// let device = wgrad::Device::cpu().threads(1).timed()?;
    /// assert_eq!(device.to_string(), "cpu, 1 thread");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn timed(self) -> Result<Self> {
        #[cfg(feature = "gpu")]
        if let Kind::Gpu(gpu) = &self.kind {
            return Ok(Self { kind: Kind::Gpu(gpu.timed()?), reason: self.reason });
        }
        Ok(self)
    }

    /// Sets when a GPU uses a fused step, which runs the forward pass, loss and backward pass of a small network in one
    /// op. The default is [`FusedStep::WhereItPays`]. The GPU is opened again if the choice changes. Other devices have
    /// no fused steps and are returned unchanged.
    ///
    /// # Errors
    /// The driver cannot open the GPU again.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Device, specialize::FusedStep};
    /// let device = Device::cpu().threads(1).with_fused_step(FusedStep::Never)?;
    /// assert_eq!(device.to_string(), "cpu, 1 thread");
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn with_fused_step(self, choice: FusedStep) -> Result<Self> {
        #[cfg(feature = "gpu")]
        if let Kind::Gpu(gpu) = &self.kind {
            return Ok(Self { kind: Kind::Gpu(gpu.with_fused_step(choice)?), reason: self.reason });
        }
        let _ = choice;
        Ok(self)
    }

    /// Returns the number of threads of the CPU; `None` for other devices.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Device::cpu().threads(2).thread_count(), Some(2));
    /// ```
    pub fn thread_count(&self) -> Option<usize> {
        match self.kind {
            Kind::Cpu { threads } => Some(threads),
            _ => None,
        }
    }

    /// Returns a description of the properties that the bits of results depend on. For the CPU these are operating
    /// system, architecture and instruction sets, but not the number of threads. For a GPU they are the adapter's name
    /// and graphics API.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Device;
    /// assert_eq!(Device::cpu().threads(1).arithmetic(), Device::cpu().threads(8).arithmetic());
    /// ```
    pub fn arithmetic(&self) -> String {
        match &self.kind {
            Kind::Cpu { .. } => format!("cpu ({})", processor()),
            Kind::Reference => format!("reference ({})", processor()),
            #[cfg(feature = "gpu")]
            Kind::Gpu(gpu) => gpu.adapter().to_string(),
        }
    }

    /// Returns the GPU's adapter and driver, and the version of wgrad. Measurements of [`tune`](crate::tune) are valid
    /// only on an equal machine. `None` for the CPU and the reference.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Device::cpu().machine(), None);
    /// ```
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

    /// Returns the reason why [`Device::auto`] selected this device, or `requested` if the caller chose it.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::Device::cpu().reason(), "requested");
    /// ```
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// Returns true for a GPU and for a software adapter, and false for the CPU and the reference.
    ///
    /// # Examples
    /// ```
    /// assert!(!wgrad::Device::cpu().is_gpu());
    /// ```
    pub fn is_gpu(&self) -> bool {
        !matches!(self.kind, Kind::Cpu { .. } | Kind::Reference)
    }

    /// Returns true for a software adapter: a driver that runs shaders on the CPU, such as llvmpipe.
    ///
    /// # Examples
    /// ```
    /// assert!(!wgrad::Device::cpu().is_software());
    /// ```
    pub fn is_software(&self) -> bool {
        matches!(self.limits(), DeviceLimits::Gpu(limits) if limits.software)
    }

    /// Returns the open GPU; `None` for the CPU and the reference.
    ///
    /// # Examples
    /// ```
    /// assert!(wgrad::Device::cpu().as_gpu().is_none());
    /// ```
    #[cfg(feature = "gpu")]
    pub fn as_gpu(&self) -> Option<&GpuDevice> {
        match &self.kind {
            Kind::Gpu(gpu) => Some(gpu),
            Kind::Cpu { .. } | Kind::Reference => None,
        }
    }

    /// Returns the reason why `auto` selected this device.
    fn found(&self) -> String {
        #[cfg(feature = "gpu")]
        if let Some(gpu) = self.as_gpu() {
            return format!("best adapter of this machine: {}", gpu.adapter().kind.name());
        }
        self.reason.clone()
    }

    /// Fits a plan to this device; see [`specialize()`].
    ///
    /// # Errors
    /// An op exceeds a limit of the device. The message has the needed and the allowed number.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{TrainingSpec, internals::lower::lower};
    /// use wgrad::{Adam, Device, Loss, Network};
    /// let spec = TrainingSpec::new(Network::input(2).dense(1), Loss::mean_squared_error(), Adam::new(1e-3), 4);
    /// let plan = Device::cpu().specialize(lower(&spec)?)?;
    /// assert!(plan.find("loss").is_some());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn specialize(&self, plan: Plan) -> Result<Plan> {
        specialize(plan, &self.limits())
    }

    /// Returns the device's limits, to which plans are fitted.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Device, specialize::DeviceLimits};
    /// assert_eq!(Device::cpu().limits(), DeviceLimits::Cpu);
    /// ```
    pub fn limits(&self) -> DeviceLimits {
        #[cfg(feature = "gpu")]
        if let Some(gpu) = self.as_gpu() {
            return DeviceLimits::Gpu(gpu.limits());
        }
        DeviceLimits::Cpu
    }

    /// Returns true for the CPU with its fast kernels, and false for the reference and GPUs.
    pub(crate) fn is_cpu(&self) -> bool {
        matches!(self.kind, Kind::Cpu { .. })
    }

    /// Creates an executor with memory for `plan` on this device.
    ///
    /// # Errors
    /// The device cannot hold or run the plan.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{TrainingSpec, internals::lower::lower};
    /// use wgrad::{Adam, Device, Loss, Network};
    /// let spec = TrainingSpec::new(Network::input(2).dense(1), Loss::mean_squared_error(), Adam::new(1e-3), 4);
    /// let executor = Device::reference().executor(lower(&spec)?)?;
    /// assert!(executor.plan().find("loss").is_some());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn executor(&self, plan: Plan) -> Result<Box<dyn Executor>> {
        Ok(match &self.kind {
            Kind::Cpu { threads } => Box::new(Cpu::new(plan, *threads)?),
            Kind::Reference => Box::new(Reference::new(plan)?),
            #[cfg(feature = "gpu")]
            Kind::Gpu(gpu) => Box::new(Gpu::new(gpu, plan)?),
        })
    }
}

/// Returns the operating system, the architecture, and those instruction sets on which the choice of CPU kernels
/// depends.
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

/// Returns the error for an unknown device name; `also` lists further names.
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
        Self { kind: Kind::Gpu(gpu), reason: REQUESTED.into() }
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

    /// Opens a device by name, like [`Device::named`].
    fn from_str(text: &str) -> Result<Self> {
        Self::named(text)
    }
}
