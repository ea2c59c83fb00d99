//! Tables of the user's own: how they are written, and which columns count.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};

use super::Folder;

/// Houses with an id that is no number and a price by their area.
fn houses(delimiter: &str) -> String {
    let row = |area: u32| [format!("H{area}"), area.to_string(), (100 + 3 * area).to_string()].join(delimiter) + "\n";
    ["id", "area", "price"].join(delimiter) + "\n" + &(20..80).map(row).collect::<String>()
}

fn packed(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(vec![], Compression::fast());
    packer.write_all(text.as_bytes()).expect("written to memory");
    packer.finish().expect("written to memory")
}

#[test]
fn any_delimiter_packed_or_not_trains_the_same_model() {
    let folder = Folder::new();
    folder.write("house.csv", houses(","));
    folder.write("house.tsv", houses("\t"));
    folder.write("house.txt", houses(":"));
    folder.write("house.csv.gz", packed(&houses(";")));
    let train = |options: &[&str]| {
        folder.succeed(&[&["train"], options, &["--drop", "id", "--epochs", "2"]].concat());
        folder.read("house.safetensors")
    };
    let model = train(&["house.csv"]);
    for other in [&["house.tsv"][..], &["house.csv.gz"], &["house.txt", "--delimiter", ":"]] {
        assert!(train(other) == model, "{other:?}");
    }
    for options in [&["house.tsv"][..], &["house.tsv", "--delimiter", "tab"], &["house.txt", "--delimiter", ":"]] {
        let on = |command, data: &[&str]| folder.succeed(&[&[command, "house.safetensors"], data].concat());
        assert_eq!(on("predict", options), on("predict", &["house.csv"]), "{options:?}");
        let score = |text: String| text.split(" on all").next().map(String::from);
        assert_eq!(score(on("evaluate", options)), score(on("evaluate", &["house.csv"])), "{options:?}");
    }
    assert!(folder.succeed(&["plan", "house.csv", "--drop", "id"]).contains("1 → dense"));
    assert_eq!(
        folder.files(),
        ["house.csv", "house.csv.gz", "house.safetensors", "house.tsv", "house.txt"],
        "models are named after the table, without both endings"
    );
}

#[test]
fn columns_are_left_out_by_name() {
    let folder = Folder::new();
    folder.write("house.csv", houses(","));
    assert!(folder.fail(&["train", "house.csv"]).contains("house.csv, line 2, column `id`"));
    for options in [&["--drop", "id,area"][..], &["--drop", "id", "--drop", "area"]] {
        let message = folder.fail(&[&["train", "house.csv"], options].concat());
        assert!(message.contains("0 inputs are left of 3 columns"), "{message}");
    }
    let events = folder.events(&["train", "house.csv", "--drop", "id", "--epochs", "1"]);
    assert_eq!(events[0]["inputs"], 1);
    // The model's columns are found by name: what was left out may stay in the table, or be gone.
    folder.write("new.csv", "area\n50\n");
    assert_eq!(folder.succeed(&["predict", "house.safetensors", "new.csv"]).lines().count(), 2);
    assert_eq!(folder.succeed(&["predict", "house.safetensors", "house.csv"]).lines().count(), 61);
}
