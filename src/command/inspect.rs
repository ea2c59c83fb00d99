//! `wgrad inspect`: what is in a table, and what will get in the way.

use serde::Serialize;
use wgrad::Result;
use wgrad::data::Inspection;

use super::columns::Columns;
use super::data;
use super::names::names;
use super::report::Output;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad inspect house.csv --target price
  wgrad inspect house.csv --drop id,address   as if without these columns
  wgrad inspect digits --all

It reads tables that training would refuse, with cells that are missing or text,
and says where they are.
";

/// Which table.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[arg(help = data::HELP, value_parser = names::<String>(&data::NAMES), hide_possible_values = true, value_hint = clap::ValueHint::FilePath)]
    data: String,
    #[command(flatten)]
    columns: Columns,
    /// Shows all columns and classes, not the first 20
    #[arg(long)]
    all: bool,
    /// One JSON object, with all columns and classes
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Event<'a> {
    event: &'static str,
    data: &'a str,
    #[serde(flatten)]
    found: &'a Inspection,
}

/// Inspects.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let found = data::inspect(&arguments.data, &arguments.columns)?;
    if arguments.json {
        output.json(&Event { event: "inspection", data: &arguments.data, found: &found });
    } else {
        output.text(&found.to_text(arguments.all));
    }
    Ok(())
}
