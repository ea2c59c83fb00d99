//! Declared loss functions.

use super::numbers::{Dual, Rounded};
use super::{Declaration, Parameter, RowLoss, losses, statements};

/// Largest number of values of a loss function's parameters. Only a list has more than two.
pub const MOST_PARAMETERS: usize = 8;

/// Declared loss function, with up to two parameters or one list.
#[derive(Debug)]
pub struct LossFunction {
    /// Name, such as `huber`.
    pub name: &'static str,
    /// Abbreviations of the name.
    pub aliases: &'static [&'static str],
    /// Formula as readable text.
    pub formula: &'static str,
    /// Parameters: at most two, or one list.
    pub parameters: &'static [Parameter],
    /// Meaning of an output.
    pub output: Meaning,
    /// Valid targets.
    pub range: Range,
    /// Kernel that computes the loss.
    pub kernel: LossKernel,
}

/// Meaning of a network's output, which follows from the loss function. The task follows from this meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Prediction of the target, in the target's unit. If outputs, targets and all parameters with that unit are
    /// multiplied by c, the loss is multiplied by c to the power `power`. A power of 0 stands for a loss without a
    /// unit.
    Number {
        /// Exponent of the target's unit in the unit of the loss.
        power: i32,
    },
    /// Logarithm of the expected count.
    LogRate,
    /// Logit. Its sigmoid is the probability that the target is 1. The loss is in nats.
    Logit,
    /// Score. A score above 0 predicts a target of 1.
    Score,
    /// Logit of a class. The softmax of a row's logits gives the probabilities of the classes. The loss is in nats.
    ClassLogits,
    /// Score of a class. The class with the largest score is predicted.
    ClassScore,
    /// Two outputs per target: the mean of a normal distribution, and the logarithm of its variance.
    Normal,
    /// One output per target and level: a quantile of the target's distribution.
    Quantiles,
    /// Component of a vector. Only the vector's direction counts.
    Direction,
}

/// Valid targets of a loss function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Range {
    /// Any number.
    Any,
    /// Numbers that are not negative.
    NotNegative,
    /// Numbers from 0 to 1.
    Unit,
    /// The numbers 0 and 1.
    Bit,
    /// Numbers from 0 to 1 that sum to 1 in each row: a probability per class.
    Distribution,
    /// One class per row.
    Class,
}

impl Range {
    /// Returns `true` if a number is a valid target.
    pub fn contains(self, target: f32) -> bool {
        match self {
            Self::Any => target.is_finite(),
            Self::NotNegative => target.is_finite() && target >= 0.0,
            Self::Unit | Self::Distribution => (0.0..=1.0).contains(&target),
            Self::Bit => target == 0.0 || target == 1.0,
            Self::Class => false,
        }
    }

    /// Returns the range in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Any => "finite",
            Self::NotNegative => "finite and at least 0",
            Self::Unit => "between 0 and 1",
            Self::Bit => "0 or 1",
            Self::Distribution => "between 0 and 1, with a sum of 1 per row",
            Self::Class => "a class",
        }
    }
}

/// Kernel of a loss function.
#[derive(Debug)]
pub enum LossKernel {
    /// `element_loss`: the mean over columns of a function of one output and its target.
    Element(ElementLoss),
    /// `whole_row_loss`: a function of sums over all outputs of a row.
    Row(RowLoss),
    /// `softmax_cross_entropy`, a kernel of its own.
    Softmax,
}

/// Function of an output, its target and the parameters.
pub type Formula<N> = fn(N, N, [N; MOST_PARAMETERS]) -> N;

/// Writes the mean loss of each row, and its gradients multiplied by a scale. Arguments: outputs, targets, parameters,
/// scale, losses, gradients.
pub type Rows = fn(&[f32], &[f32], [f32; MOST_PARAMETERS], f32, &mut [f32], &mut [f32]);

/// Loss of one output z and its target t, and its derivative with respect to z.
#[derive(Debug)]
pub struct ElementLoss {
    /// Floating-point operations per element, including mean and scaling.
    pub flops: u64,
    /// Loss and derivative in WGSL.
    pub(super) bodies: [&'static str; 2],
    /// Losses and gradients of rows, in f32.
    pub rows: Rows,
    /// Loss and derivative in f64.
    pub double: [Formula<f64>; 2],
    /// Loss and derivative, with rounding errors.
    pub rounded: [Formula<Rounded>; 2],
    /// Loss for dual numbers (automatic differentiation).
    pub dual: Formula<Dual>,
}

impl Declaration for LossFunction {
    const ALL: &'static [Self] = Self::ALL;
    const KIND: &'static str = "loss";

    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn parameters(&self) -> &'static [Parameter] {
        self.parameters
    }
}

impl LossFunction {
    /// All loss functions. Kernels identify a function by its index in this list.
    pub const ALL: &[Self] = losses::ALL;

    /// Returns the loss per element; `None` if it needs the whole row.
    pub fn element(&self) -> Option<&ElementLoss> {
        match &self.kernel {
            LossKernel::Element(element) => Some(element),
            LossKernel::Row(_) | LossKernel::Softmax => None,
        }
    }

    /// Returns the loss of a whole row that `whole_row_loss` computes; `None` for other losses.
    pub fn row(&self) -> Option<&RowLoss> {
        match &self.kernel {
            LossKernel::Row(row) => Some(row),
            LossKernel::Element(_) | LossKernel::Softmax => None,
        }
    }

    /// Returns the WGSL functions `element_loss` and `element_derivative`. For a loss that needs the whole row, they
    /// are the functions of the first element-wise loss. Shaders with code for both kinds of losses must define them,
    /// even if they do not call them.
    pub fn wgsl(&self) -> String {
        let all = std::iter::once(self).chain(Self::ALL).filter_map(|function| Some((function, function.element()?)));
        let function = |(function, element): (&Self, &ElementLoss)| {
            let names = ["element_loss", "element_derivative"].into_iter().zip(element.bodies);
            let body = |body: &str| statements(function.parameters, body, "    ");
            let text = |(name, text): (&str, &str)| {
                format!("fn {name}(parameters: vec2<f32>, z: f32, t: f32) -> f32 {{\n{}}}\n", body(text))
            };
            names.map(text).collect::<String>()
        };
        all.take(1).map(function).collect()
    }
}
