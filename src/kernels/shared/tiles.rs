//! How products are cut among a GPU's workgroups: which tiles there are, and which one is taken.
//!
//! All products sharing one of three cores, `tiles.wgsl`, `subgroups.wgsl` or `registers.wgsl` in `shaders/shared`, and
//! say in their own file what they read and what becomes of the sums.

use crate::kernels::dropout::PHILOX_ROUNDS;
use crate::kernels::shared;
use crate::numeric::SUM_DEPTH;
use crate::plan::{Limits, Op, OperandSharing, Tile};

/// A product: out is rows×columns, each a sum of `terms` terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Matmul {
    /// Rows of the output.
    pub rows: usize,
    /// Columns of the output.
    pub columns: usize,
    /// Terms of each sum.
    pub terms: usize,
    /// Whether the lengths of the rows in memory of a, b and the output are multiples of four.
    pub aligned: [bool; 3],
    /// Whether the terms are rows of a batch, of which there may be millions.
    pub over_rows: bool,
    /// True if dropout's masks may be drawn where the output is stored.
    pub may_drop: bool,
}

/// Fewer terms are not worth a part of their own, whose sums must be written and read again.
const TERMS_OF_A_PART: usize = 256;

/// More parts are not worth their memory.
const MOST_PARTS: usize = 8;

/// Most rows of a batch that one part sums, 64 at a time: at most 32 such sums are added one by one, and parts by four levels of
/// sixteen. More parts would cost more to write and to add than they make sums better. Parts sum more rows where one binding
/// does not hold the sums of so many parts.
const ROWS_OF_A_PART: usize = 2048;

/// Rows of a batch that are summed from zero before their sum is added: `BLOCK` in `shaders/shared/product.wgsl`.
const BLOCK: usize = 64;

const STAGED: OperandSharing = OperandSharing::Workgroup { terms: 16 };

/// Rows of tiles in a band, for outputs of at least twice as many rows and columns of tiles: where a GPU's cache does not hold what
/// all workgroups that run at the same time read.
const BAND: u32 = 8;

/// All sizes, from small to large, and the largest with half as many terms, for devices with no more workgroup memory than
/// WebGPU guarantees. The first needs no workgroup memory, and only 64 invocations, as every GPU has; the
/// second is for software drivers, where it is the best one.
const TILES: [Tile; 7] = [
    Tile::PLAIN,
    Tile::SUBGROUPS,
    Tile::new(32, 32, [4, 4], STAGED),
    Tile::new(64, 64, [8, 8], STAGED),
    Tile::new(128, 64, [8, 8], STAGED),
    Tile::new(128, 128, [8, 8], OperandSharing::Workgroup { terms: 8 }),
    Tile::new(128, 128, [8, 8], STAGED),
];

/// So many workgroups keep a middling GPU busy; a larger tile must not leave fewer.
const WORKGROUPS: usize = 96;

/// The tiles that a product can have on a device, the best one first: the largest that still makes enough workgroups
/// to fill a GPU, then the others from small to large. From shape and limits alone, never from a clock. None has fewer parts
/// than its sums need.
pub fn candidates(matmul: Matmul, limits: &Limits) -> Vec<Tile> {
    in_parts(uncut(matmul, limits), matmul, limits)
}

/// Each tile with its terms cut into as many parts as it needs, once.
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

/// Number of parts whose sums one binding holds, at least 1.
fn fitting(matmul: Matmul, limits: &Limits) -> usize {
    // Behind the sums of products over rows lie those of a's rows.
    let sums = matmul.rows * (matmul.columns + usize::from(matmul.over_rows));
    let bytes = limits.binding_bytes.min(limits.allocation_bytes) as usize;
    (bytes / (4 * sums).max(1)).max(1)
}

/// Most rows that are summed in one part where `terms` rows are not cut into parts. More than `ROWS_OF_A_PART` only where one
/// binding does not hold two parts. It holds both operands, though: its size is less than that of two parts, and at least that of
/// the longer operand.
pub fn uncut_rows(rows: usize, columns: usize, terms: usize) -> usize {
    terms.min(ROWS_OF_A_PART.max(2 * (rows.min(columns) + 1)))
}

/// Most rounded additions that a term passes on any device where so many rows are summed in one part: in its block, and one for
/// each block.
pub fn depth(rows: usize) -> usize {
    SUM_DEPTH.max(BLOCK + rows.div_ceil(BLOCK))
}

/// Terms of the longest step of any tile's core.
const STEP: usize = 16;

/// Terms of each of so many parts but the last: fused steps of every tile's core, so that none looks into the next part.
pub fn chunk(terms: usize, parts: usize) -> usize {
    terms.div_ceil(parts).next_multiple_of(STEP)
}

/// Most rounds of all loops of an invocation that computes a product's part, even where a driver unrolls none.
pub fn rounds(tile: &Tile, matmul: Matmul) -> u64 {
    let (terms, [high, wide]) = (matmul.terms, tile.each.map(|each| each as usize));
    // To store the sums of a block is to go through them.
    let blocks = if matmul.over_rows { terms.div_ceil(BLOCK).max(1) } else { 1 };
    let rounds = match tile.staged().map(|terms| terms as usize) {
        None => terms.div_ceil(4) + blocks + high + wide,
        Some(staged) => {
            let fours = (tile.rows + tile.columns) as usize / 4 * (staged / 4);
            let bringing = fours / tile.invocations() as usize + 2;
            let (high, wide) = (high / 4, wide / 4);
            // Four rows of a batch at a time.
            let steps = if matmul.over_rows { staged / 4 } else { staged };
            let adding = steps * (1 + wide + high * (1 + wide));
            terms.div_ceil(staged) * (1 + bringing + adding) + blocks * (1 + high * (5 + 4 * wide))
        }
    };
    let drawing = if matmul.may_drop { high * wide.div_ceil(4) * PHILOX_ROUNDS } else { 0 };
    (rounds + drawing) as u64
}

/// Tiles before their terms are cut into the parts they need: for the parts themselves, too.
pub fn uncut(matmul: Matmul, limits: &Limits) -> Vec<Tile> {
    let fits = |tile: &&Tile| {
        tile.invocations() <= limits.invocations
            && tile.workgroup_bytes() <= limits.workgroup_bytes
            && (tile.sharing != OperandSharing::Subgroup || limits.software && limits.subgroups)
    };
    let mut sizes: Vec<Tile> = TILES.iter().filter(fits).copied().collect();
    let fills = |tile: &Tile| workgroups(tile, matmul).iter().product::<usize>() >= WORKGROUPS;
    let small = matmul.rows.min(matmul.columns) <= 8 || matmul.terms <= 8;
    // Of the 16×32 sums of a subgroup most would be for nothing.
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

/// The same, and for products with enough terms the best tile with the terms cut into parts: first where a whole one
/// would leave a GPU idle. The parts' sums must fit one binding.
pub fn candidates_with_parts(matmul: Matmul, limits: &Limits) -> Vec<Tile> {
    let mut tiles = uncut(matmul, limits);
    let fitting = fitting(matmul, limits);
    let (best, parts) = (tiles[0], fitting.min(matmul.terms / TERMS_OF_A_PART));
    let idle = WORKGROUPS / workgroups(&best, matmul).iter().product::<usize>().max(1);
    let split = |parts: usize| Tile { parts: parts as u32, band: 1, ..best };
    if !limits.software && parts.min(idle) >= 2 {
        tiles.insert(0, split(parts.min(idle).min(MOST_PARTS)));
    } else if matmul.terms > 16 && fitting >= 2 {
        tiles.push(split(2));
    }
    // How many workgroups keep a GPU busy, measuring alone can tell: these are never the first.
    let more =
        [2, 4, MOST_PARTS].map(split).into_iter().filter(|tile| !limits.software && tile.parts as usize <= parts);
    let more: Vec<Tile> = more.filter(|tile| !tiles.contains(tile)).collect();
    tiles.extend(more);
    in_parts(tiles, matmul, limits)
}

/// Workgroups along columns and rows.
fn workgroups(tile: &Tile, matmul: Matmul) -> [usize; 2] {
    [matmul.columns.div_ceil(tile.columns as usize), matmul.rows.div_ceil(tile.rows as usize)]
}

/// The grid of a product.
pub fn grid(op: &Op, matmul: Matmul) -> [u32; 3] {
    let [x, y] = workgroups(&op.tile(), matmul).map(|count| count as u32);
    [x, y, 1]
}

/// The sizes of an op's tile, as the core names them.
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

/// How a product's operands lie in memory, for kernels of which there are several.
pub fn along(a: bool, b: bool) -> String {
    format!("const A_ALONG_TERMS = {a};\nconst B_ALONG_TERMS = {b};\n")
}

/// The texts that a tile is computed with.
pub fn core(tile: &Tile) -> Vec<&'static str> {
    let core = match tile.sharing {
        OperandSharing::Nothing => shared::REGISTERS,
        OperandSharing::Subgroup => shared::SUBGROUPS,
        OperandSharing::Workgroup { .. } => shared::TILES,
    };
    let [a, b, out] = tile.vector.map(usize::from);
    vec![shared::A[a], shared::B[b], shared::OUT[out], shared::PRODUCT, core]
}

/// The same for kernels that read something which lies as the output does.
pub fn core_beside(tile: &Tile) -> Vec<&'static str> {
    [core(tile), vec![shared::BESIDE[usize::from(tile.vector[2])]]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(rows: usize, columns: usize, terms: usize, limits: &Limits) -> String {
        candidates(Matmul { rows, columns, terms, aligned: [true; 3], over_rows: false, may_drop: false }, limits)[0]
            .to_string()
    }

    #[test]
    fn large_products_take_large_tiles_and_small_ones_small() {
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
        // The sums of a's rows behind those of each part take their sharing.
        let over_rows = Matmul { over_rows: true, ..matmul };
        let parts_over_rows = |binding_bytes| {
            let tiles = candidates_with_parts(over_rows, &Limits { binding_bytes, ..Limits::default() });
            tiles.iter().map(|tile| tile.parts).max()
        };
        assert_eq!([513 << 10, 512 << 10].map(parts_over_rows), [Some(2), Some(1)]);
        // The heuristic's choice comes first, whatever else there is.
        assert_eq!(parts(128 << 20)[0].parts, 1);
        let few = Matmul { rows: 32, columns: 64, terms: 2048, aligned: [true; 3], over_rows: false, may_drop: false };
        let counts: Vec<u32> = candidates_with_parts(few, &Limits::default()).iter().map(|tile| tile.parts).collect();
        assert_eq!((counts[0], counts[counts.len() - 2], counts[counts.len() - 1]), (8, 2, 4));
    }

    /// A part sums more rows than 2,048 only where a binding holds no more parts, and never many more than operands that a
    /// binding holds can have: tolerances count on it.
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
                        assert!(tile.parts > 1 || terms <= uncut_rows(rows, columns, terms), "{matmul:?} by {tile}");
                        assert!(
                            of_a_part <= terms.min(uncut_rows(rows, columns, of_a_part)) + STEP,
                            "{matmul:?} by {tile}"
                        );
                        long += usize::from(of_a_part > ROWS_OF_A_PART);
                    }
                }
            }
        }
        assert!(long > 10, "{long} parts are longer");
    }

    /// Blocks where terms are rows of a batch, ten rounds of Philox for each four numbers that are stored where they may be dropped.
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
        // No real GPU has shown yet what they are worth.
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
