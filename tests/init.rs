//! Initializations: their text, their moments, and what each promises of the whole matrix.

use wgrad::{Activation, Init, Network};

const INPUTS: usize = 60;
const OUTPUTS: usize = 500;

/// Weights before a ReLU, whose gain is √2, or before no activation.
fn weights(init: Init, relu: bool) -> Vec<f64> {
    let weights = init.weights(INPUTS, OUTPUTS, relu.then(Activation::relu), 7, 3).expect("there is memory");
    assert_eq!(weights.len(), INPUTS * OUTPUTS);
    weights.into_iter().map(f64::from).collect()
}

/// Asserts that mean and variance are within five standard errors of 0 and of the variance. The kurtosis is that of the
/// distribution: 9/5 if uniform, 3 if normal.
fn has_moments(init: Init, relu: bool, variance: f64, kurtosis: f64) {
    let weights = weights(init, relu);
    let count = weights.len() as f64;
    let mean = weights.iter().sum::<f64>() / count;
    let found = weights.iter().map(|w| (w - mean).powi(2)).sum::<f64>() / count;
    assert!(mean.abs() <= 5.0 * (variance / count).sqrt(), "{init}: a mean of {mean}");
    let error = variance * ((kurtosis - 1.0) / count).sqrt();
    assert!((found - variance).abs() <= 5.0 * error, "{init}: a variance of {found}, wanted {variance} ± {error}");
}

/// Variances of `torch.nn.init`: gain²·2 / (inputs + outputs) of Xavier, gain² / inputs of He, 1 / inputs of LeCun, std² of
/// normal. A normal distribution that is cut off at two standard deviations keeps 0.7737 of its variance
/// (1 − 4·φ(2) / (2·Φ(2) − 1)), and has a kurtosis of 2.37.
#[test]
fn moments_are_those_of_the_formulas() {
    for (relu, gain) in [(false, 1.0), (true, 2.0)] {
        let (inputs, fans) = (INPUTS as f64, (INPUTS + OUTPUTS) as f64);
        for (init, variance, kurtosis) in [
            (Init::XavierUniform, gain * 2.0 / fans, 1.8),
            (Init::XavierNormal, gain * 2.0 / fans, 3.0),
            (Init::HeUniform, gain / inputs, 1.8),
            (Init::HeNormal, gain / inputs, 3.0),
            (Init::LecunUniform, 1.0 / inputs, 1.8),
            (Init::LecunNormal, 1.0 / inputs, 3.0),
            (Init::Normal { std: 0.5 }, 0.25, 3.0),
            (Init::TruncatedNormal { std: 0.5 }, 0.25 * 0.773_741_3, 2.37),
        ] {
            has_moments(init, relu, variance, kurtosis);
        }
    }
}

#[test]
fn a_truncated_normal_ends_at_two_standard_deviations() {
    let largest = weights(Init::TruncatedNormal { std: 0.5 }, false).into_iter().map(f64::abs).fold(0.0, f64::max);
    assert!(largest <= 1.0 && largest > 0.99, "{largest}");
}

/// W·Wᵀ = gain²·I, or Wᵀ·W if there are fewer columns than rows. A weight is rounded by at most 2⁻²⁴ of itself, so a dot
/// product of two vectors of length gain is off by at most 2·2⁻²⁴·gain² and a little.
#[test]
fn orthogonal_weights_are_orthogonal() {
    for (inputs, outputs) in [(INPUTS, OUTPUTS), (OUTPUTS, INPUTS), (40, 40), (1, 5), (5, 1)] {
        for (following, square) in [(None, 1.0), (Some(Activation::relu()), 2.0)] {
            let weights = Init::Orthogonal.weights(inputs, outputs, following, 7, 3).expect("there is memory");
            let count = inputs.min(outputs);
            let element = |vector: usize, i: usize| {
                let at = if outputs <= inputs { vector * inputs + i } else { i * inputs + vector };
                f64::from(weights[at])
            };
            for (a, b) in (0..count).flat_map(|a| (0..=a).map(move |b| (a, b))) {
                let dot: f64 = (0..inputs.max(outputs)).map(|i| element(a, i) * element(b, i)).sum();
                let wanted = if a == b { square } else { 0.0 };
                let tolerance = 2.01 * f64::from(f32::EPSILON) / 2.0 * square;
                assert!((dot - wanted).abs() <= tolerance, "{inputs} × {outputs}: vectors {a} and {b} have {dot}");
            }
        }
    }
}

/// As PyTorch's `sparse_`: of each column, the share is rounded up. The others have the standard deviation.
#[test]
fn each_column_of_sparse_weights_has_its_zeros() {
    let weights = weights(Init::Sparse { sparsity: 0.899, std: 0.25 }, false);
    for input in 0..INPUTS {
        let zeros = (0..OUTPUTS).filter(|output| weights[output * INPUTS + input] == 0.0).count();
        assert_eq!(zeros, 450, "ceil(0.899 · 500) = ceil(449.5)");
    }
    let others: Vec<f64> = weights.iter().copied().filter(|w| *w != 0.0).collect();
    let variance = others.iter().map(|w| w * w).sum::<f64>() / others.len() as f64;
    assert!((variance - 0.0625).abs() <= 5.0 * 0.0625 * (2.0 / others.len() as f64).sqrt(), "{variance}");
    let first = |input: usize| (0..OUTPUTS).map(|output| weights[output * INPUTS + input] == 0.0).collect::<Vec<_>>();
    assert_ne!(first(0), first(1), "columns have zeros in other places");
}

#[test]
fn constants_are_constant() {
    assert!(weights(Init::Zeros, true).iter().all(|weight| *weight == 0.0));
    assert!(weights(Init::Constant { value: 0.25 }, true).iter().all(|weight| *weight == 0.25));
}

#[test]
fn texts_are_read_and_written() {
    for (text, init) in [
        ("zeros", Init::Zeros),
        ("constant(-0.5)", Init::Constant { value: -0.5 }),
        ("normal(0.02)", Init::Normal { std: 0.02 }),
        ("truncated_normal(0.02)", Init::TruncatedNormal { std: 0.02 }),
        ("xavier_uniform", Init::XavierUniform),
        ("xavier_normal", Init::XavierNormal),
        ("he_uniform", Init::HeUniform),
        ("he_normal", Init::HeNormal),
        ("lecun_uniform", Init::LecunUniform),
        ("lecun_normal", Init::LecunNormal),
        ("orthogonal", Init::Orthogonal),
        ("sparse(0.9, 0.01)", Init::Sparse { sparsity: 0.9, std: 0.01 }),
    ] {
        assert_eq!(text.parse::<Init>().expect(text), init);
        assert_eq!(init.to_string(), text);
        let network = Network::parse(2, &format!("dense(3, init={text})")).expect(text);
        assert_eq!(network.dense_layers().next().expect("a layer").1.init, Some(init));
    }
    assert_eq!("sparse(0.9)".parse::<Init>().expect("std has a default"), Init::Sparse { sparsity: 0.9, std: 0.01 });
    assert_eq!(Init::all().count(), 12, "each stands in the list");
    assert!(Init::all().all(|(text, _)| text.parse::<Init>().is_ok()));
    for (text, part) in [
        ("sparse(1.5)", "sparsity is 1.5"),
        ("constant(inf)", "value is inf"),
        ("truncated_normal(-1)", "std is -1"),
        ("orthogonal(2)", "at most 0"),
        ("constant", "constant(value=0.1)"),
        ("ortogonal", "did you mean `orthogonal`"),
    ] {
        let error = text.parse::<Init>().expect_err(text).to_string();
        assert!(error.contains(part), "{text}: {error}");
    }
}

/// The layer's own initialization wins.
#[test]
fn all_other_dense_layers_can_be_set() {
    let network = Network::parse(2, "dense(3, init=zeros) relu [3 relu 3] 1").expect("the text is sound");
    let set = network.with_init(Init::Orthogonal);
    let inits: Vec<_> = set.dense_layers().map(|(_, dense, _)| dense.init).collect();
    let orthogonal = Some(Init::Orthogonal);
    assert_eq!(inits, [Some(Init::Zeros), orthogonal, orthogonal, orthogonal]);
}
