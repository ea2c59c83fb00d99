//! Metrics of several labels per row.

/// Metrics of outputs, which predict a label if they are above 0, against targets of 0 and 1.
pub(crate) struct MultiLabel {
    /// Fraction of labels that are predicted correctly: 1 − scikit-learn's `hamming_loss`.
    pub(crate) accuracy: f64,
    /// Fraction of rows with all labels predicted correctly, as scikit-learn's `accuracy_score`.
    pub(crate) exact_match: f64,
    /// F1 over all labels of all rows, as scikit-learn's `f1_score` with `average="micro"`: 0 if no label is true or predicted.
    pub(crate) f1: f64,
}

impl MultiLabel {
    /// Computes the metrics of outputs and targets, both of shape [rows, columns] with at least one row. Targets are words of f32.
    pub(crate) fn of(outputs: &[f32], targets: &[u32], columns: usize) -> Self {
        let labels = |(output, target): (&f32, &u32)| (*output > 0.0, f32::from_bits(*target) == 1.0);
        let (mut correct, mut exact, mut both, mut either) = (0, 0, 0, 0);
        for (outputs, targets) in outputs.chunks(columns).zip(targets.chunks(columns)) {
            let row = || outputs.iter().zip(targets).map(labels);
            let right = row().filter(|(predicted, actual)| predicted == actual).count();
            correct += right;
            exact += usize::from(right == columns);
            both += row().filter(|(predicted, actual)| *predicted && *actual).count();
            either += row().map(|(predicted, actual)| usize::from(predicted) + usize::from(actual)).sum::<usize>();
        }
        Self {
            accuracy: correct as f64 / targets.len() as f64,
            exact_match: exact as f64 / (targets.len() / columns) as f64,
            f1: if either > 0 { 2.0 * both as f64 / either as f64 } else { 0.0 },
        }
    }
}
