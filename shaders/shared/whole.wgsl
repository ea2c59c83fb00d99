// A product that each workgroup computes over all terms; split.wgsl is the other way.

// Column and row of the workgroup's tile, and which part of the terms it works on.
fn place(params: Params, group: vec3<u32>) -> vec3<u32> {
    return vec3(group.xy, 0u);
}

// First term of a part, and the one behind its last.
fn span(params: Params, part: u32) -> vec2<u32> {
    return vec2(0u, terms(params));
}
