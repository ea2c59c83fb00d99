//! `wgrad plan`: ops of a training step.

use wgrad::lower::{TrainingSpec, lower};
use wgrad::plan::{Plan, Rates};
use wgrad::{Device, Result};

use super::autotune::{TuningOptions, TuningReport};
use super::fused_step::FusedStepOption;
use super::groups::GroupOptions;
use super::lines::{without_last, wrapped};
use super::names::names;
use super::rates::RateOptions;
use super::report::Output;
use super::subject::Subject;

const EXAMPLES: &str = "\
EXAMPLES
  wgrad plan digits
  wgrad plan --inputs 784 --outputs 10 --hidden \"256 relu 128 relu\" --batch 128
  wgrad plan xor --primitive
  wgrad plan digits --device cpu --peak-gflops 100 --bandwidth-gbs 20
  wgrad plan iris --device gpu --fused-step always

An op is one operation on the device, such as a matrix multiplication. No op
runs: the command prints the ops that training and evaluation would run. A
training step has the ops of the sections `gradients` and `update`: 3L + 1 for L
dense layers, if at most one activation function and a dropout follow each
hidden layer. L counts the output layer, too. A fused step (see --fused-step)
has 3 ops: two and the update. --clip-norm adds 2, and a device may split a
matrix multiplication in two.

ROOFLINE
  With --device, --peak-gflops or --bandwidth-gbs, a second table has for each
  op the floating-point operations, the bytes that it moves if each number is
  read or written once, and operations per byte. The two rates, from the
  device's data sheet, add two lower bounds of the op's time: the times for
  arithmetic and for memory. An op whose data are still in a cache can be faster
  than the latter.
";

/// Options of `wgrad plan`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub struct Arguments {
    #[command(flatten)]
    subject: Subject,
    #[command(flatten)]
    groups: GroupOptions,
    /// Shows the ops before fusion
    ///
    /// Each of these ops computes one formula, such as adding a bias. Training runs fused ops, which are fewer and
    /// faster. This fusion is independent of --fused-step.
    #[arg(long, help_heading = "Output")]
    primitive: bool,
    /// Shows the ops as this device runs them [default: none]
    ///
    /// NAME is as in `wgrad train`. Without --device, the ops are those before adaptation to a device; --autotune and
    /// --fused-step need it. The environment variable WGRAD_DEVICE has no effect.
    #[arg(long, value_name = "NAME", value_parser = names::<Device>(&Device::NAMES), hide_possible_values = true)]
    #[arg(help_heading = "Device")]
    device: Option<Device>,
    #[command(flatten)]
    tuning: TuningOptions,
    #[command(flatten)]
    fused_step: FusedStepOption,
    #[command(flatten)]
    rates: RateOptions,
}

/// Prints the ops of the plan, and with a device or peak rates the lower bounds of their times.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let spec = TrainingSpec { groups: arguments.groups.groups(), ..arguments.subject.spec()? };
    let TrainingSpec { network, loss, optimizer, .. } = &spec;
    let mut heading = wrapped("", "  ", &format!("{network}, {loss}, {}", optimizer.name())) + "\n";
    let plan = if arguments.primitive { lower(&spec)? } else { Plan::for_training(&spec)? };
    let plan = match &arguments.fused_step.of_named(arguments.device.as_ref())? {
        Some(device) => {
            let (plan, report) = arguments.tuning.choose(device)?.apply(plan, device)?;
            report.iter().flat_map(TuningReport::lines).for_each(|line| heading += &(wrapped("", "  ", &line) + "\n"));
            device.specialize(plan)?
        }
        None => {
            arguments.tuning.check_unused()?;
            plan
        }
    };
    output.line(heading);
    output.folded(&plan.to_string(), "views");
    let rates = arguments.rates.rates();
    if arguments.device.is_some() || rates != Rates::default() {
        // The table above has the kernel of each op.
        output.line("\nlower bounds for a full batch:");
        output.text(&without_last(&plan.roofline(rates).to_string(), "kernel"));
    }
    Ok(())
}
