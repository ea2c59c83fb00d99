//! Matrix multiplications whose terms are split into parts (split-K): on a GPU, for outputs too small to fill it; on
//! the CPU, for weight gradients of large batches, so that the rows of a part stay in cache. Each part writes its own
//! sums. `dense_forward_sum`, `dense_grad_input_sum` or `dense_grad_weight_sum` then adds the parts in a fixed order.
//!
//! | transpose | formula | first half of |
//! |---|---|---|
//! | `NT` | partial[p, i, j] = Σₗ a[i, l]·b[j, l] | `dense_forward` |
//! | `NN` | partial[p, i, j] = Σₗ a[i, l]·b[l, j] | `dense_grad_input` |
//! | `TN` | partial[p, i, j] = Σₗ a[l, i]·b[l, j], then Σₗ a[l, i] | `dense_grad_weight` |
//!
//! Symbols: p a part, i < m, j < n, l one of the `chunk` terms of the part. Rows of `NT` and `NN`, and terms of `TN`,
//! are rows of the batch that are in use.
//!
//! | binding | view | shape (NT · NN · TN) | access |
//! |---|---|---|---|
//! | 2 | a | m×k · m×k · k×m | read |
//! | 3 | b | n×k · k×n · k×n | read |
//! | 4 | partial | parts×(m·n · m·n · m·n + m) | write |
//!
//! Rounding: [`Sum`] of the part's terms, for `TN` in blocks.

use std::ops::Range;

use crate::kernels::shared::{self, tiles};
use crate::numeric::{Matrix, MatrixMut, Sum, column_sum, matmul_over_rows};
use crate::plan::{
    Binding, Call, Contents, Kernel, Op, Plan, Shader, StepUse, Tile, Tiles, Tolerance, ViewId, WorkItem, words,
};
use crate::shape::{Dtype, Shape};

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns of the output.
        n: u32,
        /// Number of terms of each sum; for `TN` the maximum.
        k: u32,
        /// Number of rows of the output, including those not in use.
        m: u32,
        /// Number of terms per part.
        chunk: u32,
    }
}

/// Operand of the matrix multiplication that is transposed, if any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transpose {
    /// a · bᵀ.
    Nt,
    /// a · b.
    Nn,
    /// aᵀ · b, and the sums of a's columns.
    Tn,
}

impl Transpose {
    fn a_along_terms(self) -> bool {
        self != Self::Tn
    }

    fn b_along_terms(self) -> bool {
        self == Self::Nt
    }

    /// Returns the number of elements of one part of the output.
    fn part_size(self, m: usize, n: usize) -> usize {
        m * n + if self == Self::Tn { m } else { 0 }
    }
}

/// Suffix of the names of the views with the sums of the parts.
pub const PARTS: &str = ".parts";

const BINDINGS: [Binding; 3] =
    [Binding::read("a", Dtype::F32), Binding::read("b", Dtype::F32), Binding::write("partial", Dtype::F32)];

macro_rules! kernel {
    ($name:literal, $transpose:expr, $item:expr, $fast:expr) => {
        Kernel {
            name: $name,
            bindings: &BINDINGS,
            params: Params::FIELDS,
            step: StepUse::One,
            item: $item,
            flops: |p, _| 2 * u64::from(p[0]) * u64::from(p[1]) * u64::from(p[2]),
            reference: |call| {
                let (p, live, parts) = (*call.params::<Params>(), call.step.rows as usize, call.items.clone());
                let [a, b, partial] = call.args();
                reference($transpose, &p, live, parts, a.f32(), b.f32(), partial.f32_mut());
            },
            fast: $fast,
            tolerance: |before, after| tolerance($transpose, before, after),
            shader: Shader {
                source: include_str!("../../shaders/matmul_split.wgsl"),
                shared: &[shared::STEP, shared::SPLIT],
                prelude: |op| {
                    tiles::prelude(op) + &tiles::along($transpose.a_along_terms(), $transpose.b_along_terms())
                },
                grid: |op, _| {
                    let [x, y, z] = tiles::grid(op, size(op));
                    [x, y * op.items as u32, z]
                },
                rounds: Some(|op, _| tiles::rounds(&op.tile(), size(op))),
                tiles: Some(Tiles {
                    candidates: |op, _, limits| tiles::unsplit(size(op), limits),
                    core: tiles::core,
                    split: None,
                }),
            },
        }
    };
}

/// Kernel of a · bᵀ in parts.
pub static NT: Kernel = kernel!("matmul_split_nt", Transpose::Nt, WorkItem::Part, None);

/// Kernel of a · b in parts.
pub static NN: Kernel = kernel!("matmul_split_nn", Transpose::Nn, WorkItem::Part, None);

/// Kernel of aᵀ · b and the sums of a's columns, in parts.
pub static TN: Kernel = kernel!("matmul_split_tn", Transpose::Tn, WorkItem::Slice, Some(fast));

fn size(op: &Op) -> tiles::Matmul {
    let p = op.params::<Params>();
    // Parts begin at multiples of m·n, or for `TN` of m·n + m.
    let fours = |length: u32| length.is_multiple_of(4);
    let aligned = match op.kernel.name {
        name if name == NT.name => [fours(p.k), fours(p.k), fours(p.n)],
        name if name == NN.name => [fours(p.k), fours(p.n), fours(p.n)],
        _ => [fours(p.m), fours(p.n), fours(p.m) && fours(p.n)],
    };
    tiles::Matmul {
        rows: p.m as usize,
        columns: p.n as usize,
        terms: p.chunk as usize,
        aligned,
        over_rows: op.kernel.name == TN.name,
        may_drop: false,
    }
}

/// Creates the op for the first half of a split matrix multiplication, tiled by `tile`. `matmul` is the output of the
/// whole multiplication. Adds a view for the sums of the parts to the plan, and returns this view, too.
pub fn op(plan: &mut Plan, transpose: Transpose, tile: Tile, a: ViewId, b: ViewId, matmul: ViewId) -> (Op, ViewId) {
    let [(m, n), a_shape] = [plan.shape(matmul), plan.shape(a)].map(|shape| (shape.rows, shape.columns));
    let k = if transpose == Transpose::Tn { a_shape.0 } else { a_shape.1 };
    let chunk = tiles::chunk(k, tile.parts as usize);
    let parts = k.div_ceil(chunk);
    let name = format!("{}{PARTS}", plan.get(matmul).name);
    let shape = Shape::new(parts, transpose.part_size(m, n));
    // The view is persistent, so that it is not filled with poison values (NaN). Rows that are not in use are never
    // written, and the search for the first bad number must not find the poison in them.
    let partial = plan.tensor(name, Dtype::F32, shape, Contents::Persistent(0));
    let params = Params { n: n as u32, k: k as u32, m: m as u32, chunk: chunk as u32 };
    let kernel = [&NT, &NN, &TN][transpose as usize];
    let op = Op::new(kernel, &[a, b, partial], &params, parts);
    // The output of this op is `partial`, so its alignment may differ.
    let [a, b, out] = tile.vector;
    let tile = Tile { parts: 1, vector: [a, b, out && size(&op).aligned[2]], ..tile };
    (Op { tile: Some(tile), ..op }, partial)
}

/// Returns the range of terms of a part; only the first `terms` terms are in use.
fn span(part: usize, chunk: usize, terms: usize) -> Range<usize> {
    (part * chunk).min(terms)..((part + 1) * chunk).min(terms)
}

/// Returns the number of output rows in use, and the number of terms in use of all parts together.
fn live(transpose: Transpose, p: &Params, rows: usize) -> (usize, usize) {
    if transpose == Transpose::Tn { (p.m as usize, rows) } else { (rows, p.k as usize) }
}

/// Returns the indices of the two factors of one term, in a and in b.
fn at(transpose: Transpose, p: &Params, i: usize, j: usize, l: usize) -> (usize, usize) {
    let (n, k, m) = (p.n as usize, p.k as usize, p.m as usize);
    match transpose {
        Transpose::Nt => (i * k + l, j * k + l),
        Transpose::Nn => (i * k + l, l * n + j),
        Transpose::Tn => (l * m + i, l * n + j),
    }
}

/// The reference implementation; `partial` begins at part `parts.start`, and for `TN` so do the rows of a and b.
pub fn reference(
    transpose: Transpose,
    p: &Params,
    rows: usize,
    parts: Range<usize>,
    a: &[f32],
    b: &[f32],
    partial: &mut [f32],
) {
    let (n, m) = (p.n as usize, p.m as usize);
    let (rows, terms) = live(transpose, p, rows);
    let before = if transpose == Transpose::Tn { parts.start * p.chunk as usize } else { 0 };
    for (sums, part) in partial.chunks_exact_mut(transpose.part_size(m, n)).zip(parts) {
        for i in 0..rows {
            for j in 0..n {
                let mut sum = 0.0;
                for l in span(part, p.chunk as usize, terms) {
                    let (in_a, in_b) = at(transpose, p, i, j, l - before);
                    sum += f64::from(a[in_a]) * f64::from(b[in_b]);
                }
                sums[i * n + j] = sum as f32;
            }
            if transpose == Transpose::Tn {
                let mut sum = 0.0;
                for l in span(part, p.chunk as usize, terms) {
                    sum += f64::from(a[(l - before) * m + i]);
                }
                sums[m * n + i] = sum as f32;
            }
        }
    }
}

/// Fast CPU kernel of [`TN`]. The other forms are never split on the CPU.
fn fast(call: Call<'_>) {
    let (p, parts) = (*call.params::<Params>(), call.items.len());
    let (n, m, chunk) = (p.n as usize, p.m as usize, p.chunk as usize);
    let live = (call.step.rows as usize).saturating_sub(call.items.start * chunk).min(parts * chunk);
    let [a, b, partial] = call.args();
    let (a, b) = (Matrix::new(a.f32(), live, m), Matrix::new(b.f32(), live, n));
    for (sums, part) in partial.f32_mut().chunks_exact_mut(Transpose::Tn.part_size(m, n)).zip(0..parts) {
        let rows = span(part, chunk, live);
        let (weight, bias) = sums.split_at_mut(m * n);
        let (a, b) = (a.rows(rows.clone()), b.rows(rows));
        matmul_over_rows(a.transposed(), b, MatrixMut::new(weight, m, n));
        column_sum(a, bias);
    }
}

fn tolerance(transpose: Transpose, before: &Call<'_>, after: &Call<'_>) -> Vec<Tolerance> {
    let p = before.params::<Params>();
    let (n, m, a, b) = (p.n as usize, p.m as usize, before.f32(0), before.f32(1));
    let (rows, terms) = live(transpose, p, before.step.rows as usize);
    let depth = tiles::depth(p.chunk as usize);
    let order = |sum: Sum| if transpose == Transpose::Tn { sum.in_blocks(depth) } else { sum };
    let mut tolerances = vec![0.0; after.f32(2).len()];
    for (part, tolerances) in tolerances.chunks_exact_mut(transpose.part_size(m, n)).enumerate() {
        for i in 0..rows {
            for j in 0..n {
                let mut sum = Sum::default();
                for l in span(part, p.chunk as usize, terms) {
                    let (in_a, in_b) = at(transpose, p, i, j, l);
                    sum.add(a[in_a], b[in_b]);
                }
                tolerances[i * n + j] = order(sum).tolerance();
            }
            if transpose == Transpose::Tn {
                let mut sum = Sum::default();
                span(part, p.chunk as usize, terms).for_each(|l| sum.add(a[l * m + i], 1.0));
                tolerances[m * n + i] = order(sum).tolerance();
            }
        }
    }
    vec![Tolerance::Each(tolerances)]
}
