// Linear invocation index, with `size` elements per workgroup, in a 1-D grid that is folded into rows where one axis
// cannot hold it. `grid_1d` in src/kernels/shared/grid.rs creates such grids.

fn linear_index(group: vec3<u32>, groups: vec3<u32>, size: u32, local: u32) -> u32 {
    return (group.y * groups.x + group.x) * size + local;
}
