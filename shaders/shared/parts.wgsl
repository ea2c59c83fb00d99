// Sums over the parts of a split matrix multiplication. Needs blocks.wgsl, params.parts and the binding partial.

fn sum_of_parts(params: Params, part_size: u32, i: u32) -> f32 {
    var sum = no_blocks();
    for (var part = 0u; part < params.parts; part++) {
        sum = added(sum, partial[part * part_size + i]);
    }
    return sum_of_blocks(sum);
}
