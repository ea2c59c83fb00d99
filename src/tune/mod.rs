//! Autotuning: measures the tile sizes that each matrix multiplication of a network can have on a GPU, and chooses the
//! fastest. The result is a [`Tuning`].
//!
//! Each matrix multiplication of a step runs alone, at its real shape, with every tile that it [can
//! have](crate::specialize::candidates). Matrix multiplications with the same kernel and the same shapes are measured
//! once. A tile must first compute the right result: for small whole numbers, in a full batch and in a short one, it
//! must give the same numbers as the CPU, and must not write outside its output. Sums of whole numbers are exact in any
//! order. A tile replaces the heuristic's if it is faster by more than [`MARGIN`] in two measurements.
//!
//! ```
//! use wgrad::TrainingSpec;
//! use wgrad::tune::Tune;
//! use wgrad::{Adam, Device, Loss, Network};
//! let network = Network::input(8).dense(16).relu().dense(3);
//! let tune = Tune::network(&TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(1e-3), 12))?;
//! let error = tune.run(&Device::cpu(), |_| ()).expect_err("the CPU has no tiles");
//! assert!(error.to_string().contains("name a GPU"));
//! # Ok::<(), wgrad::Error>(())
//! ```

mod file;
mod report;
mod trial;

pub use crate::plan::Tile;
pub use crate::specialize::{Choice, Machine, Tuning};
pub use report::{Candidate, Event, Matmul, Report};

use std::time::Duration;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::lower::TrainingSpec;
use crate::plan::{Op, Plan, Section};
use crate::specialize::{DeviceLimits, candidates, with_fused_step};
use crate::verify::{Make, whole_number_network};
use trial::Trial;

/// Fraction of the time of the heuristic's tile. Another tile must save more than this to replace it.
pub const MARGIN: f64 = 0.03;

/// A tile that takes at least this many times as long as the best so far is not measured again.
const HOPELESS: f64 = 2.0;

/// Autotuning of the matrix multiplications in a training step.
#[derive(Clone, Debug)]
pub struct Tune {
    spec: TrainingSpec,
    budget: Duration,
}

impl Tune {
    /// Creates the autotuning for a network and its training settings.
    ///
    /// # Errors
    /// Returns the errors of [`TrainingSpec::check`].
    pub fn network(spec: &TrainingSpec) -> Result<Self> {
        spec.check()?;
        Ok(Self { spec: spec.clone(), budget: Duration::from_millis(400) })
    }

    /// Sets the total time of measuring, default 400 ms. At least three runs of each tile are made. Compiling and
    /// checking take additional time.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Measures the tiles on a device; `on_event` receives the progress. The device's clock measures the times, or the
    /// host's clock if the device has no timestamps.
    ///
    /// # Errors
    /// Returns an error if the device is not a GPU or stops responding, and [`Error::Mismatch`] if even the heuristic's
    /// tile gives a wrong result.
    pub fn run(&self, device: &Device, on_event: impl FnMut(&Event<'_>)) -> Result<Report> {
        let timed = device.clone().timed();
        let clocks = timed.is_ok();
        let device = timed.unwrap_or_else(|_| device.clone());
        self.run_on(device.machine(), clocks, &mut |plan| device.executor(plan), on_event)
    }

    /// Like [`Tune::run`] on executors that `make` creates; `clocks` is `true` if these have timestamps of their own.
    /// The report is for `machine`.
    ///
    /// # Errors
    /// As [`Tune::run`].
    pub fn run_on(
        &self,
        machine: Option<Machine>,
        clocks: bool,
        make: &mut Make<'_>,
        mut on_event: impl FnMut(&Event<'_>),
    ) -> Result<Report> {
        let plans = Plans::of(&self.spec)?;
        let mut report = Report::new(machine, clocks);
        let Some(any) = plans.any_matmul() else { return Ok(report) };
        let limits = make(trial::single_op_plan(&plans.whole_numbers, any, None)?)?.limits();
        if plans.runs_fused_step(&limits)? {
            return Ok(report);
        }
        let matmuls = plans.matmuls(&limits)?;
        let total = matmuls.iter().map(|matmul| matmul.tiles.len()).sum();
        let share = self.budget / matmuls.len().max(1) as u32;
        let mut done = 0;
        for matmul in &matmuls {
            let mut trial = Trial::new(&plans, matmul, &self.spec, report.device_clock, make)?;
            let found = matmul.measure(&mut trial, share, &mut |tile| {
                on_event(&Event::Progress { what: format!("{}, {tile}", matmul.name()), done, total });
                done += 1;
            })?;
            report.device_clock = trial.has_clock();
            report.add(found);
            on_event(&Event::Matmul(&report.matmuls[report.matmuls.len() - 1]));
        }
        Ok(report)
    }
}

/// Plan of a training step (`real`), and the same plan for whole numbers (`whole_numbers`). In the latter, every
/// activation except the identity is ReLU or ReLU6, and there is no dropout.
struct Plans {
    real: Plan,
    whole_numbers: Plan,
}

/// Matrix multiplication of a step, and the tiles to measure.
struct Subject {
    /// Indices in the section `gradients` of the ops with this kernel and these shapes.
    ops: Vec<usize>,
    kernel: &'static str,
    /// `64×64 → 64×128`: shapes of the first view that the op reads, and of the first view that it writes.
    shape: String,
    /// Possible tiles, the heuristic's choice first.
    tiles: Vec<Tile>,
    choice: Choice,
}

impl Plans {
    fn of(spec: &TrainingSpec) -> Result<Self> {
        let network = whole_number_network(&spec.network);
        Ok(Self {
            real: Plan::for_training(spec)?,
            whole_numbers: Plan::for_training(&TrainingSpec { network, ..spec.clone() })?,
        })
    }

    fn op(&self, index: usize) -> &Op {
        &self.real.ops(Section::Gradients)[index]
    }

    /// Returns `true` if the device runs the fused step, which has no tiles.
    fn runs_fused_step(&self, limits: &DeviceLimits) -> Result<bool> {
        let plan = with_fused_step(self.real.clone(), limits)?;
        Ok(!plan.ops(Section::Gradients).iter().any(|op| op.kernel.shader.tiles.is_some()))
    }

    /// Returns the index of the first matrix multiplication, if there is one.
    fn any_matmul(&self) -> Option<usize> {
        self.real.ops(Section::Gradients).iter().position(|op| op.kernel.shader.tiles.is_some())
    }

    /// Returns the matrix multiplications. Those with the same kernel and the same shapes are one entry.
    fn matmuls(&self, limits: &DeviceLimits) -> Result<Vec<Subject>> {
        let DeviceLimits::Gpu(limits) = limits else {
            let problem = "only GPUs have tiles";
            return Err(Error::conflict("tune", problem, "name a GPU, as listed by `wgrad devices`"));
        };
        let mut matmuls: Vec<Subject> = Vec::new();
        for (index, op) in self.real.ops(Section::Gradients).iter().enumerate() {
            let shapes: Vec<_> = op.views.iter().map(|view| self.real.shape(*view)).collect();
            let tiles = candidates(op, &shapes, limits);
            let Some(first) = tiles.first() else { continue };
            let choice = Choice::new(op, &shapes, *first);
            match matmuls.iter_mut().find(|known| known.choice.same_matmul(&choice)) {
                Some(known) => known.ops.push(index),
                None => {
                    let out = op.kernel.bindings.iter().position(|binding| binding.access.writes()).unwrap_or(0);
                    let shape = format!("{} → {}", shapes[0], shapes[out]);
                    matmuls.push(Subject { ops: vec![index], kernel: op.kernel.name, shape, tiles, choice });
                }
            }
        }
        Ok(matmuls)
    }
}

impl Subject {
    fn name(&self) -> String {
        format!("gradients {} ({})", self.ops[0], self.kernel)
    }

    /// Measures all tiles, and then the best one and the heuristic's once more.
    fn measure(&self, trial: &mut Trial<'_>, budget: Duration, on_tile: &mut dyn FnMut(&Tile)) -> Result<Matmul> {
        let each = budget.as_secs_f64() / (self.tiles.len() + 2) as f64;
        let mut tried: Vec<Candidate> = Vec::new();
        let least = |tried: &[Candidate]| tried.iter().filter_map(|tried| tried.secs).fold(f64::INFINITY, f64::min);
        for (rank, tile) in self.tiles.iter().enumerate() {
            on_tile(tile);
            let hopeless = HOPELESS * least(&tried);
            let found = trial.test(*tile).and_then(|()| trial.time(*tile, each, hopeless));
            tried.push(match found {
                Ok(secs) => Candidate::timed(*tile, secs),
                // The tile at rank 0 is the heuristic's, which training would use: its failure is an error.
                Err(error) if rank == 0 => return Err(error),
                Err(error) => Candidate::refused(*tile, &error),
            });
        }
        let best = tried.iter().position(|candidate| candidate.secs == Some(least(&tried))).unwrap_or(0);
        let chosen = if self.wins(trial, &mut tried, best, each)? { best } else { 0 };
        Ok(Matmul::new(self, tried, chosen))
    }

    /// Returns `true` if the tile with index `best` is faster than the heuristic's by more than the margin. If it is,
    /// both are measured again, for `each` seconds, and the tile must be faster by the margin again.
    fn wins(&self, trial: &mut Trial<'_>, tried: &mut [Candidate], best: usize, each: f64) -> Result<bool> {
        let first = [0, best].map(|at| tried[at].secs);
        wins_twice(first, || {
            let mut again = [0.0; 2];
            for (again, at) in again.iter_mut().zip([0, best]) {
                *again = trial.time(tried[at].tile, each, f64::INFINITY)?;
                tried[at].secs = tried[at].secs.map(|first| first.min(*again));
            }
            Ok(again)
        })
    }
}

/// Returns `true` if a tile's time is shorter than the heuristic's by more than the margin in two measurements: in
/// `first`, and in `again`. Each holds the heuristic's time, then the tile's. The minimum of both measurements would
/// not suffice, since it keeps a time that was short by chance.
fn wins_twice(first: [Option<f64>; 2], again: impl FnOnce() -> Result<[f64; 2]>) -> Result<bool> {
    let ahead = |[heuristic, best]: [f64; 2]| best < (1.0 - MARGIN) * heuristic;
    match first {
        [Some(heuristic), Some(best)] if ahead([heuristic, best]) => again().map(ahead),
        _ => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_must_win_both_times() {
        let wins =
            |first: [Option<f64>; 2], again: [f64; 2]| wins_twice(first, || Ok(again)).expect("no device is asked");
        assert!(wins([Some(100.0), Some(90.0)], [100.0, 90.0]));
        assert!(!wins([Some(100.0), Some(90.0)], [100.0, 105.0]), "it was lucky once");
        assert!(!wins([Some(100.0), Some(98.0)], [100.0, 50.0]), "by too little");
        assert!(!wins([Some(100.0), None], [100.0, 50.0]), "it computes something else");
    }
}
