//! Sums whose rounding error does not grow with the number of terms.

/// Sum in f64 with Neumaier's compensated summation. The error is one rounding of the result, plus a term of second
/// order.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Sum {
    total: f64,
    compensation: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, term: f64) {
        let total = self.total + term;
        let (large, small) = if self.total.abs() >= term.abs() { (self.total, term) } else { (term, self.total) };
        self.compensation += (large - total) + small;
        self.total = total;
    }

    pub(crate) fn value(self) -> f64 {
        // After an overflow, the compensation is NaN.
        if self.total.is_finite() { self.total + self.compensation } else { self.total }
    }
}

impl FromIterator<f64> for Sum {
    fn from_iter<I: IntoIterator<Item = f64>>(terms: I) -> Self {
        let mut sum = Self::default();
        terms.into_iter().for_each(|term| sum.add(term));
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::Sum;

    #[test]
    fn a_sum_of_many_equal_terms_is_rounded_once() {
        let count = 1_000_000;
        let plain: f64 = std::iter::repeat_n(0.1, count).sum();
        assert!((plain - 1e5).abs() > 1e-6, "a plain sum drifts: {plain}");
        let sum: Sum = std::iter::repeat_n(0.1, count).collect();
        assert!((sum.value() - 1e5).abs() <= 1e5 * f64::EPSILON, "{}", sum.value());
        assert_eq!([1e100, 1.0, -1e100].into_iter().collect::<Sum>().value(), 1.0);
        assert_eq!([f64::MAX, f64::MAX].into_iter().collect::<Sum>().value(), f64::INFINITY);
    }
}
