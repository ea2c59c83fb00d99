//! Where the time of a training goes, op by op.

use std::io::Write;
use std::time::Instant;

use serde::Serialize;

use crate::exec::Span;
use crate::plan::{Plan, Rates, Section, Work, roofline_cells};
use crate::text::table;

/// Spans that a trace holds; an op's totals go on.
const MOST_SPANS: usize = 200_000;

/// What one op of the plan took, in all submissions of steps.
#[derive(Clone, Debug, PartialEq)]
pub struct OpTime {
    /// Its section.
    pub section: Section,
    /// Its index in the section.
    pub op: usize,
    /// Its kernel.
    pub kernel: &'static str,
    /// The layer that it belongs to, if any.
    pub layer: Option<usize>,
    /// What one run costs at least, on a full batch.
    pub work: Work,
    /// How often it ran.
    pub calls: u64,
    /// Seconds that all runs took.
    pub secs: f64,
}

/// Where the time of a training goes; see [`Builder::profile`](crate::trainer::Builder::profile).
#[derive(Clone, Debug)]
pub struct Profile {
    ops: Vec<OpTime>,
    /// Index into the ops, and the span with seconds since `began`.
    spans: Vec<(usize, Span)>,
    began: Instant,
}

impl Profile {
    pub(super) fn new() -> Self {
        Self { ops: Vec::new(), spans: Vec::new(), began: Instant::now() }
    }

    /// Seconds since it was begun.
    pub(super) fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Adds a submission of a plan's that was made at `at`.
    pub(super) fn add(&mut self, plan: &Plan, at: f64, spans: &[Span]) {
        for span in spans {
            let index = self.index(plan, span);
            self.ops[index].calls += 1;
            self.ops[index].secs += span.secs;
            if self.spans.len() < MOST_SPANS {
                self.spans.push((index, Span { start_secs: at + span.start_secs, ..*span }));
            }
        }
    }

    /// The op of a span, which another data set may have given other sizes.
    fn index(&mut self, plan: &Plan, span: &Span) -> usize {
        let op = &plan.ops(span.section)[span.op];
        let new = OpTime {
            section: span.section,
            op: span.op,
            kernel: op.kernel.name,
            layer: op.layer,
            work: plan.work(op),
            calls: 0,
            secs: 0.0,
        };
        let same = |known: &OpTime| OpTime { calls: 0, secs: 0.0, ..known.clone() } == new;
        self.ops.iter().position(same).unwrap_or_else(|| {
            self.ops.push(new);
            self.ops.len() - 1
        })
    }

    /// What each op took, in the order in which they first ran.
    pub fn ops(&self) -> &[OpTime] {
        &self.ops
    }

    /// A table of what each op took beside the least that it can take, as far as rates are given; the longest first.
    pub fn table(&self, rates: Rates) -> String {
        let head = ["op", "calls", "total ms", "share %", "µs a call", "GFLOP/s", "GB/s", "arithmetic µs", "memory µs"];
        let mut rows = vec![head.into_iter().chain(["kernel"]).map(String::from).collect()];
        let mut ops: Vec<_> = self.ops.iter().collect();
        ops.sort_by(|a, b| b.secs.total_cmp(&a.secs));
        let all: f64 = ops.iter().map(|op| op.secs).sum();
        rows.extend(ops.into_iter().map(|op| op.row(all, rates)));
        table(&rows, 1)
    }

    /// Writes the first 200,000 spans as JSON that Perfetto and Chrome's `about:tracing` show.
    ///
    /// # Errors
    /// What writing fails with.
    pub fn write_trace(&self, write: &mut (impl Write + ?Sized)) -> std::io::Result<()> {
        let event = |(index, span): &(usize, Span)| Event {
            name: self.ops[*index].name(),
            cat: span.section.name(),
            ph: "X",
            ts: 1e6 * span.start_secs,
            dur: 1e6 * span.secs,
            pid: 0,
            tid: 0,
            args: Arguments { op: span.op, batch_index: span.batch_index },
        };
        let trace = Trace { traceEvents: self.spans.iter().map(event).collect(), displayTimeUnit: "ms" };
        serde_json::to_writer(write, &trace).map_err(Into::into)
    }
}

impl OpTime {
    /// `dense_forward layer0`.
    fn name(&self) -> String {
        self.layer.map_or_else(|| self.kernel.into(), |layer| format!("{} layer{layer}", self.kernel))
    }

    fn row(&self, all: f64, rates: Rates) -> Vec<String> {
        let each = self.secs / self.calls as f64;
        // What took no time that the clock could see has no rate.
        let rate = |count: u64| if each > 0.0 { format!("{:.2}", count as f64 / each / 1e9) } else { "-".into() };
        let [_, arithmetic, memory] = roofline_cells(self.work, rates);
        vec![
            format!("{} {}", self.section.name(), self.op),
            self.calls.to_string(),
            format!("{:.3}", 1e3 * self.secs),
            format!("{:.1}", if all > 0.0 { 100.0 * self.secs / all } else { 0.0 }),
            format!("{:.2}", 1e6 * each),
            rate(self.work.flops),
            rate(self.work.bytes),
            arithmetic,
            memory,
            self.name(),
        ]
    }
}

/// Names as the format has them.
#[derive(Serialize)]
#[allow(non_snake_case, reason = "the format's own names")]
struct Trace {
    traceEvents: Vec<Event>,
    displayTimeUnit: &'static str,
}

/// A complete event; times in microseconds.
#[derive(Serialize)]
struct Event {
    name: String,
    cat: &'static str,
    ph: &'static str,
    ts: f64,
    dur: f64,
    pid: u32,
    tid: u32,
    args: Arguments,
}

#[derive(Serialize)]
struct Arguments {
    op: usize,
    batch_index: usize,
}
