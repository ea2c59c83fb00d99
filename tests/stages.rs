//! Verification of fused steps, which is done stage by stage without the user's involvement.

mod common {
    pub mod executor;
}

use std::sync::LazyLock;

use common::executor::hands_on;
use wgrad::elementwise::updates;
use wgrad::exec::{Cpu, Executor};
use wgrad::kernels::mlp_step_fused::{self, Params};
use wgrad::kernels::update;
use wgrad::lower::TrainingSpec;
use wgrad::plan::{Call, Kernel, Plan, Step};
use wgrad::specialize::{DeviceLimits, FusedStep, Limits, specialize};
use wgrad::verify::{Report, Verify};
use wgrad::{Adam, Device, Error, Loss, Network, Result};

const TARGET: DeviceLimits = DeviceLimits::Gpu(LIMITS);

/// Limits that every GPU has.
const LIMITS: Limits = Limits {
    binding_bytes: 128 << 20,
    allocation_bytes: 256 << 20,
    storage_buffers: 8,
    workgroups: 65_535,
    invocations: 256,
    workgroup_bytes: 16 << 10,
    loop_rounds: 65_535,
    subgroups: false,
    software: false,
    fused_step: FusedStep::Always,
};

/// CPU executor with the plans of a GPU, and another kernel in place of the one with the same name.
struct Tampered {
    host: Cpu,
    kernel: &'static Kernel,
    /// Replaces kernels of plans that it adopts.
    adopted: fn(&'static Kernel) -> &'static Kernel,
}

impl Tampered {
    fn plan(plan: Plan, kernel: &'static Kernel) -> Result<Plan> {
        let mut plan = specialize(plan, &TARGET)?;
        plan.substitute(|original| if original.name == kernel.name { kernel } else { original });
        Ok(plan)
    }
}

impl Executor for Tampered {
    hands_on!(host: plan write read submit submit_op read_allocation);

    fn name(&self) -> String {
        "tampered".into()
    }

    fn limits(&self) -> DeviceLimits {
        TARGET
    }

    fn adopt(&mut self, plan: Plan) -> Result<()> {
        let mut plan = Self::plan(plan, self.kernel)?;
        plan.substitute(self.adopted);
        self.host.adopt(plan)
    }
}

fn verify() -> Verify {
    let network = Network::parse(6, "10 tanh 5 sigmoid 3").expect("the text is sound");
    let spec = TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(0.01), 13);
    Verify::network(&spec).expect("the spec is sound").seed(3)
}

fn report(kernel: &'static Kernel) -> Report {
    run(&verify(), kernel, |kernel| kernel).expect("the host answers")
}

fn run(verify: &Verify, kernel: &'static Kernel, adopted: fn(&'static Kernel) -> &'static Kernel) -> Result<Report> {
    let make = &mut |plan| {
        let host = Cpu::new(Tampered::plan(plan, kernel)?, 1)?;
        Ok(Box::new(Tampered { host, kernel, adopted }) as Box<_>)
    };
    verify.run_on(make, |_| ())
}

/// Networks without a fused step. On whole numbers they have no dropout and only ReLU, so they could have one there.
const LAYERED: [&str; 2] = ["20 relu dropout(0.3) 5", "7 leaky_relu(0.1) 7 leaky_relu(0.2) 5"];

fn verify_layered(layers: &str) -> Verify {
    let network = Network::parse(13, layers).expect("the text is sound");
    let spec = TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(0.01), 9);
    Verify::network(&spec).expect("the spec is sound")
}

#[test]
fn a_network_without_a_fused_step_is_verified_without_one_on_whole_numbers_too() {
    for layers in LAYERED {
        let verify = verify_layered(layers);
        let report = run(&verify, &mlp_step_fused::KERNEL, |kernel| kernel).expect("the host answers");
        assert!(report.passed() && !report.header.fused_step, "{report}");
        let layered = verify.run_on(&mut |plan| Ok(Box::new(Cpu::new(plan, 1)?)), |_| ()).expect("the CPU answers");
        let ops = |report: &Report| report.ops.iter().map(|op| (op.op.clone(), op.elements)).collect::<Vec<_>>();
        assert_eq!(ops(&report), ops(&layered), "{layers}");
    }
}

static RENAMED: LazyLock<Kernel> = LazyLock::new(|| Kernel { name: "renamed", ..*update::kernel(&updates::ADAMW) });

/// Otherwise they would be reported as those of one op.
#[test]
fn figures_of_two_kernels_are_never_added_up() {
    let renamed: fn(&'static Kernel) -> _ = |kernel| if kernel.name == "update_adamw" { &RENAMED } else { kernel };
    let message = run(&verify_layered(LAYERED[0]), &mlp_step_fused::KERNEL, renamed).expect_err("another op");
    let message = message.to_string();
    assert!(message.contains("(renamed)") && message.contains("belongs to update op 0 (update_adamw)"), "{message}");
}

#[test]
fn a_network_with_a_fused_step_is_verified_stage_by_stage() {
    let report = report(&mlp_step_fused::KERNEL);
    assert!(report.passed() && report.header.fused_step, "{report}");
    assert!(report.to_string().contains("stage by stage"), "{report}");
    let gradients = report.ops.iter().filter(|op| op.op.starts_with("gradients")).map(|op| op.kernel);
    assert_eq!(gradients.collect::<Vec<_>>(), ["mlp_step_fused_traced", "mlp_step_sum"]);
    assert!(report.free_runs.iter().all(|run| run.changed > 100), "{report}");
    let layered = verify().run(&Device::cpu(), |_| ()).expect("the CPU answers");
    assert!(!layered.header.fused_step && !layered.to_string().contains("stage by stage"), "{layered}");
}

fn with_params(call: Call<'_>, honest: &Kernel, change: impl Fn(&mut Params)) {
    let mut params = *call.params::<Params>();
    change(&mut params);
    (honest.reference)(Call { params: bytemuck::cast_slice(&[params]), ..call });
}

/// Computes tanh in place of the second layer's sigmoid.
static ANOTHER_ACTIVATION: Kernel = Kernel {
    fast: Some(|call| with_params(call, &mlp_step_fused::TRACED, |p| p.layer1 += 1 << 16)),
    ..mlp_step_fused::TRACED
};

/// Makes the gradient of the loss too large by a thousandth.
static SCALED: Kernel = Kernel {
    fast: Some(|call| {
        let step = Step { loss_scale: 1.001 * call.step.loss_scale, ..*call.step };
        (mlp_step_fused::TRACED.reference)(Call { step: &step, ..call });
    }),
    ..mlp_step_fused::TRACED
};

/// Same mistake, but only in the kernel without a trace, which trains.
static UNTRACED: Kernel = Kernel {
    fast: Some(|call| {
        let step = Step { loss_scale: 1.001 * call.step.loss_scale, ..*call.step };
        (mlp_step_fused::KERNEL.reference)(Call { step: &step, ..call });
    }),
    ..mlp_step_fused::KERNEL
};

#[test]
fn wrong_stages_are_named_and_a_wrong_kernel_without_trace_is_detected() {
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
