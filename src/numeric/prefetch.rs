//! What says which memory is needed soon, on x86; elsewhere nothing. It changes nothing that a program can see, whatever the
//! address.

/// Brings a line of the cache near, to write it soon.
#[inline(always)]
pub fn will_write<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: see the module.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_ET0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_ET0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}

/// Brings a line of the cache near, but not into the nearest one, where other things are just worked on.
#[inline(always)]
pub fn will_read<T>(address: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: see the module.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
