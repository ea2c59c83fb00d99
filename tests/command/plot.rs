//! `wgrad train --plot` and `wgrad plot boundary`.

use std::collections::BTreeSet;

use super::{Folder, text};

/// The texts of an SVG file, which is checked to be well-formed XML of numbers that are numbers.
fn svg_texts(svg: &[u8]) -> Vec<String> {
    let svg = text(svg);
    assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"), "one element holds all");
    assert!(!svg.contains("NaN") && !svg.contains("inf"), "all places are numbers");
    let (mut open, mut texts) = (Vec::new(), Vec::new());
    for part in svg.split('<').skip(1) {
        let (tag, behind) = part.split_once('>').expect("each tag ends");
        let name = tag.trim_start_matches('/').split([' ', '/']).next().expect("a name");
        match (tag.starts_with('/'), tag.ends_with('/')) {
            (true, _) => assert_eq!(open.pop(), Some(name), "elements are nested"),
            (_, false) => open.push(name),
            _ => assert!(tag.matches('"').count().is_multiple_of(2), "{tag}"),
        }
        if open.last() == Some(&"text") {
            texts.push(behind.trim().to_string());
        }
    }
    assert!(open.is_empty(), "not closed: {open:?}");
    texts
}

/// Width, height and colors of a PNG file; the first color is that of a corner.
fn png(bytes: &[u8]) -> (u32, u32, [u8; 3], BTreeSet<[u8; 3]>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().expect("a PNG file");
    let mut pixels = vec![0; reader.output_buffer_size().expect("it fits")];
    let frame = reader.next_frame(&mut pixels).expect("pixels");
    let mut colors: Vec<[u8; 3]> = pixels.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    colors.dedup();
    (frame.width, frame.height, colors[0], colors.into_iter().collect())
}

fn expect(texts: &[String], wanted: &[&str]) {
    for wanted in wanted {
        assert!(texts.iter().any(|text| text == wanted), "`{wanted}` is not in {texts:?}");
    }
}

/// A table of houses whose errors shrink a thousandfold.
fn houses(folder: &Folder) {
    let row = |n: u32| format!("{},{},{}\n", 20 + n, n % 7, 100_000 + 3_000 * n + 900 * (n % 7));
    folder.write("house.csv", format!("area,rooms,price\n{}", (0..100).map(row).collect::<String>()));
}

#[test]
fn learning_curves_name_their_axes_and_units() {
    let folder = Folder::new();
    let events = folder.events(&["train", "iris", "--epochs", "5", "--plot", "iris.svg"]);
    let summary = &events[events.len() - 1];
    assert_eq!(summary["plot"], "iris.svg");
    let texts = svg_texts(&folder.read("iris.svg"));
    let best = format!("epoch {}, kept: the lowest validation loss", summary["best_epoch"]);
    expect(&texts, &["iris: 4 inputs, dense(16) tanh dense(3)", "training", "validation", "epoch", "1", "5", &best]);
    expect(&texts, &["softmax cross entropy (nats)", "validation accuracy (%)"]);

    houses(&folder);
    let told = folder.succeed(&["train", "house.csv", "--preset", "fast", "--plot", "house.svg"]);
    assert!(told.contains("\ncurves: house.svg\n"), "{told}");
    let texts = svg_texts(&folder.read("house.svg"));
    expect(&texts, &["house: 2 inputs, dense(64) tanh dropout(0.5) dense(1)", "validation R²"]);
    expect(&texts, &["mean squared error (price², logarithmic)", "1e8"]);
}

#[test]
fn curves_of_one_epoch_and_without_validation_are_drawn() {
    let folder = Folder::new();
    folder.succeed(&["train", "moons", "--epochs", "1", "--plot", "one.svg"]);
    let svg = folder.read("one.svg");
    expect(&svg_texts(&svg), &["epoch 1, kept: the lowest validation loss", "1"]);
    assert_eq!(text(&svg).matches("<circle").count(), 3, "training and validation loss, and accuracy, are dots");
    folder.succeed(&["train", "xor", "--epochs", "40", "--plot", "xor.svg"]);
    let svg = folder.read("xor.svg");
    let texts = svg_texts(&svg);
    expect(&texts, &["binary cross entropy (nats)", "training", "40"]);
    assert!(!texts.iter().any(|text| text.contains("validation")), "{texts:?}");
    assert!(text(&svg).contains("<svg width=\"600\""), "one panel");
}

#[test]
fn a_picture_paints_its_background_and_has_the_same_bytes_each_time() {
    let folder = Folder::new();
    let train = |file, more: &[&str]| {
        folder.succeed(&[&["train", "iris", "--epochs", "3", "--plot", file], more].concat());
        folder.read(file)
    };
    let (light, dark) = (train("light.svg", &[]), train("dark.svg", &["--dark"]));
    assert!(text(&light).contains("<rect x=\"0\" y=\"0\" width=\"1160\" height=\"540\" fill=\"#FFFFFF\"/>"));
    assert!(text(&dark).contains("<rect x=\"0\" y=\"0\" width=\"1160\" height=\"540\" fill=\"#16181D\"/>"));
    assert_eq!(svg_texts(&light), svg_texts(&dark));
    assert_eq!(text(&light).matches("<circle").count(), 9, "of few epochs each is a dot on each curve");
    assert!(light == train("again.svg", &["--threads", "1"]));
    let (light, dark) = (train("light.PNG", &[]), train("dark.png", &["--dark"]));
    assert!(light == train("again.png", &[]) && light != dark);
    let (light, dark) = (png(&light), png(&dark));
    assert_eq!((light.0, light.1, light.2), (2320, 1080, [255; 3]));
    assert_eq!((dark.0, dark.1, dark.2), (2320, 1080, [0x16, 0x18, 0x1D]));
    // Curves of training and of validation, in Okabe's and Ito's colors, and text in shades of gray.
    assert!(light.3.contains(&[0x00, 0x72, 0xB2]) && light.3.contains(&[0xD5, 0x5E, 0x00]) && light.3.len() > 50);
    assert!(dark.3.contains(&[0x56, 0xB4, 0xE9]) && dark.3.contains(&[0xE6, 0x9F, 0x00]));
}

#[test]
fn regions_of_classes_are_shaded_around_the_rows() {
    let folder = Folder::new();
    folder.succeed(&["train", "moons", "--epochs", "5"]);
    assert_eq!(folder.succeed(&["plot", "boundary", "moons.safetensors", "moons"]), "picture: boundary.svg\n");
    let svg = folder.read("boundary.svg");
    assert!(svg.len() < 1_000_000, "{} bytes", svg.len());
    let texts = svg_texts(&svg);
    expect(&texts, &["moons: 2 inputs, dense(32) relu dense(32) relu dense(2)", "x", "y", "outer", "inner", "0.0"]);
    expect(&texts, &["the stronger a color, the more probable its class; 1000 rows"]);
    let svg = text(&svg);
    // A dot and its outline for each row, and for each class in the legend.
    assert_eq!(svg.matches("<circle").count(), 2 * (1000 + 2));
    // Half of blue, of vermilion: where a class is sure.
    assert!(svg.contains("fill=\"#80B9D9\"") && svg.contains("fill=\"#EAAF80\""));
    let png_of = |more: &[&str], file| {
        folder.succeed(&[&["plot", "boundary", "moons.safetensors", "moons", "--out", file], more].concat());
        folder.read(file)
    };
    let (light, dark) = (png_of(&[], "light.png"), png_of(&["--dark"], "dark.png"));
    assert!(light == png_of(&[], "light.png") && light != dark);
    let (width, height, corner, colors) = png(&light);
    assert_eq!((width, height, corner), (1880, 1360, [255; 3]));
    assert!(colors.contains(&[0x80, 0xB9, 0xD9]) && colors.contains(&[0xEA, 0xAF, 0x80]));
}

#[test]
fn one_output_has_a_scale_of_colors() {
    let folder = Folder::new();
    folder.succeed(&["train", "xor"]);
    folder.succeed(&["plot", "boundary", "xor.safetensors", "xor"]);
    let texts = svg_texts(&folder.read("boundary.svg"));
    expect(&texts, &["a", "b", "0", "1", "probability", "of 1", "0.2", "colors show the probability of 1; 4 rows"]);
    folder.succeed(&["train", "moons", "--loss", "perceptron", "--hidden", "", "--epochs", "3"]);
    folder.succeed(&["plot", "boundary", "moons.safetensors", "moons"]);
    expect(&svg_texts(&folder.read("boundary.svg")), &["outer", "inner"]);
    houses(&folder);
    folder.succeed(&["train", "house.csv", "--epochs", "5"]);
    folder.succeed(&["plot", "boundary", "house.safetensors", "house.csv", "--target", "price"]);
    let svg = folder.read("boundary.svg");
    expect(&svg_texts(&svg), &["area", "rooms", "price", "200000"]);
    expect(&svg_texts(&svg), &["colors show price: predicted on the plane, given at the points; 100 rows"]);
    assert!(svg.len() < 1_000_000, "{} bytes", svg.len());
}

#[test]
fn many_classes_and_rows_are_cut_to_what_can_be_seen() {
    let folder = Folder::new();
    let row = |n: u32| format!("{},{},class & {}\n", n % 20, n / 20 % 9, n % 20);
    folder.write("many.csv", format!("a < b,b,kind\n{}", (0..2500).map(row).collect::<String>()));
    folder.succeed(&["train", "many.csv", "--epochs", "1", "--bins", "0"]);
    folder.succeed(&["plot", "boundary", "many.safetensors", "many.csv"]);
    let svg = folder.read("boundary.svg");
    expect(&svg_texts(&svg), &["a &lt; b", "class &amp; 15", "and 4 more"]);
    expect(&svg_texts(&svg), &["the stronger a color, the more probable its class; 1000 of 2500 rows"]);
    assert!(svg.len() < 1_000_000, "{} bytes", svg.len());
}

/// The plane has the numbers, whatever inputs they become: here 5 of `a` with 4 bins, and 6 of `b` with 4 bins
/// and missing cells.
#[test]
fn a_plane_shows_columns_of_numbers_with_bins_and_missing_cells() {
    let folder = Folder::new();
    let b = |n: usize| if n == 5 { String::new() } else { (n / 10 * 100).to_string() };
    let row = |n: usize| format!("{},{},{}\n", n % 10, b(n), if n % 10 > 4 { "high" } else { "low" });
    folder.write("t.csv", format!("a,b,y\n{}", (0..200).map(row).collect::<String>()));
    let start = &folder.events(&["train", "t.csv", "--bins", "4", "--epochs", "1"])[0];
    assert_eq!(start["inputs"], 5 + 6);
    folder.succeed(&["plot", "boundary", "t.safetensors", "t.csv"]);
    expect(&svg_texts(&folder.read("boundary.svg")), &["a", "b", "high", "low", "500", "1000"]);
}

/// Of 2,000 rows, every second one has the `b` 1.
#[test]
fn a_sample_of_rows_is_drawn_that_no_period_of_the_table_hides() {
    let folder = Folder::new();
    let row = |n: usize| format!("{},{},{}\n", n / 2, n % 2, if n % 2 == 1 { "high" } else { "low" });
    folder.write("t.csv", format!("a,b,y\n{}", (0..2000).map(row).collect::<String>()));
    folder.succeed(&["train", "t.csv", "--column", "b=number", "--epochs", "1", "--bins", "0"]);
    folder.succeed(&["plot", "boundary", "t.safetensors", "t.csv"]);
    // The axis of `b` is from 0 to 1.
    expect(
        &svg_texts(&folder.read("boundary.svg")),
        &["0.2", "1.0", "the stronger a color, the more probable its class; 1000 of 2000 rows"],
    );
}

#[test]
fn targets_of_another_kind_are_not_drawn() {
    let folder = Folder::new();
    let row = |n: u32| format!("{},{},{}.5\n", n % 10, n / 10, n);
    folder.write("price.csv", format!("x,y,price\n{}", (0..100).map(row).collect::<String>()));
    folder.succeed(&["train", "price.csv", "--epochs", "1"]);
    folder.succeed(&["train", "xor", "--epochs", "1"]);
    folder.succeed(&["train", "moons", "--epochs", "1"]);
    folder.write("seven.csv", "a,b,xor\n0,1,1\n1,1,7\n");
    let cases: &[(&str, &[&str])] = &[
        ("plot boundary price.safetensors moons", &["has 2 classes, but mean_squared_error needs numbers"]),
        ("plot boundary xor.safetensors seven.csv", &["row 1", "target is 7", "between 0 and 1"]),
        ("plot boundary moons.safetensors price.csv", &["price.csv: the model does not name its target", "`--target`"]),
        (
            "plot boundary moons.safetensors price.csv --target price",
            &["price.csv, line 2, column `price`", "unknown class `0.5`"],
        ),
    ];
    super::bad_usage::expect(&folder, cases);
}

#[test]
fn what_cannot_be_drawn_is_an_error_before_training() {
    let folder = Folder::new();
    folder.succeed(&["train", "digits", "--epochs", "1", "--hidden", "8 relu"]);
    folder.succeed(&["train", "moons", "--epochs", "1", "--out", "moons.svg"]);
    folder.write("pairs.csv", "x,y,z\n1,2,3\n");
    let cases: &[(&str, &[&str])] = &[
        // Training for so long would take hours.
        ("train iris --epochs 1000000000 --plot curves.jpg", &["`--plot`", "curves.jpg", "*.svg or *.png"]),
        ("train iris --epochs 1000000000 --plot svg", &["*.svg or *.png"]),
        ("train iris --epochs 1000000000 --plot no/where.svg", &["no/where.svg"]),
        ("train iris --epochs 1000000000 --out i.svg --plot i.svg", &["i.svg", "would replace the model"]),
        ("train iris --epochs 1000000000 --out i.svg --plot ./i.svg", &["./i.svg", "would replace the model"]),
        ("train iris --dark", &["--plot"]),
        ("plot boundary digits.safetensors digits", &["inputs are 64, but a plane has 2"]),
        ("plot boundary moons.svg moons --out moons.svg", &["moons.svg: it holds a model, which would be lost"]),
        ("plot boundary moons.svg moons --out no/../moons.svg", &["no/../moons.svg"]),
        ("plot boundary moons.svg moons --out b.gif", &["`--out`", "b.gif", "*.svg or *.png"]),
        ("plot boundary moons.svg moons --out no/b.png", &["no/b.png"]),
        ("plot boundary moons.svg pairs.csv --target z", &["pairs.csv, line 2, column `z`"]),
        ("plot boundary missing.safetensors moons", &["missing.safetensors: reading failed"]),
        ("plot boundry moons.svg moons", &["boundary"]),
    ];
    super::bad_usage::expect(&folder, cases);
}
