//! Whole steps under judgement: a user's network that takes one is verified stage by stage, without the user knowing of it.

use wgrad::exec::{Cpu, Executor, Run, Ticket};
use wgrad::kernels::mlp_step_fused::{self, Params};
use wgrad::lower::Description;
use wgrad::plan::{AllocationId, Call, Kernel, Plan, Step, ViewId};
use wgrad::specialize::{Limits, Target, WholeStep, specialize};
use wgrad::verify::{Report, Verify};
use wgrad::{Adam, Device, Error, Loss, Network, Result};

const TARGET: Target = Target::Gpu(LIMITS);

/// Any GPU's.
const LIMITS: Limits = Limits {
    binding_bytes: 128 << 20,
    allocation_bytes: 256 << 20,
    storage_buffers: 8,
    workgroups: 65_535,
    invocations: 256,
    workgroup_bytes: 16 << 10,
    subgroups: false,
    software: false,
    whole_step: WholeStep::Always,
};

/// A host that takes plans as a GPU does, with another kernel in place of the one of the same name.
struct Tampered {
    host: Cpu,
    kernel: &'static Kernel,
}

impl Tampered {
    fn plan(plan: Plan, kernel: &'static Kernel) -> Result<Plan> {
        let mut plan = specialize(plan, &TARGET)?;
        plan.substitute(|original| if original.name == kernel.name { kernel } else { original });
        Ok(plan)
    }
}

impl Executor for Tampered {
    fn name(&self) -> String {
        "tampered".into()
    }

    fn target(&self) -> Target {
        TARGET
    }

    fn plan(&self) -> &Plan {
        self.host.plan()
    }

    fn adopt(&mut self, plan: Plan) -> Result<()> {
        self.host.adopt(Self::plan(plan, self.kernel)?)
    }

    fn write(&mut self, view: ViewId, slot: usize, words: &[u32]) -> Result<()> {
        self.host.write(view, slot, words)
    }

    fn read(&mut self, view: ViewId, slot: usize) -> Result<Ticket> {
        self.host.read(view, slot)
    }

    fn submit(&mut self, steps: &[Step], runs: &[Run]) -> Result<()> {
        self.host.submit(steps, runs)
    }

    fn submit_op(&mut self, steps: &[Step], run: Run, op: usize) -> Result<()> {
        self.host.submit_op(steps, run, op)
    }

    fn read_allocation(&mut self, allocation: AllocationId) -> Result<Vec<u32>> {
        self.host.read_allocation(allocation)
    }
}

fn verify() -> Verify {
    let network = Network::parse(6, "10 tanh 5 sigmoid 3").expect("the text is sound");
    let description = Description::new(network, Loss::SoftmaxCrossEntropy, Adam::new(0.01), 13);
    Verify::network(&description).expect("the description is sound").seed(3)
}

fn report(kernel: &'static Kernel) -> Report {
    let make =
        &mut |plan| Ok(Box::new(Tampered { host: Cpu::new(Tampered::plan(plan, kernel)?, 1)?, kernel }) as Box<_>);
    verify().run_on(make, |_| ()).expect("the host answers")
}

#[test]
fn a_network_with_a_whole_step_is_judged_stage_by_stage() {
    let report = report(&mlp_step_fused::KERNEL);
    assert!(report.passed() && report.header.whole_step, "{report}");
    assert!(report.to_string().contains("judged stage by stage"), "{report}");
    let gradients = report.ops.iter().filter(|op| op.op.starts_with("gradients")).map(|op| op.kernel);
    assert_eq!(gradients.collect::<Vec<_>>(), ["mlp_step_fused_traced", "mlp_step_sum"]);
    assert!(report.free_runs.iter().all(|run| run.changed > 100), "{report}");
    let layered = verify().run(&Device::cpu(), |_| ()).expect("the CPU answers");
    assert!(!layered.header.whole_step && !layered.to_string().contains("stage by stage"), "{layered}");
}

fn with_params(call: Call<'_>, honest: &Kernel, change: impl Fn(&mut Params)) {
    let mut params = *call.params::<Params>();
    change(&mut params);
    (honest.reference)(Call { params: bytemuck::cast_slice(&[params]), ..call });
}

/// The second layer's sigmoid is a tanh.
static ANOTHER_ACTIVATION: Kernel = Kernel {
    fast: Some(|call| with_params(call, &mlp_step_fused::TRACED, |p| p.layer1 += 1 << 16)),
    ..mlp_step_fused::TRACED
};

/// The loss's gradient is a thousandth too large.
static SCALED: Kernel = Kernel {
    fast: Some(|call| {
        let step = Step { loss_scale: 1.001 * call.step.loss_scale, ..*call.step };
        (mlp_step_fused::TRACED.reference)(Call { step: &step, ..call });
    }),
    ..mlp_step_fused::TRACED
};

/// The same mistake, but only in the build that trains.
static UNTRACED: Kernel = Kernel {
    fast: Some(|call| {
        let step = Step { loss_scale: 1.001 * call.step.loss_scale, ..*call.step };
        (mlp_step_fused::KERNEL.reference)(Call { step: &step, ..call });
    }),
    ..mlp_step_fused::KERNEL
};

#[test]
fn wrong_stages_are_named_and_a_build_that_differs_is_caught() {
    let lockstep = "gradients op 0 (mlp_step_fused_traced)";
    let faults: [(&'static Kernel, &str, &str); 3] = [
        (&ANOTHER_ACTIVATION, lockstep, "layer3.output"),
        (&SCALED, lockstep, "grad.layer4.output"),
        (&UNTRACED, "free run of 2 × 1 steps (fused)", "parameters"),
    ];
    for (kernel, wanted, view) in faults {
        match report(kernel).into_result() {
            Err(Error::Mismatch { op, view: found, .. }) => assert_eq!((op.as_str(), found.as_str()), (wanted, view)),
            other => panic!("{wanted}, {view}: {other:?}"),
        }
        println!("caught: {wanted}, {view}");
    }
}
