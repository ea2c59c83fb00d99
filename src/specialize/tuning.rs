//! Tiles that were chosen by measuring, as plain data. A plan that they were put into is `specialize`'s as any other: where
//! they say nothing, its heuristic does, and nothing here looks at a clock.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::plan::{Op, Plan, Section, Tile};
use crate::shape::Shape;
use crate::specialize::{DeviceLimits, candidates};

/// Version of the form in files; a reader refuses others.
pub const TUNING_VERSION: u32 = 1;

/// What times are those of: another one makes measurements worth nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The driver's name for the adapter.
    pub adapter: String,
    /// The vendor's number, as PCI has it.
    pub vendor: u32,
    /// The adapter's number, as its vendor has it.
    pub device: u32,
    /// The interface: `vulkan`, `metal`, `dx12`.
    pub interface: String,
    /// The driver, and all that it says of its version.
    pub driver: String,
    /// Version of this crate, whose shaders were measured.
    pub wgrad: String,
}

impl fmt::Display for Machine {
    /// `llvmpipe (LLVM 15.0.6, 256 bits), vulkan, driver llvmpipe Mesa 22.3.6, wgrad 0.1.0`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { adapter, interface, driver, wgrad, .. } = self;
        write!(f, "{adapter}, {interface}, driver {driver}, wgrad {wgrad}")
    }
}

/// A product, and the tile that it is cut by. Kernel and shapes are what tiles are chosen by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The kernel, as plans name it before they are fitted to a device.
    pub kernel: String,
    /// Rows and columns of what it binds, in order.
    pub shapes: Vec<[usize; 2]>,
    /// How it is cut.
    pub tile: Tile,
}

impl Choice {
    /// The choice of a tile for an op with views of these shapes.
    pub fn new(op: &Op, shapes: &[Shape], tile: Tile) -> Self {
        let shapes = shapes.iter().map(|shape| [shape.rows, shape.columns]).collect();
        Self { kernel: op.kernel.name.into(), shapes, tile }
    }

    /// Whether it is one for an op with views of these shapes.
    fn is_for(&self, op: &Op, shapes: &[Shape]) -> bool {
        self.kernel == op.kernel.name
            && shapes.iter().map(|shape| [shape.rows, shape.columns]).eq(self.shapes.iter().copied())
    }

    /// Whether two are for the same product.
    pub fn same_matmul(&self, other: &Self) -> bool {
        self.matmul() == other.matmul()
    }

    fn matmul(&self) -> (&str, &[[usize; 2]]) {
        (&self.kernel, &self.shapes)
    }
}

impl fmt::Display for Choice {
    /// `dense_forward 64×64 128×64 1×128 64×128`, without the tile.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kernel)?;
        self.shapes.iter().try_for_each(|[rows, columns]| write!(f, " {rows}×{columns}"))
    }
}

/// Which tile products have, where that is not left to the heuristic; made by [`Tune`](crate::tune::Tune), or read from a
/// file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tuning {
    /// Where it was measured; nothing for tiles that were not measured, but noted.
    pub machine: Option<Machine>,
    /// One for each product, in the order of kernels and shapes.
    choices: Vec<Choice>,
}

impl Tuning {
    /// These choices; of several for one product, the last.
    pub fn new(machine: Option<Machine>, choices: impl IntoIterator<Item = Choice>) -> Self {
        let mut tuning = Self { machine, choices: Vec::new() };
        choices.into_iter().for_each(|choice| tuning.set(choice));
        tuning
    }

    /// The tiles that products of a plan have on a device, whoever chose them: what a tuning was
    /// [put into](Tuning::cut), and is not yet fitted to it. None on the CPU.
    pub fn of(plan: &Plan, target: &DeviceLimits) -> Self {
        let chosen = matmuls(plan).filter_map(|(op, shapes)| {
            let tile = op.tile.or_else(|| allowed(op, &shapes, target).first().copied());
            Some(Choice::new(op, &shapes, tile?))
        });
        Self::new(None, if *target == DeviceLimits::Cpu { Vec::new() } else { chosen.collect() })
    }

    /// All choices.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.choices.is_empty()
    }

    /// Takes a choice, in place of an earlier one for the same product.
    pub fn set(&mut self, choice: Choice) {
        self.choices.retain(|known| !known.same_matmul(&choice));
        let at = self.choices.partition_point(|known| known.matmul() < choice.matmul());
        self.choices.insert(at, choice);
    }

    /// The tile of an op with views of these shapes, if it says one.
    pub fn tile(&self, op: &Op, shapes: &[Shape]) -> Option<Tile> {
        self.choices.iter().find(|choice| choice.is_for(op, shapes)).map(|choice| choice.tile)
    }

    /// Cuts the products of a plan as it says, before the plan is fitted to a device.
    ///
    /// # Errors
    /// A tile that its product cannot have there; a device that has no tiles.
    pub fn cut(&self, plan: &mut Plan, target: &DeviceLimits) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        if *target == DeviceLimits::Cpu {
            let problem = "it says how a GPU cuts products, but this device is the CPU";
            return Err(Error::conflict("tuning", problem, "leave it out, or name a GPU"));
        }
        for (op, shapes) in matmuls(plan) {
            if let Some(problem) = self.problem(op, &shapes, target) {
                let remedy = "tune anew on this device, or leave the tuning out";
                return Err(Error::conflict("tuning", problem, remedy));
            }
        }
        plan.cut(|op, shapes| self.tile(op, shapes));
        Ok(())
    }

    /// The part of it that [`Tuning::cut`] takes for this plan, and why it does not take the rest.
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

    /// How many different products the steps of a plan have, and for how many it says something.
    pub fn share(&self, plan: &Plan) -> [usize; 2] {
        let mut steps = Self::default();
        let in_steps = plan.ops(Section::Gradients).iter().filter(|op| op.kernel.shader.tiles.is_some());
        in_steps.for_each(|op| steps.set(Choice::new(op, &shapes(plan, op), Tile::PLAIN)));
        let says = |matmul: &&Choice| self.choices.iter().any(|choice| choice.same_matmul(matmul));
        [steps.choices.len(), steps.choices.iter().filter(says).count()]
    }

    /// What keeps an op from having the tile that this says.
    fn problem(&self, op: &Op, shapes: &[Shape], target: &DeviceLimits) -> Option<String> {
        let tile = self.tile(op, shapes)?;
        let allowed = allowed(op, shapes, target);
        (!allowed.contains(&tile)).then(|| {
            let allowed = allowed.iter().map(|tile| format!("`{tile}`")).collect::<Vec<_>>().join(", ");
            format!("{} cannot have the tile `{tile}` on this device, but {allowed}", Choice::new(op, shapes, tile))
        })
    }
}

/// A tuning that was asked for, and how it is meant.
#[derive(Clone, Debug, Default)]
pub(crate) enum TuningPolicy {
    /// None was.
    #[default]
    Nothing,
    /// A tile that cannot be had is an error.
    Pinned(Tuning),
    /// A tile that cannot be had is left to the heuristic.
    Suggested(Tuning),
}

impl TuningPolicy {
    pub(crate) fn is_pinned(&self) -> bool {
        matches!(self, Self::Pinned(_))
    }

    /// What plans are to be cut by, and why it is not all that was suggested.
    pub(crate) fn granted(self, plan: &Plan, target: &DeviceLimits) -> (Tuning, Vec<String>) {
        match self {
            Self::Pinned(tuning) => (tuning, Vec::new()),
            Self::Suggested(tuning) if *target != DeviceLimits::Cpu => tuning.fitting(plan, target),
            Self::Nothing | Self::Suggested(_) => Default::default(),
        }
    }
}

/// The tiles that an op can have on a device, the heuristic's first.
fn allowed(op: &Op, shapes: &[Shape], target: &DeviceLimits) -> Vec<Tile> {
    match target {
        DeviceLimits::Cpu => Vec::new(),
        DeviceLimits::Gpu(limits) => candidates(op, shapes, limits),
    }
}

fn shapes(plan: &Plan, op: &Op) -> Vec<Shape> {
    op.views.iter().map(|view| plan.shape(*view)).collect()
}

/// All ops of a plan that can be cut.
fn matmuls(plan: &Plan) -> impl Iterator<Item = (&Op, Vec<Shape>)> {
    let ops = Section::ALL.into_iter().flat_map(|section| plan.ops(section));
    ops.filter(|op| op.kernel.shader.tiles.is_some()).map(|op| (op, shapes(plan, op)))
}
