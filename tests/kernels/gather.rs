//! Tests of `gather`: rows of the data set are copied into the window.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::gather::{self, Params};
use wgrad::plan::{Contents, Section};
use wgrad::shape::{Dtype, Shape};

/// Rows and width of the data, batch size, steps of the submission.
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

/// Cases with indices beyond the data, as if another op had those rows. Some have data and windows that begin at a
/// later row and step, as if another op had the earlier ones. The index has steps before and after those of the
/// submission, or ends before the last of them.
pub fn cases() -> Vec<Case> {
    SIZES
        .into_iter()
        .enumerate()
        .flat_map(|(seed, sizes)| {
            let later = sizes.0.div_ceil(2);
            [(Fill::Real(3.0), [0, 0]), (Fill::Real(3.0), [later, 2]), (Fill::Below(1000), [later, 0])]
                .into_iter()
                .chain([(Fill::Below(1000), [0, 1])])
                .map(move |(fill, first)| case(sizes, first, fill, seed))
        })
        .collect()
}

/// A case whose data and window begin at the given row of the data set and step of the submission.
fn case(
    (rows, width, batch, steps): (usize, usize, usize, usize),
    [first_row, first_item]: [usize; 2],
    data: Fill,
    seed: usize,
) -> Case {
    let mut case = Case::new(Section::Window, batch, Values::Real, seed);
    let dtype = if data == Fill::Below(1000) { Dtype::U32 } else { Dtype::F32 };
    let data = case.tensor("data", Shape::new(rows, width), data);
    let epoch = case.step().epoch_batch as usize + first_item + steps;
    let epoch = if seed % 4 == 3 { epoch - 1 } else { epoch + 1 };
    let index =
        case.tensor("index", Shape::new(epoch, batch), Fill::Below((first_row + rows + rows.div_ceil(8)) as u32));
    let (_, window) = case.plan.windowed("input", dtype, Shape::new(batch, width), steps, Contents::Computed);
    let mut op = gather::op(&case.plan, data, index, window);
    op.set("first_row", first_row as u32);
    op.set("first_item", first_item as u32);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (data, index) = (seen.words(0), seen.words(1));
    let (p, steps, batch): (&Params, _, _) = (seen.params(), seen.shape(2).rows, seen.shape(1).columns);
    let (width, stride) = (p.width as usize, seen.shape(2).columns);
    let mut window = seen.words(2).to_vec();
    let (first, begin) = (p.first_row as usize, (seen.step().epoch_batch + p.first_item) as usize * batch);
    for (at, row) in index[begin..].iter().map(|row| *row as usize).enumerate().take(steps * batch) {
        if (first..first + seen.shape(0).rows).contains(&row) {
            let row = row - first;
            let to = at / batch * stride + at % batch * width;
            window[to..to + width].copy_from_slice(&data[row * width..(row + 1) * width]);
        }
    }
    vec![Expected::Words(window)]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.0) > 5_000);
}

/// Returns the window, filled with nines before, for the second step of an epoch with four rows per step.
fn moved(first: [usize; 2], epoch: [[u32; 4]; 2]) -> Vec<f64> {
    let mut case = case((3, 2, 4, 1), first, Fill::Real(3.0), 0);
    assert_eq!(case.step().epoch_batch, 1);
    let [data, index, window] = [0, 1, 2].map(|binding| case.op().views[binding]);
    case.set_f32(data, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    let rows = [&epoch.concat()[..], &vec![u32::MAX; case.plan.shape(index).elements() - 8]].concat();
    case.set(index, rows);
    case.set_f32(window, &vec![9.0; case.plan.shape(window).elements()]);
    Seen::new(&case).results(2)
}

#[test]
fn an_index_beyond_the_data_leaves_its_row_alone() {
    let window = moved([0, 0], [[0; 4], [2, 3, 0, u32::MAX]]);
    assert_eq!(window[..8], [5.0, 6.0, 9.0, 9.0, 1.0, 2.0, 9.0, 9.0]);
}

#[test]
fn data_may_begin_with_a_later_row() {
    let window = moved([5, 0], [[5; 4], [7, 4, 8, 5]]);
    assert_eq!(window[..8], [5.0, 6.0, 9.0, 9.0, 9.0, 9.0, 1.0, 2.0]);
}
