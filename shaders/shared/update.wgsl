// Code of updates, as in src/kernels/update.rs: skipping updates after a bad step, flushing small numbers to 0, and
// detecting numbers that are not finite.
// Needs step.wgsl and finite.wgsl.

// Returns true if the update of this step is skipped. The flag holds the first step that is not applied.
fn is_frozen() -> bool {
    return atomicLoad(&flag[0]) < step.index + 1u;
}

// Records the next step in the flag if `finite` is false, i.e. this update has written a number that is not finite. It
// does not record this step, since other invocations may not have read the flag yet.
fn watch(finite: bool) {
    if !finite {
        atomicMin(&flag[0], step.index + 1u);
    }
}

// Returns x, or 0 if |x| is below the smallest normal number.
fn normal(x: f32) -> f32 {
    return select(x, 0.0, abs(x) < 1.17549435e-38);
}
