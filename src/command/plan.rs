//! `wgrad plan`: what a training step consists of.

use wgrad::fuse::fuse;
use wgrad::lower::{TrainingSpec, lower};
use wgrad::plan::Rates;
use wgrad::{Device, Result};

use super::fused_step::FusedStepOption;
use super::names::names;
use super::rates::RateOptions;
use super::report::Output;
use super::subject::Subject;
use super::tuning::{Followed, TuningOptions};

const EXAMPLES: &str = "\
EXAMPLES
  wgrad plan digits
  wgrad plan --inputs 784 --outputs 10 --network \"256 relu 128 relu\" --batch 128
  wgrad plan xor --primitive
  wgrad plan digits --device cpu --peak-gflops 100 --bandwidth-gbs 20
  wgrad plan iris --device gpu --fused-step always

Of `gradients` and `update` together, a network of L dense layers has 3L + 1
fused ops, or 3 where a GPU does a fused step of a narrow network at once.

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
    #[command(flatten)]
    subject: Subject,
    /// Shows the ops as on a blackboard, before they are fused
    #[arg(long, help_heading = "Output")]
    primitive: bool,
    /// Shows it as that device runs it, or says why it cannot
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

/// Prints the plan.
pub fn run(arguments: &Arguments, output: &mut Output) -> Result<()> {
    let spec = arguments.subject.spec()?;
    let TrainingSpec { network, loss, optimizer, .. } = &spec;
    let mut heading = format!("{network}, {loss}, {}\n", optimizer.name());
    let plan = lower(&spec)?;
    let plan = if arguments.primitive { plan } else { fuse(&plan)? };
    let plan = match &arguments.fused_step.of_named(arguments.device.as_ref())? {
        Some(device) => {
            let (plan, followed) = arguments.tuning.choose(device)?.cut(plan, device)?;
            followed.iter().flat_map(Followed::lines).for_each(|line| heading += &format!("{line}\n"));
            device.specialize(plan)?
        }
        None => plan,
    };
    output.line(heading);
    output.text(&plan.to_string());
    let rates = arguments.rates.rates();
    if arguments.device.is_some() || rates != Rates::default() {
        output.line(format!("\nat least, on a full batch:\n{}", plan.roofline(rates)).trim_end());
    }
    Ok(())
}
