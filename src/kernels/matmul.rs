//! Matrix multiplication, in the three forms that a dense layer needs.
//!
//! | transpose | formula | use | items |
//! |---|---|---|---|
//! | `NT` | out[i, j] = Σₗ a[i, l]·b[j, l] | forward: input · weightᵀ | rows of the batch |
//! | `NN` | out[i, j] = Σₗ a[i, l]·b[l, j] | input gradient: gradient · weight | rows of the batch |
//! | `TN` | out[i, j] = Σₗ a[l, i]·b[l, j] | weight gradient: gradientᵀ · input | rows of the weight |
//!
//! Symbols: i < m, j < n, l < k; in `TN`, k counts the rows in use.
//!
//! | binding | view | shape (NT · NN · TN) | access |
//! |---|---|---|---|
//! | 2 | a | m×k · m×k · k×m | read |
//! | 3 | b | n×k · k×n · k×n | read |
//! | 4 | out | m×n | write |
//!
//! Derivative: that of `NT` is `NN` with respect to a, and `TN` with respect to b.
//! Rounding: [`Sum`] of k terms, for `TN` in blocks.

use crate::kernels::dropout::Mask;
use crate::kernels::matmul_split::{self, Transpose};
use crate::kernels::shared::{self, tiles};
use crate::kernels::{dense_forward, dense_forward_sum, dense_grad_weight_sum};
use crate::network::Activation;
use crate::numeric::{Matrix, MatrixMut, Sum, matmul, matmul_over_rows};
use crate::plan::{Binding, Contents, Kernel, Op, Plan, Shader, StepUse, Tiles, Tolerance, ViewId, WorkItem, words};
use crate::shape::{Dtype, Shape};

words! {
    /// Kernel parameters.
    pub struct Params {
        /// Number of columns of the output.
        n: u32,
        /// Number of terms of each sum; for `TN` the maximum.
        k: u32,
        /// Number of rows of the output for `TN`, else 0.
        m: u32,
    }
}

const CUT: [Binding; 3] =
    [Binding::read("a", Dtype::F32).per_item(), Binding::read("b", Dtype::F32), Binding::write("out", Dtype::F32)];
const WHOLE: [Binding; 3] =
    [Binding::read("a", Dtype::F32), Binding::read("b", Dtype::F32), Binding::write("out", Dtype::F32)];

const fn shader(prelude: fn(&Op) -> String) -> Shader {
    Shader {
        source: include_str!("../../shaders/matmul.wgsl"),
        shared: &[shared::STEP, shared::WHOLE],
        prelude,
        grid: |op, shapes| tiles::grid(op, size(op, shapes)),
        rounds: Some(|op, shapes| tiles::rounds(&op.tile(), size(op, shapes))),
        tiles: Some(Tiles {
            candidates: |op, shapes, limits| tiles::candidates(size(op, shapes), limits),
            core: tiles::core,
            split: Some(split),
        }),
    }
}

fn size(op: &Op, shapes: &[Shape]) -> tiles::Matmul {
    let [a, b, out] = [shapes[0], shapes[1], shapes[2]];
    let aligned = [a, b, out].map(|shape| shape.columns.is_multiple_of(4));
    tiles::Matmul {
        rows: out.rows,
        columns: out.columns,
        terms: op.params::<Params>().k as usize,
        aligned,
        over_rows: op.kernel.name == TN.name,
        may_drop: false,
    }
}

/// Kernel of out = a · bᵀ.
pub static NT: Kernel = Kernel {
    name: "matmul_nt",
    bindings: &CUT,
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |p, s| 2 * s[2].elements() as u64 * u64::from(p[1]),
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [a, b, out] = call.args();
        reference_nt(&p, rows, a.f32(), b.f32(), out.f32_mut());
    },
    fast: Some(|call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [a, b, out] = call.args();
        let (n, k) = (p.n as usize, p.k as usize);
        let b = Matrix::new(b.f32(), n, k).transposed();
        matmul(Matrix::new(a.f32(), rows, k), b, None, MatrixMut::new(out.f32_mut(), rows, n));
    }),
    tolerance: |before, after| {
        let p = *before.params::<Params>();
        let (a, b, n, k) = (before.f32(0), before.f32(1), p.n as usize, p.k as usize);
        tolerance(before.items.len(), n, after.f32(2).len(), k, None, |i, j, l| (a[i * k + l], b[j * k + l]))
    },
    shader: shader(|op| tiles::prelude(op) + &tiles::along(true, true)),
};

/// Kernel of out = a · b.
pub static NN: Kernel = Kernel {
    name: "matmul_nn",
    bindings: &CUT,
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::BatchRow,
    flops: |p, s| 2 * s[2].elements() as u64 * u64::from(p[1]),
    reference: |call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [a, b, out] = call.args();
        reference_nn(&p, rows, a.f32(), b.f32(), out.f32_mut());
    },
    fast: Some(|call| {
        let (p, rows) = (*call.params::<Params>(), call.items.len());
        let [a, b, out] = call.args();
        let (n, k) = (p.n as usize, p.k as usize);
        let b = Matrix::new(b.f32(), k, n);
        matmul(Matrix::new(a.f32(), rows, k), b, None, MatrixMut::new(out.f32_mut(), rows, n));
    }),
    tolerance: |before, after| {
        let p = *before.params::<Params>();
        let (a, b, n, k) = (before.f32(0), before.f32(1), p.n as usize, p.k as usize);
        tolerance(before.items.len(), n, after.f32(2).len(), k, None, |i, j, l| (a[i * k + l], b[l * n + j]))
    },
    shader: shader(|op| tiles::prelude(op) + &tiles::along(true, false)),
};

/// Kernel of out = aᵀ · b.
pub static TN: Kernel = Kernel {
    name: "matmul_tn",
    bindings: &WHOLE,
    params: Params::FIELDS,
    step: StepUse::One,
    item: WorkItem::Part,
    flops: |p, s| 2 * s[2].elements() as u64 * u64::from(p[1]),
    reference: |call| {
        let (p, rows, items) = (*call.params::<Params>(), call.step.rows as usize, call.items.clone());
        let [a, b, out] = call.args();
        reference_tn(&p, rows, items, a.f32(), b.f32(), out.f32_mut());
    },
    fast: Some(|call| {
        let (p, rows, items) = (*call.params::<Params>(), call.step.rows as usize, call.items.clone());
        let [a, b, out] = call.args();
        let (m, n) = (items.len(), p.n as usize);
        let a = Matrix::new(a.f32(), rows, p.m as usize).columns(items).transposed();
        matmul_over_rows(a, Matrix::new(b.f32(), rows, n), MatrixMut::new(out.f32_mut(), m, n));
    }),
    tolerance: |before, after| {
        let p = *before.params::<Params>();
        let (a, b, n, m) = (before.f32(0), before.f32(1), p.n as usize, p.m as usize);
        let rows = before.step.rows as usize;
        let depth = tiles::depth(tiles::unsplit_terms(m, n, rows));
        tolerance(m, n, after.f32(2).len(), rows, Some(depth), |i, j, l| (a[l * m + i], b[l * n + j]))
    },
    shader: shader(|op| tiles::prelude(op) + &tiles::along(false, false)),
};

/// out = a · bᵀ for a [rows, k], b [n, k].
pub fn nt(plan: &Plan, a: ViewId, b: ViewId, out: ViewId) -> Op {
    let (rows, k, n) = (plan.shape(a).rows, plan.shape(a).columns, plan.shape(b).rows);
    debug_assert_eq!(plan.shape(out), Shape::new(rows, n));
    Op::new(&NT, &[a, b, out], &Params { n: n as u32, k: k as u32, m: 0 }, rows)
}

/// out = a · b for a [rows, k], b [k, n].
pub fn nn(plan: &Plan, a: ViewId, b: ViewId, out: ViewId) -> Op {
    let (rows, k, n) = (plan.shape(a).rows, plan.shape(a).columns, plan.shape(b).columns);
    debug_assert_eq!(plan.shape(out), Shape::new(rows, n));
    Op::new(&NN, &[a, b, out], &Params { n: n as u32, k: k as u32, m: 0 }, rows)
}

/// out = aᵀ · b for a [rows, m], b [rows, n].
pub fn tn(plan: &Plan, a: ViewId, b: ViewId, out: ViewId) -> Op {
    let (rows, m, n) = (plan.shape(a).rows, plan.shape(a).columns, plan.shape(b).columns);
    debug_assert_eq!(plan.shape(out), Shape::new(m, n));
    Op::new(&TN, &[a, b, out], &Params { n: n as u32, k: rows as u32, m: m as u32 }, m)
}

/// Returns the two ops that replace `op`, one of these matrix multiplications, if its sums are split into parts. For
/// `NT` and `NN`, the second op is that of a dense layer without bias and activation. For `TN`, it is that of a weight
/// gradient, with a bias gradient that nothing reads.
fn split(plan: &mut Plan, op: &Op) -> [Op; 2] {
    let [a, b, out] = [op.views[0], op.views[1], op.views[2]];
    let shape = plan.shape(out);
    let transpose = match op.kernel.name {
        name if name == NT.name => Transpose::Nt,
        name if name == NN.name => Transpose::Nn,
        _ => Transpose::Tn,
    };
    let (first, partial) = matmul_split::op(plan, transpose, op.tile(), a, b, out);
    if transpose == Transpose::Tn {
        let name = format!("{}.bias", plan.get(out).name);
        let bias = plan.tensor(name, Dtype::F32, Shape::vector(shape.rows), Contents::Computed);
        let flag = match plan.find("flag") {
            Some(flag) => flag,
            None => plan.tensor("flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX)),
        };
        return [first, dense_grad_weight_sum::op(plan, partial, out, bias, flag)];
    }
    let bias = dense_forward::no_bias(plan, shape.columns);
    [first, dense_forward_sum::op(plan, Activation::identity(), Mask::NONE, partial, bias, out, None)]
}

/// The reference implementation of [`NT`].
pub fn reference_nt(p: &Params, rows: usize, a: &[f32], b: &[f32], out: &mut [f32]) {
    let (n, k) = (p.n as usize, p.k as usize);
    for i in 0..rows {
        for j in 0..n {
            let mut sum = 0.0;
            for l in 0..k {
                sum += a[i * k + l] * b[j * k + l];
            }
            out[i * n + j] = sum;
        }
    }
}

/// The reference implementation of [`NN`].
pub fn reference_nn(p: &Params, rows: usize, a: &[f32], b: &[f32], out: &mut [f32]) {
    let (n, k) = (p.n as usize, p.k as usize);
    for i in 0..rows {
        for j in 0..n {
            let mut sum = 0.0;
            for l in 0..k {
                sum += a[i * k + l] * b[l * n + j];
            }
            out[i * n + j] = sum;
        }
    }
}

/// The reference implementation of [`TN`]; `out` begins at row `items.start`.
pub fn reference_tn(p: &Params, rows: usize, items: std::ops::Range<usize>, a: &[f32], b: &[f32], out: &mut [f32]) {
    let (n, m) = (p.n as usize, p.m as usize);
    for i in items.clone() {
        for j in 0..n {
            let mut sum = 0.0;
            for l in 0..rows {
                sum += f64::from(a[l * m + i]) * f64::from(b[l * n + j]);
            }
            out[(i - items.start) * n + j] = sum as f32;
        }
    }
}

fn tolerance(
    m: usize,
    n: usize,
    len: usize,
    k: usize,
    depth: Option<usize>,
    terms: impl Fn(usize, usize, usize) -> (f32, f32),
) -> Vec<Tolerance> {
    let mut tolerances = vec![0.0; len];
    for i in 0..m {
        for j in 0..n {
            let mut sum = Sum::default();
            for l in 0..k {
                let (a, b) = terms(i, j, l);
                sum.add(a, b);
            }
            tolerances[i * n + j] = depth.map_or(sum, |depth| sum.in_blocks(depth)).tolerance();
        }
    }
    vec![Tolerance::Each(tolerances)]
}
