//! Losses of a learning rate range test, by learning rate.

use plotters::prelude::*;
use wgrad::trainer::RateCurve;

use super::axis::Axis;
use super::canvas::{Canvas, DrawResult, Picture};
use super::chart::Mark;
use crate::command::report::rounded;

/// Multiple of the first loss. Larger losses are drawn at the top of the chart.
const TOP: f64 = 1.3;
/// Fraction of the curve's color in the line that shows the loss of each step. The rest is the background's color.
const FAINT: f64 = 0.35;

/// Result of a learning rate range test.
pub struct Rates<'a> {
    /// Data set and network.
    pub title: String,
    /// Optimizer and batch size.
    pub subtitle: String,
    /// Name and unit of the loss.
    pub loss: String,
    pub curve: &'a RateCurve,
}

impl Picture for Rates<'_> {
    fn size(&self) -> (u32, u32) {
        (760, 540)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> DrawResult<B> {
        let RateCurve { rates, losses, smoothed, suggestion, .. } = self.curve;
        canvas.title(&self.title, &self.subtitle)?;
        let theme = &canvas.theme;
        let faint = theme.shade(0, FAINT);
        let mut entries = vec![
            (Mark::Line(theme.series(0)), "smoothed loss".to_string()),
            (Mark::Line(faint), "loss of each step".into()),
        ];
        entries.extend(suggestion.map(|rate| (Mark::Dashes(theme.muted), format!("suggestion: {}", rounded(rate)))));
        let mut left = 88;
        for (mark, text) in entries {
            left = 20 + canvas.entry(&mark, &text, (left, 84))?;
        }
        let [first, last] = [rates.first(), rates.last()].map(|rate| rate.copied().unwrap_or(1.0));
        let x = Axis::logarithmic(first, last.max(1.01 * first));
        let top = TOP * smoothed.first().copied().unwrap_or(1.0).abs();
        let shown: Vec<f64> = smoothed.iter().copied().filter(|loss| *loss <= top).collect();
        let y = Axis::losses(if shown.is_empty() { smoothed } else { &shown });
        let name = format!("{}{}", self.loss, if y.logarithmic { ", logarithmic" } else { "" });
        let area = canvas.part((0, 100), (740, 430));
        let mut chart = canvas.chart(&area, (&x, "learning rate (logarithmic)"), (&y, &name))?;
        let points = |values: &[f64]| {
            let points = rates.iter().zip(values).filter(|(_, value)| value.is_finite());
            points.map(|(rate, value)| (x.position(*rate), y.position(*value))).collect::<Vec<_>>()
        };
        let stroke = |units| canvas.pixels(units) as u32;
        chart.draw_series(LineSeries::new(points(losses), faint.stroke_width(stroke(1))))?;
        if let Some(rate) = suggestion {
            let (low, high) = y.ends();
            let (dash, style) = (canvas.pixels(5), theme.muted.stroke_width(stroke(1)));
            let line = [(x.position(*rate), low), (x.position(*rate), high)];
            chart.draw_series(DashedLineSeries::new(line, dash, dash, style))?;
        }
        chart.draw_series(LineSeries::new(points(smoothed), theme.series(0).stroke_width(stroke(2))))?;
        Ok(())
    }
}
