// Update of all running statistics of the network, once per step.
//
// running[i] ← 0.9ᵏ·running[i] + pending[i], where k is the number of micro-batches of the step, and pending the
// contribution of these micro-batches to the running statistics. From the flag's step on, nothing changes. A result
// that is not finite records the next step in the flag (shared/update.wgsl).
//
// | binding | view    | shape         | access     |
// |---------|---------|---------------|------------|
// | 2       | running | 1×(64·blocks) | read-write |
// | 3       | pending | 1×(64·blocks) | read       |
// | 4       | flag    | 1             | atomic     |
//
// One invocation updates one element.

struct Params {
    micro_batch: u32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read_write> running: array<f32>;
@group(0) @binding(3) var<storage, read> pending: array<f32>;
@group(0) @binding(4) var<storage, read_write> flag: array<atomic<u32>>;

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(group, groups, GROUP, local);
    if i >= arrayLength(&running) || is_frozen() {
        return;
    }
    var kept = 1.0;
    for (var batch = 0u; batch <= step.first_row / params.micro_batch; batch++) {
        kept *= 0.9;
    }
    let after = kept * running[i] + pending[i];
    running[i] = after;
    watch(is_finite(after));
}
