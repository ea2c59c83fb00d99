//! Every kernel's cases (`tests/kernels`) in lockstep, also with folded grids.
//!
//! Lockstep compares bits where no tolerance allows a difference. That does not work for a computed NaN: WGSL does not
//! specify which of the many NaNs results (§15.7: implementations may even assume that there is none). So a case whose
//! reference gives a NaN is run twice: in lockstep without the NaNs in its inputs, and unchanged, where the device must
//! give a NaN exactly where the reference does.

use cases::STEMS;
use cases::case::Case;
use wgrad::exec::gpu::{Gpu, GpuDevice, GpuOptions};
use wgrad::exec::{Executor, Reference, lockstep};
use wgrad::kernels::{self, shared};
use wgrad::plan::{AllocationId, Kernel, Op, POISON, Shader, Tile};
use wgrad::shape::{Dtype, Shape};
use wgrad::specialize::{DeviceLimits, candidates, specialize};
use wgrad::{Error, Result};

use crate::common::{adapter_name, device, open};

/// Number of elements from which cases are slow; smaller ones test everything but size.
const LARGE: usize = 100_000;

/// Returns the cases of one kernel, except the largest.
pub fn cases_of(kernel: &str) -> Vec<Case> {
    let stems = STEMS.iter().filter(|(stem, _)| kernel.starts_with(stem));
    stems
        .flat_map(|(_, cases)| cases())
        .filter(|case| case.op().kernel.name == kernel && case.elements() < LARGE)
        .collect()
}

/// Returns every tile that the op of a case can have on a device; a single `None` if it is not a matrix multiplication.
pub fn tiles(device: &GpuDevice, case: &Case) -> Vec<Option<Tile>> {
    let shapes: Vec<_> = case.op().views.iter().map(|view| case.plan.shape(*view)).collect();
    let tiles = candidates(case.op(), &shapes, &device.limits());
    if tiles.is_empty() { vec![None] } else { tiles.into_iter().map(Some).collect() }
}

/// Returns the default tile, and one of the others in turn; all of them if `WGRAD_SWEEP=all`.
fn sample(tiles: Vec<Option<Tile>>, number: usize) -> Vec<Option<Tile>> {
    if tiles.len() == 1 || std::env::var("WGRAD_SWEEP").is_ok_and(|sweep| sweep == "all") {
        return tiles;
    }
    vec![tiles[0], tiles[1 + number % (tiles.len() - 1)]]
}

/// Runs a case in lockstep with this tile, where `kernel` replaces the original of its name.
pub fn run_with(device: &GpuDevice, case: &Case, tile: Option<Tile>, kernel: &'static Kernel) -> Result<usize> {
    let mut honest = case.plan.clone();
    honest.set_tiles(|_, _| tile);
    let honest = specialize(honest, &DeviceLimits::Gpu(device.limits()))?;
    let mut plan = honest.clone();
    plan.substitute(|original| if original.name == kernel.name { kernel } else { original });
    let mut gpu = Gpu::new(device, plan)?;
    case.load(&mut gpu);
    let report = lockstep::run(&honest, &mut gpu, &case.steps, &[case.run()])?;
    // With split-K, the op before the last one has written the parts' sums.
    let before: usize = report.ops.iter().rev().skip(1).map(|op| op.elements).sum();
    Ok(report.elements() - before)
}

/// Runs a case in lockstep with this kernel. If the reference gives a NaN, the device must give one in the same places.
pub fn judge(device: &GpuDevice, case: &Case, tile: Option<Tile>, kernel: &'static Kernel) -> Result<usize> {
    let places = nan(case, &mut Reference::new(case.plan.clone())?)?;
    if !places.contains(&true) {
        return run_with(device, case, tile, kernel);
    }
    let mut plan = case.plan.clone();
    plan.substitute(|_| kernel);
    plan.set_tiles(|_, _| tile);
    let found = nan(case, &mut Gpu::new(device, plan)?)?;
    if let Some(column) = (0..places.len()).find(|at| found[*at] != places[*at]) {
        let number = |nan: bool| if nan { f64::NAN } else { 0.0 };
        let (op, view) = (case.name.clone(), "whether a number is NaN, and 0 if not".into());
        let (device, reference) = (number(found[column]), number(places[column]));
        return Err(Error::Mismatch { op, view, row: 0, column, device, reference, tolerance: 0.0 });
    }
    let mut finite = case.clone();
    for word in finite.inputs.iter_mut().flat_map(|input| &mut input.words) {
        *word = if f32::from_bits(*word).is_nan() { 0 } else { *word };
    }
    run_with(device, &finite, tile, kernel)
}

/// Returns for each number that a case's op writes whether it is a NaN other than the poison.
fn nan(case: &Case, device: &mut dyn Executor) -> Result<Vec<bool>> {
    case.load(device);
    device.submit(&case.steps, &[case.run()])?;
    let mut places = Vec::new();
    for (_, view) in case.written().filter(|(_, view)| case.plan.allocations()[view.allocation.0].dtype == Dtype::F32) {
        let words = &device.read_allocation(view.allocation)?[view.range(case.batch_index)];
        places.extend(words.iter().map(|word| *word != POISON && f32::from_bits(*word).is_nan()));
    }
    Ok(places)
}

#[test]
fn every_case_of_every_kernel() {
    let Some(device) = device() else { return };
    let mut failures = Vec::new();
    for (stem, cases) in STEMS {
        let (mut count, mut compared) = (0, 0);
        for (number, case) in cases().into_iter().enumerate() {
            for tile in sample(tiles(&device, &case), number) {
                let name = tile.map_or(case.name.clone(), |tile| format!("{} by {tile}", case.name));
                match judge(&device, &case, tile, case.op().kernel) {
                    Ok(elements) => assert_eq!(elements, case.elements(), "{name}"),
                    Err(error) => failures.push(format!("{name}: {error}")),
                }
                count += 1;
                compared += case.elements();
            }
        }
        println!("{stem}: {count} runs, {compared} elements compared on {}", device.adapter());
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}

/// Returns the original grid in two rows, if it has more than one workgroup.
fn folded(op: &Op, shapes: &[Shape]) -> [u32; 3] {
    let honest = kernels::ALL.iter().find(|kernel| kernel.name == op.kernel.name).expect("a kernel of ours");
    let [x, y, z] = (honest.shader.grid)(op, shapes);
    if x * y > 1 { [(x * y).div_ceil(2), 2, z] } else { [x, y, z] }
}

/// Returns the kernel with a folded grid, if its grid is one-dimensional.
pub fn on_folded_grid(kernel: &Kernel) -> Option<&'static Kernel> {
    let on_folded = || Box::leak(Box::new(Kernel { shader: Shader { grid: folded, ..kernel.shader }, ..*kernel }));
    kernel.shader.shared.contains(&shared::LINEAR_INDEX).then(|| &*on_folded())
}

#[test]
fn grids_can_be_folded_wherever_workgroups_are_in_a_line() {
    let Some(device) = device() else { return };
    let mut compared = 0;
    for folded in kernels::ALL.into_iter().filter_map(on_folded_grid) {
        for case in cases_of(folded.name) {
            compared += judge(&device, &case, None, folded).unwrap_or_else(|error| panic!("{}: {error}", case.name));
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
    let devices = [GpuOptions::checked(), unchecked].map(|options| open(&name, options));
    let mut compared = 0;
    let cases = kernels::ALL.iter().flat_map(|kernel| cases_of(kernel.name));
    for (number, case) in cases.enumerate() {
        let tiles = tiles(&devices[0], &case);
        let [checked, unchecked] = devices.each_ref().map(|device| {
            let mut plan = case.plan.clone();
            plan.set_tiles(|_, _| tiles[number % tiles.len()]);
            let mut gpu = Gpu::new(device, plan).expect("the plan fits");
            case.load(&mut gpu);
            gpu.submit(&case.steps, &[case.run()]).expect("the device works");
            let allocations = gpu.plan().allocations().len();
            let read = |number| gpu.read_allocation(AllocationId(number)).expect("the device works");
            (0..allocations).map(read).collect::<Vec<_>>()
        });
        assert!(checked == unchecked, "{}: without runtime checks the bits differ", case.name);
        compared += checked.iter().map(Vec::len).sum::<usize>();
    }
    println!("runtime checks: {compared} words equal");
    assert!(compared > 1_000_000);
}
