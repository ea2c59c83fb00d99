//! Autotuning on the adapter under test: only right tiles take part, the same tiles give the same bits, and training
//! from a checkpoint continues with its tiles. No test measures speed.

use std::time::Duration;

use wgrad::exec::Executor;
use wgrad::exec::gpu::{Gpu, GpuOptions};
use wgrad::kernels::dense_forward;
use wgrad::lower::{TrainingSpec, lower};
use wgrad::plan::{Plan, Section, Tile};
use wgrad::specialize::{Choice, FusedStep, Limits, Tuning};
use wgrad::tune::{Report, Tune};
use wgrad::verify::Verify;
use wgrad::{Adam, Dataset, Device, Error, Loss, Network, Result, Trainer, data};

use crate::common::{adapter_name, device, layered, open, without_fused_step};
use crate::executor::hands_on;
use crate::sabotage::tampered;

fn network() -> Network {
    Network::parse(64, "36 relu dropout(0.2) 20 tanh 10").expect("a network")
}

const BATCH: usize = 40;

fn digits() -> Dataset {
    data::digits().select(&(0..150).collect::<Vec<_>>())
}

fn spec(network: Network) -> TrainingSpec {
    TrainingSpec::new(network, Loss::softmax_cross_entropy(), Adam::new(2e-3), BATCH)
}

fn tune(network: Network) -> Tune {
    Tune::network(&spec(network)).expect("sound").budget(Duration::from_millis(1))
}

/// Creates a trainer with digits; without a tuning it has the heuristic's tiles.
fn trainer(device: &Device, tuning: Option<Tuning>) -> Trainer {
    let builder = Trainer::builder(network()).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(2e-3));
    let builder = builder.batch(BATCH).seed(7).steps_per_submission(2);
    let builder = tuning.into_iter().fold(builder, |builder, tuning| builder.tuning(tuning));
    let mut trainer = builder.build(device).expect("a trainer");
    trainer.load(&digits()).expect("it fits");
    trainer
}

fn bits(trainer: &mut Trainer) -> Vec<u32> {
    let parameters = trainer.parameters().expect("read");
    parameters.iter().flat_map(|tensor| &tensor.values).map(|value| value.to_bits()).collect()
}

fn advance(trainer: &mut Trainer, submissions: usize) {
    (0..submissions).for_each(|_| drop(trainer.advance().expect("the device works")));
}

/// Chooses another tile than the heuristic's for every matrix multiplication of a step: the last possible one, often
/// with parts.
fn others(device: &Device) -> Tuning {
    let report = tune(network()).run(device, |_| ()).expect("the device works");
    let last = |matmul: &wgrad::tune::Matmul| Choice {
        tile: matmul.candidates.iter().rev().find(|candidate| candidate.problem.is_none()).expect("one is right").tile,
        ..matmul.choice.clone()
    };
    Tuning::new(None, report.matmuls.iter().map(last))
}

fn check(report: &Report) {
    assert!(!report.matmuls.is_empty(), "{report}");
    for matmul in &report.matmuls {
        assert_eq!(matmul.candidates[matmul.chosen].tile, matmul.choice.tile, "{report}");
        assert!(
            matmul
                .candidates
                .iter()
                .any(|candidate| candidate.tile == Tile { vector: candidate.tile.vector, ..Tile::PLAIN })
        );
        for candidate in &matmul.candidates {
            assert!(candidate.problem.is_none(), "{}, {}: {:?}", matmul.choice, candidate.tile, candidate.problem);
            assert!(candidate.secs.is_some_and(|secs| secs >= 0.0), "{candidate:?}");
        }
    }
}

#[test]
fn every_tile_of_every_matmul_is_right_and_measured() {
    let Some(gpu) = layered() else { return };
    let device = Device::from(gpu);
    let mut told = 0;
    let report = tune(network()).run(&device, |_| told += 1).expect("the device works");
    check(&report);
    let tiles: usize = report.matmuls.iter().map(|matmul| matmul.candidates.len()).sum();
    assert_eq!((report.matmuls.len(), told), (8, tiles + 8), "three layers: {report}");
    assert!(report.tuning.machine == device.machine() && device.machine().is_some());
    assert_eq!(report.tuning.choices().len(), 8);
    // Two matrix multiplications of the same shapes are one.
    let same = Network::parse(20, "20 relu 20 tanh 20").expect("a network");
    let report = tune(same).run(&device, |_| ()).expect("the device works");
    check(&report);
    let ops: Vec<usize> = report.matmuls.iter().map(|matmul| matmul.ops.len()).collect();
    assert_eq!(ops, [3, 3, 2], "{report}");
    println!("{report}");
}

/// A device that was opened without timestamps.
#[test]
fn the_hosts_clock_does_where_the_device_has_none() {
    let Some(gpu) = layered() else { return };
    let make = &mut |plan: Plan| Ok(Box::new(Gpu::new(&gpu, plan)?) as Box<dyn Executor>);
    let small = Network::parse(8, "12 relu 4").expect("a network");
    let report = tune(small).run_on(None, false, make, |_| ()).expect("the device works");
    check(&report);
    assert!(
        !report.device_clock && report.matmuls.iter().flat_map(|matmul| &matmul.candidates).all(|c| c.secs > Some(0.0))
    );
}

#[test]
fn the_same_tuning_gives_the_same_bits_and_a_checkpoint_goes_on_with_it() {
    let Some(gpu) = layered() else { return };
    let device = Device::from(gpu);
    let tuning = others(&device);
    let mut whole = trainer(&device, Some(tuning.clone()));
    let tuned = whole.tuned().expect("sound");
    assert!(tuned.matmuls == 8 && tuned.tuned == 8 && tuned.ignored.is_empty(), "{tuned:?}");
    advance(&mut whole, 5);
    let mut again = trainer(&device, Some(tuning.clone()));
    advance(&mut again, 2);
    let checkpoint = again.checkpoint().expect("made");
    advance(&mut again, 3);
    assert!(bits(&mut again) == bits(&mut whole), "the same tiles, other bits");

    // Through a file, on a trainer that does not know the tuning.
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("checkpoint.safetensors");
    checkpoint.save(&path).expect("written");
    let checkpoint = wgrad::Checkpoint::load(&path).expect("read");
    let mut resumed = trainer(&device, None);
    let heuristic = resumed.tiles().expect("sound");
    let restored = resumed.restore(&checkpoint).expect("the same settings");
    assert!(restored.is_exact() && restored.restored_tiles == 8, "{restored:?}");
    assert_eq!(resumed.tiles().expect("sound"), whole.tiles().expect("sound"));
    advance(&mut resumed, 3);
    assert!(bits(&mut resumed) == bits(&mut whole), "the checkpoint's tiles were not taken");

    // Pinned to the same tiles, nothing changes; pinned to others, the checkpoint is rejected.
    let restored = trainer(&device, Some(tuning)).restore(&checkpoint).expect("the same tiles");
    assert!(restored.is_exact() && restored.restored_tiles == 0, "{restored:?}");
    let error = trainer(&device, Some(heuristic)).restore(&checkpoint).expect_err("other tiles").to_string();
    assert!(
        error.contains("other tiles than those of the tuning") && error.contains("leave the tuning out"),
        "{error}"
    );

    // On another device the tiles mean nothing.
    let mut elsewhere = trainer(&Device::cpu(), None);
    let restored = elsewhere.restore(&checkpoint).expect("the same settings");
    assert!(!restored.is_exact() && restored.restored_tiles == 0, "{restored:?}");
}

/// The checkpoint has the heuristic's tiles, and the trainer that continues is tuned.
#[test]
fn a_suggested_tuning_gives_way_to_a_checkpoint() {
    let Some(gpu) = layered() else { return };
    let device = Device::from(gpu);
    let mut whole = trainer(&device, None);
    advance(&mut whole, 2);
    let checkpoint = whole.checkpoint().expect("made");
    advance(&mut whole, 1);
    let builder = Trainer::builder(network()).loss(Loss::softmax_cross_entropy()).optimizer(Adam::new(2e-3));
    let builder = builder.batch(BATCH).seed(7).steps_per_submission(2).suggest_tuning(others(&device));
    let mut resumed = builder.build(&device).expect("a trainer");
    assert_eq!(resumed.tuned().expect("sound").tuned, 8);
    resumed.load(&digits()).expect("it fits");
    let restored = resumed.restore(&checkpoint).expect("the same settings");
    assert!(restored.is_exact() && restored.restored_tiles == 8, "{restored:?}");
    advance(&mut resumed, 1);
    assert!(bits(&mut resumed) == bits(&mut whole));
}

#[test]
fn tiles_that_cannot_be_had_are_refused_or_passed_over() {
    let Some(gpu) = layered() else { return };
    let device = Device::from(gpu);
    let mut tuning = trainer(&device, None).tiles().expect("sound");
    let wrong = Choice { tile: Tile { parts: 99, ..Tile::PLAIN }, ..tuning.choices()[0].clone() };
    tuning.set(wrong.clone());
    let builder = || Trainer::builder(network()).loss(Loss::softmax_cross_entropy()).batch(BATCH);
    let error = builder().tuning(tuning.clone()).build(&device).expect_err("it is no candidate").to_string();
    assert!(error.contains(&wrong.to_string()) && error.contains("`32×32 of 4×4 in 99 parts`"), "{error}");
    let tuned = builder().suggest_tuning(tuning).build(&device).expect("a trainer").tuned().expect("sound");
    assert!(tuned.ignored.len() == 1 && tuned.ignored[0].contains("99 parts"), "{tuned:?}");
}

#[test]
fn a_certificate_has_the_tiles() {
    let Some(gpu) = layered() else { return };
    let device = Device::from(gpu);
    let verify = |tuning: Option<Tuning>| {
        let verify = Verify::network(&spec(network())).expect("sound");
        let verify = tuning.into_iter().fold(verify, Verify::tuning);
        verify.run(&device, |_| ()).expect("the device answers")
    };
    let tuning = others(&device);
    let (plain, tuned) = (verify(None), verify(Some(tuning.clone())));
    assert!(plain.passed() && tuned.passed(), "{plain}{tuned}");
    let header = |report: &wgrad::verify::Report| (report.header.matmuls, report.header.tuned);
    assert_eq!([header(&plain), header(&tuned)], [(8, 0), (8, 8)]);
    assert!(tuning.choices().iter().all(|choice| tuned.header.tiles.contains(choice)), "{:?}", tuned.header.tiles);
    assert!(tuning.choices().iter().all(|choice| !plain.header.tiles.contains(choice)), "{:?}", plain.header.tiles);
    assert!(tuned.to_string().contains("tuning   8 of 8 matrix multiplications"), "{tuned}");
    assert_ne!(plain.header.shaders, tuned.header.shaders);
}

/// GPU whose shader of forward matrix multiplications is wrong with one tile.
struct Wrong {
    gpu: Gpu,
    tile: Tile,
}

fn wrong(mut plan: Plan, tile: Tile) -> Plan {
    let ops = plan.ops(Section::Gradients);
    if ops.iter().any(|op| op.kernel.name == "dense_forward" && op.tile == Some(tile)) {
        let forgotten = tampered(&dense_forward::KERNEL, &tile, " + four_of_second(params, 0u, column)", "");
        plan.substitute(|kernel| if kernel.name == forgotten.name { forgotten } else { kernel });
    }
    plan
}

impl Executor for Wrong {
    hands_on!(gpu: target plan write read submit submit_op read_allocation);

    fn name(&self) -> String {
        self.gpu.name()
    }

    fn adopt(&mut self, plan: Plan) -> Result<()> {
        self.gpu.adopt(wrong(plan, self.tile))
    }
}

#[test]
fn a_tile_that_computes_something_else_does_not_take_part() {
    let Some(name) = adapter_name() else { return };
    let gpu = open(&name, without_fused_step(GpuOptions::default()));
    // All lengths are multiples of four, so no heuristic tile reads single numbers.
    let narrow = || Network::parse(20, "12 relu 8").expect("a network");
    let tuned = |tile: Tile| {
        let make = &mut |plan: Plan| {
            let gpu = Gpu::new(&gpu, wrong(plan, tile))?;
            Ok(Box::new(Wrong { gpu, tile }) as Box<dyn Executor>)
        };
        tune(narrow()).run_on(None, false, make, |_| ())
    };
    let report = tuned(Tile::PLAIN).expect("the heuristic's tiles are right");
    let refused: Vec<_> = report.refused().collect();
    assert_eq!(refused.len(), 2, "both forward products, and nothing else: {refused:?}");
    for (matmul, tile, problem) in refused {
        assert!(matmul.choice.kernel == "dense_forward" && *tile == Tile::PLAIN, "{matmul:?}");
        assert!(problem.contains("(dense_forward): layer") && problem.contains("cannot be trusted"), "{problem}");
        println!("caught: {problem}");
    }
    let first = report.matmuls[0].candidates[0].tile;
    match tuned(first) {
        Err(Error::Mismatch { op, .. }) => assert_eq!(op, "gradients op 0 (dense_forward)"),
        other => panic!("the heuristic's own tile is wrong: {other:?}"),
    }
}

#[test]
fn a_step_that_is_one_op_has_no_matmuls() {
    let Some(device) = device() else { return };
    let device = Device::from(device).with_fused_step(FusedStep::Always).expect("it opens again");
    let network = Network::parse(64, "36 relu 20 tanh 10").expect("a network");
    let report = tune(network.clone()).run(&device, |_| ()).expect("the device works");
    assert!(report.matmuls.is_empty() && report.to_string().contains("no tiles to choose"), "{report}");
    let tuning = Tuning::of(&lower(&spec(network.clone())).expect("sound"), &device.limits());
    let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).batch(BATCH).tuning(tuning);
    let trainer = builder.build(&device).expect("a trainer");
    assert_eq!(trainer.tuned().map(|tuned| [tuned.matmuls, tuned.tuned]).ok(), Some([0, 0]));
}

/// Sums depend on the rows per workgroup, so the bits depend on the size of workgroup memory.
#[test]
fn a_fused_step_of_other_workgroups_is_said_to_differ() {
    let Some(name) = adapter_name() else { return };
    let trainer = |workgroup_bytes: u32| {
        let limits = Limits { workgroup_bytes, ..Limits::default() };
        let options = GpuOptions::default().fused_step(FusedStep::Always).limits(limits);
        let device = open(&name, options);
        assert_eq!(device.limits().fused_step, FusedStep::Always, "limits say nothing of it");
        let network = Network::parse(64, "100 relu 100 relu 10").expect("a network");
        let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).batch(1400);
        let mut trainer = builder.build(&Device::from(device)).expect("a trainer");
        trainer.load(&data::digits()).expect("it fits");
        trainer
    };
    let mut large = trainer(16 << 10);
    advance(&mut large, 1);
    let checkpoint = large.checkpoint().expect("made");
    assert!(trainer(16 << 10).restore(&checkpoint).expect("the same settings").is_exact());
    let restored = trainer(8 << 10).restore(&checkpoint).expect("the same settings");
    assert!(!restored.is_exact() && restored.differences[0].starts_with("plan was"), "{restored:?}");
}

/// A checkpoint's tiles are for matrix multiplications; a fused step has none, whatever a tuning contains.
#[test]
fn a_checkpoint_of_layers_goes_on_in_fused_steps() {
    let Some(device) = device() else { return };
    let trainer = |fused_step: FusedStep, tuning: Option<Tuning>| {
        let device = Device::from(device.clone()).with_fused_step(fused_step).expect("it opens again");
        let network = Network::parse(64, "36 relu 20 tanh 10").expect("a network");
        let builder = Trainer::builder(network).loss(Loss::softmax_cross_entropy()).batch(BATCH);
        let builder = tuning.into_iter().fold(builder, |builder, tuning| builder.tuning(tuning));
        let mut trainer = builder.build(&device).expect("a trainer");
        trainer.load(&digits()).expect("it fits");
        trainer
    };
    let mut layers = trainer(FusedStep::Never, None);
    advance(&mut layers, 1);
    let checkpoint = layers.checkpoint().expect("made");
    let other = layers.tiles().expect("a GPU has tiles").choices()[0].clone();
    let tuning = Tuning::new(None, [Choice { tile: Tile::PLAIN, ..other }]);
    for tuning in [None, Some(tuning)] {
        let restored = trainer(FusedStep::Always, tuning).restore(&checkpoint).expect("the same settings");
        assert!(!restored.is_exact() && restored.restored_tiles == 0, "{restored:?}");
    }
}
