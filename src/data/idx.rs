//! IDX files, the format of MNIST: images and labels as bytes, gzipped or not.
//!
//! A file begins with a magic number: 0x00000803 for images, 0x00000801 for labels. Then come one big-endian 32-bit
//! size per dimension, and the bytes, row-major. The format is that of LeCun, Cortes, Burges, *The MNIST database of
//! handwritten digits*.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::{Dataset, bytes};
use crate::error::{Error, Result};

/// Remedy for a file whose length differs from the sizes in its header.
const CUT: &str = "the file is damaged or truncated; use another copy";

/// Reads an IDX file of images. Returns \[height, width\] of an image in pixels, and the pixels of all images. The
/// pixels have the shape \[images, height·width\], row-major.
///
/// # Errors
/// The file cannot be read, is not an IDX file of images, or its number of bytes differs from the sizes in its header.
/// Wrong sizes in the header do not allocate memory.
pub fn read_idx_images(path: impl AsRef<Path>) -> Result<([usize; 2], Vec<u8>)> {
    let (sizes, pixels) = read::<3>(path.as_ref(), "images")?;
    Ok(([sizes[1], sizes[2]], pixels))
}

/// Reads an IDX file of labels. Returns one byte per label.
///
/// # Errors
/// See [`read_idx_images`].
pub fn read_idx_labels(path: impl AsRef<Path>) -> Result<Vec<u8>> {
    read::<1>(path.as_ref(), "labels").map(|(_, labels)| labels)
}

/// Reads the training set and the test set of MNIST, or of a data set in the same format (Fashion-MNIST,
/// Kuzushiji-MNIST).
///
/// The folder has the four files `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
/// `t10k-labels-idx1-ubyte`, each gzipped (`.gz`) or not. Pixels are stored as bytes. Classes are named `0`, `1`, …
///
/// # Errors
/// A file is missing or invalid (see [`read_idx_images`]); the number of labels differs from the number of images; the
/// images of the two sets differ in size.
///
/// # Examples
/// ```no_run
/// let (train, test) = wgrad::data::mnist("mnist")?;
/// assert_eq!((train.len(), test.len(), train.inputs()), (60_000, 10_000, 28 * 28));
/// # Ok::<(), wgrad::Error>(())
/// ```
pub fn mnist(folder: impl AsRef<Path>) -> Result<(Dataset, Dataset)> {
    let folder = folder.as_ref();
    let [train, test] = [part(folder, "train")?, part(folder, "t10k")?];
    if train.size != test.size {
        let [a, b] = [train.size, test.size].map(|[rows, columns]| format!("{rows}×{columns}"));
        let problem = format!("training images have {a} pixels, but test images have {b}");
        return Err(Error::format(folder, problem, "use the four files of one data set"));
    }
    // Training and test set have the same classes, even if one of them has no image of a class.
    let classes = train.labels.iter().chain(&test.labels).max().map_or(0, |last| usize::from(*last) + 1);
    Ok((train.dataset(classes)?, test.dataset(classes)?))
}

/// Images and labels of the training or the test set.
struct Part {
    /// \[height, width\] of an image.
    size: [usize; 2],
    pixels: Vec<u8>,
    labels: Vec<u8>,
}

impl Part {
    fn dataset(self, classes: usize) -> Result<Dataset> {
        let labels = self.labels.into_iter().map(u32::from).collect();
        let names = (0..classes).map(|class| class.to_string());
        Dataset::images("mnist", self.size[0] * self.size[1], self.pixels, labels, names)
    }
}

fn part(folder: &Path, name: &str) -> Result<Part> {
    let images = find(folder, &format!("{name}-images-idx3-ubyte"))?;
    let labels = find(folder, &format!("{name}-labels-idx1-ubyte"))?;
    let (size, pixels) = read_idx_images(&images)?;
    let found = read_idx_labels(&labels)?;
    let count = pixels.len() / (size[0] * size[1]);
    if found.len() != count {
        let problem = format!("it has {} labels, but {} has {count} images", found.len(), images.display());
        return Err(Error::format(&labels, problem, "use the four files of one data set"));
    }
    Ok(Part { size, pixels, labels: found })
}

/// Finds the file `name` in a folder, gzipped or not. In some copies of MNIST, the name has a dot in place of the
/// hyphen before `idx`.
fn find(folder: &Path, name: &str) -> Result<PathBuf> {
    let dotted = name.replace("-idx", ".idx");
    let names = [name.to_string(), format!("{name}.gz"), dotted.clone(), format!("{dotted}.gz")];
    let found = names.iter().map(|name| folder.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        let problem = if folder.is_dir() {
            format!("it has neither {} nor {}", names[0], names[1])
        } else {
            "it is not a folder".into()
        };
        Error::format(folder, problem, "give the folder with MNIST's four IDX files")
    })
}

/// Reads an IDX file with `N` dimensions. Returns the size of each dimension, and the bytes. `what` names the contents
/// in messages.
fn read<const N: usize>(path: &Path, what: &str) -> Result<([usize; N], Vec<u8>)> {
    let mut file = bytes::open(path)?;
    let mut header = Vec::new();
    let length = 4 * (N as u64 + 1);
    file.by_ref().take(length).read_to_end(&mut header).map_err(|error| bytes::broken(path, error))?;
    let words: Vec<u32> = header.as_chunks().0.iter().map(|four| u32::from_be_bytes(*four)).collect();
    let wanted = 0x0800 + N as u32;
    match words.first() {
        Some(magic) if *magic != wanted => {
            let problem = format!("it begins with {magic:#010x}, but an IDX file of {what} begins with {wanted:#010x}");
            return Err(Error::format(path, problem, format!("give a file of {what}")));
        }
        _ if words.len() <= N => {
            let problem = format!("it has {} bytes, but its header alone has {length}", header.len());
            return Err(Error::format(path, problem, CUT));
        }
        _ => {}
    }
    let sizes = std::array::from_fn(|dimension| words[dimension + 1] as usize);
    Ok((sizes, body(path, file, &sizes, what)?))
}

/// Reads the bytes after the header. Their number must be the product of `sizes`. Memory grows with the bytes that are
/// read, not with `sizes`.
fn body(path: &Path, file: impl Read, sizes: &[usize], what: &str) -> Result<Vec<u8>> {
    let stated = sizes.iter().try_fold(1u64, |product, size| product.checked_mul(*size as u64));
    let sizes = sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
    let Some(stated) = stated.filter(|stated| *stated > 0) else {
        return Err(Error::format(path, format!("its header states {sizes} {what}"), CUT));
    };
    let mut found = Vec::new();
    file.take(stated.saturating_add(1)).read_to_end(&mut found).map_err(|error| bytes::broken(path, error))?;
    if found.len() as u64 != stated {
        let more = if found.len() as u64 > stated { "more than " } else { "" };
        let length = (found.len() as u64).min(stated);
        let problem = format!("its header states {sizes} = {stated} bytes of {what}, but it has {more}{length}");
        return Err(Error::format(path, problem, CUT));
    }
    Ok(found)
}
