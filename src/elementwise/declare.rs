//! The macro that declares elementwise functions; see [`functions!`].

/// Declares elementwise functions as `ALL`, a list of [`Function`](crate::elementwise::Function)s.
///
/// A declaration has a name, parameters with default and smallest value, a readable formula, and optionally the gain
/// for initialization. Then follow the function `f(x)`, and its derivative: `d(x)` from the input or `d(y)` from the
/// output.
macro_rules! functions {
    ($(
        $name:ident($($p:ident = $default:literal >= $least:expr),*) $formula:literal $(gain $gain:expr)? $(, $rectifies:ident)?;
            f($x:ident) { $($f:tt)* }
            d($v:ident) { $($d:tt)* }
    )*) => {
        pub(super) const ALL: &[$crate::elementwise::Function] = &[$($crate::elementwise::Function {
            name: stringify!($name),
            formula: $formula,
            parameters: &[$($crate::elementwise::Parameter {
                name: stringify!($p), default: $default, more: &[], least: $least, most: f32::MAX,
            }),*],
            derivative_from: $crate::elementwise::declare::side!($v),
            gain: {
                #[allow(unused, reason = "not every gain depends on parameters")]
                fn gain(parameters: [f64; 2]) -> f64 {
                    let mut rest = parameters.into_iter();
                    $(let $p = rest.next().unwrap_or_default();)*
                    let gain = 1.0;
                    $(let gain: f64 = $gain;)?
                    gain
                }
                gain
            },
            rectifies: !stringify!($($rectifies)?).is_empty(),
            bodies: [stringify!($($f)*), stringify!($($d)*)],
            single: [
                $crate::elementwise::declare::body!(single, $x, ($($p),*), { $($f)* }),
                $crate::elementwise::declare::body!(single, $v, ($($p),*), { $($d)* }),
            ],
            fast: {
                $crate::numeric::widest! {
                    #[allow(unused, clippy::all, clippy::pedantic, reason = "not every body uses all")]
                    fn apply(values: &mut [f32], parameters: [f32; 2]) {
                        use $crate::elementwise::numbers::fast::*;
                        let [first, second] = parameters;
                        $crate::elementwise::declare::parameters!(first, second, $($p),*);
                        values.iter_mut().for_each(|value| {
                            let $x = *value;
                            *value = { $($f)* };
                        });
                    }
                }
                apply
            },
            fast_derivative: {
                $crate::numeric::widest! {
                    #[allow(unused, clippy::all, clippy::pedantic, reason = "not every body uses all")]
                    fn multiply(arguments: &[f32], factor: f32, parameters: [f32; 2], gradients: &mut [f32]) {
                        use $crate::elementwise::numbers::fast::*;
                        let [first, second] = parameters;
                        $crate::elementwise::declare::parameters!(first, second, $($p),*);
                        gradients.iter_mut().zip(arguments).for_each(|(gradient, argument)| {
                            let $v = *argument * factor;
                            *gradient *= { $($d)* };
                        });
                    }
                }
                multiply
            },
            double: [
                $crate::elementwise::declare::body!(double, $x, ($($p),*), { $($f)* }),
                $crate::elementwise::declare::body!(double, $v, ($($p),*), { $($d)* }),
            ],
            rounded: [
                $crate::elementwise::declare::body!(rounded, $x, ($($p),*), { $($f)* }),
                $crate::elementwise::declare::body!(rounded, $v, ($($p),*), { $($d)* }),
            ],
            dual: $crate::elementwise::declare::body!(dual, $x, ($($p),*), { $($f)* }),
        }),*];

        /// Indices of the functions in [`ALL`].
        #[allow(non_camel_case_types, reason = "names are those of the functions")]
        enum Place {
            $($name),*
        }

        /// One constructor per function.
        impl $crate::network::Activation {$(
            #[doc = concat!("f(x) = ", $formula, ".")]
            ///
            /// # Examples
            /// ```
            #[doc = concat!("let activation = wgrad::Activation::", stringify!($name), "(", $(stringify!($default), ", ",)* ");")]
            #[doc = concat!("assert_eq!(activation.name(), \"", stringify!($name), "\");")]
            /// ```
            pub const fn $name($($p: f32),*) -> Self {
                const fn parameters(values: &[f32]) -> [f32; 2] {
                    [if values.is_empty() { 0.0 } else { values[0] }, if values.len() < 2 { 0.0 } else { values[1] }]
                }
                Self::exactly(Place::$name as u32, parameters(&[$($p),*]))
            }
        )*}

        /// One method per activation function.
        impl $crate::network::Network {$(
            #[doc = concat!("Adds the activation function f(x) = ", $formula, ".")]
            ///
            /// # Examples
            /// ```
            #[doc = concat!("let network = wgrad::Network::input(2).dense(1).", stringify!($name), "(", $(stringify!($default), ", ",)* ");")]
            #[doc = concat!("assert_eq!(network, wgrad::Network::parse(2, \"1 ", stringify!($name), "\")?);")]
            /// # Ok::<(), wgrad::Error>(())
            /// ```
            pub fn $name(self, $($p: f32),*) -> Self {
                self.layer($crate::network::Activation::$name($($p),*))
            }
        )*}
    };
}

/// Maps the name of a derivative's argument to a side: x is the input, y the output.
macro_rules! side {
    (x) => {
        $crate::elementwise::Side::Input
    };
    (y) => {
        $crate::elementwise::Side::Output
    };
}

/// Binds up to two parameters by name.
macro_rules! parameters {
    ($first:ident, $second:ident $(,)?) => {};
    ($first:ident, $second:ident, $a:ident) => {
        let $a = $first;
    };
    ($first:ident, $second:ident, $a:ident, $b:ident) => {
        let ($a, $b) = ($first, $second);
    };
}

/// Expands the body of a declared function into a Rust function over one number type, that of the module `$numbers`.
macro_rules! body {
    ($numbers:ident, $v:ident, ($($p:ident),*), $body:block) => {{
        #[allow(unused, clippy::all, clippy::pedantic, reason = "not every body uses all")]
        fn call(
            $v: $crate::elementwise::numbers::$numbers::Number,
            parameters: [$crate::elementwise::numbers::$numbers::Number; 2],
        ) -> $crate::elementwise::numbers::$numbers::Number {
            use $crate::elementwise::numbers::$numbers::*;
            let [first, second] = parameters;
            $crate::elementwise::declare::parameters!(first, second, $($p),*);
            $body.into()
        }
        call
    }};
}
pub(crate) use {body, functions, parameters, side};
