// Dropout masks. They are computed again wherever they are needed, and never stored. They equal those of
// src/kernels/dropout.rs bit for bit. Needs step.wgsl and philox.wgsl.

const STREAM_DROPOUT = 0u;

// Returns the random words of columns 4·quarter to 4·quarter + 3, in row `row` of the batch.
fn four_words(layer: u32, row: u32, quarter: u32) -> vec4<u32> {
    let counter = vec4(quarter, step.first_row + row, step.index, (layer << 8u) | STREAM_DROPOUT);
    return philox(counter, vec2(step.seed_low, step.seed_high));
}

// Returns true for each of these four columns that is kept.
fn keeps_four(threshold: u32, layer: u32, row: u32, quarter: u32) -> vec4<bool> {
    return four_words(layer, row, quarter) >= vec4(threshold);
}

// Returns true if one element is kept.
fn keeps(threshold: u32, layer: u32, row: u32, column: u32) -> bool {
    return keeps_four(threshold, layer, row, column / 4u)[column % 4u];
}
