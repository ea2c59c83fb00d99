//! Tests of `gather_bytes`: rows of a data set of bytes are copied into the window, through a table.

use super::case::{Case, Fill, Values};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::gather_bytes::{self, Params};
use wgrad::plan::{Contents, Section};
use wgrad::shape::{Dtype, Shape};

/// Rows and bytes per row of the data, batch size, steps of the submission.
const SIZES: [(usize, usize, usize, usize); 9] = [
    (1, 1, 1, 1),
    (3, 1, 5, 1),
    (5, 3, 4, 2),
    (7, 17, 3, 5),
    (67, 4, 16, 3),
    (13, 64, 1, 7),
    (11, 65, 15, 2),
    (129, 5, 63, 4),
    (6, 2, 7, 1),
];

/// One table, or one for each byte. Some have data and windows that begin at a later row and step, as if other ops had
/// the earlier ones. The index has steps before and after those of the submission, or ends before the last of them.
pub fn cases() -> Vec<Case> {
    let sizes = SIZES.into_iter().enumerate();
    sizes
        .flat_map(|(seed, sizes)| {
            let later = sizes.0.div_ceil(2);
            [(1, [0, 0]), (sizes.1, [later, 2]), (sizes.1, [0, 1])]
                .map(|(tables, first)| case(sizes, tables, first, seed))
        })
        .collect()
}

fn case(
    (rows, width, batch, steps): (usize, usize, usize, usize),
    tables: usize,
    [first_row, first_item]: [usize; 2],
    seed: usize,
) -> Case {
    let mut case = Case::new(Section::Window, batch, Values::Real, seed);
    // Words with arbitrary bytes, including the padding after a row.
    let data = case.tensor("data", Shape::new(rows, width.div_ceil(4)), Fill::Below(u32::MAX));
    let epoch = case.step().epoch_batch as usize + first_item + steps;
    let epoch = if seed % 4 == 3 { epoch - 1 } else { epoch + 1 };
    let index =
        case.tensor("index", Shape::new(epoch, batch), Fill::Below((first_row + rows + rows.div_ceil(8)) as u32));
    let table = case.tensor("table", Shape::new(tables, 256), Fill::Real(3.0));
    let (_, window) = case.plan.windowed("input", Dtype::F32, Shape::new(batch, width), steps, Contents::Computed);
    let mut op = gather_bytes::op(&case.plan, [data, index, table, window], width);
    op.set("first_row", first_row as u32);
    op.set("first_item", first_item as u32);
    case.with(op)
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (data, index, table) = (seen.words(0), seen.words(1), seen.words(2));
    let (p, steps, batch): (&Params, _, _) = (seen.params(), seen.shape(3).rows, seen.shape(1).columns);
    let (width, stride) = (p.width as usize, seen.shape(3).columns);
    let bytes: Vec<u8> = data.iter().flat_map(|word| word.to_le_bytes()).collect();
    let tables: Vec<&[u32]> = table.chunks(256).cycle().take(width).collect();
    let mut window = seen.words(3).to_vec();
    let (first, begin) = (p.first_row as usize, (seen.step().epoch_batch + p.first_item) as usize * batch);
    for (at, row) in index[begin..].iter().map(|row| *row as usize).enumerate().take(steps * batch) {
        if (first..first + seen.shape(0).rows).contains(&row) {
            let row = &bytes[(row - first) * 4 * seen.shape(0).columns..];
            let to = at / batch * stride + at % batch * width;
            (0..width).for_each(|w| window[to + w] = tables[w][usize::from(row[w])]);
        }
    }
    vec![Expected::Words(window)]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.0) > 4_000);
}

#[test]
fn bytes_are_looked_up_lowest_first() {
    let mut case = case((2, 5, 1, 1), 5, [0, 0], 0);
    let [data, index, table, window] = [0, 1, 2, 3].map(|binding| case.op().views[binding]);
    case.set(data, vec![0x0403_0201, 0xFFFF_FF05, 0x0908_0706, 0xFFFF_FF0A]);
    case.set(index, vec![1; case.plan.shape(index).elements()]);
    // Table w contains 1000·w + byte.
    case.set_f32(table, &(0..5 * 256).map(|at| (1000 * (at / 256) + at % 256) as f32).collect::<Vec<_>>());
    case.set_f32(window, &vec![9.0; case.plan.shape(window).elements()]);
    assert_eq!(Seen::new(&case).results(3)[..6], [6.0, 1007.0, 2008.0, 3009.0, 4010.0, 9.0]);
}
