//! Tiles that were chosen by measuring, as plain data. A plan that they were put into is `specialize`'s as any other: where
//! they say nothing, its heuristic does, and nothing here looks at a clock.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::plan::{Op, Plan, Section, Tile};
use crate::shape::Shape;
use crate::specialize::{Target, candidates};

/// Version of the form in files; a reader refuses others.
pub const TUNING_VERSION: u32 = 1;

/// What times are those of: another one makes measurements worth nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// The driver's name for the adapter.
    pub adapter: String,
    /// The vendor's number, as PCI has it.
    pub vendor: u32,
    /// The adapter's number, as its vendor has it.
    pub device: u32,
    /// The interface: `vulkan`, `metal`, `dx12`.
    pub interface: String,
    /// The driver, and all that it says of its version.
    pub driver: String,
    /// Version of this crate, whose shaders were measured.
    pub wgrad: String,
}

impl fmt::Display for Machine {
    /// `llvmpipe (LLVM 15.0.6, 256 bits), vulkan, driver llvmpipe Mesa 22.3.6, wgrad 0.1.0`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { adapter, interface, driver, wgrad, .. } = self;
        write!(f, "{adapter}, {interface}, driver {driver}, wgrad {wgrad}")
    }
}

/// A product, and the tile that it is cut by. Kernel and shapes are what tiles are chosen by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choice {
    /// The kernel, as plans name it before they are fitted to a device.
    pub kernel: String,
    /// Rows and columns of what it binds, in order.
    pub shapes: Vec<[usize; 2]>,
    /// How it is cut.
    pub tile: Tile,
}

impl Choice {
    /// The choice of a tile for an op with views of these shapes.
    pub fn new(op: &Op, shapes: &[Shape], tile: Tile) -> Self {
        let shapes = shapes.iter().map(|shape| [shape.rows, shape.columns]).collect();
        Self { kernel: op.kernel.name.into(), shapes, tile }
    }

    /// Whether it is one for an op with views of these shapes.
    fn is_for(&self, op: &Op, shapes: &[Shape]) -> bool {
        self.kernel == op.kernel.name
            && shapes.iter().map(|shape| [shape.rows, shape.columns]).eq(self.shapes.iter().copied())
    }

    /// Whether two are for the same product.
    pub fn same_product(&self, other: &Self) -> bool {
        self.product() == other.product()
    }

    fn product(&self) -> (&str, &[[usize; 2]]) {
        (&self.kernel, &self.shapes)
    }
}

impl fmt::Display for Choice {
    /// `dense_forward 64×64 128×64 1×128 64×128`, without the tile.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kernel)?;
        self.shapes.iter().try_for_each(|[rows, columns]| write!(f, " {rows}×{columns}"))
    }
}

/// Which tile products have, where that is not left to the heuristic; made by [`Tune`](crate::tune::Tune), or read from a
/// file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tuning {
    /// Where it was measured; nothing for tiles that were not measured, but noted.
    pub machine: Option<Machine>,
    /// One for each product, in the order of kernels and shapes.
    choices: Vec<Choice>,
}

impl Tuning {
    /// These choices; of several for one product, the last.
    pub fn new(machine: Option<Machine>, choices: impl IntoIterator<Item = Choice>) -> Self {
        let mut tuning = Self { machine, choices: Vec::new() };
        choices.into_iter().for_each(|choice| tuning.set(choice));
        tuning
    }

    /// The tiles that products of a plan have on a device, whoever chose them: what a tuning was
    /// [put into](Tuning::cut), and is not yet fitted to it. None on the CPU.
    pub fn of(plan: &Plan, target: &Target) -> Self {
        let chosen = products(plan).filter_map(|(op, shapes)| {
            let tile = op.tile.or_else(|| allowed(op, &shapes, target).first().copied());
            Some(Choice::new(op, &shapes, tile?))
        });
        Self::new(None, if *target == Target::Cpu { Vec::new() } else { chosen.collect() })
    }

    /// All choices.
    pub fn choices(&self) -> &[Choice] {
        &self.choices
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.choices.is_empty()
    }

    /// Takes a choice, in place of an earlier one for the same product.
    pub fn set(&mut self, choice: Choice) {
        self.choices.retain(|known| !known.same_product(&choice));
        let at = self.choices.partition_point(|known| known.product() < choice.product());
        self.choices.insert(at, choice);
    }

    /// The tile of an op with views of these shapes, if it says one.
    pub fn tile(&self, op: &Op, shapes: &[Shape]) -> Option<Tile> {
        self.choices.iter().find(|choice| choice.is_for(op, shapes)).map(|choice| choice.tile)
    }

    /// Cuts the products of a plan as it says, before the plan is fitted to a device.
    ///
    /// # Errors
    /// A tile that its product cannot have there; a device that has no tiles.
    pub fn cut(&self, plan: &mut Plan, target: &Target) -> Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        if *target == Target::Cpu {
            let problem = "it says how a GPU cuts products, but this device is the CPU";
            return Err(Error::conflict("tuning", problem, "leave it out, or name a GPU"));
        }
        for (op, shapes) in products(plan) {
            if let Some(problem) = self.problem(op, &shapes, target) {
                let remedy = "tune anew on this device, or leave the tuning out";
                return Err(Error::conflict("tuning", problem, remedy));
            }
        }
        plan.cut(|op, shapes| self.tile(op, shapes));
        Ok(())
    }

    /// The part of it that [`Tuning::cut`] takes for this plan, and why it does not take the rest.
    pub fn fitting(mut self, plan: &Plan, target: &Target) -> (Self, Vec<String>) {
        let mut problems = BTreeSet::new();
        for (op, shapes) in products(plan) {
            if let Some(problem) = self.problem(op, &shapes, target) {
                self.choices.retain(|choice| !choice.is_for(op, &shapes));
                problems.insert(problem);
            }
        }
        (self, problems.into_iter().collect())
    }

    /// How many different products the steps of a plan have, and for how many it says something.
    pub fn share(&self, plan: &Plan) -> [usize; 2] {
        let mut steps = Self::default();
        let in_steps = plan.ops(Section::Gradients).iter().filter(|op| op.kernel.shader.tiles.is_some());
        in_steps.for_each(|op| steps.set(Choice::new(op, &shapes(plan, op), Tile::PLAIN)));
        let says = |product: &&Choice| self.choices.iter().any(|choice| choice.same_product(product));
        [steps.choices.len(), steps.choices.iter().filter(says).count()]
    }

    /// What keeps an op from having the tile that this says.
    fn problem(&self, op: &Op, shapes: &[Shape], target: &Target) -> Option<String> {
        let tile = self.tile(op, shapes)?;
        let allowed = allowed(op, shapes, target);
        (!allowed.contains(&tile)).then(|| {
            let allowed = allowed.iter().map(|tile| format!("`{tile}`")).collect::<Vec<_>>().join(", ");
            format!("{} cannot have the tile `{tile}` on this device, but {allowed}", Choice::new(op, shapes, tile))
        })
    }
}

/// A tuning that was asked for, and how it is meant.
#[derive(Clone, Debug, Default)]
pub(crate) enum Wish {
    /// None was.
    #[default]
    Nothing,
    /// A tile that cannot be had is an error.
    Pinned(Tuning),
    /// A tile that cannot be had is left to the heuristic.
    Suggested(Tuning),
}

impl Wish {
    pub(crate) fn is_pinned(&self) -> bool {
        matches!(self, Self::Pinned(_))
    }

    /// What plans are to be cut by, and why it is not all that was suggested.
    pub(crate) fn granted(self, plan: &Plan, target: &Target) -> (Tuning, Vec<String>) {
        match self {
            Self::Pinned(tuning) => (tuning, Vec::new()),
            Self::Suggested(tuning) if *target != Target::Cpu => tuning.fitting(plan, target),
            Self::Nothing | Self::Suggested(_) => Default::default(),
        }
    }
}

/// The tiles that an op can have on a device, the heuristic's first.
fn allowed(op: &Op, shapes: &[Shape], target: &Target) -> Vec<Tile> {
    match target {
        Target::Cpu => Vec::new(),
        Target::Gpu(limits) => candidates(op, shapes, limits),
    }
}

fn shapes(plan: &Plan, op: &Op) -> Vec<Shape> {
    op.views.iter().map(|view| plan.shape(*view)).collect()
}

/// All ops of a plan that can be cut.
fn products(plan: &Plan) -> impl Iterator<Item = (&Op, Vec<Shape>)> {
    let ops = Section::ALL.into_iter().flat_map(|section| plan.ops(section));
    ops.filter(|op| op.kernel.shader.tiles.is_some()).map(|op| (op, shapes(plan, op)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fuse::fuse;
    use crate::loss::Loss;
    use crate::lower::{Description, lower};
    use crate::network::Network;
    use crate::optim::Sgd;
    use crate::specialize::{Limits, specialize};

    fn plan() -> Plan {
        let network = Network::parse(64, "40 relu 36").expect("a network");
        let description = Description::new(network, Loss::MeanSquaredError, Sgd::new(0.1), 32);
        fuse(&lower(&description).expect("sound")).expect("sound")
    }

    fn gpu() -> Target {
        Target::Gpu(Limits::default())
    }

    /// The heuristic's tiles, but for the first op of steps, which gets the one that it can have at that place.
    fn changed(plan: &Plan, place: impl Fn(&[Tile]) -> Tile) -> (Tuning, Tile) {
        let op = &plan.ops(Section::Gradients)[0];
        let tile = place(&allowed(op, &shapes(plan, op), &gpu()));
        let mut tuning = Tuning::of(plan, &gpu());
        tuning.set(Choice::new(op, &shapes(plan, op), tile));
        (tuning, tile)
    }

    fn second(tiles: &[Tile]) -> Tile {
        tiles[1]
    }

    fn in_parts(tiles: &[Tile]) -> Tile {
        *tiles.iter().find(|tile| tile.parts > 1).expect("it has enough terms")
    }

    fn tiles(plan: Plan) -> Vec<(&'static str, Option<Tile>)> {
        let plan = specialize(plan, &gpu()).expect("it fits");
        plan.ops(Section::Gradients).iter().map(|op| (op.kernel.name, op.tile)).collect()
    }

    #[test]
    fn the_heuristics_tiles_as_a_tuning_change_nothing() {
        let mut tuned = plan();
        let tuning = Tuning::of(&tuned, &gpu());
        assert_eq!(tuning.share(&tuned), [5, 5]);
        tuning.cut(&mut tuned, &gpu()).expect("they are candidates");
        assert!(tuned.is_own(), "shaders of tuned plans run as those of others do");
        assert_eq!(tiles(tuned), tiles(plan()));
        assert!(Tuning::of(&plan(), &Target::Cpu).is_empty());
    }

    #[test]
    fn one_choice_changes_one_product() {
        let usual = tiles(plan());
        let tuned = |place: fn(&[Tile]) -> Tile| {
            let mut tuned = plan();
            let (tuning, tile) = changed(&tuned, place);
            tuning.cut(&mut tuned, &gpu()).expect("they are candidates");
            (tiles(tuned), tile)
        };
        let (found, tile) = tuned(second);
        assert_eq!(found[0], ("dense_forward", Some(tile)));
        assert!(usual[0] != found[0] && usual[1..] == found[1..], "{found:?}");
        // Parts make two ops of it.
        let (found, tile) = tuned(in_parts);
        assert_eq!(found[0], ("matmul_split_nt", Some(Tile { parts: 1, ..tile })));
        assert_eq!(found[1], ("dense_forward_sum", None));
        assert_eq!(usual[1..], found[2..]);
    }

    #[test]
    fn tiles_that_cannot_be_had_are_refused_or_left_out() {
        let (plan, beyond) = (plan(), Tile { parts: 9, ..Tile::PLAIN });
        let (mut tuning, _) = changed(&plan, second);
        let wrong = Choice { tile: beyond, ..tuning.choices()[1].clone() };
        tuning.set(wrong.clone());
        let error = tuning.cut(&mut plan.clone(), &gpu()).expect_err("it is no candidate").to_string();
        let words = [
            &wrong.to_string(),
            "cannot have the tile `32×32 of 4×4 in 9 parts`",
            "but `32×32",
            "leave the tuning out",
        ];
        assert!(words.iter().all(|words| error.contains(*words)), "{error}");
        let (rest, problems) = tuning.clone().fitting(&plan, &gpu());
        assert!(problems.len() == 1 && error.contains(&problems[0]), "{problems:?}");
        assert!(rest.choices().len() + 1 == tuning.choices().len() && !rest.choices().contains(&wrong));
        rest.cut(&mut plan.clone(), &gpu()).expect("the rest fits");
        let error = rest.cut(&mut plan.clone(), &Target::Cpu).expect_err("it has none").to_string();
        assert!(error.contains("this device is the CPU"), "{error}");
        Tuning::default().cut(&mut plan.clone(), &Target::Cpu).expect("it says nothing");
    }

    #[test]
    fn of_two_choices_for_a_product_the_last_stays() {
        let choice =
            |kernel: &str, rows: usize, tile: Tile| Choice { kernel: kernel.into(), shapes: vec![[rows, 4]], tile };
        let choices = [
            choice("b", 2, Tile::PLAIN),
            choice("b", 1, Tile::PLAIN),
            choice("a", 3, Tile::PLAIN),
            choice("b", 1, Tile::SUBGROUPS),
        ];
        let tuning = Tuning::new(None, choices);
        let found: Vec<_> = tuning.choices().iter().map(|choice| format!("{choice}: {}", choice.tile)).collect();
        assert_eq!(found, ["a 3×4: 32×32 of 4×4", "b 1×4: 32×32 of 16×4 by subgroups", "b 2×4: 32×32 of 4×4"]);
    }
}
