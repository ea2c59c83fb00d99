//! Verification as a library: its counts, and errors that it must find.

mod common {
    pub mod executor;
}

use std::sync::LazyLock;

use common::executor::hands_on;
use wgrad::elementwise::updates;
use wgrad::exec::{Cpu, Executor, Run};
use wgrad::fuse::fuse;
use wgrad::kernels::{dense_forward, dense_grad_weight, update};
use wgrad::lower::{TrainingSpec, lower};
use wgrad::plan::{Access, Kernel, Plan, Section, Step};
use wgrad::verify::{Event, Report, Verify};
use wgrad::{Adam, AdamW, Device, Error, Fit, Loss, Network, Result, Trainer, data, kernels};

const BATCH: usize = 12;

fn spec() -> TrainingSpec {
    let network = Network::parse(6, "10 tanh dropout(0.2) 5 relu 3").expect("the text is sound");
    TrainingSpec::new(network, Loss::softmax_cross_entropy(), AdamW::new(0.01), BATCH)
}

fn verify() -> Verify {
    Verify::network(&spec()).expect("the spec is sound").seed(3)
}

/// Returns the number of elements that one run of each op of a section writes.
fn written(plan: &Plan, section: Section) -> usize {
    let of = |op: &wgrad::plan::Op| {
        let written = op.kernel.bindings.iter().zip(&op.views).filter(|(binding, _)| binding.access != Access::Read);
        written.map(|(_, view)| plan.shape(*view).elements()).sum::<usize>()
    };
    plan.ops(section).iter().map(of).sum()
}

#[test]
fn every_element_of_every_op_is_counted() {
    for (verify, forms) in [(verify(), 1), (verify().and_primitive(), 2)] {
        let mut wanted = 0;
        // The spec of the verification: seven steps per submission, and the evaluation's batch size of a training.
        let lowered = lower(&TrainingSpec { steps: 7, data_rows: Some(2 * BATCH + 1), evaluate_rows: 512, ..spec() })
            .expect("the spec is sound");
        for plan in [fuse(&lowered).expect("it can be fused"), lowered].iter().take(forms) {
            // On real and on whole numbers, with a full and a short step each.
            wanted += 2 * Section::ALL.iter().map(|s| written(plan, *s)).sum::<usize>();
            wanted += 2 * (written(plan, Section::Gradients) + written(plan, Section::Update));
        }
        let report = verify.run(&Device::cpu(), |_| ()).and_then(Report::into_result).expect("the CPU is right");
        assert_eq!(report.elements(), wanted);
        assert_eq!(report.free_runs.len(), 3 * forms);
        assert!(report.free_runs.iter().all(|run| run.changed > 100 && run.words > 1_000), "{report}");
        println!("verified: {} elements compared in {} op runs", report.elements(), report.summary.runs);
    }
}

/// On whole numbers matrix multiplications are exact, so at least half of their elements have tolerance 0.
#[test]
fn matmuls_are_exact_on_whole_numbers() {
    let report = verify().and_primitive().run(&Device::cpu(), |_| ()).expect("the CPU answers");
    let matmuls: Vec<_> =
        report.ops.iter().filter(|op| op.kernel.starts_with("matmul") || op.kernel.starts_with("dense")).collect();
    assert_eq!(matmuls.len(), 2 * (3 + 3 + 2 + 3), "forward, weights, inputs and evaluation, in both plans");
    for op in matmuls {
        assert!(2 * op.exact >= op.elements, "{}: {} of {}", op.op, op.exact, op.elements);
    }
}

#[test]
fn the_standard_set_runs_every_kernel() {
    let report = Verify::standard().and_then(|verify| verify.run(&Device::cpu(), |_| ())).expect("the CPU answers");
    assert!(report.passed(), "{report}");
    let mut ran: Vec<&str> = report.ops.iter().map(|op| op.kernel).collect();
    ran.sort_unstable();
    ran.dedup();
    let mut all: Vec<&str> = kernels::ALL.iter().map(|kernel| kernel.name).collect();
    // Lockstep checks the traced build; free runs check that this kernel has the same bits.
    all.retain(|name| *name != "mlp_step_fused");
    // The CPU does not split the matrix multiplications of such small batches.
    all.retain(|name| !name.starts_with("matmul_split") && (!name.starts_with("dense") || !name.contains("_sum")));
    all.sort_unstable();
    assert_eq!(ran, all);
    assert!(report.elements() > 3_000_000, "{report}");
}

#[test]
fn a_model_is_verified_from_its_own_parameters() {
    let moons = data::two_moons(60, 0.1, 1).expect("60 rows");
    let mut trainer = Trainer::builder(Network::parse(2, "8 relu 2").expect("the text is sound"))
        .loss(Loss::softmax_cross_entropy())
        .batch(20)
        .build(&Device::cpu())
        .expect("the CPU is there");
    trainer.fit(&moons, Fit::epochs(2)).expect("it trains");
    let model = trainer.into_model().expect("it can be read");
    let report = Verify::model(&model, Adam::new(1e-3), 20).and_then(|verify| verify.run(&Device::reference(), |_| ()));
    assert!(report.expect("the reference answers").passed());
    let mut broken = model;
    broken.parameters[0].values[0] = f32::NAN;
    assert!(Verify::model(&broken, Adam::new(1e-3), 20).is_err());
}

#[test]
fn events_come_in_order() {
    let mut events = Vec::new();
    let report = verify().run(&Device::cpu(), |event| {
        let value = serde_json::to_value(event).expect("events serialise");
        events.push(value["event"].as_str().expect("every event has a name").to_string());
        if let Event::Progress { done, total, .. } = event {
            assert!(done < total);
        }
    });
    let report = report.expect("the CPU answers");
    events.retain(|event| event != "progress");
    let mut wanted = vec!["start"];
    wanted.extend(report.ops.iter().map(|_| "op"));
    wanted.extend(["free_run", "free_run", "free_run", "summary"]);
    assert_eq!(events, wanted);
}

/// Creates CPU executors with `kernel` in place of the kernel of the same name.
fn with_kernel(kernel: &'static Kernel) -> impl FnMut(Plan) -> Result<Box<dyn Executor>> {
    move |plan| Ok(Box::new(Tampered { host: Cpu::new(tampered(plan, kernel), 2)?, kernel }))
}

fn tampered(mut plan: Plan, kernel: &'static Kernel) -> Plan {
    plan.substitute(|original| if original.name == kernel.name { kernel } else { original });
    plan
}

/// CPU executor that replaces a kernel in each plan.
struct Tampered {
    host: Cpu,
    kernel: &'static Kernel,
}

impl Executor for Tampered {
    hands_on!(host: plan write read submit submit_op read_allocation);

    fn name(&self) -> String {
        "tampered".into()
    }

    fn adopt(&mut self, plan: Plan) -> Result<()> {
        self.host.adopt(tampered(plan, self.kernel))
    }
}

/// Omits the bias of the last output.
static NO_BIAS: Kernel = Kernel {
    fast: Some(|mut call| {
        let bias = std::mem::take(&mut call.args[2]).f32();
        let mut less = bias.to_vec();
        if let Some(last) = less.last_mut() {
            *last = 0.0;
        }
        let mut call = call;
        call.args[2] = wgrad::plan::BufferArg::Read(bytemuck::cast_slice(&less));
        (dense_forward::KERNEL.reference)(call);
    }),
    ..dense_forward::KERNEL
};

/// Includes one row of padding after the rows of a short batch.
static DEAD_ROW: Kernel = Kernel {
    fast: Some(|call| {
        let mut step = *call.step;
        step.rows = (step.rows + 1).min(BATCH as u32);
        (dense_grad_weight::KERNEL.reference)(wgrad::plan::Call { step: &step, ..call });
    }),
    ..dense_grad_weight::KERNEL
};

/// Uses a learning rate that is one ten-thousandth too large: an error that a loose tolerance would miss.
static ROUNDED: LazyLock<Kernel> = LazyLock::new(|| Kernel {
    fast: Some(|call| {
        let step = Step { learning_rate: call.step.learning_rate * 1.000_1, ..*call.step };
        (update::kernel(&updates::ADAMW).reference)(wgrad::plan::Call { step: &step, ..call });
    }),
    ..*update::kernel(&updates::ADAMW)
});

#[test]
fn wrong_kernels_are_named() {
    let faults: [(&'static Kernel, &str, &str); 3] = [
        (&NO_BIAS, "gradients op 0 (dense_forward)", "layer2.output"),
        (&DEAD_ROW, "gradients op 4 (dense_grad_weight)", "grad.layer5.weight"),
        (&ROUNDED, "update op 0 (update_adamw)", "layer0.weight"),
    ];
    for (kernel, wanted, view) in faults {
        let report = verify().run_on(&mut with_kernel(kernel), |_| ()).expect("the executor answers");
        assert!(!report.passed() && report.free_runs.is_empty());
        let text = report.to_string();
        assert!(text.contains("FAILED after") && text.contains(wanted), "{text}");
        assert_eq!(report.summary.failure.as_ref().map(|failure| failure.contains(wanted)), Some(true));
        match report.into_result() {
            Err(Error::Mismatch { op, view: found, .. }) => assert_eq!((op.as_str(), found.as_str()), (wanted, view)),
            other => panic!("{}: {other:?}", kernel.name),
        }
        println!("caught: {wanted}");
    }
}

/// Executor that is correct op by op, but swaps two runs of a submission.
struct Overtaking(Cpu);

impl Executor for Overtaking {
    hands_on!(0: plan adopt write read submit_op read_allocation);

    fn name(&self) -> String {
        "overtaking".into()
    }

    fn submit(&mut self, steps: &[Step], runs: &[Run]) -> Result<()> {
        let mut runs = runs.to_vec();
        // The gradients of the second step run before the update of the first.
        if let Some(at) = runs.iter().position(|run| run.section == Section::Gradients && run.batch_index == 1) {
            runs.swap(at - 1, at);
        }
        self.0.submit(steps, &runs)
    }
}

#[test]
fn free_runs_catch_ops_that_overtake_each_other() {
    let make = &mut |plan| Ok(Box::new(Overtaking(Cpu::new(plan, 1)?)) as Box<dyn Executor>);
    let report = verify().run_on(make, |_| ()).expect("the executor answers");
    assert_eq!(report.free_runs.len(), 1, "one step to a submission is right");
    assert!(report.to_string().contains("free run of 2 × 2 steps (fused): loss[0, 1]"), "{report}");
}
