//! Tests of every kernel: its formula, any split of its items, the CPU in lockstep, and tight tolerances.

use super::case::{Case, Values};
use super::compare::{Expected, assert_close};
use super::memory::{Memory, Seen, live_items};
use wgrad::exec::{Cpu, lockstep};
use wgrad::plan::{POISON, Tolerance};
use wgrad::rng::{Philox, Stream};

/// Formula of a kernel: the expected live elements of each written view.
pub type Oracle = fn(&Seen<'_>) -> Vec<Expected>;

/// A tolerance above this fraction of its result is weak.
const WEAK: f64 = 0.01;

/// Tests the CPU kernels of a kernel on `cases`. Of the real-valued elements with a tolerance, at most the fraction `weak` may
/// have one above 1 % of the result. Returns the number of elements that were compared with the oracle.
pub fn prove(cases: &[Case], oracle: Oracle, weak: f64) -> usize {
    assert!(cases.len() >= 3, "too few cases");
    for case in cases {
        items_compute_alone(case);
        cpu_agrees(case);
    }
    let share = weak_share(cases);
    let compared = cases.iter().map(|case| formula_holds(case, oracle)).sum();
    println!("{}: {compared} elements, share of weak tolerances {share}", cases[0].op().kernel.name);
    assert!(share <= weak, "{}: the share of weak tolerances is {share}, allowed {weak}", cases[0].name);
    assert!(compared > 0, "nothing was compared");
    compared
}

/// Tests that the reference implementation is within its own tolerance of the oracle, and writes only live elements.
fn formula_holds(case: &Case, oracle: Oracle) -> usize {
    let seen = Seen::new(case);
    let Some(tolerances) = seen.tolerances() else {
        assert!(seen.before == seen.after, "{}: no item was live, and yet something changed", case.name);
        return 0;
    };
    let expected = oracle(&seen);
    assert_eq!(expected.len(), case.written().count(), "{}: the oracle forgot a view", case.name);
    let mut compared = 0;
    for (((binding, view), expected), tolerance) in case.written().zip(expected).zip(tolerances) {
        let (place, live) = (format!("{}, {}", case.name, view.name), expected.elements());
        let (results, words) = (seen.results(binding), seen.result_words(binding));
        match expected {
            Expected::Numbers(numbers) => assert_close(&place, &results[..live], &numbers, &first(tolerance, live)),
            Expected::Words(expected) => assert_eq!(&words[..live], expected, "{place}"),
        }
        assert_eq!(words[live..], seen.words(binding)[live..], "{place}: a dead element changed");
        compared += live;
    }
    compared
}

/// Tolerances of the live elements.
fn first(tolerance: Tolerance, live: usize) -> Tolerance {
    match tolerance {
        Tolerance::Exact => Tolerance::Exact,
        Tolerance::Each(tolerances) => Tolerance::Each(tolerances[..live].to_vec()),
    }
}

/// Tests that any range of items can be computed alone, in any order: the reference implementation gives the same bits for all
/// splits.
pub fn items_compute_alone(case: &Case) {
    let live = live_items(case);
    let kernel = case.op().kernel;
    let mut numbers = Philox::new(7, Stream::Data, live as u32);
    let mut cuts: Vec<usize> = (0..3).map(|_| numbers.below(live as u32 + 1) as usize).chain([0, live]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let (mut whole, mut split, mut fast) = (Memory::before(case), Memory::before(case), Memory::before(case));
    if live > 0 {
        whole.call(case, 0..live, kernel.reference);
    }
    for cut in cuts.windows(2).rev() {
        split.call(case, cut[0]..cut[1], kernel.reference);
        fast.call(case, cut[0]..cut[1], kernel.fast.unwrap_or(kernel.reference));
    }
    assert!(split == whole, "{}: items {cuts:?} of the reference implementation give other bits", case.name);
    let plain = Seen { case, before: Memory::before(case), after: whole };
    let fast = Seen { case, before: Memory::before(case), after: fast };
    for ((binding, view), tolerance) in case.written().zip(plain.tolerances().unwrap_or_default()) {
        // Equal bits are accepted, infinities and poison included.
        if fast.result_words(binding) != plain.result_words(binding) {
            let place = format!("{}, {}, fast CPU kernel by {cuts:?}", case.name, view.name);
            let live =
                if let Tolerance::Each(tolerances) = &tolerance { tolerances.len() } else { view.shape.elements() };
            assert_close(&place, &fast.results(binding)[..live], &plain.results(binding)[..live], &tolerance);
        }
    }
}

/// Tests that the CPU executor agrees with the reference implementation in lockstep, which compares every element, on 1 and on 3
/// threads, with the same bits.
fn cpu_agrees(case: &Case) {
    let results = [1, 3].map(|threads| {
        let mut device = Cpu::new(case.plan.clone(), threads).expect("threads are to be had");
        case.load(&mut device);
        let report = lockstep::run(&case.plan, &mut device, &case.steps, &[case.run()])
            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
        assert_eq!(report.elements(), case.elements(), "{}: elements compared", case.name);
        if case.values == Values::Real {
            assert_eq!(report.ops[0].weak, weak(&Seen::new(case)).0, "{}: weak elements", case.name);
        }
        Memory::of(&mut device)
    });
    assert!(results[0] == results[1], "{}: 1 thread and 3 threads differ", case.name);
}

/// Fraction of live real-valued elements with a weak tolerance.
fn weak_share(cases: &[Case]) -> f64 {
    let counts = cases.iter().filter(|case| case.values == Values::Real).map(|case| weak(&Seen::new(case)));
    let (weak, all) = counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1));
    weak as f64 / all.max(1) as f64
}

/// Number of elements with a weak tolerance, and with any tolerance. Asserts that tolerances are finite, and that no live element
/// is poison.
fn weak(seen: &Seen<'_>) -> (usize, usize) {
    let (mut weak, mut all) = (0, 0);
    for ((binding, view), tolerance) in seen.case.written().zip(seen.tolerances().unwrap_or_default()) {
        let Tolerance::Each(tolerances) = tolerance else { continue };
        let (place, results) = (format!("{}, {}", seen.case.name, view.name), seen.results(binding));
        for (i, tolerance) in tolerances.iter().enumerate() {
            assert!(tolerance.is_finite() && *tolerance >= 0.0, "{place}: tolerance {i} is {tolerance}");
            assert_ne!(seen.result_words(binding)[i], POISON, "{place}: element {i} is poison");
            weak +=
                usize::from(*tolerance > 2.0 * f64::from(f32::MIN_POSITIVE) && *tolerance > WEAK * results[i].abs());
        }
        all += tolerances.len();
    }
    (weak, all)
}

/// Asserts that the tolerances of all cases of whole numbers are 0: their sums are exact in any order.
pub fn whole_numbers_are_exact(cases: &[Case]) {
    let mut zeros = 0;
    for case in cases.iter().filter(|case| case.values == Values::Whole) {
        for tolerance in Seen::new(case).tolerances().unwrap_or_default() {
            if let Tolerance::Each(tolerances) = tolerance {
                assert!(tolerances.iter().all(|tolerance| *tolerance == 0.0), "{}: a tolerance is not 0", case.name);
                zeros += tolerances.len();
            }
        }
    }
    assert!(zeros > 100, "only {zeros} tolerances were seen");
}
