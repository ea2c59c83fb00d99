//! Grouping of a section's ops into rounds, by their dependencies. Each round is a group of row-wise ops that run in
//! one stage, followed by a group of other ops that can run in parallel. The round of an op follows from the rounds of
//! earlier ops that share elements with it. Earlier ops are looked up by element, so the time is proportional to the
//! number of ops.

use crate::plan::{Access, Binding, Op, Plan, Segments, View, WorkItem};
use crate::shape::Shape;

/// Ops of one round, as indices in the section and in the section's order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Round {
    /// Row-wise ops. All of them are done before the ops in `independent` begin.
    pub row_wise: Vec<usize>,
    /// Other ops, which do not depend on each other.
    pub independent: Vec<usize>,
}

/// Access of an op to the elements of a view.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Touch {
    access: Access,
    /// `true` if the op is row-wise: it is split by rows of the batch.
    by_rows: bool,
    /// Offset, shape and stride of the view, if each row of the batch accesses only the row of the view with the same
    /// index; otherwise `None`.
    matrix: Option<(usize, Shape, usize)>,
}

impl Touch {
    fn new(op: &Op, by_rows: bool, binding: &Binding, view: &View) -> Self {
        let own_rows = by_rows && (binding.per_item || op.kernel.item == WorkItem::Slice);
        let matrix = own_rows.then_some((view.offset, view.shape, view.batch_stride));
        Self { access: binding.access, by_rows, matrix }
    }

    /// Returns `true` if the two accesses must not happen at the same time, since at least one of them writes. Two
    /// atomic accesses may happen at the same time.
    fn conflicts_with(&self, other: &Self) -> bool {
        let both_lower = self.access == Access::Atomic && other.access == Access::Atomic;
        (self.access.writes() || other.access.writes()) && !both_lower
    }

    /// Returns the first possible round for an op with access `later` that must wait for an op in `round` with this
    /// access. A row-wise op can run in the same round if both accesses are to the same rows of the same view. Any
    /// other op can run in the same round if the earlier op is row-wise. In all other cases the next round is returned.
    fn round_behind(&self, round: usize, later: &Self) -> usize {
        let along = if later.by_rows { later.matrix.is_some() && self.matrix == later.matrix } else { self.by_rows };
        if along { round } else { round + 1 }
    }
}

/// Accesses to elements so far, each with the last round in which it occurred.
type Seen = Vec<(Touch, usize)>;

/// Returns the rounds of the ops with the indices `which`. `goes_by_rows` returns `true` for row-wise ops. Ops over
/// slices of the batch share a round only if the slices have the same size.
pub(super) fn rounds(plan: &Plan, ops: &[Op], which: &[usize], goes_by_rows: impl Fn(usize) -> bool) -> Vec<Round> {
    let (mut seen, mut rounds) = (Segments::<Seen>::default(), Vec::<(Round, Option<usize>)>::new());
    for index in which {
        let (op, by_rows) = (&ops[*index], goes_by_rows(*index));
        let touches = || {
            let views = op.views.iter().map(|view| plan.get(*view));
            op.kernel.bindings.iter().zip(views).map(|(binding, view)| (Touch::new(op, by_rows, binding, view), view))
        };
        let waits = touches().flat_map(|(touch, view)| {
            let earlier = seen.on(view).flatten().filter(move |(earlier, _)| earlier.conflicts_with(&touch));
            earlier.map(move |(earlier, round)| earlier.round_behind(*round, &touch))
        });
        let mut number = waits.max().unwrap_or(0);
        let slice = op.rows_per_item().filter(|rows| by_rows && *rows > 1);
        let other_slices = |known: &(Round, Option<usize>)| known.1.is_some() && slice.is_some() && known.1 != slice;
        while rounds.get(number).is_some_and(other_slices) {
            number += 1;
        }
        for (touch, view) in touches() {
            seen.note(view, |seen| match seen.iter_mut().find(|(known, _)| *known == touch) {
                Some((_, last)) => *last = number.max(*last),
                None => seen.push((touch, number)),
            });
        }
        if rounds.len() <= number {
            rounds.resize_with(number + 1, Default::default);
        }
        let (round, known) = &mut rounds[number];
        if by_rows {
            round.row_wise.push(*index);
            *known = known.or(slice);
        } else {
            round.independent.push(*index);
        }
    }
    rounds.into_iter().map(|(round, _)| round).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Kernel, Section, ViewId};
    use crate::rng::{Philox, Stream};
    use crate::shape::Dtype;

    /// Computes the rounds by their definition: compares each op with all earlier ops, round after round.
    fn by_comparing(plan: &Plan, ops: &[Op], goes_by_rows: &dyn Fn(usize) -> bool) -> Vec<Round> {
        let bound = |op: &usize| -> Vec<(&'static Binding, &View)> {
            ops[*op].kernel.bindings.iter().zip(ops[*op].views.iter().map(|view| plan.get(*view))).collect()
        };
        let shared = |op: &usize, earlier: &usize, apart: &dyn Fn(&Binding, &View, &Binding, &View) -> bool| {
            bound(op).iter().any(|(binding, view)| {
                bound(earlier).iter().any(|(before, other)| {
                    let both_lower = binding.access == Access::Atomic && before.access == Access::Atomic;
                    let writes = (binding.access.writes() || before.access.writes()) && !both_lower;
                    writes && !apart(binding, view, before, other) && view.overlaps(other)
                })
            })
        };
        let depends = |op: &usize, earlier: &usize| shared(op, earlier, &|_, _, _, _| false);
        let mixes = |op: &usize, earlier: &usize| {
            let own_rows = |op: &usize, binding: &Binding| binding.per_item || ops[*op].kernel.item == WorkItem::Slice;
            let same = |a: &View, b: &View| (a.offset, a.shape, a.batch_stride) == (b.offset, b.shape, b.batch_stride);
            let slices = [op, earlier].map(|op| ops[*op].rows_per_item().filter(|rows| *rows > 1));
            shared(op, earlier, &|binding, view, before, other| {
                own_rows(op, binding) && own_rows(earlier, before) && same(view, other)
            }) || matches!(slices, [Some(a), Some(b)] if a != b)
        };
        let (mut left, mut rounds): (Vec<usize>, _) = ((0..ops.len()).collect(), Vec::new());
        while !left.is_empty() {
            let (mut round, mut later, mut rest) = (Round::default(), Vec::new(), Vec::new());
            for op in left {
                let waits = later.iter().any(|earlier| depends(&op, earlier));
                let mixed = round.row_wise.iter().any(|earlier| mixes(&op, earlier));
                if goes_by_rows(op) && !waits && !mixed { round.row_wise.push(op) } else { later.push(op) }
            }
            for op in later {
                let waits = round.independent.iter().chain(&rest).any(|earlier| depends(&op, earlier));
                if !goes_by_rows(op) && !waits { round.independent.push(op) } else { rest.push(op) }
            }
            left = rest;
            rounds.push(round);
        }
        rounds
    }

    const fn kernel(item: WorkItem, bindings: &'static [Binding]) -> Kernel {
        Kernel { item, bindings, params: &[], ..crate::kernels::count_correct::KERNEL }
    }

    const F: Dtype = Dtype::F32;
    static ROWS: Kernel =
        kernel(WorkItem::BatchRow, &[Binding::read("a", F).per_item(), Binding::read("b", F), Binding::write("c", F)]);
    static PART: Kernel =
        kernel(WorkItem::Part, &[Binding::read("a", F), Binding::write("c", F), Binding::atomic("flag")]);
    static LOWERS: Kernel = kernel(WorkItem::BatchRow, &[Binding::read("a", F).per_item(), Binding::atomic("flag")]);

    /// Tests ops on random views, parts of views, and windows. `Plan::push` would reject them, but all kinds of overlap
    /// occur.
    #[test]
    fn rounds_are_those_of_comparing_each_op_with_all_before_it() {
        let mut random = Philox::new(1, Stream::Data, 0);
        let mut below = |most: usize| random.below(most as u32) as usize;
        for _ in 0..200 {
            let mut plan = Plan::new();
            for number in 0..5 {
                let shape = Shape::new(8, 64);
                let all = plan.tensor(format!("t{number}"), F, shape, crate::plan::Contents::Persistent(0));
                let allocation = plan.get(all).allocation;
                plan.view(format!("t{number}.half"), allocation, 256, Shape::new(4, 64));
                plan.view(format!("t{number}.row"), allocation, 0, Shape::vector(64));
            }
            plan.windowed("w", F, Shape::new(4, 16), 2, crate::plan::Contents::Computed);
            let views = plan.views().len();
            let ops: Vec<Op> = (0..24)
                .map(|_| {
                    let kernel = [&ROWS, &ROWS, &PART, &LOWERS][below(4)];
                    let views: Vec<_> = kernel.bindings.iter().map(|_| ViewId(below(views))).collect();
                    Op::new(kernel, &views, &(), 8)
                })
                .collect();
            let by_columns: Vec<bool> = (0..ops.len()).map(|_| below(5) == 0).collect();
            let by_rows = |op: usize| ops[op].rows_per_item().is_some() && !by_columns[op];
            let which: Vec<usize> = (0..ops.len()).collect();
            assert_eq!(rounds(&plan, &ops, &which, by_rows), by_comparing(&plan, &ops, &by_rows));
        }
    }

    /// Compares the rounds of networks' plans with those of [`by_comparing`].
    #[test]
    fn rounds_of_networks_are_those_of_comparing() {
        for (layers, batch) in
            [("65 relu dropout(0.1) 17 tanh 3", 33), ("64 relu 16", 4096), ("512 relu 512 relu 3", 16)]
        {
            let network = crate::network::Network::parse(20, layers).expect("the text is sound");
            let loss = crate::loss::Loss::softmax_cross_entropy();
            let mut spec = crate::lower::TrainingSpec::new(network, loss, crate::optim::Adam::new(1e-3), batch);
            (spec.clip_norm, spec.accumulate) = (Some(1.0), 2);
            let plan = crate::lower::lower(&spec).expect("it is sound");
            for plan in [crate::fuse::fuse(&plan).expect("it can be fused"), plan] {
                let plan =
                    crate::specialize::specialize(plan, &crate::specialize::DeviceLimits::Cpu).expect("no limits");
                for (section, columns) in Section::ALL.into_iter().flat_map(|section| [(section, 0), (section, 3)]) {
                    let ops = plan.ops(section);
                    let by_rows =
                        |op: usize| ops[op].rows_per_item().is_some() && (columns == 0 || !op.is_multiple_of(columns));
                    let which: Vec<usize> = (0..ops.len()).collect();
                    assert_eq!(rounds(&plan, ops, &which, by_rows), by_comparing(&plan, ops, &by_rows), "{layers}");
                }
            }
        }
    }
}
