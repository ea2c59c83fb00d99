//! Profile of training: the time of each op.

use std::fmt;
use std::io::Write;
use std::time::Instant;

use serde::Serialize;

use crate::exec::Span;
use crate::plan::{Plan, Rates, Section, Work, roofline_cells};
use crate::text::table;

/// Largest number of spans (runs of an op) in a trace. The total time of each op includes later spans, too.
const MOST_SPANS: usize = 200_000;

/// Total time of one op of the plan during training.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct OpTime {
    /// Section of the plan.
    pub section: Section,
    /// Index in the section.
    pub op: usize,
    /// Name of the op's kernel.
    pub kernel: &'static str,
    /// Layer that the op belongs to, if any.
    pub layer: Option<usize>,
    /// Floating-point operations of one run on a full batch, and a lower bound on the bytes that a run moves.
    pub work: Work,
    /// Number of runs.
    pub calls: u64,
    /// Total time of all runs in seconds.
    pub secs: f64,
}

/// Profile of training; see [`Builder::profile`](crate::trainer::Builder::profile).
///
/// # Examples
/// ```
/// # use wgrad::{Device, Fit, Loss, Network, Trainer, data};
/// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
/// let mut trainer = builder.profile().build(&Device::cpu())?;
/// trainer.fit(&data::xor(), Fit::epochs(2))?;
/// println!("{}", trainer.profile().unwrap().table(Default::default()));
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone)]
pub struct Profile {
    ops: Vec<OpTime>,
    /// For each run of an op: the index in `ops`, and the span, whose start is counted from `began`.
    spans: Vec<(usize, Span)>,
    began: Instant,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Profile").field("ops", &self.ops).field("spans", &self.spans.len()).finish_non_exhaustive()
    }
}

impl Profile {
    pub(super) fn new() -> Self {
        Self { ops: Vec::new(), spans: Vec::new(), began: Instant::now() }
    }

    /// Returns the seconds since the profile began.
    pub(super) fn now(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Adds the spans of a submission that was made `at` seconds after the profile began.
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

    /// Returns the index in `ops` of a span's op, and adds the op if it is new. Sizes and ops may change with the data
    /// set.
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

    /// Returns the ops in the order in which they first ran.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.profile().build(&Device::cpu())?;
    /// trainer.load(&data::xor())?;
    /// trainer.advance()?;
    /// assert!(trainer.profile().unwrap().ops().iter().all(|op| op.calls == 1));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn ops(&self) -> &[OpTime] {
        &self.ops
    }

    /// Returns a table of the ops, the longest time first. If `rates` has the device's peak rates, the table includes
    /// the roofline: lower bounds on the time of each op.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.profile().build(&Device::cpu())?;
    /// trainer.load(&data::xor())?;
    /// trainer.advance()?;
    /// assert!(trainer.profile().unwrap().table(Default::default()).contains("GFLOP/s"));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn table(&self, rates: Rates) -> String {
        let figures = ["op", "total ms", "share %", "µs/call", "GFLOP/s", "GB/s"].map(String::from).to_vec();
        let bounds =
            if rates == Rates::default() { vec![] } else { ["compute µs", "memory µs"].map(String::from).to_vec() };
        let mut rows = vec![[figures, bounds, vec!["kernel".into()]].concat()];
        let mut ops: Vec<_> = self.ops.iter().collect();
        ops.sort_by(|a, b| b.secs.total_cmp(&a.secs));
        let all: f64 = ops.iter().map(|op| op.secs).sum();
        rows.extend(ops.into_iter().map(|op| op.row(all, rates)));
        table(&rows, 1)
    }

    /// Writes a trace of the first 200,000 runs of ops as JSON for Perfetto and Chrome's `about:tracing`.
    ///
    /// # Errors
    /// The writer's error.
    ///
    /// # Examples
    /// ```
    /// # use wgrad::{Device, Loss, Network, Trainer, data};
    /// # let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::binary_cross_entropy());
    /// # let mut trainer = builder.profile().build(&Device::cpu())?;
    /// trainer.load(&data::xor())?;
    /// trainer.advance()?;
    /// let mut json = Vec::new();
    /// trainer.profile().unwrap().write_trace(&mut json).unwrap();
    /// # Ok::<(), wgrad::Error>(())
    /// ```
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
    /// Returns the kernel and the layer, such as `dense_forward layer0`.
    fn name(&self) -> String {
        self.layer.map_or_else(|| self.kernel.into(), |layer| format!("{} layer{layer}", self.kernel))
    }

    fn row(&self, all: f64, rates: Rates) -> Vec<String> {
        let each = self.secs / self.calls as f64;
        // An op that took no measurable time has no rate.
        let rate = |count: u64| if each > 0.0 { format!("{:.2}", count as f64 / each / 1e9) } else { "-".into() };
        let figures = vec![
            format!("{} {}", self.section.name(), self.op),
            format!("{:.3}", 1e3 * self.secs),
            format!("{:.1}", if all > 0.0 { 100.0 * self.secs / all } else { 0.0 }),
            format!("{:.2}", 1e6 * each),
            rate(self.work.flops),
            rate(self.work.bytes),
        ];
        let [_, bounds @ ..] = roofline_cells(self.work, rates);
        let bounds = if rates == Rates::default() { vec![] } else { bounds.to_vec() };
        [figures, bounds, vec![self.name()]].concat()
    }
}

/// Trace in Chrome's trace event format, which defines the field names.
#[derive(Serialize)]
#[allow(non_snake_case, reason = "names of the format")]
struct Trace {
    traceEvents: Vec<Event>,
    displayTimeUnit: &'static str,
}

/// Complete event, with times in microseconds.
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
