//! Learning curves: losses, and the score on the validation set, by epoch.

use plotters::prelude::*;
use wgrad::elementwise::Meaning;
use wgrad::metrics::Metric;
use wgrad::{Epoch, Loss};

use super::axis::Axis;
use super::canvas::{Canvas, DrawResult, Picture};
use super::chart::{LabeledAxis, Mark};
use crate::command::report::best_by;

/// Largest number of epochs that are all marked by dots. Of more epochs, only the best one is marked.
const DOTS: usize = 30;

/// Learning curves of a training run.
pub struct Curves {
    /// Data set and network.
    pub title: String,
    /// Optimizer, learning rate, batch size and number of rows.
    pub subtitle: String,
    pub loss: Loss,
    /// Target column of a regression.
    pub target: Option<String>,
    /// Epochs in order. Losses are in the unit of the data, not of scaled targets.
    pub epochs: Vec<Epoch>,
    /// Epoch whose parameters were kept.
    pub best: Option<usize>,
    /// Metric by which the best epoch was chosen; `None` if it was the loss.
    pub metric: Option<Metric>,
}

/// Points and color of a curve.
type Curve = (Vec<(f64, f64)>, RGBColor);

impl Picture for Curves {
    fn size(&self) -> (u32, u32) {
        (if self.scores().is_some() { 1160 } else { 600 }, 540)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> DrawResult<B> {
        canvas.title(&self.title, &self.subtitle)?;
        self.legend(canvas)?;
        let (training, validation) = (self.points(|epoch| Some(epoch.loss)), self.validation_losses());
        let values: Vec<f64> = training.iter().chain(&validation).map(|(_, loss)| *loss).collect();
        let axis = Axis::losses(&values);
        let name = self.loss_name(axis.logarithmic);
        let (blue, orange) = (canvas.theme.series(0), canvas.theme.series(1));
        self.panel(canvas, 0, (&axis, &name), &[(training, blue), (validation, orange)])?;
        let Some((name, scores)) = self.scores() else { return Ok(()) };
        let values: Vec<f64> = scores.iter().map(|(_, score)| *score).collect();
        let axis = Axis::scores(&values, if name == "R²" { 1.0 } else { 100.0 });
        let cut = values.iter().any(|score| *score < axis.ends().0);
        let name = format!("validation {name}{}", if cut { ", lower values at the bottom" } else { "" });
        self.panel(canvas, 580, (&axis, &name), &[(scores, orange)])
    }
}

impl Curves {
    fn points(&self, value: impl Fn(&Epoch) -> Option<f64>) -> Vec<(f64, f64)> {
        self.epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, value(epoch)?))).collect()
    }

    fn validation_losses(&self) -> Vec<(f64, f64)> {
        self.points(|epoch| epoch.validation.as_ref().map(|found| found.loss))
    }

    /// Returns the name and unit of the score, and its points; `None` without a validation set or a score.
    fn scores(&self) -> Option<(&'static str, Vec<(f64, f64)>)> {
        let score = |epoch: &Epoch| epoch.validation.as_ref().and_then(|found| found.score());
        let (name, factor) = match score(self.epochs.first()?)?.0 {
            "accuracy" => ("accuracy (%)", 100.0),
            _ => ("R²", 1.0),
        };
        Some((name, self.points(|epoch| Some(factor * score(epoch)?.1))))
    }

    fn loss_name(&self, logarithmic: bool) -> String {
        let name = self.loss.name().replace('_', " ");
        let target = self.target.as_deref().unwrap_or("target");
        let unit = match self.loss.function().output {
            Meaning::Number { power: 0 } | Meaning::Direction => "".into(),
            Meaning::Number { power: 1 } | Meaning::Quantiles => target.into(),
            Meaning::Number { power: 2 } => format!("{target}²"),
            Meaning::Number { power } => format!("{target}^{power}"),
            Meaning::LogRate | Meaning::Logit | Meaning::ClassLogits | Meaning::Normal => "nats".into(),
            Meaning::Score | Meaning::ClassScore => "of the outputs".into(),
        };
        let notes: Vec<&str> = [&unit[..], if logarithmic { "logarithmic" } else { "" }]
            .into_iter()
            .filter(|note| !note.is_empty())
            .collect();
        if notes.is_empty() { name } else { format!("{name} ({})", notes.join(", ")) }
    }

    fn legend<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> DrawResult<B> {
        let theme = &canvas.theme;
        let mut entries = vec![(Mark::Line(theme.series(0)), "training".to_string())];
        if !self.validation_losses().is_empty() {
            entries.push((Mark::Line(theme.series(1)), "validation".into()));
        }
        if let Some(best) = self.best {
            entries.push((Mark::Dashes(theme.muted), format!("epoch {best}, kept: {}", best_by(self.metric))));
        }
        let mut x = 88;
        for (mark, text) in entries {
            x = 20 + canvas.entry(&mark, &text, (x, 84))?;
        }
        Ok(())
    }

    /// Draws a chart, `left` units from the left edge of the picture.
    fn panel<B: DrawingBackend>(
        &self,
        canvas: &Canvas<B>,
        left: u32,
        y: LabeledAxis<'_>,
        curves: &[Curve],
    ) -> DrawResult<B> {
        let number = |epoch: Option<&Epoch>| epoch.map_or(1, |epoch| epoch.epoch);
        let x = Axis::epochs(number(self.epochs.first()), number(self.epochs.last()));
        let area = canvas.part((left, 100), (580, 430));
        let mut chart = canvas.chart(&area, (&x, "epoch"), y)?;
        if let Some(best) = self.best {
            let (low, high) = y.0.ends();
            let (dash, style) = (canvas.pixels(5), canvas.theme.muted.stroke_width(canvas.pixels(1) as u32));
            let line = [(best as f64, low), (best as f64, high)];
            chart.draw_series(DashedLineSeries::new(line, dash, dash, style))?;
        }
        for (points, color) in curves {
            let points = || points.iter().map(|(epoch, value)| (*epoch, y.0.position(*value)));
            chart.draw_series(LineSeries::new(points(), color.stroke_width(canvas.pixels(2) as u32)))?;
            let seen = |at: &(f64, f64)| self.epochs.len() <= DOTS || Some(at.0 as usize) == self.best;
            let dot = |at| Circle::new(at, canvas.pixels(4), color.filled());
            chart.draw_series(points().filter(seen).map(dot))?;
        }
        Ok(())
    }
}
