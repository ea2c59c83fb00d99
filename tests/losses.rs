//! Losses per element against PyTorch, dual numbers and finite differences. Kernels are tested in `tests/kernels`.

use approx::{assert_abs_diff_eq, assert_relative_eq};
use wgrad::Loss;
use wgrad::elementwise::numbers::Dual;
use wgrad::elementwise::{ElementLoss, Form, LossFunction, Meaning, Range, RowLoss};

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
        Range::Class => &[],
    }
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

/// Losses that need the whole row have classes, and the others do not.
#[test]
fn rows_of_the_table_are_consistent() {
    for function in LossFunction::ALL {
        let is_row = matches!(function.form, Form::Rows(RowLoss::SoftmaxCrossEntropy));
        assert_eq!(is_row, function.range == Range::Class, "{}", function.name);
        assert_eq!(is_row, function.output == Meaning::ClassLogits, "{}", function.name);
        assert!(function.parameters.iter().all(|p| (p.least..=p.most).contains(&p.default)), "{}", function.name);
    }
}
