//! Optimizers. Formulas, names and defaults are PyTorch's, except the default learning rate of SGD: PyTorch's depends on its
//! version.
//!
//! In the formulas, p is a parameter, g its gradient, η the learning rate of the step, and t the step from 1.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Stochastic gradient descent, optionally with momentum (`torch.optim.SGD`).
///
/// g ← g + weight_decay·p; b ← momentum·b + g; p ← p − η·b, or with Nesterov momentum p ← p − η·(g + momentum·b).
///
/// # Examples
/// ```
/// use wgrad::{Optimizer, Sgd};
/// let optimizer = Optimizer::from(Sgd::new(0.1).momentum(0.9).nesterov());
/// assert!(optimizer.check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// Learning rate, default 0.01.
    pub learning_rate: f64,
    /// Momentum factor in [0, 1), default 0.
    pub momentum: f64,
    /// Use of Nesterov momentum, default false.
    pub nesterov: bool,
    /// Weight decay (L2 penalty), added to the gradient; default 0.
    pub weight_decay: f64,
}

/// RMSprop (`torch.optim.RMSprop`, neither centered nor with momentum; Tieleman and Hinton 2012).
///
/// g ← g + weight_decay·p; v ← α·v + (1 − α)·g²; p ← p − η·g / (√v + ε).
///
/// # Examples
/// ```
/// let optimizer = wgrad::RmsProp::new(1e-3).alpha(0.9);
/// assert_eq!((optimizer.alpha, optimizer.epsilon), (0.9, 1e-8));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmsProp {
    /// Learning rate, default 0.01.
    pub learning_rate: f64,
    /// Decay rate α of the mean square v, in [0, 1), default 0.99.
    pub alpha: f64,
    /// ε, added to the root; default 1e-8.
    pub epsilon: f64,
    /// Weight decay (L2 penalty), added to the gradient; default 0.
    pub weight_decay: f64,
}

/// Adam (`torch.optim.Adam`; Kingma and Ba 2015), with weight decay as an L2 penalty.
///
/// g ← g + weight_decay·p; m ← β₁·m + (1 − β₁)·g; v ← β₂·v + (1 − β₂)·g²;
/// p ← p − η·(m / (1 − β₁ᵗ)) / (√(v / (1 − β₂ᵗ)) + ε).
///
/// # Examples
/// ```
/// let optimizer = wgrad::Adam::new(1e-3).beta1(0.8).weight_decay(1e-4);
/// assert_eq!((optimizer.beta1, optimizer.beta2), (0.8, 0.999));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// Learning rate, default 0.001.
    pub learning_rate: f64,
    /// Decay rate β₁ of the mean gradient m, in [0, 1), default 0.9.
    pub beta1: f64,
    /// Decay rate β₂ of the mean square v, in [0, 1), default 0.999.
    pub beta2: f64,
    /// ε, added to the bias-corrected root; default 1e-8.
    pub epsilon: f64,
    /// Weight decay (L2 penalty), added to the gradient; default 0.
    pub weight_decay: f64,
}

/// AdamW (`torch.optim.AdamW`; Loshchilov and Hutter 2019): Adam with decoupled weight decay.
///
/// p ← p·(1 − η·weight_decay), then the update of [`Adam`] without its weight decay.
///
/// # Examples
/// ```
/// let optimizer = wgrad::AdamW::new(1e-3);
/// assert_eq!(optimizer.weight_decay, 0.01);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// Learning rate, default 0.001.
    pub learning_rate: f64,
    /// Decay rate β₁ of the mean gradient m, in [0, 1), default 0.9.
    pub beta1: f64,
    /// Decay rate β₂ of the mean square v, in [0, 1), default 0.999.
    pub beta2: f64,
    /// ε, added to the bias-corrected root; default 1e-8.
    pub epsilon: f64,
    /// Decoupled weight decay, default 0.01.
    pub weight_decay: f64,
}

/// Optimizer with its settings. As in PyTorch, weight decay applies to weights and biases.
///
/// # Examples
/// ```
/// use wgrad::{Adam, Optimizer};
/// let optimizer: Optimizer = "adam".parse()?;
/// assert_eq!(optimizer, Adam::default().into());
/// # Ok::<(), wgrad::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Optimizer {
    /// Stochastic gradient descent.
    Sgd(Sgd),
    /// RMSprop.
    #[serde(rename = "rmsprop")]
    RmsProp(RmsProp),
    /// Adam.
    Adam(Adam),
    /// AdamW.
    #[serde(rename = "adamw")]
    AdamW(AdamW),
}

macro_rules! settings {
    ($type:ident { $($(#[$doc:meta])* $field:ident),* }, $($name:ident = $value:expr),*) => {
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
            $(
                $(#[$doc])*
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
            )*
        }

        impl Default for $type {
            fn default() -> Self {
                Self { $($name: $value),* }
            }
        }

        impl From<$type> for Optimizer {
            fn from(optimizer: $type) -> Self {
                Self::$type(optimizer)
            }
        }
    };
}

settings!(
    Sgd {
        /// Sets the momentum factor, in [0, 1).
        momentum,
        /// Sets the weight decay (L2 penalty), at least 0.
        weight_decay
    },
    learning_rate = 0.01,
    momentum = 0.0,
    nesterov = false,
    weight_decay = 0.0
);
settings!(
    RmsProp {
        /// Sets the decay rate α of the mean square, in [0, 1).
        alpha,
        /// Sets ε, which is above 0.
        epsilon,
        /// Sets the weight decay (L2 penalty), at least 0.
        weight_decay
    },
    learning_rate = 0.01,
    alpha = 0.99,
    epsilon = 1e-8,
    weight_decay = 0.0
);
settings!(
    Adam {
        /// Sets the decay rate β₁ of the mean gradient, in [0, 1).
        beta1,
        /// Sets the decay rate β₂ of the mean square, in [0, 1).
        beta2,
        /// Sets ε, which is above 0.
        epsilon,
        /// Sets the weight decay (L2 penalty), at least 0.
        weight_decay
    },
    learning_rate = 1e-3,
    beta1 = 0.9,
    beta2 = 0.999,
    epsilon = 1e-8,
    weight_decay = 0.0
);
settings!(
    AdamW {
        /// Sets the decay rate β₁ of the mean gradient, in [0, 1).
        beta1,
        /// Sets the decay rate β₂ of the mean square, in [0, 1).
        beta2,
        /// Sets ε, which is above 0.
        epsilon,
        /// Sets the decoupled weight decay, at least 0.
        weight_decay
    },
    learning_rate = 1e-3,
    beta1 = 0.9,
    beta2 = 0.999,
    epsilon = 1e-8,
    weight_decay = 0.01
);

impl Sgd {
    /// Enables Nesterov momentum, which needs a momentum above 0.
    ///
    /// # Examples
    /// ```
    /// assert!(wgrad::Sgd::new(0.1).momentum(0.9).nesterov().nesterov);
    /// ```
    pub fn nesterov(mut self) -> Self {
        self.nesterov = true;
        self
    }
}

impl Optimizer {
    /// Names that [`Optimizer::from_str`] parses. `sgd_momentum` is SGD with momentum 0.9.
    pub const NAMES: [&str; 5] = ["adamw", "adam", "rmsprop", "sgd", "sgd_momentum"];

    /// Returns the name, with which the names of state tensors begin (`adam.m.layer0.weight`).
    ///
    /// # Examples
    /// ```
    /// use wgrad::{AdamW, Optimizer};
    /// assert_eq!(Optimizer::from(AdamW::default()).name(), "adamw");
    /// ```
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd(_) => "sgd",
            Self::RmsProp(_) => "rmsprop",
            Self::Adam(_) => "adam",
            Self::AdamW(_) => "adamw",
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
            Self::Sgd(o) => o.learning_rate,
            Self::RmsProp(o) => o.learning_rate,
            Self::Adam(o) => o.learning_rate,
            Self::AdamW(o) => o.learning_rate,
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
            Self::Sgd(o) => o.learning_rate = learning_rate,
            Self::RmsProp(o) => o.learning_rate = learning_rate,
            Self::Adam(o) => o.learning_rate = learning_rate,
            Self::AdamW(o) => o.learning_rate = learning_rate,
        }
        self
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
        match self {
            Self::Sgd(o) if o.momentum == 0.0 => &[],
            Self::Sgd(_) => &["momentum"],
            Self::RmsProp(_) => &["square"],
            Self::Adam(_) | Self::AdamW(_) => &["m", "v"],
        }
    }

    /// Returns the name of the state with the mean squares.
    pub(crate) fn squares(&self) -> Option<&'static str> {
        match self {
            Self::Sgd(_) => None,
            Self::RmsProp(_) => Some("square"),
            Self::Adam(_) | Self::AdamW(_) => Some("v"),
        }
    }

    /// Returns the bias corrections of Adam and AdamW at `step` (from 0): 1 − β₁ᵗ and √(1 − β₂ᵗ) with t = step + 1. Returns
    /// 1 and 1 for other optimizers.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Adam, Optimizer, Sgd};
    /// let adam = Optimizer::from(Adam::default().beta1(0.5).beta2(0.0));
    /// assert_eq!(adam.bias_corrections(1), [0.75, 1.0]);
    /// assert_eq!(Optimizer::from(Sgd::default()).bias_corrections(1), [1.0, 1.0]);
    /// ```
    pub fn bias_corrections(&self, step: u64) -> [f64; 2] {
        let t = (step + 1).min(i32::MAX as u64) as i32;
        match self {
            Self::Adam(Adam { beta1, beta2, .. }) | Self::AdamW(AdamW { beta1, beta2, .. }) => {
                [1.0 - beta1.powi(t), (1.0 - beta2.powi(t)).sqrt()]
            }
            _ => [1.0, 1.0],
        }
    }

    /// Checks the values.
    ///
    /// # Errors
    /// A learning rate or weight decay that is negative or not finite as an f32; a momentum, α, β₁ or β₂ outside [0, 1); an
    /// ε that is not above 0; Nesterov momentum without momentum. A learning rate of 0 is allowed, as in PyTorch: it
    /// computes losses and gradients without changing parameters.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Adam, Optimizer};
    /// let error = Optimizer::from(Adam::new(-1.0)).check().expect_err("the rate is negative");
    /// assert!(error.to_string().contains("learning_rate is -1"));
    /// ```
    pub fn check(&self) -> Result<()> {
        let place = format!("optimizer {}", self.name());
        let not_negative = |name: &str, value: f64| {
            if (value as f32).is_finite() && value >= 0.0 {
                Ok(())
            } else {
                Err(Error::value(&place, name, value, "at least 0 and finite as an f32"))
            }
        };
        // With an epsilon of 0, a parameter whose gradients were all 0 would become 0/0.
        let above_zero = |name: &str, value: f64| {
            if (value as f32).is_finite() && value as f32 > 0.0 {
                Ok(())
            } else {
                Err(Error::value(&place, name, value, "above 0 and finite as an f32"))
            }
        };
        let fraction = |name: &str, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::value(&place, name, value, "at least 0 and below 1"))
            }
        };
        not_negative("learning_rate", self.learning_rate())?;
        match *self {
            Self::Sgd(Sgd { momentum, nesterov, weight_decay, .. }) => {
                fraction("momentum", momentum)?;
                not_negative("weight_decay", weight_decay)?;
                if nesterov && momentum == 0.0 {
                    return Err(Error::conflict(
                        place,
                        "nesterov needs momentum, which is 0",
                        "set momentum, for example to 0.9",
                    ));
                }
                Ok(())
            }
            Self::RmsProp(RmsProp { alpha, epsilon, weight_decay, .. }) => {
                fraction("alpha", alpha)?;
                above_zero("epsilon", epsilon)?;
                not_negative("weight_decay", weight_decay)
            }
            Self::Adam(Adam { beta1, beta2, epsilon, weight_decay, .. })
            | Self::AdamW(AdamW { beta1, beta2, epsilon, weight_decay, .. }) => {
                fraction("beta1", beta1)?;
                fraction("beta2", beta2)?;
                above_zero("epsilon", epsilon)?;
                not_negative("weight_decay", weight_decay)
            }
        }
    }
}

impl FromStr for Optimizer {
    type Err = Error;

    /// Returns the optimizer of this name with its defaults; `sgd_momentum` is SGD with momentum 0.9.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "sgd" => Ok(Sgd::default().into()),
            "sgd_momentum" => Ok(Sgd::default().momentum(0.9).into()),
            "rmsprop" => Ok(RmsProp::default().into()),
            "adam" => Ok(Adam::default().into()),
            "adamw" => Ok(AdamW::default().into()),
            name => Err(Error::unknown("optimizer", name, &Self::NAMES)),
        }
    }
}
