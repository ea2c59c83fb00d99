//! Colours of pictures: Okabe's and Ito's, which people with any colour vision tell apart
//! (<https://jfly.uni-koeln.de/color/>), in the order in which they stand out from the background.

use plotters::style::RGBColor;

const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
const VERMILION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
const PURPLE: RGBColor = RGBColor(0xCC, 0x79, 0xA7);
const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);
const SKY: RGBColor = RGBColor(0x56, 0xB4, 0xE9);
const YELLOW: RGBColor = RGBColor(0xF0, 0xE4, 0x42);

/// Colours of curves and classes.
pub const SERIES: usize = 7;

/// Colours of a picture.
#[derive(Clone, Copy)]
pub struct Theme {
    /// Painted by every picture, since nobody knows what it will lie on.
    pub background: RGBColor,
    pub text: RGBColor,
    /// Of text that says less, and of axes.
    pub muted: RGBColor,
    pub grid: RGBColor,
    /// Of curves and classes, in order.
    series: [RGBColor; SERIES],
}

/// On paper.
pub const LIGHT: Theme = Theme {
    background: RGBColor(0xFF, 0xFF, 0xFF),
    text: RGBColor(0x1A, 0x1A, 0x1A),
    muted: RGBColor(0x59, 0x59, 0x59),
    grid: RGBColor(0xE3, 0xE3, 0xE3),
    series: [BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, RGBColor(0x66, 0x66, 0x66)],
};

/// On a dark screen.
pub const DARK: Theme = Theme {
    background: RGBColor(0x16, 0x18, 0x1D),
    text: RGBColor(0xF0, 0xF0, 0xF0),
    muted: RGBColor(0xB0, 0xB4, 0xBC),
    grid: RGBColor(0x35, 0x39, 0x42),
    series: [SKY, ORANGE, GREEN, PURPLE, YELLOW, VERMILION, RGBColor(0xC8, 0xC8, 0xC8)],
};

/// Viridis of matplotlib (<https://bids.github.io/colormap/>) at nine even places: from dark to bright for every eye.
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
    /// The colour of a curve or class; after the last the first comes again.
    pub fn series(&self, number: usize) -> RGBColor {
        self.series[number % SERIES]
    }

    /// A class's colour at a share of its strength, on the background.
    pub fn shade(&self, number: usize, share: f64) -> RGBColor {
        blend(self.background, self.series(number), share)
    }

    /// Between the first class and the second, through the background: 0 to 1.
    pub fn between(&self, share: f64) -> RGBColor {
        let strength = (2.0 * share - 1.0).abs();
        self.shade(usize::from(share > 0.5), STRONGEST * strength)
    }
}

/// How strong a region's colour may be, for the points of its class to stand out.
pub const STRONGEST: f64 = 0.5;

/// A number on the scale from 0 to 1.
pub fn viridis(share: f64) -> RGBColor {
    let at = share.clamp(0.0, 1.0) * (VIRIDIS.len() - 1) as f64;
    let below = (at as usize).min(VIRIDIS.len() - 2);
    blend(VIRIDIS[below], VIRIDIS[below + 1], at - below as f64)
}

fn blend(from: RGBColor, to: RGBColor, share: f64) -> RGBColor {
    let mix = |from: u8, to: u8| (f64::from(from) + share * (f64::from(to) - f64::from(from))).round() as u8;
    RGBColor(mix(from.0, to.0), mix(from.1, to.1), mix(from.2, to.2))
}
