// Gradient accumulation: adds up the gradients of a step's micro-batches, one micro-batch per run.
//
// For each element with gradient g, sum s and compensation c (Kahan's sum):
//
//     s ← g, c ← 0                for the first micro-batch of a step, whose first_row is 0
//     y = g − c, t = s + y
//     c ← (t − s) − y, s ← t      for the others
//     flag = min(flag, index of the step) if any s is not finite; c ← 0 there
//
// | binding | view         | shape         | access                     |
// |---------|--------------|---------------|----------------------------|
// | 2       | gradient     | 1×(64·blocks) | read, four at a time       |
// | 3       | sum          | 1×(64·blocks) | accumulate, four at a time |
// | 4       | compensation | 1×(64·blocks) | accumulate, four at a time |
// | 5       | flag         | 1             | atomic                     |
//
// One invocation adds four elements.

@group(0) @binding(2) var<storage, read> gradient: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> sum: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> compensation: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> flag: array<atomic<u32>>;

// Returns the sum x unchanged, but keeps the compiler from reordering it. A compiler that reorders sums, as those of
// Metal and Direct3D may, would find that c is 0. It does not know that there are fewer than 2³¹ rows, so it cannot
// optimize this addition away.
fn rounded(x: vec4<f32>) -> vec4<f32> {
    return bitcast<vec4<f32>>(bitcast<vec4<u32>>(x) + vec4(step.rows >> 31u));
}

@compute @workgroup_size(GROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    let i = linear_index(group, groups, GROUP, local);
    if i >= arrayLength(&sum) {
        return;
    }
    let first = step.first_row == 0u;
    let term = gradient[i] - compensation[i];
    let added = rounded(sum[i] + term);
    let error = rounded(added - sum[i]) - term;
    let total = select(added, gradient[i], first);
    let finite = all_finite(total);
    sum[i] = total;
    compensation[i] = select(vec4(0.0), error, finite && !first);
    if !finite {
        atomicMin(&flag[0], step.index);
    }
}
