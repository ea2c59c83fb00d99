//! `Model::predictor` on single rows and on batches.

use wgrad::{Adam, Dataset, Device, Error, Fit, Loss, Model, Network, Result, Standardization, Trainer, data};

/// Returns a model with these parameters, in the order of the layers.
fn model(network: Network, loss: Loss, values: &[&[f32]]) -> Model {
    let trainer = Trainer::builder(network).loss(loss).build(&Device::cpu());
    let mut model = trainer.and_then(Trainer::into_model).expect("a model");
    for (tensor, values) in model.parameters.iter_mut().zip(values) {
        tensor.values = values.to_vec();
    }
    model
}

/// 2·3 − 1·4 + 0.5 = 2.5 and −3·3 + 4 − 1 = −6 before relu, then 10·2.5 + 1·0 + 1 = 26.
#[test]
fn a_row_is_predicted_as_by_hand() -> Result<()> {
    let weights: [&[f32]; 4] = [&[2.0, -1.0, -3.0, 1.0], &[0.5, -1.0], &[10.0, 1.0], &[1.0]];
    let mut model = model(Network::input(2).dense(2).relu().dense(1), Loss::mean_squared_error(), &weights);
    let mut output = [0.0];
    model.predictor(&Device::cpu())?.predict_row(&[3.0, 4.0], &mut output)?;
    assert_eq!(output, [26.0]);
    // (13 − 10) / 1 and (28 − 20) / 2 are the same inputs; 26 is scaled back to 26 · 3 + 100.
    model.metadata.preprocessing = Some(Standardization::new(vec![10.0, 20.0], vec![1.0, 2.0])?);
    model.metadata.target_scaling = Some(Standardization::new(vec![100.0], vec![3.0])?);
    let mut predictor = model.predictor(&Device::cpu())?;
    predictor.predict_row(&[13.0_f64, 28.0], &mut output)?;
    assert_eq!(output, [178.0]);
    assert_eq!((predictor.inputs(), predictor.outputs()), (2, 1));
    assert_eq!(predictor.predict(&[13.0, 28.0, 13.0, 28.0])?, [178.0, 178.0]);
    Ok(())
}

/// Returns models with different first and last layers, wide and narrow, for each loss function.
fn models() -> Vec<Model> {
    let cases = [
        (3, "5 relu 4", Loss::softmax_cross_entropy()),
        (2, "64 tanh 64 tanh 1", Loss::binary_cross_entropy()),
        (70, "tanh dropout(0.5) 130 leaky_relu dense(33, bias=false) sigmoid 3", Loss::mean_squared_error()),
        (1, "1 step 1", Loss::perceptron()),
        (300, "17", Loss::softmax_cross_entropy()),
        (
            5,
            "70 relu [33 tanh dropout(0.1) dense(70, init=he_normal)] relu [9 [9 gelu dense(9, init=he_normal)]] 3",
            Loss::softmax_cross_entropy(),
        ),
    ];
    let cases = cases.into_iter().chain([
        (5, "layer_norm 70 rms_norm relu [layer_norm dense(70, init=he_normal)] 3", Loss::softmax_cross_entropy()),
        (70, "rms_norm batch_norm 4 prelu batch_norm scaling 8 glu prelu(per_unit=true) 1", Loss::mean_squared_error()),
    ]);
    let made = cases.map(|(inputs, layers, loss)| {
        let network = Network::parse(inputs, layers).expect("the text is sound");
        model(network, loss, &[])
    });
    made.collect()
}

fn rows(model: &Model, count: usize) -> Vec<f32> {
    (0..count * model.metadata.network.inputs()).map(|at| ((at * 37 % 101) as f32 - 50.0) / 25.0).collect()
}

#[test]
fn a_row_alone_has_the_bits_that_it_has_among_others() -> Result<()> {
    for model in models() {
        let network = model.metadata.network.to_string();
        let (inputs, outputs) = (model.metadata.network.inputs(), model.metadata.network.outputs());
        let mut predictor = model.predictor(&Device::cpu())?;
        for count in [1, 7, 8, 600, 9] {
            let rows = rows(&model, count);
            let all = predictor.predict(&rows)?;
            assert_eq!(all, model.predict(&rows)?, "{network}, {count} rows");
            let mut one = vec![0.0; outputs];
            for (row, expected) in rows.chunks(inputs).zip(all.chunks(outputs)) {
                predictor.predict_row(row, &mut one)?;
                assert_eq!(one, expected, "{network}, {count} rows");
            }
            if model.metadata.class_count().is_some() {
                assert_eq!(predictor.predict_classes(&rows)?, model.predict_classes(&rows)?);
            }
        }
    }
    Ok(())
}

/// The reference rounds each product and sum, the CPU uses fused multiply-add: 300 terms of at most 2·0.4.
#[test]
fn other_devices_predict_the_same_within_rounding() -> Result<()> {
    for model in models() {
        let rows = rows(&model, 3);
        let mut found = vec![0.0; model.metadata.network.outputs()];
        let mut predictor = model.predictor(&Device::reference())?;
        predictor.predict_row(&rows[..model.metadata.network.inputs()], &mut found)?;
        let all = predictor.predict(&rows)?;
        assert_eq!(all[..found.len()], found);
        for (a, b) in all.iter().zip(model.predict(&rows)?) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{}: {a} and {b}", model.metadata.network);
        }
    }
    Ok(())
}

/// 2·3 − 1·4 + 0.5 = 2.5 and −3·3 + 4 − 1 = −6 before tanh; dropout passes its inputs on.
#[test]
fn outputs_of_each_layer_are_as_by_hand() -> Result<()> {
    let weights: [&[f32]; 4] = [&[2.0, -1.0, -3.0, 1.0], &[0.5, -1.0], &[10.0, 1.0], &[1.0]];
    let network = Network::input(2).dropout(0.5).dense(2).dropout(0.5).tanh().dense(1);
    let model = model(network, Loss::mean_squared_error(), &weights);
    let layers = model.layer_outputs(&[3.0, 4.0])?;
    let names: Vec<&str> = layers.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["layer0.output", "layer1.output", "layer2.output", "layer3.output", "layer4.output"]);
    let values: Vec<&[f32]> = layers.iter().map(|tensor| &tensor.values[..]).collect();
    assert_eq!((values[0], values[1], values[2]), (&[3.0, 4.0][..], &[2.5, -6.0][..], &[2.5, -6.0][..]));
    let tanh = [2.5_f64.tanh(), (-6.0_f64).tanh()];
    for (found, wanted) in values[3].iter().zip(tanh) {
        assert!((f64::from(*found) - wanted).abs() < 1e-6, "{:?}", values[3]);
    }
    assert!((f64::from(values[4][0]) - (10.0 * tanh[0] + tanh[1] + 1.0)).abs() < 1e-5, "{:?}", values[4]);
    Ok(())
}

#[test]
fn outputs_of_the_last_layer_are_those_of_the_model() -> Result<()> {
    for model in models() {
        for count in [1, 600] {
            let rows = rows(&model, count);
            let layers = model.layer_outputs(&rows)?;
            assert_eq!(layers.len(), model.metadata.network.layers().len());
            let last = &layers[layers.len() - 1];
            assert_eq!(last.shape, [count, model.metadata.network.outputs()]);
            assert_eq!(last.values, model.outputs(&rows)?, "{}", model.metadata.network);
        }
    }
    Ok(())
}

fn says(result: Result<impl Sized>, parts: &[&str]) -> Error {
    let error = result.err().expect("it is refused");
    for part in parts {
        assert!(error.to_string().contains(part), "`{part}` is not in: {error}");
    }
    error
}

#[test]
fn rows_that_do_not_fit_are_refused_and_named() -> Result<()> {
    let model = model(Network::input(2).dense(1), Loss::mean_squared_error(), &[&[1.0, 3e38], &[0.0]]);
    let mut predictor = model.predictor(&Device::cpu())?;
    let mut output = [7.0];
    says(predictor.predict_row(&[1.0], &mut output), &["input", "is 1", "is 2", "one row"]);
    says(predictor.predict_row(&[1.0; 4], &mut output), &["input", "is 4", "is 2"]);
    says(predictor.predict_row(&[1.0; 2], &mut [0.0; 2]), &["output", "is 2", "is 1"]);
    assert_eq!(output, [7.0]);
    says(predictor.predict_row(&[1.0, f32::NAN], &mut output), &["row 0, column 1", "NaN"]);
    says(predictor.predict(&[0.0, 0.0, f32::INFINITY, 0.0]), &["row 1, column 0", "inf"]);
    says(predictor.predict(&[0.0_f32; 0]), &["number of values is 0"]);
    says(predictor.predict(&[0.0; 3]), &["number of values is 3"]);
    for rows in [2, 20] {
        let mut input = vec![0.0; 2 * rows];
        input[3] = 2.0;
        let error = says(predictor.predict(&input), &["row 1 (from 0)", "output 0", "inf"]);
        assert!(matches!(error, Error::Output { row: 1, .. }), "{error}");
    }
    // The rejected calls have no effect on later ones.
    predictor.predict_row(&[1.0, 0.0], &mut output)?;
    assert_eq!(output, [1.0]);
    Ok(())
}

/// 3 · 2·10³⁸ overflows f32, though the output of the network is 3.
#[test]
fn a_number_that_overflows_in_the_units_of_the_target_is_refused() -> Result<()> {
    let mut model = model(Network::input(1).dense(1), Loss::mean_squared_error(), &[&[1.0], &[0.0]]);
    model.metadata.target_scaling = Some(Standardization::new(vec![0.0], vec![2e38])?);
    assert_eq!(model.predict(&[1.0])?, [2e38]);
    says(model.predict(&[1.0, 3.0]), &["row 1 (from 0)", "output 0", "inf"]);
    Ok(())
}

#[test]
fn parts_that_do_not_fit_are_refused_before_anything_is_compiled() -> Result<()> {
    let mut broken = model(Network::input(2).dense(1), Loss::mean_squared_error(), &[]);
    broken.parameters[0].values[1] = f32::NAN;
    says(broken.predictor(&Device::cpu()), &["layer0.weight", "NaN"]);
    Ok(())
}

/// A trained network predicts most of 150 flowers correctly.
#[test]
fn a_predictor_predicts_the_classes_of_its_model() -> Result<()> {
    let iris: Dataset = data::iris();
    let network = Network::input(4).dense(16).relu().dense(3);
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(0.01));
    let mut trainer = builder.preprocessing(Standardization::fit(&iris)?).build(&Device::cpu())?;
    trainer.fit(&iris, Fit::epochs(60))?;
    let model = trainer.into_model()?;
    let mut predictor = model.predictor(&Device::cpu())?;
    let classes = predictor.predict_classes(&iris.input())?;
    assert_eq!(classes, model.predict_classes(&iris.input())?);
    let wgrad::Targets::Classes { indices, .. } = iris.targets() else { panic!("its targets are classes") };
    let right = classes.iter().zip(indices).filter(|(found, wanted)| found == wanted).count();
    assert!(right >= 140, "{right} of 150");
    Ok(())
}
