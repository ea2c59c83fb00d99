//! Tests of the tests: CPU kernels with one mistake each, run as if they were a device. Lockstep must catch every one
//! and name its op. The correct CPU kernels must pass the same cases.

mod comparator;
mod losses;
mod matmul;
mod normalizations;
mod optimizers;
mod parts;
mod rest;
mod steps;

use super::STEMS;
use super::case::Case;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use wgrad::Error;
use wgrad::exec::{Reference, lockstep};
use wgrad::kernels::ALL;
use wgrad::plan::{BufferArg, Call, Kernel, MAX_BINDINGS, Step, Tolerance};

/// A faulty kernel: name of the kernel, description of the mistake, faulty CPU kernel.
type Sabotage = (&'static str, &'static str, fn(Call<'_>));

const TABLES: [&[Sabotage]; 7] =
    [matmul::TABLE, parts::TABLE, losses::TABLE, normalizations::TABLE, optimizers::TABLE, rest::TABLE, steps::TABLE];

/// Returns all but the largest cases of a kernel. Its name must begin with the stem of its file.
fn cases(kernel: &str) -> Vec<Case> {
    let stems = STEMS.iter().filter(|(stem, _)| kernel.starts_with(stem));
    stems
        .flat_map(|(_, cases)| cases())
        .filter(|case| case.op().kernel.name == kernel && case.elements() < 100_000)
        .collect()
}

/// Function that returns the tolerances of a kernel.
type Tolerances = fn(&Call<'_>, &Call<'_>) -> Vec<Tolerance>;

/// Creates a kernel with another reference and other tolerances. It is leaked, since plans need static kernels.
fn with_reference(honest: &'static Kernel, reference: fn(Call<'_>), tolerance: Tolerances) -> &'static Kernel {
    Box::leak(Box::new(Kernel {
        reference,
        fast: None,
        shader: honest.shader,
        name: honest.name,
        bindings: honest.bindings,
        params: honest.params,
        step: honest.step,
        item: honest.item,
        flops: honest.flops,
        tolerance,
    }))
}

/// Faulty CPU kernel of a family.
type Faulty = Box<dyn Fn(Call<'_>)>;

thread_local! {
    /// The current one, which a function pointer cannot capture.
    static FAULTY: RefCell<Faulty> = RefCell::new(Box::new(|_| {}));
}

/// Runs a case in lockstep, on a device whose kernels run `reference`.
fn verify(case: &Case, reference: fn(Call<'_>)) -> wgrad::Result<usize> {
    let honest = case.op().kernel;
    let tampered = with_reference(honest, reference, honest.tolerance);
    let mut plan = case.plan.clone();
    plan.substitute(|kernel| if kernel.name == honest.name { tampered } else { kernel });
    let mut device = Reference::new(plan).expect("there is memory");
    case.load(&mut device);
    lockstep::run(&case.plan, &mut device, &case.steps, &[case.run()]).map(|report| report.elements())
}

/// Asserts that each faulty kernel of a table is caught by some case, and that every error names its op.
fn all_are_caught(table: &[Sabotage]) {
    let mut missed = Vec::new();
    for (kernel, wrong, reference) in table {
        missed.extend(not_caught(kernel, wrong, *reference, &cases(kernel)));
    }
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

/// Returns the description of a faulty kernel that no case catches. Asserts that every error names its op.
fn not_caught(kernel: &str, wrong: &str, reference: fn(Call<'_>), cases: &[Case]) -> Option<String> {
    let caught: Vec<Error> = cases.iter().filter_map(|case| verify(case, reference).err()).collect();
    println!("{kernel}: {wrong}: caught by {} of {} cases", caught.len(), cases.len());
    for error in &caught {
        let Error::Mismatch { op, .. } = error else { panic!("{kernel}: {wrong}: {error}") };
        assert!(op.ends_with(&format!("op 0 ({kernel})")), "{wrong} in {kernel} was blamed on {op}");
    }
    caught.is_empty().then(|| format!("{kernel}: {wrong}"))
}

#[test]
fn sabotaged_matmuls_are_caught() {
    all_are_caught(matmul::TABLE);
}

#[test]
fn sabotaged_parts_are_caught() {
    all_are_caught(parts::TABLE);
}

#[test]
fn sabotaged_losses_are_caught() {
    all_are_caught(losses::TABLE);
}

#[test]
fn sabotaged_optimizers_are_caught() {
    all_are_caught(optimizers::TABLE);
}

#[test]
fn sabotaged_updates_are_caught() {
    let mut missed = Vec::new();
    let mut of_kernel = ("", Vec::new());
    for (kernel, wrong, reference) in optimizers::faulty_updates() {
        if of_kernel.0 != kernel {
            of_kernel = (kernel, cases(kernel));
        }
        FAULTY.set(reference);
        missed.extend(not_caught(kernel, &wrong, |call| FAULTY.with_borrow(|faulty| faulty(call)), &of_kernel.1));
    }
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

#[test]
fn sabotaged_normalizations_are_caught() {
    all_are_caught(normalizations::TABLE);
}

#[test]
fn sabotaged_rest_is_caught() {
    all_are_caught(rest::TABLE);
}

#[test]
fn sabotaged_steps_are_caught() {
    all_are_caught(steps::TABLE);
}

#[test]
fn every_kernel_is_sabotaged() {
    let updates = optimizers::faulty_updates();
    let sabotaged = TABLES.into_iter().flatten().map(|(kernel, ..)| *kernel);
    let sabotaged: Vec<&str> = sabotaged.chain(updates.iter().map(|(kernel, ..)| *kernel)).collect();
    assert_eq!(BTreeSet::from_iter(sabotaged.iter().copied()), ALL.iter().map(|kernel| kernel.name).collect());
    let said = format!("{} sabotaged CPU kernels", sabotaged.len());
    assert!(include_str!("../../../README.md").contains(&said), "README.md does not say `{said}`");
}

#[test]
fn honest_kernels_raise_no_alarm() {
    for kernel in ALL {
        for case in cases(kernel.name) {
            let compared = verify(&case, kernel.reference).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            assert_eq!(compared, case.elements(), "{}", case.name);
        }
    }
}

/// Runs the correct kernel with other parameters or another step.
fn changed<P: bytemuck::Pod>(call: Call<'_>, honest: &Kernel, change: impl FnOnce(&mut P, &mut Step)) {
    let Call { params, step, steps, items, args, trace } = call;
    let (mut params, mut step) = (*bytemuck::from_bytes::<P>(bytemuck::cast_slice(params)), *step);
    change(&mut params, &mut step);
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytemuck::bytes_of(&params));
    (honest.reference)(Call { params: &words, step: &step, steps, items, args, trace });
}

/// Runs the correct kernel with another step.
fn at_step(call: Call<'_>, honest: &Kernel, change: impl FnOnce(&mut Step)) {
    let Call { params, step, steps, items, args, trace } = call;
    let mut step = *step;
    change(&mut step);
    (honest.reference)(Call { params, step: &step, steps, items, args, trace });
}

/// Runs the correct kernel with changed words in the argument `argument`, which it reads.
fn reading(call: Call<'_>, honest: &Kernel, argument: usize, change: impl FnOnce(&mut [u32])) {
    let mut words = call.words(argument).to_vec();
    change(&mut words);
    let Call { params, step, steps, items, mut args, trace } = call;
    args[argument] = BufferArg::Read(&words);
    (honest.reference)(Call { params, step, steps, items, args, trace });
}

/// Runs the correct kernel with a separate flag. `finish` gets the real flag, and the value of the separate one.
fn flagging(call: Call<'_>, honest: &Kernel, argument: usize, finish: impl FnOnce(&AtomicU32, u32)) {
    let own = [AtomicU32::new(u32::MAX)];
    let Call { params, step, steps, items, mut args, trace } = call;
    let flag = std::mem::replace(&mut args[argument], BufferArg::Atomic(&own)).atomic();
    (honest.reference)(Call { params, step, steps, items, args, trace });
    finish(flag, own[0].load(Ordering::Relaxed));
}

/// Runs the correct kernel, then changes its output in the argument `argument`. `change` also gets the words from
/// before the run.
fn writing(call: Call<'_>, honest: &Kernel, argument: usize, change: impl FnOnce(&mut [u32], &[u32])) {
    let Call { params, step, steps, items, mut args, trace } = call;
    let words = std::mem::take(&mut args[argument]).words_mut();
    let before = words.to_vec();
    args[argument] = BufferArg::Write(words);
    lend(&mut args, |args| (honest.reference)(Call { params, step, steps, items, args, trace }));
    let BufferArg::Write(words) = &mut args[argument] else { panic!("argument {argument} is not written") };
    change(words, &before);
}

/// Calls `work` with reborrowed arguments.
fn lend(args: &mut [BufferArg<'_>; MAX_BINDINGS], work: impl FnOnce([BufferArg<'_>; MAX_BINDINGS])) {
    work(args.each_mut().map(|argument| match argument {
        BufferArg::None => BufferArg::None,
        BufferArg::Read(words) => BufferArg::Read(words),
        BufferArg::Write(words) => BufferArg::Write(words),
        BufferArg::Atomic(words) => BufferArg::Atomic(words),
        BufferArg::Columns(_) => panic!("only fast CPU kernels are asked for columns"),
    }));
}

/// Changes f32 numbers in place.
fn each(words: &mut [u32], change: impl Fn(f32) -> f32) {
    words.iter_mut().for_each(|word| *word = change(f32::from_bits(*word)).to_bits());
}

/// Restores the previous words of the `skipped` elements, as if the CPU kernel had skipped them.
fn skip(words: &mut [u32], before: &[u32], skipped: impl Fn(usize) -> bool) {
    (0..words.len()).filter(|i| skipped(*i)).for_each(|i| words[i] = before[i]);
}
