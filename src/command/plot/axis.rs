//! Axes of pictures: ranges, and ticks at round numbers.

use std::ops::Range;

use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};

/// Ratio of the largest to the smallest value from which an axis is logarithmic.
const WIDE: f64 = 30.0;

/// A range of numbers with ticks, linear or logarithmic.
#[derive(Clone)]
pub struct Axis {
    pub logarithmic: bool,
    /// Ends of the range: logarithms, if the axis is logarithmic.
    low: f64,
    high: f64,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// Linear axis from `low` to `high`, with a margin that is a fraction of the range.
    pub fn linear(low: f64, high: f64, margin: f64) -> Self {
        // A single number has no range, so one is derived from its magnitude.
        let width = if high > low { high - low } else { (0.2 * low.abs()).max(1e-6) / margin.max(0.05) };
        let (low, high) = (low - margin * width, high + margin * width);
        let step = step_of(high - low, 7.0);
        let first = (low / step - 1e-9).ceil() as i64;
        let ticks = (first..).map(|n| n as f64 * step).take_while(|tick| *tick <= high + 1e-9 * step);
        let ticks = ticks.map(|tick| (tick, tick_text(tick, step))).collect();
        Self { logarithmic: false, low, high, ticks }
    }

    /// Axis of epochs, which are whole numbers. The first epoch has a tick.
    pub fn epochs(first: usize, last: usize) -> Self {
        let step = step_of((last - first) as f64, 8.0).max(1.0) as usize;
        let multiples =
            (first + 1..=last).filter(|epoch| epoch.is_multiple_of(step) && epoch - first >= step.div_ceil(2));
        let ticks = std::iter::once(first).chain(multiples).map(|epoch| (epoch as f64, epoch.to_string())).collect();
        // A single epoch is in the middle.
        let margin = if first == last { 1.0 } else { 0.02 * (last - first) as f64 };
        Self { logarithmic: false, low: first as f64 - margin, high: last as f64 + margin, ticks }
    }

    /// Axis of losses. It is logarithmic if all losses are above 0 and the largest is more than 30 times the smallest.
    pub fn losses(values: &[f64]) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if low > 0.0 && high > WIDE * low { Self::logarithmic(low, high) } else { Self::linear(low, high, 0.06) }
    }

    /// Axis of scores, which are at most `ceiling`. If any score is positive, the axis begins at −`ceiling` or higher.
    /// A very low R² in the first epochs then does not stretch it.
    pub fn scores(values: &[f64], ceiling: f64) -> Self {
        let low = values.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let low = if high > 0.0 { low.max(-ceiling) } else { low };
        Self::linear(low.min(high - 0.01 * ceiling), high, 0.06)
    }

    /// Logarithmic axis from `low` to `high`, both above 0.
    pub fn logarithmic(low: f64, high: f64) -> Self {
        let margin = 0.05 * (high / low).log10();
        let (low, high) = (low.log10() - margin, high.log10() + margin);
        let factors: &[f64] = if high - low > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let each = ((high - low) / 8.0).ceil().max(1.0) as i32;
        let decades = (low.floor() as i32..=high.ceil() as i32).filter(|decade| decade % each == 0);
        let numbers = decades.flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)));
        let inside = numbers.filter(|number| (low..=high).contains(&number.log10()));
        let ticks = inside.map(|number| (number.log10(), tick_text(number, number))).collect();
        Self { logarithmic: true, low, high, ticks }
    }

    /// Returns the position of a number: its logarithm on a logarithmic axis, else the number. Numbers outside the
    /// range are moved to its end.
    pub fn position(&self, number: f64) -> f64 {
        let position = if self.logarithmic { number.log10() } else { number };
        position.clamp(self.low, self.high)
    }

    /// Positions of both ends: logarithms on a logarithmic axis.
    pub fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Positions and texts of the ticks.
    pub fn ticks(&self) -> &[(f64, String)] {
        &self.ticks
    }
}

impl Ranged for Axis {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, position: &f64, limit: (i32, i32)) -> i32 {
        let share = (position - self.low) / (self.high - self.low);
        limit.0 + (share * f64::from(limit.1 - limit.0)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { Vec::new() } else { self.ticks.iter().map(|tick| tick.0).collect() }
    }

    fn range(&self) -> Range<f64> {
        self.low..self.high
    }
}

impl ValueFormatter<f64> for Axis {
    /// Returns no text, since plotters does not center texts at their ticks. `Canvas::chart` draws them.
    fn format(_: &f64) -> String {
        String::new()
    }
}

/// Distance of ticks: 1, 2 or 5 times a power of ten, for about `most` ticks.
fn step_of(width: f64, most: f64) -> f64 {
    let rough = width.max(f64::MIN_POSITIVE) / most;
    let power = 10f64.powi(rough.log10().floor() as i32);
    power * [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.999).unwrap_or(10.0)
}

/// Text of a tick, a multiple of `step`, with the decimals that `step` needs. Very large numbers, and very small steps,
/// give texts such as `1.5e8`.
fn tick_text(number: f64, step: f64) -> String {
    let digits = (-step.log10().floor()).max(0.0) as usize;
    if digits > 5 || number.abs() >= 1e7 {
        return format!("{:e}", format!("{number:.2e}").parse::<f64>().unwrap_or(number));
    }
    format!("{number:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::Axis;

    fn texts(axis: &Axis) -> Vec<&str> {
        axis.ticks().iter().map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn ticks_are_round_numbers_within_the_range() {
        let cases: &[(f64, f64, &[&str])] = &[
            (0.0, 1.0, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
            (-1.3, 2.1, &["-1.0", "-0.5", "0.0", "0.5", "1.0", "1.5", "2.0"]),
            (97.0, 100.0, &["97.0", "97.5", "98.0", "98.5", "99.0", "99.5", "100.0"]),
            (1e8, 3e8, &["1e8", "1.5e8", "2e8", "2.5e8", "3e8"]),
        ];
        for (low, high, wanted) in cases {
            assert_eq!(texts(&Axis::linear(*low, *high, 0.0)), *wanted);
        }
    }

    #[test]
    fn epochs_are_whole_and_begin_with_the_first() {
        for (last, wanted) in [
            (1, &["1"][..]),
            (2, &["1", "2"]),
            (7, &["1", "2", "3", "4", "5", "6", "7"]),
            (100, &["1", "20", "40", "60", "80", "100"]),
        ] {
            assert_eq!(texts(&Axis::epochs(1, last)), wanted, "{last}");
        }
    }

    #[test]
    fn scores_have_room_and_no_ticks_above_the_best_possible() {
        let perfect = Axis::scores(&[100.0, 100.0], 100.0);
        assert_eq!(texts(&perfect), ["99.0", "99.2", "99.4", "99.6", "99.8", "100.0"]);
        assert_eq!(texts(&Axis::scores(&[30.0, 100.0], 100.0)), ["40", "60", "80", "100"]);
        let cut = Axis::scores(&[-50.0, 0.5, 0.9], 1.0);
        assert_eq!((texts(&cut), cut.position(-50.0)), (vec!["-1.0", "-0.5", "0.0", "0.5", "1.0"], cut.ends().0));
    }

    #[test]
    fn losses_of_all_sizes_have_a_logarithmic_axis() {
        let wide = Axis::losses(&[2.0, 0.03, 0.1]);
        assert_eq!(texts(&wide), ["0.05", "0.1", "0.2", "0.5", "1", "2"]);
        assert_eq!((wide.logarithmic, wide.position(0.1)), (true, -1.0));
        assert!(!Axis::losses(&[2.0, 0.1]).logarithmic && !Axis::losses(&[2.0, 0.0]).logarithmic);
        assert!(!texts(&Axis::losses(&[0.7])).is_empty());
        let widest = Axis::losses(&[1e-12, 1e12]);
        assert!((3..9).contains(&texts(&widest).len()), "{:?}", texts(&widest));
    }
}
