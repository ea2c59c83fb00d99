//! `wgrad plan`: what a training step consists of.

use clap::ValueHint;
use wgrad::fuse::fuse;
use wgrad::lower::{Description, lower};
use wgrad::plan::Rates;
use wgrad::{Device, Error, Result};

use super::columns::Columns;
use super::names::names;
use super::rates::RateOptions;
use super::recipe::{Options, Recipe};
use super::report::Output;
use super::whole_step::WholeStepOption;
use super::{count, data};

const EXAMPLES: &str = "\
EXAMPLES
  wgrad plan digits
  wgrad plan --inputs 784 --outputs 10 --network \"256 relu 128 relu\" --batch 128
  wgrad plan xor --primitive
  wgrad plan digits --device cpu --peak-gflops 100 --bandwidth-gbs 20
  wgrad plan iris --device gpu --whole-step always

Of `gradients` and `update` together, a network of L dense layers has 3L + 1
fused ops, or 3 where a GPU does a whole step of a narrow network at once.

FLOORS
  With --device there is a second table: operations, the bytes that must move
  if each number is read or written once, and how many operations there are for
  a byte. With the device's two rates, which nobody but you can know, it has the
  least time that each op takes: the larger of arithmetic's and memory's. What
  caches still hold of the op before may make it less.
";

/// Which network, for which data.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[arg(help = data::HELP, required_unless_present = "inputs", conflicts_with = "inputs")]
    #[arg(value_parser = names::<String>(&data::NAMES), hide_possible_values = true, value_hint = ValueHint::FilePath)]
    data: Option<String>,
    #[command(flatten)]
    columns: Columns,
    /// Input columns, where there is no data set
    #[arg(long, value_name = "N", value_parser = count, requires = "outputs", allow_negative_numbers = true)]
    #[arg(help_heading = "Data")]
    inputs: Option<usize>,
    /// Outputs, where there is no data set
    #[arg(long, value_name = "N", value_parser = count, requires = "inputs", allow_negative_numbers = true)]
    #[arg(help_heading = "Data")]
    outputs: Option<usize>,
    #[command(flatten)]
    recipe: Options,
    /// Shows the ops as on a blackboard, before they are fused
    #[arg(long, help_heading = "Output")]
    primitive: bool,
    /// Shows it as that device runs it, or says why it cannot
    #[arg(long, value_name = "NAME", value_parser = names::<Device>(&Device::NAMES), hide_possible_values = true)]
    #[arg(help_heading = "Device")]
    device: Option<Device>,
    #[command(flatten)]
    whole_step: WholeStepOption,
    #[command(flatten)]
    rates: RateOptions,
}

/// Prints the plan.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let (recipe, data_rows) = recipe(arguments)?;
    let heading = format!("{}, {}, {}\n", recipe.network, recipe.loss, recipe.optimizer.name());
    let description = Description::new(recipe.network, recipe.loss, recipe.optimizer, recipe.batch);
    let plan = lower(&Description { data_rows, ..description })?;
    let plan = if arguments.primitive { plan } else { fuse(&plan)? };
    let plan = match arguments.whole_step.of_named(arguments.device.as_ref())? {
        Some(device) => device.specialize(plan)?,
        None => plan,
    };
    output.line(heading);
    output.bytes(plan.to_string().as_bytes());
    let rates = arguments.rates.rates();
    if arguments.device.is_some() || rates != Rates::default() {
        output.line(format!("\nat least, on a full batch:\n{}", plan.floors(rates)).trim_end());
    }
    Ok(())
}

fn recipe(arguments: &Arguments) -> Result<(Recipe, Option<usize>)> {
    match (&arguments.data, arguments.inputs, arguments.outputs) {
        (Some(source), ..) => {
            let data = data::load(source, &arguments.columns)?.rows;
            Ok((arguments.recipe.for_data(source, &data, data.len())?, Some(data.len())))
        }
        (None, Some(inputs), Some(outputs)) => Ok((arguments.recipe.for_sizes(inputs, outputs)?, None)),
        // The arguments' own rules do not let this happen.
        _ => Err(Error::conflict("plan", "neither data nor sizes are given", "give DATA, or --inputs and --outputs")),
    }
}
