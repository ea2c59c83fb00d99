//! Line charts of the examples: SVG files that any browser shows, on a light or a dark background as the reader's system has it.

use std::fmt::Write;

/// Margins of a panel in pixels, for tick labels and names.
const LEFT: f64 = 64.0;
const BOTTOM: f64 = 46.0;
const TOP: f64 = 30.0;

/// Colors of Okabe and Ito, which people with any color vision can distinguish.
const COLORS: [&str; 7] = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9", "#888888"];

/// One pair of axes with its lines.
#[derive(Default)]
pub struct Panel {
    pub title: String,
    pub x: String,
    pub y: String,
    /// Draws the logarithm of y.
    pub log: bool,
    /// Points of each line.
    pub lines: Vec<Vec<(f64, f64)>>,
}

/// Writes panels to a file, `columns` side by side, below a legend with the names of their lines.
pub fn save(path: &str, names: &[&str], columns: usize, panels: &[Panel]) -> wgrad::Result<()> {
    let rows = panels.len().div_ceil(columns);
    let panel = if columns == 1 { (720.0, 420.0) } else { (420.0, 280.0) };
    let (width, height) = (panel.0 * columns as f64, 40.0 + panel.1 * rows as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         <style>text {{ font: 13px sans-serif; fill: #1a1a1a }} .paper {{ fill: #fff }} .grid {{ stroke: #ddd }}\n\
         polyline {{ fill: none; stroke-width: 2 }} @media (prefers-color-scheme: dark) {{ text {{ fill: #f0f0f0 }}\n\
         .paper {{ fill: #16181d }} .grid {{ stroke: #353942 }} }}</style>\n\
         <rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n"
    );
    let mut x = LEFT;
    for (name, color) in names.iter().zip(COLORS.iter().cycle()) {
        let _ = writeln!(svg, "<rect x=\"{x}\" y=\"20\" width=\"22\" height=\"3\" fill=\"{color}\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"26\">{name}</text>", x + 28.0);
        x += 50.0 + 7.5 * name.chars().count() as f64;
    }
    for (index, drawn) in panels.iter().enumerate() {
        let at = (panel.0 * (index % columns) as f64, 40.0 + panel.1 * (index / columns) as f64);
        drawn.draw(&mut svg, at, panel);
    }
    std::fs::write(path, svg + "</svg>\n").map_err(|error| wgrad::Error::file(path.as_ref(), "writing", error))?;
    println!("picture: {path}");
    Ok(())
}

impl Panel {
    fn draw(&self, svg: &mut String, (left, top): (f64, f64), size: (f64, f64)) {
        let scaled = |y: f64| if self.log { y.log10() } else { y };
        let points = || self.lines.iter().flatten().map(|&(x, y)| (x, scaled(y))).filter(|(_, y)| y.is_finite());
        let (x_low, x_high) = range(points().map(|(x, _)| x));
        let (y_low, y_high) = range(points().map(|(_, y)| y));
        let (width, height) = (size.0 - LEFT - 16.0, size.1 - TOP - BOTTOM);
        let across = |x: f64| left + LEFT + width * (x - x_low) / (x_high - x_low);
        let down = |y: f64| top + TOP + height * (y_high - y) / (y_high - y_low);
        for x in ticks(x_low, x_high) {
            let at = across(x);
            line(svg, (at, down(y_low)), (at, down(y_high)));
            text(svg, (at, top + size.1 - BOTTOM + 17.0), "middle", &number(x));
        }
        let is_whole = |y: &f64| !self.log || y_high - y_low < 2.0 || y.fract().abs() < 1e-9;
        for y in ticks(y_low, y_high).into_iter().filter(is_whole) {
            line(svg, (across(x_low), down(y)), (across(x_high), down(y)));
            let value = if self.log { 10f64.powf(y) } else { y };
            text(svg, (left + LEFT - 6.0, down(y) + 4.0), "end", &number(value));
        }
        for (points, color) in self.lines.iter().zip(COLORS.iter().cycle()) {
            let places = points.iter().filter(|(_, y)| scaled(*y).is_finite());
            let places: Vec<String> =
                places.map(|&(x, y)| format!("{:.1},{:.1}", across(x), down(scaled(y)))).collect();
            let _ = writeln!(svg, "<polyline stroke=\"{color}\" points=\"{}\"/>", places.join(" "));
        }
        let middle = left + LEFT + width / 2.0;
        text(svg, (middle, top + 18.0), "middle", &self.title);
        text(svg, (middle, top + size.1 - 8.0), "middle", &self.x);
        text(svg, (left + 6.0, top + 18.0), "start", &self.y);
    }
}

/// Smallest and largest value, apart even if all values are equal.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value), high.max(value)));
    if low < high { (low, high) } else { (low - 1.0, low + 1.0) }
}

/// Three to seven round numbers from `low` to `high`.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let magnitude = 10f64.powf(((high - low) / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * magnitude);
    let step = steps.into_iter().find(|step| (high - low) / step <= 6.0).unwrap_or(steps[3]);
    (((low / step).ceil() as i64)..=((high / step).floor() as i64)).map(|index| index as f64 * step).collect()
}

fn number(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e5).contains(&size) {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_string()
}

fn line(svg: &mut String, from: (f64, f64), to: (f64, f64)) {
    let ((x1, y1), (x2, y2)) = (from, to);
    let _ = writeln!(svg, "<line class=\"grid\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>");
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>");
}
