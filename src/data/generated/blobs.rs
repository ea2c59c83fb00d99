//! Clusters.

use super::{check, check_classes, plane};
use crate::data::Dataset;
use crate::error::Result;
use crate::rng::{Philox, Stream};

/// Centres lie in the square of this half side around (0, 0), as scikit-learn's do.
const REACH: f64 = 10.0;

/// Clusters of points in the plane, as scikit-learn's `make_blobs`: centres drawn evenly from \[−10, 10)², points
/// around them with the standard `deviation` in each coordinate. Classes are `blob0`, `blob1`, …, of equally many rows,
/// to within one, in shuffled order. Clusters whose centres come to lie near each other overlap.
///
/// The same arguments give the same rows; another seed gives other centres, too.
///
/// ```
/// let blobs = wgrad::data::blobs(300, 4, 1.0, 0)?;
/// assert_eq!((blobs.len(), blobs.inputs(), blobs.outputs()), (300, 2, 4));
/// # Ok::<(), wgrad::Error>(())
/// ```
///
/// # Errors
/// Fewer than 2 or more than 2²⁴ rows, fewer than 2 clusters or more clusters than rows, or a deviation that is
/// negative or not finite as an f32.
pub fn blobs(rows: usize, clusters: usize, deviation: f64, seed: u64) -> Result<Dataset> {
    check("blobs", rows, 2, ("deviation", deviation))?;
    check_classes("blobs", "clusters", clusters, rows)?;
    let mut random = Philox::new(seed, Stream::Data, 0);
    let mut coordinate = || REACH * (2.0 * random.uniform() - 1.0);
    let centres: Vec<[f64; 2]> = (0..clusters).map(|_| [coordinate(), coordinate()]).collect();
    let names = (0..clusters).map(|cluster| format!("blob{cluster}")).collect();
    plane("blobs", rows, deviation, &mut random, names, |row| (centres[row % clusters], row % clusters))
}
