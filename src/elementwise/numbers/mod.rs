//! Number types for which elementwise functions are compiled. Each module has a type `Number` and the functions that
//! bodies may call: `abs`, `above`, `cosine_of_turns`, `erf`, `exponential`, `log_1p`, `normal`, `sqrt`,
//! `tanh_of`.

pub mod dual;
pub mod fast;
pub mod rounded;

pub use dual::Dual;
pub use rounded::Rounded;

/// Declares the module of a plain float type, with the system's math functions.
macro_rules! plain {
    ($(#[$doc:meta])* $module:ident, $float:ident) => {
        $(#[$doc])*
        pub mod $module {
            /// Number type of this module.
            pub type Number = $float;

            /// Returns |x|.
            pub fn abs(x: Number) -> Number {
                x.abs()
            }

            /// Returns `b` if x ≤ 0, else `a`.
            pub fn above(x: Number, a: Number, b: Number) -> Number {
                if x <= 0.0 { b } else { a }
            }

            /// Returns cos(2π·t).
            pub fn cosine_of_turns(t: Number) -> Number {
                crate::numeric::cosine_of_turns_f64(t.into()) as Number
            }

            /// Returns erf x.
            pub fn erf(x: Number) -> Number {
                crate::numeric::erf_f64(x.into()) as Number
            }

            /// Returns eˣ.
            pub fn exponential(x: Number) -> Number {
                x.exp()
            }

            /// Returns ln(1 + x).
            pub fn log_1p(x: Number) -> Number {
                x.ln_1p()
            }

            /// Returns x, or 0 if |x| is below the smallest normal f32, or ±infinity if |x| is above the largest f32.
            pub fn normal(x: Number) -> Number {
                if x.abs() < f32::MIN_POSITIVE.into() {
                    0.0
                } else if x.abs() > f32::MAX.into() {
                    Number::INFINITY.copysign(x)
                } else {
                    x
                }
            }

            /// Returns √x.
            pub fn sqrt(x: Number) -> Number {
                x.sqrt()
            }

            /// Returns tanh x.
            pub fn tanh_of(x: Number) -> Number {
                x.tanh()
            }
        }
    };
}

plain! {
    /// f32 with the system's math functions, for the reference implementation.
    single, f32
}
plain! {
    /// f64 with the system's math functions, for tests.
    double, f64
}

/// Number type with the maximum and the sum over the columns of a row, for losses of whole rows.
pub trait RowNumber: Copy {
    /// Converts a count to this number type.
    fn whole(number: usize) -> Self;

    /// Returns the largest of the numbers. A NaN is lost if other numbers follow it.
    fn largest(numbers: impl Iterator<Item = Self>) -> Self;

    /// Returns the sum of the numbers.
    fn sum(numbers: impl Iterator<Item = Self>) -> Self;
}

/// Implements [`RowNumber`] for a plain float, whose sums are computed in f64.
macro_rules! plain_row_number {
    ($float:ident) => {
        impl RowNumber for $float {
            fn whole(number: usize) -> Self {
                number as Self
            }

            fn largest(numbers: impl Iterator<Item = Self>) -> Self {
                numbers.fold(Self::NEG_INFINITY, |largest, number| if number <= largest { largest } else { number })
            }

            fn sum(numbers: impl Iterator<Item = Self>) -> Self {
                numbers.map(f64::from).sum::<f64>() as Self
            }
        }
    };
}

plain_row_number!(f32);
plain_row_number!(f64);

/// Implements an operator for two numbers of a type, and for a number and a constant.
macro_rules! operator {
    ($type:ident, $trait:ident, $method:ident, |$a:ident, $b:ident| $result:expr) => {
        impl std::ops::$trait for $type {
            type Output = Self;

            fn $method(self, other: Self) -> Self {
                let ($a, $b) = (self, other);
                $result
            }
        }

        impl std::ops::$trait<f64> for $type {
            type Output = Self;

            fn $method(self, other: f64) -> Self {
                std::ops::$trait::$method(self, Self::from(other))
            }
        }

        impl std::ops::$trait<$type> for f64 {
            type Output = $type;

            fn $method(self, other: $type) -> $type {
                std::ops::$trait::$method($type::from(self), other)
            }
        }
    };
}
use operator;
