//! Network that a command works on: for a data set, or for given numbers of inputs and outputs.

use clap::ValueHint;
use wgrad::TrainingSpec;
use wgrad::{Error, Result};

use super::columns::Columns;
use super::data;
use super::names::names;
use super::numbers::count;
use super::recipe::{OF_DATA_OR_SIZES, Options, Recipe};

/// Options that define a network and its training. Its numbers of inputs and outputs are those of a data set, or of
/// `--inputs` and `--outputs`.
#[derive(clap::Args)]
#[command(mut_args(|option| OF_DATA_OR_SIZES.shown(option)))]
pub struct Subject {
    #[arg(long_help = format!("{}. Required, unless --inputs and --outputs are given", data::LONG_HELP))]
    #[arg(help = data::HELP, required_unless_present = "inputs", conflicts_with = "inputs")]
    #[arg(value_parser = names::<String>(&data::NAMES).case_sensitive(), hide_possible_values = true, value_hint = ValueHint::FilePath)]
    data: Option<String>,
    #[command(flatten)]
    columns: Columns,
    /// Number of inputs, in place of DATA, with --outputs
    #[arg(long, value_name = "N", value_parser = count, requires = "outputs", allow_negative_numbers = true)]
    #[arg(help_heading = "Data")]
    inputs: Option<usize>,
    /// Number of outputs, with --inputs
    #[arg(long, value_name = "N", value_parser = count, requires = "inputs", allow_negative_numbers = true)]
    #[arg(help_heading = "Data")]
    outputs: Option<usize>,
    #[command(flatten)]
    recipe: Options,
}

impl Subject {
    /// Returns the network and the settings of its training.
    pub fn spec(&self) -> Result<TrainingSpec> {
        let (recipe, data_rows) = self.recipe()?;
        let spec = TrainingSpec::new(recipe.network, recipe.loss, recipe.optimizer, recipe.batch);
        Ok(recipe.clipping.spec(TrainingSpec { data_rows, ..spec }))
    }

    fn recipe(&self) -> Result<(Recipe, Option<usize>)> {
        match (&self.data, self.inputs, self.outputs) {
            (Some(source), ..) => {
                let data = data::load_whole(source, &self.columns, self.recipe.loss)?;
                Ok((self.recipe.for_data(source, &data, data.len(), None, &self.columns)?, Some(data.len())))
            }
            (None, Some(inputs), Some(outputs)) => Ok((self.recipe.for_sizes(inputs, outputs)?, None)),
            // clap has already refused such arguments.
            _ => Err(Error::conflict(
                "network",
                "neither data nor sizes are given",
                "give DATA, or --inputs and --outputs",
            )),
        }
    }
}
