// A product that each workgroup computes over all terms; split.wgsl is the other way.

// Column and row of the workgroup's tile, and which part of the terms it works on. Workgroups with neighbouring numbers work on
// a band of BAND rows of tiles, column by column; the last band may have fewer rows.
fn place(params: Params, group: vec3<u32>, groups: vec3<u32>) -> vec3<u32> {
    let number = group.y * groups.x + group.x;
    let first = number / (BAND * groups.x) * BAND;
    let high = min(BAND, groups.y - first);
    let within = number - first * groups.x;
    return vec3(within / high, first + within % high, 0u);
}

// First term of a part, and the one behind its last.
fn span(params: Params, part: u32) -> vec2<u32> {
    return vec2(0u, terms(params));
}
