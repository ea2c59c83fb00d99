//! Tests of lockstep's comparison: it fails closed, and checks memory beyond the views that an op writes.

#[path = "../../common/executor.rs"]
mod executor;

use super::super::accumulate::cases as accumulated;
use super::super::bias_add::cases;
use super::super::case::{Case, Values};
use super::{Tolerances, at_step, verify, with_reference};
use executor::hands_on;
use wgrad::exec::{Executor, Reference, Run, lockstep};
use wgrad::kernels::accumulate;
use wgrad::plan::{Call, POISON, Step, Tolerance, ViewId};
use wgrad::{Error, Result};

/// A bias_add on real numbers, with an inactive row, in a window of two batches.
fn case() -> Case {
    cases().into_iter().find(|case| case.name.contains("4×5") && case.batch_index > 0).expect("there is such a case")
}

/// Fills the output with the word of the bias at index `at`.
fn fill(call: Call<'_>, at: usize) {
    let [_, bias, output] = call.args();
    output.words_mut().fill(bias.words()[at]);
}

/// Runs lockstep on a device that writes one word everywhere, against a reference that writes another.
fn judge(case: &Case, device: u32, reference: u32, tolerance: Tolerances) -> Result<usize> {
    let (mut case, mut plan) = (case.clone(), case.plan.clone());
    let (honest, bias) = (case.op().kernel, case.op().views[1]);
    case.set(bias, vec![reference, device]);
    case.plan.substitute(|_| with_reference(honest, |call| fill(call, 0), tolerance));
    plan.substitute(|_| with_reference(honest, |call| fill(call, 1), tolerance));
    let mut device = Reference::new(plan).expect("there is memory");
    case.load(&mut device);
    lockstep::run(&case.plan, &mut device, &case.steps, &[case.run()]).map(|report| report.elements())
}

/// Returns the same tolerance for every element.
fn tolerances(call: &Call<'_>, tolerance: f64) -> Vec<Tolerance> {
    vec![Tolerance::Each(vec![tolerance; call.f32(2).len()])]
}

const HALF: Tolerances = |_, after| tolerances(after, 0.5);

#[test]
fn a_tolerance_is_reached_but_not_exceeded() {
    let (case, one) = (case(), 1f32.to_bits());
    for (device, close) in [(0.5f32, true), (1.5, true), (0.499, false), (1.501, false), (-1.0, false)] {
        assert_eq!(judge(&case, device.to_bits(), one, HALF).is_ok(), close, "{device}");
    }
    assert!(judge(&case, one, one + 1, |_, _| vec![Tolerance::Exact]).is_err(), "one unit in the last place");
}

#[test]
fn a_nan_on_one_side_is_a_difference() {
    let (case, nan) = (case(), f32::NAN.to_bits());
    assert!(judge(&case, nan, 0, HALF).is_err(), "NaN on the device");
    assert!(judge(&case, 0, nan, HALF).is_err(), "NaN in the reference");
    assert!(judge(&case, POISON, 0, HALF).is_err(), "poison on the device");
}

#[test]
fn equal_bits_agree_whatever_they_are() {
    let case = case();
    for word in [0, POISON, f32::NAN.to_bits(), f32::INFINITY.to_bits(), 1] {
        assert_eq!(judge(&case, word, word, HALF).expect("equal bits"), case.elements());
    }
}

#[test]
fn a_tolerance_that_is_not_finite_or_negative_allows_nothing() {
    let (case, infinite) = (case(), f32::INFINITY.to_bits());
    let tolerances: [Tolerances; 3] = [
        |_, after| tolerances(after, f64::INFINITY),
        |_, after| tolerances(after, f64::NAN),
        |_, after| tolerances(after, -1.0),
    ];
    for tolerance in tolerances {
        for (device, reference) in [(0, infinite), (infinite, 0), (infinite, f32::NEG_INFINITY.to_bits())] {
            assert!(judge(&case, device, reference, tolerance).is_err(), "{device:x} and {reference:x}");
        }
        assert!(judge(&case, 1f32.to_bits(), 0, tolerance).is_err(), "two finite numbers");
    }
}

/// A device that overwrites further words after each op.
struct Scribbler {
    device: Reference,
    view: ViewId,
    batch_index: usize,
    words: Vec<u32>,
}

impl Executor for Scribbler {
    hands_on!(device: plan adopt write read submit read_allocation);

    fn name(&self) -> String {
        "scribbler".into()
    }

    fn submit_op(&mut self, steps: &[Step], run: Run, op: usize) -> Result<()> {
        self.device.submit_op(steps, run, op)?;
        self.device.write(self.view, self.batch_index, &self.words)
    }
}

/// Runs lockstep on a device that writes the correct output, but sets one word to 0: `extra` words after the start of
/// the output in batch `batch_index` of the window.
fn scribbled(extra: usize, batch_index: usize) -> Result<usize> {
    let mut case = case();
    let output = case.op().views[2];
    // A view of the whole allocation of the output, to write words outside the output.
    let (allocation, elements) = (case.plan.get(output).allocation, case.plan.allocation_of(output).elements);
    let all = case.plan.view("all", allocation, 0, wgrad::shape::Shape::vector(elements));
    let mut honest = Reference::new(case.plan.clone()).expect("there is memory");
    case.load(&mut honest);
    honest.submit(&case.steps, &[case.run()])?;
    let mut words = honest.read_allocation(allocation)?;
    let range = case.plan.get(output).range(batch_index);
    words[range.start + extra] = 0;
    let mut device = Scribbler { device: honest, view: all, batch_index: 0, words };
    case.load(&mut device);
    lockstep::run(&case.plan, &mut device, &case.steps, &[case.run()]).map(|report| report.elements())
}

#[test]
fn a_word_outside_the_live_rows_is_caught() {
    let case = case();
    let (shape, rows) = (case.plan.shape(case.op().views[2]), case.step().rows as usize);
    for (place, extra, batch_index, message) in [
        ("a live element", 0, case.batch_index, "output[0, 0]"),
        ("the dead row", rows * shape.columns, case.batch_index, "output[3, 0]"),
        ("the padding behind the rows", shape.elements(), case.batch_index, "outside the views"),
        ("the last word of the padding", 63, case.batch_index, "outside the views"),
        ("another batch of the window", 0, case.batch_index - 1, "outside the views"),
    ] {
        let error = scribbled(extra, batch_index).expect_err(place);
        assert!(matches!(error, Error::Mismatch { .. }) && error.to_string().contains(message), "{place}: {error}");
        assert!(error.to_string().starts_with("gradients op 0 (bias_add)"), "{error}");
    }
}

/// Adding a batch to zeroed memory equals writing it. Only poison distinguishes the first batch from the others.
#[test]
fn a_sum_is_poisoned_before_the_first_batch_of_a_step_alone() {
    let adds = |call: Call<'_>| at_step(call, &accumulate::KERNEL, |step| step.first_row = 1);
    let mut seen = [0, 0];
    for mut case in accumulated().into_iter().filter(|case| case.values == Values::Real) {
        let (sum, others) = (case.op().views[1], case.step().first_row > 0);
        case.set(sum, vec![0; case.plan.shape(sum).elements()]);
        verify(&case, accumulate::KERNEL.reference).expect("the honest CPU kernel");
        assert_eq!(verify(&case, adds).is_ok(), others, "{}", case.name);
        seen[usize::from(others)] += 1;
    }
    assert!(seen.iter().all(|cases| *cases > 5), "{seen:?}");
}
