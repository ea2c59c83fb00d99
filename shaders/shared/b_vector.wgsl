// Operand b of a product, four numbers at a time: for rows of a multiple of four. b_scalar.wgsl is the other way.

alias ElementB = vec4<f32>;

// Four numbers of a line of b, from `first` on. Terms that are not there are 0; columns that are not there repeat the
// last ones, whose sums nobody stores.
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
