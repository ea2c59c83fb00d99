// Build of the fused step with a trace of the stages, so that each stage can be checked from the results of the one
// before. Needs step.wgsl.

@group(0) @binding(8) var<storage, read_write> trace: array<f32>;

// Writes one column of up to four rows in use of a matrix that begins at `begin`.
fn keep(begin: u32, columns: u32, row: u32, column: u32, values: vec4<f32>) {
    for (var r = 0u; r < 4u; r++) {
        if row + r < step.rows {
            trace[begin + (row + r) * columns + column] = values[r];
        }
    }
}
