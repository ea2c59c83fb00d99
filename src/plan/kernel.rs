//! What a kernel declares about itself, and what its CPU kernels are called with.

use std::ops::Range;
use std::sync::atomic::AtomicU32;

use crate::numeric::MatrixMut;
use crate::plan::{Limits, Op, Plan, Step, Tile};
use crate::shape::{Dtype, Shape};

/// The largest number of bindings that a kernel may have.
pub const MAX_BINDINGS: usize = 8;

/// A CPU kernel.
pub type CpuKernel = fn(Call<'_>);

/// Everything that the mechanism knows of one kernel. Each kernel's file holds one `static` of this type (the
/// matrix product one for each transposition).
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// Name in plans and messages; begins with the stem of its files.
    pub name: &'static str,
    /// What is bound, in the order of the WGSL bindings (which start at 2, behind parameters and step).
    pub bindings: &'static [Binding],
    /// The fields of `Params`, in order.
    pub params: &'static [Field],
    /// Which step records it reads.
    pub step: StepUse,
    /// What one item is.
    pub item: WorkItem,
    /// Floating-point operations of one run, from parameters and the shapes of its views.
    pub flops: fn(&[u32], &[Shape]) -> u64,
    /// The reference implementation: single-threaded loops that read like the shader.
    pub reference: CpuKernel,
    /// A faster CPU kernel for the CPU, where one pays; held to the reference exactly as a GPU is.
    pub fast: Option<CpuKernel>,
    /// The largest differences that rounding can explain, one for each written binding in order: from the op's
    /// inputs, and the reference's outputs.
    pub tolerance: fn(&Call<'_>, &Call<'_>) -> Vec<Tolerance>,
    /// The shader.
    pub shader: Shader,
}

/// One binding of a kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Name, the same in WGSL.
    pub name: &'static str,
    /// Element type; `None` for kernels that move words of any type.
    pub dtype: Option<Dtype>,
    /// How it is used.
    pub access: Access,
    /// Whether a range of items touches only the matching part of the view; if not, it sees the whole view.
    pub cut: bool,
    /// Whether an op may see only a range of the rows of what the view stands for. The parameters `first_row` and
    /// `rows` say which, and the op passes over what belongs to others.
    pub by_rows: bool,
    /// Whether it is what the stages of an op have put out, each of which goes on from those before. Lockstep gives it to
    /// the CPU kernel as the device has written it ([`Call::trace`]), so that each stage is judged alone.
    pub trace: bool,
    /// Whether the fast CPU kernel also computes some of the view's columns alone, for rows that are cut anyhow. Everything else that
    /// the op sees is the same for them.
    pub by_columns: bool,
    /// How much of it an op touches.
    pub touches: Touches,
}

/// How much of a view an op touches. What it moves is counted by this (`Plan::traffic`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touches {
    /// All of it.
    All,
    /// A row for each item.
    RowPerItem,
    /// The rows of a batch, as many as the parameter `batch` says, for each item.
    BatchPerItem,
}

impl Binding {
    const fn new(name: &'static str, dtype: Option<Dtype>, access: Access, cut: bool) -> Self {
        Self { name, dtype, access, cut, by_rows: false, by_columns: false, trace: false, touches: Touches::All }
    }

    /// A view that is read.
    pub const fn read(name: &'static str, dtype: Dtype) -> Self {
        Self::new(name, Some(dtype), Access::Read, false)
    }

    /// A view that is written in full (its live items), and never read; always cut.
    pub const fn write(name: &'static str, dtype: Dtype) -> Self {
        Self::new(name, Some(dtype), Access::Write, true)
    }

    /// A view that is written in full (its live items), stage by stage, and that later stages go on from.
    pub const fn trace(name: &'static str, dtype: Dtype) -> Self {
        Self { trace: true, ..Self::write(name, dtype) }
    }

    /// A view that is written where the op has something for it, and never read; always cut.
    pub const fn fill(name: &'static str, dtype: Dtype) -> Self {
        Self { access: Access::Fill, ..Self::write(name, dtype) }
    }

    /// A view that is changed in place; always cut.
    pub const fn update(name: &'static str, dtype: Dtype) -> Self {
        Self::new(name, Some(dtype), Access::ReadWrite, true)
    }

    /// A view that the batches of a step are added to; always cut.
    pub const fn accumulate(name: &'static str, dtype: Dtype) -> Self {
        Self { access: Access::Accumulate, ..Self::update(name, dtype) }
    }

    /// A word that all items may lower by `atomicMin`.
    pub const fn atomic(name: &'static str) -> Self {
        Self::new(name, Some(Dtype::U32), Access::Atomic, false)
    }

    /// The same binding, cut along the items.
    pub const fn cut(mut self) -> Self {
        self.cut = true;
        self
    }

    /// The same binding, of which an op may see a range of rows.
    pub const fn by_rows(mut self) -> Self {
        self.by_rows = true;
        self
    }

    /// The same binding, of which the fast CPU kernel may be asked for some columns.
    pub const fn by_columns(mut self) -> Self {
        self.by_columns = true;
        self
    }

    /// The same binding, of which an op touches only a part.
    pub const fn touches(mut self, touches: Touches) -> Self {
        self.touches = touches;
        self
    }

    /// The same binding, for words of any type.
    pub const fn any(mut self) -> Self {
        self.dtype = None;
        self
    }
}

/// How a binding is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Written in full, never read.
    Write,
    /// Written in part, never read: elements that the op has nothing for keep their bits, and other ops of the same
    /// kernel, which see other rows, may write them in the same section.
    Fill,
    /// Changed in place.
    ReadWrite,
    /// Written in full by the first batch of a step, the one of [`Step::first_row`] 0, whatever it held; added to by the
    /// others.
    Accumulate,
    /// Lowered by `atomicMin`, from any item.
    Atomic,
}

impl Access {
    /// Whether memory may change.
    pub fn writes(self) -> bool {
        self != Self::Read
    }

    /// Whether each item changes a part of its own.
    pub fn writes_parts(self) -> bool {
        self.writes() && self != Self::Atomic
    }

    /// Whether what was there before is read, too.
    pub fn is_in_place(self) -> bool {
        matches!(self, Self::ReadWrite | Self::Accumulate)
    }
}

/// An independent unit of an op's work. Any range of items can be computed alone, in any order and on any
/// thread; what a item computes depends on nothing but the views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkItem {
    /// A row of the batch; items from [`Step::rows`] on are left alone.
    BatchRow,
    /// As many consecutive rows of the batch as the parameter `chunk` says, the last item perhaps fewer; views that are not
    /// cut begin at the first row of the first item, and end with the last row of the last.
    Slice,
    /// Anything else that knows its place: a row of a weight matrix, the whole op.
    Part,
    /// What does not know its place: a block of parameters. An op over a range of items, on the matching parts of the
    /// views that are cut, is the same op with fewer items, so that it can be made several ops. Where it must know with
    /// which item of the whole it begins, the parameter `first_item` says so.
    Block,
}

/// Which step records a kernel reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepUse {
    /// The current one.
    One,
    /// All of the submission: item i reads record i, and items without a record are left alone.
    All,
}

/// One 4-byte field of a kernel's `Params` or of [`Step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name, the same in WGSL.
    pub name: &'static str,
    /// `u32` or `f32`, the same in WGSL.
    pub kind: &'static str,
}

/// A kernel's WGSL: its entry point is `main`, binding 0 is `var<storage, read> params: Params`
/// (lavapipe compiles a shader anew for each dispatch whose branches hang on a uniform: 5 ms), binding 1 is
/// `var<uniform> step: Step`, and views follow. For [`StepUse::All`] binding 1 is `var<storage, read> steps: Steps`
/// with `struct Steps { @size(256) count: u32, records: array<Record> }`, `struct Record { @size(256) step: Step }`.
#[derive(Clone, Copy, Debug)]
pub struct Shader {
    /// Text of `shaders/NAME.wgsl`.
    pub source: &'static str,
    /// Texts of `shaders/shared/*.wgsl` that it needs, in order.
    pub shared: &'static [&'static str],
    /// `const` lines in front, from the op's parameters and tile: sizes of workgroups, which `grid` needs too, and what
    /// all invocations would else branch on.
    pub prelude: fn(&Op) -> String,
    /// Number of workgroups, from the op and the shapes of its views.
    pub grid: fn(&Op, &[Shape]) -> [u32; 3],
    /// Most rounds that all loops of one invocation take together, from the op and the shapes of its views; none where they hang
    /// on constants alone, and are few.
    pub rounds: Option<fn(&Op, &[Shape]) -> u64>,
    /// For products, how they are cut.
    pub tiles: Option<Tiles>,
}

/// What the mechanism knows of kernels whose output is cut into tiles.
#[derive(Clone, Copy, Debug)]
pub struct Tiles {
    /// The tiles that an op with views of these shapes can have on a GPU with these limits, the best one first.
    pub candidates: fn(&Op, &[Shape], &Limits) -> Vec<Tile>,
    /// Texts that the tile needs, between the shared files and the kernel.
    pub core: fn(&Tile) -> Vec<&'static str>,
    /// The two ops that an op becomes whose tile has more than one part: one that writes the parts' sums to memory that
    /// it adds to the plan, and one that adds them.
    pub split: Option<fn(&mut Plan, &Op) -> [Op; 2]>,
}

impl Shader {
    /// What is compiled for an op: prelude, shared files, kernel, one behind the other.
    pub fn wgsl(&self, op: &Op) -> String {
        let core = self.tiles.map(|tiles| (tiles.core)(&op.tile()).concat()).unwrap_or_default();
        (self.prelude)(op) + &self.shared.concat() + &core + self.source
    }
}

/// How far a device's output may be from the reference's.
#[derive(Clone, Debug, PartialEq)]
pub enum Tolerance {
    /// Not at all: the same bits.
    Exact,
    /// By this much, element by element.
    Each(Vec<f64>),
}

/// A view's memory, as lent to a CPU kernel.
#[derive(Debug, Default)]
pub enum BufferArg<'a> {
    /// No binding.
    #[default]
    None,
    /// A view that is read.
    Read(&'a [u32]),
    /// A view that is written.
    Write(&'a mut [u32]),
    /// Columns of a view that is written.
    Columns(MatrixMut<'a>),
    /// A view that items lower atomically.
    Atomic(&'a [AtomicU32]),
}

/// Executors make args from what the kernel declares, so a arg that does not match its binding can only be a mistake
/// in a kernel's file. Any run shows it, and `tests/kernels` runs every kernel: nothing that users give leads here.
const WRONG_ARG: &str = "the kernel takes a binding in another way than it declares it";

impl<'a> BufferArg<'a> {
    /// The words of a view that is read.
    pub fn words(self) -> &'a [u32] {
        match self {
            Self::Read(words) => words,
            _ => panic!("{WRONG_ARG}"),
        }
    }

    /// The numbers of a view that is read.
    pub fn f32(self) -> &'a [f32] {
        bytemuck::cast_slice(self.words())
    }

    /// The words of a view that is written.
    pub fn words_mut(self) -> &'a mut [u32] {
        match self {
            Self::Write(words) => words,
            _ => panic!("{WRONG_ARG}"),
        }
    }

    /// The numbers of a view that is written.
    pub fn f32_mut(self) -> &'a mut [f32] {
        bytemuck::cast_slice_mut(self.words_mut())
    }

    /// All columns of a view that is written in so many rows and columns, or those that are asked for.
    pub fn matrix_mut(self, rows: usize, columns: usize) -> MatrixMut<'a> {
        match self {
            Self::Columns(matrix) => matrix,
            other => MatrixMut::new(other.f32_mut(), rows, columns),
        }
    }

    /// A word that is lowered atomically.
    pub fn atomic(self) -> &'a AtomicU32 {
        match self {
            Self::Atomic([word, ..]) => word,
            _ => panic!("{WRONG_ARG}"),
        }
    }
}

/// What a CPU kernel is called with: a range of items, and the matching memory.
#[derive(Debug)]
pub struct Call<'a> {
    /// The kernel's `Params` as words.
    pub params: &'a [u32],
    /// The current step.
    pub step: &'a Step,
    /// The steps of the submission, for kernels that read them all.
    pub steps: &'a [Step],
    /// The items to compute; views that are cut begin at the first of them, and all do where a item is a [`WorkItem::Slice`].
    pub items: Range<usize>,
    /// One arg for each binding.
    pub args: [BufferArg<'a>; MAX_BINDINGS],
    /// What the device under judgement has written to the binding that is a [`Binding::trace`]: what each stage is to go on
    /// from, instead of the CPU kernel's own.
    pub trace: Option<&'a [f32]>,
}

impl<'a> Call<'a> {
    /// The kernel's parameters.
    pub fn params<P: bytemuck::AnyBitPattern>(&self) -> &'a P {
        bytemuck::from_bytes(bytemuck::cast_slice(self.params))
    }

    /// The first N args, to be taken apart by pattern.
    pub fn args<const N: usize>(self) -> [BufferArg<'a>; N] {
        let mut args = self.args.into_iter();
        std::array::from_fn(|_| args.next().unwrap_or_default())
    }

    /// The numbers of arg `index`, which is read (as all are when a tolerance is computed).
    pub fn f32(&self, index: usize) -> &'a [f32] {
        bytemuck::cast_slice(self.words(index))
    }

    /// The words of arg `index`, which is read.
    pub fn words(&self, index: usize) -> &'a [u32] {
        match self.args[index] {
            BufferArg::Read(words) => words,
            _ => panic!("{WRONG_ARG}"),
        }
    }
}

/// Declares a plain struct of `u32` and `f32` fields whose names and types can be compared with its WGSL counterpart.
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
