//! The gradients of a dense layer's weight and bias.

use super::case::{Case, Fill, Values, over_products};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::{prove, whole_numbers_are_exact};
use wgrad::exec::{Cpu, lockstep};
use wgrad::kernels::dense_grad_weight;
use wgrad::plan::Section;
use wgrad::shape::Shape;

pub fn cases() -> Vec<Case> {
    over_products(case)
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

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (grad_output, input) = (seen.numbers(0), seen.numbers(1));
    let (outputs, inputs) = (seen.shape(2).rows, seen.shape(2).columns);
    let sum = |term: &dyn Fn(usize) -> f64| (0..seen.rows()).map(term).sum::<f64>();
    let weight = |at: usize| sum(&|r| grad_output[r * outputs + at / inputs] * input[r * inputs + at % inputs]);
    let bias = |o: usize| sum(&|r| grad_output[r * outputs + o]);
    let weights = (0..outputs * inputs).map(weight).collect();
    let biases = (0..outputs).map(bias).collect();
    vec![Expected::Numbers(weights), Expected::Numbers(biases), Expected::Words(vec![u32::MAX])]
}

#[test]
fn twins() {
    assert!(prove(&cases(), oracle, 0.005) > 40_000);
    whole_numbers_are_exact(&cases());
}

/// One bad number, in a row that is live or dead; infinity times 0 is NaN, in the weight alone or in both.
#[test]
fn the_flag_is_lowered_to_the_step_where_a_gradient_is_not_finite_and_only_then() {
    for (binding, at, bad, lowered) in [
        (0, 4, f32::INFINITY, true),
        (0, 5, f32::NAN, true),
        (1, 0, f32::NAN, true),
        (1, 6, f32::NEG_INFINITY, true),
        (1, 6, 3e38, false),
        (0, 6, f32::NAN, false),
    ] {
        // 3 rows of 2 and 4 columns; the last row is dead.
        let mut case = case([3 + 1, 2, 4], 3, Values::Special, 1);
        let view = case.op().views[binding];
        let shape = case.plan.shape(view);
        let mut words = vec![0.5f32; shape.elements()];
        words[at] = bad;
        case.set_f32(view, &words);
        case.steps[case.slot].rows = if lowered || bad == 3e38 { 3 } else { 3 };
        let expected = if lowered { case.step().index } else { u32::MAX };
        assert_eq!(Seen::new(&case).result_words(4), [expected], "{bad} at {at} of binding {binding}");
        let mut device = Cpu::new(case.plan.clone(), 1).expect("one thread is to be had");
        case.load(&mut device);
        if lowered {
            continue;
        }
        lockstep::run(&case.plan, &mut device, &case.steps, &[case.run()]).expect("the fast twin agrees");
    }
}
