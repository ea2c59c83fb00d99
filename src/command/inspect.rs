//! Command `wgrad inspect`: statistics of the columns of a table, and warnings.

use serde::Serialize;
use wgrad::Result;
use wgrad::data::{Inspection, PreparedColumn, preparation_table};

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

The last table shows what training makes of each column; --column changes it.
Text becomes a category with levels (its values), a date becomes its parts. Ids
and constants are left out. If training would refuse the table, the first
warning states why.
";

/// Options of `wgrad inspect`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    #[arg(help = data::HELP, long_help = data::LONG_HELP, value_parser = names::<String>(&data::NAMES).case_sensitive())]
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
    /// Inputs that each column of a table becomes.
    #[serde(skip_serializing_if = "<[PreparedColumn]>::is_empty")]
    prepared: &'a [PreparedColumn],
}

/// Inspects a table or data set, and prints the result.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let (found, prepared) = data::inspect(&arguments.data, &arguments.columns)?;
    if arguments.json {
        output.json(&Event { event: "inspection", data: &arguments.data, found: &found, prepared: &prepared });
    } else {
        // Only warnings are wrapped, since they are sentences. Lines of tables are not.
        let is_table = |line: &str| !["warning: ", "note: "].iter().any(|start| line.starts_with(start));
        let fit = |line| if is_table(line) { line.to_string() } else { wrapped("", "  ", line) };
        found.to_text(arguments.all).lines().for_each(|line| output.line(fit(line)));
        let table = preparation_table(&prepared, arguments.all);
        if !table.is_empty() {
            output.bytes(format!("\n{table}").as_bytes());
        }
    }
    Ok(())
}
