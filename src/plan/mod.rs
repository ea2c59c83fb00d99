//! A training step as data: which memory there is, what its parts are called, and which ops run on it.
//!
//! A [`Plan`] holds [`Allocation`]s, [`View`]s of them, and [`Op`]s in [`Section`]s. An op names a
//! [`Kernel`], one view for each of the kernel's bindings, and the kernel's parameters as words. The plan
//! knows no particular kernel and no device; every executor runs every plan. [`Plan::push`] checks the
//! invariants that executors rely on (see `check.rs`).

mod accounting;
mod check;
mod kernel;
mod limits;
mod roofline;
mod segments;
mod step;
mod table;
mod tile;

use std::collections::{BTreeSet, HashMap};

pub use accounting::{Rates, Work};
pub use kernel::{
    Access, Binding, BufferArg, Call, CpuKernel, Field, Kernel, MAX_BINDINGS, Shader, StepUse, Tiles, Tolerance,
    Touches, WorkItem, words,
};
pub use limits::{FusedStep, Limits};
pub use roofline::Roofline;
pub(crate) use roofline::roofline_cells;
pub(crate) use segments::Segments;
pub use step::{STEP_BYTES, Step};
pub use tile::{OperandSharing, Tile};

use crate::error::{Error, Result};
use crate::shape::{Dtype, Shape, padded};

/// What fresh memory holds where nothing else is asked for: a NaN, so that a value read before it was written
/// is seen.
pub const POISON: u32 = 0x7FC0_DEAD;

/// The parts of a plan, each run as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Brings the rows of the next steps together; once per submission.
    Window,
    /// Forward, loss, backward; once per batch.
    Gradients,
    /// The optimizer; once per step.
    Update,
    /// Losses of all steps; once per submission.
    Report,
    /// Forward only, without dropout, on rows that the host brings.
    Evaluate,
    /// Loss and correct predictions of the rows that `evaluate` ran on.
    Score,
}

impl Section {
    /// All sections, in the order in which they are pushed and printed.
    pub const ALL: [Self; 6] = [Self::Window, Self::Gradients, Self::Update, Self::Report, Self::Evaluate, Self::Score];

    /// The section's name.
    pub fn name(self) -> &'static str {
        ["window", "gradients", "update", "report", "evaluate", "score"][self as usize]
    }
}

/// Where the contents of an allocation come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// The host writes it; poisoned at first.
    Host,
    /// It starts filled with this word and lives from step to step: parameters, gradients' padding, state, flags.
    Persistent(u32),
    /// Ops write it anew in each run of their section; poisoned at first.
    Computed,
}

/// One piece of memory: on a GPU one buffer.
#[derive(Clone, Debug, PartialEq)]
pub struct Allocation {
    /// The name, unique in the plan.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Number of elements.
    pub elements: usize,
    /// Where its contents come from.
    pub contents: Contents,
}

/// A named part of an allocation.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// The name, unique in the plan: the vocabulary of messages, golden files and checkpoints.
    pub name: String,
    /// The allocation that it lies in.
    pub allocation: AllocationId,
    /// First element.
    pub offset: usize,
    /// Rows and columns.
    pub shape: Shape,
    /// Elements that the view moves by from one step of a window to the next; 0 for most.
    pub batch_stride: usize,
}

impl View {
    /// Whether it shares elements with another one, in whatever batch of the submission.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (self.range(0), other.range(0));
        self.allocation == other.allocation
            && (self.batch_stride + other.batch_stride > 0 || a.start < b.end && b.start < a.end)
    }

    /// The layer that its name names, if any: 3 for `grad.layer3.weight`.
    pub fn layer(&self) -> Option<usize> {
        self.name.split('.').find_map(|part| part.strip_prefix("layer")?.parse().ok())
    }

    /// The elements of the allocation that the view covers for the step in batch `batch_index` of the submission.
    pub fn range(&self, batch_index: usize) -> std::ops::Range<usize> {
        let start = self.offset + batch_index * self.batch_stride;
        start..start.saturating_add(self.shape.elements())
    }
}

/// Index of an allocation in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllocationId(pub usize);

/// Index of a view in its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ViewId(pub usize);

/// One run of one kernel.
#[derive(Clone, Debug)]
pub struct Op {
    /// What runs.
    pub kernel: &'static Kernel,
    /// One view for each binding of the kernel.
    pub views: Vec<ViewId>,
    /// The kernel's `Params` as words.
    pub params: Vec<u32>,
    /// Number of independent units of work (see [`WorkItem`]).
    pub items: usize,
    /// The layer that it belongs to, if any.
    pub layer: Option<usize>,
    /// How a product is cut; chosen by `specialize` where nothing is said.
    pub tile: Option<Tile>,
}

impl Op {
    /// An op of `kernel` with its parameters.
    pub fn new(kernel: &'static Kernel, views: &[ViewId], params: &impl bytemuck::NoUninit, items: usize) -> Self {
        let words = bytemuck::pod_collect_to_vec(bytemuck::bytes_of(params));
        Self { kernel, views: views.to_vec(), params: words, items, layer: None, tile: None }
    }

    /// The parameters as the kernel's own type.
    pub fn params<P: bytemuck::AnyBitPattern>(&self) -> &P {
        bytemuck::from_bytes(bytemuck::cast_slice(&self.params))
    }

    /// One parameter, where the kernel has one of that name.
    pub fn param(&self, name: &str) -> Option<u32> {
        let at = self.kernel.params.iter().position(|field| field.name == name)?;
        self.params.get(at).copied()
    }

    /// Sets one parameter, where the kernel has one of that name.
    pub fn set(&mut self, name: &str, word: u32) {
        let fields = self.kernel.params.iter().zip(&mut self.params);
        fields.filter(|(field, _)| field.name == name).for_each(|(_, param)| *param = word);
    }

    /// How many rows of the batch a item is, if it is that.
    pub fn rows_per_item(&self) -> Option<usize> {
        match self.kernel.item {
            WorkItem::BatchRow => Some(1),
            WorkItem::Slice => self.param("chunk").map(|chunk| chunk as usize),
            WorkItem::Part | WorkItem::Block => None,
        }
    }

    /// The most live rows that it can take, where that is limited.
    pub fn most_rows(&self) -> Option<usize> {
        match self.kernel.item {
            WorkItem::BatchRow => Some(self.items),
            _ => self.param("batch").map(|batch| batch as usize),
        }
    }

    /// The op as part of layer `number`.
    pub fn of_layer(mut self, number: usize) -> Self {
        self.layer = Some(number);
        self
    }

    /// How a product is cut.
    pub fn tile(&self) -> Tile {
        self.tile.unwrap_or(Tile::PLAIN)
    }
}

/// Allocations and views by name.
#[derive(Clone, Debug, Default)]
struct Names {
    allocations: HashMap<String, AllocationId>,
    views: HashMap<String, ViewId>,
}

/// Allocations, views and ops. Built by `lower`; changed by `fuse` and `specialize`; run by executors.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    allocations: Vec<Allocation>,
    views: Vec<View>,
    /// Where each name is, since builders and executors look up some for each op.
    names: Names,
    sections: [Vec<Op>; 6],
    /// What the ops of each section touch so far: what the checks of [`Plan::push`] need.
    touched: [check::Touched; 6],
    /// See [`Plan::is_trusted`].
    own: bool,
    /// See [`Plan::in_layers`].
    layered: bool,
}

impl Plan {
    /// An empty plan.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an allocation. Names must be unique; see [`Plan::view`].
    pub fn allocate(
        &mut self,
        name: impl Into<String>,
        dtype: Dtype,
        elements: usize,
        contents: Contents,
    ) -> AllocationId {
        let name = name.into();
        let id = AllocationId(self.allocations.len());
        let first = *self.names.allocations.entry(name.clone()).or_insert(id);
        debug_assert!(first == id, "two allocations are called {name}");
        self.own = false;
        self.allocations.push(Allocation { name, dtype, elements, contents });
        id
    }

    /// Adds a view of `shape` at element `offset` of an allocation.
    pub fn view(&mut self, name: impl Into<String>, allocation: AllocationId, offset: usize, shape: Shape) -> ViewId {
        self.add_view(View { name: name.into(), allocation, offset, shape, batch_stride: 0 })
    }

    /// Adds any view.
    pub fn add_view(&mut self, view: View) -> ViewId {
        let id = ViewId(self.views.len());
        let first = *self.names.views.entry(view.name.clone()).or_insert(id);
        debug_assert!(first == id, "two views are called {}", view.name);
        self.own = false;
        self.views.push(view);
        id
    }

    /// Adds an allocation and a view that covers it, both called `name`.
    pub fn tensor(&mut self, name: impl Into<String>, dtype: Dtype, shape: Shape, contents: Contents) -> ViewId {
        let name = name.into();
        let allocation = self.allocate(name.clone(), dtype, padded(shape.elements()), contents);
        self.view(name, allocation, 0, shape)
    }

    /// Adds an allocation with one `shape` for each of `batches` batches, a view `name` of the current step's part,
    /// and a view `name.window` of all parts, one a row (with padding between).
    pub fn windowed(
        &mut self,
        name: &str,
        dtype: Dtype,
        shape: Shape,
        batches: usize,
        contents: Contents,
    ) -> (ViewId, ViewId) {
        let batch_stride = padded(shape.elements());
        let allocation = self.allocate(name, dtype, batches.saturating_mul(batch_stride), contents);
        let current = self.add_view(View { name: name.into(), allocation, offset: 0, shape, batch_stride });
        (current, self.view(format!("{name}.window"), allocation, 0, Shape::new(batches, batch_stride)))
    }

    /// Adds an op to a section.
    ///
    /// # Errors
    /// Any broken invariant; the message names the op and the view.
    pub fn push(&mut self, section: Section, op: Op) -> Result<()> {
        check::op(self, section, &op)?;
        self.own = false;
        self.touched[section as usize].note(&self.views, &op);
        self.sections[section as usize].push(op);
        Ok(())
    }

    /// Replaces kernels, as a test does that tampers with them to see whether that is noticed.
    ///
    /// # Panics
    /// A replacement that binds otherwise than the original, whose op was checked.
    pub fn substitute(&mut self, replacement: impl Fn(&'static Kernel) -> &'static Kernel) {
        let declared = |kernel: &Kernel| (kernel.bindings, kernel.params);
        self.own = false;
        for op in self.sections.iter_mut().flatten() {
            let kernel = replacement(op.kernel);
            assert_eq!(declared(kernel), declared(op.kernel), "a replacement must bind what the original does");
            op.kernel = kernel;
        }
    }

    /// Cuts each op as `tile` says, where it says something; `specialize` refuses what an op cannot have.
    pub fn cut(&mut self, tile: impl Fn(&Op, &[Shape]) -> Option<Tile>) {
        let shapes = |op: &Op| op.views.iter().map(|view| self.views[view.0].shape).collect::<Vec<_>>();
        for op in self.sections.iter_mut().flatten() {
            op.tile = tile(op, &shapes(op)).or(op.tile);
        }
    }

    /// Marks the plan as [own](Plan::is_trusted) or not, until it is changed. Shaders of own plans run without checks: only
    /// `lower` makes one, and all that it, `fuse` and `specialize` make of a spec must stay within its views.
    pub(crate) fn with_own(mut self, own: bool) -> Self {
        self.own = own;
        self
    }

    /// Whether all ops are this crate's: made by `lower` from a spec that was checked, and changed by nothing but
    /// `fuse` and `specialize`. Their shaders stay within their views, whatever memory and step records hold.
    pub fn is_trusted(&self) -> bool {
        self.own
    }

    /// Makes `specialize` leave the step in layers, whatever device it is for.
    pub(crate) fn in_layers(mut self) -> Self {
        self.layered = true;
        self
    }

    /// Whether the step stays in layers on any device.
    pub(crate) fn stays_layered(&self) -> bool {
        self.layered
    }

    /// The same plan with other ops, as `fuse` and `specialize` make them: allocations that are only computed, and that
    /// no op touches any more, are left out.
    ///
    /// # Errors
    /// Any broken invariant.
    pub(crate) fn with_ops(&self, ops: impl IntoIterator<Item = (Section, Op)>) -> Result<Self> {
        let ops: Vec<_> = ops.into_iter().collect();
        let touched: BTreeSet<_> = ops.iter().flat_map(|(_, op)| &op.views).map(|v| self.get(*v).allocation).collect();
        let keeps =
            |id: usize| touched.contains(&AllocationId(id)) || self.allocations[id].contents != Contents::Computed;
        let mut plan = Self { layered: self.layered, ..Self::new() };
        let moved =
            |(id, a): (usize, &Allocation)| keeps(id).then(|| plan.allocate(&a.name, a.dtype, a.elements, a.contents));
        let allocations: Vec<_> = self.allocations.iter().enumerate().map(moved).collect();
        let moved = |view: &View| {
            allocations[view.allocation.0].map(|allocation| plan.add_view(View { allocation, ..view.clone() }))
        };
        let views: Vec<_> = self.views.iter().map(moved).collect();
        for (section, mut op) in ops {
            op.views = op.views.iter().filter_map(|v| views[v.0]).collect();
            plan.push(section, op)?;
        }
        Ok(plan)
    }

    /// The same plan with these sections alone; what lives from step to step stays, and what the host writes.
    ///
    /// # Errors
    /// A section that reads what only others write.
    pub(crate) fn only(&self, sections: &[Section]) -> Result<Self> {
        let ops = sections.iter().flat_map(|section| self.ops(*section).iter().map(|op| (*section, op.clone())));
        Ok(self.with_ops(ops)?.with_own(self.own))
    }

    /// All allocations.
    pub fn allocations(&self) -> &[Allocation] {
        &self.allocations
    }

    /// All views.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// The ops of a section, in order.
    pub fn ops(&self, section: Section) -> &[Op] {
        &self.sections[section as usize]
    }

    /// The view of that id.
    pub fn get(&self, view: ViewId) -> &View {
        &self.views[view.0]
    }

    /// The allocation that a view lies in.
    pub fn allocation_of(&self, view: ViewId) -> &Allocation {
        &self.allocations[self.get(view).allocation.0]
    }

    /// A view's shape.
    pub fn shape(&self, view: ViewId) -> Shape {
        self.get(view).shape
    }

    /// What messages call an element of a view, with its row and column: of a vector that holds several tensors, as
    /// `parameters` does, the tensor that it belongs to.
    pub fn element<'a>(&'a self, view: &'a View, index: usize) -> (&'a View, usize, usize) {
        let (range, at) = (view.range(0), view.offset + index);
        let vector = view.shape.rows == 1 && view.batch_stride == 0;
        let holds = |part: &&View| {
            let own = part.range(0);
            let within = range.start <= own.start && own.end <= range.end && own.len() < range.len();
            part.allocation == view.allocation && part.batch_stride == 0 && within && own.contains(&at)
        };
        let parts = self.views.iter().filter(|_| vector).filter(holds);
        let view = parts.min_by_key(|part| part.shape.elements()).unwrap_or(view);
        let index = at - view.offset;
        (view, index / view.shape.columns, index % view.shape.columns)
    }

    /// All other views of a view's allocation, in order of where they begin.
    pub fn within(&self, all: ViewId) -> Vec<ViewId> {
        let allocation = self.get(all).allocation;
        let others = (0..self.views.len()).map(ViewId).filter(|id| *id != all);
        let mut others: Vec<_> = others.filter(|id| self.get(*id).allocation == allocation).collect();
        others.sort_by_key(|id| self.get(*id).offset);
        others
    }

    /// The view of that name.
    pub fn find(&self, name: &str) -> Option<ViewId> {
        self.names.views.get(name).copied()
    }

    /// The allocation of that name, type and size: what an executor keeps when it changes to another plan.
    pub(crate) fn find_allocation(&self, like: &Allocation) -> Option<AllocationId> {
        let same = |id: &AllocationId| {
            let own = &self.allocations[id.0];
            (own.dtype, own.elements) == (like.dtype, like.elements)
        };
        self.names.allocations.get(&like.name).copied().filter(same)
    }

    /// The view of that name, where a plan must have it.
    ///
    /// # Errors
    /// A name that no view has.
    pub fn named(&self, name: &str) -> Result<ViewId> {
        let known = || self.views.iter().map(|view| view.name.as_str()).collect::<Vec<_>>();
        self.find(name).ok_or_else(|| Error::unknown("view", name, &known()))
    }

    /// What an op is called in messages: `gradients op 3 (dense_forward)`.
    pub fn op_name(&self, section: Section, index: usize) -> String {
        format!("{} op {index} ({})", section.name(), self.ops(section)[index].kernel.name)
    }

    /// Bytes of all allocations together.
    pub fn bytes(&self) -> usize {
        self.allocations.iter().map(|a| a.elements * 4).sum()
    }
}
