//! Clusters of points in the plane.

use super::{check, check_classes, plane};
use crate::data::Dataset;
use crate::error::Result;
use crate::rng::{Philox, Stream};

/// Half the side of the square around (0, 0) from which the centers are drawn, as in scikit-learn.
const REACH: f64 = 10.0;

/// Returns clusters of points in the plane, like scikit-learn's `make_blobs`.
///
/// The centers of the clusters are drawn uniformly from \[−10, 10)². Points have a normal distribution around their
/// center; `deviation` is the standard deviation of each coordinate. Classes are `blob0`, `blob1`, …, with equally many
/// rows, to within one. Rows are shuffled. Clusters with close centers overlap. The same arguments give the same rows.
/// Another seed also gives other centers.
///
/// # Errors
/// `rows` is below 2 or above 2²⁴, `clusters` is below 2 or above `rows`, or `deviation` is negative, not finite, or so
/// large that a coordinate is not finite as f32.
///
/// # Examples
/// ```
/// let blobs = wgrad::data::blobs(300, 4, 1.0, 0)?;
/// assert_eq!((blobs.len(), blobs.inputs(), blobs.outputs()), (300, 2, 4));
/// # Ok::<(), wgrad::Error>(())
/// ```
pub fn blobs(rows: usize, clusters: usize, deviation: f64, seed: u64) -> Result<Dataset> {
    check("blobs", rows, 2, ("deviation", deviation))?;
    check_classes("blobs", "clusters", clusters, rows)?;
    let mut random = Philox::new(seed, Stream::Data, 0);
    let mut coordinate = || REACH * (2.0 * random.uniform() - 1.0);
    let centers: Vec<[f64; 2]> = (0..clusters).map(|_| [coordinate(), coordinate()]).collect();
    let names = (0..clusters).map(|cluster| format!("blob{cluster}")).collect();
    plane("blobs", rows, deviation, &mut random, names, |row| (centers[row % clusters], row % clusters))
}
