// Sum of parts that writes only its output; see sum_kept.wgsl.

fn keep(i: u32, x: f32) {}
