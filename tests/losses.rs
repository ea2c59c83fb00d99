//! Losses per element against PyTorch, dual numbers and finite differences. Kernels are tested in `tests/kernels`.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use wgrad::Loss;
use wgrad::elementwise::numbers::Dual;
use wgrad::elementwise::{ElementLoss, LossFunction, LossKernel, Meaning, Range, Row, Targets};

fn elements() -> impl Iterator<Item = (Loss, &'static ElementLoss)> {
    Loss::all().filter_map(|loss| Some((loss, loss.function().element()?)))
}

/// Losses and derivatives by `tests/golden/losses.py`. A loss without rows there is an error, as is one whose rows leave a
/// parameter at its default.
#[test]
fn every_loss_and_derivative_is_that_of_pytorch() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/losses.json")).expect("JSON");
    let golden = golden.as_object().expect("rows by loss");
    for function in LossFunction::ALL {
        let is_of = |text: &&String| text.parse::<Loss>().is_ok_and(|loss| loss.name() == function.name);
        let texts: Vec<_> = golden.keys().filter(is_of).collect();
        assert!(!texts.is_empty(), "no golden numbers of {}", function.name);
        for (place, parameter) in function.parameters.iter().enumerate() {
            let is_set =
                |text: &&String| text.parse::<Loss>().is_ok_and(|l| l.parameters()[place] != parameter.default);
            assert!(texts.iter().any(is_set), "{}: {} is always the default", function.name, parameter.name);
        }
    }
    let mut compared = 0;
    for (text, rows) in golden {
        let loss: Loss = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        // Losses of whole rows are compared in `tests/kernels`.
        let Some(element) = loss.function().element() else { continue };
        for row in rows.as_array().expect("rows") {
            let [z, t, value, slope] = [0, 1, 2, 3].map(|column| row[column].as_f64().expect("a number"));
            assert!(loss.function().range.contains(t as f32), "{text}: {t}");
            let [l, d] = element.double.map(|f| f(z, t, loss.parameters().map(f64::from)));
            // PyTorch's sums cancel in f64: 1 − p of a probability near 1.
            assert_relative_eq!(l, value, max_relative = 1e-9, epsilon = 1e-14);
            assert_relative_eq!(d, slope, max_relative = 1e-9, epsilon = 1e-14);
            compared += 1;
        }
    }
    assert!(compared > 700, "{compared}");
}

/// Valid targets, none on a kink of the outputs below.
fn targets(range: Range) -> &'static [f64] {
    match range {
        Range::Any => &[-2.5, 0.0, 0.375],
        Range::NotNegative => &[0.0, 2.5],
        Range::Unit => &[0.0, 0.375, 1.0],
        Range::Bit => &[0.0, 1.0],
        Range::Class | Range::Distribution => &[],
    }
}

/// Numbers of a row of `golden/losses.json`.
fn numbers(value: &serde_json::Value) -> Vec<f64> {
    value.as_array().expect("numbers").iter().map(|number| number.as_f64().expect("a number")).collect()
}

/// Loss of a whole row, and its derivatives, in f64.
fn of_row(loss: Loss, outputs: &[f64], targets: Targets<'_, f64>) -> (f64, Vec<f64>) {
    let (meaning, parameters) = (loss.function().output, loss.parameters().map(f64::from));
    let mut gradient = vec![0.0; outputs.len()];
    let row = Row { meaning, parameters, outputs, targets };
    ((loss.function().row().expect("a loss of whole rows").double)(&row, &mut gradient), gradient)
}

/// Outputs, target or targets, loss and gradient by `tests/golden/losses.py`.
#[test]
fn every_loss_of_a_row_and_its_gradient_are_those_of_pytorch() {
    let golden: serde_json::Value = serde_json::from_str(include_str!("golden/losses.json")).expect("JSON");
    let mut compared = 0;
    for (text, rows) in golden.as_object().expect("rows by loss") {
        let loss: Loss = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        if loss.function().row().is_none() {
            continue;
        }
        for row in rows.as_array().expect("rows") {
            let targets = row[1].is_array().then(|| numbers(&row[1]));
            let class = || Targets::Class(row[1].as_u64().expect("a class") as usize);
            let targets = targets.as_ref().map_or_else(class, |targets| Targets::Numbers(targets));
            let (found, gradient) = of_row(loss, &numbers(&row[0]), targets);
            // PyTorch's logarithms and cosines cancel in f64.
            assert_relative_eq!(found, row[2].as_f64().expect("a loss"), max_relative = 1e-9, epsilon = 1e-13);
            for (found, wanted) in gradient.iter().zip(numbers(&row[3])) {
                assert_relative_eq!(*found, wanted, max_relative = 1e-9, epsilon = 1e-13);
                compared += 1;
            }
        }
    }
    assert!(compared > 90, "{compared}");
}

/// Rows of outputs, each with targets of each kind.
const ROWS: [[f64; 6]; 3] =
    [[0.3, -1.1, 2.0, 0.7, -0.4, 1.3], [-2.5, 0.6, 0.1, -0.9, 3.1, 0.2], [4.0, -6.0, 1.5, 0.8, 0.05, -3.0]];

#[test]
fn declared_derivatives_of_rows_are_those_of_dual_numbers_and_finite_differences() {
    let mut compared = 0;
    for loss in Loss::all().filter(|loss| loss.function().row().is_some()) {
        let row = loss.function().row().expect("a loss of whole rows");
        for outputs in ROWS {
            let numbers = &[0.25, 0.0, 0.5, 0.125, 0.0625, 0.0625][..loss.target_columns(6).min(6)];
            let is_class = loss.function().range == Range::Class;
            let targets = if is_class { Targets::Class(3) } else { Targets::Numbers(numbers) };
            let (_, gradient) = of_row(loss, &outputs, targets);
            for c in 0..outputs.len() {
                let variable = |i: usize| if i == c { Dual::variable(outputs[i]) } else { Dual::from(outputs[i]) };
                let duals: Vec<Dual> = (0..outputs.len()).map(variable).collect();
                let numbers: Vec<Dual> = numbers.iter().map(|t| Dual::from(*t)).collect();
                let targets = if is_class { Targets::Class(3) } else { Targets::Numbers(&numbers[..]) };
                let (meaning, parameters) =
                    (loss.function().output, loss.parameters().map(|p| Dual::from(f64::from(p))));
                let dual = (row.dual)(&Row { meaning, parameters, outputs: &duals, targets }, &mut duals.clone()).slope;
                let step = 1e-5;
                let [above, below] = [step, -step].map(|step| {
                    let mut moved = outputs;
                    moved[c] += step;
                    let numbers = &[0.25, 0.0, 0.5, 0.125, 0.0625, 0.0625][..loss.target_columns(6).min(6)];
                    of_row(loss, &moved, if is_class { Targets::Class(3) } else { Targets::Numbers(numbers) }).0
                });
                assert_relative_eq!(gradient[c], dual, max_relative = 1e-12, epsilon = 1e-12);
                assert_relative_eq!(gradient[c], (above - below) / (2.0 * step), max_relative = 1e-7, epsilon = 1e-7);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 6 * 6 * 3);
}

#[test]
fn declared_derivatives_are_those_of_dual_numbers_and_finite_differences() {
    for (loss, element) in elements() {
        let parameters = loss.parameters().map(f64::from);
        for t in targets(loss.function().range) {
            for z in [-7.3, -3.2, -1.1, -0.7, -0.06, 0.05, 0.2, 0.8, 1.9, 4.1, 7.7] {
                let found = element.double[1](z, *t, parameters);
                let dual = (element.dual)(Dual::variable(z), Dual::from(*t), parameters.map(Dual::from)).slope;
                let step = 1e-5;
                let [above, below] = [z + step, z - step].map(|z| element.double[0](z, *t, parameters));
                assert_relative_eq!(found, dual, max_relative = 1e-12, epsilon = 1e-12);
                assert_relative_eq!(found, (above - below) / (2.0 * step), max_relative = 1e-7, epsilon = 1e-7);
            }
        }
    }
}

/// The power of the unit is what scaling of targets, evaluation and axis labels rely on.
#[test]
fn a_loss_of_numbers_has_the_declared_power_of_their_unit() {
    let scale = 4.0;
    let mut counted = 0;
    for (loss, element) in elements() {
        let Meaning::Number { power } = loss.function().output else { continue };
        for (z, t) in [(0.3, 0.1), (-2.0, 3.0), (5.0, 4.5)] {
            let [own, scaled] = [1.0, scale].map(|c| {
                // All parameters but the quantile are distances.
                let parameters =
                    loss.parameters().map(|p| f64::from(p) * if loss.name() == "quantile" { 1.0 } else { c });
                element.double[0](c * z, c * t, parameters)
            });
            if power > 0 {
                assert_relative_eq!(scaled, own * scale.powi(power), max_relative = 1e-12);
            }
            // A loss of numbers depends on their difference alone, so the mean of the targets may be taken away.
            let parameters = loss.parameters().map(f64::from);
            assert_relative_eq!(
                element.double[0](z - t, 0.0, parameters),
                element.double[0](z, t, parameters),
                max_relative = 1e-12
            );
        }
        counted += 1;
    }
    assert!(counted >= 6);
}

#[test]
fn nothing_is_lost_where_an_output_is_certain_or_an_error_small() {
    let of = |loss: Loss, z: f32, t: f32| {
        let (mut found, mut gradient) = ([0.0], [0.0]);
        let element = loss.function().element().expect("a loss per element");
        (element.rows)(&[z], &[t], loss.parameters(), 1.0, &mut found, &mut gradient);
        f64::from(found[0])
    };
    assert_relative_eq!(of(Loss::binary_cross_entropy(), 40.0, 1.0), (-40.0f64).exp(), max_relative = 1e-6);
    assert_relative_eq!(of(Loss::focal(2.0), 20.0, 1.0), (-60.0f64).exp(), max_relative = 1e-4);
    assert_relative_eq!(of(Loss::log_cosh(), 1e-3, 0.0), 1e-6 / 2.0, max_relative = 1e-6);
    assert_abs_diff_eq!(of(Loss::log_cosh(), 1e30, 0.0), 1e30, epsilon = 1e24);
    assert!(of(Loss::poisson(), 1e3, 1.0).is_finite() && of(Loss::poisson(), f32::INFINITY, 1.0).is_infinite());
}

#[test]
fn text_and_constructors_agree() {
    for loss in Loss::all() {
        for text in [loss.to_string(), loss.signature(), loss.name().into()] {
            assert_eq!(text.parse::<Loss>().ok(), Some(loss), "{text}");
        }
        for alias in loss.function().aliases {
            assert_eq!(alias.parse::<Loss>().ok(), Some(loss), "{alias}");
        }
        let json = serde_json::to_string(&loss).expect("JSON");
        assert_eq!(json, format!("\"{}\"", loss.name()), "the name alone, as in models of older versions");
        assert_eq!(serde_json::from_str::<Loss>(&json).ok(), Some(loss));
    }
    let huber = Loss::huber(2.5);
    assert_eq!((huber.to_string(), "huber(2.5)".parse().ok()), ("huber(delta=2.5)".into(), Some(huber)));
    assert_eq!(Loss::weighted_binary_cross_entropy(3.0).to_string(), "binary_cross_entropy(positive_weight=3)");
    let says = |text: &str, what: &str| {
        let error = text.parse::<Loss>().map(|loss| loss.to_string()).expect_err("an error").to_string();
        assert!(error.contains(what), "{text}: {error}");
    };
    says("hubber", "did you mean `huber`?");
    says("huber(delte=1)", "did you mean `delta`?");
    says("huber(delta=0)", "at least 0.000001");
    says("huber(delta=x)", "a number");
    says("huber(1, 2)", "at most 1");
    says("quantile(q=1)", "from 0.000001 to 0.999999");
    says("mean_squared_error(1)", "at most 0");
    let network = wgrad::Network::input(2).dense(1);
    assert!(Loss::huber(-1.0).check(&network).is_err() && Loss::huber(1.0).check(&network).is_ok());
}

/// Losses per element have a target per output, and the softmax a class.
#[test]
fn rows_of_the_table_are_consistent() {
    for function in LossFunction::ALL {
        let is_softmax = matches!(function.kernel, LossKernel::Softmax);
        assert!(!is_softmax || function.range == Range::Class, "{}", function.name);
        let is_of_row = matches!(function.range, Range::Class | Range::Distribution);
        assert!(function.element().is_none() || !is_of_row, "{}", function.name);
        assert!(function.parameters.iter().all(|p| (p.least..=p.most).contains(&p.default)), "{}", function.name);
    }
}

#[test]
fn levels_of_quantiles_are_a_list_in_ascending_order() {
    let two = Loss::quantiles([0.25, 0.75]);
    assert_eq!((two.to_string(), "quantiles(0.25,0.75)".parse().ok()), ("quantiles(0.25, 0.75)".into(), Some(two)));
    assert_eq!("quantiles".parse().ok(), Some(Loss::quantiles([0.1, 0.5, 0.9])));
    let counts = [Loss::quantiles([0.5]), two, Loss::quantiles([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])];
    assert_eq!(counts.map(Loss::outputs_per_target), [1, 2, 8]);
    let says = |text: &str, what: &str| {
        let error = text.parse::<Loss>().map(|loss| loss.to_string()).expect_err("an error").to_string();
        assert!(error.contains(what), "{text}: {error}");
    };
    says("quantiles(0.5, 0.1)", "above 0.5");
    says("quantiles(0.5, 0.5)", "above 0.5");
    says("quantiles(0, 0.5)", "from 0.000001 to 0.999999");
    says("quantiles(0.1, 0, 0.5)", "from 0.000001 to 0.999999");
    says("quantiles(0.1, 1)", "from 0.000001 to 0.999999");
    says("quantiles(0.1, x)", "value 2");
    says("quantiles(q=0.1)", "numbers alone, as in `quantiles(0.1, 0.9)`");
    says("quantiles(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)", "at most 8");
    for (loss, outputs, fits) in
        [(two, 3, false), (two, 4, true), (Loss::gaussian_nll(), 1, false), (Loss::cosine(), 1, false)]
    {
        assert_eq!(loss.check(&wgrad::Network::input(2).dense(outputs)).is_ok(), fits, "{loss}, {outputs}");
    }
}
