// Sums of products whose terms were cut into parts, added in the order of the parts. Needs params.parts and the binding
// partial.

fn sum_of_parts(params: Params, part_size: u32, i: u32) -> f32 {
    var sum = 0.0;
    for (var part = 0u; part < params.parts; part++) {
        sum += partial[part * part_size + i];
    }
    return sum;
}
