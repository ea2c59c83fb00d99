//! Text of a report.

use std::fmt;

use crate::text::{grouped, table};
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
        let tiles = self.ops.iter().any(|op| op.tile.is_some());
        let mut rows = vec![cells(
            tiles,
            ["op", "kernel", "tile", "shape", "elements", "exact", "worst", "tolerance", "largest", "weak", "verdict"],
        )];
        rows.extend(self.ops.iter().map(|op| cells(tiles, figures(op))));
        let left = if tiles { 4 } else { 3 };
        writeln!(f, "{}", table(&rows, left))?;
        writeln!(
            f,
            "exact: elements with tolerance 0; worst: largest error / tolerance; tolerance: root mean square of the"
        )?;
        writeln!(
            f,
            "tolerances / that of the results; largest: largest tolerance / result; weak: elements with a tolerance"
        )?;
        writeln!(f, "above 1 % of the result\n")
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
        writeln!(f, "{}", table(&rows, 2))
    }
}

fn figures(op: &OpReport) -> [String; 11] {
    let share = 100.0 * op.weak as f64 / op.elements.max(1) as f64;
    let ratio = |number: f64| if number > 0.0 { format!("{number:.1e}") } else { "0".into() };
    let plan = op.plan.filter(|plan| plan.name() != "fused").map(|plan| format!(" {}", plan.name()));
    [
        format!("{}{}", op.op, plan.unwrap_or_default()),
        op.kernel.into(),
        op.tile.clone().unwrap_or_default(),
        op.shape.clone(),
        grouped(op.elements as u64),
        grouped(op.exact as u64),
        format!("{:.3}", op.worst),
        ratio(op.tolerance),
        ratio(op.largest),
        format!("{share:.1} %"),
        op.verdict.into(),
    ]
}

/// Returns the cells of a row, without the tile if no op has one.
fn cells<T: Into<String>>(tiles: bool, cells: [T; 11]) -> Vec<String> {
    cells.into_iter().map(Into::into).enumerate().filter(|(at, _)| tiles || *at != 2).map(|(_, cell)| cell).collect()
}
