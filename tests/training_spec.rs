//! Networks, losses, optimizers and schedules are plain data: equal in TOML, in JSON and as text.

use serde::{Deserialize, Serialize};
use wgrad::{Adam, AdamW, Dense, Device, Init, Loss, Network, Optimizer, RmsProp, Schedule, Sgd, Trainer};

/// Contents of a run file.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Run {
    loss: Loss,
    network: Network,
    optimizer: Optimizer,
    schedule: Schedule,
}

#[test]
fn a_run_is_read_from_toml_as_a_user_would_write_it() {
    let text = r#"
        loss = "softmax_cross_entropy"

        [network]
        input = 64
        layers = ["dense(128, bias=false, init=he_normal)", "leaky_relu", "dropout(0.25)", "10"]

        [optimizer]
        kind = "adamw"
        learning_rate = 0.002

        [schedule]
        kind = "cosine"
        steps = 500
        warmup_steps = 20
    "#;
    let run: Run = toml::from_str(text).expect("valid");
    let network = Network::input(64)
        .layer(Dense::new(128).without_bias().init(Init::HeNormal))
        .leaky_relu(0.01)
        .dropout(0.25)
        .dense(10);
    assert_eq!(run.network, network);
    assert_eq!(run.loss, Loss::softmax_cross_entropy());
    assert_eq!(run.optimizer, AdamW::new(0.002).into());
    assert_eq!(run.schedule, Schedule::Cosine { start: 0.0, warmup_steps: 20, steps: 500, end: 0.0 });
}

#[test]
fn every_spec_is_the_same_after_toml_and_json() {
    let network = Network::parse(
        5,
        "dense(7, init=normal(0.5)) step 6 identity 5 sigmoid 4 tanh dropout(0.5) 3 relu [[layer_norm 3] \
         dense(2, init=zeros)] rms_norm batch_norm prelu 4 prelu(per_unit=true) scaling glu 4 swiglu 4 geglu leaky_relu(0.2) 1",
    );
    let network = network.expect("valid");
    let optimizers: [Optimizer; 4] = [
        Sgd::new(0.1).momentum(0.9).nesterov().weight_decay(1e-4).into(),
        RmsProp::new(0.01).alpha(0.9).into(),
        Adam::new(1e-3).beta1(0.8).weight_decay(0.1).into(),
        AdamW::new(3e-4).into(),
    ];
    let schedules =
        [Schedule::Constant, Schedule::linear_warmup(0.1, 7), Schedule::cosine(9), Schedule::linear_warmup(0.0, 1)];
    let losses =
        [Loss::mean_squared_error(), Loss::binary_cross_entropy(), Loss::softmax_cross_entropy(), Loss::perceptron()];
    for ((optimizer, schedule), loss) in optimizers.into_iter().zip(schedules).zip(losses) {
        let run = Run { loss, network: network.clone(), optimizer, schedule };
        let toml = toml::to_string(&run).expect("written");
        assert_eq!(toml::from_str::<Run>(&toml).expect("read"), run, "{toml}");
        let json = serde_json::to_string(&run).expect("written");
        assert_eq!(serde_json::from_str::<Run>(&json).expect("read"), run, "{json}");
    }
}

#[test]
fn unknown_names_are_refused_with_the_nearest_name() {
    let refused = |text: &str| toml::from_str::<Network>(text).expect_err("refused").to_string();
    let message = refused("input = 2\nlayers = [\"4\", \"rellu\"]");
    assert!(message.contains("did you mean `relu`?"), "{message}");
    let message = refused("input = 2\nlayers = [\"4\"]\ncolor = \"red\"");
    assert!(message.contains("color"), "{message}");
    let message = toml::from_str::<Optimizer>("kind = \"adam\"\nlearning_rat = 1").expect_err("refused").to_string();
    assert!(message.contains("learning_rat"), "{message}");
}

#[test]
fn names_are_suggested_for_three_letters_or_a_few_wrong_ones() {
    let message = |name: &str| name.parse::<Optimizer>().expect_err("unknown").to_string();
    for (name, suggestion) in [("rms", "rmsprop"), ("admw", "adamw"), ("rmsporp", "rmsprop")] {
        assert!(message(name).contains(&format!("did you mean `{suggestion}`?")), "{}", message(name));
    }
    for name in ["rm", "nonsense"] {
        assert!(!message(name).contains("did you mean"), "{}", message(name));
    }
}

#[test]
fn the_arithmetic_of_a_cpu_is_its_processor_and_not_its_threads() {
    let processor = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    let cpu = Device::cpu().arithmetic();
    assert!(cpu.starts_with(&format!("cpu ({processor}")), "{cpu}");
    assert!(Device::reference().arithmetic().starts_with(&format!("reference ({processor}")));
    assert_eq!(Device::cpu().threads(1).arithmetic(), cpu);
}

#[test]
fn schedules_have_the_factors_of_their_formulas() {
    let fallen = |quarters: f64| 0.5 * (1.0 + (std::f64::consts::FRAC_PI_4 * quarters).cos());
    let warm = Schedule::Cosine { start: 0.2, warmup_steps: 2, steps: 2, end: 0.1 };
    let known: [(Schedule, &[f64]); 4] = [
        (Schedule::Constant, &[1.0, 1.0]),
        (Schedule::linear_warmup(0.1, 3), &[0.1, 0.4, 0.7, 1.0, 1.0]),
        (Schedule::cosine(4), &[1.0, fallen(1.0), 0.5, fallen(3.0), 0.0, 0.0]),
        (warm, &[0.2, 0.6, 1.0, 0.55, 0.1, 0.1]),
    ];
    for (schedule, factors) in known {
        for (step, wanted) in factors.iter().enumerate() {
            let factor = schedule.factor(step as u64);
            assert!((factor - wanted).abs() <= 1e-12, "{schedule:?} at step {step}: {factor}, not {wanted}");
        }
    }
}

#[test]
fn factors_of_a_schedule_lie_between_0_and_1() {
    let build = |schedule| {
        let builder = Trainer::builder(Network::input(2).dense(1)).loss(Loss::mean_squared_error());
        builder.schedule(schedule).build(&Device::cpu()).map(drop)
    };
    let cosine = |start, end| Schedule::Cosine { start, warmup_steps: 1, steps: 1, end };
    for (schedule, name) in [
        (Schedule::linear_warmup(1.5, 3), "start is 1.5"),
        (Schedule::linear_warmup(-0.5, 3), "start is -0.5"),
        (cosine(1.5, 0.0), "start is 1.5"),
        (cosine(0.0, 1.5), "end is 1.5"),
        (cosine(0.0, -0.5), "end is -0.5"),
    ] {
        let message = build(schedule).expect_err("refused").to_string();
        assert!(message.contains(name) && message.contains("between 0 and 1"), "{message}");
    }
    for schedule in [Schedule::linear_warmup(0.0, 3), Schedule::linear_warmup(1.0, 3), cosine(1.0, 1.0)] {
        build(schedule).expect("accepted");
    }
}
