//! Problems of a training run, each with a remedy.

use std::fmt;

use serde::{Serialize, Serializer};

/// Kind of a [`Finding`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum FindingKind {
    /// Many units of an activation layer have an output of 0 and a derivative of 0 for all examined rows. No gradient
    /// passes through them.
    DeadUnits,
    /// Many units of a sigmoid, tanh or similar function have inputs so far from 0 for all examined rows that their
    /// derivatives are almost 0.
    SaturatedUnits,
    /// The gradients of a layer are much smaller than those of the last dense layer.
    VanishingGradients,
    /// The gradients of a layer are much larger than those of the last dense layer.
    ExplodingGradients,
    /// A step changes a large part of a layer's parameters.
    LargeUpdates,
}

impl FindingKind {
    /// All kinds, each with its name and its remedy.
    const ALL: [(Self, &'static str, &'static str); 5] = [
        (
            Self::DeadUnits,
            "dead_units",
            "lower the learning rate, or use leaky_relu(0.01) or batch_norm before the activation",
        ),
        (
            Self::SaturatedUnits,
            "saturated_units",
            "scale the inputs, lower the learning rate, or use batch_norm before the activation or relu instead",
        ),
        (
            Self::VanishingGradients,
            "vanishing_gradients",
            "use relu with he_normal weights, normalization layers or residual blocks, or fewer layers",
        ),
        (
            Self::ExplodingGradients,
            "exploding_gradients",
            "clip gradients to a norm, use smaller initial weights, normalization layers or residual blocks",
        ),
        (Self::LargeUpdates, "large_updates", "lower the learning rate, use a warm-up, or clip gradients to a norm"),
    ];

    fn row(self) -> (&'static str, &'static str) {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or(("", ""), |(_, name, remedy)| (name, remedy))
    }

    /// Returns the name, such as `dead_units`.
    ///
    /// # Examples
    /// ```
    /// use wgrad::trainer::FindingKind;
    /// assert_eq!(FindingKind::DeadUnits.name(), "dead_units");
    /// ```
    pub fn name(self) -> &'static str {
        self.row().0
    }

    /// Returns the remedy.
    ///
    /// # Examples
    /// ```
    /// use wgrad::trainer::FindingKind;
    /// assert!(FindingKind::LargeUpdates.remedy().starts_with("lower the learning rate"));
    /// ```
    pub fn remedy(self) -> &'static str {
        self.row().1
    }
}

impl Serialize for FindingKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Problem that [`Health`](crate::trainer::Health) has found in a layer. Its text has the problem and a remedy.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// Kind of the problem.
    pub kind: FindingKind,
    /// Number of the layer, from 0.
    pub layer: usize,
    /// Description of the problem: the layer, and the numbers found.
    pub problem: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.problem, self.kind.remedy())
    }
}
