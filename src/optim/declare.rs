//! The macro that declares the optimizers; see [`optimizers!`].

use crate::error::{Error, Result};

/// Expands to the Rust type of a setting of the given kind.
macro_rules! type_of {
    (Flag) => {
        bool
    };
    ($number:ident) => {
        f64
    };
}

/// Expands to the range of a setting of the given kind, as text for doc comments.
macro_rules! range_of {
    (NotNegative) => {
        "at least 0"
    };
    (Fraction) => {
        "at least 0 and below 1"
    };
    (Positive) => {
        "above 0"
    };
}

/// Defines the builder method that sets one setting of an optimizer.
macro_rules! setter {
    ($type:ident, $field:ident, Flag) => {
        #[doc = concat!("Sets `", stringify!($field), "` to true.")]
        ///
        /// # Examples
        /// ```
        #[doc = concat!("assert!(wgrad::", stringify!($type), "::default().", stringify!($field), "().", stringify!($field), ");")]
        /// ```
        pub fn $field(mut self) -> Self {
            self.$field = true;
            self
        }
    };
    ($type:ident, $field:ident, $kind:ident) => {
        #[doc = concat!("Sets `", stringify!($field), "`, ", range_of!($kind), ".")]
        ///
        /// # Examples
        /// ```
        #[doc = concat!("let optimizer = wgrad::", stringify!($type), "::default().", stringify!($field), "(0.5);")]
        #[doc = concat!("assert_eq!(optimizer.", stringify!($field), ", 0.5);")]
        /// ```
        pub fn $field(mut self, value: f64) -> Self {
            self.$field = value;
            self
        }
    };
}

/// Expands to the range check of one setting.
macro_rules! check {
    ($place:expr, $name:expr, $value:expr, Flag) => {
        Ok(())
    };
    ($place:expr, $name:expr, $value:expr, NotNegative) => {
        in_range($place, $name, $value, ($value as f32).is_finite() && $value >= 0.0, "at least 0 and finite as an f32")
    };
    ($place:expr, $name:expr, $value:expr, Fraction) => {
        in_range($place, $name, $value, (0.0..1.0).contains(&$value), "at least 0 and below 1")
    };
    // With an epsilon of 0, a parameter whose gradients were all 0 would become 0/0.
    ($place:expr, $name:expr, $value:expr, Positive) => {
        in_range(
            $place,
            $name,
            $value,
            ($value as f32).is_finite() && $value as f32 > 0.0,
            "above 0 and finite as an f32",
        )
    };
}

pub(super) fn in_range(place: &str, name: &str, value: f64, is_inside: bool, wanted: &str) -> Result<()> {
    if is_inside { Ok(()) } else { Err(Error::value(place, name, value, wanted)) }
}

/// Expands to the description of a valid value, for the error of a value that does not parse.
macro_rules! wanted {
    (Flag) => {
        "true or false"
    };
    ($number:ident) => {
        "a number"
    };
}

/// Declares the optimizers. Each has settings with kind and default, the `Rule` of its update, and the values that the
/// host computes for step t (from 1), in the order of [`Update::scalars`].
macro_rules! optimizers {
    ($(
        $(#[$doc:meta])*
        $type:ident = $name:literal $formula:literal {
            learning_rate = $rate:literal,
            $($(#[$field_doc:meta])* $field:ident: $kind:ident = $default:literal,)*
        }
        |$o:ident| $rule:expr;
        |$s:ident, $t:ident| $scalars:expr;
    )*) => {
        $(
            $(#[$doc])*
            ///
            /// # Examples
            /// ```
            #[doc = concat!("use wgrad::{Optimizer, ", stringify!($type), "};")]
            #[doc = concat!("let optimizer = Optimizer::from(", stringify!($type), "::new(0.05));")]
            #[doc = concat!("assert_eq!((optimizer.name(), optimizer.learning_rate()), (\"", $name, "\", 0.05));")]
            /// ```
            #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
            #[serde(default, deny_unknown_fields)]
            pub struct $type {
                #[doc = concat!("Learning rate, default ", stringify!($rate), ".")]
                pub learning_rate: f64,
                $(
                    $(#[$field_doc])*
                    #[doc = concat!("Default ", stringify!($default), ".")]
                    pub $field: type_of!($kind),
                )*
            }

            impl $type {
                /// Creates the optimizer with this learning rate and the defaults for all other settings.
                ///
                /// # Examples
                /// ```
                #[doc = concat!("let optimizer = wgrad::", stringify!($type), "::new(0.05);")]
                /// assert_eq!(optimizer.learning_rate, 0.05);
                /// ```
                pub fn new(learning_rate: f64) -> Self {
                    Self { learning_rate, ..Self::default() }
                }

                $(setter!($type, $field, $kind);)*

                fn check_settings(&self) -> Result<()> {
                    let place = concat!("optimizer ", $name);
                    check!(place, "learning_rate", self.learning_rate, NotNegative)?;
                    $(check!(place, stringify!($field), self.$field, $kind)?;)*
                    Ok(())
                }

                pub(super) fn from_term(term: &Term<'_>) -> Result<Self> {
                    let place = concat!("optimizer `", $name, "`");
                    let mut optimizer = Self::default();
                    for (name, text) in term.named("optimizer", &["learning_rate", $(stringify!($field)),*])? {
                        match name {
                            $(stringify!($field) => {
                                optimizer.$field = number(place, name, text, wanted!($kind))?;
                            })*
                            _ => optimizer.learning_rate = number(place, name, text, "a number")?,
                        }
                    }
                    Ok(optimizer)
                }
            }

            impl Default for $type {
                fn default() -> Self {
                    Self { learning_rate: $rate, $($field: $default),* }
                }
            }

            impl From<$type> for Optimizer {
                fn from(optimizer: $type) -> Self {
                    Self::$type(optimizer)
                }
            }
        )*

        /// Optimizer with its settings. As in PyTorch, weight decay applies to weights and biases.
        ///
        /// # Examples
        /// ```
        /// use wgrad::{Adam, Optimizer};
        /// let optimizer: Optimizer = "adam(beta1=0.8)".parse()?;
        /// assert_eq!(optimizer, Adam::default().beta1(0.8).into());
        /// # Ok::<(), wgrad::Error>(())
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "kind")]
        #[non_exhaustive]
        pub enum Optimizer {
            $(
                #[doc = concat!("[`", stringify!($type), "`].")]
                #[serde(rename = $name)]
                $type($type),
            )*
        }

        impl Optimizer {
            /// Names that [`Optimizer::from_str`](std::str::FromStr::from_str) parses. `sgd_momentum` is SGD with
            /// momentum 0.9.
            pub const NAMES: &'static [&'static str] = &[$($name,)* SGD_MOMENTUM];

            /// Returns all optimizers with their defaults.
            ///
            /// # Examples
            /// ```
            /// use wgrad::{Adam, Optimizer};
            /// assert!(Optimizer::all().any(|optimizer| optimizer == Adam::default().into()));
            /// ```
            pub fn all() -> impl Iterator<Item = Self> {
                [$(Self::from($type::default())),*].into_iter()
            }

            /// Returns the name. Names of state tensors begin with it, such as `adam.m.layer0.weight`.
            ///
            /// # Examples
            /// ```
            /// use wgrad::{AdamW, Optimizer};
            /// assert_eq!(Optimizer::from(AdamW::default()).name(), "adamw");
            /// ```
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$type(_) => $name,)*
                }
            }

            /// Returns the name with all settings.
            ///
            /// # Examples
            /// ```
            /// use wgrad::{Lion, Optimizer};
            /// let signature = "lion(learning_rate=0.0001, beta1=0.9, beta2=0.99, weight_decay=0)";
            /// assert_eq!(Optimizer::from(Lion::default()).signature(), signature);
            /// ```
            pub fn signature(&self) -> String {
                let setting = |name: &str, value: String| format!("{name}={value}");
                match self {
                    $(Self::$type(optimizer) => {
                        let rate = setting("learning_rate", shortest(optimizer.learning_rate));
                        term($name, &[rate, $(setting(stringify!($field), shortest(optimizer.$field))),*])
                    })*
                }
            }

            /// Returns a short formula of the update as text: p is a parameter, g its gradient, and rate the learning
            /// rate.
            ///
            /// # Examples
            /// ```
            /// use wgrad::{Lion, Optimizer};
            /// assert_eq!(Optimizer::from(Lion::default()).formula(), "p - rate·sign(beta1·m + (1 - beta1)·g), m mean of g by beta2");
            /// ```
            pub fn formula(&self) -> &'static str {
                match self {
                    $(Self::$type(_) => $formula,)*
                }
            }

            /// Returns the base learning rate, which the schedule's factor multiplies.
            ///
            /// # Examples
            /// ```
            /// use wgrad::{Optimizer, Sgd};
            /// assert_eq!(Optimizer::from(Sgd::new(0.1)).learning_rate(), 0.1);
            /// ```
            pub fn learning_rate(&self) -> f64 {
                match self {
                    $(Self::$type(optimizer) => optimizer.learning_rate,)*
                }
            }

            /// Sets the base learning rate.
            ///
            /// # Examples
            /// ```
            /// use wgrad::{Optimizer, Sgd};
            /// let optimizer = Optimizer::from(Sgd::new(0.1)).with_learning_rate(0.01);
            /// assert_eq!(optimizer.learning_rate(), 0.01);
            /// ```
            pub fn with_learning_rate(mut self, learning_rate: f64) -> Self {
                match &mut self {
                    $(Self::$type(optimizer) => optimizer.learning_rate = learning_rate,)*
                }
                self
            }

            /// Sets the weight decay.
            ///
            /// # Examples
            /// ```
            /// use wgrad::{AdamW, Optimizer};
            /// let optimizer = Optimizer::from(AdamW::default()).with_weight_decay(0.2);
            /// assert_eq!(optimizer, AdamW::default().weight_decay(0.2).into());
            /// ```
            pub fn with_weight_decay(mut self, weight_decay: f64) -> Self {
                match &mut self {
                    $(Self::$type(optimizer) => optimizer.weight_decay = weight_decay,)*
                }
                self
            }

            /// Returns the optimizer's update with the values of its settings.
            pub(crate) fn rule(&self) -> Rule {
                match self {
                    $(Self::$type($o) => $rule,)*
                }
            }

            /// Returns the values that the host computes for `step` (from 0), such as bias corrections, in the order of
            /// [`Update::scalars`].
            pub(crate) fn scalars(&self, step: u64) -> [f64; MAX_SCALARS] {
                let mut values = [0.0; MAX_SCALARS];
                match self {
                    $(Self::$type($s) => {
                        let $t = step + 1;
                        let computed = $scalars;
                        values[..computed.len()].copy_from_slice(&computed);
                    })*
                }
                values
            }

            pub(super) fn check_settings(&self) -> Result<()> {
                match self {
                    $(Self::$type(optimizer) => optimizer.check_settings(),)*
                }
            }

            pub(super) fn from_term(term: &Term<'_>) -> Option<Result<Self>> {
                match term.name {
                    $($name => Some($type::from_term(term).map(Self::from)),)*
                    _ => None,
                }
            }
        }
    };
}

pub(super) use {check, optimizers, range_of, setter, type_of, wanted};
