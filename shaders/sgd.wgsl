// Stochastic gradient descent (SGD) update of all parameters, without momentum.
//
// For each element p with gradient g:
//
//     g ← g·clip + l2·p
//     p ← p − η·g
//
// Symbols: η the learning rate of the step. p below the smallest normal number becomes 0. From the flag's step on,
// nothing changes. Where p becomes infinite or NaN, the flag records the next step (shared/update.wgsl).
//
// | binding | view      | shape         | access     |
// |---------|-----------|---------------|------------|
// | 2       | parameter | 1×(64·blocks) | read-write |
// | 3       | gradient  | 1×(64·blocks) | read       |
// | 4       | norm      | 1×1           | read       |
// | 5       | flag      | 1             | atomic     |
//
// One invocation updates one element.

struct Params {
    momentum: f32,
    nesterov: u32,
    l2: f32,
    max_norm: f32,
}

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
    let i = line(group, groups, GROUP, local);
    if i >= arrayLength(&parameter) || is_frozen() {
        return;
    }
    let p = parameter[i];
    let g = gradient[i] * clip(norm[0], params.max_norm) + params.l2 * p;
    let changed = normal(p - step.learning_rate * g);
    parameter[i] = changed;
    watch(is_finite(changed));
}
