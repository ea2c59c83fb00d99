// What optimizers have in common, as in src/kernels/shared/update.rs: when nothing may change, what is too small to be kept,
// and what may not be kept. The flag is each kernel's own binding. Needs step.wgsl and finite.wgsl.

// Whether the update of this step changes nothing. The flag holds the first step that is not done.
fn is_frozen() -> bool {
    return atomicLoad(&flag[0]) < step.index + 1u;
}

// Lowers the flag to the next step, unless all that this update has written is finite: other invocations of this one may
// still have to look at the flag.
fn watch(finite: bool) {
    if !finite {
        atomicMin(&flag[0], step.index + 1u);
    }
}

// 0 where x is below the smallest normal number.
fn normal(x: f32) -> f32 {
    return select(x, 0.0, abs(x) < 1.17549435e-38);
}
