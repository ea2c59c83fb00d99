//! Tile sizes that autotuning has measured, as plain data. `specialize` keeps these tiles, and its heuristic chooses
//! the tiles of all other matrix multiplications. Nothing here measures time.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::plan::{Op, Plan, Section, Tile};
use crate::shape::Shape;
use crate::specialize::{DeviceLimits, candidates};

/// Version of the file format; readers reject other versions.
pub const TUNING_VERSION: u32 = 1;

/// GPU, driver and crate version that times were measured with. The measurements are meaningless for any other.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Adapter name that the driver reports.
    pub adapter: String,
    /// PCI number of the vendor.
    pub vendor: u32,
    /// PCI number of the adapter.
    pub device: u32,
    /// Graphics API: `vulkan`, `metal`, `dx12`.
    pub interface: String,
    /// Driver, with its version as the driver reports it.
    pub driver: String,
    /// Version of this crate, whose shaders were measured.
    pub wgrad: String,
}

impl fmt::Display for Machine {
    /// Formats the machine: `llvmpipe (LLVM 15.0.6, 256 bits), vulkan, driver llvmpipe Mesa 22.3.6, wgrad 0.1.0`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { adapter, interface, driver, wgrad, .. } = self;
        write!(f, "{adapter}, {interface}, driver {driver}, wgrad {wgrad}")
    }
}

/// Choice of a tile for one matrix multiplication, which is identified by its kernel and shapes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// Name of the kernel, in a plan that is not fitted to a device yet.
    pub kernel: String,
    /// Rows and columns of the op's views, in order.
    pub shapes: Vec<[usize; 2]>,
    /// Tile sizes for this matrix multiplication.
    pub tile: Tile,
}

impl Choice {
    /// Creates the choice of a tile for an op with views of these shapes.
    pub fn new(op: &Op, shapes: &[Shape], tile: Tile) -> Self {
        let shapes = shapes.iter().map(|shape| [shape.rows, shape.columns]).collect();
        Self { kernel: op.kernel.name.into(), shapes, tile }
    }

    /// Returns `true` if the choice is for an op with views of these shapes.
    fn is_for(&self, op: &Op, shapes: &[Shape]) -> bool {
        self.kernel == op.kernel.name
            && shapes.iter().map(|shape| [shape.rows, shape.columns]).eq(self.shapes.iter().copied())
    }

    /// Returns `true` if both choices are for the same matrix multiplication.
    pub fn same_matmul(&self, other: &Self) -> bool {
        self.matmul() == other.matmul()
    }

    fn matmul(&self) -> (&str, &[[usize; 2]]) {
        (&self.kernel, &self.shapes)
    }
}

impl fmt::Display for Choice {
    /// Formats the matrix multiplication without its tile: `dense_forward 64×64 128×64 1×128 64×128`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kernel)?;
        self.shapes.iter().try_for_each(|[rows, columns]| write!(f, " {rows}×{columns}"))
    }
}

/// Tile sizes that replace the heuristic's for some matrix multiplications; made by [`Tune`](crate::tune::Tune), or
/// read from a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tuning {
    /// Machine that was measured; `None` for tiles that were not measured.
    pub machine: Option<Machine>,
    /// One choice per matrix multiplication, ordered by kernel and shapes.
    choices: Vec<Choice>,
}

impl Tuning {
    /// Creates a tuning of these choices. If several are for one matrix multiplication, the last one counts.
    pub fn new(machine: Option<Machine>, choices: impl IntoIterator<Item = Choice>) -> Self {
        let mut tuning = Self { machine, choices: Vec::new() };
        choices.into_iter().for_each(|choice| tuning.set(choice));
        tuning
    }

    /// Returns the tiles that the matrix multiplications of a plan have on a device: those that a tuning
    /// [set](Tuning::apply), and those that the heuristic chooses. The plan must not be fitted to the device yet. Empty
    /// on the CPU.
    pub fn of(plan: &Plan, target: &DeviceLimits) -> Self {
        let chosen = matmuls(plan).filter_map(|(op, shapes)| {
            let tile = op.tile.or_else(|| allowed(op, &shapes, target).first().copied());
            Some(Choice::new(op, &shapes, tile?))
        });
        Self::new(None, if *target == DeviceLimits::Cpu { Vec::new() } else { chosen.collect() })
    }

    /// Returns all choices, ordered by kernel and shapes.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// Returns `true` if there are no choices.
    pub fn is_empty(&self) -> bool {
        self.choices.is_empty()
    }

    /// Adds a choice, in place of an earlier one for the same matrix multiplication.
    pub fn set(&mut self, choice: Choice) {
        self.choices.retain(|known| !known.same_matmul(&choice));
        let at = self.choices.partition_point(|known| known.matmul() < choice.matmul());
        self.choices.insert(at, choice);
    }

    /// Returns the tile for an op with views of these shapes, if there is a choice for it.
    pub fn tile(&self, op: &Op, shapes: &[Shape]) -> Option<Tile> {
        self.choices.iter().find(|choice| choice.is_for(op, shapes)).map(|choice| choice.tile)
    }

    /// Sets the tiles of a plan's matrix multiplications, before the plan is fitted to a device.
    ///
    /// # Errors
    /// Returns an error if the device does not support the tile of an op. Returns an error if the device is the CPU,
    /// which has no tiles, unless the tuning is empty.
    pub fn apply(&self, plan: &mut Plan, target: &DeviceLimits) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        if *target == DeviceLimits::Cpu {
            let problem = "it has tiles for a GPU, but this device is the CPU";
            return Err(Error::conflict("tuning", problem, "leave it out, or name a GPU"));
        }
        for (op, shapes) in matmuls(plan) {
            if let Some(problem) = self.problem(op, &shapes, target) {
                let remedy = "run `wgrad tune` on this device, or leave the tuning out";
                return Err(Error::conflict("tuning", problem, remedy));
            }
        }
        plan.set_tiles(|op, shapes| self.tile(op, shapes));
        Ok(())
    }

    /// Returns the choices that [`Tuning::apply`] accepts for this plan, and the reasons why it rejects other choices.
    pub fn fitting(mut self, plan: &Plan, target: &DeviceLimits) -> (Self, Vec<String>) {
        let mut problems = BTreeSet::new();
        for (op, shapes) in matmuls(plan) {
            if let Some(problem) = self.problem(op, &shapes, target) {
                self.choices.retain(|choice| !choice.is_for(op, &shapes));
                problems.insert(problem);
            }
        }
        (self, problems.into_iter().collect())
    }

    /// Returns the number of different matrix multiplications in a step of the plan, and the number of those that have
    /// a choice. Matrix multiplications with the same kernel and the same shapes count once.
    pub fn matmul_counts(&self, plan: &Plan) -> [usize; 2] {
        let mut steps = Self::default();
        let in_steps = plan.ops(Section::Gradients).iter().filter(|op| op.kernel.shader.tiles.is_some());
        in_steps.for_each(|op| steps.set(Choice::new(op, &shapes(plan, op), Tile::PLAIN)));
        let says = |matmul: &&Choice| self.choices.iter().any(|choice| choice.same_matmul(matmul));
        [steps.choices.len(), steps.choices.iter().filter(says).count()]
    }

    /// Returns the reason why the device does not support the chosen tile of an op; `None` if it does, or if there is
    /// no choice.
    fn problem(&self, op: &Op, shapes: &[Shape], target: &DeviceLimits) -> Option<String> {
        let tile = self.tile(op, shapes)?;
        let allowed = allowed(op, shapes, target);
        (!allowed.contains(&tile)).then(|| {
            let allowed = allowed.iter().map(|tile| format!("`{tile}`")).collect::<Vec<_>>().join(", ");
            format!("{} cannot have the tile `{tile}` on this device, but {allowed}", Choice::new(op, shapes, tile))
        })
    }
}

/// Tuning that the user asked for, and the treatment of tiles that an op cannot have.
#[derive(Clone, Debug, Default)]
pub(crate) enum TuningPolicy {
    /// No tuning.
    #[default]
    Nothing,
    /// A tile that an op cannot have is an error.
    Pinned(Tuning),
    /// A tile that an op cannot have is left to the heuristic.
    Suggested(Tuning),
}

impl TuningPolicy {
    pub(crate) fn is_pinned(&self) -> bool {
        matches!(self, Self::Pinned(_))
    }

    /// Returns the tuning to apply to plans. Also returns the reasons why entries of a suggested tuning are left out.
    pub(crate) fn resolve(self, plan: &Plan, target: &DeviceLimits) -> (Tuning, Vec<String>) {
        match self {
            Self::Pinned(tuning) => (tuning, Vec::new()),
            Self::Suggested(tuning) if *target != DeviceLimits::Cpu => tuning.fitting(plan, target),
            Self::Nothing | Self::Suggested(_) => Default::default(),
        }
    }
}

/// Returns the tiles that an op can have on a device, the heuristic's choice first.
fn allowed(op: &Op, shapes: &[Shape], target: &DeviceLimits) -> Vec<Tile> {
    match target {
        DeviceLimits::Cpu => Vec::new(),
        DeviceLimits::Gpu(limits) => candidates(op, shapes, limits),
    }
}

fn shapes(plan: &Plan, op: &Op) -> Vec<Shape> {
    op.views.iter().map(|view| plan.shape(*view)).collect()
}

/// Returns all ops of a plan that have tiles.
fn matmuls(plan: &Plan) -> impl Iterator<Item = (&Op, Vec<Shape>)> {
    let ops = Section::ALL.into_iter().flat_map(|section| plan.ops(section));
    ops.filter(|op| op.kernel.shader.tiles.is_some()).map(|op| (op, shapes(plan, op)))
}
