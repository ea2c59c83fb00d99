//! Executor features that few kernels use, tested with a kernel made for it: all step records at once, an atomic flag,
//! words of any type, no parameters.

use std::sync::atomic::Ordering;

use wgrad::exec::gpu::Gpu;
use wgrad::exec::{Executor, lockstep};
use wgrad::kernels;
use wgrad::plan::{Binding, Call, Contents, Kernel, Op, Plan, Section, Shader, Step, StepUse, Tolerance, WorkItem};
use wgrad::shape::{Dtype, Shape};

use crate::common::device;
use crate::plans::{ADAM, adamw_plan, fill_adamw, find, read, run, step};

/// out[i] = the rows of step i; the flag becomes the lowest index of a step without rows.
static PROBE: Kernel = Kernel {
    name: "probe",
    bindings: &[Binding::write("out", Dtype::U32).any(), Binding::atomic("flag")],
    params: &[],
    step: StepUse::All,
    item: WorkItem::Part,
    flops: |_, _| 0,
    reference: |call: Call<'_>| {
        let steps = &call.steps[call.items.clone()];
        let [out, flag] = call.args();
        let (out, flag) = (out.words_mut(), flag.atomic());
        for (i, step) in steps.iter().enumerate() {
            out[i] = step.rows;
            if step.rows == 0 {
                flag.fetch_min(step.index, Ordering::Relaxed);
            }
        }
    },
    fast: None,
    tolerance: |_, _| vec![Tolerance::Exact; 2],
    shader: Shader {
        source: "
            @group(0) @binding(2) var<storage, read_write> out: array<u32>;
            @group(0) @binding(3) var<storage, read_write> flag: array<atomic<u32>>;

            @compute @workgroup_size(64)
            fn main(@builtin(global_invocation_id) id: vec3<u32>) {
                if id.x < steps.count {
                    out[id.x] = steps.records[id.x].step.rows;
                    if out[id.x] == 0u {
                        atomicMin(&flag[0], steps.records[id.x].step.index);
                    }
                }
            }",
        shared: &[kernels::shared::STEPS],
        prelude: |_| String::new(),
        grid: |op, _| [op.items.div_ceil(64) as u32, 1, 1],
        rounds: None,
        tiles: None,
    },
};

#[test]
fn all_step_records_and_an_atomic_flag() {
    let Some(device) = device() else { return };
    let mut plan = Plan::new();
    let out = plan.tensor("out", Dtype::F32, Shape::new(100, 1), Contents::Computed);
    let flag = plan.tensor("flag", Dtype::U32, Shape::vector(1), Contents::Persistent(u32::MAX));
    plan.push(Section::Report, Op::new(&PROBE, &[out, flag], &(), 100)).expect("the plan is sound");
    let mut gpu = Gpu::new(&device, plan.clone()).expect("the plan fits");
    // More steps than there is room for at first, then fewer.
    for count in [70, 3, 100] {
        let steps: Vec<_> = (0..count).map(|i| Step { index: 200 - i, ..step(i as usize % 9) }).collect();
        let report = lockstep::run(&plan, &mut gpu, &steps, &[run(Section::Report, 0)]).expect("the device is right");
        assert_eq!(report.elements(), 101);
    }
    assert_eq!(read(&mut gpu, "flag"), [200 - 99], "the lowest index of a step without rows");
    let view = find(&plan, "out");
    assert_eq!(gpu.read(view, 0).and_then(|ticket| ticket.wait()).expect("the device answers")[98], 98 % 9);
}

#[test]
fn a_folded_grid_covers_the_same_elements() {
    let Some(device) = device() else { return };
    let elements = 5 * 64;
    let plan = adamw_plan(&ADAM, elements);
    let shader = kernels::update::kernel(&wgrad::elementwise::updates::ADAMW).shader;
    let folded = Shader { grid: |_, _| [2, 3, 1], ..shader };
    let mut device_plan = plan.clone();
    device_plan.substitute(|kernel| Box::leak(Box::new(Kernel { shader: folded, ..*kernel })));
    let mut gpu = Gpu::new(&device, device_plan).expect("the plan fits");
    fill_adamw(&mut gpu, elements, 1.0);
    let report = lockstep::run(&plan, &mut gpu, &[step(1)], &[run(Section::Update, 0)]).expect("the device is right");
    assert_eq!(report.elements(), 3 * elements + 1, "parameters, both states and the flag");
}
