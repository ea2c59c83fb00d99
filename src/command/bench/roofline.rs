//! Lower bounds of times, from the device's peak rates.

use serde::Serialize;
use wgrad::plan::{Rates, Work};

/// Work of an op or a step, and the lower bound of its time at the given rates.
#[derive(Serialize)]
pub struct Roofline {
    pub flops: u64,
    pub bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arithmetic_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_seconds: Option<f64>,
    /// Lower bound, the larger of the two times, as a percentage of the measured time; `None` without rates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roofline_percent: Option<f64>,
}

impl Roofline {
    /// Computes the lower bounds of `work`, and compares them with a measured time in seconds.
    pub fn new(work: Work, rates: Rates, seconds: f64) -> Self {
        let [arithmetic_seconds, memory_seconds] = work.roofline(rates);
        let least = arithmetic_seconds.into_iter().chain(memory_seconds).reduce(f64::max);
        let roofline_percent = least.filter(|_| seconds > 0.0).map(|least| 100.0 * least / seconds);
        Self { flops: work.flops, bytes: work.bytes, arithmetic_seconds, memory_seconds, roofline_percent }
    }

    /// Returns the lower bounds whose rates were given. `format` makes a text from the name and the value of a bound.
    pub fn named(&self, format: impl Fn(&str, String) -> String) -> Vec<String> {
        let micros = |seconds: Option<f64>| seconds.map(|seconds| format!("{:.3}", 1e6 * seconds));
        let percent = self.roofline_percent.map(|percent| format!("{percent:.1}"));
        let cells = [
            ("compute µs", micros(self.arithmetic_seconds)),
            ("memory µs", micros(self.memory_seconds)),
            ("roofline %", percent),
        ];
        cells.into_iter().filter_map(|(name, cell)| Some(format(name, cell?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_those_of_the_rates_that_were_given() {
        let work = Work { flops: 2_000, bytes: 8_000 };
        let roofline = |flops, bytes| Roofline::new(work, Rates { flops, bytes }, 4e-6);
        let said = |roofline: Roofline| roofline.named(|name, cell| format!("{name} {cell}"));
        assert_eq!(said(roofline(None, None)), [""; 0]);
        assert_eq!(said(roofline(Some(1e9), Some(8e9))), ["compute µs 2.000", "memory µs 1.000", "roofline % 50.0"]);
        assert_eq!(roofline(None, Some(4e9)).roofline_percent, Some(50.0));
        assert_eq!(Roofline::new(work, Rates { flops: Some(1e9), bytes: None }, 0.0).roofline_percent, None);
    }
}
