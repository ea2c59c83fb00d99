//! Where training runs: a plain value, chosen at run time.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};
use crate::exec::{Cpu, Executor, Reference};
use crate::plan::Plan;
use crate::specialize::{Target, specialize};

/// A device to train on.
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
    Cpu { threads: usize },
    Reference,
}

const NAMES: [&str; 4] = ["auto", "cpu", "gpu", "reference"];

impl Device {
    /// The fastest device that this version can train on; [`Device::reason`] says why it was chosen.
    ///
    /// # Errors
    /// None in this version; later ones may find a device that does not answer.
    pub fn auto() -> Result<Self> {
        Ok(Self {
            reason: "this version trains on the CPU; its GPU backend does not have all kernels yet".into(),
            ..Self::cpu()
        })
    }

    /// The CPU, with as many threads as the system says it can run at once.
    pub fn cpu() -> Self {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        Self { kind: Kind::Cpu { threads }, reason: "asked for".into() }
    }

    /// The CPU with plain loops on one thread: slow, and what all else is judged by.
    pub fn reference() -> Self {
        Self { kind: Kind::Reference, reason: "asked for".into() }
    }

    /// The same device with `threads` threads; the result of training has the same bits for any number.
    pub fn threads(mut self, threads: usize) -> Self {
        if let Kind::Cpu { threads: current } = &mut self.kind {
            *current = threads;
        }
        self
    }

    /// Why this device was chosen.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// An executor with memory for `plan` on this device.
    ///
    /// # Errors
    /// A device that cannot hold or run the plan.
    pub fn executor(&self, plan: Plan) -> Result<Box<dyn Executor>> {
        let plan = specialize(plan, &Target::Cpu)?;
        Ok(match self.kind {
            Kind::Cpu { threads } => Box::new(Cpu::new(plan, threads)?),
            Kind::Reference => Box::new(Reference::new(plan)?),
        })
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Cpu { threads: 1 } => f.write_str("cpu, 1 thread"),
            Kind::Cpu { threads } => write!(f, "cpu, {threads} threads"),
            Kind::Reference => f.write_str("reference"),
        }
    }
}

impl FromStr for Device {
    type Err = Error;

    /// Reads `auto`, `cpu` or `reference`; `gpu` is an error in this version.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Self::auto(),
            "cpu" => Ok(Self::cpu()),
            "reference" => Ok(Self::reference()),
            "gpu" => Err(Error::Device {
                device: "gpu".into(),
                problem: "this version cannot train on a GPU yet: only some kernels have shaders".into(),
                remedy: "use `--device cpu`".into(),
            }),
            name => Err(Error::unknown("device", name, &NAMES)),
        }
    }
}
