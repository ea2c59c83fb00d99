//! Every kernel's cases (`tests/kernels`) in lockstep, also over folded grids.
//!
//! Lockstep compares bits where a bound does not explain a difference, and so no NaN that was computed: which of the
//! many NaN comes out, WGSL leaves open (§15.7: implementations may even assume that there is none). A case whose
//! reference gives a NaN is run in lockstep with the NaN of its inputs taken out, and once as it is: there the device
//! must give a NaN where the reference does, and nowhere else.

use cases::STEMS;
use cases::case::Case;
use wgrad::Result;
use wgrad::exec::gpu::{Gpu, GpuDevice, GpuOptions};
use wgrad::exec::{Executor, Reference, lockstep};
use wgrad::kernels::{self, shared};
use wgrad::plan::{AllocationId, Kernel, Op, POISON, Shader};
use wgrad::shape::{Dtype, Shape};

use crate::common::{adapter_name, device, open};

/// Cases of more elements are slow; the others have everything but their size.
const LARGE: usize = 100_000;

/// The cases of one kernel, but for the largest.
pub fn cases_of(kernel: &str) -> Vec<Case> {
    let stems = STEMS.iter().filter(|(stem, _)| kernel.starts_with(stem));
    stems
        .flat_map(|(_, cases)| cases())
        .filter(|case| case.op().kernel.name == kernel && case.elements() < LARGE)
        .collect()
}

/// Lockstep of a case in which `kernel` takes the place of the honest one of its name.
pub fn run_with(device: &GpuDevice, case: &Case, kernel: &'static Kernel) -> Result<usize> {
    let mut plan = case.plan.clone();
    plan.substitute(|honest| if honest.name == kernel.name { kernel } else { honest });
    let mut gpu = Gpu::new(device, plan)?;
    case.load(&mut gpu);
    Ok(lockstep::run(&case.plan, &mut gpu, &case.steps, &[case.run()])?.elements())
}

/// Lockstep of a case with this kernel, and where the reference gives a NaN, the same NaN from the device.
fn judge(device: &GpuDevice, case: &Case, kernel: &'static Kernel) -> Result<usize> {
    let places = nan(case, &mut Reference::new(case.plan.clone())?)?;
    if !places.contains(&true) {
        return run_with(device, case, kernel);
    }
    let mut plan = case.plan.clone();
    plan.substitute(|_| kernel);
    assert_eq!(nan(case, &mut Gpu::new(device, plan)?)?, places, "{}: NaN", case.name);
    let mut finite = case.clone();
    for word in finite.inputs.iter_mut().flat_map(|input| &mut input.words) {
        *word = if f32::from_bits(*word).is_nan() { 0 } else { *word };
    }
    run_with(device, &finite, kernel)
}

/// Which of the numbers that a case's op writes are NaN, and not the poison that was there before.
fn nan(case: &Case, device: &mut dyn Executor) -> Result<Vec<bool>> {
    case.load(device);
    device.submit(&case.steps, &[case.run()])?;
    let mut places = Vec::new();
    for (_, view) in case.written().filter(|(_, view)| case.plan.allocations()[view.allocation.0].dtype == Dtype::F32) {
        let words = &device.read_allocation(view.allocation)?[view.range(case.slot)];
        places.extend(words.iter().map(|word| *word != POISON && f32::from_bits(*word).is_nan()));
    }
    Ok(places)
}

#[test]
fn every_case_of_every_kernel_with_a_shader() {
    let Some(device) = device() else { return };
    let mut failures = Vec::new();
    for (stem, cases) in STEMS {
        let (mut count, mut compared) = (0, 0);
        for case in cases().iter().filter(|case| case.op().kernel.shader.is_some()) {
            match judge(&device, case, case.op().kernel) {
                Ok(elements) => assert_eq!(elements, case.elements(), "{}", case.name),
                Err(error) => failures.push(format!("{}: {error}", case.name)),
            }
            count += 1;
            compared += case.elements();
        }
        println!("{stem}: {count} cases, {compared} elements compared on {}", device.adapter());
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// The honest grid in two rows, where it has more than one workgroup.
fn folded(op: &Op, shapes: &[Shape]) -> [u32; 3] {
    let honest = kernels::ALL.iter().find(|kernel| kernel.name == op.kernel.name).expect("a kernel of ours");
    let [x, y, z] = (honest.shader.expect("it has a shader").grid)(op, shapes);
    if x * y > 1 { [(x * y).div_ceil(2), 2, z] } else { [x, y, z] }
}

#[test]
fn grids_can_be_folded_wherever_workgroups_are_in_a_line() {
    let Some(device) = device() else { return };
    let mut compared = 0;
    for kernel in kernels::ALL {
        let Some(shader) = kernel.shader.filter(|shader| shader.shared.contains(&shared::LINE)) else { continue };
        let folded = Box::leak(Box::new(Kernel { shader: Some(Shader { grid: folded, ..shader }), ..*kernel }));
        for case in cases_of(kernel.name) {
            compared += judge(&device, &case, folded).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        }
    }
    println!("folded grids: {compared} elements compared on {}", device.adapter());
    assert!(compared > 300_000);
}

#[test]
fn runtime_checks_change_no_bit() {
    let Some(name) = adapter_name() else { return };
    // SAFETY: the shaders are this crate's own.
    let unchecked = unsafe { GpuOptions::unchecked() };
    let devices = [GpuOptions::default(), unchecked].map(|options| open(&name, options));
    let mut compared = 0;
    for case in kernels::ALL.iter().filter(|kernel| kernel.shader.is_some()).flat_map(|kernel| cases_of(kernel.name)) {
        let [checked, unchecked] = devices.each_ref().map(|device| {
            let mut gpu = Gpu::new(device, case.plan.clone()).expect("the plan fits");
            case.load(&mut gpu);
            gpu.submit(&case.steps, &[case.run()]).expect("the device works");
            let read = |number| gpu.read_allocation(AllocationId(number)).expect("the device works");
            (0..case.plan.allocations().len()).map(read).collect::<Vec<_>>()
        });
        assert!(checked == unchecked, "{}: without runtime checks the bits differ", case.name);
        compared += checked.iter().map(Vec::len).sum::<usize>();
    }
    println!("runtime checks: {compared} words equal");
    assert!(compared > 1_000_000);
}
