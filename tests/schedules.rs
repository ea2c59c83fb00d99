//! Learning rate schedules against PyTorch's schedulers (numbers from `golden/schedules.py`).
//!
//! Both sides compute in f64; PyTorch multiplies factor by factor, so eighty roundings add up: 1e-13.

use std::collections::BTreeMap;

use serde::Deserialize;
use wgrad::Schedule;

#[derive(Deserialize)]
struct File {
    torch: String,
    cases: BTreeMap<String, Vec<f64>>,
    warmed: BTreeMap<String, Vec<f64>>,
    chained: Vec<f64>,
}

fn file() -> File {
    let file: File = serde_json::from_str(include_str!("golden/schedules.json")).expect("the file is sound");
    assert_eq!(file.torch, "2.15.0");
    file
}

fn parsed(text: &str) -> Schedule {
    Schedule::parse(text, 80).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[track_caller]
fn assert_factors(schedule: &Schedule, wanted: &[f64]) {
    for (step, wanted) in wanted.iter().enumerate() {
        let found = schedule.factor(step as u64);
        assert!((found - wanted).abs() <= 1e-13, "{schedule}, step {step}: {found}, PyTorch {wanted}");
    }
}

#[test]
fn factors_are_those_of_pytorch() {
    let file = file();
    for (text, wanted) in &file.cases {
        assert_factors(&parsed(text), wanted);
    }
    for (text, wanted) in &file.warmed {
        assert_factors(&parsed(text).after_warmup(0.25, 6), wanted);
    }
    let parts = vec![(20, parsed("step(steps=7, factor=0.5)")), (60, parsed("exponential(factor=0.9)"))];
    assert_factors(&Schedule::Chain { parts }, &file.chained);
}

#[test]
fn every_schedule_is_in_the_file() {
    let file = file();
    let missing = |name: &&str| !file.cases.keys().any(|text| text.split('(').next() == Some(*name));
    let missing: Vec<_> = Schedule::NAMES.into_iter().filter(missing).collect();
    assert!(missing.is_empty(), "tests/golden/schedules.py has no case of {missing:?}");
}

#[test]
fn schedules_are_stored_and_read_back() {
    for text in file().cases.keys() {
        let schedule = parsed(text).after_warmup(0.25, 6);
        let json = serde_json::to_string(&schedule).expect("plain data");
        assert_eq!(serde_json::from_str::<Schedule>(&json).expect("what was written"), schedule, "{json}");
    }
}

#[test]
fn text_of_a_schedule_is_read_back() {
    for name in Schedule::NAMES.into_iter().filter(|name| !["constant", "cosine", "multi_step"].contains(name)) {
        let schedule = parsed(name);
        assert_eq!(Schedule::parse(&schedule.to_string(), 5).expect("its own text"), schedule);
    }
}

#[test]
fn after_their_end_schedules_stay() {
    let ends = [("polynomial(steps=9)", 0.0), ("one_cycle(steps=9, end=0.5)", 0.5), ("cosine_log(steps=9)", 0.0)];
    for (text, end) in ends {
        for step in [9, 10, 1_000_000, u64::MAX] {
            assert!((parsed(text).factor(step) - end).abs() < 1e-12, "{text}, step {step}");
        }
    }
    assert!(parsed("cosine_restarts(steps=3, growth=2)").factor(u64::MAX).is_finite());
}

#[test]
fn wrong_values_are_errors_that_name_them() {
    let wrong = [
        ("stp(3)", "unknown schedule `stp`, did you mean `step`"),
        ("step(0)", "steps is 0"),
        ("step(3, factor=1.5)", "factor is 1.5"),
        ("step(3, speed=2)", "speed"),
        ("multi_step(5 3)", "milestones is [5, 3]"),
        ("multi_step", "milestones"),
        ("polynomial(power=-1)", "power is -1"),
        ("one_cycle(1)", "steps is 1"),
        ("one_cycle(rise=2)", "rise is 2"),
        ("cosine_restarts(growth=0)", "growth is 0"),
        ("cosine(steps=many)", "steps is `many`"),
    ];
    for (text, message) in wrong {
        let error = Schedule::parse(text, 80).expect_err(text).to_string();
        assert!(error.contains(message), "{text}: {error}");
    }
}
