// Elements in a line, `size` to a workgroup, over a grid that is folded where one axis would not hold it; `line` in
// src/kernels/mod.rs makes such grids.

fn line(group: vec3<u32>, groups: vec3<u32>, size: u32, local: u32) -> u32 {
    return (group.y * groups.x + group.x) * size + local;
}
