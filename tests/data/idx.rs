//! IDX files of MNIST: valid, truncated, and with wrong headers.

use std::io::Write;
use std::path::Path;

use flate2::{Compression, write::GzEncoder};
use wgrad::data::{mnist, read_idx_images, read_idx_labels};
use wgrad::{Error, Targets};

const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// IDX file with these sizes and bytes.
fn idx(sizes: &[u32], bytes: &[u8]) -> Vec<u8> {
    let header = [0x0800 + sizes.len() as u32].into_iter().chain(sizes.iter().copied());
    header.flat_map(u32::to_be_bytes).chain(bytes.iter().copied()).collect()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}

/// Files of five and two images of 2×3 pixels.
fn files() -> [Vec<u8>; 4] {
    let pixels: Vec<u8> = (0..30).map(|at| at * 8).collect();
    [idx(&[5, 2, 3], &pixels), idx(&[5], &[0, 1, 2, 1, 0]), idx(&[2, 2, 3], &pixels[6..18]), idx(&[2], &[3, 0])]
}

fn write(folder: &Path, files: [Vec<u8>; 4]) {
    for (name, bytes) in NAMES.iter().zip(files) {
        std::fs::write(folder.join(name), bytes).expect("written");
    }
}

/// Returns the error of reading these bytes as images.
fn refused(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("images");
    std::fs::write(&path, bytes).expect("written");
    let error = read_idx_images(&path).expect_err("refused");
    assert!(matches!(error, Error::Format { .. }), "{error}");
    assert!(error.to_string().contains("images: "), "{error}");
    error.to_string()
}

#[test]
fn plain_and_gzipped_files_are_the_same_data() {
    let folder = tempfile::tempdir().expect("a folder");
    write(folder.path(), files());
    let (train, test) = mnist(folder.path()).expect("read");
    assert_eq!((train.len(), test.len(), train.inputs(), train.outputs(), test.outputs()), (5, 2, 6, 4, 4));
    assert_eq!(*train.input_row(1), [48.0, 56.0, 64.0, 72.0, 80.0, 88.0]);
    assert_eq!(train.bytes().map(<[u8]>::len), Some(30));
    assert!(matches!(test.targets(), Targets::Classes { indices, .. } if indices == &[3, 0]));

    let packed = tempfile::tempdir().expect("a folder");
    for (name, bytes) in NAMES.iter().zip(files()) {
        std::fs::write(packed.path().join(format!("{}.gz", name.replace("-idx", ".idx"))), gzipped(&bytes))
            .expect("written");
    }
    assert_eq!(mnist(packed.path()).expect("read"), (train, test));
}

#[test]
fn sizes_in_a_header_are_not_trusted() {
    let [images, labels, ..] = files();
    assert!(refused(&labels).contains("begins with 0x00000801, but an IDX file of images begins with 0x00000803"));
    // Sizes of 2³² and 2⁹⁶ bytes allocate no memory.
    let long = refused(&idx(&[4, 32768, 32768], &images[16..]));
    assert!(long.contains("its header states 4 × 32768 × 32768 = 4294967296 bytes of images, but it has 30"), "{long}");
    assert!(refused(&idx(&[u32::MAX; 3], &[])).contains("4294967295 × 4294967295 × 4294967295"));
    assert!(refused(&idx(&[5, 0, 3], &[])).contains("5 × 0 × 3"));
    assert!(refused(&idx(&[4, 2, 3], &images[16..])).contains("= 24 bytes of images, but it has more than 24"));
}

#[test]
fn truncated_files_are_refused() {
    let [images, ..] = files();
    let packed = gzipped(&images);
    for bytes in [images, packed] {
        for end in 0..bytes.len() {
            refused(&bytes[..end]);
        }
    }
}

#[test]
fn a_damaged_gzip_is_refused_or_the_same() {
    let [images, ..] = files();
    let packed = gzipped(&images);
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("images");
    for at in 0..packed.len() {
        let mut bytes = packed.clone();
        bytes[at] ^= 0x10;
        std::fs::write(&path, bytes).expect("written");
        // Some bits, such as those of the time stamp, have no effect.
        match read_idx_images(&path) {
            Ok((_, pixels)) => assert!(pixels == images[16..], "byte {at}"),
            Err(error) => assert!(matches!(error, Error::Format { .. }), "byte {at}: {error}"),
        }
    }
}

#[test]
fn the_four_files_must_fit_each_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let message = || mnist(folder.path()).expect_err("refused").to_string();
    assert!(message().contains("it has neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz"));
    let [images, labels, test, test_labels] = files();
    write(folder.path(), [images.clone(), idx(&[4], &[0, 1, 2, 1]), test, test_labels.clone()]);
    let wrong = message();
    assert!(wrong.contains("it has 4 labels, but ") && wrong.contains(" has 5 images"), "{wrong}");
    write(folder.path(), [images, labels, idx(&[2, 3, 1], &[0; 6]), test_labels]);
    assert!(message().contains("training images have 2×3 pixels, but test images have 3×1"), "{}", message());
    assert!(mnist(folder.path().join("nowhere")).expect_err("refused").to_string().contains("it is not a folder"));
    assert!(matches!(read_idx_labels(folder.path().join("nowhere")), Err(Error::File { .. })));
}
