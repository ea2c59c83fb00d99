//! Tests of `dense_grad_weight`: the gradients of a dense layer's weight and bias.

use super::case::{Case, Fill, Values, over_matmuls};
use super::compare::Expected;
use super::memory::{Memory, Seen, live_items};
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::kernels::dense_grad_weight::{self, KERNEL};
use wgrad::plan::Section;
use wgrad::shape::Shape;

pub fn cases() -> Vec<Case> {
    over_matmuls(case).into_iter().chain(broken()).collect()
}

fn case([rows, outputs, inputs]: [usize; 3], live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let grad_output = case.batch("grad_output", Shape::new(rows, outputs), Fill::Real(1.0));
    let input = case.batch("input", Shape::new(rows, inputs), Fill::Real(1.0));
    let shapes = [Shape::new(outputs, inputs), Shape::vector(outputs)];
    let [weight, bias] = case.pair_of_outputs(["grad_weight", "grad_bias"], shapes);
    let flag = case.flag(u32::MAX);
    let op = dense_grad_weight::op(&case.plan, grad_output, input, weight, bias, flag);
    case.with(op)
}

/// Infinite gradients of one weight and one bias, with a flag that is not set, and one that an earlier step has set;
/// and infinite gradients of the biases alone.
fn broken() -> Vec<Case> {
    let with = |(binding, at, flag)| {
        let mut case = case([4, 2, 5], 3, Values::Special, 1);
        let views = case.op().views.clone();
        for view in [0, 1] {
            let mut numbers = vec![0.5; case.plan.shape(views[view]).elements()];
            if view == binding {
                numbers[at] = f32::INFINITY;
            }
            case.set_f32(views[view], &numbers);
        }
        case.set(views[4], vec![flag]);
        case
    };
    let biases = {
        let mut case = case([4, 2, 5], 3, Values::Special, 1);
        let views = case.op().views.clone();
        case.set_f32(views[0], &[3e38; 8]);
        case.set_f32(views[1], &[0.25; 20]);
        case
    };
    let infinite = [(0, 3, u32::MAX), (1, 7, u32::MAX), (1, 7, 2)].into_iter().map(with);
    infinite.chain([biases]).collect()
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (grad_output, input) = (seen.numbers(0), seen.numbers(1));
    let (outputs, inputs) = (seen.shape(2).rows, seen.shape(2).columns);
    let sum = |term: &dyn Fn(usize) -> f64| (0..seen.rows()).map(term).sum::<f64>();
    let weight = |at: usize| sum(&|r| grad_output[r * outputs + at / inputs] * input[r * inputs + at % inputs]);
    let bias = |o: usize| sum(&|r| grad_output[r * outputs + o]);
    let weights: Vec<f64> = (0..outputs * inputs).map(weight).collect();
    // In f32 a sum beyond the range is infinite.
    let in_range = |sum: f64| if sum > f64::from(f32::MAX) { f64::INFINITY } else { sum };
    let biases: Vec<f64> = (0..outputs).map(|o| in_range(bias(o))).collect();
    let flag = seen.flag(4, &[weights.clone(), biases.clone()].concat());
    vec![Expected::Numbers(weights), Expected::Numbers(biases), flag]
}

#[test]
fn cpu_kernels_are_right() {
    assert!(prove(&cases(), oracle, 0.005) > 40_000);
    whole_numbers_are_exact(&cases());
}

/// One bad number, in an active row of 2 or 4 columns or in the last row, which is inactive.
#[test]
fn the_flag_records_the_first_step_in_which_a_gradient_is_not_finite_and_only_then() {
    for (binding, at, bad, is_recorded) in [
        (0, 4, f32::INFINITY, true),
        (0, 5, f32::NAN, true),
        (0, 6, f32::NAN, false),
        (1, 0, f32::NAN, true),
        (1, 11, f32::NEG_INFINITY, true),
        (1, 12, f32::NAN, false),
        (1, 11, 3e38, false),
    ] {
        let mut case = case([4, 2, 4], 3, Values::Special, 1);
        let view = case.op().views[binding];
        let mut numbers = vec![0.5f32; case.plan.shape(view).elements()];
        numbers[at] = bad;
        case.set_f32(view, &numbers);
        let expected = if is_recorded { case.step().index } else { u32::MAX };
        let live = 0..live_items(&case);
        for kernel in [KERNEL.reference, KERNEL.fast.expect("this kernel has a fast CPU kernel")] {
            let mut after = Memory::before(&case);
            after.call(&case, live.clone(), kernel);
            let seen = Seen { case: &case, before: Memory::before(&case), after };
            assert_eq!(seen.result_words(4), [expected], "{bad} at {at} of binding {binding}");
        }
    }
}
