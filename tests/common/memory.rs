//! Memory of a case before and after its op ran, and calls of CPU kernels on copies of it, without `unsafe` and without the
//! library's executors.

use std::ops::Range;
use std::sync::atomic::AtomicU32;

use super::case::Case;
use super::compare::Expected;
use wgrad::exec::{Executor, Reference};
use wgrad::numeric::MatrixMut;
use wgrad::plan::{Access, AllocationId, BufferArg, Call, Step, StepUse, Tolerance, View, WorkItem};
use wgrad::shape::{Dtype, Shape};

/// Contents of all allocations.
#[derive(Clone, Debug, PartialEq)]
pub struct Memory(Vec<Vec<u32>>);

/// A case with its memory before and after its op.
pub struct Seen<'a> {
    /// The case.
    pub case: &'a Case,
    /// Memory before the op.
    pub before: Memory,
    /// Memory after the op.
    pub after: Memory,
}

impl Memory {
    /// Reads the memory of a device.
    pub fn of(device: &mut dyn Executor) -> Self {
        let count = device.plan().allocations().len();
        Self((0..count).map(|id| device.read_allocation(AllocationId(id)).expect("host memory")).collect())
    }

    /// Memory of a case before its op runs.
    pub fn before(case: &Case) -> Self {
        let mut device = Reference::new(case.plan.clone()).expect("there is memory");
        case.load(&mut device);
        Self::of(&mut device)
    }

    fn view(&self, view: &View, batch_index: usize) -> &[u32] {
        &self.0[view.allocation.0][view.range(batch_index)]
    }

    /// Runs a CPU kernel on a range of items.
    pub fn call(&mut self, case: &Case, items: Range<usize>, kernel: fn(Call<'_>)) {
        let ranges = ranges(case, &items);
        let mut parts: Vec<Part> = (case.op().kernel.bindings.iter().zip(&ranges))
            .map(|(b, (allocation, range))| Part::new(b.access, &self.0[*allocation][range.clone()]))
            .collect();
        let bindings = case.op().kernel.bindings.iter();
        let columns = case.op().views.iter().map(|view| case.plan.shape(*view).columns);
        let by_columns =
            |per_item: bool| (per_item && case.op().kernel.item == WorkItem::Column).then(|| items.clone());
        let mut call = empty_call(case, items.clone());
        for (((part, arg), binding), columns) in parts.iter_mut().zip(&mut call.args).zip(bindings).zip(columns) {
            *arg = part.lend(by_columns(binding.per_item), columns);
        }
        kernel(call);
        for (part, (allocation, range)) in parts.into_iter().zip(ranges) {
            self.0[allocation][range].copy_from_slice(&part.words());
        }
    }

    /// Call with all arguments readable, for computing tolerances.
    fn inspect<'a>(&'a self, case: &'a Case, items: Range<usize>) -> Call<'a> {
        let ranges = ranges(case, &items);
        let mut call = empty_call(case, items);
        for (arg, (allocation, range)) in call.args.iter_mut().zip(ranges) {
            *arg = BufferArg::Read(&self.0[allocation][range]);
        }
        call
    }
}

impl<'a> Seen<'a> {
    /// Runs the op with the reference implementation.
    pub fn new(case: &'a Case) -> Self {
        let mut device = Reference::new(case.plan.clone()).expect("there is memory");
        case.load(&mut device);
        let before = Memory::of(&mut device);
        device.submit(&case.steps, &[case.run()]).expect("host memory");
        Self { case, before, after: Memory::of(&mut device) }
    }

    /// Step that ran.
    pub fn step(&self) -> &Step {
        self.case.step()
    }

    /// Number of live rows.
    pub fn rows(&self) -> usize {
        self.step().rows as usize
    }

    /// Parameters of the kernel.
    pub fn params<P: bytemuck::AnyBitPattern>(&self) -> &P {
        self.case.op().params()
    }

    /// Number of live elements of a batch.
    pub fn live(&self, binding: usize) -> usize {
        self.rows() * self.shape(binding).columns
    }

    /// Shape of a binding's view.
    pub fn shape(&self, binding: usize) -> Shape {
        self.get(binding).shape
    }

    /// Words of a binding's view before the op.
    pub fn words(&self, binding: usize) -> &[u32] {
        self.before.view(self.get(binding), self.case.batch_index)
    }

    /// Numbers of a binding's view before the op.
    pub fn numbers(&self, binding: usize) -> Vec<f64> {
        self.words(binding).iter().map(|word| f64::from(f32::from_bits(*word))).collect()
    }

    /// Words of a binding's view after the op.
    pub fn result_words(&self, binding: usize) -> &[u32] {
        self.after.view(self.get(binding), self.case.batch_index)
    }

    /// Numbers of a binding's view after the op: floats or words, by its type.
    pub fn results(&self, binding: usize) -> Vec<f64> {
        let float = self.case.plan.allocation_of(self.case.op().views[binding]).dtype == Dtype::F32;
        let number = |word: &u32| if float { f64::from(f32::from_bits(*word)) } else { f64::from(*word) };
        self.result_words(binding).iter().map(number).collect()
    }

    /// Tolerances of the kernel for its outputs; `None` if no item was live.
    pub fn tolerances(&self) -> Option<Vec<Tolerance>> {
        let items = 0..live_items(self.case);
        let calls = || (self.before.inspect(self.case, items.clone()), self.after.inspect(self.case, items.clone()));
        (!items.is_empty()).then(calls).map(|(before, after)| (self.case.op().kernel.tolerance)(&before, &after))
    }

    /// Expected flag: the step's index, if it is lower and any of `numbers` is not finite; otherwise unchanged.
    pub fn flag(&self, binding: usize, numbers: &[f64]) -> Expected {
        let (flag, finite) = (self.words(binding)[0], numbers.iter().all(|x| x.is_finite()));
        Expected::Words(vec![if finite { flag } else { flag.min(self.step().index) }])
    }

    fn get(&self, binding: usize) -> &View {
        self.case.plan.get(self.case.op().views[binding])
    }
}

/// Number of live items of an op, by its `WorkItem` and `StepUse`.
pub fn live_items(case: &Case) -> usize {
    let op = case.op();
    op.items.min(match (op.kernel.item, op.kernel.step) {
        (WorkItem::BatchRow, _) => case.step().rows as usize,
        (_, StepUse::All) => case.steps.len(),
        (_, StepUse::One) => op.items,
    })
}

/// Allocation and elements of each binding that a range of items uses.
fn ranges(case: &Case, items: &Range<usize>) -> Vec<(usize, Range<usize>)> {
    let op = case.op();
    let range = |per_item: bool, view: &View| {
        let whole = view.range(case.batch_index);
        let each = match (per_item, op.kernel.item) {
            (true, WorkItem::Column) => return whole,
            (true, _) => view.shape.elements() / op.items.max(1),
            (false, WorkItem::Slice) => op.param("chunk").expect("slices have a size") as usize * view.shape.columns,
            (false, _) => return whole,
        };
        whole.start + items.start * each..whole.end.min(whole.start + items.end * each)
    };
    let views = op.views.iter().map(|v| case.plan.get(*v));
    op.kernel.bindings.iter().zip(views).map(|(b, view)| (view.allocation.0, range(b.per_item, view))).collect()
}

fn empty_call(case: &Case, items: Range<usize>) -> Call<'_> {
    Call {
        params: &case.op().params,
        step: case.step(),
        steps: &case.steps,
        items,
        args: Default::default(),
        trace: None,
    }
}

/// Copy of the elements of a view that a CPU kernel gets.
enum Part {
    Read(Vec<u32>),
    Write(Vec<u32>),
    Atomic(Vec<AtomicU32>),
}

impl Part {
    fn new(access: Access, words: &[u32]) -> Self {
        match access {
            Access::Read => Self::Read(words.to_vec()),
            Access::Write | Access::Fill | Access::ReadWrite | Access::Accumulate => Self::Write(words.to_vec()),
            Access::Atomic => Self::Atomic(words.iter().map(|word| AtomicU32::new(*word)).collect()),
        }
    }

    /// Lends the words, or only some of the columns that it has.
    fn lend(&mut self, own: Option<Range<usize>>, columns: usize) -> BufferArg<'_> {
        match self {
            Self::Read(words) => BufferArg::Read(words),
            Self::Write(words) => match own {
                Some(own) => {
                    let rows = words.len() / columns;
                    let whole = MatrixMut::new(bytemuck::cast_slice_mut(words), rows, columns);
                    BufferArg::Columns(whole.into_part(0..rows, own))
                }
                None => BufferArg::Write(words),
            },
            Self::Atomic(words) => BufferArg::Atomic(words),
        }
    }

    fn words(self) -> Vec<u32> {
        match self {
            Self::Read(words) | Self::Write(words) => words,
            Self::Atomic(words) => words.into_iter().map(AtomicU32::into_inner).collect(),
        }
    }
}
