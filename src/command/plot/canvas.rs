//! Pictures as files, SVG or PNG.

use std::io::Error as IoError;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use wgrad::data::shown;
use wgrad::model::replace;
use wgrad::{Error, Result};

use super::theme::Theme;
use crate::command::paths::check_result;

/// Number of pixels per unit of length in a PNG. An SVG has one.
const PNG_SCALE: u32 = 2;

/// Result of drawing.
pub type DrawResult<B, T = ()> = std::result::Result<T, DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>>;

/// A picture that can be drawn.
pub trait Picture {
    /// Returns width and height in units. A unit is one pixel of an SVG, and two of a PNG.
    fn size(&self) -> (u32, u32);

    /// Draws the picture on an empty canvas of its size.
    fn draw<B: DrawingBackend>(&self, canvas: &Canvas<B>) -> DrawResult<B>;
}

/// A surface to draw on.
pub struct Canvas<B: DrawingBackend> {
    pub area: DrawingArea<B, Shift>,
    pub theme: Theme,
    /// Pixels per unit.
    pub scale: u32,
}

impl<B: DrawingBackend> Canvas<B> {
    fn paint(backend: B, theme: Theme, scale: u32, picture: &impl Picture) -> DrawResult<B> {
        let canvas = Self { area: backend.into_drawing_area(), theme, scale };
        canvas.area.fill(&theme.background)?;
        picture.draw(&canvas)?;
        canvas.area.present()
    }

    /// Converts a length from units to pixels.
    pub fn pixels(&self, units: u32) -> i32 {
        (units * self.scale) as i32
    }

    /// Style of a text with a size in units. The position of the text is its left end, vertically centered.
    pub fn style(&self, size: u32, color: RGBColor) -> TextStyle<'static> {
        ("sans-serif", self.pixels(size))
            .with_color(color)
            .into_text_style(&self.area)
            .pos(Pos::new(HPos::Left, VPos::Center))
    }

    /// Writes a text from x on, vertically centered at y, and returns its width. Sizes and positions are in units.
    pub fn write(&self, text: &str, size: u32, color: RGBColor, (x, y): (u32, u32)) -> DrawResult<B, u32> {
        self.write_at(text, size, &self.style(size, color), (self.pixels(x), self.pixels(y)))?;
        self.width(text, size)
    }

    /// Writes a text, with its size in units, at a position in pixels.
    pub fn write_at(&self, text: &str, size: u32, style: &TextStyle<'_>, (x, y): (i32, i32)) -> DrawResult<B> {
        // In a PNG, plotters centers the whole height of a line; in an SVG, only that of small letters.
        let baseline_shift = if self.is_svg() { 0 } else { self.pixels(size) / 8 };
        self.area.draw_text(&shown(text), style, (x, y + baseline_shift))
    }

    /// Width of a text in units. For an SVG it is the width in a wide font, since the viewer chooses the font.
    pub fn width(&self, text: &str, size: u32) -> DrawResult<B, u32> {
        let (width, _) = self.area.estimate_text_size(&shown(text), &self.style(size, self.theme.text))?;
        Ok(if self.is_svg() { width * 5 / 4 } else { width / self.scale })
    }

    fn is_svg(&self) -> bool {
        self.scale != PNG_SCALE
    }

    /// Shortens a text to fit a width in units; `…` replaces its end.
    pub fn fit(&self, text: &str, size: u32, width: u32) -> DrawResult<B, String> {
        let text = shown(text);
        let mut fitting = text.to_string();
        let mut kept = text.chars().count();
        while kept > 1 && self.width(&fitting, size)? > width {
            kept -= 1;
            fitting = text.chars().take(kept).chain(['…']).collect();
        }
        Ok(fitting)
    }

    /// Draws a title and a subtitle at the top.
    pub fn title(&self, title: &str, subtitle: &str) -> DrawResult<B> {
        let width = self.area.dim_in_pixel().0 / self.scale - 40;
        self.write(&self.fit(title, 24, width)?, 24, self.theme.text, (20, 26))?;
        self.write(&self.fit(subtitle, 16, width)?, 16, self.theme.muted, (20, 52)).map(|_| ())
    }
}

/// A file for a picture; the extension of its name determines the format.
pub struct PictureFile {
    path: PathBuf,
    png: bool,
}

impl PictureFile {
    /// Checks that the extension is svg or png, and that the file can be written. `option` is the option that names the
    /// file, for error messages.
    pub fn new(option: &str, path: &Path) -> Result<Self> {
        let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        let png = match extension.as_deref() {
            Some("svg") => false,
            Some("png") => true,
            _ => {
                return Err(Error::value(option, "file", path.display(), "named *.svg or *.png, for the format"));
            }
        };
        check_result(path)?;
        Ok(Self { path: path.into(), png })
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Pixels per unit of the picture's coordinates: 2 for PNG, 1 for SVG.
    pub fn scale(&self) -> u32 {
        if self.png { PNG_SCALE } else { 1 }
    }

    /// Draws the picture, and writes the whole file or nothing.
    pub fn write(&self, picture: &impl Picture, theme: Theme) -> Result<()> {
        // plotters finds fonts by name; viewers choose the font of an SVG.
        register_font("sans-serif", FontStyle::Normal, epaint_default_fonts::UBUNTU_LIGHT).ok();
        let bytes = if self.png { png(picture, theme) } else { svg(picture, theme) };
        let bytes = bytes.map_err(|error| Error::file(&self.path, "drawing", error))?;
        replace(&self.path, |file| file.write_all(&bytes))
    }
}

fn svg(picture: &impl Picture, theme: Theme) -> std::result::Result<Vec<u8>, IoError> {
    let mut text = String::new();
    Canvas::paint(SVGBackend::with_string(&mut text, picture.size()), theme, 1, picture).map_err(IoError::other)?;
    // Attributes with default values would make up a third of the file of a plane.
    Ok(text.replace(" opacity=\"1\"", "").replace(" stroke=\"none\"", "").into_bytes())
}

fn png(picture: &impl Picture, theme: Theme) -> std::result::Result<Vec<u8>, IoError> {
    let (width, height) = picture.size();
    let (width, height) = (width * PNG_SCALE, height * PNG_SCALE);
    let mut pixels = vec![0; (3 * width * height) as usize];
    let backend = BitMapBackend::with_buffer(&mut pixels, (width, height));
    Canvas::paint(backend, theme, PNG_SCALE, picture).map_err(|error| IoError::other(error.to_string()))?;
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels)?;
    writer.finish()?;
    Ok(file)
}
