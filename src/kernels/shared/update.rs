//! What optimizers have in common: when nothing may change, what is too small to be kept, and what may not be kept.
//!
//! The flag holds the first step that is not done. Losses, gradients and the norm lower it to their own step, whose update
//! then changes nothing. An update that writes a number that is not finite lowers it to the next step: all of this update's
//! elements are written, whichever thread or workgroup sees the flag first, and no update follows.
//!
//! Numbers below the smallest normal one become 0. A moment without gradients would otherwise decay into subnormal numbers and
//! stay there, since 0.9 of a few units rounds to as many, and processors take many times as long for them.
//!
//! `shaders/shared/update.wgsl` is the same for GPUs.

use std::sync::atomic::{AtomicU32, Ordering};

use crate::numeric::UNIT_ROUNDOFF;
use crate::plan::Step;

/// Bits of infinity; those of larger absolute values are NaN.
pub const INFINITY: u32 = f32::INFINITY.to_bits();

/// Returns whether the update of a step changes nothing.
pub fn is_frozen(step: &Step, flag: u32) -> bool {
    flag < next(step)
}

/// Lowers the flag to the next step, unless all that this update has written is finite.
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

/// Bits of the absolute value, which order numbers by magnitude; those of a number that is not finite are [`INFINITY`] or more.
#[inline(always)]
pub fn magnitude_bits(x: f32) -> u32 {
    x.to_bits() & !(1 << 31)
}

/// The tolerance of a number that is flushed to 0 below the normal range, whose terms have the sum `sum` of absolute values: 0
/// where both sides must flush it. Of up to three terms (momentum, gradient, decay) a device may flush each.
pub fn flushed(error: f64, sum: f64) -> f64 {
    let least = f64::from(f32::MIN_POSITIVE);
    if sum * (1.0 + 64.0 * UNIT_ROUNDOFF) < least { 0.0 } else { error + 3.0 * least }
}
