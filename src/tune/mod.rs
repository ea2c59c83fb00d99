//! Measures which tile suits each product of a network on a GPU; see [`Tuning`](crate::specialize::Tuning) for
//! what comes of it.
//!
//! Each different product of a step runs alone, at its real shape, with every tile that it
//! [can have](crate::specialize::candidates). A tile takes part only if it computes what it should: on small whole numbers, in
//! a full batch and in a short one, it must leave the numbers that the CPU leaves, which are exact whatever the order of their
//! terms, and nothing around them. What is faster than the heuristic's tile by more than [`MARGIN`], twice, takes its place.
//!
//! ```
//! use wgrad::lower::TrainingSpec;
//! use wgrad::tune::Tune;
//! use wgrad::{Adam, Device, Loss, Network};
//! let network = Network::input(8).dense(16).relu().dense(3);
//! let tune = Tune::network(&TrainingSpec::new(network, Loss::SoftmaxCrossEntropy, Adam::new(1e-3), 12))?;
//! let error = tune.run(&Device::cpu(), |_| ()).expect_err("the CPU has no tiles");
//! assert!(error.to_string().contains("name a GPU"));
//! # Ok::<(), wgrad::Error>(())
//! ```

mod file;
mod report;
mod trial;

pub use report::{Candidate, Event, Matmul, Report};

use std::time::Duration;

use crate::device::Device;
use crate::error::{Error, Result};
use crate::fuse::fuse;
use crate::lower::{TrainingSpec, lower};
use crate::plan::{Op, Plan, Section, Tile};
use crate::specialize::{Choice, DeviceLimits, Machine, candidates, with_fused_step};
use crate::verify::{Make, whole};
use trial::Trial;

/// A tile must be faster than the heuristic's by more than this share of its time.
pub const MARGIN: f64 = 0.03;

/// Whoever takes so many times as long as the best so far is not measured again.
const HOPELESS: f64 = 2.0;

/// A network to tune for.
#[derive(Clone, Debug)]
pub struct Tune {
    spec: TrainingSpec,
    budget: Duration,
}

impl Tune {
    /// The products of a step of the described network.
    ///
    /// # Errors
    /// Whatever [`TrainingSpec::check`] finds.
    pub fn network(spec: &TrainingSpec) -> Result<Self> {
        spec.check()?;
        Ok(Self { spec: spec.clone(), budget: Duration::from_millis(400) })
    }

    /// Sets how long is measured in all, default 400 ms; three runs of each tile are made whatever they take. Compiling and
    /// checking come on top.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Tunes on a device; `on_event` is told of each part as it is done. Times are those of the device's clock, or where it
    /// has none the host's.
    ///
    /// # Errors
    /// A device without tiles, or one that stops answering; [`Error::Mismatch`] where already the heuristic's tile gives a
    /// wrong result.
    pub fn run(&self, device: &Device, on_event: impl FnMut(&Event<'_>)) -> Result<Report> {
        let timed = device.clone().timed();
        let clocks = timed.is_ok();
        let device = timed.unwrap_or_else(|_| device.clone());
        self.run_on(device.machine(), clocks, &mut |plan| device.executor(plan), on_event)
    }

    /// [`Tune::run`] on executors that `make` makes, which tell times by themselves or not.
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
        let Some(any) = plans.any_product() else { return Ok(report) };
        let target = make(trial::alone(&plans.whole, any, None)?)?.target();
        if plans.is_whole(&target)? {
            return Ok(report);
        }
        let matmuls = plans.matmuls(&target)?;
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

/// The plan of a step, and the same for whole numbers: every activation a relu, nothing dropped.
struct Plans {
    real: Plan,
    whole: Plan,
}

/// A product of a step, with the tiles that it can have.
struct Subject {
    /// Indices of its ops in the section of gradients.
    ops: Vec<usize>,
    kernel: &'static str,
    /// `64×64 → 64×128`: the first view that it reads, and the first that it writes.
    shape: String,
    /// The heuristic's first.
    tiles: Vec<Tile>,
    choice: Choice,
}

impl Plans {
    fn of(spec: &TrainingSpec) -> Result<Self> {
        let plan = |spec: &TrainingSpec| fuse(&lower(spec)?);
        let network = whole(&spec.network);
        Ok(Self { real: plan(spec)?, whole: plan(&TrainingSpec { network, ..spec.clone() })? })
    }

    fn op(&self, index: usize) -> &Op {
        &self.real.ops(Section::Gradients)[index]
    }

    /// Whether a step is one op on such a device, without products.
    fn is_whole(&self, target: &DeviceLimits) -> Result<bool> {
        let plan = with_fused_step(self.real.clone(), target)?;
        Ok(!plan.ops(Section::Gradients).iter().any(|op| op.kernel.shader.tiles.is_some()))
    }

    /// The index of one.
    fn any_product(&self) -> Option<usize> {
        self.real.ops(Section::Gradients).iter().position(|op| op.kernel.shader.tiles.is_some())
    }

    /// Each different product once.
    fn matmuls(&self, target: &DeviceLimits) -> Result<Vec<Subject>> {
        let DeviceLimits::Gpu(limits) = target else {
            let problem = "products are cut into tiles on GPUs alone";
            return Err(Error::conflict("tune", problem, "name a GPU, as `wgrad devices` tells it"));
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

    /// Runs all tiles, and then the best one against the heuristic's once more.
    fn measure(&self, trial: &mut Trial<'_>, budget: Duration, tell: &mut dyn FnMut(&Tile)) -> Result<Matmul> {
        let each = budget.as_secs_f64() / (self.tiles.len() + 2) as f64;
        let mut tried: Vec<Candidate> = Vec::new();
        let least = |tried: &[Candidate]| tried.iter().filter_map(|tried| tried.secs).fold(f64::INFINITY, f64::min);
        for (rank, tile) in self.tiles.iter().enumerate() {
            tell(tile);
            let hopeless = HOPELESS * least(&tried);
            let found = trial.test(*tile).and_then(|()| trial.time(*tile, each, hopeless));
            tried.push(match found {
                Ok(secs) => Candidate::timed(*tile, secs),
                // The heuristic's tile is what training takes.
                Err(error) if rank == 0 => return Err(error),
                Err(error) => Candidate::refused(*tile, &error),
            });
        }
        let best = tried.iter().position(|candidate| candidate.secs == Some(least(&tried))).unwrap_or(0);
        let chosen = if self.wins(trial, &mut tried, best, each)? { best } else { 0 };
        Ok(Matmul::new(self, tried, chosen))
    }

    /// Whether a tile is faster than the heuristic's by more than the margin, also when both are measured again.
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

/// Whether the second of two times is shorter than the heuristic's, the first, by more than the margin, and is once more
/// where both are measured `again`: each time by itself, since a lucky measurement stays the shortest.
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
