// Operand a of a product, four numbers at a time: for rows of a multiple of four. a_scalar.wgsl is the other way.

alias ElementA = vec4<f32>;

// Four numbers of a line of a, from `first` on. Terms that are not there are 0; rows that are not there repeat the last
// ones, whose sums nobody stores: that costs less than to ask.
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
