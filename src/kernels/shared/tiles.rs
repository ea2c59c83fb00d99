//! Tiling of matrix multiplications among a GPU's workgroups: the candidate tiles and the default choice.
//!
//! All matrix multiplications use one of three cores: `tiles.wgsl`, `subgroups.wgsl` or `registers.wgsl` in
//! `shaders/shared`. Each kernel's own file defines what is read and how the sums are stored.

use crate::kernels::shared;
use crate::numeric::SUM_DEPTH;
use crate::plan::{Limits, Op, OperandSharing, Tile};
use crate::rng::PHILOX_ROUNDS;

/// Sizes of a matrix multiplication: the output is rows×columns, each element a sum of `terms` terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matmul {
    /// Number of rows of the output.
    pub rows: usize,
    /// Number of columns of the output.
    pub columns: usize,
    /// Number of terms of each sum.
    pub terms: usize,
    /// True for each of a, b and the output if the length of its rows in memory is a multiple of four.
    pub aligned: [bool; 3],
    /// True if the terms are rows of a batch, of which there may be millions.
    pub over_rows: bool,
    /// True if dropout may be applied when the output is stored.
    pub may_drop: bool,
}

/// Minimum number of terms per part. With fewer, writing and reading the partial sums costs more than it saves.
const TERMS_OF_A_PART: usize = 256;

/// Maximum number of parts for speed. More parts need more memory than they are worth.
const MOST_PARTS: usize = 8;

/// Maximum number of batch rows per part. The rows are summed in blocks of 64. At most 32 block sums are added one by
/// one, and parts in four levels of sixteen. More parts would cost more to write and add than they gain in accuracy. A
/// part has more rows only if one binding cannot hold the sums of that many parts.
const ROWS_OF_A_PART: usize = 2048;

/// Number of batch rows per block. Each block is summed from zero, then added: `BLOCK` in
/// `shaders/shared/matmul.wgsl`.
const BLOCK: usize = 64;

const STAGED: OperandSharing = OperandSharing::Workgroup { terms: 16 };

/// Number of rows of tiles per band. Workgroups compute one band after the other, each column by column, so that
/// concurrent workgroups read the same operands. Bands are used for outputs of at least twice as many rows and columns
/// of tiles, whose operands exceed a GPU's cache.
const BAND: u32 = 8;

/// All tile sizes, from small to large. The largest also comes with half as many terms in workgroup memory, for devices
/// with only as much of it as WebGPU guarantees. The first needs no workgroup memory and only 64 invocations, which
/// every GPU has. The second is the fastest on software drivers.
const TILES: [Tile; 7] = [
    Tile::PLAIN,
    Tile::SUBGROUPS,
    Tile::new(32, 32, [4, 4], STAGED),
    Tile::new(64, 64, [8, 8], STAGED),
    Tile::new(128, 64, [8, 8], STAGED),
    Tile::new(128, 128, [8, 8], OperandSharing::Workgroup { terms: 8 }),
    Tile::new(128, 128, [8, 8], STAGED),
];

/// Number of workgroups that keep a mid-range GPU busy. The default tile is the largest that leaves at least as many.
const WORKGROUPS: usize = 96;

/// Returns the tiles that a matrix multiplication can use on a device. The first is the default: the largest tile with
/// enough workgroups to fill a GPU. The other tiles follow from small to large. The result depends on shape and limits
/// alone, never on timing. Each tile has at least as many parts as its sums need.
pub fn candidates(matmul: Matmul, limits: &Limits) -> Vec<Tile> {
    in_parts(unsplit(matmul, limits), matmul, limits)
}

/// Splits the terms of each tile into as many parts as tolerances and the limit of loop iterations require. Removes
/// duplicates.
fn in_parts(tiles: Vec<Tile>, matmul: Matmul, limits: &Limits) -> Vec<Tile> {
    let mut found: Vec<Tile> = Vec::new();
    for tile in tiles {
        let mut parts = tile.parts as usize;
        if matmul.over_rows {
            parts = parts.max(matmul.terms.div_ceil(ROWS_OF_A_PART).min(fitting(matmul, limits)));
        }
        let of_a_part = |parts: usize| Matmul { terms: chunk(matmul.terms, parts), ..matmul };
        let too_long = |parts: usize| rounds(&tile, of_a_part(parts)) > limits.loop_rounds.into();
        while too_long(parts) && chunk(matmul.terms, parts) > STEP {
            parts += 1;
        }
        let band = if parts > 1 { 1 } else { tile.band };
        let tile = Tile { parts: parts as u32, band, ..tile };
        if !found.contains(&tile) {
            found.push(tile);
        }
    }
    found
}

/// Returns the number of parts whose sums one binding can hold, at least 1.
fn fitting(matmul: Matmul, limits: &Limits) -> usize {
    // Matmuls over batch rows also store the sums of a's rows, after their own sums.
    let sums = matmul.rows * (matmul.columns + usize::from(matmul.over_rows));
    let bytes = limits.binding_bytes.min(limits.allocation_bytes) as usize;
    (bytes / (4 * sums).max(1)).max(1)
}

/// Returns an upper bound of the number of terms that an invocation adds, for sums of `terms` terms with a result of
/// rows×columns. A longer sum is split into parts of at most `ROWS_OF_A_PART` terms, unless the results of two parts
/// with their bias gradients, 2·rows·(columns + 1) numbers, do not fit into one binding. The larger operand, of
/// terms·max(rows, columns) numbers, does fit, so `terms` is then at most 2·(min(rows, columns) + 1).
pub fn unsplit_terms(rows: usize, columns: usize, terms: usize) -> usize {
    terms.min(ROWS_OF_A_PART.max(2 * (rows.min(columns) + 1)))
}

/// Returns the maximum number of rounded additions per term, on any device, for parts of `rows` rows: one for each row
/// of a block, and one for each block.
pub fn depth(rows: usize) -> usize {
    SUM_DEPTH.max(BLOCK + rows.div_ceil(BLOCK))
}

/// Largest number of terms that the core of any tile processes per loop iteration.
const STEP: usize = 16;

/// Returns the number of terms per part, except the last part. It is a multiple of `STEP`, so that no loop iteration
/// crosses into the next part.
pub fn chunk(terms: usize, parts: usize) -> usize {
    terms.div_ceil(parts).next_multiple_of(STEP)
}

/// Returns the maximum number of loop iterations of an invocation that computes one part, if the driver unrolls no
/// loop.
pub fn rounds(tile: &Tile, matmul: Matmul) -> u64 {
    let (terms, [high, wide]) = (matmul.terms, tile.each.map(|each| each as usize));
    // Storing the sums of a block loops over them.
    let blocks = if matmul.over_rows { terms.div_ceil(BLOCK).max(1) } else { 1 };
    let rounds = match tile.staged().map(|terms| terms as usize) {
        None => terms.div_ceil(4) + blocks + high + wide,
        Some(staged) => {
            let fours = (tile.rows + tile.columns) as usize / 4 * (staged / 4);
            let loading = fours / tile.invocations() as usize + 2;
            let (high, wide) = (high / 4, wide / 4);
            // Four rows of a batch at a time.
            let steps = if matmul.over_rows { staged / 4 } else { staged };
            let adding = steps * (1 + wide + high * (1 + wide));
            terms.div_ceil(staged) * (1 + loading + adding) + blocks * (1 + high * (5 + 4 * wide))
        }
    };
    let drawing = if matmul.may_drop { high * wide.div_ceil(4) * PHILOX_ROUNDS } else { 0 };
    (rounds + drawing) as u64
}

/// Returns the tiles that fit the device, the default first, without the parts that long sums require. The ops that
/// compute single parts use them.
pub fn unsplit(matmul: Matmul, limits: &Limits) -> Vec<Tile> {
    let fits = |tile: &&Tile| {
        tile.invocations() <= limits.invocations
            && tile.workgroup_bytes() <= limits.workgroup_bytes
            && (tile.sharing != OperandSharing::Subgroup || limits.software && limits.subgroups)
    };
    let mut sizes: Vec<Tile> = TILES.iter().filter(fits).copied().collect();
    let fills = |tile: &Tile| workgroups(tile, matmul).iter().product::<usize>() >= WORKGROUPS;
    let small = matmul.rows.min(matmul.columns) <= 8 || matmul.terms <= 8;
    // For such an output, most of the 16×32 sums of a subgroup would be wasted.
    let narrow = matmul.rows.min(matmul.columns) <= 16;
    let subgroups = sizes.iter().position(|tile| tile.sharing == OperandSharing::Subgroup).filter(|_| !narrow);
    let best = if limits.software {
        subgroups.unwrap_or(0)
    } else if small {
        0
    } else {
        sizes.iter().rposition(fills).unwrap_or(1).max(1).min(sizes.len() - 1)
    };
    let best = sizes.remove(best);
    let vectors = if matmul.aligned == [false; 3] { vec![[false; 3]] } else { vec![matmul.aligned, [false; 3]] };
    let both = |tile: Tile| vectors.iter().map(move |vector| Tile { vector: *vector, ..tile });
    let [wide, high] = workgroups(&best, matmul);
    let pays = !limits.software && wide.min(high) >= 2 * BAND as usize;
    let banded = |band: u32| Tile { band, ..best };
    let first = pays.then_some(banded(BAND));
    let last = (wide > 1 && high > 2).then_some(banded(2));
    first.into_iter().chain([best]).chain(sizes).chain(last).flat_map(both).collect()
}

/// Returns [`candidates`], and for matmuls with enough terms also the best tile with split terms. The split tile comes
/// first if the unsplit tile would leave a GPU idle. The sums of all parts must fit one binding.
pub fn candidates_with_parts(matmul: Matmul, limits: &Limits) -> Vec<Tile> {
    let mut tiles = unsplit(matmul, limits);
    let fitting = fitting(matmul, limits);
    let (best, parts) = (tiles[0], fitting.min(matmul.terms / TERMS_OF_A_PART));
    let idle = WORKGROUPS / workgroups(&best, matmul).iter().product::<usize>().max(1);
    let split = |parts: usize| Tile { parts: parts as u32, band: 1, ..best };
    if !limits.software && parts.min(idle) >= 2 {
        tiles.insert(0, split(parts.min(idle).min(MOST_PARTS)));
    } else if matmul.terms > 16 && fitting >= 2 {
        tiles.push(split(2));
    }
    // Only measurements show how many workgroups keep a GPU busy, so these are never the default.
    let more =
        [2, 4, MOST_PARTS].map(split).into_iter().filter(|tile| !limits.software && tile.parts as usize <= parts);
    let more: Vec<Tile> = more.filter(|tile| !tiles.contains(tile)).collect();
    tiles.extend(more);
    in_parts(tiles, matmul, limits)
}

/// Returns the number of workgroups along columns and along rows.
fn workgroups(tile: &Tile, matmul: Matmul) -> [usize; 2] {
    [matmul.columns.div_ceil(tile.columns as usize), matmul.rows.div_ceil(tile.rows as usize)]
}

/// Returns the grid of workgroups of a matrix multiplication.
pub fn grid(op: &Op, matmul: Matmul) -> [u32; 3] {
    let [x, y] = workgroups(&op.tile(), matmul).map(|count| count as u32);
    [x, y, 1]
}

/// Returns WGSL constants for the sizes of an op's tile, with the names that the cores use.
pub fn prelude(op: &Op) -> String {
    let tile = op.tile();
    let Tile { rows, columns, each: [each, _], .. } = tile;
    let staged = tile.staged().map(|terms| {
        let [row, column] = tile.staged_strides();
        let strides = format!("const ROW_STRIDE = {row}u;\nconst COLUMN_STRIDE = {column}u;\n");
        format!("const TILE_TERMS = {terms}u;\nconst EACH = {each}u;\n") + &strides
    });
    let sizes = format!("const TILE_ROWS = {rows}u;\nconst TILE_COLUMNS = {columns}u;\nconst BAND = {}u;\n", tile.band);
    sizes + &staged.unwrap_or_default()
}

/// Returns WGSL constants for the memory layout of operands a and b, for kernels that exist in several layouts.
pub fn along(a: bool, b: bool) -> String {
    format!("const A_ALONG_TERMS = {a};\nconst B_ALONG_TERMS = {b};\n")
}

/// Returns the WGSL sources of the core for a tile.
pub fn core(tile: &Tile) -> Vec<&'static str> {
    let core = match tile.sharing {
        OperandSharing::Nothing => shared::REGISTERS,
        OperandSharing::Subgroup => shared::SUBGROUPS,
        OperandSharing::Workgroup { .. } => shared::TILES,
    };
    let [a, b, out] = tile.vector.map(usize::from);
    vec![shared::A[a], shared::B[b], shared::OUT[out], shared::MATMUL, core]
}

/// Returns [`core()`] for kernels that also read an input with the layout of the output.
pub fn core_with_second(tile: &Tile) -> Vec<&'static str> {
    [core(tile), vec![shared::SECOND[usize::from(tile.vector[2])]]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(rows: usize, columns: usize, terms: usize, limits: &Limits) -> String {
        candidates(Matmul { rows, columns, terms, aligned: [true; 3], over_rows: false, may_drop: false }, limits)[0]
            .to_string()
    }

    #[test]
    fn large_matmuls_take_large_tiles_and_small_ones_small() {
        let limits = Limits::default();
        assert_eq!(chosen(4096, 4096, 4096, &limits), "128×128×8 of 8×8 vec4 in bands of 8");
        let usual = Limits { workgroup_bytes: 32 << 10, ..limits };
        assert_eq!(chosen(4096, 4096, 4096, &usual), "128×128×16 of 8×8 vec4 in bands of 8");
        assert_eq!(chosen(1024, 1024, 1024, &limits), "128×64×16 of 8×8 vec4");
        assert_eq!(chosen(512, 784, 128, &limits), "64×64×16 of 8×8 vec4");
        assert_eq!(chosen(128, 512, 784, &limits), "32×32×16 of 4×4 vec4");
        assert_eq!(chosen(4096, 4, 64, &limits), "32×32 of 4×4 vec4");
    }

    #[test]
    fn each_operand_is_read_four_at_a_time_where_its_rows_allow() {
        let software = Limits { software: true, subgroups: true, ..Limits::default() };
        let ten_outputs = Matmul {
            rows: 128,
            columns: 10,
            terms: 64,
            aligned: [true, true, false],
            over_rows: false,
            may_drop: false,
        };
        let tiles: Vec<_> = candidates(ten_outputs, &software).iter().take(4).map(ToString::to_string).collect();
        let subgroups = "32×32 of 16×4 by subgroups";
        let wanted = ["32×32 of 4×4 vec4 of a, b", "32×32 of 4×4", &format!("{subgroups} vec4 of a, b"), subgroups];
        assert_eq!(tiles, wanted);
    }

    #[test]
    fn parts_are_no_more_than_one_binding_holds() {
        let matmul =
            Matmul { rows: 128, columns: 512, terms: 4096, aligned: [true; 3], over_rows: false, may_drop: false };
        let parts = |binding_bytes| candidates_with_parts(matmul, &Limits { binding_bytes, ..Limits::default() });
        let most = |binding_bytes| parts(binding_bytes).iter().map(|tile| tile.parts).max();
        assert_eq!([128 << 20, 512 << 10, 511 << 10].map(most), [Some(8), Some(2), Some(1)]);
        // The sums of a's rows, which follow the sums of each part, need memory too.
        let over_rows = Matmul { over_rows: true, ..matmul };
        let parts_over_rows = |binding_bytes| {
            let tiles = candidates_with_parts(over_rows, &Limits { binding_bytes, ..Limits::default() });
            tiles.iter().map(|tile| tile.parts).max()
        };
        assert_eq!([513 << 10, 512 << 10].map(parts_over_rows), [Some(2), Some(1)]);
        // The heuristic's choice comes first, whatever other candidates exist.
        assert_eq!(parts(128 << 20)[0].parts, 1);
        let few = Matmul { rows: 32, columns: 64, terms: 2048, aligned: [true; 3], over_rows: false, may_drop: false };
        let counts: Vec<u32> = candidates_with_parts(few, &Limits::default()).iter().map(|tile| tile.parts).collect();
        assert_eq!((counts[0], counts[counts.len() - 2], counts[counts.len() - 1]), (8, 2, 4));
    }

    /// A part has more than 2,048 rows only if a binding holds no more parts. Even then, it has at most `STEP` rows
    /// more than `unsplit_terms` returns. Tolerances rely on it.
    #[test]
    fn parts_have_as_many_rows_as_tolerances_say() {
        let mut long = 0;
        for binding_bytes in [1 << 20, 3 << 20, 128 << 20, (2 << 30) - 1] {
            let limits = Limits { binding_bytes, allocation_bytes: 1 << 40, ..Limits::default() };
            for (rows, columns) in
                [(1, 1), (10, 4096), (500, 500), (511, 512), (4096, 4096), (5000, 6000), (20_000, 26_000)]
            {
                let most = binding_bytes as usize / 4 / rows.max(columns);
                if 4 * rows * columns > binding_bytes as usize {
                    continue;
                }
                for terms in [1, 2048, 2049, most / 2, most].into_iter().filter(|terms| *terms <= most) {
                    let matmul = Matmul { rows, columns, terms, aligned: [true; 3], over_rows: true, may_drop: false };
                    for tile in candidates(matmul, &limits) {
                        let of_a_part = chunk(terms, tile.parts as usize);
                        let sums = 4 * rows * (columns + 1) * tile.parts as usize;
                        assert!(tile.parts == 1 || sums <= binding_bytes as usize, "{matmul:?} by {tile}");
                        assert!(tile.parts > 1 || terms <= unsplit_terms(rows, columns, terms), "{matmul:?} by {tile}");
                        assert!(
                            of_a_part <= terms.min(unsplit_terms(rows, columns, of_a_part)) + STEP,
                            "{matmul:?} by {tile}"
                        );
                        long += usize::from(of_a_part > ROWS_OF_A_PART);
                    }
                }
            }
        }
        assert!(long > 10, "{long} parts are longer");
    }

    /// Counts blocks if terms are batch rows, and ten Philox rounds for every four stored numbers if dropout may apply.
    #[test]
    fn rounds_are_those_of_the_loops() {
        let matmul =
            Matmul { rows: 64, columns: 64, terms: 640, aligned: [true; 3], over_rows: false, may_drop: false };
        let tiles = [Tile::PLAIN, Tile::SUBGROUPS, Tile::new(64, 64, [8, 8], STAGED)];
        let counted = |matmul: Matmul| tiles.map(|tile| rounds(&tile, matmul));
        assert_eq!(counted(matmul), [160 + 1 + 8, 160 + 1 + 20, 40 * (1 + 4 + 16 * 9) + 27]);
        assert_eq!(
            counted(Matmul { over_rows: true, ..matmul }),
            [160 + 10 + 8, 160 + 10 + 20, 40 * (1 + 4 + 4 * 9) + 270]
        );
        let more = |tile| rounds(tile, Matmul { may_drop: true, ..matmul }) - rounds(tile, matmul);
        assert_eq!(tiles.each_ref().map(more), [40, 160, 160]);
    }

    #[test]
    fn devices_without_the_means_take_less() {
        let few = Limits { invocations: 64, ..Limits::default() };
        assert_eq!(chosen(4096, 4096, 4096, &few), "64×64×16 of 8×8 vec4 in bands of 8");
        let little = Limits { workgroup_bytes: 5 << 10, ..Limits::default() };
        assert_eq!(chosen(4096, 4096, 4096, &little), "32×32×16 of 4×4 vec4 in bands of 8");
        let software = Limits { software: true, ..Limits::default() };
        assert_eq!(chosen(4096, 4096, 4096, &software), "32×32 of 4×4 vec4");
        let subgroups = Limits { subgroups: true, ..software };
        assert_eq!(chosen(64, 64, 4, &subgroups), "32×32 of 16×4 by subgroups vec4");
        assert_eq!(chosen(4096, 4, 64, &subgroups), "32×32 of 4×4 vec4");
        // Subgroups have not been measured on a real GPU yet.
        let gpu = Limits { subgroups: true, ..Limits::default() };
        assert!(
            candidates(
                Matmul { rows: 64, columns: 64, terms: 64, aligned: [true; 3], over_rows: false, may_drop: false },
                &gpu
            )
            .iter()
            .all(|tile| tile.sharing != OperandSharing::Subgroup)
        );
    }
}
