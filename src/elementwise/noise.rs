//! Noise that layers add in training, such as dropout: [`noises!`] makes the CPU code, the WGSL code and the tolerance of
//! each kind from one formula.

use super::numbers::Rounded;

/// Noise of one element in the number type `T`: of the element, its two random numbers, and the factors.
pub type NoiseFormula<T> = fn(T, [T; 2], [T; 3]) -> T;

/// Vectorized noise: elements, their first and their second random numbers, factors.
pub type FastNoise = fn(&mut [f32], &[f32], &[f32], [f32; 3]);

/// Declared noise.
#[derive(Debug)]
pub struct Noise {
    /// Floating-point operations per element.
    pub flops: u64,
    /// WGSL function `noisy`.
    pub wgsl: &'static str,
    /// In f32, for the reference implementation.
    pub single: NoiseFormula<f32>,
    /// With rounding errors, for tolerances.
    pub rounded: NoiseFormula<Rounded>,
    /// Vectorized.
    pub fast: FastNoise,
}

/// Declares noise as [`Noise`]s.
///
/// A declaration has a name, two random numbers of an element, floating-point operations per element, and a body. The
/// body computes the noisy element from the element and the factors, whose names are given first.
macro_rules! noises {
    (($x:ident, $scale:ident, $offset:ident, $dropped:ident)
    $(
        $(#[$doc:meta])*
        $constant:ident($first:ident, $second:ident) flops $flops:literal { $($body:tt)* }
    )*) => {$(
        $(#[$doc])*
        pub static $constant: $crate::elementwise::Noise = $crate::elementwise::Noise {
            flops: $flops,
            wgsl: concat!(
                "fn noisy(", stringify!($x), ": f32, ", stringify!($first), ": f32, ", stringify!($second), ": f32, ",
                stringify!($scale), ": f32, ", stringify!($offset), ": f32, ", stringify!($dropped), ": f32) -> f32 {\n",
                "    return ", stringify!($($body)*), ";\n}\n",
            ),
            single: $crate::elementwise::noise::formula!(
                single, [$x $first $second $scale $offset $dropped] { $($body)* }
            ),
            rounded: $crate::elementwise::noise::formula!(
                rounded, [$x $first $second $scale $offset $dropped] { $($body)* }
            ),
            fast: {
                $crate::numeric::widest! {
                    #[allow(unused, clippy::all, clippy::pedantic, reason = "not every body uses all")]
                    fn apply(values: &mut [f32], firsts: &[f32], seconds: &[f32], factors: [f32; 3]) {
                        use $crate::elementwise::numbers::fast::*;
                        let [$scale, $offset, $dropped] = factors;
                        for ((value, $first), $second) in values.iter_mut().zip(firsts).zip(seconds) {
                            let ($x, $first, $second) = (*value, *$first, *$second);
                            *value = $($body)*;
                        }
                    }
                }
                apply
            },
        };
    )*};
}

/// Expands the body of declared noise into a Rust function over one number type, that of the module `$numbers`.
macro_rules! formula {
    ($numbers:ident, [$x:ident $first:ident $second:ident $scale:ident $offset:ident $dropped:ident] $body:block) => {{
        #[allow(unused, clippy::all, clippy::pedantic, reason = "not every body uses all")]
        fn call(
            $x: $crate::elementwise::numbers::$numbers::Number,
            [$first, $second]: [$crate::elementwise::numbers::$numbers::Number; 2],
            [$scale, $offset, $dropped]: [$crate::elementwise::numbers::$numbers::Number; 3],
        ) -> $crate::elementwise::numbers::$numbers::Number {
            use $crate::elementwise::numbers::$numbers::*;
            $body
        }
        call
    }};
}
pub(crate) use {formula, noises};
