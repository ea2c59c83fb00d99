// Split matrix multiplication: each part of `params.chunk` terms has its own workgroups. See also whole.wgsl.

// Returns the column and row of the workgroup's tile, and the index of its part of the terms.
fn place(params: Params, group: vec3<u32>, groups: vec3<u32>) -> vec3<u32> {
    let high = (params.m + TILE_ROWS - 1u) / TILE_ROWS;
    return vec3(group.x, group.y % high, group.y / high);
}

// Returns the range of terms of a part, end exclusive. It is empty if the part begins after the last term in use.
fn span(params: Params, part: u32) -> vec2<u32> {
    return min(vec2(part, part + 1u) * params.chunk, vec2(terms(params)));
}
