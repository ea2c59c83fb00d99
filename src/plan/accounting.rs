//! Lower bounds on an op's cost: operations, bytes, and the time of each at given rates.

use crate::plan::{Binding, Op, Plan, Section, Touches, View};

/// Peak rates of a device. No driver reports them: the user takes them from a data sheet or a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Floating-point operations per second; `None` if unknown.
    pub flops: Option<f64>,
    /// Bytes per second that are read from and written to memory, together; `None` if unknown.
    pub bytes: Option<f64>,
}

/// Number of floating-point operations of ops, and number of bytes that they must move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Floating-point operations; a multiplication and an addition count as two.
    pub flops: u64,
    /// Bytes that must be read and written: see [`Plan::traffic`].
    pub bytes: u64,
}

impl Work {
    /// Returns the arithmetic intensity: operations per byte. `None` if no bytes are moved.
    pub fn intensity(&self) -> Option<f64> {
        (self.bytes > 0).then(|| self.flops as f64 / self.bytes as f64)
    }

    /// Returns two lower bounds on the time in seconds: for arithmetic, and for memory traffic. Each is `None` if its
    /// rate is unknown. No device is faster than the larger bound, except for data that is still in a cache.
    pub fn roofline(&self, rates: Rates) -> [Option<f64>; 2] {
        [rates.flops.map(|rate| self.flops as f64 / rate), rates.bytes.map(|rate| self.bytes as f64 / rate)]
    }
}

impl std::ops::Mul<u64> for Work {
    type Output = Self;

    fn mul(self, times: u64) -> Self {
        Self { flops: times * self.flops, bytes: times * self.bytes }
    }
}

impl std::iter::Sum for Work {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, work| Self { flops: sum.flops + work.flops, bytes: sum.bytes + work.bytes })
    }
}

impl Plan {
    /// Returns the floating-point operations of one run of an op on a full batch.
    pub fn flops(&self, op: &Op) -> u64 {
        let shapes: Vec<_> = op.views.iter().map(|v| self.shape(*v)).collect();
        (op.kernel.flops)(&op.params, &shapes)
    }

    /// Returns a lower bound on the bytes that one run of an op moves, on full batches. Each element of its views
    /// counts once, or twice if it is changed in place; if the op uses only a part of a view, only that part counts
    /// ([`Touches`]). Padding between tensors counts if a view spans several tensors. If several ops read different
    /// rows of a data set, each is counted as if it read all rows.
    pub fn traffic(&self, op: &Op) -> u64 {
        let bytes =
            |(binding, view): (&Binding, _)| 4 * moves(binding) * touched(op, binding.touches, self.get(view)) as u64;
        op.kernel.bindings.iter().zip(op.views.iter().copied()).map(bytes).sum()
    }

    /// Returns the operations of one run of an op on a full batch, and a lower bound on the bytes that it moves.
    pub fn work(&self, op: &Op) -> Work {
        Work { flops: self.flops(op), bytes: self.traffic(op) }
    }

    /// Returns the sum of [`Plan::work`] over the ops of a section.
    pub fn section_work(&self, section: Section) -> Work {
        self.ops(section).iter().map(|op| self.work(op)).sum()
    }
}

/// Returns the number of times that each used element is moved: 2 if it is read and written, else 1.
fn moves(binding: &Binding) -> u64 {
    if binding.access.is_in_place() { 2 } else { 1 }
}

/// Returns the number of elements of a view that an op uses.
fn touched(op: &Op, touches: Touches, view: &View) -> usize {
    let rows = match touches {
        Touches::All => view.shape.rows,
        Touches::RowPerItem => op.items,
        Touches::BatchPerItem => op.items * op.param("batch").unwrap_or(1) as usize,
    };
    rows.min(view.shape.rows) * view.shape.columns
}
