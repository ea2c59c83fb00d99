//! Splits a section into stages, and stages into tasks for the thread pool. The bits of the results do not depend on
//! this split. They depend on the split of a batch into slices, which `specialize` derives from shapes alone.

use std::ops::{Range, RangeInclusive};

use crate::exec::cpu::rounds::{Round, rounds};
use crate::plan::{Binding, Op, Plan, Section, View};

/// Smallest work, in the unit of [`work`], that is worth passing to another thread. Such work takes about four
/// microseconds.
const WORK_PER_TASK: u64 = 400_000;

/// Largest number of tasks per op: enough to balance the load on any desktop's cores.
const MOST_TASKS: u64 = 32;

/// Rows of the batch per task. Each task reads all weights, so too few rows are inefficient. With too many, the
/// intermediate results do not stay in cache.
const ROWS: RangeInclusive<usize> = 32..=256;

/// Rows of a weight gradient per task. The smallest number is a multiple of the rows per tile of its matrix
/// multiplication.
const WEIGHT_ROWS: RangeInclusive<usize> = 48..=240;

/// Number of columns that a matrix multiplication processes together. The number of columns per task is a multiple of
/// this constant.
const COLUMNS: usize = 64;

/// Tasks of a weight gradient per thread, if there are several threads. With many small tasks, no thread waits long for
/// the last task.
const WEIGHT_TASKS: usize = 8;

/// Work for one thread.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Task {
    /// The stage's row-wise ops, one after the other, on these rows of the batch.
    Rows(Range<usize>),
    /// Range of items of an op.
    Items { op: usize, items: Range<usize> },
    /// Range of columns of an op's output, over all rows.
    Columns { op: usize, columns: Range<usize> },
}

/// Tasks that may run in any order and in parallel.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Stage {
    /// Row-wise ops, in order.
    pub rows: Vec<usize>,
    pub tasks: Vec<Task>,
    /// Range of tasks that each thread begins with. The ranges have about the same work. There is only one range if the
    /// work is too little for two threads.
    pub queues: Vec<Range<usize>>,
}

/// Stages of a section, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Schedule {
    pub stages: Vec<Stage>,
    /// Total work of the section's ops, in the unit of [`work`].
    pub work: u64,
}

impl Stage {
    /// Creates a stage from tasks and the work of each task.
    fn new(rows: Vec<usize>, tasks: Vec<(Task, u64)>, threads: usize) -> Self {
        let work: u64 = tasks.iter().map(|(_, work)| work).sum();
        let threads = (threads as u64).min(work / WORK_PER_TASK).max(1);
        let (mut queues, mut before, mut start) = (Vec::new(), 0, 0);
        for (index, (_, own)) in tasks.iter().enumerate() {
            // A task belongs to the queue that its middle falls into. No queue is empty, and there are no more queues
            // than threads.
            let queue = queues.len() as u64 + 1;
            if index > start && queue < threads && (before + own / 2) * threads >= work * queue {
                queues.push(start..index);
                start = index;
            }
            before += own;
        }
        queues.push(start..tasks.len());
        Self { rows, tasks: tasks.into_iter().map(|(task, _)| task).collect(), queues }
    }
}

/// Returns the items of a row-wise op that belong to these rows of the batch. If its items are slices, the rows must
/// consist of whole slices.
pub(super) fn items_of_rows(op: &Op, rows: &Range<usize>) -> Range<usize> {
    let each = op.rows_per_item().unwrap_or(1);
    rows.start / each..(rows.end / each).min(op.items)
}

impl Schedule {
    /// Creates the schedule of a section for `threads` threads.
    pub fn new(plan: &Plan, section: Section, threads: usize) -> Self {
        let ops = plan.ops(section);
        Self {
            stages: stages(plan, ops, &(0..ops.len()).collect::<Vec<_>>(), threads),
            work: ops.iter().map(|op| work(plan, op)).sum(),
        }
    }

    /// Creates the schedule of one op.
    pub fn of_op(plan: &Plan, section: Section, op: usize, threads: usize) -> Self {
        let ops = plan.ops(section);
        Self { stages: stages(plan, ops, &[op], threads), work: work(plan, &ops[op]) }
    }

    /// Returns the largest number of threads that a stage can use.
    pub fn most_threads(&self) -> usize {
        self.stages.iter().map(|stage| stage.queues.len()).max().unwrap_or(1)
    }
}

/// Splits the ops with the indices `which` into stages. Each round of ops becomes up to two stages: one for its
/// row-wise ops, then one for its other ops.
fn stages(plan: &Plan, ops: &[Op], which: &[usize], threads: usize) -> Vec<Stage> {
    let mut stages = Vec::new();
    let goes_by_rows = |op: usize| ops[op].rows_per_item().is_some() && !goes_by_columns(plan, &ops[op], threads);
    for Round { row_wise, mut independent } in rounds(plan, ops, which, goes_by_rows) {
        if !row_wise.is_empty() {
            let tasks = row_tasks(plan, ops, &row_wise, threads);
            stages.push(Stage::new(row_wise, tasks, threads));
        }
        if !independent.is_empty() {
            // Ops are sorted by the address that they write, so that a thread finds its results of an earlier stage in
            // its cache.
            independent.sort_by_key(|op| first_written(plan, &ops[*op]));
            let tasks = independent.iter().flat_map(|op| match goes_by_columns(plan, &ops[*op], threads) {
                true => column_tasks(plan, &ops[*op], *op, threads),
                false => item_tasks(plan, &ops[*op], *op, threads),
            });
            let tasks = tasks.collect();
            stages.push(Stage::new(Vec::new(), tasks, threads));
        }
    }
    stages
}

/// Returns the allocation and the first element of the first view that an op writes.
fn first_written(plan: &Plan, op: &Op) -> Option<(usize, usize)> {
    let written = bound(plan, op).find(|(binding, _)| binding.access.writes());
    written.map(|(_, view)| (view.allocation.0, view.offset))
}

fn bound<'a>(plan: &'a Plan, op: &'a Op) -> impl Iterator<Item = (&'static Binding, &'a View)> {
    op.kernel.bindings.iter().zip(op.views.iter().map(|view| plan.get(*view)))
}

/// Estimates the work of an op, in floating-point operations of a matrix multiplication. An operation of any other
/// kernel counts as two, and each written number as eight.
fn work(plan: &Plan, op: &Op) -> u64 {
    if op.kernel.shader.tiles.is_some() {
        return plan.flops(op);
    }
    let written = bound(plan, op).filter(|(binding, _)| binding.access.writes());
    2 * plan.flops(op) + 8 * written.map(|(_, view)| view.shape.elements() as u64).sum::<u64>()
}

fn task_count(work: u64) -> usize {
    (work / WORK_PER_TASK).clamp(1, MOST_TASKS) as usize
}

fn ranges(count: usize, each: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).step_by(each).map(move |start| start..count.min(start + each))
}

fn row_tasks(plan: &Plan, ops: &[Op], rows: &[usize], threads: usize) -> Vec<(Task, u64)> {
    let ops: Vec<&Op> = rows.iter().map(|op| &ops[*op]).collect();
    let batch = ops.iter().map(|op| op.items * op.rows_per_item().unwrap_or(1)).max().unwrap_or(0);
    let slice = ops.iter().filter_map(|op| op.rows_per_item()).max().unwrap_or(1);
    let work = ops.iter().map(|op| work(plan, op)).sum::<u64>();
    let most = (work / WORK_PER_TASK).max(1);
    let each = batch.div_ceil(threads).clamp(*ROWS.start(), *ROWS.end()).max(batch.div_ceil(most as usize));
    let each = each.next_multiple_of(slice);
    ranges(batch, each).map(|rows| (Task::Rows(rows.clone()), portion(work, rows.len(), batch))).collect()
}

/// Returns `true` if an op is split by columns of its output instead of rows of the batch. That pays if there are too
/// few rows for all threads, and if the weights have more elements than the rows. Each thread then reads all rows, but
/// only its part of the weights.
fn goes_by_columns(plan: &Plan, op: &Op, threads: usize) -> bool {
    let elements = |by_rows: bool| -> usize {
        bound(plan, op).filter(|(binding, _)| binding.per_item == by_rows).map(|(_, view)| view.shape.elements()).sum()
    };
    columns(plan, op).is_some() && threads > 1 && op.items < threads * ROWS.start() && elements(false) >= elements(true)
}

/// Returns the number of columns over which an op can be split; `None` if it cannot be split by columns.
fn columns(plan: &Plan, op: &Op) -> Option<usize> {
    bound(plan, op).find(|(binding, _)| binding.by_columns).map(|(_, view)| view.shape.columns)
}

fn column_tasks(plan: &Plan, op: &Op, index: usize, threads: usize) -> Vec<(Task, u64)> {
    let (work, count) = (work(plan, op), columns(plan, op).unwrap_or(0));
    let each = count.div_ceil(threads.min(task_count(work))).next_multiple_of(COLUMNS);
    let task = |columns: Range<usize>| (portion(work, columns.len(), count), Task::Columns { op: index, columns });
    ranges(count, each).map(task).map(|(work, task)| (task, work)).collect()
}

/// Returns the work of `part` units, given the work of all `whole` units.
fn portion(work: u64, part: usize, whole: usize) -> u64 {
    (u128::from(work) * part as u128 / whole.max(1) as u128) as u64
}

fn item_tasks(plan: &Plan, op: &Op, index: usize, threads: usize) -> Vec<(Task, u64)> {
    let work = work(plan, op);
    let least = op.items.div_ceil(task_count(work)).max(1);
    let each = if op.kernel.shader.tiles.is_some() {
        let (few, many) = (*WEIGHT_ROWS.start(), *WEIGHT_ROWS.end());
        // A single thread never waits for others, so it gets as few tasks as possible, of about the same size.
        let fewest = op.items.div_ceil(many).max(1);
        let wanted = if threads > 1 { op.items / (WEIGHT_TASKS * threads) } else { op.items.div_ceil(fewest) };
        least.max(wanted).next_multiple_of(few).min(many.max(least))
    } else {
        least
    };
    let task = |items: Range<usize>| (portion(work, items.len(), op.items), Task::Items { op: index, items });
    ranges(op.items, each).map(task).map(|(work, task)| (task, work)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::kernels::{activation, matmul};
    use crate::loss::Loss;
    use crate::lower::TrainingSpec;
    use crate::network::{Activation, Network};
    use crate::optim::Adam;
    use crate::plan::{Contents, ViewId};
    use crate::shape::{Dtype, Shape};
    use crate::specialize::{DeviceLimits, specialize};

    fn plan(inputs: usize, layers: &str, batch: usize) -> Plan {
        let network = Network::parse(inputs, layers).expect("the text is sound");
        let spec = TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(1e-3), batch);
        let plan = Plan::for_training(&spec).expect("it can be fused");
        specialize(plan, &DeviceLimits::Cpu).expect("the host has no limits")
    }

    fn names(plan: &Plan, section: Section, stage: &Stage) -> Vec<&'static str> {
        stage.rows.iter().map(|op| plan.ops(section)[*op].kernel.name).collect()
    }

    /// Counts how many times a section computes each item of each of its ops.
    fn computed(plan: &Plan, section: Section, threads: usize) -> Vec<Vec<usize>> {
        let ops = plan.ops(section);
        let mut seen: Vec<Vec<usize>> = ops.iter().map(|op| vec![0; op.items]).collect();
        let mut seen_columns = vec![0; ops.len()];
        let mut see = |op: usize, items: Range<usize>| items.for_each(|item| seen[op][item] += 1);
        for stage in Schedule::new(plan, section, threads).stages {
            for task in stage.tasks {
                match task {
                    Task::Items { op, items } => see(op, items),
                    // The tasks must cover all columns in order. The items of the op are counted at the last column.
                    Task::Columns { op, columns } => {
                        let count = super::columns(plan, &ops[op]).expect("it can be cut by columns");
                        assert_eq!(columns.start, seen_columns[op]);
                        seen_columns[op] = columns.end;
                        if columns.end == count {
                            see(op, 0..ops[op].items);
                        }
                    }
                    Task::Rows(rows) => {
                        stage.rows.iter().for_each(|op| see(*op, items_of_rows(&ops[*op], &rows)));
                    }
                }
            }
        }
        seen
    }

    /// Each item of each op is in exactly one task, for any sizes.
    #[test]
    fn every_item_is_computed_once() {
        for (inputs, layers, batch) in [
            (2, "16 relu 16 relu 2", 64),
            (70, "300 tanh 5", 129),
            (8, "32 relu 3", 5000),
            (784, "512 relu 512 relu 10", 16),
            (2, "2100 relu 3", 16),
        ] {
            let plan = plan(inputs, layers, batch);
            for (section, threads) in Section::ALL.into_iter().flat_map(|section| [1, 2, 24].map(|t| (section, t))) {
                let once = computed(&plan, section, threads).iter().flatten().all(|times| *times == 1);
                assert!(once, "{layers}, {}, {threads} threads", section.name());
            }
        }
    }

    /// Several threads need small tasks to balance the load; a single thread does not.
    #[test]
    fn one_thread_takes_weight_gradients_in_few_tasks() {
        let plan = plan(784, "512 relu 10", 128);
        let tasks = |threads| {
            let schedule = Schedule::new(&plan, Section::Gradients, threads);
            let items = |task: &Task| match task {
                Task::Items { items, .. } => items.len(),
                other => panic!("{other:?}"),
            };
            schedule.stages[1].tasks.iter().map(items).collect::<Vec<_>>()
        };
        assert_eq!(tasks(1), [192, 192, 128, 10]);
        assert_eq!(tasks(2), [[48; 10].as_slice(), &[32, 10]].concat());
    }

    /// Tests whole sections, and single ops, which lockstep and profiles run on the same pool.
    #[test]
    fn queues_are_no_more_than_threads_and_none_is_empty() {
        for (inputs, layers, batch) in
            [(8, "2100 relu 48 relu 10", 128), (32, "2100 relu 48", 64), (2, "16 relu 2", 64)]
        {
            let plan = plan(inputs, layers, batch);
            for threads in [1, 2, 3, 8, 24, 64] {
                for section in Section::ALL {
                    let alone = (0..plan.ops(section).len()).map(|op| Schedule::of_op(&plan, section, op, threads));
                    for stage in alone.chain([Schedule::new(&plan, section, threads)]).flat_map(|s| s.stages) {
                        let whole = stage.queues.iter().flat_map(Clone::clone).eq(0..stage.tasks.len());
                        let sound = stage.queues.len() <= threads && stage.queues.iter().all(|queue| !queue.is_empty());
                        assert!(whole && sound, "{layers}, {threads} threads: {:?}", stage.queues);
                    }
                }
            }
        }
    }

    #[test]
    fn rows_go_through_all_layers_and_back() {
        let plan = plan(784, "512 relu 10", 128);
        let schedule = Schedule::new(&plan, Section::Gradients, 2);
        let [rows, weights] = &schedule.stages[..] else { panic!("{:?}", schedule.stages) };
        let forward_and_back = ["dense_forward", "dense_forward", "softmax_cross_entropy", "dense_grad_input"];
        assert_eq!(names(&plan, Section::Gradients, rows), forward_and_back);
        assert!(weights.tasks.iter().all(|task| matches!(task, Task::Items { .. })));
        assert_eq!([rows.queues.len(), weights.queues.len()], [2, 2]);
    }

    #[test]
    fn few_rows_go_by_columns() {
        let plan = plan(784, "512 relu 512 relu 10", 16);
        let stages = Schedule::new(&plan, Section::Gradients, 2).stages;
        let columns = |stage: &Stage| stage.tasks.iter().filter(|task| matches!(task, Task::Columns { .. })).count();
        let counts: Vec<_> = stages.iter().map(|stage| [stage.tasks.len(), columns(stage)]).collect();
        // The stages are: two forward layers; the last layer and the loss by rows, forward and backward; one backward
        // layer; the weights.
        assert_eq!(counts[..4], [[2, 2], [2, 2], [1, 0], [14, 2]], "{stages:?}");
        let schedule = Schedule::new(&plan, Section::Gradients, 1);
        assert!(schedule.stages.iter().all(|stage| columns(stage) == 0));
    }

    #[test]
    fn slices_of_a_large_batch_take_their_weight_gradients_along() {
        let plan = plan(64, "64 relu 16", 4096);
        let schedule = Schedule::new(&plan, Section::Gradients, 2);
        let [rows, sums] = &schedule.stages[..] else { panic!("{:?}", schedule.stages) };
        assert_eq!(rows.tasks.len(), 16);
        let split = names(&plan, Section::Gradients, rows).iter().filter(|name| **name == "matmul_split_tn").count();
        assert_eq!((split, sums.tasks.len()), (2, 2));
    }

    /// Builds a plan of ops on square matrices of 128 rows.
    fn by_hand(ops: impl Fn(&Plan, &dyn Fn(&str) -> ViewId) -> Vec<Op>) -> Plan {
        let (mut plan, square) = (Plan::new(), Shape::new(128, 128));
        for (name, contents) in [("x", Contents::Host), ("y", Contents::Computed), ("z", Contents::Computed)] {
            plan.tensor(name, Dtype::F32, square, contents);
        }
        plan.tensor("w", Dtype::F32, square, Contents::Persistent(0));
        let made = ops(&plan, &|name| plan.named(name).expect("it is there"));
        made.into_iter().for_each(|op| plan.push(Section::Gradients, op).expect("it is sound"));
        plan
    }

    fn rows_of(plan: &Plan) -> Vec<Vec<usize>> {
        Schedule::new(plan, Section::Gradients, 2).stages.into_iter().map(|stage| stage.rows).collect()
    }

    #[test]
    fn what_reads_rows_goes_along_and_what_reads_all_waits() {
        let along = by_hand(|plan, view| {
            vec![
                activation::op(plan, Activation::relu(), view("x"), view("y")),
                matmul::nn(plan, view("y"), view("x"), view("z")),
            ]
        });
        assert_eq!(rows_of(&along), [vec![0, 1]]);
        let waits = by_hand(|plan, view| {
            vec![
                activation::op(plan, Activation::relu(), view("x"), view("y")),
                matmul::nn(plan, view("x"), view("y"), view("z")),
            ]
        });
        assert_eq!(rows_of(&waits), [vec![0], vec![1]]);
    }

    /// A sum over all rows waits for the rows, and readers of the sum wait for the sum.
    #[test]
    fn rows_wait_for_what_is_put_off() {
        let plan = by_hand(|plan, view| {
            vec![
                activation::op(plan, Activation::relu(), view("x"), view("y")),
                matmul::tn(plan, view("y"), view("x"), view("w")),
                matmul::nn(plan, view("x"), view("w"), view("z")),
            ]
        });
        assert_eq!(rows_of(&plan), [vec![0], vec![], vec![2]]);
    }

    #[test]
    fn small_networks_stay_on_one_thread() {
        let plan = plan(2, "16 relu 16 relu 2", 64);
        assert!(Section::ALL.iter().all(|section| Schedule::new(&plan, *section, 2).most_threads() == 1));
    }
}
