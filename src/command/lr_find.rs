//! `wgrad lr-find`: learning rate range test.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wgrad::data::shown;
use wgrad::trainer::{RateCurve, RateTest};
use wgrad::{Error, Result};

use super::columns::Columns;
use super::data::{self, Source};
use super::device::DeviceOptions;
use super::groups::GroupOptions;
use super::lines::{sparkline, table, wrapped};
use super::names::names;
use super::numbers::{count, number, seed};
use super::paths::on_disk;
use super::plot::{PictureFile, Rates, same_file, theme, title};
use super::recipe::{Options, Preset, Recipe};
use super::report::{Output, batch_size, number as loss_text, rounded};
use super::train::builder::builder;
use super::train::split::{Sets, SplitOptions};

/// Width of the sparkline, in columns.
const SPARKLINE: usize = 48;
/// Largest number of rows in the printed table.
const ROWS: usize = 12;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad lr-find digits
  wgrad lr-find house.csv --target price --hidden \"64 relu 64 relu\"
  wgrad lr-find digits --optimizer sgd --from 1e-4 --steps 400 --out sgd.svg

A short training on the training set, in which the learning rate grows from step
to step (Smith 2015). It stops when the loss is four times its lowest value. The
suggestion is the rate at which the loss decreases fastest. Rates up to that of
the lowest loss may work; begin with smaller ones if training is unstable. Give
the same options for network, loss, optimizer and batch size as to `train`.
";

/// Options of `wgrad lr-find`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(mut_arg("learning_rate", |option| option.hide(true)))]
pub struct Arguments {
    #[arg(help = data::HELP, long_help = data::LONG_HELP, value_hint = clap::ValueHint::FilePath)]
    #[arg(value_parser = names::<String>(&data::NAMES).case_sensitive(), hide_possible_values = true)]
    data: String,
    #[command(flatten)]
    columns: Columns,
    #[command(flatten)]
    split: SplitOptions,
    #[command(flatten)]
    recipe: Options,
    #[command(flatten)]
    groups: GroupOptions,
    /// Takes the settings of a preset of `train`: fast, best
    ///
    /// The test trains one network, with the layers and settings that `train --preset NAME` would use. By default, they
    /// are those of `train` without a preset.
    #[arg(long, value_name = "NAME", hide_possible_values = true, help_heading = "Training", hide_short_help = true)]
    preset: Option<Preset>,
    /// Gradient accumulation: batches per step [default: 1]
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 1, hide_default_value = true)]
    #[arg(allow_negative_numbers = true, help_heading = "Training", hide_short_help = true)]
    accumulate: usize,
    /// Random seed
    #[arg(long, value_name = "N", value_parser = seed, default_value_t = 0, allow_negative_numbers = true)]
    #[arg(help_heading = "Training")]
    seed: u64,
    /// Learning rate of the first step
    #[arg(long, value_name = "X", value_parser = number, default_value_t = 1e-6, allow_negative_numbers = true)]
    #[arg(help_heading = "Test")]
    from: f64,
    /// Learning rate of the last step
    #[arg(long, value_name = "X", value_parser = number, default_value_t = 10.0, allow_negative_numbers = true)]
    #[arg(help_heading = "Test")]
    to: f64,
    /// Number of steps
    #[arg(long, value_name = "N", value_parser = count, default_value_t = 200, allow_negative_numbers = true)]
    #[arg(help_heading = "Test")]
    steps: usize,
    #[command(flatten)]
    device: DeviceOptions,
    /// File of the picture: *.svg or *.png
    ///
    /// An existing file is replaced.
    #[arg(long, value_name = "FILE", default_value = "lr-find.svg", help_heading = "Output")]
    #[arg(value_parser = on_disk())]
    out: PathBuf,
    /// Draws on a dark background
    #[arg(long, help_heading = "Output")]
    dark: bool,
    /// Prints JSON: rates, losses, suggestion
    #[arg(long, help_heading = "Output")]
    json: bool,
}

#[derive(Serialize)]
struct Found<'a> {
    data: &'a str,
    #[serde(flatten)]
    curve: &'a RateCurve,
    picture: String,
}

/// Runs the test, draws its picture, and prints the suggestion.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let Arguments { data: name, columns, recipe: options, preset, seed, accumulate, .. } = arguments;
    if options.learning_rate.is_some() {
        let problem = "the test itself chooses learning rates";
        return Err(Error::conflict("`--learning-rate`", problem, "use `--from` and `--to`"));
    }
    let file = PictureFile::new("`--out`", &arguments.out)?;
    if same_file(&arguments.out, Path::new(name)) {
        let problem = "the picture would replace the data";
        return Err(Error::conflict(arguments.out.display().to_string(), problem, "name another file with `--out`"));
    }
    let source = data::load(name, columns, options.loss)?;
    if let Source::Table { table, .. } = &source {
        output.notes(table.notes());
    }
    let sets = Sets::of(source, name, &arguments.split, columns, *seed)?;
    let train = &sets.train.rows;
    let recipe = options.for_data(name, train, sets.len(), *preset, columns)?;
    let builder = builder(&recipe, &arguments.groups, *accumulate, *seed, &sets)?;
    let mut trainer = builder.build(&arguments.device.open()?)?;
    let test = RateTest::new().from(arguments.from).to(arguments.to).steps(arguments.steps);
    let curve = trainer.find_learning_rate(train, test)?;
    let Recipe { network, loss, optimizer, batch, .. } = &recipe;
    let settings = format!("{}, {}", optimizer.name(), batch_size(*batch, *accumulate));
    let loss_name = loss.name().replace('_', " ");
    let picture =
        Rates { title: title(train.name(), network), subtitle: settings.clone(), loss: loss_name, curve: &curve };
    file.write(&picture, theme(arguments.dark))?;
    let picture = file.path().display().to_string();
    if arguments.json {
        output.json(&Found { data: name, curve: &curve, picture });
        return Ok(());
    }
    output.print(format!("{name}: {} training rows; {network}; {settings}", train.len()));
    print_curve(output, &curve);
    output.line(wrapped("picture: ", "  ", &shown(&picture)));
    if let Some(rate) = curve.suggestion {
        let source = data::words(name, &columns.reading);
        output.print_unwrapped(format!("next: wgrad train {source} --learning-rate {}", rounded(rate)));
    }
    Ok(())
}

/// Prints a sparkline and a table of the smoothed losses, and the suggested learning rate.
fn print_curve(output: &mut Output, curve: &RateCurve) {
    let RateCurve { rates, smoothed, .. } = curve;
    let lowest = (0..rates.len()).min_by(|a, b| smoothed[*a].total_cmp(&smoothed[*b]));
    let (Some(lowest), [first, .., last]) = (lowest, &smoothed[..]) else {
        return output.line("the loss of the first step is not finite: give a smaller `--from`");
    };
    let (first, last) = (loss_text(*first), loss_text(*last));
    output.print_unwrapped(format!("loss {first} {} {last}", sparkline(smoothed, SPARKLINE)));
    let header = ["learning rate", "loss"].map(String::from).to_vec();
    let count = ROWS.min(rates.len());
    let row = |row: usize| {
        let step = row * (rates.len() - 1) / (count - 1).max(1);
        vec![rounded(rates[step]), loss_text(smoothed[step])]
    };
    output.print_unwrapped(table(&std::iter::once(header).chain((0..count).map(row)).collect::<Vec<_>>(), 0, 2));
    let end = match (curve.diverged, rates.last()) {
        (true, Some(rate)) => format!("; training diverged at {}", rounded(*rate)),
        _ => String::new(),
    };
    output.print(format!("lowest loss: {} at {}{end}", loss_text(smoothed[lowest]), rounded(rates[lowest])));
    output.line(match curve.suggestion {
        Some(rate) => format!("suggested learning rate: {}, where the loss decreases fastest", rounded(rate)),
        None => "no suggestion: the loss never decreases; give other `--from` and `--to`, or more `--steps`".into(),
    });
}
