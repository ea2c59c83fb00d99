//! Results of autotuning, as data and as a table.

use std::fmt;

use serde::Serialize;

use crate::error::Error;
use crate::plan::Tile;
use crate::specialize::{Choice, Machine, Tuning};
use crate::text::table;
use crate::tune::Subject;

/// Tile that a matrix multiplication can have, with its time, or the reason why it was not measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Candidate {
    /// Tile sizes.
    pub tile: Tile,
    /// Shortest time of a run in seconds; `None` if the tile was not measured.
    #[serde(rename = "seconds", skip_serializing_if = "Option::is_none")]
    pub secs: Option<f64>,
    /// Reason why the tile was not measured: a wrong result, or an error of the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

impl Candidate {
    pub(super) fn timed(tile: Tile, secs: f64) -> Self {
        Self { tile, secs: Some(secs), problem: None }
    }

    pub(super) fn refused(tile: Tile, error: &Error) -> Self {
        Self { tile, secs: None, problem: Some(error.to_string()) }
    }
}

/// Results for one matrix multiplication.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Matmul {
    /// Indices in the section `gradients` of the ops with this kernel and these shapes.
    pub ops: Vec<usize>,
    /// Kernel, shapes of the op's views, and the chosen tile.
    #[serde(flatten)]
    pub choice: Choice,
    /// All possible tiles, the heuristic's choice first.
    pub candidates: Vec<Candidate>,
    /// Index of the chosen tile in `candidates`.
    pub chosen: usize,
    /// Shapes of the first view that the op reads, and of the first view that it writes.
    #[serde(skip)]
    shape: String,
}

impl Matmul {
    pub(super) fn new(subject: &Subject, candidates: Vec<Candidate>, chosen: usize) -> Self {
        let choice = Choice { tile: candidates[chosen].tile, ..subject.choice.clone() };
        Self { ops: subject.ops.clone(), choice, candidates, chosen, shape: subject.shape.clone() }
    }

    /// Returns `true` if the chosen tile is not the heuristic's.
    pub fn is_changed(&self) -> bool {
        self.chosen > 0
    }

    fn secs(&self, candidate: usize) -> f64 {
        self.candidates[candidate].secs.unwrap_or(f64::NAN)
    }

    fn cells(&self) -> Vec<String> {
        let ops = match self.ops[..] {
            [first, _, _, ..] => format!("{first} and {} more", self.ops.len() - 1),
            _ => self.ops.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
        };
        let [heuristic, chosen] = [0, self.chosen].map(|at| self.secs(at));
        let tile = |at: usize| &self.candidates[at].tile;
        let instead = if self.is_changed() { format!(", heuristic: {}", tile(0)) } else { String::new() };
        vec![
            format!("gradients {ops}"),
            self.choice.kernel.clone(),
            time(heuristic),
            time(chosen),
            format!("{:.2}", heuristic / chosen),
            self.candidates.len().to_string(),
            format!("{}, {}{instead}", self.shape, tile(self.chosen)),
        ]
    }
}

/// Progress of autotuning.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event<'a> {
    /// A tile is about to be measured.
    Progress {
        /// Matrix multiplication and tile.
        what: String,
        /// Number of tiles that are measured already.
        done: usize,
        /// Number of tiles in total.
        total: usize,
    },
    /// All tiles of a matrix multiplication are measured.
    Matmul(&'a Matmul),
}

/// Results of autotuning.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// One entry per distinct matrix multiplication (kernel and shapes) of a step.
    pub matmuls: Vec<Matmul>,
    /// Resulting tuning. It has a tile for each matrix multiplication, even if the chosen tile is the heuristic's.
    pub tuning: Tuning,
    /// `true` if the device's clock measured the times, `false` if the host's clock did.
    pub device_clock: bool,
}

impl Report {
    pub(super) fn new(machine: Option<Machine>, device_clock: bool) -> Self {
        Self { matmuls: Vec::new(), tuning: Tuning::new(machine, []), device_clock }
    }

    pub(super) fn add(&mut self, matmul: Matmul) {
        self.tuning.set(matmul.choice.clone());
        self.matmuls.push(matmul);
    }

    /// Returns the number of matrix multiplications whose tile is not the heuristic's.
    pub fn changed(&self) -> usize {
        self.matmuls.iter().filter(|matmul| matmul.is_changed()).count()
    }

    /// Returns the tiles that were not measured: matrix multiplication, tile, problem.
    pub fn refused(&self) -> impl Iterator<Item = (&Matmul, &Tile, &str)> {
        let of = |matmul| -> Vec<_> {
            let matmul: &Matmul = matmul;
            let refused = |candidate| {
                let candidate: &Candidate = candidate;
                Some((matmul, &candidate.tile, candidate.problem.as_deref()?))
            };
            matmul.candidates.iter().filter_map(refused).collect()
        };
        self.matmuls.iter().flat_map(of)
    }

    /// Returns the total time in seconds of the matrix multiplications of a step: first with the heuristic's tiles,
    /// then with the chosen tiles.
    pub fn secs(&self) -> [f64; 2] {
        let of = |chosen: bool| {
            let matmul =
                |matmul: &Matmul| matmul.ops.len() as f64 * matmul.secs(if chosen { matmul.chosen } else { 0 });
            self.matmuls.iter().map(matmul).sum()
        };
        [of(false), of(true)]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.matmuls.is_empty() {
            return writeln!(
                f,
                "on this device a step of this network is one op (`FusedStep`): there are no tiles to choose"
            );
        }
        let head = ["op", "kernel", "heuristic", "chosen", "ratio", "tiles", "shape, tile"];
        let mut rows = vec![head.map(String::from).to_vec()];
        rows.extend(self.matmuls.iter().map(Matmul::cells));
        writeln!(f, "{}", table(&rows, 2))?;
        let [heuristic, chosen] = self.secs();
        let clock = if self.device_clock { "the device's clock" } else { "the host's clock" };
        writeln!(
            f,
            "matrix multiplications per step: {} by the heuristic, {} as chosen, by {clock}; {} of {} changed",
            time(heuristic),
            time(chosen),
            self.changed(),
            self.matmuls.len()
        )
    }
}

/// Formats a time: `1.23 ms`.
fn time(secs: f64) -> String {
    match secs {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", 1e3 * s),
        s => format!("{:.1} µs", 1e6 * s),
    }
}
