//! Tests of `dropout`, on activations and on their gradients, of `dropout_alpha` and of `dropout_additive`.

use super::case::{Case, Fill, Values, over_batches};
use super::compare::Expected;
use super::memory::Seen;
use super::prove::prove;
use wgrad::kernels::dropout::{self, Mask, Params};
use wgrad::plan::{Kernel, Section, Step};
use wgrad::rng::philox;
use wgrad::shape::{Dtype, Shape};

pub fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = [0.0, 0.1, 0.5, 0.9]
        .into_iter()
        .flat_map(|rate| over_batches(move |shape, live, values, seed| case(rate, shape, live, values, seed)))
        .collect();
    // Large enough for the CPU to split it into blocks.
    cases.push(case(0.25, Shape::new(35, 25_001), 33, Values::Real, 1));
    // Exactly as many groups of four columns as four workgroups have invocations.
    cases.push(case(0.25, Shape::new(64, 16), 64, Values::Real, 1));
    let others = [(&dropout::ALPHA, 0.0), (&dropout::ALPHA, 0.3), (&dropout::ADDITIVE, 0.0), (&dropout::ADDITIVE, 0.5)];
    let others = others.into_iter().flat_map(|(kernel, number)| {
        over_batches(move |shape, live, values, seed| noisy(kernel, number, shape, live, values, seed))
    });
    cases.extend(others);
    cases.extend([&dropout::ALPHA, &dropout::ADDITIVE].map(|kernel| {
        let shape = Shape::new(35, 25_001);
        noisy(kernel, 0.25, shape, 33, Values::Real, 1)
    }));
    cases
}

/// Case of a kernel with this rate or standard deviation.
fn noisy(kernel: &'static Kernel, number: f32, shape: Shape, live: usize, values: Values, seed: usize) -> Case {
    let mut case = Case::new(Section::Gradients, live, values, seed);
    let input = case.batch("input", shape, Fill::Real(2.0));
    let output = case.batch_output("output", Dtype::F32, shape);
    let layer = 3 + seed;
    let op = match kernel.name {
        "dropout_alpha" => dropout::alpha_op(&case.plan, layer, number, input, output),
        "dropout_additive" => dropout::additive_op(&case.plan, layer, number, input, output),
        _ => dropout::op(&case.plan, Mask::new(layer, number), input, output),
    };
    case.with(op)
}

fn case(rate: f32, shape: Shape, live: usize, values: Values, seed: usize) -> Case {
    noisy(&dropout::KERNEL, rate, shape, live, values, seed)
}

/// Returns whether the random word of (layer, step, row of the whole batch, column) is at least the threshold. It is
/// word `column mod 4` of Philox at counter (column / 4, row, step, layer·2⁸ + stream 0).
pub fn keeps(threshold: u32, step: &Step, layer: u32, row: usize, column: usize) -> bool {
    let counter = [column as u32 / 4, step.first_row + row as u32, step.index, layer * 256];
    philox(counter, [step.seed_low, step.seed_high])[column % 4] >= threshold
}

/// Normal number of an element: two columns have one radius, and angles that differ by a right angle.
fn normal(step: &Step, layer: u32, row: usize, column: usize) -> f64 {
    let counter = [column as u32 / 4, step.first_row + row as u32, step.index, layer * 256];
    let words = philox(counter, [step.seed_low, step.seed_high]);
    let [share, turn] = if column % 4 < 2 { [words[0], words[1]] } else { [words[2], words[3]] };
    let radius = (-2.0 * (f64::from(share / 256 + 1) / 2f64.powi(24)).ln()).sqrt();
    let angle = std::f64::consts::TAU * f64::from(turn / 256) / 2f64.powi(24);
    radius * if column.is_multiple_of(2) { angle.cos() } else { angle.sin() }
}

fn oracle(seen: &Seen<'_>) -> Vec<Expected> {
    let (p, input, columns): (&Params, _, _) = (seen.params(), seen.numbers(0), seen.shape(0).columns);
    let [scale, offset, dropped] = [p.scale, p.offset, p.dropped].map(f64::from);
    let element = |i: usize| {
        let (row, column) = (i / columns, i % columns);
        let kept = keeps(p.threshold, seen.step(), p.layer, row, column);
        match seen.case.op().kernel.name {
            "dropout_additive" => input[i] + scale * normal(seen.step(), p.layer, row, column),
            "dropout_alpha" => {
                if kept {
                    input[i] * scale + offset
                } else {
                    dropped
                }
            }
            _ => {
                if kept {
                    input[i] * scale
                } else {
                    0.0
                }
            }
        }
    };
    vec![Expected::Numbers((0..seen.live(0)).map(element).collect())]
}

#[test]
fn cpu_kernels_are_right() {
    // Only a sum that cancels has a tolerance above 1 % of it.
    assert!(prove(&cases(), oracle, 1e-4) > 2_600_000);
}

/// Both numbers of `torch.nn.functional.alpha_dropout(x, p, training=True)` of PyTorch 2.15.0 in float64: of a dropped
/// element, and of one that is kept.
#[test]
fn alpha_dropout_has_the_numbers_of_pytorch() {
    let golden = [
        (0.1, 0.75, [-1.457738730518132, 0.8529343571698539]),
        (0.1, -1.25, [-1.457738730518132, -0.9896346751295693]),
        (0.25, 0.75, [-1.1435441882094726, 1.031624838963274]),
        (0.5, -1.25, [-0.7791939305180315, -0.32881218781438326]),
    ];
    for (rate, x, wanted) in golden {
        let mut case = noisy(&dropout::ALPHA, rate, Shape::new(40, 9), 40, Values::Special, 2);
        case.set_f32(case.op().views[0], &[x; 360]);
        let results = Seen::new(&case).results(1);
        for wanted in wanted {
            assert!(results.iter().any(|y| (y - wanted).abs() < 3e-7), "{rate}: no {wanted}");
        }
        assert!(
            results.iter().all(|y| wanted.iter().any(|wanted| (y - wanted).abs() < 3e-7)),
            "{rate}: another number"
        );
        // The gradient has the factor of x.
        let factor = f64::from(Mask::alpha(0, rate).scale);
        let other = golden.iter().find(|(r, other, _)| *r == rate && *other != x);
        if let Some((_, other, numbers)) = other {
            let slope = (numbers[1] - wanted[1]) / f64::from(other - x);
            assert!((slope - factor).abs() < 1e-7, "{rate}: {factor} for {slope}");
        }
    }
}

/// Of n normal numbers, the mean has a variance of 1/n, the mean square 2/n, the mean of cubes 15/n and of fourth powers 96/n.
/// Products of neighbors have 1/n.
#[test]
fn additive_noise_is_standard_normal() {
    let shape = Shape::new(401, 299);
    let mut case = noisy(&dropout::ADDITIVE, 1.0, shape, 401, Values::Special, 2);
    case.set_f32(case.op().views[0], &vec![0.0; shape.elements()]);
    let results = Seen::new(&case).results(1);
    let n = results.len() as f64;
    let mean = |power: i32| results.iter().map(|y| y.powi(power)).sum::<f64>() / n;
    for (power, wanted, variance) in [(1, 0.0, 1.0), (2, 1.0, 2.0), (3, 0.0, 15.0), (4, 3.0, 96.0)] {
        let found = mean(power);
        assert!((found - wanted).abs() < 5.0 * f64::sqrt(variance / n), "mean of power {power}: {found}");
    }
    for lag in 1..5 {
        let product = results.iter().zip(&results[lag..]).map(|(a, b)| a * b).sum::<f64>() / n;
        assert!(product.abs() < 5.0 / n.sqrt(), "mean of products at distance {lag}: {product}");
    }
    // 1.96 is the quantile of 97.5 %.
    let outside = results.iter().filter(|y| y.abs() > 1.959964).count() as f64 / n;
    assert!((outside - 0.05).abs() < 5.0 * (0.05 * 0.95 / n).sqrt(), "{outside} beyond 1.96");
}

/// Applies dropout to ones. Returns the share of zeros, and the results.
fn dropped(case: &mut Case) -> (f64, Vec<f64>) {
    let input = case.op().views[0];
    let count = case.plan.shape(input).elements();
    case.set_f32(input, &vec![1.0; count]);
    let results = Seen::new(case).results(1);
    (results.iter().filter(|y| **y == 0.0).count() as f64 / count as f64, results)
}

#[test]
fn the_rate_is_within_five_sigma_and_the_rest_is_scaled() {
    for rate in [0.1f32, 0.5, 0.9] {
        let (share, results) = dropped(&mut case(rate, Shape::new(101, 99), 101, Values::Special, 2));
        let sigma = (f64::from(rate * (1.0 - rate)) / (101.0 * 99.0)).sqrt();
        assert!((share - f64::from(rate)).abs() < 5.0 * sigma, "{share} for {rate}");
        let kept = f64::from(1.0 / (1.0 - rate));
        assert!(results.iter().all(|y| *y == 0.0 || *y == kept));
        // Scaling keeps the mean.
        let mean = results.iter().sum::<f64>() / results.len() as f64;
        assert!((mean - 1.0).abs() < 5.0 * sigma * kept, "mean {mean}");
    }
}

#[test]
fn gradients_get_the_same_mask_and_other_steps_rows_and_layers_another() {
    let shape = Shape::new(21, 33);
    let mask = |change: fn(&mut Case)| {
        let mut case = case(0.5, shape, 21, Values::Special, 3);
        change(&mut case);
        dropped(&mut case).1
    };
    let first = mask(|_| ());
    assert_eq!(first, mask(|_| ()));
    let others: [fn(&mut Case); 4] = [
        |case| case.steps[0].index += 1,
        |case| case.steps[0].first_row += 40,
        |case| case.steps[0].seed_low += 1,
        |case| case.steps[0].seed_high += 1,
    ];
    for (number, other) in others.into_iter().enumerate() {
        let other = mask(other);
        let same = first.iter().zip(&other).filter(|(a, b)| a == b).count() as f64 / first.len() as f64;
        assert!((same - 0.5).abs() < 0.1, "change {number}: {same} of the mask is the same");
    }
}

#[test]
fn a_batch_cut_in_two_has_the_mask_of_the_whole() {
    let whole = dropped(&mut case(0.5, Shape::new(10, 7), 10, Values::Special, 3)).1;
    let mut second = case(0.5, Shape::new(6, 7), 6, Values::Special, 3);
    second.steps[0].first_row += 4;
    assert_eq!(dropped(&mut second).1, whole[4 * 7..]);
}
