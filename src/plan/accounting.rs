//! What ops cost at least: operations, bytes, and the time that both take at given rates.

use crate::plan::{Binding, Op, Plan, Section, Touches, View};

/// What a device can do at most in a second. No driver says it: the user does, from a data sheet or a measurement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// Floating-point operations.
    pub flops: Option<f64>,
    /// Bytes from and to memory.
    pub bytes: Option<f64>,
}

/// Operations, and bytes that must be moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Floating-point operations; a multiplication and an addition are two.
    pub flops: u64,
    /// Bytes that must be read and written: see [`Plan::traffic`].
    pub bytes: u64,
}

impl Work {
    /// Operations for each byte; `None` where nothing is moved.
    pub fn intensity(&self) -> Option<f64> {
        (self.bytes > 0).then(|| self.flops as f64 / self.bytes as f64)
    }

    /// The least seconds that arithmetic takes, and that memory takes, as far as the rates are known. No device is faster
    /// than the larger one, but for what its caches still hold.
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
    /// Floating-point operations of one run of an op.
    pub fn flops(&self, op: &Op) -> u64 {
        let shapes: Vec<_> = op.views.iter().map(|v| self.shape(*v)).collect();
        (op.kernel.flops)(&op.params, &shapes)
    }

    /// The least bytes that one run of an op moves, on full batches: each element of its views once, twice where it is
    /// changed in place, and of what it touches in part ([`Touches`]) that part. Padding between tensors counts where a
    /// view spans several. Of ops that share the rows of a data set, each is counted as if all rows were its own.
    pub fn traffic(&self, op: &Op) -> u64 {
        let bytes =
            |(binding, view): (&Binding, _)| 4 * moves(binding) * touched(op, binding.touches, self.get(view)) as u64;
        op.kernel.bindings.iter().zip(op.views.iter().copied()).map(bytes).sum()
    }

    /// What one run of an op costs at least.
    pub fn work(&self, op: &Op) -> Work {
        Work { flops: self.flops(op), bytes: self.traffic(op) }
    }

    /// What one run of a section costs at least.
    pub fn section_work(&self, section: Section) -> Work {
        self.ops(section).iter().map(|op| self.work(op)).sum()
    }
}

/// How often an element that is touched moves.
fn moves(binding: &Binding) -> u64 {
    if binding.access.is_in_place() { 2 } else { 1 }
}

/// Elements of a view that an op touches.
fn touched(op: &Op, touches: Touches, view: &View) -> usize {
    let rows = match touches {
        Touches::All => view.shape.rows,
        Touches::RowPerItem => op.items,
        Touches::BatchPerItem => op.items * op.param("batch").unwrap_or(1) as usize,
    };
    rows.min(view.shape.rows) * view.shape.columns
}
