//! Pictures: `wgrad train --plot` draws learning curves, `wgrad lr-find` losses by learning rate, `wgrad plot boundary`
//! decision regions, `wgrad explain` the importance of columns. A [`Picture`](canvas::Picture) is drawn as SVG or PNG.
//! The same inputs give the same bytes.

mod axis;
mod bars;
mod boundary;
mod canvas;
mod chart;
mod curves;
mod plane;
mod rates;
mod theme;

use clap::Subcommand;
use wgrad::{Network, Result};

pub use super::data::same_file;
pub use bars::{Bar, Bars};
pub use canvas::PictureFile;
pub use curves::Curves;
pub use rates::Rates;

use super::report::Output;
use theme::{DARK, LIGHT, Theme};

/// Options of `wgrad plot`.
#[derive(clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    picture: Kind,
}

#[derive(Subcommand)]
enum Kind {
    /// Draws the predictions of a model with two columns of numbers as colors
    Boundary(boundary::Arguments),
}

/// Draws a picture.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    match &arguments.picture {
        Kind::Boundary(arguments) => boundary::run(arguments, output),
    }
}

/// Returns the colors for a dark or a light background.
pub fn theme(dark: bool) -> Theme {
    if dark { DARK } else { LIGHT }
}

/// Returns a title with a data set and a network. It avoids the network's own text, since the font lacks its arrow.
pub fn title(data: &str, network: &Network) -> String {
    let (text, inputs) = (network.to_string(), network.inputs());
    let layers = text.split_once("→ ").map_or("", |(_, layers)| layers);
    format!("{data}: {inputs} input{}, {layers}", if inputs == 1 { "" } else { "s" })
}
