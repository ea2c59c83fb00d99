// Matmul core with workgroup memory, into which a workgroup loads TILE_TERMS terms of its rows and columns at a time.
// Each invocation keeps EACH×EACH sums in registers, as separate groups of 4×4, so that neighboring invocations read
// neighboring memory.

const STAGED = true;
const FOURS = EACH / 4u;
const ROW_FOURS = TILE_ROWS / 4u;
const COLUMN_FOURS = TILE_COLUMNS / 4u;
const TERM_FOURS = TILE_TERMS / 4u;
const WIDE = TILE_COLUMNS / EACH;
const HIGH = TILE_ROWS / EACH;

// Operands in workgroup memory, in vectors of four rows or columns: [term][four]. ROW_STRIDE and COLUMN_STRIDE are odd,
// the number of fours plus one, so that simultaneous writes for several terms go to different banks.
var<workgroup> tile_a: array<vec4<f32>, TILE_TERMS * ROW_STRIDE>;
var<workgroup> tile_b: array<vec4<f32>, TILE_TERMS * COLUMN_STRIDE>;

// Loads the terms starting at `term` into workgroup memory, block by block. Neighboring invocations load neighboring
// memory.
fn stage(params: Params, first_row: u32, first_column: u32, term: u32, local: u32) {
    for (var block = local; block < ROW_FOURS * TERM_FOURS; block += WIDE * HIGH) {
        let four = select(block % ROW_FOURS, block / TERM_FOURS, A_ALONG_TERMS);
        let first = 4u * select(block / ROW_FOURS, block % TERM_FOURS, A_ALONG_TERMS);
        let a = block_of_a(params, first_row + 4u * four, term + first);
        tile_a[first * ROW_STRIDE + four] = a[0];
        tile_a[(first + 1u) * ROW_STRIDE + four] = a[1];
        tile_a[(first + 2u) * ROW_STRIDE + four] = a[2];
        tile_a[(first + 3u) * ROW_STRIDE + four] = a[3];
    }
    for (var block = local; block < COLUMN_FOURS * TERM_FOURS; block += WIDE * HIGH) {
        let four = select(block % COLUMN_FOURS, block / TERM_FOURS, B_ALONG_TERMS);
        let first = 4u * select(block / COLUMN_FOURS, block % TERM_FOURS, B_ALONG_TERMS);
        let b = block_of_b(params, term + first, first_column + 4u * four);
        tile_b[first * COLUMN_STRIDE + four] = b[0];
        tile_b[(first + 1u) * COLUMN_STRIDE + four] = b[1];
        tile_b[(first + 2u) * COLUMN_STRIDE + four] = b[2];
        tile_b[(first + 3u) * COLUMN_STRIDE + four] = b[3];
    }
}

// Returns four rows of a at four terms, one column per term.
fn four_terms_of_a(term: u32, four: u32) -> mat4x4<f32> {
    let at = term * ROW_STRIDE + four;
    return mat4x4(tile_a[at], tile_a[at + ROW_STRIDE], tile_a[at + 2u * ROW_STRIDE], tile_a[at + 3u * ROW_STRIDE]);
}

// Returns four columns of b at four terms, one column per term.
fn four_terms_of_b(term: u32, four: u32) -> mat4x4<f32> {
    let at = term * COLUMN_STRIDE + four;
    return mat4x4(
        tile_b[at],
        tile_b[at + COLUMN_STRIDE],
        tile_b[at + 2u * COLUMN_STRIDE],
        tile_b[at + 3u * COLUMN_STRIDE],
    );
}

@compute @workgroup_size(WIDE, HIGH)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let params = params;
    let place = place(params, group, groups);
    let first_row = place.y * TILE_ROWS;
    let first_column = place.x * TILE_COLUMNS;
    if first_row >= rows(params) {
        return;
    }
    let sums_rows = SUM_ROWS && first_column + local.x == 0u;
    let span = span(params, place.z);
    // Without terms the sums are 0, and must still be stored.
    for (var block = span.x; block == span.x || block < span.y; block += BLOCK) {
        var sums: array<vec4<f32>, EACH * FOURS>;
        var row_sums: array<vec4<f32>, FOURS>;
        let end = min(block + BLOCK, span.y);
        // Totals over blocks would need twice the registers, so they stay in the output.
        again = block > span.x;
        for (var term = block; term < end; term += TILE_TERMS) {
            stage(params, first_row, first_column, term, index);
            workgroupBarrier();
            // Sums of few terms, whose error grows with their number, with the fewest operations.
            for (var t = 0u; t < TILE_TERMS && A_ALONG_TERMS; t++) {
                var b: array<vec4<f32>, FOURS>;
                for (var j = 0u; j < FOURS; j++) {
                    b[j] = tile_b[t * COLUMN_STRIDE + j * WIDE + local.x];
                }
                for (var i = 0u; i < FOURS; i++) {
                    let a = tile_a[t * ROW_STRIDE + i * HIGH + local.y];
                    for (var j = 0u; j < FOURS; j++) {
                        sums[(4u * i + 0u) * FOURS + j] += a.x * b[j];
                        sums[(4u * i + 1u) * FOURS + j] += a.y * b[j];
                        sums[(4u * i + 2u) * FOURS + j] += a.z * b[j];
                        sums[(4u * i + 3u) * FOURS + j] += a.w * b[j];
                    }
                }
            }
            // Batch rows in groups of four, each summed from zero: a block of 64 is then sixteen additions.
            for (var t = 0u; t < TILE_TERMS && !A_ALONG_TERMS; t += 4u) {
                var b: array<mat4x4<f32>, FOURS>;
                for (var j = 0u; j < FOURS; j++) {
                    b[j] = four_terms_of_b(t, j * WIDE + local.x);
                }
                for (var i = 0u; i < FOURS; i++) {
                    let a = four_terms_of_a(t, i * HIGH + local.y);
                    for (var j = 0u; j < FOURS; j++) {
                        // Column r of b·aᵀ is row r of the outputs.
                        let four = b[j] * transpose(a);
                        sums[(4u * i + 0u) * FOURS + j] += four[0];
                        sums[(4u * i + 1u) * FOURS + j] += four[1];
                        sums[(4u * i + 2u) * FOURS + j] += four[2];
                        sums[(4u * i + 3u) * FOURS + j] += four[3];
                    }
                    if sums_rows {
                        row_sums[i] += a[0] + a[1] + a[2] + a[3];
                    }
                }
            }
            workgroupBarrier();
        }
        for (var i = 0u; i < FOURS; i++) {
            let row = first_row + 4u * (i * HIGH + local.y);
            for (var r = 0u; r < 4u; r++) {
                for (var j = 0u; j < FOURS; j++) {
                    let column = first_column + 4u * (j * WIDE + local.x);
                    if row + r < rows(params) && column < columns(params) {
                        store(params, place.z, row + r, column, sums[(4u * i + r) * FOURS + j]);
                    }
                }
            }
            if sums_rows && row < rows(params) {
                store_row_sums(params, place.z, row, row_sums[i]);
            }
        }
    }
}
