// Matmul core without workgroup memory: each invocation loads its own operands, and keeps 4×4 sums in registers. This
// core is for tiny matrices, and for software drivers, on which barriers cost more than they save.

const STAGED = false;

@compute @workgroup_size(TILE_COLUMNS / 4u, TILE_ROWS / 4u)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
) {
    let params = params;
    let place = place(params, group, groups);
    let row = place.y * TILE_ROWS + 4u * local.y;
    let column = place.x * TILE_COLUMNS + 4u * local.x;
    if row >= rows(params) || column >= columns(params) {
        return;
    }
    var totals = mat4x4<f32>();
    var row_totals = vec4(0.0);
    let span = span(params, place.z);
    for (var block = span.x; block < span.y; block += BLOCK) {
        var sums = mat4x4<f32>();
        var row_sums = vec4(0.0);
        let end = min(block + BLOCK, span.y);
        for (var term = block; term < end; term += 4u) {
            let a = block_of_a(params, row, term);
            let b = block_of_b(params, term, column);
            // Column r of b·aᵀ is row r of the outputs.
            sums += b * transpose(a);
            if SUM_ROWS && column == 0u {
                row_sums += a[0] + a[1] + a[2] + a[3];
            }
        }
        totals += sums;
        row_totals += row_sums;
    }
    for (var r = 0u; r < 4u; r++) {
        if row + r < rows(params) {
            store(params, place.z, row + r, column, totals[r]);
        }
    }
    if SUM_ROWS && column == 0u {
        store_row_sums(params, place.z, row, row_totals);
    }
}
