// Operand a of a matrix multiplication, with vec4 loads: for rows whose length is a multiple of four. See also
// a_scalar.wgsl.

alias ElementA = vec4<f32>;

// Returns four elements of line `line` of a, starting at `first`. A line is a row of a as it is stored. Terms beyond
// the last are 0. Rows beyond the last repeat the last ones. Their sums are never stored, and this is cheaper than a
// check.
fn four_of_a(params: Params, line: u32, first: u32) -> vec4<f32> {
    if A_ALONG_TERMS {
        if STAGED && first >= terms(params) {
            return vec4(0.0);
        }
        return a_at((min(line, rows(params) - 1u) * terms(params) + first) / 4u);
    }
    if line >= terms(params) {
        return vec4(0.0);
    }
    return a_at((line * rows(params) + min(first, rows(params) - 4u)) / 4u);
}
