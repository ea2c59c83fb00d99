//! Tuning files, their effect on plans, and devices without tiles. `tests/gpu/tuning.rs` tests GPUs.

use std::path::Path;

use wgrad::lower::TrainingSpec;
use wgrad::plan::{Plan, Section, Tile};
use wgrad::specialize::{Choice, DeviceLimits, FusedStep, Limits, Machine, Tuning, candidates, specialize};
use wgrad::verify::Verify;
use wgrad::{Adam, Device, Loss, Network, Sgd, Trainer};

fn machine() -> Machine {
    let [adapter, interface, driver, wgrad] = ["An \"adapter\"", "vulkan", "a driver 1.2", "0.1.0"].map(String::from);
    Machine { adapter, vendor: 0x1002, device: 7, interface, driver, wgrad }
}

fn tuning() -> Tuning {
    let choice = |rows: usize, tile: Tile| Choice {
        kernel: "dense_forward".into(),
        shapes: vec![[rows, 4], [8, 4], [1, 8], [rows, 8]],
        tile,
    };
    Tuning::new(Some(machine()), [choice(64, Tile { parts: 2, ..Tile::PLAIN }), choice(32, Tile::SUBGROUPS)])
}

fn network() -> Network {
    Network::parse(4, "8 relu 3").expect("a network")
}

#[test]
fn a_file_has_a_line_for_each_matmul_and_is_the_same_when_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tuned.json");
    tuning().save(&path).expect("written");
    assert_eq!(Tuning::load(&path).expect("read"), tuning());
    let text = std::fs::read_to_string(&path).expect("text");
    let lines: Vec<&str> = text.lines().filter(|line| line.contains("dense_forward")).collect();
    assert!(lines.len() == 2 && lines[0].contains("[32,4]") && lines[1].contains("32×32 of 4×4 in 2 parts"), "{text}");
    let nothing = Tuning::new(Some(machine()), []);
    nothing.save(&path).expect("written");
    assert_eq!(Tuning::load(&path).expect("read"), nothing);
    let error = Tuning::new(None, []).save(&path).expect_err("of no machine").to_string();
    assert!(error.contains("not measured on a device"), "{error}");
}

#[test]
fn invalid_files_are_refused_with_their_problem() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tuned.json");
    tuning().save(&path).expect("written");
    let whole = std::fs::read_to_string(&path).expect("text");
    let twice = whole.replace("[32,4]", "[64,4]").replace("[32,8]", "[64,8]");
    let cases: [(&str, &[&str]); 8] = [
        ("", &["not a tuning file", "EOF"]),
        (&whole[..whole.len() / 2], &["not a tuning file", "line"]),
        (&whole.replace("\"format\": 1", "\"format\": 2"), &["version 2", "version 1"]),
        (&whole.replace("\"format\": 1,", ""), &["not a tuning file", "format"]),
        (&whole.replace("32×32 of 4×4 in 2 parts", "big"), &["`big`", "64×64×16 of 8×8 vec4", "line 6"]),
        (&whole.replace("\"kernel\"", "\"color\""), &["not a tuning file", "color", "line 5"]),
        (&twice, &["two tiles for one matrix multiplication"]),
        ("[1, 2]", &["not a tuning file"]),
    ];
    for (text, words) in cases {
        std::fs::write(&path, text).expect("written");
        let error = Tuning::load(&path).expect_err("it is not a tuning file").to_string();
        for word in [&["tuned.json: ", "`wgrad tune`"], words].concat() {
            assert!(error.contains(word), "`{word}` is not in: {error}");
        }
    }
    std::fs::write(&path, vec![b' '; (4 << 20) + 1]).expect("written");
    assert!(Tuning::load(&path).expect_err("too long").to_string().contains("4194304 bytes"));
    std::fs::write(&path, b"\xff").expect("written");
    assert!(Tuning::load(&path).expect_err("no text").to_string().contains("tuned.json: reading failed"));
    assert!(Tuning::load(Path::new("no/where.json")).expect_err("not there").to_string().contains("reading failed"));
}

/// A requested tuning must be possible; a suggested one may be ignored.
#[test]
fn the_cpu_has_no_tiles() {
    for device in [Device::cpu(), Device::reference()] {
        let builder = || Trainer::builder(network()).loss(Loss::softmax_cross_entropy());
        let error = builder().tuning(tuning()).build(&device).expect_err("it is for a GPU").to_string();
        assert!(error.contains("this device is the CPU"), "{error}");
        let trainer = builder().suggest_tuning(tuning()).build(&device).expect("a trainer");
        assert!(trainer.tiles().expect("sound").is_empty());
        let tuned = trainer.tuned().expect("sound");
        assert!(tuned.matmuls == 5 && tuned.tuned == 0 && tuned.ignored.is_empty(), "{tuned:?}");
        assert!(device.machine().is_none());
    }
    let spec = TrainingSpec::new(network(), Loss::softmax_cross_entropy(), Adam::new(1e-3), 6);
    let verify = || Verify::network(&spec).expect("sound");
    let report = verify().suggest_tuning(tuning()).run(&Device::cpu(), |_| ()).expect("the CPU answers");
    assert!(report.passed() && report.header.tuned == 0 && report.header.tiles.is_empty());
    let error = verify().tuning(tuning()).run(&Device::cpu(), |_| ()).expect_err("it is for a GPU").to_string();
    assert!(error.contains("this device is the CPU"), "{error}");
}

fn plan() -> Plan {
    let network = Network::parse(64, "40 relu 36").expect("a network");
    let spec = TrainingSpec::new(network, Loss::mean_squared_error(), Sgd::new(0.1), 32);
    Plan::for_training(&spec).expect("sound")
}

fn gpu() -> DeviceLimits {
    DeviceLimits::Gpu(Limits { fused_step: FusedStep::Never, ..Limits::default() })
}

/// Tuning with the heuristic's tiles, except for the first op, which gets the candidate that `place` chooses; and that tile.
fn changed(plan: &Plan, place: impl Fn(&[Tile]) -> Tile) -> (Tuning, Tile) {
    let op = &plan.ops(Section::Gradients)[0];
    let shapes: Vec<_> = op.views.iter().map(|view| plan.shape(*view)).collect();
    let tile = place(&candidates(op, &shapes, &Limits::default()));
    let mut tuning = Tuning::of(plan, &gpu());
    tuning.set(Choice::new(op, &shapes, tile));
    (tuning, tile)
}

fn second(tiles: &[Tile]) -> Tile {
    tiles[1]
}

fn in_parts(tiles: &[Tile]) -> Tile {
    *tiles.iter().find(|tile| tile.parts > 1).expect("it has enough terms")
}

fn tiles(plan: Plan) -> Vec<(&'static str, Option<Tile>)> {
    let plan = specialize(plan, &gpu()).expect("it fits");
    plan.ops(Section::Gradients).iter().map(|op| (op.kernel.name, op.tile)).collect()
}

#[test]
fn a_tuning_with_the_heuristics_tiles_changes_nothing() {
    let mut tuned = plan();
    let tuning = Tuning::of(&tuned, &gpu());
    assert_eq!(tuning.matmul_counts(&tuned), [5, 5]);
    tuning.apply(&mut tuned, &gpu()).expect("they are candidates");
    assert!(tuned.is_trusted(), "tuned plans stay trusted");
    assert_eq!(tiles(tuned), tiles(plan()));
    assert!(Tuning::of(&plan(), &DeviceLimits::Cpu).is_empty());
}

#[test]
fn one_choice_changes_one_matmul() {
    let usual = tiles(plan());
    let tuned = |place: fn(&[Tile]) -> Tile| {
        let mut tuned = plan();
        let (tuning, tile) = changed(&tuned, place);
        tuning.apply(&mut tuned, &gpu()).expect("they are candidates");
        (tiles(tuned), tile)
    };
    let (found, tile) = tuned(second);
    assert_eq!(found[0], ("dense_forward", Some(tile)));
    assert!(usual[0] != found[0] && usual[1..] == found[1..], "{found:?}");
    // A matmul in parts is two ops.
    let (found, tile) = tuned(in_parts);
    assert_eq!(found[0], ("matmul_split_nt", Some(Tile { parts: 1, ..tile })));
    assert_eq!(found[1], ("dense_forward_sum", None));
    assert_eq!(usual[1..], found[2..]);
}

#[test]
fn impossible_tiles_are_refused_or_left_out() {
    let (plan, beyond) = (plan(), Tile { parts: 9, ..Tile::PLAIN });
    let (mut tuning, _) = changed(&plan, second);
    let wrong = Choice { tile: beyond, ..tuning.choices()[1].clone() };
    tuning.set(wrong.clone());
    let error = tuning.apply(&mut plan.clone(), &gpu()).expect_err("it is no candidate").to_string();
    let words =
        [&wrong.to_string(), "cannot have the tile `32×32 of 4×4 in 9 parts`", "but `32×32", "leave the tuning out"];
    assert!(words.iter().all(|words| error.contains(*words)), "{error}");
    let (rest, problems) = tuning.clone().fitting(&plan, &gpu());
    assert!(problems.len() == 1 && error.contains(&problems[0]), "{problems:?}");
    assert!(rest.choices().len() + 1 == tuning.choices().len() && !rest.choices().contains(&wrong));
    rest.apply(&mut plan.clone(), &gpu()).expect("the rest fits");
    let error = rest.apply(&mut plan.clone(), &DeviceLimits::Cpu).expect_err("it has none").to_string();
    assert!(error.contains("this device is the CPU"), "{error}");
    Tuning::default().apply(&mut plan.clone(), &DeviceLimits::Cpu).expect("it is empty");
}

#[test]
fn of_two_choices_for_a_matmul_the_last_is_used() {
    let choice =
        |kernel: &str, rows: usize, tile: Tile| Choice { kernel: kernel.into(), shapes: vec![[rows, 4]], tile };
    let choices = [
        choice("b", 2, Tile::PLAIN),
        choice("b", 1, Tile::PLAIN),
        choice("a", 3, Tile::PLAIN),
        choice("b", 1, Tile::SUBGROUPS),
    ];
    let tuning = Tuning::new(None, choices);
    let found: Vec<_> = tuning.choices().iter().map(|choice| format!("{choice}: {}", choice.tile)).collect();
    assert_eq!(found, ["a 3×4: 32×32 of 4×4", "b 1×4: 32×32 of 16×4 by subgroups", "b 2×4: 32×32 of 4×4"]);
}
