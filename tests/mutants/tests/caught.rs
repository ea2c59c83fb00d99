//! Mutation tests of the reference implementations: runs every mutant as a device, in lockstep with the original CPU
//! kernels over the kernel's own cases. At least one case must kill it, or `survivors.txt` lists it with the reason why
//! no test can distinguish it from the original.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::process::ExitCode;

use kernels::STEMS;
use kernels::case::Case;
use kernels::prove::items_compute_alone;
use mutants::{MUTANTS, Mutant};
use wgrad::exec::{Reference, lockstep};

#[allow(dead_code, unused, reason = "only the cases are used here")]
#[path = "../../kernels/main.rs"]
mod kernels;

const SURVIVORS: &str = include_str!("../survivors.txt");

fn main() -> ExitCode {
    // Mutants often index out of bounds; a panic counts as caught.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let cases: BTreeMap<&str, Vec<Case>> = STEMS.iter().map(|(stem, cases)| (*stem, cases())).collect();
    let survivors: Vec<&Mutant> = MUTANTS.iter().filter(|mutant| !caught(mutant, &cases[mutant.stem])).collect();
    set_hook(hook);
    let (argued, survived): (Vec<&Mutant>, Vec<&Mutant>) = survivors.iter().partition(|mutant| is_argued(mutant));
    for mutant in &survived {
        println!("survived: {}, line {}: {}", mutant.stem, mutant.line, mutant.change);
    }
    let missing: Vec<&str> =
        STEMS.iter().map(|(stem, _)| *stem).filter(|s| MUTANTS.iter().all(|m| m.stem != *s)).collect();
    println!("kernel files without mutants: {missing:?}");
    println!(
        "compared {} mutants of {} kernel files: {} caught, {} equivalent as argued, {} survived",
        MUTANTS.len(),
        cases.len(),
        MUTANTS.len() - survivors.len(),
        argued.len(),
        survived.len()
    );
    let said = format!("{} mutants of CPU kernels", MUTANTS.len());
    let counted = include_str!("../../../README.md").contains(&said);
    if !counted {
        println!("README.md does not say `{said}`");
    }
    if survived.is_empty() && missing.is_empty() && counted { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Returns `true` if lockstep reports the mutant's op in any case, if items computed alone differ, or if the mutant
/// panics.
fn caught(mutant: &Mutant, cases: &[Case]) -> bool {
    cases.iter().any(|case| {
        let mut tampered = case.clone();
        tampered
            .plan
            .substitute(|kernel| mutant.kernels.iter().find(|m| m.name == kernel.name).copied().unwrap_or(kernel));
        let run = || {
            let mut device = Reference::new(tampered.plan.clone()).expect("there is memory");
            case.load(&mut device);
            let caught = lockstep::run(&case.plan, &mut device, &case.steps, &[case.run()]).is_err();
            items_compute_alone(&tampered);
            caught
        };
        catch_unwind(AssertUnwindSafe(run)).unwrap_or(true)
    })
}

/// Checks for a line of `survivors.txt`: `stem: change: why`.
fn is_argued(mutant: &Mutant) -> bool {
    let start = format!("{}: {}: ", mutant.stem, mutant.change);
    SURVIVORS.lines().any(|line| line.strip_prefix(&start).is_some_and(|why| !why.is_empty()))
}
