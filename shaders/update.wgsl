// Update of all parameters by an optimizer.
//
// For each element p with gradient g:
//
//     g ← g·clip + l2·p
//     p, states ← updated(p, states, g)
//
// `updated` and the parts that depend on the number of states are made from the declaration in
// src/elementwise/updates.rs. `gradient_of`, `rate_of`, `decay_of` and `is_fixed` are in shared/ungrouped.wgsl, or with
// parameter groups in shared/grouped.wgsl. From the flag's step on, nothing changes. If a number becomes infinite or
// NaN, the flag records the next step (shared/update.wgsl).
//
// | binding | view       | shape         | access     |
// |---------|------------|---------------|------------|
// | 2       | parameter  | 1×(64·blocks) | read-write |
// | 3       | gradient   | 1×(64·blocks) | read       |
// | 4       | norm       | 1×1           | read; one per tensor, if gradients are clipped by tensors |
// | 5       | flag       | 1             | atomic     |
// | 6 …     | the states | 1×(64·blocks) | read-write |
// | last    | groups     | blocks×8      | read, if parameters are in groups |
//
// One invocation updates one element.

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(3) var<storage, read> gradient: array<f32>;
@group(0) @binding(4) var<storage, read> norm: array<f32>;
@group(0) @binding(5) var<storage, read_write> flag: array<atomic<u32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let params = params;
    let i = linear_index(group, groups, GROUP, local);
    if i >= arrayLength(&parameter) || is_frozen() || is_fixed(i) {
        return;
    }
    let before = load(i);
    let after = updated(before, gradient_of(i, before.p, params), rate_of(i), decay_of(i, params), params);
    store(i, after);
    watch(is_sound(after));
}
