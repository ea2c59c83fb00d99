// What the cores of a product, registers.wgsl, subgroups.wgsl and tiles.wgsl, have in common.
//
// A product is out[row, column] = Σ_term a[row, term]·b[term, column]. Its kernel says how large it is (`rows`,
// `columns`, `terms`), how its operands lie in memory (`A_ALONG_TERMS`: the terms of a row of a are neighbours;
// `B_ALONG_TERMS`: those of a column of b), what is at an index of them (`a_at`, `b_at`, as `ElementA` and
// `ElementB`: one number or four), which part of the output a workgroup computes (`place`, `span`: see whole.wgsl), and
// what becomes of four sums in a row (`store`, which ends in `put`) and of the sums of four rows of a (`store_row_sums`, where `SUM_ROWS`).

// Terms that are added up from zero before what they come to is added to the rest. Where they are rows of a batch, of which
// there may be millions, errors would else grow with their number; mostly there are no more than 2,048 in a part. Else it is all.
const BLOCK = select(64u, 0x40000000u, A_ALONG_TERMS);

// Whether what is stored is to be added to what was stored before; only tiles.wgsl keeps no total in registers.
var<private> again: bool;

// Four rows of a by four terms: m[i] holds the rows at term + i.
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

// Four terms by four columns of b: m[i] holds the columns at term + i.
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
