//! `mnist`: training on a small set in the same format, and errors of wrong files.

use super::Folder;
use super::bad_usage::expect;

/// A header with these sizes, and bytes.
fn idx(sizes: &[u32], bytes: impl IntoIterator<Item = u8>) -> Vec<u8> {
    let header = [0x0800 + sizes.len() as u32].into_iter().chain(sizes.iter().copied());
    header.flat_map(u32::to_be_bytes).chain(bytes).collect()
}

/// Images of 3×4 pixels whose class is the row that is bright; 240 to train on, 60 to test on.
fn folder() -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("images")).expect("made");
    for (part, count) in [("train", 240), ("t10k", 60)] {
        let pixel = |image: u32, at: u32| if at / 4 == image % 3 { 200 + (image % 50) } else { (image * 7 + at) % 90 };
        let pixels = (0..count).flat_map(|image| (0..12).map(move |at| pixel(image, at) as u8));
        folder.write(&format!("images/{part}-images-idx3-ubyte"), idx(&[count, 3, 4], pixels));
        folder.write(&format!("images/{part}-labels-idx1-ubyte"), idx(&[count], (0..count).map(|i| (i % 3) as u8)));
    }
    folder
}

const TRAIN: [&str; 6] = ["train", "mnist", "--data-dir", "images", "--hidden", "16 relu"];

#[test]
fn images_are_learned_and_tested_on_their_own_test_set() {
    let folder = folder();
    let events = folder.events(&[&TRAIN[..], &["--epochs", "30", "--batch", "20"]].concat());
    let (rows, summary) = (&events[0]["rows"], &events[events.len() - 1]);
    assert_eq!((&rows["train"], &rows["validation"], &rows["test"]), (&220.into(), &20.into(), &60.into()));
    assert_eq!((&summary["rows"], &summary["accuracy"]), (&60.into(), &1.0.into()), "{summary}");
    let found = &folder.events(&["evaluate", "mnist.safetensors", "mnist", "--data-dir", "images"])[0];
    assert_eq!((&found["rows"], &found["loss"]), (&60.into(), &summary["loss"]));
    // Pixels are scaled as those of the rows that it trained on, of which the validation rows are none.
    let model = wgrad::Model::load(folder.path().join("mnist.safetensors")).expect("it was written");
    let (all, _) = wgrad::data::mnist(folder.path().join("images")).expect("they are sound");
    let (train, ..) = all.split(wgrad::Split::parts(11.0 / 12.0, 1.0 / 12.0)).expect("240 rows");
    let mean =
        |data: &wgrad::Dataset| data.input().iter().copied().map(f64::from).sum::<f64>() / data.input().len() as f64;
    let found = model.metadata.preprocessing.as_ref().expect("scales").mean()[0];
    assert!((found - mean(&train)).abs() <= 1e-4 && (found - mean(&all)).abs() > 1e-3, "{found}, {}", mean(&all));
    let predicted = folder.succeed(&["predict", "mnist.safetensors", "mnist", "--data-dir", "images"]);
    assert_eq!((predicted.lines().count(), predicted.lines().nth(2).map(|line| &line[..2])), (61, Some("1,")));
    let told = folder.succeed(&[&TRAIN[..], &["--epochs", "1", "--force"]].concat());
    assert!(told.ends_with("next: wgrad predict mnist.safetensors mnist --data-dir images\n"), "{told}");
}

#[test]
fn files_that_are_wrong_or_missing_are_errors() {
    let folder = folder();
    let cases: &[(&str, &[&str])] = &[
        ("train mnist", &["mnist does not come with the program", "--data-dir"]),
        ("train mnist --data-dir nowhere", &["nowhere: it is not a folder", "four IDX files"]),
        ("train mnist --data-dir .", &["it has neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz"]),
        ("train digits --data-dir images", &["`--data-dir` is the folder of mnist, but the data are digits", "leave"]),
        ("train mnist --data-dir images --target 3", &["`--target` is for tables", "mnist"]),
    ];
    expect(&folder, cases);
    let labels = folder.read("images/t10k-labels-idx1-ubyte");
    folder.write("images/t10k-labels-idx1-ubyte", &labels[..labels.len() - 1]);
    expect(
        &folder,
        &[("train mnist --data-dir images", &["its header states 60 = 60 bytes of labels, but it has 59"])],
    );
    folder.write("images/train-images-idx3-ubyte", idx(&[u32::MAX, u32::MAX, 1], [0; 100]));
    expect(&folder, &[("train mnist --data-dir images", &["bytes of images, but it has 100", "another copy"])]);
}
