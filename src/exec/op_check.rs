//! Results of lockstep, op by op.

use crate::plan::{Op, Tile};
use crate::shape::Shape;

/// Largest ratio of an element's tolerance to its value for which the check is meaningful. Elements with a larger ratio
/// count as weakly checked.
const WEAK: f64 = 0.01;

/// Tolerances up to this value only allow a device to flush tiny results to zero. Such elements do not count as weakly
/// checked.
const FLUSHED: f64 = 2.0 * f32::MIN_POSITIVE as f64;

/// Results of a lockstep run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// One entry for each op that ran, in order.
    pub ops: Vec<OpCheck>,
}

impl Report {
    /// Returns the total number of elements that were compared.
    pub fn elements(&self) -> usize {
        self.ops.iter().map(|op| op.elements).sum()
    }
}

/// Results of lockstep for one op, or for several runs of it.
#[derive(Clone, Debug)]
pub struct OpCheck {
    /// Section, index in the section, and kernel: `gradients op 3 (dense_forward)`.
    pub op: String,
    /// Name of the kernel.
    pub kernel: &'static str,
    /// Tile sizes of a matrix multiplication, on a GPU.
    pub tile: Option<Tile>,
    /// Shapes of the op's views.
    pub shapes: Vec<Shape>,
    /// Shape of the first view that the op writes.
    pub written: Shape,
    /// Number of elements that were compared with the reference.
    pub elements: usize,
    /// Number of elements with a tolerance of 0: their bits had to be the reference's.
    pub exact: usize,
    /// Largest ratio of a difference to its tolerance, from 0 to 1.
    pub worst: f64,
    /// Number of weakly checked elements: their tolerance exceeds 1 % of the result, and does more than allow flushing
    /// tiny results to zero.
    pub weak: usize,
    /// Largest ratio of an element's tolerance to its magnitude, over elements that are not 0.
    pub largest_relative_tolerance: f64,
    /// Sum of the squared tolerances, and sum of the squared results, over the elements with a tolerance above 0.
    squares: [f64; 2],
}

impl OpCheck {
    pub(super) fn new(op: &Op, name: String, shapes: Vec<Shape>) -> Self {
        let first = op.kernel.bindings.iter().position(|binding| binding.access.writes());
        Self {
            written: first.map_or(Shape::new(0, 0), |at| shapes[at]),
            op: name,
            kernel: op.kernel.name,
            tile: op.tile,
            shapes,
            elements: 0,
            exact: 0,
            worst: 0.0,
            weak: 0,
            largest_relative_tolerance: 0.0,
            squares: [0.0; 2],
        }
    }

    /// Counts an element with its tolerance and the reference's result.
    pub(super) fn count(&mut self, tolerance: f64, result: f64) {
        self.elements += 1;
        self.exact += usize::from(tolerance == 0.0);
        self.weak += usize::from(tolerance > FLUSHED && tolerance > WEAK * result.abs());
        if tolerance > 0.0 && tolerance.is_finite() && result.is_finite() && result != 0.0 {
            self.largest_relative_tolerance = self.largest_relative_tolerance.max(tolerance / result.abs());
        }
        if tolerance > 0.0 && tolerance.is_finite() && result.is_finite() {
            self.squares[0] += tolerance * tolerance;
            self.squares[1] += result * result;
        }
    }

    /// Returns the root mean square of the tolerances, divided by that of the results, over the elements with a
    /// tolerance above 0. Returns 0 if there are no such elements.
    pub fn relative_tolerance(&self) -> f64 {
        if self.squares[1] > 0.0 { (self.squares[0] / self.squares[1]).sqrt() } else { 0.0 }
    }

    /// Adds the counts of another run of the same op.
    pub fn merge(&mut self, other: &Self) {
        self.elements += other.elements;
        self.exact += other.exact;
        self.worst = self.worst.max(other.worst);
        self.weak += other.weak;
        self.largest_relative_tolerance = self.largest_relative_tolerance.max(other.largest_relative_tolerance);
        self.squares = [self.squares[0] + other.squares[0], self.squares[1] + other.squares[1]];
    }
}
