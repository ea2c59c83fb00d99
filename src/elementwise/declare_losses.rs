//! The macro that declares loss functions; see [`losses!`].

/// Declares loss functions as `ALL`, a list of [`LossFunction`](crate::elementwise::LossFunction)s.
///
/// A declaration has a name with abbreviations, parameters with default, smallest and largest value, a readable
/// formula, the meaning of outputs, and the range of valid targets. Then follow the number of floating-point operations
/// per element, the loss `l(z, t)` and its derivative `d(z, t)` with respect to z, or the input of
/// [`row_loss!`](super::declare_row_losses). The constructor takes all parameters. If `with NAME` follows the
/// parameters, this constructor uses their defaults, and a second constructor, `NAME`, takes them. A list of up to
/// eight numbers stands in brackets, after empty parentheses.
macro_rules! losses {
    ($(
        $(#[$doc:meta])*
        $name:ident $(/ $alias:ident)*
            ($($p:ident = $default:literal >= $least:literal $(<= $most:literal)?),*) $(with $with:ident)?
            $([$list:ident = $first:literal, $($more:literal),+; >= $first_least:literal <= $first_most:literal])?
            $formula:literal, $output:expr, $range:expr, { $($form:tt)* }
    )*) => {
        pub(super) const ALL: &[$crate::elementwise::LossFunction] = &[$($crate::elementwise::LossFunction {
            name: stringify!($name),
            aliases: &[$(stringify!($alias)),*],
            formula: $formula,
            parameters: &[$($crate::elementwise::Parameter {
                name: stringify!($p),
                default: $default,
                more: &[],
                least: $least,
                most: [$($most,)? f32::MAX][0],
            },)* $($crate::elementwise::Parameter {
                name: stringify!($list),
                default: $first,
                more: &[$($more),+],
                least: $first_least,
                most: $first_most,
            })?],
            output: $output,
            range: $range,
            kernel: $crate::elementwise::declare_losses::form!(($($p),*) $($form)*),
        }),*];

        /// Indices of the functions in [`ALL`].
        #[allow(non_camel_case_types, reason = "names are those of the functions")]
        enum Place {
            $($name),*
        }

        /// Returns an array of the values, filled up with zeros.
        const fn parameters(values: &[f32]) -> [f32; $crate::elementwise::MOST_PARAMETERS] {
            let (mut all, mut place) = ([0.0; $crate::elementwise::MOST_PARAMETERS], 0);
            while place < values.len() {
                all[place] = values[place];
                place += 1;
            }
            all
        }

        /// One constructor per function.
        impl $crate::loss::Loss {$(
            $crate::elementwise::declare_losses::constructors! {
                $(#[$doc])*
                #[doc = ""]
                #[doc = concat!("l(z, t) = ", $formula, ".")]
                $name, ($($p = $default),*) $(, $with)? $([$first, $($more),+])?
            }
        )*}
    };
}

/// Defines the constructors of one loss function.
macro_rules! constructors {
    ($(#[$doc:meta])* $name:ident, () [$($level:literal),+]) => {
        $(#[$doc])*
        ///
        /// # Examples
        /// ```
        #[doc = concat!("let loss = wgrad::Loss::", stringify!($name), "([", $(stringify!($level), ", ",)+ "]);")]
        #[doc = concat!("assert_eq!(loss.to_string(), \"", stringify!($name), "\", \"these are the defaults\");")]
        /// ```
        pub const fn $name<const N: usize>(values: [f32; N]) -> Self {
            const { assert!(N > 0 && N <= $crate::elementwise::MOST_PARAMETERS, "1 to 8 values") }
            Self::exactly(Place::$name as u32, parameters(&values))
        }
    };
    ($(#[$doc:meta])* $name:ident, ($($p:ident = $default:literal),*)) => {
        $(#[$doc])*
        ///
        /// # Examples
        /// ```
        #[doc = concat!("let loss = wgrad::Loss::", stringify!($name), "(", $(stringify!($default), ", ",)* ");")]
        #[doc = concat!("assert_eq!(loss.name(), \"", stringify!($name), "\");")]
        /// ```
        pub const fn $name($($p: f32),*) -> Self {
            Self::exactly(Place::$name as u32, parameters(&[$($p),*]))
        }
    };
    ($(#[$doc:meta])* $name:ident, ($($p:ident = $default:literal),*), $with:ident) => {
        $(#[$doc])*
        ///
        /// # Examples
        /// ```
        #[doc = concat!("let loss = wgrad::Loss::", stringify!($name), "();")]
        #[doc = concat!("assert_eq!(loss.name(), \"", stringify!($name), "\");")]
        /// ```
        pub const fn $name() -> Self {
            Self::exactly(Place::$name as u32, parameters(&[$($default),*]))
        }

        #[doc = concat!("[`Loss::", stringify!($name), "`] with its parameters.")]
        ///
        /// # Examples
        /// ```
        #[doc = concat!("let loss = wgrad::Loss::", stringify!($with), "(", $(stringify!($default), ", ",)* ");")]
        #[doc = concat!("assert_eq!(loss, wgrad::Loss::", stringify!($name), "());")]
        /// ```
        ///
        #[doc = concat!("[`Loss::", stringify!($name), "`]: Self::", stringify!($name))]
        pub const fn $with($($p: f32),*) -> Self {
            Self::exactly(Place::$name as u32, parameters(&[$($p),*]))
        }
    };
}

/// Expands to a [`LossKernel`](crate::elementwise::LossKernel) with the bodies of a loss per element or of a whole row.
macro_rules! form {
    (($($p:ident),*) softmax) => {
        $crate::elementwise::LossKernel::Softmax
    };
    (($($p:ident),*) row $($row:tt)*) => {
        $crate::elementwise::LossKernel::Row($crate::elementwise::declare_row_losses::row_loss!(($($p),*) $($row)*))
    };
    (($($p:ident),*) flops $flops:literal; l($z:ident, $t:ident) { $($l:tt)* } d($z2:ident, $t2:ident) { $($d:tt)* }) => {
        $crate::elementwise::LossKernel::Element($crate::elementwise::ElementLoss {
            flops: $flops,
            bodies: [stringify!($($l)*), stringify!($($d)*)],
            rows: {
                #[allow(unused, clippy::all, clippy::pedantic, reason = "not every body uses all")]
                fn rows(
                    z: &[f32],
                    t: &[f32],
                    parameters: [f32; $crate::elementwise::MOST_PARAMETERS],
                    scale: f32,
                    losses: &mut [f32],
                    gradients: &mut [f32],
                ) {
                    use $crate::elementwise::numbers::single::*;
                    let [first, second, ..] = parameters;
                    $crate::elementwise::declare::parameters!(first, second, $($p),*);
                    let columns = z.len() / losses.len().max(1);
                    let n = columns as f32;
                    for (r, row_loss) in losses.iter_mut().enumerate() {
                        let mut sum = 0.0;
                        for i in r * columns..(r + 1) * columns {
                            let loss = { let ($z, $t) = (z[i], t[i]); $($l)* };
                            sum += f64::from(loss);
                            let derivative = { let ($z2, $t2) = (z[i], t[i]); $($d)* };
                            gradients[i] = derivative / n * scale;
                        }
                        *row_loss = sum as f32 / n;
                    }
                }
                rows
            },
            double: [
                $crate::elementwise::declare_losses::body!(double, $z, $t, ($($p),*), { $($l)* }),
                $crate::elementwise::declare_losses::body!(double, $z2, $t2, ($($p),*), { $($d)* }),
            ],
            rounded: [
                $crate::elementwise::declare_losses::body!(rounded, $z, $t, ($($p),*), { $($l)* }),
                $crate::elementwise::declare_losses::body!(rounded, $z2, $t2, ($($p),*), { $($d)* }),
            ],
            dual: $crate::elementwise::declare_losses::body!(dual, $z, $t, ($($p),*), { $($l)* }),
        })
    };
}

/// Expands the body of a declared loss into a Rust function over one number type, that of the module `$numbers`.
macro_rules! body {
    ($numbers:ident, $z:ident, $t:ident, ($($p:ident),*), $body:block) => {{
        #[allow(unused, clippy::all, clippy::pedantic, reason = "not every body uses all")]
        fn call(
            $z: $crate::elementwise::numbers::$numbers::Number,
            $t: $crate::elementwise::numbers::$numbers::Number,
            parameters: [$crate::elementwise::numbers::$numbers::Number; $crate::elementwise::MOST_PARAMETERS],
        ) -> $crate::elementwise::numbers::$numbers::Number {
            use $crate::elementwise::numbers::$numbers::*;
            let [first, second, ..] = parameters;
            $crate::elementwise::declare::parameters!(first, second, $($p),*);
            $body.into()
        }
        call
    }};
}
pub(crate) use {body, constructors, form, losses};
