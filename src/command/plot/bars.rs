//! Horizontal bars with spreads, such as the importance of columns.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::axis::Axis;
use super::canvas::{Canvas, DrawResult, Picture};

/// Height of a bar with its gap, in units.
const ROW: u32 = 26;
/// Thickness of a bar.
const BAR: u32 = 16;
/// Left end of the bars; the names are left of it.
const LEFT: u32 = 220;
/// Right end of the bars.
const RIGHT: u32 = 730;
/// Upper end of the bars.
const TOP: u32 = 80;
/// Size of names and ticks.
const TEXT: u32 = 16;

/// Bars of several names.
pub struct Bars {
    pub title: String,
    pub subtitle: String,
    /// Name of the axis of values.
    pub axis: String,
    pub bars: Vec<Bar>,
}

/// Bar with its name, its value, and the length of its spread on both sides.
pub struct Bar {
    pub name: String,
    pub value: f64,
    pub spread: f64,
}

impl Picture for Bars {
    fn size(&self) -> (u32, u32) {
        (760, TOP + ROW * self.bars.len() as u32 + 70)
    }

    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> DrawResult<B> {
        canvas.title(&self.title, &self.subtitle)?;
        let ends = self.bars.iter().flat_map(|bar| [bar.value - bar.spread, bar.value + bar.spread]);
        let (low, high) = ends.fold((0.0_f64, 0.0_f64), |(low, high), end| (low.min(end), high.max(end)));
        let axis = Axis::linear(low, high, 0.03);
        let (first, last) = axis.ends();
        let across = |value: f64| {
            let share = (value - first) / (last - first);
            canvas.pixels(LEFT) + (share * f64::from(canvas.pixels(RIGHT - LEFT))).round() as i32
        };
        let theme = &canvas.theme;
        let thin = |color: RGBColor| color.stroke_width(canvas.pixels(1) as u32);
        let bottom = canvas.pixels(TOP + ROW * self.bars.len() as u32);
        let style = canvas.style(TEXT, theme.muted).pos(Pos::new(HPos::Center, VPos::Center));
        for (place, text) in axis.ticks() {
            let line = [(across(*place), canvas.pixels(TOP)), (across(*place), bottom)];
            canvas.area.draw(&PathElement::new(line, thin(theme.grid)))?;
            canvas.write_at(text, TEXT, &style, (across(*place), bottom + canvas.pixels(14)))?;
        }
        for (number, bar) in self.bars.iter().enumerate() {
            let middle = TOP + ROW * number as u32 + ROW / 2;
            let name = canvas.fit(&bar.name, TEXT, LEFT - 30)?;
            let right = canvas.style(TEXT, theme.text).pos(Pos::new(HPos::Right, VPos::Center));
            canvas.write_at(&name, TEXT, &right, (canvas.pixels(LEFT - 10), canvas.pixels(middle)))?;
            let [from, to] = [across(0.0), across(bar.value)];
            let (upper, lower) = (canvas.pixels(middle - BAR / 2), canvas.pixels(middle + BAR / 2));
            let corners = [(from.min(to), upper), (from.max(to), lower)];
            canvas.area.draw(&Rectangle::new(corners, theme.series(0).filled()))?;
            let [low, high] = [across(bar.value - bar.spread), across(bar.value + bar.spread)];
            let line = [(low, canvas.pixels(middle)), (high, canvas.pixels(middle))];
            canvas.area.draw(&PathElement::new(line, theme.text.stroke_width(canvas.pixels(2) as u32)))?;
        }
        let zero = [(across(0.0), canvas.pixels(TOP)), (across(0.0), bottom)];
        canvas.area.draw(&PathElement::new(zero, thin(theme.muted)))?;
        let style = canvas.style(TEXT + 1, theme.text).pos(Pos::new(HPos::Center, VPos::Center));
        let center = canvas.pixels((LEFT + RIGHT) / 2);
        canvas.write_at(&self.axis, TEXT + 1, &style, (center, bottom + canvas.pixels(44)))
    }
}
