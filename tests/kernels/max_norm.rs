//! Tests of `max_norm`: the largest norm of the rows of a weight matrix.

use super::case::{BATCHES, Case, Fill, LONG_ROWS, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use approx::assert_abs_diff_eq;
use wgrad::kernels::max_norm::{self, Params};
use wgrad::plan::Section;
use wgrad::shape::Shape;

/// Rows of all lengths, of which some are too long; flags at and around the step; and rows of very large and small numbers.
pub fn cases() -> Vec<Case> {
    let shapes = BATCHES.into_iter().chain(LONG_ROWS).enumerate();
    let mut cases: Vec<Case> = shapes
        .flat_map(|(seed, (rows, columns, _))| {
            // About half of all rows are longer than the norm that is expected.
            let usual = (columns as f32 / 3.0).sqrt();
            [0.5 * usual, usual].map(|most| case(Shape::new(rows, columns), most, u32::MAX, seed))
        })
        .collect();
    let index = case(Shape::new(3, 5), 0.5, 0, 1).step().index;
    cases.extend([0, 1, 2].map(|ahead| case(Shape::new(3, 5), 0.5, index + ahead, 1)));
    cases.extend([(1e30, 3e30), (1e-25, 3e-25)].map(|(unit, most)| {
        let mut case = case(Shape::new(2, 4), most, u32::MAX, 1);
        let weight = case.op().views[0];
        case.set_f32(weight, &[unit, -unit, unit, 0.0, 3.0 * unit, -4.0 * unit, 0.0, unit]);
        case
    }));
    cases
}

fn case(shape: Shape, most: f32, flag: u32, seed: usize) -> Case {
    let mut case = Case::new(Section::Update, 3, Values::Real, seed);
    let weight = case.state("weight", shape, Fill::Real(1.0));
    let flag = case.flag(flag);
    let op = max_norm::op(&case.plan, weight, flag, most);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (weight, flag, most) = (seen.numbers(0), seen.words(1)[0], f64::from(seen.params::<Params>().max_norm));
    let mut after = Vec::new();
    for row in weight.chunks(seen.shape(0).columns) {
        let norm = row.iter().map(|w| w * w).sum::<f64>().sqrt();
        let factor = if flag > seen.step().index + 1 && norm > most { most / (norm + 1e-7) } else { 1.0 };
        after.extend(row.iter().map(|w| w * factor));
    }
    vec![Expected::Numbers(after), Expected::Words(vec![flag])]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.01) > 10_000);
}

/// PyTorch 2.15: `torch.renorm(w, p=2, dim=0, maxnorm=2)`.
#[test]
fn rows_are_those_of_pytorch() {
    let p = Params { columns: 2, rows: 3, max_norm: 2.0 };
    let mut weight = [3.0, -4.0, 1.0, 1.5, 0.0, 2.5];
    max_norm::reference(&p, &mut weight);
    for (found, wanted) in weight.iter().zip([1.2, -1.6, 1.0, 1.5, 0.0, 2.0]) {
        assert_abs_diff_eq!(*found, wanted, epsilon = 2e-7);
    }
}
