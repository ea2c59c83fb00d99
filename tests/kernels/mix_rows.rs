//! Tests of `mix_rows`: mixtures of a row and the row at its place from the other end of the batch.

use super::case::{Case, Fill, Values, over_batches};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::mix_rows::{self, Kind};
use wgrad::plan::{Section, View};
use wgrad::shape::{Dtype, Shape};

/// All kinds; of two matrices, and of the rows of one.
pub fn cases() -> Vec<Case> {
    let kinds = Kind::ALL.into_iter().flat_map(|kind| [(kind, false), (kind, true)]);
    kinds
        .flat_map(|kind| over_batches(move |shape, live, values, seed| case(shape, live, values, seed, kind)))
        .collect()
}

fn case(shape: Shape, live: usize, values: Values, seed: usize, (kind, is_same): (Kind, bool)) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let own = case.batch("own", shape, Fill::Real(2.0));
    let again = View { name: "other".into(), ..case.plan.get(own).clone() };
    let other = if is_same { case.plan.add_view(again) } else { case.batch("other", shape, Fill::Real(1.5)) };
    let output = case.batch_output("output", Dtype::F32, shape);
    let op = mix_rows::op(&case.plan, kind, [own, other, output]);
    // Shares of every size, and runs of no column, of some, of all, and over the end.
    for step in &mut case.steps {
        step.mix_own = [0.25, 0.8125, 1.0, 0.3, 0.0][seed % 5];
        step.mix_first = (seed * 7 % shape.columns) as u32;
        step.mix_columns = (seed * 5 % (shape.columns + 1)) as u32;
    }
    case.with(op)
}

/// Columns of a run, counted one by one.
fn run(first: u32, count: u32, columns: usize) -> Vec<usize> {
    (0..count as usize).map(|at| (first as usize + at) % columns).collect()
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let [own, other] = [0, 1].map(|binding| seen.numbers(binding));
    let (columns, kind, step) = (seen.shape(0).columns, seen.params::<mix_rows::Params>().kind, seen.step());
    let (share, cut) = (f64::from(step.mix_own), run(step.mix_first, step.mix_columns, columns));
    let reversed: Vec<f64> = other[..seen.live(0)].chunks(columns).rev().flatten().copied().collect();
    let output = |i: usize| match kind {
        0 => share * own[i] + (1.0 - share) * reversed[i],
        1 if !cut.contains(&(i % columns)) => own[i],
        _ => reversed[i],
    };
    vec![Expected::Numbers((0..seen.live(0)).map(output).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    // Only a sum that cancels has a tolerance above 1 % of it.
    assert!(prove(&cases(), oracle, 1e-3) > 50_000);
}
