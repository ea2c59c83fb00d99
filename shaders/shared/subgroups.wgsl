// Matmul core without workgroup memory, for subgroups of eight. The subgroup processes 16 rows of a: each invocation
// loads a part of them and broadcasts it to the others. Each invocation loads four columns of b for itself, and keeps
// 16×4 sums in registers. This core is for software drivers, on which loads cost the most.

const STAGED = false;

@compute @workgroup_size(TILE_COLUMNS / 4u * TILE_ROWS / 16u)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) subgroup: u32,
    @builtin(subgroup_invocation_id) lane: u32,
) {
    let params = params;
    let place = place(params, group, groups);
    let first_row = place.y * TILE_ROWS;
    if first_row >= rows(params) {
        return;
    }
    // No early return from here on, even for invocations with nothing to store: the others need their broadcasts.
    let row = first_row + 16u * subgroup;
    let column = place.x * TILE_COLUMNS + 4u * lane;
    var totals_0 = mat4x4<f32>();
    var totals_1 = mat4x4<f32>();
    var totals_2 = mat4x4<f32>();
    var totals_3 = mat4x4<f32>();
    var row_totals = mat4x4<f32>();
    let span = span(params, place.z);
    for (var block = span.x; block < span.y; block += BLOCK) {
        var sums_0 = mat4x4<f32>();
        var sums_1 = mat4x4<f32>();
        var sums_2 = mat4x4<f32>();
        var sums_3 = mat4x4<f32>();
        var row_sums = mat4x4<f32>();
        let end = min(block + BLOCK, span.y);
        for (var term = block; term < end; term += 4u) {
            let b = block_of_b(params, term, column);
            let upper = share_of_a(params, row, term, lane);
            let lower = share_of_a(params, row + 8u, term, lane);
            let a_0 = first_block(upper);
            let a_1 = second_block(upper);
            let a_2 = first_block(lower);
            let a_3 = second_block(lower);
            // Column r of b·aᵀ is row r of the outputs.
            sums_0 += b * transpose(a_0);
            sums_1 += b * transpose(a_1);
            sums_2 += b * transpose(a_2);
            sums_3 += b * transpose(a_3);
            if SUM_ROWS && place.x == 0u {
                row_sums += mat4x4(sum_of_terms(a_0), sum_of_terms(a_1), sum_of_terms(a_2), sum_of_terms(a_3));
            }
        }
        totals_0 += sums_0;
        totals_1 += sums_1;
        totals_2 += sums_2;
        totals_3 += sums_3;
        row_totals += row_sums;
    }
    for (var r = 0u; r < 16u; r++) {
        let four = one_of(
            r / 4u,
            one_of(r % 4u, totals_0[0], totals_0[1], totals_0[2], totals_0[3]),
            one_of(r % 4u, totals_1[0], totals_1[1], totals_1[2], totals_1[3]),
            one_of(r % 4u, totals_2[0], totals_2[1], totals_2[2], totals_2[3]),
            one_of(r % 4u, totals_3[0], totals_3[1], totals_3[2], totals_3[3]),
        );
        if row + r < rows(params) && column < columns(params) {
            store(params, place.z, row + r, column, four);
        }
    }
    for (var i = 0u; i < 4u; i++) {
        if SUM_ROWS && column == 0u && row + 4u * i < rows(params) {
            let sums = one_of(i, row_totals[0], row_totals[1], row_totals[2], row_totals[3]);
            store_row_sums(params, place.z, row + 4u * i, sums);
        }
    }
}

// Returns the four elements, adjacent in memory, that this invocation loads of a block of eight rows of a by four
// terms.
fn share_of_a(params: Params, row: u32, term: u32, lane: u32) -> vec4<f32> {
    if A_ALONG_TERMS {
        return four_of_a(params, row + lane, term);
    }
    return four_of_a(params, term + lane % 4u, row + 4u * (lane / 4u));
}

// Returns the first four of the eight rows that the subgroup has loaded, in the layout of block_of_a.
fn first_block(share: vec4<f32>) -> mat4x4<f32> {
    let heard = mat4x4(
        subgroupBroadcast(share, 0u),
        subgroupBroadcast(share, 1u),
        subgroupBroadcast(share, 2u),
        subgroupBroadcast(share, 3u),
    );
    return block_from(heard);
}

// Returns the other four of the eight rows.
fn second_block(share: vec4<f32>) -> mat4x4<f32> {
    let heard = mat4x4(
        subgroupBroadcast(share, 4u),
        subgroupBroadcast(share, 5u),
        subgroupBroadcast(share, 6u),
        subgroupBroadcast(share, 7u),
    );
    return block_from(heard);
}

fn block_from(heard: mat4x4<f32>) -> mat4x4<f32> {
    if A_ALONG_TERMS {
        return transpose(heard);
    }
    return heard;
}

fn sum_of_terms(a: mat4x4<f32>) -> vec4<f32> {
    return a[0] + a[1] + a[2] + a[3];
}

// Returns the value with index `i` of a, b, c and d. Indexing an array would not keep the values in registers.
fn one_of(i: u32, a: vec4<f32>, b: vec4<f32>, c: vec4<f32>, d: vec4<f32>) -> vec4<f32> {
    return select(select(a, b, i == 1u), select(c, d, i == 3u), i > 1u);
}
