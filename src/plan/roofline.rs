//! Table of lower bounds on the time of each op (roofline). `wgrad plan` prints it after the table of ops.

use std::fmt;

use crate::plan::{Op, Plan, Rates, Section, Work};
use crate::text::{grouped, table};

/// Sections that training runs.
const TRAINING: [Section; 4] = [Section::Window, Section::Gradients, Section::Update, Section::Report];

/// Table of lower bounds on the time of each op in training; made by [`Plan::roofline`].
#[derive(Clone, Copy, Debug)]
pub struct Roofline<'a> {
    plan: &'a Plan,
    rates: Rates,
}

impl Plan {
    /// Returns a table of lower bounds on time. It has one line per op, one per section, and one for a step of one
    /// batch. A time is `-` if `rates` lacks the rate for it.
    pub fn roofline(&self, rates: Rates) -> Roofline<'_> {
        Roofline { plan: self, rates }
    }
}

/// Headings of [`roofline_cells`].
const ROOFLINE_NAMES: [&str; 3] = ["FLOP/byte", "compute µs", "memory µs"];

/// Formats the operations per byte, and the lower bounds of arithmetic and memory traffic in microseconds. A value that
/// is not known is `-`.
pub(crate) fn roofline_cells(work: Work, rates: Rates) -> [String; 3] {
    let [arithmetic, memory] = work.roofline(rates).map(|seconds| seconds.map(|seconds| 1e6 * seconds));
    [(work.intensity(), 2), (arithmetic, 3), (memory, 3)]
        .map(|(number, digits)| number.map_or_else(|| "-".into(), |number| format!("{number:.digits$}")))
}

impl Roofline<'_> {
    fn row(&self, op: String, kernel: &str, work: Work) -> Vec<String> {
        let counts = [op, grouped(work.flops), grouped(work.bytes)];
        counts.into_iter().chain(roofline_cells(work, self.rates)).chain([kernel.into()]).collect()
    }

    fn section(&self, section: Section) -> Vec<Vec<String>> {
        let ops = self.plan.ops(section).iter().enumerate();
        let op = |(number, op): (usize, &Op)| {
            self.row(format!("{} {number}", section.name()), op.kernel.name, self.plan.work(op))
        };
        let all = self.row(section.name().into(), "all", self.plan.section_work(section));
        ops.map(op).chain([all]).collect()
    }
}

impl fmt::Display for Roofline<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan;
        let head =
            ["op", "FLOP", "bytes"].into_iter().chain(ROOFLINE_NAMES).chain(["kernel"]).map(String::from).collect();
        let mut rows = vec![head];
        let sections = TRAINING.into_iter().filter(|section| !plan.ops(*section).is_empty());
        rows.extend(sections.flat_map(|section| self.section(section)));
        let step = [Section::Gradients, Section::Update];
        rows.push(self.row("step".into(), "all", step.into_iter().map(|section| plan.section_work(section)).sum()));
        f.write_str(&table(&rows, 1))?;
        let count = |sections: [Section; 2]| sections.map(|section| plan.ops(section).len()).iter().sum::<usize>();
        let levels = step.map(|section| plan.levels(section).into_iter().max().unwrap_or(0)).iter().sum::<usize>();
        let submission = count([Section::Window, Section::Report]);
        let counts = format!("{} dispatches in {levels} serial levels", count(step));
        writeln!(f, "\nper step: {counts}; per submission: {submission} more")
    }
}
