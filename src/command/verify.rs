//! `wgrad verify`: checks the results of a device.

use std::path::PathBuf;

use wgrad::TrainingSpec;
use wgrad::verify::{Event, Verify};
use wgrad::{Error, Model, Result};

use super::autotune::{TuningOptions, TuningSource};
use super::device::DeviceOptions;
use super::fused_step::FusedStepOption;
use super::numbers::{count, seed};
use super::paths::on_disk;
use super::progress::bar;
use super::recipe::{Options, of_sizes};
use super::report::Output;

/// Name of the column with the shape of an op and its tile.
pub(super) const SHAPE: &str = "shape, tile";

/// Template of the progress bar.
pub(super) const TEMPLATE: &str = "{bar:14} {pos}/{len} {wide_msg}";

const EXAMPLES: &str = "\
EXAMPLES
  wgrad verify                      all kernels, on the default device
  wgrad verify --hidden \"128 relu\"  every op of this network, at its sizes
  wgrad verify --model house.safetensors --device cpu
  wgrad verify --hidden \"256 relu\" --inputs 784 --json | tail -1

Each operation (op) of training and evaluation runs on the device, as a kernel
(routine), and in the slow reference implementation with the same inputs. Every
element of the results is compared, with a tolerance for rounding errors. With
whole numbers as inputs, matrix multiplications must have the same bits. Then
several steps, sent to the device at once, must give the same bits as their ops
one by one. A fused step is checked stage by stage, in a variant that stores the
result of each stage; the variant that trains must have the same bits. The first
wrong result ends the command. With --quiet, only a wrong result is printed.

Without --hidden and --model, small networks are checked that together run every
kernel, and on a GPU every tile size. --init, --loss, --inputs, --outputs,
--clip-norm, --clip-tensor-norm and --clip-value need --hidden. The other
options of Training, and a FILE of --autotune, need --hidden or --model.

EXIT CODES
  0  all results are right
  1  a result is wrong; op, array, row and column are printed
  2  an error: wrong usage, or a device that fails or does not answer
";

/// Options that need `--hidden`. They conflict with `--model`.
const OF_HIDDEN: [&str; 8] =
    ["hidden", "init", "loss", "inputs", "outputs", "clip_norm", "clip_tensor_norm", "clip_value"];

/// Options of `wgrad verify`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(mut_args(|option| of_sizes("small ones").shown(option)))]
pub struct Arguments {
    #[command(flatten)]
    recipe: Options,
    /// Model file, in place of --hidden
    ///
    /// Its network and loss function are checked, with its own parameters and with others.
    #[arg(long, value_name = "FILE", conflicts_with_all = OF_HIDDEN, help_heading = "Network")]
    #[arg(value_parser = on_disk())]
    model: Option<PathBuf>,
    /// Number of inputs, with --hidden [default: 64]
    #[arg(long, value_name = "N", value_parser = count, requires = "hidden", allow_negative_numbers = true)]
    #[arg(help_heading = "Network")]
    inputs: Option<usize>,
    /// Number of outputs, with --hidden [default: 10]
    #[arg(long, value_name = "N", value_parser = count, requires = "hidden", allow_negative_numbers = true)]
    #[arg(help_heading = "Network")]
    outputs: Option<usize>,
    /// Also checks the ops before fusion
    ///
    /// For developers of wgrad: training runs only the fused ops. Without --hidden and --model, both kinds are always
    /// checked.
    #[arg(long, help_heading = "Network")]
    primitive: bool,
    #[command(flatten)]
    device: DeviceOptions,
    #[command(flatten)]
    tuning: TuningOptions,
    #[command(flatten)]
    fused_step: FusedStepOption,
    /// Seed of parameters, rows and dropout
    #[arg(long, value_name = "N", value_parser = seed, default_value_t = 0, allow_negative_numbers = true)]
    #[arg(help_heading = "Network")]
    seed: u64,
    /// Prints JSON, one object per line: start, op …, summary
    ///
    /// Before the summary, there is an object `free_run` for each group of steps that was sent to the device in one
    /// submission. It compares the results after the last of these steps.
    #[arg(long, help_heading = "Output")]
    json: bool,
}

/// Verifies a device; returns `true` if all results are right.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<bool> {
    let mut verify = arguments.subject()?.seed(arguments.seed);
    if arguments.primitive {
        verify = verify.and_primitive();
    }
    let device = arguments.fused_step.of(arguments.device.open()?)?;
    let tuning = arguments.tuning.choose(&device)?;
    if let TuningSource::Unusable(problem) = &tuning
        && !arguments.json
    {
        output.print(format!("tuning not used: {problem}"));
    }
    if matches!(tuning, TuningSource::Pinned(..)) && arguments.recipe.hidden.is_none() && arguments.model.is_none() {
        let problem = "it is for the matrix multiplications of one network, but none is given";
        return Err(Error::conflict("`--autotune`", problem, "add `--hidden \"128 relu\"` or `--model FILE`"));
    }
    let verify = tuning.verify(verify);
    // The reference implementation is slow for wide networks, so there is a progress bar.
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
    // Wrong results are printed even by a quiet command.
    let is_printed = !output.is_quiet() || !report.passed();
    if is_printed && !arguments.json {
        output.folded(&report.to_string(), SHAPE);
    }
    Ok(report.passed())
}

impl Arguments {
    fn subject(&self) -> Result<Verify> {
        if let Some(path) = &self.model {
            let model = Model::load(path)?;
            let head = &model.metadata;
            let recipe = self.recipe.for_sizes(head.network.inputs(), head.network.outputs())?;
            return Verify::model(&model, recipe.optimizer, recipe.batch);
        }
        if self.recipe.hidden.is_some() {
            let recipe = self.recipe.for_sizes(self.inputs.unwrap_or(64), self.outputs.unwrap_or(10))?;
            let spec = TrainingSpec::new(recipe.network, recipe.loss, recipe.optimizer, recipe.batch);
            return Verify::network(&recipe.clipping.spec(spec));
        }
        self.recipe.check_none_given("verify", "add `--hidden \"128 relu\"` or `--model FILE`")?;
        Verify::standard()
    }
}
