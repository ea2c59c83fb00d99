//! A plane of colored cells, with the rows of a data set on it.

use plotters::prelude::*;

use super::axis::Axis;
use super::canvas::{Canvas, DrawResult, Picture};
use super::chart::{Chart, Mark};
use super::theme::{STRONGEST, Theme, viridis};

/// Number of shades of a class color, and of a color scale. Neighboring cells of the same shade are drawn as one
/// rectangle.
const STEPS: (f64, f64) = (16.0, 32.0);
/// Largest number of classes in the legend.
const MOST_NAMES: usize = 16;
/// Size of the picture and of the chart, and position of the legend.
const SIZE: (u32, u32) = (940, 680);
const CHART: (u32, u32) = (740, 600);
const LEGEND: (u32, u32) = (756, 96);

/// Predictions of a model on a plane.
pub struct Plane {
    pub title: String,
    /// Text that states how many rows are shown.
    pub rows: String,
    /// Names of the axes.
    pub columns: [String; 2],
    pub x: Axis,
    pub y: Axis,
    /// Numbers of columns and rows of cells.
    pub size: (usize, usize),
    /// Values of the cells, row by row from the top.
    pub values: Values,
    pub points: Vec<(f64, f64)>,
    /// Class or number of each point.
    pub targets: Vec<f64>,
}

/// Values of the cells.
pub enum Values {
    /// The predicted class, and its probability.
    Classes { names: Vec<String>, values: Vec<(usize, f32)> },
    /// The probability of the second of two classes.
    Probabilities { names: Vec<String>, values: Vec<f32> },
    /// A number and its name.
    Numbers { name: String, values: Vec<f64> },
}

impl Picture for Plane {
    fn size(&self) -> (u32, u32) {
        SIZE
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> DrawResult<B> {
        let meaning = match &self.values {
            Values::Classes { .. } => "the stronger a color, the more probable its class".into(),
            Values::Probabilities { names, .. } => format!("colors show the probability of {}", names[1]),
            Values::Numbers { name, .. } => format!("colors show {name}: predicted on the plane, given at the points"),
        };
        canvas.title(&self.title, &format!("{meaning}; {}", self.rows))?;
        let area = canvas.part((0, 72), CHART);
        let chart = canvas.chart(&area, (&self.x, &self.columns[0]), (&self.y, &self.columns[1]))?;
        let scale = self.scale();
        self.cells(canvas, &chart, &scale)?;
        self.rows(canvas, &chart, &scale)?;
        self.legend(canvas, &scale)
    }
}

impl Plane {
    /// Axis of the color scale: the range of predicted and actual numbers, or 0 to 1 for classes and probabilities.
    fn scale(&self) -> Axis {
        let Values::Numbers { values, .. } = &self.values else { return Axis::linear(0.0, 1.0, 0.0) };
        let all = values.iter().chain(&self.targets).copied();
        Axis::linear(all.clone().fold(f64::INFINITY, f64::min), all.fold(f64::NEG_INFINITY, f64::max), 0.0)
    }

    /// Returns the color of a cell.
    fn color(&self, theme: &Theme, scale: &Axis, cell: usize) -> RGBColor {
        let step = |share: f64, of: f64| (share * of).round() / of;
        match &self.values {
            Values::Classes { names, values } => {
                let (class, probability) = values[cell];
                // The predicted class has at least the mean probability.
                let least = 1.0 / names.len().max(2) as f64;
                let sure = ((f64::from(probability) - least) / (1.0 - least)).clamp(0.0, 1.0);
                theme.shade(class, STRONGEST * (0.2 + 0.8 * step(sure, STEPS.0)))
            }
            Values::Probabilities { values, .. } => theme.between(step(values[cell].into(), STEPS.1)),
            Values::Numbers { values, .. } => viridis(step(share(scale, values[cell]), STEPS.1)),
        }
    }

    fn cells<B: DrawingBackend>(&self, canvas: &Canvas<B>, chart: &Chart<'_, B>, scale: &Axis) -> DrawResult<B> {
        let area = chart.plotting_area().strip_coord_spec();
        let (columns, rows) = self.size;
        let (width, height) = area.dim_in_pixel();
        let pixel = |cell: usize, of: usize, pixels: u32| (cell * pixels as usize / of) as i32;
        for row in 0..rows {
            let color = |column: usize| self.color(&canvas.theme, scale, row * columns + column);
            let (mut begin, mut run) = (0, color(0));
            for column in 1..=columns {
                if column < columns && color(column) == run {
                    continue;
                }
                // The rectangle is one pixel larger than its cells, so that viewers that scale the picture show no
                // seams.
                let from = (pixel(begin, columns, width), pixel(row, rows, height));
                let end = (pixel(column, columns, width), pixel(row + 1, rows, height));
                let to = ((end.0 + 1).min(width as i32), (end.1 + 1).min(height as i32));
                area.draw(&Rectangle::new([from, to], run.filled()))?;
                if column < columns {
                    (begin, run) = (column, color(column));
                }
            }
        }
        Ok(())
    }

    fn rows<B: DrawingBackend>(&self, canvas: &Canvas<B>, chart: &Chart<'_, B>, scale: &Axis) -> DrawResult<B> {
        let radius = canvas.pixels(if self.points.len() > 300 { 3 } else { 5 });
        for (at, target) in self.points.iter().zip(&self.targets) {
            let (class, color) = match &self.values {
                Values::Classes { .. } => (*target as usize, canvas.theme.series(*target as usize)),
                Values::Probabilities { .. } => (0, canvas.theme.series(usize::from(*target > 0.5))),
                Values::Numbers { .. } => (0, viridis(share(scale, *target))),
            };
            canvas.symbol(chart.backend_coord(at), radius, class, color)?;
        }
        Ok(())
    }

    fn legend<B: DrawingBackend>(&self, canvas: &Canvas<B>, scale: &Axis) -> DrawResult<B> {
        let (x, y) = LEGEND;
        let room = SIZE.0 - x - 8;
        let heading = |text: &str, y: u32| -> DrawResult<B> {
            canvas.write(&canvas.fit(text, 16, room)?, 16, canvas.theme.text, (x, y)).map(|_| ())
        };
        match &self.values {
            Values::Classes { names, .. } => self.names(canvas, names, y),
            Values::Probabilities { names, .. } => {
                self.names(canvas, names, y)?;
                heading("probability", y + 80)?;
                heading(&format!("of {}", names[1]), y + 102)?;
                canvas.scale_of_colors(scale, |share| canvas.theme.between(share), (x + 4, y + 126), 260)
            }
            Values::Numbers { name, .. } => {
                heading(name, y)?;
                canvas.scale_of_colors(scale, viridis, (x + 4, y + 24), 360)
            }
        }
    }

    /// Draws an entry for each class, from y on.
    fn names<B: DrawingBackend>(&self, canvas: &Canvas<B>, names: &[String], y: u32) -> DrawResult<B> {
        let (x, room) = (LEGEND.0, SIZE.0 - LEGEND.0 - 38);
        for (class, name) in names.iter().enumerate().take(MOST_NAMES) {
            let name = canvas.fit(name, 16, room)?;
            canvas.entry(&Mark::Class(class), &name, (x, y + 26 * class as u32))?;
        }
        if names.len() > MOST_NAMES {
            let more = format!("and {} more", names.len() - MOST_NAMES);
            canvas.write(&more, 16, canvas.theme.muted, (x + 30, y + 26 * MOST_NAMES as u32))?;
        }
        Ok(())
    }
}

fn share(scale: &Axis, number: f64) -> f64 {
    let (low, high) = scale.ends();
    (number - low) / (high - low)
}
