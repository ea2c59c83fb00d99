//! Noise that layers add in training, one kernel each.
//!
//! `kept` is 1 for an element that is kept, else 0. `share` is uniform in (0, 1], and `turns` in (−1/4, 1): both are
//! multiples of 2⁻²⁴, so that every device has the same. √(−2·ln `share`)·cos(2π·`turns`) is then a standard normal
//! number (Box and Muller 1958). −ln `share` is computed as ln(1 + (1 − `share`) / `share`), which is accurate near 1.

use super::noise::noises;

noises! {
    (x, scale, offset, dropped)

    /// Dropout (Srivastava et al. 2014).
    DROPOUT(kept, _unused) flops 1 { above(kept, x * scale, 0.0) }

    /// Alpha dropout (Klambauer et al. 2017), which keeps mean and variance of the outputs of SELU.
    ALPHA(kept, _unused) flops 2 { above(kept, x * scale + offset, dropped) }

    /// Additive normal noise with standard deviation `scale`.
    ADDITIVE(share, turns) flops 40 {
        x + scale * (sqrt(2.0 * log_1p((1.0 - share) / share)) * cosine_of_turns(turns))
    }
}
