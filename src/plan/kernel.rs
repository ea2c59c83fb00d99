//! Declaration of a kernel, and the arguments of its CPU implementations.

use std::ops::Range;
use std::sync::atomic::AtomicU32;

use crate::numeric::MatrixMut;
use crate::plan::{Limits, Op, Plan, Step, Tile};
use crate::shape::{Dtype, Shape};

/// Largest number of bindings per kernel.
pub const MAX_BINDINGS: usize = 9;

/// CPU implementation of a kernel.
pub type CpuKernel = fn(Call<'_>);

/// Complete description of one kernel. Each file of `kernels` holds one `static` of this type, or one per variant:
/// `matmul.rs` has one per transposition.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// Name of the kernel in plans and messages. It begins with the stem of the kernel's files.
    pub name: &'static str,
    /// Bindings, in the order of the WGSL bindings (which start at 2, after parameters and step).
    pub bindings: &'static [Binding],
    /// Fields of `Params`, in order.
    pub params: &'static [Field],
    /// Step records that the kernel reads.
    pub step: StepUse,
    /// Kind of the work items into which an op is split.
    pub item: WorkItem,
    /// Returns the floating-point operations of one run, from the parameters and the shapes of the views.
    pub flops: fn(&[u32], &[Shape]) -> u64,
    /// Reference implementation: single-threaded loops that read like the shader.
    pub reference: CpuKernel,
    /// Faster CPU kernel, if there is one. It is checked against the reference exactly as a GPU is.
    pub fast: Option<CpuKernel>,
    /// Returns the largest differences that rounding can explain, one for each written binding in order. Takes the op's
    /// inputs and the reference's outputs.
    pub tolerance: fn(&Call<'_>, &Call<'_>) -> Vec<Tolerance>,
    /// WGSL shader.
    pub shader: Shader,
}

/// One binding of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Name, the same in WGSL.
    pub name: &'static str,
    /// Element type; `None` for kernels that move words of any type.
    pub dtype: Option<Dtype>,
    /// Kind of access.
    pub access: Access,
    /// `true` if the view is split along the work items: each item accesses only its part. If `false`, any item may
    /// access the whole view.
    pub per_item: bool,
    /// `true` if the view may be only a range of the rows of a larger matrix. The parameters `first_row` and `rows`
    /// give this range, and the op skips accesses to rows outside it.
    pub by_rows: bool,
    /// `true` if the binding holds the outputs of the op's stages. Each stage continues from the outputs of earlier
    /// stages. Lockstep passes the device's outputs to the CPU kernel ([`Call::trace`]), so that each stage is checked
    /// alone.
    pub trace: bool,
    /// `true` if a call of the fast CPU kernel can compute only some columns of the view. The arguments for other
    /// bindings then stay the same.
    pub by_columns: bool,
    /// Part of the view that an op reads or writes, for the count of bytes.
    pub touches: Touches,
}

/// Part of a view that an op reads or writes. [`Plan::traffic`] uses it to count bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touches {
    /// The whole view.
    All,
    /// One row per item.
    RowPerItem,
    /// One batch of rows per item; the parameter `batch` is the number of rows.
    BatchPerItem,
}

impl Binding {
    const fn new(name: &'static str, dtype: Option<Dtype>, access: Access, per_item: bool) -> Self {
        Self { name, dtype, access, per_item, by_rows: false, by_columns: false, trace: false, touches: Touches::All }
    }

    /// Creates a binding that is read. Each item may access the whole view, unless [`Binding::per_item`] splits it.
    pub const fn read(name: &'static str, dtype: Dtype) -> Self {
        Self::new(name, Some(dtype), Access::Read, false)
    }

    /// Creates a write-only binding. The op writes all items in use. The view is split along the items.
    pub const fn write(name: &'static str, dtype: Dtype) -> Self {
        Self::new(name, Some(dtype), Access::Write, true)
    }

    /// Creates a binding for the outputs of the op's stages. Each stage writes all items in use, and later stages
    /// read them.
    pub const fn trace(name: &'static str, dtype: Dtype) -> Self {
        Self { trace: true, ..Self::write(name, dtype) }
    }

    /// Creates a write-only binding of which the op writes only some elements. The view is split along the items.
    pub const fn fill(name: &'static str, dtype: Dtype) -> Self {
        Self { access: Access::Fill, ..Self::write(name, dtype) }
    }

    /// Creates a binding that the op reads and overwrites. The view is split along the items.
    pub const fn update(name: &'static str, dtype: Dtype) -> Self {
        Self::new(name, Some(dtype), Access::ReadWrite, true)
    }

    /// Creates a binding to which the op adds its results for each micro-batch of a step. The view is split along the
    /// items.
    pub const fn accumulate(name: &'static str, dtype: Dtype) -> Self {
        Self { access: Access::Accumulate, ..Self::update(name, dtype) }
    }

    /// Creates a binding of one word, which any item may lower by `atomicMin`.
    pub const fn atomic(name: &'static str) -> Self {
        Self::new(name, Some(Dtype::U32), Access::Atomic, false)
    }

    /// Returns the same binding, split along the items.
    pub const fn per_item(mut self) -> Self {
        self.per_item = true;
        self
    }

    /// Returns the same binding, whose view may be only a range of the rows of a larger matrix. The kernel then needs
    /// the parameters `first_row` and `rows`.
    pub const fn by_rows(mut self) -> Self {
        self.by_rows = true;
        self
    }

    /// Returns the same binding, but a call of the fast CPU kernel can compute only some columns of its view.
    pub const fn by_columns(mut self) -> Self {
        self.by_columns = true;
        self
    }

    /// Returns the same binding, but an op reads or writes only this part of its view.
    pub const fn touches(mut self, touches: Touches) -> Self {
        self.touches = touches;
        self
    }

    /// Returns the same binding, for elements of any type.
    pub const fn any(mut self) -> Self {
        self.dtype = None;
        self
    }
}

/// Kind of access to a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Written in full, never read.
    Write,
    /// Written in part, never read. Elements that the op does not write keep their bits, and other ops of the same
    /// kernel, which read other rows, may write them in the same section.
    Fill,
    /// Changed in place.
    ReadWrite,
    /// Overwritten by the first batch of a step, whose [`Step::first_row`] is 0; added to by later batches.
    Accumulate,
    /// Lowered by `atomicMin`, from any item.
    Atomic,
}

impl Access {
    /// Returns `true` if the op may change the view.
    pub fn writes(self) -> bool {
        self != Self::Read
    }

    /// Returns `true` if the op may change the view, and each item changes only its own part. Atomic access is not
    /// split.
    pub fn writes_parts(self) -> bool {
        self.writes() && self != Self::Atomic
    }

    /// Returns `true` if the op reads the view's previous contents and changes them; `false` for atomic access.
    pub fn is_in_place(self) -> bool {
        matches!(self, Self::ReadWrite | Self::Accumulate)
    }
}

/// Independent unit of an op's work. Any range of items can be computed alone, in any order and on any thread. The
/// result of an item depends only on the op's views and parameters, and on the step records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkItem {
    /// One row of the batch. Items from [`Step::rows`] on are not computed.
    BatchRow,
    /// `chunk` consecutive rows of the batch, where `chunk` is a parameter; the last item may have fewer. A range of
    /// items accesses only its rows, even of views that are not split along the items.
    Slice,
    /// One column of each split view, in all rows. A range of items accesses only its columns of the views that it
    /// writes. CPU kernels take these with [`BufferArg::matrix_mut`]. The parameter `batch` is the number of rows of a
    /// full batch.
    Column,
    /// Any other unit whose position matters: a row of a weight matrix, or the whole op.
    Part,
    /// A unit whose position does not matter, such as a block of parameters. An op can be split into ops over ranges of
    /// items, each with the matching parts of the split views. The parameter `first_item`, if the kernel has it, is
    /// then the index in the original op of the range's first item.
    Block,
}

/// Step records that a kernel reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepUse {
    /// Record of the batch that the op runs for.
    One,
    /// All records of the submission: item i reads record i, and items without a record are not computed.
    All,
}

/// 4-byte field of a kernel's `Params` or of [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name, the same in WGSL.
    pub name: &'static str,
    /// Type, `u32` or `f32`, the same in WGSL.
    pub kind: &'static str,
}

/// WGSL of a kernel. Its entry point is `main`. Binding 0 is `var<storage, read> params: Params`, because lavapipe
/// (Mesa's software driver) recompiles a shader for each dispatch if branches depend on a uniform (5 ms). Binding 1 is
/// `var<uniform> step: Step`, and the views follow. For [`StepUse::All`] binding 1 is `var<storage, read> steps: Steps`
/// with `struct Steps { @size(256) count: u32, records: array<Record> }`, `struct Record { @size(256) step: Step }`.
#[derive(Clone, Copy, Debug)]
pub struct Shader {
    /// Text of `shaders/NAME.wgsl`.
    pub source: &'static str,
    /// Texts of the files `shaders/shared/*.wgsl` that the shader needs, in order.
    pub shared: &'static [&'static str],
    /// Returns the `const` lines that are put before the source, from the op's parameters and tile. They define
    /// workgroup sizes, which `grid` needs too. They also define parameters on which the shader branches, so that these
    /// branches are decided when the shader is compiled.
    pub prelude: fn(&Op) -> String,
    /// Returns the number of workgroups, from the op and the shapes of its views.
    pub grid: fn(&Op, &[Shape]) -> [u32; 3],
    /// Returns the largest total number of iterations of all loops of one invocation, from the op and the shapes of its
    /// views. `None` if the loops depend only on constants and are short.
    pub rounds: Option<fn(&Op, &[Shape]) -> u64>,
    /// Choice of tiles; `None` unless the kernel is a matrix multiplication.
    pub tiles: Option<Tiles>,
}

/// Choice of tiles for a matrix multiplication, and the shader text and ops that depend on the tile.
#[derive(Clone, Copy, Debug)]
pub struct Tiles {
    /// Returns the tiles that a GPU with these limits supports for an op with views of these shapes. The heuristic's
    /// choice is first.
    pub candidates: fn(&Op, &[Shape], &Limits) -> Vec<Tile>,
    /// Returns the shader texts that implement the tile. They are compiled between the shared files and the kernel's
    /// own source.
    pub core: fn(&Tile) -> Vec<&'static str>,
    /// Returns the two ops that replace an op whose tile has more than one part. The first op writes the sum of each
    /// part to an allocation, which this function adds to the plan. The second op adds these sums.
    pub split: Option<fn(&mut Plan, &Op) -> [Op; 2]>,
}

impl Shader {
    /// Returns the source that is compiled for an op: prelude, shared files, texts for its tile, and kernel,
    /// concatenated.
    pub fn wgsl(&self, op: &Op) -> String {
        let core = self.tiles.map(|tiles| (tiles.core)(&op.tile()).concat()).unwrap_or_default();
        (self.prelude)(op) + &self.shared.concat() + &core + self.source
    }
}

/// Allowed difference between a device's output and the reference's.
#[derive(Clone, Debug, PartialEq)]
pub enum Tolerance {
    /// No difference: the bits must be the same.
    Exact,
    /// Largest absolute difference, element by element.
    Each(Vec<f64>),
}

/// Memory of a view, as passed to a CPU kernel. Methods panic if the kernel declares another access for the binding.
#[derive(Debug, Default)]
pub enum BufferArg<'a> {
    /// No binding.
    #[default]
    None,
    /// View that is read.
    Read(&'a [u32]),
    /// View that is written.
    Write(&'a mut [u32]),
    /// Columns of a view that is written.
    Columns(MatrixMut<'a>),
    /// View that items lower atomically.
    Atomic(&'a [AtomicU32]),
}

/// Panic message for an argument that does not match its binding. Executors build the arguments from the kernel's
/// declaration, so the bug is in the kernel's file. `tests/kernels` runs every kernel. No user input leads here.
const WRONG_ARG: &str = "the kernel takes a binding in another way than it declares it";

impl<'a> BufferArg<'a> {
    /// Returns the words of a view that is read.
    pub fn words(self) -> &'a [u32] {
        match self {
            Self::Read(words) => words,
            _ => panic!("{WRONG_ARG}"),
        }
    }

    /// Returns a view that is read, as f32 numbers.
    pub fn f32(self) -> &'a [f32] {
        bytemuck::cast_slice(self.words())
    }

    /// Returns the words of a view that is written.
    pub fn words_mut(self) -> &'a mut [u32] {
        match self {
            Self::Write(words) => words,
            _ => panic!("{WRONG_ARG}"),
        }
    }

    /// Returns a view that is written, as f32 numbers.
    pub fn f32_mut(self) -> &'a mut [f32] {
        bytemuck::cast_slice_mut(self.words_mut())
    }

    /// Returns a written view as a matrix of `rows` × `columns`. If this call computes only some columns, returns
    /// these.
    pub fn matrix_mut(self, rows: usize, columns: usize) -> MatrixMut<'a> {
        match self {
            Self::Columns(matrix) => matrix,
            other => MatrixMut::new(other.f32_mut(), rows, columns),
        }
    }

    /// Returns the argument; `None` if the kernel has no such binding.
    pub fn present(self) -> Option<Self> {
        if matches!(self, Self::None) { None } else { Some(self) }
    }

    /// Returns a word for atomic operations; see [`Binding::atomic`].
    pub fn atomic(self) -> &'a AtomicU32 {
        match self {
            Self::Atomic([word, ..]) => word,
            _ => panic!("{WRONG_ARG}"),
        }
    }
}

/// Arguments of a CPU kernel: a range of items, and the matching memory.
#[derive(Debug)]
pub struct Call<'a> {
    /// The kernel's `Params` as words.
    pub params: &'a [u32],
    /// Current step record.
    pub step: &'a Step,
    /// Step records of the submission, for kernels that read them all.
    pub steps: &'a [Step],
    /// Items to compute. Arguments for split views begin at the first of these items. If items are
    /// [`WorkItem::Slice`]s, the arguments for all views begin there.
    pub items: Range<usize>,
    /// One argument for each binding.
    pub args: [BufferArg<'a>; MAX_BINDINGS],
    /// Contents that the checked device wrote to the [`Binding::trace`] binding. Each stage continues from these
    /// instead of from the CPU kernel's own outputs.
    pub trace: Option<&'a [f32]>,
}

impl<'a> Call<'a> {
    /// Returns the kernel's parameters.
    ///
    /// # Panics
    /// Panics if `P` has another size than the kernel's `Params`.
    pub fn params<P: bytemuck::AnyBitPattern>(&self) -> &'a P {
        bytemuck::from_bytes(bytemuck::cast_slice(self.params))
    }

    /// Returns the first N arguments, to be destructured; [`BufferArg::None`] for bindings that the kernel does not
    /// have.
    pub fn args<const N: usize>(self) -> [BufferArg<'a>; N] {
        let mut args = self.args.into_iter();
        std::array::from_fn(|_| args.next().unwrap_or_default())
    }

    /// Returns argument `index` as f32 numbers. It must be a [`BufferArg::Read`], as all arguments are when a tolerance
    /// is computed.
    pub fn f32(&self, index: usize) -> &'a [f32] {
        bytemuck::cast_slice(self.words(index))
    }

    /// Returns argument `index` as words. It must be a [`BufferArg::Read`].
    pub fn words(&self, index: usize) -> &'a [u32] {
        match self.args[index] {
            BufferArg::Read(words) => words,
            _ => panic!("{WRONG_ARG}"),
        }
    }
}

/// Declares a plain struct of `u32` and `f32` fields. Tests compare the fields' names and types with those of the
/// struct in WGSL.
#[doc(hidden)]
#[macro_export]
macro_rules! words {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* $field:ident: $kind:ident),* $(,)? }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        pub struct $name { $($(#[$field_meta])* pub $field: $kind),* }

        impl $name {
            /// Names and types of the fields, in order.
            pub const FIELDS: &'static [$crate::plan::Field] =
                &[$($crate::plan::Field { name: stringify!($field), kind: stringify!($kind) }),*];
        }
    };
}
pub use words;
