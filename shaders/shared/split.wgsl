// A product whose terms are shared out among workgroups, `params.chunk` to each part; whole.wgsl is the other way.

// Column and row of the workgroup's tile, and which part of the terms it works on.
fn place(params: Params, group: vec3<u32>, groups: vec3<u32>) -> vec3<u32> {
    let high = (params.m + TILE_ROWS - 1u) / TILE_ROWS;
    return vec3(group.x, group.y % high, group.y / high);
}

// First term of a part, and the one behind its last: none where fewer rows are live.
fn span(params: Params, part: u32) -> vec2<u32> {
    return min(vec2(part, part + 1u) * params.chunk, vec2(terms(params)));
}
