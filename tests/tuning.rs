//! Tunings as files, and what becomes of one on devices that have no tiles. What they do on a GPU: `tests/gpu/tuning.rs`.

use std::path::Path;

use wgrad::plan::Tile;
use wgrad::specialize::{Choice, Machine, Tuning};
use wgrad::verify::Verify;
use wgrad::{Adam, Device, Loss, Network, Trainer, lower::Description};

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
fn a_file_has_a_line_for_each_product_and_is_read_as_it_was_written() {
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
    assert!(error.contains("was not measured"), "{error}");
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tuned.json");
    tuning().save(&path).expect("written");
    let whole = std::fs::read_to_string(&path).expect("text");
    let twice = whole.replace("[32,4]", "[64,4]").replace("[32,8]", "[64,8]");
    let cases: [(&str, &[&str]); 8] = [
        ("", &["no tuning", "EOF"]),
        (&whole[..whole.len() / 2], &["no tuning", "line"]),
        (&whole.replace("\"format\": 1", "\"format\": 2"), &["version 2", "version 1"]),
        (&whole.replace("\"format\": 1,", ""), &["no tuning", "format"]),
        (&whole.replace("32×32 of 4×4 in 2 parts", "big"), &["`big`", "64×64×16 of 8×8 vec4", "line 6"]),
        (&whole.replace("\"kernel\"", "\"colour\""), &["no tuning", "colour", "line 5"]),
        (&twice, &["two tiles for one product"]),
        ("[1, 2]", &["no tuning"]),
    ];
    for (text, words) in cases {
        std::fs::write(&path, text).expect("written");
        let error = Tuning::load(&path).expect_err("it is no tuning").to_string();
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

/// A pinned one must be possible; one that was suggested is not missed.
#[test]
fn the_cpu_has_no_tiles() {
    for device in [Device::cpu(), Device::reference()] {
        let builder = || Trainer::builder(network()).loss(Loss::SoftmaxCrossEntropy);
        let error = builder().tuning(tuning()).build(&device).err().expect("it is for a GPU").to_string();
        assert!(error.contains("this device is the CPU"), "{error}");
        let trainer = builder().suggest_tuning(tuning()).build(&device).expect("a trainer");
        assert!(trainer.tiles().expect("sound").is_empty());
        let tuned = trainer.tuned().expect("sound");
        assert!(tuned.products == 5 && tuned.tuned == 0 && tuned.ignored.is_empty(), "{tuned:?}");
        assert!(device.machine().is_none());
    }
    let description = Description::new(network(), Loss::SoftmaxCrossEntropy, Adam::new(1e-3), 6);
    let verify = || Verify::network(&description).expect("sound");
    let report = verify().suggest_tuning(tuning()).run(&Device::cpu(), |_| ()).expect("the CPU answers");
    assert!(report.passed() && report.header.tuned == 0 && report.header.tiles.is_empty());
    let error = verify().tuning(tuning()).run(&Device::cpu(), |_| ()).expect_err("it is for a GPU").to_string();
    assert!(error.contains("this device is the CPU"), "{error}");
}
