//! Plans: training or evaluation as data. A plan has memory, named views of this memory, and the ops that run on them.
//! The host sends several training steps to the device at once, as one submission.
//!
//! A [`Plan`] holds [`Allocation`]s, [`View`]s of them, and [`Op`]s in [`Section`]s. An op names a [`Kernel`], one view
//! for each of the kernel's bindings, and the kernel's parameters as words. A plan depends on no particular kernel and
//! no device; every executor runs every plan. [`Plan::push`] checks the invariants that executors rely on (see
//! `check.rs`).

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
use std::sync::Arc;

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

/// Word that new memory is filled with, unless its contents are [`Persistent`](Contents::Persistent) or
/// [`Constant`](Contents::Constant). As f32 it is a NaN, so a value that is read before it is written makes the results
/// NaN.
pub const POISON: u32 = 0x7FC0_DEAD;

/// Section of a plan: ops that run together, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Section {
    /// Copies the rows of the next steps from the data set to the window, a buffer with room for all batches of a
    /// submission. Runs once per submission.
    Window,
    /// Forward pass, loss and backward pass. Runs once per micro-batch.
    Gradients,
    /// Gradient clipping, optimizer, limits of norms, and average of the parameters. Runs once per step.
    Update,
    /// Mean loss of each step of the submission. Runs once per submission.
    Report,
    /// Forward pass only, without dropout, on rows that the host writes.
    Evaluate,
    /// Loss and number of correct predictions of the rows that `Evaluate` ran on.
    Score,
}

impl Section {
    /// All sections, in the order in which `lower` adds them and `Display` prints them.
    pub const ALL: [Self; 6] = [Self::Window, Self::Gradients, Self::Update, Self::Report, Self::Evaluate, Self::Score];

    /// Returns the section's name.
    pub fn name(self) -> &'static str {
        ["window", "gradients", "update", "report", "evaluate", "score"][self as usize]
    }
}

/// Source of an allocation's contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Written by the host; filled with [`POISON`] at first.
    Host,
    /// Filled with this word at first, and kept from step to step: parameters, padding of gradients, optimizer state,
    /// flags.
    Persistent(u32),
    /// Computed by ops in each run of their section; filled with [`POISON`] at first.
    Computed,
    /// Constant table of these words, which no op changes.
    Constant(Arc<[u32]>),
}

/// Block of memory: one buffer on a GPU.
#[derive(Clone, Debug, PartialEq)]
pub struct Allocation {
    /// Name, unique in the plan.
    pub name: String,
    /// Element type.
    pub dtype: Dtype,
    /// Number of elements.
    pub elements: usize,
    /// Source of the allocation's contents.
    pub contents: Contents,
}

/// Named part of an allocation, with the shape of a row-major matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// Name, unique in the plan. Messages, golden files and checkpoints use it.
    pub name: String,
    /// Allocation that contains the view.
    pub allocation: AllocationId,
    /// Index of the view's first element in the allocation.
    pub offset: usize,
    /// Number of rows and columns.
    pub shape: Shape,
    /// Number of elements between the starts of the parts for two successive batches of a submission. It is 0 if all
    /// batches share the view, as most views do.
    pub batch_stride: usize,
}

impl View {
    /// Returns `true` if the two views share elements, in any batch of the submission. Two views of one allocation
    /// count as sharing elements if one of them has a part per batch.
    pub fn overlaps(&self, other: &Self) -> bool {
        let (a, b) = (self.range(0), other.range(0));
        self.allocation == other.allocation
            && (self.batch_stride + other.batch_stride > 0 || a.start < b.end && b.start < a.end)
    }

    /// Returns the layer number in the view's name, if any: 3 for `grad.layer3.weight`.
    pub fn layer(&self) -> Option<usize> {
        self.name.split('.').find_map(|part| part.strip_prefix("layer")?.parse().ok())
    }

    /// Returns the elements of the allocation that the view covers for batch `batch_index` of the submission.
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
    /// Kernel to run.
    pub kernel: &'static Kernel,
    /// One view for each binding of the kernel.
    pub views: Vec<ViewId>,
    /// The kernel's `Params` as words.
    pub params: Vec<u32>,
    /// Number of independent work items (see [`WorkItem`]).
    pub items: usize,
    /// Number of the layer that the op belongs to, if any.
    pub layer: Option<usize>,
    /// Tile sizes of a matrix multiplication. If `None`, `specialize` chooses them.
    pub tile: Option<Tile>,
}

impl Op {
    /// Creates an op of `kernel` with its parameters.
    pub fn new(kernel: &'static Kernel, views: &[ViewId], params: &impl bytemuck::NoUninit, items: usize) -> Self {
        let words = bytemuck::pod_collect_to_vec(bytemuck::bytes_of(params));
        Self { kernel, views: views.to_vec(), params: words, items, layer: None, tile: None }
    }

    /// Returns the parameters as the kernel's own type.
    ///
    /// # Panics
    /// Panics if `P` has another size than the kernel's `Params`.
    pub fn params<P: bytemuck::AnyBitPattern>(&self) -> &P {
        bytemuck::from_bytes(bytemuck::cast_slice(&self.params))
    }

    /// Returns the parameter `name`, if the kernel has it.
    pub fn param(&self, name: &str) -> Option<u32> {
        let at = self.kernel.params.iter().position(|field| field.name == name)?;
        self.params.get(at).copied()
    }

    /// Sets the parameter `name` to `word`, if the kernel has it.
    pub fn set(&mut self, name: &str, word: u32) {
        let fields = self.kernel.params.iter().zip(&mut self.params);
        fields.filter(|(field, _)| field.name == name).for_each(|(_, param)| *param = word);
    }

    /// Returns the number of rows of the batch per work item; `None` if items are not rows of the batch.
    pub fn rows_per_item(&self) -> Option<usize> {
        match self.kernel.item {
            WorkItem::BatchRow => Some(1),
            WorkItem::Slice => self.param("chunk").map(|chunk| chunk as usize),
            WorkItem::Column | WorkItem::Part | WorkItem::Block => None,
        }
    }

    /// Returns the largest number of rows per batch that the op supports; `None` if there is no limit.
    pub fn most_rows(&self) -> Option<usize> {
        match self.kernel.item {
            WorkItem::BatchRow => Some(self.items),
            _ => self.param("batch").map(|batch| batch as usize),
        }
    }

    /// Returns the op as part of layer `number`.
    pub fn of_layer(mut self, number: usize) -> Self {
        self.layer = Some(number);
        self
    }

    /// Returns the op's tile sizes, or [`Tile::PLAIN`] if none are set.
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

/// Plan: allocations, views and ops. `lower` builds a plan, `fuse` and `specialize` change it, and executors run it.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    allocations: Vec<Allocation>,
    views: Vec<View>,
    /// Lookup by name; builders and executors look up several names per op.
    names: Names,
    sections: [Vec<Op>; 6],
    /// Memory that the ops of each section use so far, for the checks of [`Plan::push`].
    touched: [check::Touched; 6],
    /// See [`Plan::is_trusted`].
    trusted: bool,
    /// See [`Plan::without_fused_step`].
    forbids_fused_step: bool,
}

impl Plan {
    /// Creates an empty plan.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an allocation of `elements` elements of 4 bytes. Its name must be unique in the plan.
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
        self.trusted = false;
        self.allocations.push(Allocation { name, dtype, elements, contents });
        id
    }

    /// Adds a view of `shape` that begins at element `offset` of an allocation. Its name must be unique in the plan.
    pub fn view(&mut self, name: impl Into<String>, allocation: AllocationId, offset: usize, shape: Shape) -> ViewId {
        self.add_view(View { name: name.into(), allocation, offset, shape, batch_stride: 0 })
    }

    /// Adds a view. Its name must be unique in the plan.
    pub fn add_view(&mut self, view: View) -> ViewId {
        let id = ViewId(self.views.len());
        let first = *self.names.views.entry(view.name.clone()).or_insert(id);
        debug_assert!(first == id, "two views are called {}", view.name);
        self.trusted = false;
        self.views.push(view);
        id
    }

    /// Adds an allocation and a view of `shape` that begins at its first element, both called `name`. The allocation is
    /// padded to a multiple of [`TENSOR_ALIGNMENT`](crate::shape::TENSOR_ALIGNMENT).
    pub fn tensor(&mut self, name: impl Into<String>, dtype: Dtype, shape: Shape, contents: Contents) -> ViewId {
        let name = name.into();
        let allocation = self.allocate(name.clone(), dtype, padded(shape.elements()), contents);
        self.view(name, allocation, 0, shape)
    }

    /// Adds a table of constants and a view of it, both called `name`. `words` holds the rows of the table, one after
    /// the other.
    pub fn constant(&mut self, name: impl Into<String>, dtype: Dtype, words: Vec<u32>, columns: usize) -> ViewId {
        let (name, rows) = (name.into(), words.len() / columns);
        let mut padded_words = words;
        padded_words.resize(padded(rows * columns), 0);
        let elements = padded_words.len();
        let allocation = self.allocate(name.clone(), dtype, elements, Contents::Constant(padded_words.into()));
        self.view(name, allocation, 0, Shape::new(rows, columns))
    }

    /// Adds an allocation with room for `batches` batches of shape `shape`, and returns two views of it. The view
    /// `name` covers the current batch of a submission. The view `name.window` covers all batches, one padded batch per
    /// row.
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
    /// Returns an error if an invariant is broken; the message names the op and the view.
    pub fn push(&mut self, section: Section, op: Op) -> Result<()> {
        check::op(self, section, &op)?;
        self.trusted = false;
        self.touched[section as usize].note(&self.views, &op);
        self.sections[section as usize].push(op);
        Ok(())
    }

    /// Replaces the kernel of each op by the result of `replacement`. Tests use it to run faulty kernels and see
    /// whether the checks notice.
    ///
    /// # Panics
    /// Panics if a replacement declares other bindings or parameters than the original, since ops were checked with
    /// those of the original.
    pub fn substitute(&mut self, replacement: impl Fn(&'static Kernel) -> &'static Kernel) {
        let declared = |kernel: &Kernel| (kernel.bindings, kernel.params);
        self.trusted = false;
        for op in self.sections.iter_mut().flatten() {
            let kernel = replacement(op.kernel);
            assert_eq!(declared(kernel), declared(op.kernel), "a replacement must bind what the original does");
            op.kernel = kernel;
        }
    }

    /// Sets the tile of each op for which `tile` returns one, given the op and the shapes of its views. `specialize`
    /// rejects tiles that an op cannot have.
    pub fn set_tiles(&mut self, tile: impl Fn(&Op, &[Shape]) -> Option<Tile>) {
        let shapes = |op: &Op| op.views.iter().map(|view| self.views[view.0].shape).collect::<Vec<_>>();
        for op in self.sections.iter_mut().flatten() {
            op.tile = tile(op, &shapes(op)).or(op.tile);
        }
    }

    /// Marks the plan as [trusted](Plan::is_trusted) or not; any later change of the plan removes the mark. Shaders of
    /// trusted plans run without index checks, so they must never access memory outside their views. Only `lower`
    /// creates trusted plans, and `fuse` and `specialize` keep them trusted.
    pub(crate) fn with_trusted(mut self, trusted: bool) -> Self {
        self.trusted = trusted;
        self
    }

    /// Returns `true` if all ops are this crate's own: `lower` made them from a checked spec, and only `fuse` and
    /// `specialize` changed them. The shaders of such ops stay within the ops' views, whatever the memory and the step
    /// records contain.
    pub fn is_trusted(&self) -> bool {
        self.trusted
    }

    /// Disables the fused step for this plan, on every device.
    pub(crate) fn without_fused_step(mut self) -> Self {
        self.forbids_fused_step = true;
        self
    }

    /// Returns `true` if the fused step is disabled.
    pub(crate) fn forbids_fused_step(&self) -> bool {
        self.forbids_fused_step
    }

    /// Returns the same plan with other ops, as `fuse` and `specialize` make them. Computed allocations that no op uses
    /// any more are left out.
    ///
    /// # Errors
    /// Returns an error if an invariant is broken.
    pub(crate) fn with_ops(&self, ops: impl IntoIterator<Item = (Section, Op)>) -> Result<Self> {
        let ops: Vec<_> = ops.into_iter().collect();
        let touched: BTreeSet<_> = ops.iter().flat_map(|(_, op)| &op.views).map(|v| self.get(*v).allocation).collect();
        let keeps =
            |id: usize| touched.contains(&AllocationId(id)) || self.allocations[id].contents != Contents::Computed;
        let mut plan = Self { forbids_fused_step: self.forbids_fused_step, ..Self::new() };
        let moved = |(id, a): (usize, &Allocation)| {
            keeps(id).then(|| plan.allocate(&a.name, a.dtype, a.elements, a.contents.clone()))
        };
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

    /// Returns the same plan with only these sections. Memory is kept, except computed allocations that no remaining op
    /// uses.
    ///
    /// # Errors
    /// Returns an error if a remaining section reads a view that only removed sections write.
    pub(crate) fn only(&self, sections: &[Section]) -> Result<Self> {
        let ops = sections.iter().flat_map(|section| self.ops(*section).iter().map(|op| (*section, op.clone())));
        Ok(self.with_ops(ops)?.with_trusted(self.trusted))
    }

    /// Returns all allocations.
    pub fn allocations(&self) -> &[Allocation] {
        &self.allocations
    }

    /// Returns all views.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// Returns the ops of a section, in order.
    pub fn ops(&self, section: Section) -> &[Op] {
        &self.sections[section as usize]
    }

    /// Returns the view with this id.
    pub fn get(&self, view: ViewId) -> &View {
        &self.views[view.0]
    }

    /// Returns the allocation that contains a view.
    pub fn allocation_of(&self, view: ViewId) -> &Allocation {
        &self.allocations[self.get(view).allocation.0]
    }

    /// Returns a view's shape.
    pub fn shape(&self, view: ViewId) -> Shape {
        self.get(view).shape
    }

    /// Returns the tensor, row and column of element `index` of a view, for messages. If the view is a vector of
    /// several tensors, such as `parameters`, the returned view is the tensor that contains the element.
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

    /// Returns all other views of the allocation that contains the view `all`, sorted by offset.
    pub fn within(&self, all: ViewId) -> Vec<ViewId> {
        let allocation = self.get(all).allocation;
        let others = (0..self.views.len()).map(ViewId).filter(|id| *id != all);
        let mut others: Vec<_> = others.filter(|id| self.get(*id).allocation == allocation).collect();
        others.sort_by_key(|id| self.get(*id).offset);
        others
    }

    /// Returns the view with this name, if there is one.
    pub fn find(&self, name: &str) -> Option<ViewId> {
        self.names.views.get(name).copied()
    }

    /// Returns the allocation with the same name, type, size and constant as `like`, if there is one. Executors keep
    /// its contents when they change to another plan.
    pub(crate) fn find_allocation(&self, like: &Allocation) -> Option<AllocationId> {
        let same = |id: &AllocationId| {
            let own = &self.allocations[id.0];
            let constant = |allocation: &Allocation| match &allocation.contents {
                Contents::Constant(words) => Some(words.clone()),
                Contents::Host | Contents::Persistent(_) | Contents::Computed => None,
            };
            (own.dtype, own.elements, constant(own)) == (like.dtype, like.elements, constant(like))
        };
        self.names.allocations.get(&like.name).copied().filter(same)
    }

    /// Returns the view with this name, which the plan must have.
    ///
    /// # Errors
    /// Returns an error if no view has the name.
    pub fn named(&self, name: &str) -> Result<ViewId> {
        let known = || self.views.iter().map(|view| view.name.as_str()).collect::<Vec<_>>();
        self.find(name).ok_or_else(|| Error::unknown("view", name, &known()))
    }

    /// Returns the name of an op in messages: `gradients op 3 (dense_forward)`.
    pub fn op_name(&self, section: Section, index: usize) -> String {
        format!("{} op {index} ({})", section.name(), self.ops(section)[index].kernel.name)
    }

    /// Returns the total size of all allocations in bytes.
    pub fn bytes(&self) -> usize {
        self.allocations.iter().map(|a| a.elements * 4).sum()
    }
}
