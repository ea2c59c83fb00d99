//! `wgrad inspect`: columns of a table, and its problems.

use serde::Serialize;
use wgrad::Result;
use wgrad::data::Inspection;

use super::columns::Columns;
use super::data;
use super::lines::wrapped;
use super::names::names;
use super::report::Output;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad inspect house.csv --target price
  wgrad inspect house.csv --drop id,address   leaves out these two columns
  wgrad inspect digits --all

Tables with missing cells, or with text in input columns, are read, too,
although training refuses them. A warning gives the line of the first such cell
of each column. Columns of --drop are shown, but without warnings.
";

/// Table to inspect.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    #[arg(help = data::HELP, long_help = data::LONG_HELP, value_parser = names::<String>(&data::NAMES))]
    #[arg(hide_possible_values = true, value_hint = clap::ValueHint::FilePath)]
    data: String,
    #[command(flatten)]
    columns: Columns,
    /// Shows all columns, classes and warnings
    ///
    /// By default, at most 20 columns beside the target, 20 classes, and 5 warnings of each kind are shown.
    #[arg(long, help_heading = "Output")]
    all: bool,
    /// Prints JSON: an object with all columns, classes and warnings
    #[arg(long, help_heading = "Output")]
    json: bool,
}

#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    data: &'a str,
    #[serde(flatten)]
    found: &'a Inspection,
}

/// Inspects a table, and prints the result.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let found = data::inspect(&arguments.data, &arguments.columns)?;
    if arguments.json {
        output.json(&Event { event: "inspection", data: &arguments.data, found: &found });
    } else {
        // Only warnings are wrapped, since they are sentences. Lines of tables stay as they are.
        let is_table = |line: &str| !line.starts_with("warning: ");
        let fit = |line| if is_table(line) { line.to_string() } else { wrapped("", "  ", line) };
        found.to_text(arguments.all).lines().for_each(|line| output.line(fit(line)));
    }
    Ok(())
}
