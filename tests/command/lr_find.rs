//! `wgrad lr-find`.

use super::{Folder, assert_narrow, text};

#[test]
fn a_test_prints_a_curve_and_a_suggestion_and_draws_a_picture() {
    let folder = Folder::new();
    let output = folder.succeed(&["lr-find", "moons", "--steps", "60"]);
    assert_narrow(&output);
    for part in
        ["moons: 700 training rows; 2 → dense(32) relu dense(32) relu dense(2)", "learning rate", "▁", "lowest loss: "]
    {
        assert!(output.contains(part), "{part}: {output}");
    }
    let rate = output.lines().find_map(|line| line.strip_prefix("next: wgrad train moons --learning-rate "));
    let rate: f64 = rate.expect("a suggestion").parse().expect("a number");
    assert!((1e-4..1.0).contains(&rate), "{output}");
    let picture = text(&folder.read("lr-find.svg"));
    for part in ["learning rate (logarithmic)", "suggestion: ", "smoothed loss", "softmax cross entropy"] {
        assert!(picture.contains(part), "{part}");
    }
    assert!(picture.starts_with("<svg") && picture.len() < 100_000, "{}", picture.len());
    // The same command gives the same bytes.
    folder.succeed(&["lr-find", "moons", "--steps", "60", "--out", "again.svg"]);
    assert!(text(&folder.read("again.svg")) == picture);
}

#[test]
fn json_has_all_rates_and_losses() {
    let folder = Folder::new();
    let arguments = ["lr-find", "sine", "--steps", "40", "--from", "1e-5", "--to", "1", "--dark", "--out", "a.png"];
    let [found] = &folder.events(&arguments)[..] else { panic!("one object") };
    let length = |name: &str| found[name].as_array().expect("a list").len();
    assert!(length("rates") == length("losses") && length("rates") == length("smoothed"), "{found}");
    assert_eq!((&found["rates"][0], &found["picture"]), (&1e-5.into(), &"a.png".into()));
    assert!(folder.read("a.png").starts_with(b"\x89PNG"));
}

#[test]
fn tests_that_cannot_be_are_refused() {
    let folder = Folder::new();
    for (arguments, part) in [
        (
            &["lr-find", "moons", "--learning-rate", "1"][..],
            "`--learning-rate`: the test itself chooses learning rates",
        ),
        (&["lr-find", "moons", "--from", "1", "--to", "0.5"], "last rate is 0.5, but must be above the first rate, 1"),
        (&["lr-find", "moons", "--steps", "3"], "steps is 3, but must be at least 20"),
        (&["lr-find", "moons", "--out", "a.txt"], "`--out`"),
    ] {
        let message = folder.fail(arguments);
        assert!(message.contains(part), "{part}: {message}");
    }
}

#[test]
fn a_preset_chooses_the_network() {
    let folder = Folder::new();
    let row = |row: usize| format!("{},{}\n", row % 17, row % 5);
    folder.write("t.csv", format!("a,b\n{}", (0..100).map(row).collect::<String>()));
    for (preset, network) in [("fast", "dense(64) tanh"), ("best", "scaling dense(128) mish")] {
        let output = folder.succeed(&["lr-find", "t.csv", "--preset", preset, "--steps", "20"]);
        assert!(output.contains(network), "{output}");
    }
}
