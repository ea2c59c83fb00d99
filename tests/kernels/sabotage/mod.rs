//! The proof proved: twins with one mistake each, run as if they were a device. Lockstep must catch every one and
//! name its op; the honest twins must raise no alarm over the same cases.

mod comparator;
mod losses;
mod optimizers;
mod products;
mod rest;

use super::STEMS;
use super::case::Case;
use std::collections::BTreeSet;
use wgrad::Error;
use wgrad::exec::{Reference, lockstep};
use wgrad::kernels::ALL;
use wgrad::plan::{Call, Kernel};

/// A twin with a mistake in it: the kernel's name, what is wrong, the twin.
type Sabotage = (&'static str, &'static str, fn(Call<'_>));

fn table() -> Vec<Sabotage> {
    [products::TABLE, losses::TABLE, optimizers::TABLE, rest::TABLE].concat()
}

/// All cases of a kernel.
fn cases(kernel: &str) -> Vec<Case> {
    STEMS.iter().flat_map(|(_, cases)| cases()).filter(|case| case.op().kernel.name == kernel).collect()
}

/// Runs a case on a device whose kernels run `twin`, judged by the honest plan.
fn verify(case: &Case, twin: fn(Call<'_>)) -> wgrad::Result<usize> {
    let honest = case.op().kernel;
    let tampered: &'static Kernel = Box::leak(Box::new(Kernel {
        reference: twin,
        fast: None,
        shader: None,
        name: honest.name,
        bindings: honest.bindings,
        params: honest.params,
        step: honest.step,
        lane: honest.lane,
        flops: honest.flops,
        bound: honest.bound,
    }));
    let mut plan = case.plan.clone();
    plan.substitute(|kernel| if kernel.name == honest.name { tampered } else { kernel });
    let mut device = Reference::new(plan);
    case.load(&mut device);
    lockstep::run(&case.plan, &mut device, &case.steps, &[case.run()]).map(|report| report.elements())
}

#[test]
fn every_sabotaged_twin_is_caught_and_named() {
    let mut missed = Vec::new();
    for (kernel, wrong, twin) in table() {
        let cases = cases(kernel);
        assert!(!cases.is_empty(), "no case for {kernel}");
        let caught: Vec<Error> = cases.iter().filter_map(|case| verify(case, twin).err()).collect();
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
fn every_kernel_is_sabotaged() {
    let sabotaged: BTreeSet<&str> = table().iter().map(|(kernel, ..)| *kernel).collect();
    assert_eq!(sabotaged, ALL.iter().map(|kernel| kernel.name).collect());
    assert!(table().len() >= 60, "{} sabotaged twins", table().len());
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

/// Changes the words of a call's written slot number `slot` after (or instead of) the honest twin.
fn tamper(call: Call<'_>, honest: &Kernel, slot: usize, change: impl FnOnce(&mut [u32], &[u32])) {
    let Call { params, step, steps, lanes, mut slots } = call;
    let (mut before, mut written) = (Vec::new(), None);
    let mut copy: [wgrad::plan::Slot<'_>; wgrad::plan::MAX_BINDINGS] = Default::default();
    for (number, (lent, copy)) in slots.iter_mut().zip(&mut copy).enumerate() {
        use wgrad::plan::Slot;
        *copy = match std::mem::take(lent) {
            Slot::Write(words) if number == slot => {
                before = words.to_vec();
                written = Some(words);
                Slot::None
            }
            other => other,
        };
    }
    let words = written.expect("the slot is one that is written");
    copy[slot] = wgrad::plan::Slot::Write(&mut *words);
    (honest.reference)(Call { params, step, steps, lanes, slots: copy });
    change(words, &before);
}
