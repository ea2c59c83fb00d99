// Adam and AdamW update of all parameters.
//
// For each element p with gradient g:
//
//     g ← g·clip + l2·p                       Adam's weight decay
//     p ← p·(1 − η·decay)                     AdamW's weight decay
//     m ← β₁·m + (1 − β₁)·g
//     v ← β₂·v + (1 − β₂)·g²
//     p ← p − η / c₁ · (m / (√v / c₂ + ε))
//
// Symbols: η the learning rate of the step, c₁ = 1 − β₁ᵗ and c₂ = √(1 − β₂ᵗ) from the step record. p, m and v below the
// smallest normal number become 0. From the flag's step on, nothing changes. Where p, m or v becomes infinite or NaN,
// the flag records the next step (shared/update.wgsl). The quotient is computed before its factor, which would make a
// small m subnormal.
//
// | binding | view      | shape         | access     |
// |---------|-----------|---------------|------------|
// | 2       | parameter | 1×(64·blocks) | read-write |
// | 3       | gradient  | 1×(64·blocks) | read       |
// | 4       | m         | 1×(64·blocks) | read-write |
// | 5       | v         | 1×(64·blocks) | read-write |
// | 6       | norm      | 1×1           | read       |
// | 7       | flag      | 1             | atomic     |
//
// One invocation updates one element.

struct Params {
    beta1: f32,
    one_minus_beta1: f32,
    beta2: f32,
    one_minus_beta2: f32,
    epsilon: f32,
    l2: f32,
    decay: f32,
    max_norm: f32,
}

@group(0) @binding(0) var<storage, read> params: Params;
@group(0) @binding(2) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(3) var<storage, read> gradient: array<f32>;
@group(0) @binding(4) var<storage, read_write> m: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;
@group(0) @binding(6) var<storage, read> norm: array<f32>;
@group(0) @binding(7) var<storage, read_write> flag: array<atomic<u32>>;

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
    let mean = normal(params.beta1 * m[i] + params.one_minus_beta1 * g);
    let square = normal(params.beta2 * v[i] + params.one_minus_beta2 * g * g);
    m[i] = mean;
    v[i] = square;
    let rate = step.learning_rate / step.bias_correction1;
    let decayed = p * (1.0 - step.learning_rate * params.decay);
    let changed = normal(decayed - rate * (mean / (sqrt(square) / step.bias_correction2_root + params.epsilon)));
    parameter[i] = changed;
    watch(all_finite(vec4(changed, mean, square, 0.0)));
}
