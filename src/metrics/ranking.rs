//! Metrics that depend on the order of rows by score: areas under the ROC curve and the precision-recall curve.

use crate::metrics::sum::Sum;

/// Rows sorted by score, highest first. Rows with equal scores form a group, of which the weights of its positive and
/// of its negative rows are stored.
pub(crate) struct Ranking {
    groups: Vec<[f64; 2]>,
}

impl Ranking {
    /// Sorts rows by score. Each row is its score (finite), `true` if it is positive, and its weight. Rows of weight 0
    /// are left out.
    pub(crate) fn new(rows: impl Iterator<Item = (f64, bool, f64)>) -> Self {
        let mut rows: Vec<_> = rows.filter(|(.., weight)| *weight > 0.0).collect();
        rows.sort_unstable_by(|one, two| two.0.total_cmp(&one.0));
        let group = |rows: &[(f64, bool, f64)]| {
            let of = |wanted: bool| rows.iter().filter(|row| row.1 == wanted).map(|row| row.2).collect::<Sum>().value();
            [of(true), of(false)]
        };
        // −0 and 0 are neighbors, and equal.
        Self { groups: rows.chunk_by(|one, two| one.0 == two.0).map(group).collect() }
    }

    fn totals(&self) -> [f64; 2] {
        [0, 1].map(|side| self.groups.iter().map(|group| group[side]).collect::<Sum>().value())
    }

    /// Returns the area under the ROC curve: the probability that a positive row has a higher score than a negative
    /// row. Equal scores count half. `None` if there are no positive or no negative rows.
    pub(crate) fn roc_auc(&self) -> Option<f64> {
        let [positives, negatives] = self.totals();
        let (mut above, mut area) = (Sum::default(), Sum::default());
        for [positive, negative] in &self.groups {
            area.add(negative * (above.value() + positive / 2.0));
            above.add(*positive);
        }
        // With weights, rounding may give a little more than 1.
        (positives > 0.0 && negatives > 0.0).then(|| (area.value() / (positives * negatives)).min(1.0))
    }

    /// Returns the average precision Σ (Rᵢ − Rᵢ₋₁)·Pᵢ, with recall R and precision P at each score as the threshold. It
    /// is 0 if there are no positive rows.
    pub(crate) fn average_precision(&self) -> f64 {
        let [positives, _] = self.totals();
        let (mut right, mut all, mut area) = (Sum::default(), Sum::default(), Sum::default());
        for [positive, negative] in &self.groups {
            right.add(*positive);
            all.add(positive + negative);
            area.add(positive * (right.value() / all.value()));
        }
        if positives > 0.0 { area.value() / positives } else { 0.0 }
    }
}
