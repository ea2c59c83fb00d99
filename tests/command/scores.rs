//! Scores of tables with default options: the mean over five seeds, on test sets.

use std::path::Path;

use super::Folder;

fn mean_score(table: &str, score: &str) -> f64 {
    let folder = Folder::new();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(table);
    let of = |seed: &str| {
        let events = folder.events(&["train", path.to_str().expect("UTF-8"), "--seed", seed, "--force"]);
        let summary = &events[events.len() - 1];
        assert_eq!(summary["evaluated_on"], "test");
        summary[score].as_f64().expect("a score")
    };
    ["1", "2", "3", "4", "5"].map(of).iter().sum::<f64>() / 5.0
}

#[test]
fn small_tables_are_learned_without_an_option() {
    for (table, score, least) in [
        ("breast_cancer.csv", "accuracy", 0.95),
        ("wine.csv", "accuracy", 0.95),
        ("iris.csv", "accuracy", 0.93),
        ("diabetes.csv", "r2", 0.40),
    ] {
        let mean = mean_score(table, score);
        println!("{table}: mean {score} {mean:.4} of five seeds");
        assert!(mean >= least, "{table}: the mean {score} of five seeds is {mean}, not {least}");
    }
}

#[test]
fn generated_data_are_learned_without_an_option() {
    let folder = Folder::new();
    for (data, score, least) in [
        ("circles", "accuracy", 0.98),
        ("spirals", "accuracy", 0.95),
        ("blobs", "accuracy", 0.88),
        ("sine", "r2", 0.96),
        ("two_moons", "accuracy", 0.95),
    ] {
        let events = folder.events(&["train", data]);
        let found = events[events.len() - 1][score].as_f64().expect("a score");
        assert!(found >= least, "{data}: {score} {found}");
        assert!(folder.files().contains(&format!("{data}.safetensors")), "{:?}", folder.files());
        let rows = folder.events(&["evaluate", &format!("{data}.safetensors"), data])[0]["rows"].as_u64();
        assert_eq!(
            folder.succeed(&["predict", &format!("{data}.safetensors"), data]).lines().count() as u64,
            rows.expect("a number") + 1
        );
    }
}
