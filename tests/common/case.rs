//! Test cases of kernels: a plan of one op, its step records, and the host's inputs.
//!
//! Memory that is not filled keeps its initial poison: dead rows, the other batches of a window, the padding between tensors,
//! and every output. So forbidden reads and writes of a CPU kernel are detected. Cases with odd seeds also fill dead rows: sums
//! and products with poison are poison, which would hide other errors.

use wgrad::exec::{Executor, Run};
use wgrad::plan::{Contents, Op, Plan, Section, Step, View, ViewId};
use wgrad::rng::{Philox, Stream};
use wgrad::shape::{Dtype, Shape, TENSOR_ALIGNMENT, padded};

/// Kind of the inputs of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Real numbers of ordinary size.
    Real,
    /// Small whole numbers, whose sums of products are exact.
    Whole,
    /// Hard cases.
    Special,
}

/// Contents of an input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fill {
    /// Uniform in ±range, a tenth of them 0; whole numbers in ±3 if the case has whole numbers.
    Real(f64),
    /// Uniform in 0..range; whole numbers if the case has whole numbers.
    Positive(f64),
    /// Uniform from the first to the second, in any case: the range of a function.
    Between(f64, f64),
    /// Uniform words below this one.
    Below(u32),
    /// 0.0 or 1.0 at random.
    Bit,
    /// One word everywhere.
    Same(u32),
}

/// Words that the host writes to the start of a view.
#[derive(Clone, Debug)]
pub struct Input {
    /// Destination.
    pub view: ViewId,
    /// Batch of the window.
    pub batch_index: usize,
    /// Words to write.
    pub words: Vec<u32>,
}

/// Test case of a kernel; see the module.
#[derive(Clone, Debug)]
pub struct Case {
    /// Kernel, shapes, live rows, kind of values.
    pub name: String,
    /// Plan; its only op is in `section`.
    pub plan: Plan,
    /// Section of the op.
    pub section: Section,
    /// Steps of the submission.
    pub steps: Vec<Step>,
    /// Batch index of the step that runs.
    pub batch_index: usize,
    /// Inputs that the host writes.
    pub inputs: Vec<Input>,
    /// Kind of the inputs.
    pub values: Values,
    seed: u64,
}

impl Case {
    /// Creates a case with `rows` live rows, without views and op. The seed also determines the number of batches in the window;
    /// the last one runs.
    pub fn new(section: Section, rows: usize, values: Values, seed: usize) -> Self {
        let batches = 1 + seed % 3;
        let steps = (0..batches)
            .map(|batch_index| step(seed, batch_index, if batch_index + 1 == batches { rows } else { rows / 2 }))
            .collect();
        let (plan, inputs) = (Plan::new(), Vec::new());
        Self { name: String::new(), plan, section, steps, batch_index: batches - 1, inputs, values, seed: seed as u64 }
    }

    /// Step that runs.
    pub fn step(&self) -> &Step {
        &self.steps[self.batch_index]
    }

    /// Adds a batch in a window. Only the live rows of the running step are filled, or, with an odd seed, all rows.
    pub fn batch(&mut self, name: &str, shape: Shape, fill: Fill) -> ViewId {
        let dtype = if matches!(fill, Fill::Below(_)) { Dtype::U32 } else { Dtype::F32 };
        let (view, _) = self.plan.windowed(name, dtype, shape, self.steps.len(), Contents::Host);
        let rows = if self.seed % 2 == 1 { shape.rows } else { (self.step().rows as usize).min(shape.rows) };
        self.fill(view, rows * shape.columns, fill);
        view
    }

    /// Adds a batch that the op writes.
    pub fn batch_output(&mut self, name: &str, dtype: Dtype, shape: Shape) -> ViewId {
        self.plan.windowed(name, dtype, shape, self.steps.len(), Contents::Computed).0
    }

    /// Adds a tensor that is completely filled.
    pub fn tensor(&mut self, name: &str, shape: Shape, fill: Fill) -> ViewId {
        let dtype = if matches!(fill, Fill::Below(_)) { Dtype::U32 } else { Dtype::F32 };
        let view = self.guarded(name, dtype, shape, Contents::Host);
        self.fill(view, shape.elements(), fill);
        view
    }

    /// Adds a tensor that the op writes.
    pub fn output(&mut self, name: &str, dtype: Dtype, shape: Shape) -> ViewId {
        self.guarded(name, dtype, shape, Contents::Computed)
    }

    /// Adds a tensor that the op changes in place.
    pub fn state(&mut self, name: &str, shape: Shape, fill: Fill) -> ViewId {
        let view = self.guarded(name, Dtype::F32, shape, Contents::Persistent(0));
        self.fill(view, shape.elements(), fill);
        view
    }

    /// Adds the flag, which holds `word`.
    pub fn flag(&mut self, word: u32) -> ViewId {
        let view = self.guarded("flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX));
        self.set(view, vec![word]);
        view
    }

    /// Adds two adjacent tensors in one allocation, like gradients.
    pub fn pair_of_outputs(&mut self, names: [&str; 2], shapes: [Shape; 2]) -> [ViewId; 2] {
        let second = padded(shapes[0].elements());
        let elements = second + padded(shapes[1].elements());
        let allocation = self.plan.allocate("pair", Dtype::F32, elements, Contents::Computed);
        [self.plan.view(names[0], allocation, 0, shapes[0]), self.plan.view(names[1], allocation, second, shapes[1])]
    }

    /// Adds a view with poisoned elements before and after it.
    fn guarded(&mut self, name: &str, dtype: Dtype, shape: Shape, contents: Contents) -> ViewId {
        let elements = padded(shape.elements()) + 2 * TENSOR_ALIGNMENT;
        let allocation = self.plan.allocate(name, dtype, elements, contents);
        self.plan.view(name, allocation, TENSOR_ALIGNMENT, shape)
    }

    fn fill(&mut self, view: ViewId, elements: usize, fill: Fill) {
        let mut numbers = Philox::new(self.seed, Stream::Data, self.inputs.len() as u32);
        let whole = self.values == Values::Whole;
        let words = (0..elements).map(|_| fill.word(&mut numbers, whole)).collect();
        self.set(view, words);
    }

    /// Replaces the words that the host writes to a view.
    pub fn set(&mut self, view: ViewId, words: Vec<u32>) {
        self.inputs.retain(|input| input.view != view);
        self.inputs.push(Input { view, batch_index: self.batch_index, words });
    }

    /// Replaces the numbers that the host writes to a view.
    pub fn set_f32(&mut self, view: ViewId, numbers: &[f32]) {
        self.set(view, numbers.iter().map(|x| x.to_bits()).collect());
    }

    /// Adds the op and names the case after it.
    pub fn with(mut self, op: Op) -> Self {
        let shapes: Vec<_> = op.views.iter().map(|v| self.plan.shape(*v).to_string()).collect();
        let (rows, batch_index) = (self.step().rows, self.batch_index);
        self.name = format!(
            "{} {} ({rows} live rows, batch {batch_index}, {:?})",
            op.kernel.name,
            shapes.join(" "),
            self.values
        );
        self.plan.push(self.section, op).unwrap_or_else(|error| panic!("{}: {error}", self.name));
        self
    }

    /// The same memory and inputs, for another op.
    pub fn without_op(&self) -> Self {
        let mut plan = Plan::new();
        for allocation in self.plan.allocations() {
            let contents = allocation.contents.clone();
            plan.allocate(allocation.name.clone(), allocation.dtype, allocation.elements, contents);
        }
        for view in self.plan.views() {
            plan.add_view(view.clone());
        }
        Self { plan, ..self.clone() }
    }

    /// The only op.
    pub fn op(&self) -> &Op {
        &self.plan.ops(self.section)[0]
    }

    /// Run to submit.
    pub fn run(&self) -> Run {
        Run { section: self.section, batch_index: self.batch_index }
    }

    /// Writes all inputs.
    pub fn load(&self, device: &mut dyn Executor) {
        for input in &self.inputs {
            device.write(input.view, input.batch_index, &input.words).expect("inputs have the size of their views");
        }
    }

    /// Views that the op writes, with the indices of their bindings.
    pub fn written(&self) -> impl Iterator<Item = (usize, &View)> {
        let bindings = self.op().kernel.bindings.iter().enumerate().filter(|(_, b)| b.access.writes());
        bindings.map(|(number, _)| (number, self.plan.get(self.op().views[number])))
    }

    /// Number of elements that lockstep compares: all elements of the written views.
    pub fn elements(&self) -> usize {
        self.written().map(|(_, view)| view.shape.elements()).sum()
    }
}

impl Fill {
    fn word(self, numbers: &mut Philox, whole: bool) -> u32 {
        match self {
            Self::Real(_) if whole => (f64::from(numbers.below(7)) - 3.0) as f32,
            Self::Real(_) if numbers.below(10) == 0 => 0.0,
            Self::Real(range) => (range * (2.0 * numbers.uniform() - 1.0)) as f32,
            Self::Positive(_) if whole => numbers.below(4) as f32,
            Self::Positive(range) => (range * numbers.uniform()) as f32,
            Self::Between(low, high) => (low + (high - low) * numbers.uniform()) as f32,
            Self::Bit => numbers.below(2) as f32,
            Self::Below(limit) => return numbers.below(limit),
            Self::Same(word) => return word,
        }
        .to_bits()
    }
}

/// Step record in which all fields differ, so that none can be mistaken for another.
fn step(seed: usize, batch_index: usize, rows: usize) -> Step {
    let index = (5 + 7 * seed + batch_index) as u32;
    let t = f64::from(index) + 1.0;
    Step {
        index,
        batch_index: batch_index as u32,
        epoch_batch: (1 + seed % 3) as u32,
        rows: rows as u32,
        first_row: (1000 + 13 * seed) as u32,
        seed_low: 0xDEAD_0000 + seed as u32,
        seed_high: 77,
        learning_rate: 0.05 + 0.01 * batch_index as f32,
        // As in a larger step, which keeps it finite without live rows.
        loss_scale: (1.0 / (rows as f64 + 3.0)) as f32,
        optimizer1: (1.0 - 0.9f64.powf(t)) as f32,
        optimizer2: (1.0 - 0.999f64.powf(t)).sqrt() as f32,
        optimizer3: 0.7,
        optimizer4: 0.85,
        average: 0.0625,
        mix_own: 0.375,
        mix_first: 0,
        mix_columns: 1,
    }
}

/// Rows, columns and live rows of batches: unaligned, not square, at the edges of tiles of 4, 16 and 64.
pub const BATCHES: [(usize, usize, usize); 18] = [
    (1, 1, 1),
    (1, 3, 1),
    (3, 1, 3),
    (3, 5, 0),
    (4, 5, 3),
    (5, 4, 5),
    (2, 7, 1),
    (15, 17, 15),
    (16, 3, 16),
    (17, 16, 13),
    (17, 64, 16),
    (63, 2, 63),
    (64, 65, 64),
    (65, 15, 64),
    (7, 63, 7),
    (13, 67, 1),
    (31, 129, 29),
    (66, 10, 65),
];

/// Makes a case of real and one of whole numbers for each of [`BATCHES`].
pub fn over_batches(make: impl Fn(Shape, usize, Values, usize) -> Case) -> Vec<Case> {
    let both = |(seed, (rows, columns, live))| {
        [Values::Real, Values::Whole].map(|values| make(Shape::new(rows, columns), live, values, seed))
    };
    BATCHES.into_iter().enumerate().flat_map(both).collect()
}

/// Rows, columns and live rows for kernels whose invocations may share a row on a GPU: more than 64 columns with many rows, more
/// than 1000 columns, and more rows than three workgroups of 64.
pub const LONG_ROWS: [(usize, usize, usize); 5] =
    [(70, 65, 67), (131, 70, 130), (3, 1027, 2), (2, 2048, 2), (201, 3, 193)];

/// Makes a case of real and one of whole numbers for each of [`BATCHES`] and [`LONG_ROWS`].
pub fn over_rows(make: impl Fn(Shape, usize, Values, usize) -> Case) -> Vec<Case> {
    let long = LONG_ROWS.into_iter().enumerate().flat_map(|(seed, (rows, columns, live))| {
        [Values::Real, Values::Whole].map(|values| make(Shape::new(rows, columns), live, values, seed))
    });
    over_batches(&make).into_iter().chain(long).collect()
}

/// m, n, k and live rows of matrix multiplications: odd sizes, rows of multiples of four, and sizes above the CPU's tiles and
/// panels.
pub const MATMULS: [(usize, usize, usize, usize); 21] = [
    (1, 1, 3, 1),
    (1, 5, 3, 1),
    (3, 1, 7, 2),
    (5, 4, 1, 5),
    (3, 2, 5, 0),
    (20, 20, 8, 0),
    (4, 3, 17, 4),
    (15, 17, 16, 15),
    (16, 63, 5, 9),
    (17, 16, 64, 17),
    (63, 65, 4, 62),
    (64, 15, 13, 64),
    (65, 67, 31, 1),
    (2, 128, 129, 2),
    (10, 3, 257, 7),
    (33, 64, 65, 32),
    (5, 4, 8, 5),
    (12, 132, 20, 9),
    (70, 68, 36, 67),
    (150, 140, 20, 149),
    (83, 131, 101, 80),
];

/// Makes a case of real and one of whole numbers for each of [`MATMULS`].
pub fn over_matmuls(make: impl Fn([usize; 3], usize, Values, usize) -> Case) -> Vec<Case> {
    let both =
        |(seed, (m, n, k, live))| [Values::Real, Values::Whole].map(|values| make([m, n, k], live, values, seed));
    MATMULS.into_iter().enumerate().flat_map(both).collect()
}
