//! Text of a report.

use std::fmt;

use crate::text::{grouped, table};
use crate::verify::case::PlanKind;
use crate::verify::report::{Failure, Header, OpReport, Report};

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let driver = self.driver.as_ref().map(|driver| format!(", driver {driver}")).unwrap_or_default();
        writeln!(f, "device   {}{driver}", self.device)?;
        writeln!(f, "wgrad    {}, shaders: {}", self.wgrad, self.shaders)?;
        writeln!(f, "network  {}", self.subject)?;
        if self.tuned > 0 {
            writeln!(
                f,
                "tuning   {} of {} matrix multiplications per step use its tile sizes",
                self.tuned, self.matmuls
            )?;
        }
        self.ignored.iter().try_for_each(|problem| writeln!(f, "tuning   ignored: {problem}"))?;
        writeln!(f, "inputs   {}; seed {}", self.inputs, self.seed)?;
        match self.fused_step {
            true => writeln!(
                f,
                "step     fused: lockstep checks a traced build stage by stage, free runs the build for training"
            ),
            false => Ok(()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.error, self.during)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.header)?;
        self.ops_table(f)?;
        self.free_runs_table(f)?;
        let summary = &self.summary;
        let (elements, exact) = (grouped(summary.elements as u64), grouped(summary.exact as u64));
        match &self.failure {
            Some(failure) => writeln!(f, "FAILED after {} op runs: {failure}", grouped(summary.runs as u64)),
            None => writeln!(
                f,
                "passed: {} op runs of {} kernels, {elements} elements compared, {exact} of them bit for bit; {} words \
                 identical after free runs",
                grouped(summary.runs as u64),
                summary.kernels,
                grouped(summary.words as u64)
            ),
        }
    }
}

impl Report {
    fn ops_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ops.is_empty() {
            return Ok(());
        }
        // Each kind of plan has a table of its own.
        for ops in self.ops.chunk_by(|a, b| a.plan == b.plan) {
            if ops[0].plan == Some(PlanKind::Primitive) {
                writeln!(f, "before fusion:")?;
            }
            let head = ["op", "kernel", "exact %", "worst", "tolerance", "shape, tile"].map(String::from).to_vec();
            let rows: Vec<_> = std::iter::once(head).chain(ops.iter().map(figures)).collect();
            writeln!(f, "{}", table(&rows, 2))?;
        }
        writeln!(f, "exact %: share of elements with tolerance 0; worst: largest error / tolerance;")?;
        writeln!(f, "tolerance: root mean square of the tolerances / that of the results\n")
    }

    fn free_runs_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.free_runs.is_empty() {
            return Ok(());
        }
        let head = ["plan", "free run", "words", "parameters changed", "verdict"].map(String::from).to_vec();
        let mut rows = vec![head];
        // Totals over all networks, per number of steps.
        for plan in [0, 1] {
            for steps in [1, 2, 7] {
                let runs = self.free_runs.iter().filter(|run| run.plan as usize == plan && run.steps == steps);
                let (count, words, changed) =
                    runs.fold((0, 0, 0), |(n, w, c), run| (n + 1, w + run.words, c + run.changed));
                if count > 0 {
                    let name = ["fused", "primitive"][plan].to_string();
                    let what = format!("{count} × 2 submissions of {steps}");
                    let numbers = [words, changed].map(|number| grouped(number as u64));
                    let [words, changed] = numbers;
                    rows.push(vec![name, what, words, changed, "same bits".into()]);
                }
            }
        }
        writeln!(f, "{}", table(&rows, 2))?;
        writeln!(f, "free run: steps of training, with the same bits as its ops run one by one;")?;
        writeln!(f, "words: numbers compared; parameters changed: those that training changed")
    }
}

fn figures(op: &OpReport) -> Vec<String> {
    let exact = 100.0 * op.exact as f64 / op.elements.max(1) as f64;
    let tile = op.tile.as_ref().map(|tile| format!(", {tile}")).unwrap_or_default();
    vec![
        op.op.clone(),
        op.kernel.into(),
        format!("{exact:.1}"),
        format!("{:.3}", op.worst),
        if op.tolerance > 0.0 { format!("{:.1e}", op.tolerance) } else { "0".into() },
        format!("{}{tile}", op.shape),
    ]
}
