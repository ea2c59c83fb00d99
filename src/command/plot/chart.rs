//! Charts of pictures: two axes with their names, and legends.

use plotters::coord::Shift;
use plotters::coord::ranged1d::Ranged;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::canvas::{Canvas, DrawResult};
use super::theme::SERIES;

/// Size of ticks' texts, in units.
const TICK: u32 = 15;

/// Size of axes' names, in units.
const NAME: u32 = 17;

/// Chart of plotters with two axes.
pub type Chart<'a, B> = ChartContext<'a, B, Cartesian2d<Axis, Axis>>;

/// An axis and its name.
pub type LabeledAxis<'a> = (&'a Axis, &'a str);

impl<B: DrawingBackend> Canvas<B> {
    /// Returns the part of the canvas at (x, y) with a width and a height, all in units.
    pub fn part(&self, (x, y): (u32, u32), (width, height): (u32, u32)) -> DrawingArea<B, Shift> {
        let corner = (self.pixels(x), self.pixels(y));
        self.area.clone().shrink(corner, (self.pixels(width), self.pixels(height)))
    }

    /// Draws grid and axes on an area.
    pub fn chart<'a>(
        &self,
        area: &'a DrawingArea<B, Shift>,
        x: LabeledAxis<'_>,
        y: LabeledAxis<'_>,
    ) -> DrawResult<B, Chart<'a, B>> {
        let mut chart = ChartBuilder::on(area)
            .margin_top(self.pixels(8))
            .margin_right(self.pixels(20))
            .margin_left(self.pixels(16))
            .margin_bottom(self.pixels(4))
            .x_label_area_size(self.pixels(52))
            .y_label_area_size(self.pixels(72))
            .build_cartesian_2d(x.0.clone(), y.0.clone())?;
        let (width, height) = area.dim_in_pixel();
        let [x_name, y_name] =
            [(x.1, width), (y.1, height)].map(|(name, room)| self.fit(name, NAME, room / self.scale));
        let strokes = self.pixels(1) as u32;
        chart
            .configure_mesh()
            .bold_line_style(self.theme.grid.stroke_width(strokes))
            .light_line_style(TRANSPARENT)
            .axis_style(self.theme.muted.stroke_width(strokes))
            .set_all_tick_mark_size(self.pixels(5))
            .axis_desc_style(self.style(NAME, self.theme.text))
            .x_desc(x_name?)
            .y_desc(y_name?)
            .draw()?;
        self.tick_texts(&chart, x.0, y.0)?;
        Ok(chart)
    }

    fn tick_texts(&self, chart: &Chart<'_, B>, x: &Axis, y: &Axis) -> DrawResult<B> {
        let (across, down) = chart.plotting_area().get_pixel_range();
        let style = |across| self.style(TICK, self.theme.muted).pos(Pos::new(across, VPos::Center));
        for (position, text) in x.ticks() {
            let at = x.map(position, (across.start, across.end));
            self.write_at(text, TICK, &style(HPos::Center), (at, down.end + self.pixels(16)))?;
        }
        for (position, text) in y.ticks() {
            let at = y.map(position, (down.end, down.start));
            self.write_at(text, TICK, &style(HPos::Right), (across.start - self.pixels(10), at))?;
        }
        Ok(())
    }

    /// Draws an entry of a legend at (x, y): a mark 24 units wide, and a text. Returns the x at which the text ends.
    pub fn entry(&self, mark: &Mark, text: &str, (x, y): (u32, u32)) -> DrawResult<B, u32> {
        let at = |x: u32| (self.pixels(x), self.pixels(y));
        let stroke = |color: &RGBColor| color.stroke_width(self.pixels(2) as u32);
        match mark {
            Mark::Line(color) => self.area.draw(&PathElement::new([at(x), at(x + 24)], stroke(color)))?,
            Mark::Dashes(color) => {
                for dash in [x, x + 9, x + 18] {
                    self.area.draw(&PathElement::new([at(dash), at(dash + 5)], stroke(color)))?;
                }
            }
            Mark::Class(class) => self.symbol(at(x + 12), self.pixels(6), *class, self.theme.series(*class))?,
        }
        Ok(x + 30 + self.write(text, 16, self.theme.text, (x + 30, y))?)
    }

    /// Draws a point of a class, with an outline. After seven classes, colors repeat with another shape.
    pub fn symbol(&self, at: (i32, i32), radius: i32, class: usize, color: RGBColor) -> DrawResult<B> {
        let outline = self.theme.background.stroke_width(self.pixels(1) as u32);
        let corner = |x: i32, y: i32| (at.0 + x * radius / 4, at.1 + y * radius / 4);
        let corners = match class / SERIES % 4 {
            0 => {
                // In a PNG, a filled disc looks rounder than the outline of a small circle.
                self.area.draw(&Circle::new(at, radius + self.pixels(1), self.theme.background.filled()))?;
                return self.area.draw(&Circle::new(at, radius, color.filled()));
            }
            1 => vec![corner(-4, -4), corner(4, -4), corner(4, 4), corner(-4, 4), corner(-4, -4)],
            2 => vec![corner(0, -5), corner(5, 4), corner(-5, 4), corner(0, -5)],
            _ => vec![corner(0, -5), corner(5, 0), corner(0, 5), corner(-5, 0), corner(0, -5)],
        };
        self.area.draw(&Polygon::new(corners.clone(), color.filled()))?;
        self.area.draw(&PathElement::new(corners, outline))
    }

    /// Draws a color scale with its upper left corner at (x, y), 22 units wide and `height` high, with the ticks of an
    /// axis.
    pub fn scale_of_colors(
        &self,
        axis: &Axis,
        color: impl Fn(f64) -> RGBColor,
        (x, y): (u32, u32),
        height: u32,
    ) -> DrawResult<B> {
        let (left, right) = (self.pixels(x), self.pixels(x + 22));
        let (top, bottom) = (self.pixels(y), self.pixels(y + height));
        for line in top..bottom {
            let share = f64::from(bottom - line) / f64::from(bottom - top);
            self.area.draw(&Rectangle::new([(left, line), (right, line + 1)], color(share).filled()))?;
        }
        let (low, high) = axis.ends();
        let style = self.style(TICK, self.theme.muted);
        for (position, text) in axis.ticks() {
            let at = bottom - ((position - low) / (high - low) * f64::from(bottom - top)).round() as i32;
            let tick = [(right, at), (right + self.pixels(5), at)];
            self.area.draw(&PathElement::new(tick, self.theme.muted.stroke_width(self.pixels(1) as u32)))?;
            self.write_at(text, TICK, &style, (right + self.pixels(9), at))?;
        }
        Ok(())
    }
}

/// Mark of an entry in a legend.
pub enum Mark {
    Line(RGBColor),
    Dashes(RGBColor),
    /// The symbol of a class.
    Class(usize),
}
