// Sums of many numbers in blocks of fixed size, so that the rounding error does not grow with their number. A block
// holds sixteen numbers, the next level sixteen blocks, and so on. Four levels are enough for 65,536 numbers per
// invocation.

struct Blocks {
    sums: vec4<f32>,
    count: u32,
}

fn no_blocks() -> Blocks {
    return Blocks(vec4(0.0), 0u);
}

fn added(blocks: Blocks, value: f32) -> Blocks {
    let count = blocks.count + 1u;
    var sums = blocks.sums;
    sums.x += value;
    if count % 16u == 0u {
        sums = vec4(0.0, sums.y + sums.x, sums.zw);
    }
    if count % 256u == 0u {
        sums = vec4(0.0, 0.0, sums.z + sums.y, sums.w);
    }
    if count % 4096u == 0u {
        sums = vec4(0.0, 0.0, 0.0, sums.w + sums.z);
    }
    return Blocks(sums, count);
}

fn sum_of_blocks(blocks: Blocks) -> f32 {
    return blocks.sums.x + blocks.sums.y + blocks.sums.z + blocks.sums.w;
}
