//! Fuses primitive ops into fewer large ones. The result is the same within rounding; tests compare it with the
//! primitive plan.
//!
//! | consecutive primitive ops | fused op |
//! |---|---|
//! | `matmul_nt` `[bias_add]` `[activation]` `[dropout]` | `dense_forward` |
//! | `matmul_nn` `[dropout]` `[activation_grad]` | `dense_grad_input` |
//! | `matmul_tn` `column_sum` | `dense_grad_weight` |
//!
//! Ops in square brackets are optional. Ops are fused only if no other op reads the view between them. For example, the
//! input of a residual block has a second reader. One exception: if the backward pass needs an activation's input, the
//! fused op writes this input as well. `dense_grad_weight` checks its own gradients for NaN and infinity, so the op
//! `check_finite` is dropped if no primitive weight gradient is left.

use std::collections::HashMap;

use crate::error::Result;
use crate::kernels::dropout::Mask;
use crate::kernels::{
    activation, activation_grad, bias_add, check_finite, column_sum, dense_forward, dense_grad_input,
    dense_grad_weight, dropout, matmul,
};
use crate::loss::Loss;
use crate::lower::{TrainingSpec, lower, lower_evaluation, lower_forward};
use crate::network::{Activation, Network};
use crate::plan::{Kernel, Op, Plan, Section, ViewId};

impl Plan {
    /// Creates the fused plan of training, with all sections.
    ///
    /// # Errors
    /// Returns the errors of [`lower`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::lower::TrainingSpec;
    /// use wgrad::plan::{Plan, Section};
    /// use wgrad::{Adam, Loss, Network};
    /// let network = Network::parse(64, "128 relu 10")?;
    /// let spec = TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(1e-3), 64);
    /// let plan = Plan::for_training(&spec)?;
    /// // 3·L + 1 ops for L = 2 dense layers.
    /// assert_eq!(plan.ops(Section::Gradients).len() + plan.ops(Section::Update).len(), 7);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn for_training(spec: &TrainingSpec) -> Result<Self> {
        fuse(&lower(spec)?)
    }

    /// Creates the fused plan of a forward pass with the loss, for batches of up to `rows` rows. Its sections are
    /// `evaluate` and `score`.
    ///
    /// # Errors
    /// Returns the errors of [`lower_evaluation`].
    pub fn for_evaluation(network: &Network, loss: Loss, rows: usize) -> Result<Self> {
        fuse(&lower_evaluation(network, loss, rows)?)
    }

    /// Creates the fused plan of a forward pass, for batches of up to `rows` rows. Its only section is `evaluate`.
    ///
    /// # Errors
    /// Returns the errors of [`lower_forward`].
    pub fn for_inference(network: &Network, rows: usize) -> Result<Self> {
        fuse(&lower_forward(network, rows)?)
    }
}

/// Fuses all ops that can be fused; the [module](self) lists them.
///
/// # Errors
/// Returns an error if a fused op would break an invariant of the plan. This never happens to a plan from [`lower`].
pub fn fuse(plan: &Plan) -> Result<Plan> {
    fuse_keeping(plan, &[])
}

/// Like [`fuse`], but the fused plan still computes the views `kept`.
///
/// # Errors
/// Returns the errors of [`fuse`].
pub fn fuse_keeping(plan: &Plan, kept: &[ViewId]) -> Result<Plan> {
    let trusted = plan.is_trusted();
    let mut plan = plan.clone();
    let mut sections: Vec<(Section, Vec<Op>)> = Section::ALL.iter().map(|s| (*s, plan.ops(*s).to_vec())).collect();
    for (section, ops) in &mut sections {
        if matches!(section, Section::Gradients | Section::Evaluate) {
            // Backward ops are fused first. A fused gradient does not read the view between activation and dropout, so
            // these two ops can be fused afterwards.
            replace(ops, kept, |ops, uses, at| grad_input(&plan, ops, uses, at));
            let flag = ops.iter().find(|op| is(op, &check_finite::KERNEL)).map(|op| op.views[1]);
            replace(ops, kept, |ops, _, at| grad_weight(&plan, ops, flag?, at));
            drop_check(ops);
            replace(ops, kept, |ops, uses, at| forward(&mut plan, ops, uses, at));
        }
    }
    let ops = sections.into_iter().flat_map(|(section, ops)| ops.into_iter().map(move |op| (section, op)));
    Ok(plan.with_ops(ops)?.with_trusted(trusted))
}

/// Fused op, and the number of ops that it replaces.
type Fused = Option<(Op, usize)>;

/// Replaces runs of ops by fused ops. `fused` returns the fused op that begins at an index, if there is one.
fn replace(ops: &mut Vec<Op>, kept: &[ViewId], mut fused: impl FnMut(&[Op], &Uses, usize) -> Fused) {
    let (uses, mut made) = (Uses::of(ops, kept), Vec::with_capacity(ops.len()));
    let mut at = 0;
    while at < ops.len() {
        let (op, count) = fused(ops, &uses, at).unwrap_or_else(|| (ops[at].clone(), 1));
        made.push(op);
        at += count;
    }
    *ops = made;
}

/// Uses of each view in a section: the index of the first op that uses it, and the number of uses. A computed view is
/// first used by the op that writes it. A view that must be kept counts as used once more.
struct Uses(HashMap<ViewId, (usize, usize)>);

impl Uses {
    fn of(ops: &[Op], kept: &[ViewId]) -> Self {
        let mut uses = HashMap::new();
        for (at, op) in ops.iter().enumerate() {
            op.views.iter().for_each(|view| uses.entry(*view).or_insert((at, 0)).1 += 1);
        }
        kept.iter().for_each(|view| uses.entry(*view).or_insert((0, 0)).1 += 1);
        Self(uses)
    }

    /// Returns `true` if only two ops use a view: the op that writes it, and one that reads it.
    fn between_two(&self, view: ViewId) -> bool {
        self.0.get(&view).is_some_and(|(_, count)| *count == 2)
    }

    /// Returns the first op that uses `view`, if that op runs `kernel` with `view` as binding 1.
    fn first<'a>(&self, ops: &'a [Op], view: ViewId, kernel: &'static Kernel) -> Option<&'a Op> {
        let (at, _) = self.0.get(&view)?;
        ops.get(*at).filter(|op| is(op, kernel) && op.views[1] == view)
    }
}

/// Returns the op with index `at`, if it runs `kernel` with `view` as the binding of index `binding`.
fn follows<'a>(ops: &'a [Op], at: usize, kernel: &'static Kernel, binding: usize, view: ViewId) -> Option<&'a Op> {
    ops.get(at).filter(|op| is(op, kernel) && op.views[binding] == view)
}

fn is(op: &Op, kernel: &'static Kernel) -> bool {
    op.kernel.name == kernel.name
}

fn mask_of(op: &Op) -> Mask {
    let p: &dropout::Params = op.params();
    Mask { layer: p.layer, threshold: p.threshold, scale: p.scale }
}

/// Fuses `matmul_nt` [`bias_add`] [`activation`] [`dropout`], up to the first view that another op reads.
fn forward(plan: &mut Plan, ops: &[Op], uses: &Uses, at: usize) -> Fused {
    let first = ops.get(at).filter(|op| is(op, &matmul::NT))?;
    let (input, weight, mut output) = (first.views[0], first.views[1], first.views[2]);
    let (mut end, mut bias, mut function, mut mask) = (at + 1, None, Activation::identity(), Mask::NONE);
    let mut kept = None;
    if let Some(op) = follows(ops, end, &bias_add::KERNEL, 0, output).filter(|_| uses.between_two(output)) {
        (bias, output, end) = (Some(op.views[1]), op.views[2], end + 1);
    }
    if let Some(op) = follows(ops, end, &activation::KERNEL, 0, output) {
        let (activation, is_read_later) = (op.params::<activation::Params>().activation(), !uses.between_two(output));
        if !is_read_later || activation.keeps_input() {
            kept = is_read_later.then_some(output);
            (function, output, end) = (activation, op.views[1], end + 1);
        }
    }
    if let Some(op) = follows(ops, end, &dropout::KERNEL, 0, output).filter(|_| uses.between_two(output)) {
        (mask, output, end) = (mask_of(op), op.views[1], end + 1);
    }
    if end == at + 1 {
        return None;
    }
    let bias = bias.unwrap_or_else(|| dense_forward::no_bias(plan, plan.shape(output).columns));
    let op = dense_forward::op(plan, function, mask, input, weight, bias, output, kept);
    Some((Op { layer: first.layer, ..op }, end - at))
}

/// Fuses `matmul_nn` [`dropout`] [`activation_grad`].
fn grad_input(plan: &Plan, ops: &[Op], uses: &Uses, at: usize) -> Fused {
    let first = ops.get(at).filter(|op| is(op, &matmul::NN))?;
    let (grad_output, weight, mut grad) = (first.views[0], first.views[1], first.views[2]);
    let mut lower = uses.first(ops, weight, &matmul::NT)?.views[0];
    let (mut end, mut function, mut mask, mut activated) = (at + 1, Activation::identity(), Mask::NONE, lower);
    if let Some(op) = follows(ops, end, &dropout::KERNEL, 0, grad).filter(|_| uses.between_two(grad)) {
        (mask, grad, end) = (mask_of(op), op.views[1], end + 1);
        activated = uses.first(ops, lower, &dropout::KERNEL)?.views[0];
    }
    if let Some(op) = follows(ops, end, &activation_grad::KERNEL, 0, grad).filter(|_| uses.between_two(grad)) {
        let activation = op.params::<activation_grad::Params>().activation();
        let argument = match activation.keeps_input() {
            true => uses.first(ops, activated, &activation::KERNEL).map(|op| op.views[0]),
            false => Some(activated),
        };
        if argument == Some(op.views[1]) {
            (function, grad, end) = (activation, op.views[2], end + 1);
            lower = if activation.keeps_input() { op.views[1] } else { lower };
        }
    }
    if end == at + 1 {
        return None;
    }
    let op = dense_grad_input::op(plan, function, mask, grad_output, weight, lower, grad);
    Some((Op { layer: first.layer, ..op }, end - at))
}

/// Fuses `matmul_tn` `column_sum`.
fn grad_weight(plan: &Plan, ops: &[Op], flag: ViewId, at: usize) -> Fused {
    let first = ops.get(at).filter(|op| is(op, &matmul::TN))?;
    let second = follows(ops, at + 1, &column_sum::KERNEL, 0, first.views[0])?;
    let op = dense_grad_weight::op(plan, first.views[0], first.views[1], first.views[2], second.views[1], flag);
    Some((Op { layer: first.layer, ..op }, 2))
}

/// Drops `check_finite` if all weight gradients are fused, since each of these ops checks its own gradients.
fn drop_check(ops: &mut Vec<Op>) {
    if !ops.iter().any(|op| is(op, &matmul::TN) || is(op, &column_sum::KERNEL)) {
        ops.retain(|op| !is(op, &check_finite::KERNEL));
    }
}
