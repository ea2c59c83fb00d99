//! Optimizers. For the optimizers that PyTorch has, formulas, names and defaults are PyTorch's, except the default
//! learning rate of SGD, which depends on PyTorch's version.
//!
//! In the formulas, p is a parameter, g its gradient, η the learning rate of the step, and t the step from 1. Each
//! optimizer has a weight decay λ, either as an L2 penalty (g ← g + λ·p before everything else) or decoupled (p ← p·(1
//! − η·λ) before the rest of the update; [`Adan`] divides instead).

mod average;
mod declare;
mod group;
mod table;

pub use average::Average;
pub use group::ParameterGroup;
pub(crate) use group::TensorSettings;
pub use table::*;

use std::str::FromStr;

use crate::elementwise::Update;
use crate::error::{Error, Result};
use crate::schedule::Schedule;
use crate::text::Term;

/// Declared update of an optimizer, with the settings of its kernel.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    /// Declaration of the update.
    pub update: &'static Update,
    /// Weight decay λ as an L2 penalty, or 0.
    pub l2: f64,
    /// Decoupled weight decay λ, or 0.
    pub decay: f64,
    /// Names and values of the settings, in the order of [`Update::settings`].
    pub settings: Vec<(&'static str, f64)>,
}

impl Rule {
    fn new(update: &'static Update, weight_decay: f64, decoupled: bool, settings: &[(&'static str, f64)]) -> Self {
        let [l2, decay] = if decoupled { [0.0, weight_decay] } else { [weight_decay, 0.0] };
        Self { update, l2, decay, settings: settings.to_vec() }
    }

    /// Returns the place of the state whose average the model has, if there is one.
    pub fn averaged(&self) -> Option<usize> {
        self.update.states.iter().position(|state| Some(*state) == self.update.averaged)
    }

    /// Returns the place of the state along which parameters are moved, if the update does not move them itself.
    pub fn direction(&self) -> Option<usize> {
        self.update.states.iter().position(|state| Some(*state) == self.update.direction)
    }
}
/// Name of SGD with momentum 0.9 in the text form.
const SGD_MOMENTUM: &str = "sgd_momentum";
impl Optimizer {
    /// Returns one optimizer per declared update. Settings such as `amsgrad` select an update of their own.
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

    /// Returns the names of the optimizer's states. Each state has one number per parameter.
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

    /// Returns whether the optimizer averages its parameters instead of decreasing the learning rate. It is then used
    /// without a schedule, or with a warm-up alone, and without another average.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{AdamW, AdamWScheduleFree, Optimizer};
    /// assert!(Optimizer::from(AdamWScheduleFree::default()).is_schedule_free());
    /// assert!(!Optimizer::from(AdamW::default()).is_schedule_free());
    /// ```
    pub fn is_schedule_free(&self) -> bool {
        self.rule().update.averaged.is_some()
    }

    /// Checks that a schedule suits the optimizer.
    pub(crate) fn check_schedule(&self, schedule: &Schedule) -> Result<()> {
        match schedule {
            Schedule::Constant | Schedule::LinearWarmup { .. } => Ok(()),
            _ if !self.is_schedule_free() => Ok(()),
            other => {
                let problem = format!("{} needs no schedule, but the schedule is {other}", self.name());
                let remedy = "use a constant learning rate, with or without warm-up";
                Err(Error::conflict("optimizer", problem, remedy))
            }
        }
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

    /// Checks that the settings are in range and fit together.
    ///
    /// # Errors
    /// A learning rate or weight decay that is negative or not finite as an f32; a momentum, dampening, α, β or ρ
    /// outside [0, 1); an ε that is not above 0; Nesterov momentum without momentum or with dampening; dampening
    /// without momentum. A learning rate of 0 is allowed, as in PyTorch: it computes losses and gradients without
    /// changing parameters.
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

    /// Parses a name, with settings in parentheses that replace the defaults, such as `rmsprop(centered=true)`.
    /// `sgd_momentum` is SGD with momentum 0.9.
    fn from_str(text: &str) -> Result<Self> {
        let term = Term::parse("optimizer", text)?;
        if term.name == SGD_MOMENTUM {
            // The momentum may be given by its name, or as the second value.
            let mut arguments = term.arguments.iter().enumerate();
            let is_given = arguments.any(|(place, (key, _))| *key == "momentum" || key.is_empty() && place == 1);
            let sgd = Sgd::from_term(&term)?;
            return Ok(if is_given { sgd } else { sgd.momentum(0.9) }.into());
        }
        Self::from_term(&term).unwrap_or_else(|| Err(Error::unknown("optimizer", term.name, Self::NAMES)))
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    use crate::elementwise::updates;

    #[test]
    fn sgd_momentum_has_the_momentum_that_is_given_even_0() {
        let momentum = |text: &str| match text.parse() {
            Ok(Optimizer::Sgd(sgd)) => sgd.momentum,
            other => panic!("{other:?}"),
        };
        assert_eq!(momentum("sgd_momentum"), 0.9);
        assert_eq!(momentum("sgd_momentum(momentum=0)"), 0.0);
        assert_eq!(momentum("sgd_momentum(0.1, 0)"), 0.0);
        assert_eq!(momentum("sgd_momentum(0.1)"), 0.9);
        assert_eq!(momentum("sgd_momentum(0.1, nesterov=true)"), 0.9);
    }

    /// Kernels read the settings by position, so each rule must list them in the order of its update.
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
}
