//! Lockstep locates faults: faulty kernels and a faulty executor are reported with op, view, row and column.

mod common {
    pub mod driver;
    pub mod executor;
    pub mod oracle;
    pub mod problem;
}

use std::sync::LazyLock;

use common::driver::{Device, Driver, PlanKind, plan};
use common::executor::hands_on;
use common::problem::{Numbers, batch, parameters};
use wgrad::elementwise::updates;
use wgrad::exec::{Executor, Run, lockstep};
use wgrad::kernels::{column_sum, dense_forward, dense_grad_weight, mean_loss, softmax_cross_entropy, update};
use wgrad::lower::TrainingSpec;
use wgrad::plan::{AllocationId, Call, Kernel, Plan, Section, Step, WorkItem};
use wgrad::{Adam, Error, Loss, Network, Result};

/// A kernel with a fault, under its original name, and the place that lockstep must report: op, view, row, column.
type Fault = (Kernel, &'static str, &'static str, usize, usize);

static FAULTS: LazyLock<[Fault; 6]> = LazyLock::new(|| {
    [
        // Omits the second bias correction.
        (
            Kernel {
                reference: |call| {
                    let step = Step { optimizer2: 1.0, ..*call.step };
                    (update::kernel(&updates::ADAMW).reference)(Call { step: &step, ..call });
                },
                fast: None,
                ..*update::kernel(&updates::ADAMW)
            },
            "update op 0 (update_adamw)",
            "layer0.weight",
            0,
            0,
        ),
        // Writes a row that is not live.
        (
            Kernel { item: WorkItem::Part, fast: None, ..dense_forward::KERNEL },
            "gradients op 0 (dense_forward)",
            "layer1.output",
            3,
            0,
        ),
        // Omits the first of its items, like a grid that begins one too late.
        (
            Kernel {
                reference: |call| {
                    if call.items.start > 0 {
                        (dense_forward::KERNEL.reference)(call);
                    }
                },
                fast: None,
                ..dense_forward::KERNEL
            },
            "gradients op 0 (dense_forward)",
            "layer1.output",
            0,
            0,
        ),
        // Relative error of 4e-6: more than rounding, and less than common tolerances.
        (
            Kernel {
                reference: |call| {
                    let off = |step: &Step| Step { loss_scale: step.loss_scale * 1.000_004, ..*step };
                    let steps: Vec<Step> = call.steps.iter().map(off).collect();
                    (mean_loss::KERNEL.reference)(Call { steps: &steps, ..call });
                },
                fast: None,
                ..mean_loss::KERNEL
            },
            "report op 0 (mean_loss)",
            "loss",
            0,
            0,
        ),
        // Writes NaN, for which every comparison is false.
        (
            Kernel {
                reference: |call| {
                    let step = Step { loss_scale: f32::NAN, ..*call.step };
                    (softmax_cross_entropy::KERNEL.reference)(Call { step: &step, ..call });
                },
                fast: None,
                ..softmax_cross_entropy::KERNEL
            },
            "gradients op 2 (softmax_cross_entropy)",
            "grad.layer2.output",
            0,
            0,
        ),
        // Sums one row too few; the last layer is the first in which it shows.
        (
            Kernel {
                reference: |call| {
                    let step = Step { rows: call.step.rows - 1, ..*call.step };
                    (dense_grad_weight::KERNEL.reference)(Call { step: &step, ..call });
                },
                fast: None,
                ..dense_grad_weight::KERNEL
            },
            "gradients op 3 (dense_grad_weight)",
            "grad.layer2.weight",
            0,
            0,
        ),
    ]
});

fn spec() -> TrainingSpec {
    let network = Network::parse(5, "6 tanh 3").expect("the text is sound");
    TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(0.1), 4)
}

/// Result of lockstep for this plan on one thread, with three live rows of four, after a full batch.
fn judged(device: impl FnOnce(Plan) -> Box<dyn Executor>, tampered: Plan) -> Result<usize> {
    let spec = spec();
    let mut driver = Driver::with_plan(&spec, plan(&spec, PlanKind::Fused), Device::Reference);
    driver.executor = device(tampered);
    driver.set(&parameters(&spec.network, 1, Numbers::Real));
    // The row after the live ones has contents.
    driver.write("layer1.output", 0, &[0; 24]);
    let [whole, short] = [4, 3].map(|rows| batch(&spec.network, spec.loss, rows, 1, 0, Numbers::Real));
    driver.write("input", 0, bytemuck::cast_slice(&whole.input));
    let steps = driver.feed(&[short]);
    let honest = plan(&spec, PlanKind::Fused);
    lockstep::run(&honest, &mut *driver.executor, &steps, &Run::submission(&steps)).map(|report| report.elements())
}

fn cpu(plan: Plan) -> Box<dyn Executor> {
    common::driver::executor(plan, Device::Cpu { threads: 1 })
}

#[test]
fn faulty_kernels_are_named() {
    let honest = plan(&spec(), PlanKind::Fused);
    judged(cpu, honest.clone()).expect("nothing is wrong yet");
    for (faulty, op, view, row, column) in FAULTS.iter() {
        let mut tampered = honest.clone();
        tampered.substitute(|kernel| if kernel.name == faulty.name { faulty } else { kernel });
        match judged(cpu, tampered) {
            Err(Error::Mismatch { op: found, view: at, row: r, column: c, .. }) => {
                assert_eq!((found.as_str(), at.as_str(), r, c), (*op, *view, *row, *column));
            }
            other => panic!("{}: {other:?}", faulty.name),
        }
    }
    // A kernel that the plan does not run has no effect.
    let mut untouched = honest;
    untouched.substitute(|kernel| if kernel.name == column_sum::KERNEL.name { &FAULTS[0].0 } else { kernel });
    judged(cpu, untouched).expect("nothing is wrong");
}

/// Executor that writes one word too many, into the padding after the gradient of the last layer's bias.
struct Overrun {
    host: Box<dyn Executor>,
    overrun: bool,
}

impl Executor for Overrun {
    hands_on!(host: plan adopt write read submit);

    fn name(&self) -> String {
        "overrun".into()
    }

    fn submit_op(&mut self, steps: &[Step], run: Run, op: usize) -> Result<()> {
        self.overrun |= self.plan().ops(run.section)[op].kernel.name == dense_grad_weight::KERNEL.name;
        self.host.submit_op(steps, run, op)
    }

    fn read_allocation(&mut self, allocation: AllocationId) -> Result<Vec<u32>> {
        let mut words = self.host.read_allocation(allocation)?;
        let plan = self.host.plan();
        if self.overrun && plan.allocations()[allocation.0].name == "gradients" {
            let bias = plan.find("grad.layer2.bias").expect("the plan has it");
            words[plan.get(bias).range(0).end] = 1;
        }
        Ok(words)
    }
}

#[test]
fn writes_outside_the_written_views_are_detected() {
    let honest = plan(&spec(), PlanKind::Fused);
    let end = honest.get(honest.find("grad.layer2.bias").expect("the plan has it")).range(0).end;
    assert_eq!(honest.ops(Section::Gradients)[3].kernel.name, "dense_grad_weight");
    let overrun = |plan| Box::new(Overrun { host: cpu(plan), overrun: false }) as Box<dyn Executor>;
    match judged(overrun, honest) {
        Err(Error::Mismatch { op, view, column, .. }) => {
            assert_eq!(op, "gradients op 3 (dense_grad_weight)");
            assert_eq!((view.split(' ').next(), column), (Some("gradients"), end));
        }
        other => panic!("{other:?}"),
    }
}
