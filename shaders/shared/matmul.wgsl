// Code that the matmul cores registers.wgsl, subgroups.wgsl and tiles.wgsl share.
//
// A matrix multiplication computes out[row, column] = Σ_term a[row, term]·b[term, column]. Its kernel defines:
// - the sizes: `rows`, `columns`, `terms`;
// - the memory layout of the operands: with `A_ALONG_TERMS` the terms of a row of a are adjacent, with `B_ALONG_TERMS`
//   those of a column of b;
// - the loads `a_at` and `b_at`, which return an `ElementA` or `ElementB`: one number or four;
// - the part of the output that a workgroup computes: `place` and `span`, see whole.wgsl;
// - the stores: `store` takes four adjacent sums of a row and ends in `put`; `store_row_sums` takes the sums of four
//   rows of a, if `SUM_ROWS`.

// Number of terms per block. Each block is summed from zero, then added to the total. Where terms are rows of a batch,
// of which there may be millions, the error would otherwise grow with their number; usually a part has no more than
// 2,048. Elsewhere one block holds all terms.
const BLOCK = select(64u, 0x40000000u, A_ALONG_TERMS);

// True if a stored value is added to the value stored before. Only tiles.wgsl sets it, since that core keeps no totals
// in registers.
var<private> again: bool;

// Returns four rows of a by four terms: m[i] holds the rows at term + i.
fn block_of_a(params: Params, row: u32, term: u32) -> mat4x4<f32> {
    if A_ALONG_TERMS {
        return transpose(
            mat4x4(
                four_of_a(params, row, term),
                four_of_a(params, row + 1u, term),
                four_of_a(params, row + 2u, term),
                four_of_a(params, row + 3u, term),
            ),
        );
    }
    return mat4x4(
        four_of_a(params, term, row),
        four_of_a(params, term + 1u, row),
        four_of_a(params, term + 2u, row),
        four_of_a(params, term + 3u, row),
    );
}

// Returns four terms by four columns of b: m[i] holds the columns at term + i.
fn block_of_b(params: Params, term: u32, column: u32) -> mat4x4<f32> {
    if B_ALONG_TERMS {
        return transpose(
            mat4x4(
                four_of_b(params, column, term),
                four_of_b(params, column + 1u, term),
                four_of_b(params, column + 2u, term),
                four_of_b(params, column + 3u, term),
            ),
        );
    }
    return mat4x4(
        four_of_b(params, term, column),
        four_of_b(params, term + 1u, column),
        four_of_b(params, term + 2u, column),
        four_of_b(params, term + 3u, column),
    );
}
