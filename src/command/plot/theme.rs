//! Colors of pictures: those of Okabe and Ito, which people with any color vision can distinguish
//! (<https://jfly.uni-koeln.de/color/>), ordered by contrast with the background.

use plotters::style::RGBColor;

const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
const VERMILION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
const PURPLE: RGBColor = RGBColor(0xCC, 0x79, 0xA7);
const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);
const SKY: RGBColor = RGBColor(0x56, 0xB4, 0xE9);
const YELLOW: RGBColor = RGBColor(0xF0, 0xE4, 0x42);

/// Number of colors of curves and classes.
pub const SERIES: usize = 7;

/// Colors of a picture.
#[derive(Clone, Copy)]
pub struct Theme {
    /// Background, which every picture paints.
    pub background: RGBColor,
    pub text: RGBColor,
    /// Color of minor text, and of axes.
    pub muted: RGBColor,
    pub grid: RGBColor,
    /// Colors of curves and classes, in order.
    series: [RGBColor; SERIES],
}

/// Colors on a light background.
pub const LIGHT: Theme = Theme {
    background: RGBColor(0xFF, 0xFF, 0xFF),
    text: RGBColor(0x1A, 0x1A, 0x1A),
    muted: RGBColor(0x59, 0x59, 0x59),
    grid: RGBColor(0xE3, 0xE3, 0xE3),
    series: [BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, RGBColor(0x66, 0x66, 0x66)],
};

/// Colors on a dark background.
pub const DARK: Theme = Theme {
    background: RGBColor(0x16, 0x18, 0x1D),
    text: RGBColor(0xF0, 0xF0, 0xF0),
    muted: RGBColor(0xB0, 0xB4, 0xBC),
    grid: RGBColor(0x35, 0x39, 0x42),
    series: [SKY, ORANGE, GREEN, PURPLE, YELLOW, VERMILION, RGBColor(0xC8, 0xC8, 0xC8)],
};

/// matplotlib's Viridis (<https://bids.github.io/colormap/>) at nine evenly spaced points, from dark to bright.
const VIRIDIS: [RGBColor; 9] = [
    RGBColor(0x44, 0x01, 0x54),
    RGBColor(0x47, 0x2D, 0x7B),
    RGBColor(0x3B, 0x52, 0x8B),
    RGBColor(0x2C, 0x72, 0x8E),
    RGBColor(0x21, 0x91, 0x8C),
    RGBColor(0x28, 0xAE, 0x80),
    RGBColor(0x5E, 0xC9, 0x62),
    RGBColor(0xAD, 0xDC, 0x30),
    RGBColor(0xFD, 0xE7, 0x25),
];

impl Theme {
    /// Color of a curve or class; colors repeat after the last.
    pub fn series(&self, number: usize) -> RGBColor {
        self.series[number % SERIES]
    }

    /// Mixture of the background and the color of a class. `share` is the fraction of the class color.
    pub fn shade(&self, number: usize, share: f64) -> RGBColor {
        blend(self.background, self.series(number), share)
    }

    /// Color of a probability: 0 has the color of the first class, 1 that of the second, and 0.5 that of the
    /// background.
    pub fn between(&self, share: f64) -> RGBColor {
        let strength = (2.0 * share - 1.0).abs();
        self.shade(usize::from(share > 0.5), STRONGEST * strength)
    }
}

/// Largest fraction of the class color in a region. It is below 1, so that points of the class stand out.
pub const STRONGEST: f64 = 0.5;

/// Color of a number from 0 to 1 in Viridis. Numbers outside are clamped.
pub fn viridis(share: f64) -> RGBColor {
    let at = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let below = (at as usize).min(VIRIDIS.len() - 2);
    blend(VIRIDIS[below], VIRIDIS[below + 1], at - below as f64)
}

fn blend(from: RGBColor, to: RGBColor, share: f64) -> RGBColor {
    let mix = |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}
