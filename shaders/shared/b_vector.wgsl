// Operand b of a matrix multiplication, with vec4 loads: for rows whose length is a multiple of four. See also
// b_scalar.wgsl.

alias ElementB = vec4<f32>;

// Returns four elements of line `line` of b, starting at `first`. A line is a row of b as it is stored. Terms beyond
// the last are 0. Columns beyond the last repeat the last ones. Their sums are never stored.
fn four_of_b(params: Params, line: u32, first: u32) -> vec4<f32> {
    if B_ALONG_TERMS {
        if STAGED && first >= terms(params) {
            return vec4(0.0);
        }
        return b_at((min(line, columns(params) - 1u) * terms(params) + first) / 4u);
    }
    if line >= terms(params) {
        return vec4(0.0);
    }
    return b_at((line * columns(params) + min(first, columns(params) - 4u)) / 4u);
}
