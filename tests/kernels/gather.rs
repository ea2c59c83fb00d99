//! Rows of the data set into the window.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::gather::{self, Params};
use wgrad::plan::{Contents, Section};
use wgrad::shape::{Dtype, Shape};

/// Rows and width of the data, batch, steps of the submission.
const SIZES: [(usize, usize, usize, usize); 8] = [
    (1, 1, 1, 1),
    (3, 1, 5, 1),
    (5, 3, 4, 2),
    (7, 17, 3, 5),
    (67, 4, 16, 3),
    (13, 64, 1, 7),
    (11, 65, 15, 2),
    (129, 5, 63, 4),
];

/// An eighth more indices than there are rows, as if another op saw them; and data that begins with a later row, where
/// another op sees the rows before it, too.
pub fn cases() -> Vec<Case> {
    SIZES
        .into_iter()
        .enumerate()
        .flat_map(|(seed, sizes)| {
            let later = sizes.0.div_ceil(2);
            [(Fill::Real(3.0), 0), (Fill::Below(1000), 0), (Fill::Real(3.0), later), (Fill::Below(1000), later)]
                .map(|(fill, first_row)| case(sizes, first_row, fill, seed))
        })
        .collect()
}

fn case((rows, width, batch, steps): (usize, usize, usize, usize), first_row: usize, data: Fill, seed: usize) -> Case {
    let mut case = Case::new(Section::Window, batch, Values::Real, seed);
    let dtype = if data == Fill::Below(1000) { Dtype::U32 } else { Dtype::F32 };
    let data = case.tensor("data", Shape::new(rows, width), data);
    let index =
        case.tensor("index", Shape::new(steps, batch), Fill::Below((first_row + rows + rows.div_ceil(8)) as u32));
    let (_, window) = case.plan.windowed("input", dtype, Shape::new(batch, width), steps, Contents::Computed);
    let mut op = gather::op(&case.plan, data, index, window);
    op.set("first_row", first_row as u32);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (data, index) = (seen.words(0), seen.words(1));
    let (p, steps, batch): (&Params, _, _) = (seen.params(), seen.shape(1).rows, seen.shape(1).columns);
    let (width, stride) = (p.width as usize, seen.shape(2).columns);
    let mut window = seen.words(2).to_vec();
    let first = p.first_row as usize;
    for (at, row) in index.iter().map(|row| *row as usize).enumerate().take(steps * batch) {
        if (first..first + seen.shape(0).rows).contains(&row) {
            let row = row - first;
            let to = at / batch * stride + at % batch * width;
            window[to..to + width].copy_from_slice(&data[row * width..(row + 1) * width]);
        }
    }
    vec![Expected::Words(window)]
}

#[test]
fn twins() {
    assert!(prove(&cases(), oracle, 0.0) > 5_000);
}

#[test]
fn an_index_beyond_the_data_leaves_its_row_alone() {
    let mut case = case((3, 2, 4, 1), 0, Fill::Real(3.0), 0);
    let (data, index, window) = (case.op().views[0], case.op().views[1], case.op().views[2]);
    case.set_f32(data, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    case.set(index, vec![2, 3, 0, u32::MAX]);
    case.set_f32(window, &[9.0; 8]);
    assert_eq!(Seen::new(&case).results(2)[..8], [5.0, 6.0, 9.0, 9.0, 1.0, 2.0, 9.0, 9.0]);
}

#[test]
fn data_may_begin_with_a_later_row() {
    let mut case = case((3, 2, 4, 1), 5, Fill::Real(3.0), 0);
    let (data, index, window) = (case.op().views[0], case.op().views[1], case.op().views[2]);
    case.set_f32(data, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    case.set(index, vec![7, 4, 8, 5]);
    case.set_f32(window, &[9.0; 8]);
    assert_eq!(Seen::new(&case).results(2)[..8], [5.0, 6.0, 9.0, 9.0, 9.0, 9.0, 1.0, 2.0]);
}
