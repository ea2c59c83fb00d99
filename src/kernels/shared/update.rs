//! Code that all optimizers share: skipping updates after a bad step, flushing small numbers to 0, and detecting
//! numbers that are not finite.
//!
//! The flag holds the index of the first step that is not applied (atomic min). A loss, gradient or norm that is not
//! finite records its own step there, and the update of that step then changes nothing. An update that writes a number
//! that is not finite records the next step. All elements of this update are still written, whichever thread or
//! workgroup sees the flag first, and no update follows.
//!
//! Numbers below the smallest normal number become 0. A moment without gradients would otherwise decay into subnormal
//! numbers and stay there, since 0.9 times a few units rounds to the same few units. Processors are many times slower
//! on subnormal numbers.
//!
//! `shaders/shared/update.wgsl` is the GPU version.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::numeric::UNIT_ROUNDOFF;
use crate::plan::Step;

/// Bits of infinity; those of NaN, without the sign bit, are larger.
pub const INFINITY: u32 = f32::INFINITY.to_bits();

/// Returns whether the update of a step is skipped.
pub fn is_frozen(step: &Step, flag: u32) -> bool {
    flag < next(step)
}

/// Records the next step in the flag if `finite` is false, i.e. this update has written a number that is not finite.
pub fn watch(step: &Step, flag: &AtomicU32, finite: bool) {
    if !finite {
        flag.fetch_min(next(step), Ordering::Relaxed);
    }
}

fn next(step: &Step) -> u32 {
    step.index.wrapping_add(1)
}

/// Returns `x`, or 0 where it is below the smallest normal number.
#[inline(always)]
pub fn normal(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0 } else { x }
}

/// Returns the bits of the absolute value, which order numbers by magnitude. For numbers that are not finite they are
/// [`INFINITY`] or more.
#[inline(always)]
pub fn magnitude_bits(x: f32) -> u32 {
    x.to_bits() & !(1 << 31)
}

/// Returns the tolerance of a number that is flushed to 0 below the normal range. `sum` is the sum of the absolute
/// values of its terms. The result is 0 where both sides must flush. A device may flush each of up to three terms
/// (momentum, gradient, decay).
pub fn flushed(error: f64, sum: f64) -> f64 {
    let least = f64::from(f32::MIN_POSITIVE);
    if sum * (1.0 + 64.0 * UNIT_ROUNDOFF) < least { 0.0 } else { error + 3.0 * least }
}
