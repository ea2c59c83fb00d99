//! The macro that declares the updates of optimizers; see [`updates!`].

/// Largest number of states per parameter.
pub const MAX_STATES: usize = 4;

/// Largest number of settings per optimizer.
pub const MAX_SETTINGS: usize = 8;

/// Largest number of values that the host computes for each step of an optimizer.
pub const MAX_SCALARS: usize = 4;

/// Values of an update that are the same for all elements.
#[derive(Clone, Copy, Debug)]
pub struct Shared<T> {
    /// Learning rate of the step.
    pub rate: T,
    /// Decoupled weight decay.
    pub decay: T,
    /// 1 − learning rate · decoupled weight decay.
    pub kept: T,
    /// Weight of the step in the average of the parameters; see `kernels::average`.
    pub share: T,
    /// Settings, in the order of [`Update::settings`].
    pub settings: [T; MAX_SETTINGS],
    /// Values that the host computed for the step, in the order of [`Update::scalars`].
    pub scalars: [T; MAX_SCALARS],
}

/// Parameter and states of one element.
pub type Element<T> = [T; 1 + MAX_STATES];

/// Update of one element in the number type `T`. Its arguments are parameter and states, gradient, and the values that
/// all elements share.
pub type Formula<T> = fn(Element<T>, T, &Shared<T>) -> Element<T>;

/// Vectorized update: parameters, gradients, states, values that all elements share, gradient clipping factor, and L2
/// penalty. Returns the bits of the largest magnitude written.
pub type Fast = fn(&mut [f32], &[f32], [&mut [f32]; MAX_STATES], &Shared<f32>, f32, f32) -> u32;

/// Declared update of an optimizer.
#[derive(Debug)]
pub struct Update {
    /// Name, such as `adamw`.
    pub name: &'static str,
    /// Name of the kernel of this update.
    pub kernel: &'static str,
    /// Name of the kernel of this update for plans with parameter groups.
    pub grouped_kernel: &'static str,
    /// Names of the states, each of which has one number per parameter. They are 0 at first.
    pub states: &'static [&'static str],
    /// States of which a square root is computed, and which are therefore never negative.
    pub never_negative: &'static [&'static str],
    /// State that is the direction of the step: the update leaves the parameter as it is, and `trust_ratio` moves it.
    /// `None` if the update moves the parameter itself.
    pub direction: Option<&'static str>,
    /// State whose average over the steps is what the model predicts with. It begins as a copy of the parameters.
    /// `None` if the model has the parameters themselves.
    pub averaged: Option<&'static str>,
    /// Names of the settings.
    pub settings: &'static [&'static str],
    /// Names of the values that the host computes for each step, such as bias corrections.
    pub scalars: &'static [&'static str],
    /// Floating-point operations per element.
    pub flops: u64,
    /// WGSL of the kernel: `Params`, bindings of the states, the functions `load`, `updated`, `store` and `is_sound`,
    /// and `shaders/update.wgsl`.
    pub wgsl: &'static str,
    /// WGSL of the kernel for plans with parameter groups.
    pub grouped_wgsl: &'static str,
    /// Update of one element in f32, for the reference implementation.
    pub single: Formula<f32>,
    /// Update of one element in f64, for tests.
    pub double: Formula<f64>,
    /// Update of one element with rounding errors, for tolerances.
    pub rounded: Formula<super::numbers::Rounded>,
    /// Vectorized update, for the CPU kernel.
    pub fast: Fast,
}

/// Declares updates as [`Update`]s.
///
/// A declaration has a name, states, settings, values for the step, floating-point operations per element, and a body.
/// The body changes the parameter `p` and the states. It reads the gradient `g` (after clipping and with the L2
/// penalty), the learning rate `rate`, and `kept`, the factor of decoupled weight decay. `decay` is the decoupled
/// weight decay itself, for an update that uses it in another way, and `share` the weight of the step in an average.
/// These six names come first in the macro's input. An update with a `direction` writes it to this state, and does not
/// change `p`.
macro_rules! updates {
    (($p:ident, $g:ident, $rate:ident, $kept:ident, $decay:ident, $share:ident)
    $(
        $(#[$doc:meta])*
        $constant:ident = $name:ident [$($state:ident),*] ($($setting:ident),*; $($scalar:ident),*) flops $flops:literal
        $(, direction $direction:ident)? $(, averaged $averaged:ident)? $(, never_negative $($square:ident),+)?
        { $($body:tt)* }
    )*) => {
        /// All updates, in the order of their kernels in [`crate::kernels::update::kernels`].
        pub const ALL: &[&$crate::elementwise::Update] = &[$(&$constant),*];

        $(
            $(#[$doc])*
            pub static $constant: $crate::elementwise::Update = $crate::elementwise::Update {
                name: stringify!($name),
                kernel: concat!("update_", stringify!($name)),
                grouped_kernel: concat!("update_", stringify!($name), "_grouped"),
                states: &[$(stringify!($state)),*],
                never_negative: &[$($(stringify!($square)),+)?],
                direction: $crate::elementwise::update::first!($(stringify!($direction))?),
                averaged: $crate::elementwise::update::first!($(stringify!($averaged))?),
                settings: &[$(stringify!($setting)),*],
                scalars: &[$(stringify!($scalar)),*],
                flops: $flops,
                wgsl: concat!(
                    "struct Params {\n    max_norm: f32,\n    l2: f32,\n    decay: f32,\n",
                    $crate::elementwise::update::wgsl!([$($state),*] ($($setting),*; $($scalar),*) { $($body)* }),
                ),
                grouped_wgsl: concat!(
                    $crate::elementwise::update::groups!(6 7 8 9 10; $($state)*),
                    "struct Params {\n    max_norm: f32,\n    max_value: f32,\n",
                    $crate::elementwise::update::wgsl!([$($state),*] ($($setting),*; $($scalar),*) { $($body)* }),
                ),
                single: $crate::elementwise::update::formula!(
                    single, ($p, $g, $rate, $kept, $decay, $share),
                    [$($state),*] ($($setting),*; $($scalar),*) { $($body)* }
                ),
                double: $crate::elementwise::update::formula!(
                    double, ($p, $g, $rate, $kept, $decay, $share),
                    [$($state),*] ($($setting),*; $($scalar),*) { $($body)* }
                ),
                rounded: $crate::elementwise::update::formula!(
                    rounded, ($p, $g, $rate, $kept, $decay, $share),
                    [$($state),*] ($($setting),*; $($scalar),*) { $($body)* }
                ),
                fast: {
                    $crate::numeric::widest! {
                        #[allow(unused, clippy::all, clippy::pedantic, reason = "not every body uses all")]
                        fn update(
                            $p: &mut [f32],
                            $g: &[f32],
                            $($state: &mut [f32],)*
                            shared: &$crate::elementwise::update::Shared<f32>,
                            clip: f32,
                            l2: f32,
                        ) -> u32 {
                            use $crate::elementwise::numbers::fast::*;
                            let ($rate, $kept, $decay, $share) =
                                (shared.rate, shared.kept, shared.decay, shared.share);
                            let [$($setting,)* ..] = shared.settings;
                            let [$($scalar,)* ..] = shared.scalars;
                            let updated = |mut $p: f32, $g: f32, $(mut $state: f32),*| {
                                $($body)*
                                ($p, $($state,)*)
                            };
                            let mut largest = 0;
                            for $crate::elementwise::update::pattern!(($p, $g) $($state)*)
                                in $p.iter_mut().zip($g)$(.zip($state.iter_mut()))*
                            {
                                let gradient = $g * clip + l2 * *$p;
                                (*$p, $(*$state,)*) = updated(*$p, gradient, $(*$state),*);
                                largest = $crate::numeric::magnitude_bits(*$p).max(largest);
                                $(largest = $crate::numeric::magnitude_bits(*$state).max(largest);)*
                            }
                            largest
                        }
                    }
                    |parameters, gradients, states, shared, clip, l2| {
                        let [$($state,)* ..] = states;
                        update(parameters, gradients, $($state,)* shared, clip, l2)
                    }
                },
            };
        )*
    };
}

/// Expands the body of an update into a Rust function over one number type, that of the module `$numbers`.
macro_rules! formula {
    (
        $numbers:ident, ($p:ident, $g:ident, $rate:ident, $kept:ident, $decay:ident, $share:ident),
        [$($state:ident),*] ($($setting:ident),*; $($scalar:ident),*) { $($body:tt)* }
    ) => {{
        #[allow(unused, clippy::all, clippy::pedantic, reason = "not every body uses all")]
        fn updated(
            mut element: $crate::elementwise::update::Element<$crate::elementwise::numbers::$numbers::Number>,
            $g: $crate::elementwise::numbers::$numbers::Number,
            shared: &$crate::elementwise::update::Shared<$crate::elementwise::numbers::$numbers::Number>,
        ) -> $crate::elementwise::update::Element<$crate::elementwise::numbers::$numbers::Number> {
            use $crate::elementwise::numbers::$numbers::*;
            let ($rate, $kept, $decay, $share) = (shared.rate, shared.kept, shared.decay, shared.share);
            let [mut $p, $(mut $state,)* ..] = element;
            let [$($setting,)* ..] = shared.settings;
            let [$($scalar,)* ..] = shared.scalars;
            $($body)*
            for (to, from) in element.iter_mut().zip([$p, $($state),*]) {
                *to = from;
            }
            element
        }
        updated
    }};
}

/// Expands to the WGSL of an update's settings, states and formula, and `shaders/update.wgsl`. The text begins within
/// the struct `Params`.
macro_rules! wgsl {
    ([$($state:ident),*] ($($setting:ident),*; $($scalar:ident),*) { $($body:tt)* }) => {
        concat!(
            $("    ", stringify!($setting), ": f32,\n",)*
            "}\n\nstruct Element {\n    p: f32,\n",
            $("    ", stringify!($state), ": f32,\n",)*
            "}\n\n",
            $crate::elementwise::update::bindings!(6 7 8 9; $($state)*),
            "\nfn load(i: u32) -> Element {\n    return Element(parameter[i]",
            $(", ", stringify!($state), "[i]",)*
            ");\n}\n\nfn store(i: u32, element: Element) {\n    parameter[i] = element.p;\n",
            $("    ", stringify!($state), "[i] = element.", stringify!($state), ";\n",)*
            "}\n\nfn is_sound(element: Element) -> bool {\n    return is_finite(element.p)",
            $(" && is_finite(element.", stringify!($state), ")",)*
            ";\n}\n\n",
            "fn updated(element: Element, g: f32, rate: f32, decay: f32, params: Params) -> Element {\n",
            "    let kept = 1.0 - rate * decay;\n    let share = step.average;\n",
            "    var p = element.p;\n",
            $("    var ", stringify!($state), " = element.", stringify!($state), ";\n",)*
            $("    let ", stringify!($setting), " = params.", stringify!($setting), ";\n",)*
            $crate::elementwise::update::scalars!(1 2 3 4; $($scalar)*),
            "    ", stringify!($($body)*), "\n",
            "    return Element(p", $(", ", stringify!($state),)* ");\n}\n\n",
            include_str!("../../shaders/update.wgsl"),
        )
    };
}

/// The given text, if there is one.
macro_rules! first {
    () => {
        None
    };
    ($text:expr) => {
        Some($text)
    };
}

/// Expands to the pattern of zipped iterators: `(((p, g), m), v)`.
macro_rules! pattern {
    ($inner:tt) => {
        $inner
    };
    ($inner:tt $next:ident $($rest:ident)*) => {
        $crate::elementwise::update::pattern!(($inner, $next) $($rest)*)
    };
}

/// Expands to the WGSL of the states' bindings, which get the given numbers.
macro_rules! bindings {
    ($($number:literal)*;) => {
        ""
    };
    ($number:literal $($numbers:literal)*; $state:ident $($states:ident)*) => {
        concat!(
            "@group(0) @binding(", $number, ") var<storage, read_write> ", stringify!($state), ": array<f32>;\n",
            $crate::elementwise::update::bindings!($($numbers)*; $($states)*)
        )
    };
}

/// Expands to the WGSL of the binding `groups`, whose number follows those of the states.
macro_rules! groups {
    ($number:literal $($numbers:literal)*;) => {
        concat!("@group(0) @binding(", $number, ") var<storage, read> groups: array<f32>;\n\n")
    };
    ($number:literal $($numbers:literal)*; $state:ident $($states:ident)*) => {
        $crate::elementwise::update::groups!($($numbers)*; $($states)*)
    };
}

/// Expands to the WGSL that reads the host's values for the step from the step record.
macro_rules! scalars {
    ($($number:literal)*;) => {
        ""
    };
    ($number:literal $($numbers:literal)*; $scalar:ident $($scalars:ident)*) => {
        concat!(
            "    let ", stringify!($scalar), " = step.optimizer", $number, ";\n",
            $crate::elementwise::update::scalars!($($numbers)*; $($scalars)*)
        )
    };
}
pub(crate) use {bindings, first, formula, groups, pattern, scalars, updates, wgsl};
