//! `wgrad verify`: does this device compute what it should?

use std::path::PathBuf;

use wgrad::lower::TrainingSpec;
use wgrad::verify::{Event, Verify};
use wgrad::{Error, Model, Result};

use super::count;
use super::device::DeviceOptions;
use super::fused_step::FusedStepOption;
use super::progress::bar;
use super::recipe::Options;
use super::report::Output;
use super::tuning::{Chosen, TuningOptions};

/// Of the bar.
pub(super) const TEMPLATE: &str = "{bar:20} {pos}/{len} {wide_msg}";

const EXAMPLES: &str = "\
EXAMPLES
  wgrad verify                       every kernel, on the device that training
                                     would take
  wgrad verify --network \"128 relu\"  every op of this network, at its sizes
  wgrad verify --model house.safetensors --device cpu
  wgrad verify --network \"256 relu\" --inputs 784 --json | tail -1

Each op runs on the device and as a plain loop, from the same inputs; every
element that it writes is compared, on real numbers within a tolerance that follows
from rounding, and on whole numbers, where products must have the same bits.
Then whole submissions of steps must leave the same bits as their ops one by
one. A step that is one op is judged stage by stage, in a build that writes them
down; the build that trains must have its bits. With --quiet, only what is wrong
is told.

EXIT CODES
  0  all is right
  1  a result is wrong: op, view, row and column are named
  2  nothing could be told: wrong usage, or a device that does not answer
";

/// What to verify, on which device.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    recipe: Options,
    /// A model that wgrad wrote, in place of `--network`
    #[arg(long, value_name = "FILE", conflicts_with_all = ["network", "loss", "inputs", "outputs"])]
    #[arg(help_heading = "Network")]
    model: Option<PathBuf>,
    /// Input columns of the network [default: 64]
    #[arg(long, value_name = "N", value_parser = count, requires = "network", allow_negative_numbers = true)]
    #[arg(help_heading = "Network")]
    inputs: Option<usize>,
    /// Outputs of the network [default: 10]
    #[arg(long, value_name = "N", value_parser = count, requires = "network", allow_negative_numbers = true)]
    #[arg(help_heading = "Network")]
    outputs: Option<usize>,
    /// The primitive ops too, which training does not use
    #[arg(long)]
    primitive: bool,
    #[command(flatten)]
    device: DeviceOptions,
    #[command(flatten)]
    tuning: TuningOptions,
    #[command(flatten)]
    fused_step: FusedStepOption,
    /// Draws parameters, inputs, targets and dropout
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// One JSON object a line: start, op …, free_run …, summary
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// Verifies; tells whether all is right.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<bool> {
    let mut verify = arguments.subject()?.seed(arguments.seed);
    if arguments.primitive {
        verify = verify.and_primitive();
    }
    let device = arguments.fused_step.of(arguments.device.open()?)?;
    let tuning = arguments.tuning.choose(&device)?;
    if let Chosen::Unusable(problem) = &tuning
        && !arguments.json
    {
        output.tell(format!("tuning not followed: {problem}"));
    }
    if matches!(tuning, Chosen::Named(..)) && arguments.recipe.network.is_none() && arguments.model.is_none() {
        let problem = "it is for the products of one network, but none is given";
        return Err(Error::conflict("`--tuning`", problem, "add `--network \"128 relu\"` or `--model FILE`"));
    }
    let verify = tuning.verify(verify);
    // For wide networks the plain loops take their time.
    let bar = bar(TEMPLATE, 0, output);
    let report = verify.run(&device, |event| match (event, &bar) {
        (Event::Progress { what, done, total }, Some(bar)) => {
            bar.set_length(*total as u64);
            bar.set_position(*done as u64);
            bar.set_message(what.to_string());
        }
        (Event::Progress { .. }, None) => {}
        (event, _) if arguments.json => output.json(event),
        _ => {}
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let report = report?;
    // What is wrong is an error, and told in any case.
    let told = !output.is_quiet() || !report.passed();
    if told && !arguments.json {
        output.text(&report.to_string());
    }
    Ok(report.passed())
}

impl Arguments {
    fn subject(&self) -> Result<Verify> {
        let Options { network, loss, optimizer, learning_rate, batch } = &self.recipe;
        if let Some(path) = &self.model {
            let model = Model::load(path)?;
            let head = &model.metadata;
            let recipe = self.recipe.for_sizes(head.network.inputs(), head.network.outputs())?;
            return Verify::model(&model, recipe.optimizer, recipe.batch);
        }
        if network.is_some() {
            let recipe = self.recipe.for_sizes(self.inputs.unwrap_or(64), self.outputs.unwrap_or(10))?;
            return Verify::network(&TrainingSpec::new(recipe.network, recipe.loss, recipe.optimizer, recipe.batch));
        }
        if loss.is_some() || optimizer.is_some() || learning_rate.is_some() || batch.is_some() {
            let problem = "loss, optimizer, learning rate and batch are those of one network, but none is given";
            return Err(Error::conflict("verify", problem, "add `--network \"128 relu\"` or `--model FILE`"));
        }
        Verify::standard()
    }
}
