//! Scores of classes from a network's outputs, in f64, for metrics.

use crate::elementwise::Meaning;
use crate::loss::Loss;
use crate::metrics::Needs;

/// Meaning of a row's outputs as class scores.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum ClassScores {
    /// Logits of a softmax, one per class.
    Softmax,
    /// Logit of class 1 of two classes.
    Sigmoid,
    /// Score of class 1 of two classes, without a probability.
    Score,
    /// Scores, one per class, without probabilities.
    Scores,
}

impl ClassScores {
    /// Returns the meaning of `columns` outputs; `None` if a row does not belong to one class.
    pub(crate) fn of(loss: Loss, columns: usize) -> Option<Self> {
        match loss.function().output {
            Meaning::ClassLogits => Some(Self::Softmax),
            Meaning::Logit => (columns == 1).then_some(Self::Sigmoid),
            Meaning::Score => (columns == 1).then_some(Self::Score),
            Meaning::ClassScore => Some(Self::Scores),
            Meaning::Number { .. } | Meaning::LogRate | Meaning::Normal | Meaning::Quantiles | Meaning::Direction => {
                None
            }
        }
    }

    /// Returns the kind of predictions that the outputs give to metrics.
    pub(crate) fn kind(self) -> Needs {
        match self {
            Self::Score | Self::Scores => Needs::Scores,
            Self::Softmax | Self::Sigmoid => Needs::Probabilities,
        }
    }

    /// Returns the number of classes of `columns` outputs.
    pub(crate) fn class_count(self, columns: usize) -> usize {
        match self {
            Self::Softmax | Self::Scores => columns,
            Self::Sigmoid | Self::Score => 2,
        }
    }

    /// Fills `scores` with one score per class, from the outputs of a row, which must be finite.
    pub(crate) fn replace(self, scores: &mut Vec<f64>, outputs: &[f32]) {
        scores.clear();
        scores.extend(outputs.iter().map(|output| f64::from(*output)));
        match self {
            Self::Softmax => {
                let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                scores.iter_mut().for_each(|z| *z = (*z - largest).exp());
                let total: f64 = scores.iter().sum();
                scores.iter_mut().for_each(|e| *e /= total);
            }
            // 1 − σ(z) is computed as σ(−z), so that both probabilities are accurate near 0.
            Self::Sigmoid => scores.splice(.., sigmoids(scores[0])).for_each(drop),
            Self::Score => scores.insert(0, -scores[0]),
            Self::Scores => {}
        }
    }
}

/// Returns 1 − σ(z) and σ(z).
fn sigmoids(z: f64) -> [f64; 2] {
    [z, -z].map(|z| 1.0 / (1.0 + z.exp()))
}
