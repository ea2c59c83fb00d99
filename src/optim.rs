//! How gradients change parameters. Formulas and names are PyTorch's, and so are the defaults, but for SGD's learning
//! rate, which PyTorch has changed over its versions.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Stochastic gradient descent (`torch.optim.SGD`).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sgd {
    /// Step size, default 0.01.
    pub learning_rate: f64,
    /// Share of the previous change that is kept, default 0.
    pub momentum: f64,
    /// Nesterov's form of momentum, default false.
    pub nesterov: bool,
    /// L2: added to the gradient as `weight_decay`·parameter, default 0.
    pub weight_decay: f64,
}

/// RMSprop (`torch.optim.RMSprop`, neither centred nor with momentum).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RmsProp {
    /// Step size, default 0.01.
    pub learning_rate: f64,
    /// Share of the previous mean square that is kept, default 0.99.
    pub alpha: f64,
    /// Added to the root, default 1e-8.
    pub epsilon: f64,
    /// L2: added to the gradient as `weight_decay`·parameter, default 0.
    pub weight_decay: f64,
}

/// Adam (`torch.optim.Adam`): weight decay is L2, added to the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Adam {
    /// Step size, default 0.001.
    pub learning_rate: f64,
    /// Share of the previous mean that is kept, default 0.9.
    pub beta1: f64,
    /// Share of the previous mean square that is kept, default 0.999.
    pub beta2: f64,
    /// Added to the bias-corrected root, default 1e-8.
    pub epsilon: f64,
    /// L2: added to the gradient as `weight_decay`·parameter, default 0.
    pub weight_decay: f64,
}

/// AdamW (`torch.optim.AdamW`; Loshchilov and Hutter 2019): parameters decay by learning rate ·
/// `weight_decay`, apart from the gradient.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdamW {
    /// Step size, default 0.001.
    pub learning_rate: f64,
    /// Share of the previous mean that is kept, default 0.9.
    pub beta1: f64,
    /// Share of the previous mean square that is kept, default 0.999.
    pub beta2: f64,
    /// Added to the bias-corrected root, default 1e-8.
    pub epsilon: f64,
    /// Decoupled decay, default 0.01.
    pub weight_decay: f64,
}

/// Any optimizer. As in PyTorch, weight decay applies to weights and biases alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Optimizer {
    /// See [`Sgd`].
    Sgd(Sgd),
    /// See [`RmsProp`].
    #[serde(rename = "rmsprop")]
    RmsProp(RmsProp),
    /// See [`Adam`].
    Adam(Adam),
    /// See [`AdamW`].
    #[serde(rename = "adamw")]
    AdamW(AdamW),
}

macro_rules! settings {
    ($type:ident { $($(#[$doc:meta])* $field:ident),* }, $($name:ident = $value:expr),*) => {
        impl $type {
            /// The defaults, with this learning rate.
            pub fn new(learning_rate: f64) -> Self {
                Self { learning_rate, ..Self::default() }
            }
            $(
                $(#[$doc])*
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
        /// Sets the momentum.
        momentum,
        /// Sets the weight decay (L2).
        weight_decay
    },
    learning_rate = 0.01,
    momentum = 0.0,
    nesterov = false,
    weight_decay = 0.0
);
settings!(
    RmsProp {
        /// Sets the share of the previous mean square that is kept.
        alpha,
        /// Sets epsilon.
        epsilon,
        /// Sets the weight decay (L2).
        weight_decay
    },
    learning_rate = 0.01,
    alpha = 0.99,
    epsilon = 1e-8,
    weight_decay = 0.0
);
settings!(
    Adam {
        /// Sets the share of the previous mean that is kept.
        beta1,
        /// Sets the share of the previous mean square that is kept.
        beta2,
        /// Sets epsilon.
        epsilon,
        /// Sets the weight decay (L2).
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
        /// Sets the share of the previous mean that is kept.
        beta1,
        /// Sets the share of the previous mean square that is kept.
        beta2,
        /// Sets epsilon.
        epsilon,
        /// Sets the decoupled weight decay.
        weight_decay
    },
    learning_rate = 1e-3,
    beta1 = 0.9,
    beta2 = 0.999,
    epsilon = 1e-8,
    weight_decay = 0.01
);

impl Sgd {
    /// Uses Nesterov's form of momentum.
    pub fn nesterov(mut self) -> Self {
        self.nesterov = true;
        self
    }
}

impl Optimizer {
    /// Names of all optimizers: each stands for one with its defaults, `sgd_momentum` for SGD with momentum 0.9.
    pub const NAMES: [&str; 5] = ["adamw", "adam", "rmsprop", "sgd", "sgd_momentum"];

    /// The optimizer's name, which also begins the names of its state (`adam.m.layer0.weight`).
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgd(_) => "sgd",
            Self::RmsProp(_) => "rmsprop",
            Self::Adam(_) => "adam",
            Self::AdamW(_) => "adamw",
        }
    }

    /// The learning rate before the schedule.
    pub fn learning_rate(&self) -> f64 {
        match self {
            Self::Sgd(o) => o.learning_rate,
            Self::RmsProp(o) => o.learning_rate,
            Self::Adam(o) => o.learning_rate,
            Self::AdamW(o) => o.learning_rate,
        }
    }

    /// The same optimizer with another learning rate.
    pub fn with_learning_rate(mut self, learning_rate: f64) -> Self {
        match &mut self {
            Self::Sgd(o) => o.learning_rate = learning_rate,
            Self::RmsProp(o) => o.learning_rate = learning_rate,
            Self::Adam(o) => o.learning_rate = learning_rate,
            Self::AdamW(o) => o.learning_rate = learning_rate,
        }
        self
    }

    /// Names of the state tensors that it keeps for each parameter.
    pub fn states(&self) -> &'static [&'static str] {
        match self {
            Self::Sgd(o) if o.momentum == 0.0 => &[],
            Self::Sgd(_) => &["momentum"],
            Self::RmsProp(_) => &["square"],
            Self::Adam(_) | Self::AdamW(_) => &["m", "v"],
        }
    }

    /// Name of the state that holds means of squares, whose root is taken.
    pub(crate) fn squares(&self) -> Option<&'static str> {
        match self {
            Self::Sgd(_) => None,
            Self::RmsProp(_) => Some("square"),
            Self::Adam(_) | Self::AdamW(_) => Some("v"),
        }
    }

    /// Adam's bias corrections at `step` (from 0): 1 − β₁ᵗ and √(1 − β₂ᵗ) with t = step + 1; 1 and 1 for others.
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
    /// Negative or infinite rates, shares outside [0, 1), Nesterov without momentum. A learning rate of 0, which changes no
    /// parameter, is allowed, as in PyTorch: it measures losses and gradients.
    pub fn check(&self) -> Result<()> {
        let place = format!("optimizer {}", self.name());
        let not_negative = |name: &str, value: f64| {
            if (value as f32).is_finite() && value >= 0.0 {
                Ok(())
            } else {
                Err(Error::value(&place, name, value, "at least 0 and finite as an f32"))
            }
        };
        // An epsilon of 0 would make 0/0 of a parameter whose gradients were all 0.
        let above_zero = |name: &str, value: f64| {
            if (value as f32).is_finite() && value as f32 > 0.0 {
                Ok(())
            } else {
                Err(Error::value(&place, name, value, "above 0 and finite as an f32"))
            }
        };
        let share = |name: &str, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::value(&place, name, value, "at least 0 and below 1"))
            }
        };
        not_negative("learning_rate", self.learning_rate())?;
        match *self {
            Self::Sgd(Sgd { momentum, nesterov, weight_decay, .. }) => {
                share("momentum", momentum)?;
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
                share("alpha", alpha)?;
                above_zero("epsilon", epsilon)?;
                not_negative("weight_decay", weight_decay)
            }
            Self::Adam(Adam { beta1, beta2, epsilon, weight_decay, .. })
            | Self::AdamW(AdamW { beta1, beta2, epsilon, weight_decay, .. }) => {
                share("beta1", beta1)?;
                share("beta2", beta2)?;
                above_zero("epsilon", epsilon)?;
                not_negative("weight_decay", weight_decay)
            }
        }
    }
}

impl FromStr for Optimizer {
    type Err = Error;

    /// The optimizer of that name, with its defaults; `sgd_momentum` is SGD with momentum 0.9.
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
