// Matrix multiplication in which each workgroup processes all terms. See also split.wgsl.

// Returns the column and row of the workgroup's tile, and the index of its part of the terms, which is 0. Workgroups
// with neighboring indices process a band of BAND rows of tiles, column by column. The last band may have fewer rows.
fn place(params: Params, group: vec3<u32>, groups: vec3<u32>) -> vec3<u32> {
    let number = group.y * groups.x + group.x;
    let first = number / (BAND * groups.x) * BAND;
    let high = min(BAND, groups.y - first);
    let within = number - first * groups.x;
    return vec3(within / high, first + within % high, 0u);
}

// Returns the range of terms of a part, end exclusive.
fn span(params: Params, part: u32) -> vec2<u32> {
    return vec2(0u, terms(params));
}
