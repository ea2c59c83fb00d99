//! Optimizers. Formulas, names and defaults are PyTorch's, except the default learning rate of SGD: PyTorch's depends on its
//! version.
//!
//! In the formulas, p is a parameter, g its gradient, η the learning rate of the step, and t the step from 1. Each optimizer
//! has a weight decay λ, either as an L2 penalty (g ← g + λ·p before everything else) or decoupled (p ← p·(1 − η·λ) before the
//! rest of the update).

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::elementwise::{MAX_SCALARS, Update, updates};
use crate::error::{Error, Result};
use crate::text::{Term, number};

/// Declared update of an optimizer, with the settings of its kernel.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// The update.
    pub update: &'static Update,
    /// Weight decay as an L2 penalty.
    pub l2: f64,
    /// Decoupled weight decay.
    pub decay: f64,
    /// Names and values of the settings, in the order of [`Update::settings`].
    pub settings: Vec<(&'static str, f64)>,
}

impl Rule {
    fn new(update: &'static Update, weight_decay: f64, decoupled: bool, settings: &[(&'static str, f64)]) -> Self {
        let [l2, decay] = if decoupled { [0.0, weight_decay] } else { [weight_decay, 0.0] };
        Self { update, l2, decay, settings: settings.to_vec() }
    }
}

/// 1 − βᵗ.
fn correction(beta: f64, t: u64) -> f64 {
    1.0 - beta.powi(t.min(i32::MAX as u64) as i32)
}

/// Factor of NAdam's momentum in step t, and the product of the factors of all steps up to t. A product that is lost in 1 − the
/// product ends the computation.
fn nadam_momentum(beta1: f64, momentum_decay: f64, t: u64) -> (f64, f64) {
    let factor = |t: u64| beta1 * (1.0 - 0.5 * 0.96f64.powf(t as f64 * momentum_decay));
    let mut product = 1.0;
    for step in 1..=t {
        product *= factor(step);
        if product < f64::EPSILON / 8.0 {
            break;
        }
    }
    (factor(t), product)
}

/// RAdam's factor of the adaptive learning rate in step t, with √(1 − β₂ᵗ); 0 where the variance is not tractable.
fn radam_rectification(beta2: f64, t: u64) -> f64 {
    let (longest, corrected) = (2.0 / (1.0 - beta2) - 1.0, correction(beta2, t));
    let length = longest - 2.0 * t as f64 * (1.0 - corrected) / corrected;
    if length <= 5.0 {
        return 0.0;
    }
    let ratio = |length: f64| (length - 4.0) * (length - 2.0) / length;
    (ratio(length) / ratio(longest) * corrected).sqrt()
}

/// Type of a setting of this kind.
macro_rules! type_of {
    (Flag) => {
        bool
    };
    ($number:ident) => {
        f64
    };
}

/// Range of a setting of this kind, for people.
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

/// Method of an optimizer that sets a setting.
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

/// Checks a setting.
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

fn in_range(place: &str, name: &str, value: f64, is_inside: bool, wanted: &str) -> Result<()> {
    if is_inside { Ok(()) } else { Err(Error::value(place, name, value, wanted)) }
}

/// Description of a value of this kind in text.
macro_rules! wanted {
    (Flag) => {
        "true or false"
    };
    ($number:ident) => {
        "a number"
    };
}

/// Declares the optimizers: their settings with kind and default, the rule of their update, and the values that they compute for
/// step t, in the order of [`Update::scalars`].
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

                fn from_term(term: &Term<'_>) -> Result<Self> {
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
            /// Names that [`Optimizer::from_str`] parses. `sgd_momentum` is SGD with momentum 0.9.
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

            /// Returns the name, with which the names of state tensors begin (`adam.m.layer0.weight`).
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

            /// Returns the update in short, as text.
            ///
            /// # Examples
            /// ```
            /// use wgrad::{Lion, Optimizer};
            /// assert_eq!(Optimizer::from(Lion::default()).formula(), "p - rate·sign(beta1·m + (1 - beta1)·g)");
            /// ```
            pub fn formula(&self) -> &'static str {
                match self {
                    $(Self::$type(_) => $formula,)*
                }
            }

            /// Returns the learning rate before the schedule.
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

            /// Sets the learning rate.
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

            /// Returns the update and its settings.
            pub(crate) fn rule(&self) -> Rule {
                match self {
                    $(Self::$type($o) => $rule,)*
                }
            }

            /// Returns the values for `step` (from 0), in the order of [`Update::scalars`].
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

            fn check_settings(&self) -> Result<()> {
                match self {
                    $(Self::$type(optimizer) => optimizer.check_settings(),)*
                }
            }

            fn from_term(term: &Term<'_>) -> Option<Result<Self>> {
                match term.name {
                    $($name => Some($type::from_term(term).map(Self::from)),)*
                    _ => None,
                }
            }
        }
    };
}

/// Name of SGD with momentum.
const SGD_MOMENTUM: &str = "sgd_momentum";

optimizers! {
    /// AdamW (`torch.optim.AdamW`; Loshchilov and Hutter 2019): [`Adam`] with decoupled weight decay.
    AdamW = "adamw" "Adam with decoupled weight decay" {
        learning_rate = 1e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the mean square v, in [0, 1).
        beta2: Fraction = 0.999,
        /// ε, added to the bias-corrected root.
        epsilon: Positive = 1e-8,
        /// Decoupled weight decay.
        weight_decay: NotNegative = 0.01,
        /// Use of the largest v so far in place of v (AMSGrad; Reddi et al. 2018).
        amsgrad: Flag = false,
    }
    |o| adam(o.amsgrad, o.weight_decay, true, [o.beta1, o.beta2, o.epsilon]);
    |o, t| [correction(o.beta1, t), correction(o.beta2, t).sqrt()];

    /// Adam (`torch.optim.Adam`; Kingma and Ba 2015), with weight decay as an L2 penalty.
    ///
    /// m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²; p ← p − η·(m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε).
    Adam = "adam" "p - rate·m/c1 / (sqrt(v)/c2 + epsilon), m and v means of g and g^2" {
        learning_rate = 1e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the mean square v, in [0, 1).
        beta2: Fraction = 0.999,
        /// ε, added to the bias-corrected root.
        epsilon: Positive = 1e-8,
        /// Weight decay (L2 penalty).
        weight_decay: NotNegative = 0.0,
        /// Use of the largest v so far in place of v (AMSGrad; Reddi et al. 2018).
        amsgrad: Flag = false,
    }
    |o| adam(o.amsgrad, o.weight_decay, false, [o.beta1, o.beta2, o.epsilon]);
    |o, t| [correction(o.beta1, t), correction(o.beta2, t).sqrt()];

    /// NAdam (`torch.optim.NAdam`; Dozat 2016): Adam with Nesterov momentum.
    ///
    /// With μₜ = β₁·(1 − 0.5·0.96^(t·ψ)) and Πₜ their product: m and v as in [`Adam`];
    /// p ← p − η·((1 − μₜ) / (1 − Πₜ)·g + μₜ₊₁ / (1 − Πₜ₊₁)·m) / (√(v / (1 − β₂ᵗ)) + ε).
    NAdam = "nadam" "Adam with Nesterov momentum" {
        learning_rate = 2e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the mean square v, in [0, 1).
        beta2: Fraction = 0.999,
        /// ε, added to the bias-corrected root.
        epsilon: Positive = 1e-8,
        /// Weight decay, an L2 penalty unless `decoupled`.
        weight_decay: NotNegative = 0.0,
        /// Decoupled weight decay, as in [`AdamW`].
        decoupled: Flag = false,
        /// ψ, the speed at which the momentum factor approaches β₁.
        momentum_decay: NotNegative = 0.004,
    }
    |o| Rule::new(&updates::NADAM, o.weight_decay, o.decoupled, &moments(o.beta1, o.beta2, o.epsilon));
    |o, t| {
        let [(factor, product), (next, both)] = [t, t + 1].map(|t| nadam_momentum(o.beta1, o.momentum_decay, t));
        [(1.0 - factor) / (1.0 - product), next / (1.0 - both), correction(o.beta2, t).sqrt()]
    };

    /// RAdam (`torch.optim.RAdam`; Liu et al. 2020): Adam whose learning rate is adaptive only where the variance of 1 / √v is
    /// tractable.
    ///
    /// m and v as in [`Adam`]; p ← p − η·(m / (1 − β₁ᵗ))·rₜ·√(1 − β₂ᵗ) / (√v + ε), and p ← p − η·m / (1 − β₁ᵗ) in the first
    /// steps, with rₜ the rectification term of the paper.
    RAdam = "radam" "Adam, adaptive once the variance is tractable" {
        learning_rate = 1e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the mean square v, in [0, 1).
        beta2: Fraction = 0.999,
        /// ε, added to the root.
        epsilon: Positive = 1e-8,
        /// Weight decay, an L2 penalty unless `decoupled`.
        weight_decay: NotNegative = 0.0,
        /// Decoupled weight decay, as in [`AdamW`].
        decoupled: Flag = false,
    }
    |o| Rule::new(&updates::RADAM, o.weight_decay, o.decoupled, &moments(o.beta1, o.beta2, o.epsilon));
    |o, t| [correction(o.beta1, t), radam_rectification(o.beta2, t)];

    /// Adamax (`torch.optim.Adamax`; Kingma and Ba 2015, section 7.1).
    ///
    /// m ← β₁·m + (1 − β₁)·g; u ← max(β₂·u, |g| + ε); p ← p − η·(m / (1 − β₁ᵗ)) / u.
    Adamax = "adamax" "p - rate·m/c1 / u, u = max(beta2·u, |g| + epsilon)" {
        learning_rate = 2e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the largest magnitude u, in [0, 1).
        beta2: Fraction = 0.999,
        /// ε, added to the magnitude of the gradient.
        epsilon: Positive = 1e-8,
        /// Weight decay (L2 penalty).
        weight_decay: NotNegative = 0.0,
    }
    |o| Rule::new(
        &updates::ADAMAX,
        o.weight_decay,
        false,
        &[("beta1", o.beta1), ("one_minus_beta1", 1.0 - o.beta1), ("beta2", o.beta2), ("epsilon", o.epsilon)],
    );
    |o, t| [correction(o.beta1, t)];

    /// Adan (Xie et al. 2022, with the bias corrections of the authors' program), with decoupled weight decay that divides.
    ///
    /// With d = g − g of the step before (0 in the first): m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·d;
    /// n ← β₃·n + (1 − β₃)·(g + β₂·d)²;
    /// p ← (p − η·(m / (1 − β₁ᵗ) + β₂·v / (1 − β₂ᵗ)) / (√(n / (1 − β₃ᵗ)) + ε)) / (1 + η·λ).
    Adan = "adan" "Adam with Nesterov momentum from differences of gradients" {
        learning_rate = 1e-3,
        /// Decay rate β₁ of the mean gradient m, in [0, 1).
        beta1: Fraction = 0.98,
        /// Decay rate β₂ of the mean difference v, in [0, 1).
        beta2: Fraction = 0.92,
        /// Decay rate β₃ of the mean square n, in [0, 1).
        beta3: Fraction = 0.99,
        /// ε, added to the bias-corrected root.
        epsilon: Positive = 1e-8,
        /// Decoupled weight decay λ.
        weight_decay: NotNegative = 0.0,
    }
    |o| Rule::new(
        &updates::ADAN,
        0.0,
        false,
        &[
            ("beta1", o.beta1),
            ("one_minus_beta1", 1.0 - o.beta1),
            ("beta2", o.beta2),
            ("one_minus_beta2", 1.0 - o.beta2),
            ("beta3", o.beta3),
            ("one_minus_beta3", 1.0 - o.beta3),
            ("epsilon", o.epsilon),
            ("divided", o.weight_decay),
        ],
    );
    |o, t| {
        let root = correction(o.beta3, t).sqrt();
        [f64::from(u8::from(t > 1)), correction(o.beta1, t), correction(o.beta2, t), root]
    };

    /// Lion (Chen et al. 2023), with decoupled weight decay.
    ///
    /// p ← p − η·sign(β₁·m + (1 − β₁)·g), then m ← β₂·m + (1 − β₂)·g.
    Lion = "lion" "p - rate·sign(beta1·m + (1 - beta1)·g)" {
        learning_rate = 1e-4,
        /// Share β₁ of m in the direction, in [0, 1).
        beta1: Fraction = 0.9,
        /// Decay rate β₂ of the mean gradient m, in [0, 1).
        beta2: Fraction = 0.99,
        /// Decoupled weight decay.
        weight_decay: NotNegative = 0.0,
    }
    |o| Rule::new(&updates::LION, o.weight_decay, true, &moments(o.beta1, o.beta2, 0.0)[..4]);
    |_o, _t| [0.0; 0];

    /// RMSprop (`torch.optim.RMSprop`; Tieleman and Hinton 2012).
    ///
    /// v ← α·v + (1 − α)·g²; d = g / (√v + ε); p ← p − η·d, or with momentum b ← momentum·b + d and p ← p − η·b. If centered,
    /// v − m² takes the place of v in the root, with m ← α·m + (1 − α)·g; it is 0 where rounding makes it negative.
    RmsProp = "rmsprop" "p - rate·g / (sqrt(v) + epsilon), v mean of g^2" {
        learning_rate = 0.01,
        /// Decay rate α of the mean square v, in [0, 1).
        alpha: Fraction = 0.99,
        /// ε, added to the root.
        epsilon: Positive = 1e-8,
        /// Weight decay (L2 penalty).
        weight_decay: NotNegative = 0.0,
        /// Momentum factor, in [0, 1).
        momentum: Fraction = 0.0,
        /// Use of the variance in place of the mean square.
        centered: Flag = false,
    }
    |o| {
        let (update, count) = match (o.centered, o.momentum > 0.0) {
            (false, false) => (&updates::RMSPROP, 3),
            (false, true) => (&updates::RMSPROP_MOMENTUM, 4),
            (true, false) => (&updates::RMSPROP_CENTERED, 3),
            (true, true) => (&updates::RMSPROP_CENTERED_MOMENTUM, 4),
        };
        let settings = [
            ("alpha", o.alpha),
            ("one_minus_alpha", 1.0 - o.alpha),
            ("epsilon", o.epsilon),
            ("factor", o.momentum),
        ];
        Rule::new(update, o.weight_decay, false, &settings[..count])
    };
    |_o, _t| [0.0; 0];

    /// Adagrad (`torch.optim.Adagrad`; Duchi et al. 2011).
    ///
    /// s ← s + g²; p ← p − η / (1 + (t − 1)·rate_decay)·g / (√(s + initial) + ε).
    Adagrad = "adagrad" "p - rate·g / (sqrt(s) + epsilon), s sum of g^2" {
        learning_rate = 0.01,
        /// Decay of the learning rate (PyTorch's `lr_decay`).
        rate_decay: NotNegative = 0.0,
        /// Number added to the sum of squares (PyTorch's `initial_accumulator_value`).
        initial: NotNegative = 0.0,
        /// ε, added to the root.
        epsilon: Positive = 1e-10,
        /// Weight decay (L2 penalty).
        weight_decay: NotNegative = 0.0,
    }
    |o| Rule::new(&updates::ADAGRAD, o.weight_decay, false, &[("epsilon", o.epsilon), ("initial", o.initial)]);
    |o, t| [1.0 / (1.0 + (t - 1) as f64 * o.rate_decay)];

    /// Adadelta (`torch.optim.Adadelta`; Zeiler 2012).
    ///
    /// v ← ρ·v + (1 − ρ)·g²; d = g·√(u + ε) / √(v + ε); u ← ρ·u + (1 − ρ)·d²; p ← p − η·d.
    Adadelta = "adadelta" "p - rate·g·sqrt(u + epsilon) / sqrt(v + epsilon)" {
        learning_rate = 1.0,
        /// Decay rate ρ of both means, in [0, 1).
        rho: Fraction = 0.9,
        /// ε, added under both roots.
        epsilon: Positive = 1e-6,
        /// Weight decay (L2 penalty).
        weight_decay: NotNegative = 0.0,
    }
    |o| Rule::new(
        &updates::ADADELTA,
        o.weight_decay,
        false,
        &[("rho", o.rho), ("one_minus_rho", 1.0 - o.rho), ("epsilon", o.epsilon)],
    );
    |_o, _t| [0.0; 0];

    /// Stochastic gradient descent, optionally with momentum (`torch.optim.SGD`).
    ///
    /// b ← momentum·b + (1 − dampening)·g, where the first step has no dampening; p ← p − η·b, or with Nesterov momentum
    /// p ← p − η·(g + momentum·b).
    Sgd = "sgd" "p - rate·b, b = momentum·b + g" {
        learning_rate = 0.01,
        /// Momentum factor, in [0, 1).
        momentum: Fraction = 0.0,
        /// Share of the gradient that momentum leaves out, in [0, 1).
        dampening: Fraction = 0.0,
        /// Use of Nesterov momentum, which needs momentum above 0 and no dampening.
        nesterov: Flag = false,
        /// Weight decay (L2 penalty).
        weight_decay: NotNegative = 0.0,
    }
    |o| match o.momentum {
        0.0 => Rule::new(&updates::SGD, o.weight_decay, false, &[]),
        momentum => {
            let settings = [("factor", momentum), ("nesterov", f64::from(u8::from(o.nesterov)))];
            Rule::new(&updates::SGD_MOMENTUM, o.weight_decay, false, &settings)
        }
    };
    |o, t| [if t == 1 { 1.0 } else { 1.0 - o.dampening }];
}

/// Rule of Adam and AdamW.
fn adam(amsgrad: bool, weight_decay: f64, decoupled: bool, [beta1, beta2, epsilon]: [f64; 3]) -> Rule {
    let update = if amsgrad { &updates::AMSGRAD } else { &updates::ADAMW };
    Rule::new(update, weight_decay, decoupled, &moments(beta1, beta2, epsilon))
}

/// Settings of updates with two means. 1 − β is rounded once.
fn moments(beta1: f64, beta2: f64, epsilon: f64) -> [(&'static str, f64); 5] {
    [
        ("beta1", beta1),
        ("one_minus_beta1", 1.0 - beta1),
        ("beta2", beta2),
        ("one_minus_beta2", 1.0 - beta2),
        ("epsilon", epsilon),
    ]
}

impl Optimizer {
    /// Returns an optimizer for each update: all optimizers, and settings that have an update of their own.
    #[doc(hidden)]
    pub fn one_per_update() -> Vec<Self> {
        let momentum = RmsProp::default().momentum(0.9);
        let more: [Self; 5] = [
            Adam::default().amsgrad().into(),
            momentum.into(),
            RmsProp::default().centered().into(),
            momentum.centered().into(),
            Sgd::default().momentum(0.9).into(),
        ];
        let mut optimizers: Vec<Self> = Self::all().chain(more).collect();
        optimizers.sort_by_key(|optimizer| optimizer.rule().update.name);
        optimizers.dedup_by_key(|optimizer| optimizer.rule().update.name);
        optimizers
    }

    /// Returns the names of the state tensors per parameter.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Adam, Optimizer, Sgd};
    /// assert_eq!(Optimizer::from(Adam::default()).states(), ["m", "v"]);
    /// assert!(Optimizer::from(Sgd::default()).states().is_empty());
    /// ```
    pub fn states(&self) -> &'static [&'static str] {
        self.rule().update.states
    }

    /// Sets the momentum of SGD or RMSprop.
    ///
    /// # Errors
    /// The optimizer has no momentum.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Optimizer, Sgd};
    /// let optimizer = Optimizer::from(Sgd::new(0.1)).with_momentum(0.9)?;
    /// assert_eq!(optimizer, Sgd::new(0.1).momentum(0.9).into());
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn with_momentum(self, momentum: f64) -> Result<Self> {
        match self {
            Self::Sgd(sgd) => Ok(sgd.momentum(momentum).into()),
            Self::RmsProp(rmsprop) => Ok(rmsprop.momentum(momentum).into()),
            other => {
                let problem = format!("{} has no momentum", other.name());
                Err(Error::conflict("optimizer", problem, "leave it out, or use sgd or rmsprop"))
            }
        }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// A learning rate or weight decay that is negative or not finite as an f32; a momentum, dampening, α, β or ρ outside
    /// [0, 1); an ε that is not above 0; Nesterov momentum without momentum or with dampening; dampening without momentum. A
    /// learning rate of 0 is allowed, as in PyTorch: it computes losses and gradients without changing parameters.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Adam, Optimizer};
    /// let error = Optimizer::from(Adam::new(-1.0)).check().expect_err("the rate is negative");
    /// assert!(error.to_string().contains("learning_rate is -1"));
    /// ```
    pub fn check(&self) -> Result<()> {
        self.check_settings()?;
        let Self::Sgd(Sgd { momentum, dampening, nesterov, .. }) = *self else { return Ok(()) };
        let conflict = |problem: &str, remedy| Err(Error::conflict("optimizer sgd", problem, remedy));
        match (momentum == 0.0, dampening == 0.0, nesterov) {
            (true, _, true) => conflict("nesterov needs momentum, which is 0", "set momentum, for example to 0.9"),
            (true, false, false) => {
                conflict("dampening needs momentum, which is 0", "set momentum, for example to 0.9")
            }
            (false, false, true) => conflict("nesterov needs a dampening of 0", "leave out one of the two"),
            _ => Ok(()),
        }
    }
}

impl FromStr for Optimizer {
    type Err = Error;

    /// Returns the optimizer of this name with its defaults, except for the settings in parentheses: `rmsprop(centered=true)`.
    /// `sgd_momentum` is SGD with momentum 0.9.
    fn from_str(text: &str) -> Result<Self> {
        let term = Term::parse("optimizer", text)?;
        if term.name == SGD_MOMENTUM {
            let sgd = Sgd::from_term(&term)?;
            return Ok(if sgd.momentum == 0.0 { sgd.momentum(0.9) } else { sgd }.into());
        }
        Self::from_term(&term).unwrap_or_else(|| Err(Error::unknown("optimizer", term.name, Self::NAMES)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The settings of a rule are positions in the parameters of a kernel.
    #[test]
    fn every_rule_has_the_settings_of_its_update() {
        let mut unused: Vec<&str> = updates::ALL.iter().map(|update| update.name).collect();
        for optimizer in Optimizer::all().chain(Optimizer::one_per_update()) {
            let rule = optimizer.rule();
            let names: Vec<&str> = rule.settings.iter().map(|(name, _)| *name).collect();
            assert_eq!(names, rule.update.settings, "{optimizer:?}");
            unused.retain(|name| *name != rule.update.name);
        }
        assert!(unused.is_empty(), "no optimizer has the updates {unused:?}");
    }

    #[test]
    fn nadam_momentum_is_the_product_of_all_factors() {
        // β₁ = 0.5 and no decay: every factor is 0.5·(1 − 0.5) = 0.25.
        assert_eq!(nadam_momentum(0.5, 0.0, 2), (0.25, 0.0625));
    }

    #[test]
    fn radam_is_not_adaptive_in_the_first_five_steps() {
        let factors: Vec<f64> = (1..8).map(|t| radam_rectification(0.999, t)).collect();
        assert!(factors[..5].iter().all(|factor| *factor == 0.0) && factors[5] > 0.0, "{factors:?}");
    }
}
