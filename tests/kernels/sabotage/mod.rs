//! The proof proved: twins with one mistake each, run as if they were a device. Lockstep must catch every one and
//! name its op; the honest twins must raise no alarm over the same cases.

mod comparator;
mod losses;
mod optimizers;
mod parts;
mod products;
mod rest;
mod steps;

use super::STEMS;
use super::case::Case;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use wgrad::Error;
use wgrad::exec::{Reference, lockstep};
use wgrad::kernels::ALL;
use wgrad::plan::{Bound, Call, Kernel, MAX_BINDINGS, Slot, Step};

/// A twin with a mistake in it: the kernel's name, what is wrong, the twin.
type Sabotage = (&'static str, &'static str, fn(Call<'_>));

const TABLES: [&[Sabotage]; 6] =
    [products::TABLE, parts::TABLE, losses::TABLE, optimizers::TABLE, rest::TABLE, steps::TABLE];

/// All but the largest cases of a kernel, whose name begins with the stem of its file.
fn cases(kernel: &str) -> Vec<Case> {
    let stems = STEMS.iter().filter(|(stem, _)| kernel.starts_with(stem));
    stems
        .flat_map(|(_, cases)| cases())
        .filter(|case| case.op().kernel.name == kernel && case.elements() < 100_000)
        .collect()
}

/// How a kernel declares its bounds.
type Bounds = fn(&Call<'_>, &Call<'_>) -> Vec<Bound>;

/// A kernel with another twin, and other bounds; leaked, as plans hold kernels for ever.
fn with_twin(honest: &'static Kernel, twin: fn(Call<'_>), bound: Bounds) -> &'static Kernel {
    Box::leak(Box::new(Kernel {
        reference: twin,
        fast: None,
        shader: honest.shader,
        name: honest.name,
        bindings: honest.bindings,
        params: honest.params,
        step: honest.step,
        lane: honest.lane,
        flops: honest.flops,
        bound,
    }))
}

/// Runs a case on a device whose kernels run `twin`, judged by the honest plan.
fn verify(case: &Case, twin: fn(Call<'_>)) -> wgrad::Result<usize> {
    let honest = case.op().kernel;
    let tampered = with_twin(honest, twin, honest.bound);
    let mut plan = case.plan.clone();
    plan.substitute(|kernel| if kernel.name == honest.name { tampered } else { kernel });
    let mut device = Reference::new(plan).expect("there is memory");
    case.load(&mut device);
    lockstep::run(&case.plan, &mut device, &case.steps, &[case.run()]).map(|report| report.elements())
}

/// Asserts that each twin of a table is caught by some case, and its op named by all that catch it.
fn all_are_caught(table: &[Sabotage]) {
    let mut missed = Vec::new();
    for (kernel, wrong, twin) in table {
        let cases = cases(kernel);
        let caught: Vec<Error> = cases.iter().filter_map(|case| verify(case, *twin).err()).collect();
        println!("{kernel}: {wrong}: caught by {} of {} cases", caught.len(), cases.len());
        for error in &caught {
            let Error::Mismatch { op, .. } = error else { panic!("{kernel}: {wrong}: {error}") };
            assert!(op.ends_with(&format!("op 0 ({kernel})")), "{wrong} in {kernel} was blamed on {op}");
        }
        if caught.is_empty() {
            missed.push(format!("{kernel}: {wrong}"));
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:#?}");
}

#[test]
fn sabotaged_products_are_caught() {
    all_are_caught(products::TABLE);
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
fn sabotaged_rest_is_caught() {
    all_are_caught(rest::TABLE);
}

#[test]
fn sabotaged_steps_are_caught() {
    all_are_caught(steps::TABLE);
}

#[test]
fn every_kernel_is_sabotaged() {
    let sabotaged: BTreeSet<&str> = TABLES.into_iter().flatten().map(|(kernel, ..)| *kernel).collect();
    assert_eq!(sabotaged, ALL.iter().map(|kernel| kernel.name).collect());
    let said = format!("{} sabotaged twins", TABLES.map(<[Sabotage]>::len).iter().sum::<usize>());
    assert!(include_str!("../../../README.md").contains(&said), "README.md does not say `{said}`");
}

#[test]
fn honest_twins_raise_no_alarm() {
    for kernel in ALL {
        for case in cases(kernel.name) {
            let compared = verify(&case, kernel.reference).unwrap_or_else(|error| panic!("{}: {error}", case.name));
            assert_eq!(compared, case.elements(), "{}", case.name);
        }
    }
}

/// Runs the honest twin with other parameters or another step.
fn changed<P: bytemuck::Pod>(call: Call<'_>, honest: &Kernel, change: impl FnOnce(&mut P, &mut Step)) {
    let Call { params, step, steps, lanes, slots, trace } = call;
    let (mut params, mut step) = (*bytemuck::from_bytes::<P>(bytemuck::cast_slice(params)), *step);
    change(&mut params, &mut step);
    let words: Vec<u32> = bytemuck::pod_collect_to_vec(bytemuck::bytes_of(&params));
    (honest.reference)(Call { params: &words, step: &step, steps, lanes, slots, trace });
}

/// Runs the honest twin with another step.
fn at_step(call: Call<'_>, honest: &Kernel, change: impl FnOnce(&mut Step)) {
    let Call { params, step, steps, lanes, slots, trace } = call;
    let mut step = *step;
    change(&mut step);
    (honest.reference)(Call { params, step: &step, steps, lanes, slots, trace });
}

/// Runs the honest twin with other words in a slot that it reads.
fn reading(call: Call<'_>, honest: &Kernel, slot: usize, change: impl FnOnce(&mut [u32])) {
    let mut words = call.words(slot).to_vec();
    change(&mut words);
    let Call { params, step, steps, lanes, mut slots, trace } = call;
    slots[slot] = Slot::Read(&words);
    (honest.reference)(Call { params, step, steps, lanes, slots, trace });
}

/// Runs the honest twin with a flag of its own; what it makes of that goes to `finish`, with the true flag.
fn flagging(call: Call<'_>, honest: &Kernel, slot: usize, finish: impl FnOnce(&AtomicU32, u32)) {
    let own = [AtomicU32::new(u32::MAX)];
    let Call { params, step, steps, lanes, mut slots, trace } = call;
    let flag = std::mem::replace(&mut slots[slot], Slot::Atomic(&own)).atomic();
    (honest.reference)(Call { params, step, steps, lanes, slots, trace });
    finish(flag, own[0].load(Ordering::Relaxed));
}

/// Runs the honest twin, then changes what it has written to a slot; `change` also sees what was there before.
fn writing(call: Call<'_>, honest: &Kernel, slot: usize, change: impl FnOnce(&mut [u32], &[u32])) {
    let Call { params, step, steps, lanes, mut slots, trace } = call;
    let words = std::mem::take(&mut slots[slot]).words_mut();
    let before = words.to_vec();
    slots[slot] = Slot::Write(words);
    lend(&mut slots, |slots| (honest.reference)(Call { params, step, steps, lanes, slots, trace }));
    let Slot::Write(words) = &mut slots[slot] else { panic!("slot {slot} is not written") };
    change(words, &before);
}

/// Lends slots out for a while.
fn lend(slots: &mut [Slot<'_>; MAX_BINDINGS], work: impl FnOnce([Slot<'_>; MAX_BINDINGS])) {
    work(slots.each_mut().map(|slot| match slot {
        Slot::None => Slot::None,
        Slot::Read(words) => Slot::Read(words),
        Slot::Write(words) => Slot::Write(words),
        Slot::Atomic(words) => Slot::Atomic(words),
        Slot::Columns(_) => panic!("only fast twins are asked for columns"),
    }));
}

/// Changes numbers in place.
fn each(words: &mut [u32], change: impl Fn(f32) -> f32) {
    words.iter_mut().for_each(|word| *word = change(f32::from_bits(*word)).to_bits());
}

/// Puts back what was there before, as if the twin had skipped these elements.
fn skip(words: &mut [u32], before: &[u32], skipped: impl Fn(usize) -> bool) {
    (0..words.len()).filter(|i| skipped(*i)).for_each(|i| words[i] = before[i]);
}
