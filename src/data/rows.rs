//! Data sets from rows in memory.

use super::check::{numbered, place};
use super::inputs::Inputs;
use super::{Dataset, Targets};
use crate::error::{Error, Result, try_with_capacity};

/// Name of a data set that was not given a name.
const UNNAMED: &str = "rows";

/// Maximum number of classes that are given as indices.
const MOST_CLASSES: i64 = 1 << 20;

/// Targets for [`Dataset::from_rows`]: a slice, array or vector with one target per row.
///
/// | target of one row | task |
/// |---|---|
/// | `u32`, `i32`, `u8`, `usize`, `i64` | classification: index of the class, from 0 |
/// | `&str`, `String` | classification: name of the class |
/// | `f32`, `f64` | regression, or 0 and 1 for a binary loss |
/// | `[f32; N]`, `[f64; N]`, `Vec<f32>`, `Vec<f64>` | regression, or 0 and 1 for a binary loss, with several outputs |
#[derive(Debug)]
pub struct RowTargets(Given);

#[derive(Debug)]
enum Given {
    Indices(Vec<i64>),
    Names(Vec<String>),
    /// Target numbers of each row.
    Numbers(Vec<Vec<f64>>),
}

mod sealed {
    use super::Given;

    /// Type of the target of one row.
    pub trait TargetRow: Sized {
        fn given(rows: &[Self]) -> super::RowTargets;
    }

    macro_rules! indices {
        ($($index:ty)*) => {$(
            impl TargetRow for $index {
                fn given(rows: &[Self]) -> super::RowTargets {
                    // An index that does not fit an i64 becomes `i64::MAX`, which exceeds the limit of classes as well.
                    super::RowTargets(Given::Indices(rows.iter().map(|row| i64::try_from(*row).unwrap_or(i64::MAX)).collect()))
                }
            }
        )*};
    }

    indices! { u8 i32 u32 i64 usize }

    impl TargetRow for &str {
        fn given(rows: &[Self]) -> super::RowTargets {
            super::RowTargets(Given::Names(rows.iter().map(ToString::to_string).collect()))
        }
    }

    impl TargetRow for String {
        fn given(rows: &[Self]) -> super::RowTargets {
            super::RowTargets(Given::Names(rows.to_vec()))
        }
    }

    macro_rules! numbers {
        ($([$($generic:tt)*] $row:ty, |$value:ident| $list:expr;)*) => {$(
            impl<$($generic)*> TargetRow for $row {
                fn given(rows: &[Self]) -> super::RowTargets {
                    let list = |$value: &Self| $list.iter().map(|number| f64::from(*number)).collect();
                    super::RowTargets(Given::Numbers(rows.iter().map(list).collect()))
                }
            }
        )*};
    }

    numbers! {
        [] f32, |row| [*row];
        [] f64, |row| [*row];
        [const M: usize] [f32; M], |row| row;
        [const M: usize] [f64; M], |row| row;
        [] Vec<f32>, |row| row;
        [] Vec<f64>, |row| row;
    }
}

use sealed::TargetRow;

impl<T: TargetRow> From<&[T]> for RowTargets {
    fn from(rows: &[T]) -> Self {
        T::given(rows)
    }
}

impl<T: TargetRow, const N: usize> From<&[T; N]> for RowTargets {
    fn from(rows: &[T; N]) -> Self {
        T::given(rows)
    }
}

impl<T: TargetRow, const N: usize> From<[T; N]> for RowTargets {
    fn from(rows: [T; N]) -> Self {
        T::given(&rows)
    }
}

impl<T: TargetRow> From<&Vec<T>> for RowTargets {
    fn from(rows: &Vec<T>) -> Self {
        T::given(rows)
    }
}

impl<T: TargetRow> From<Vec<T>> for RowTargets {
    fn from(rows: Vec<T>) -> Self {
        T::given(&rows)
    }
}

impl Dataset {
    /// Creates a data set from rows in memory: arrays, vectors, or a flat slice split into rows by `chunks`.
    ///
    /// Inputs are `f32` or `f64`; [`RowTargets`] lists the types of targets. Classes that are given as indices get the
    /// names `0`, `1`, … Classes that are given by name are sorted. Input columns are named `input0`, `input1`, …, and
    /// target columns `target0`, `target1`, … The data set is named `rows`; [`named`](Self::named) renames it. Messages
    /// count rows from 0.
    ///
    /// # Errors
    /// There are no rows, or no columns; rows differ in length; the number of targets differs from the number of rows;
    /// a number is not finite; a class index is below 0, or 2²⁰ or more.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Dataset;
    /// let xor = Dataset::from_rows([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], ["same", "other", "other", "same"])?;
    /// assert_eq!(xor.class_names(), Some(&["other".to_string(), "same".to_string()][..]));
    /// assert_eq!(xor.class_indices(), Some(&[1, 0, 0, 1][..]));
    ///
    /// let rows: Vec<Vec<f32>> = vec![vec![1.0], vec![2.0], vec![3.0]];
    /// let line = Dataset::from_rows(&rows, [3.0, 5.0, 7.0])?.named("line");
    /// assert_eq!((line.len(), line.target_values()), (3, Some(&[3.0, 5.0, 7.0][..])));
    ///
    /// let flat = [5.1, 3.5, 7.0, 3.2];
    /// let flowers = Dataset::from_rows(flat.chunks(2), [0, 1])?;
    /// assert_eq!(*flowers.input_row(1), [7.0, 3.2]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn from_rows<R, T>(rows: impl IntoIterator<Item = R>, targets: impl Into<RowTargets>) -> Result<Self>
    where
        R: AsRef<[T]>,
        T: Copy + Into<f64>,
    {
        let rows = rows.into_iter();
        let mut input: Vec<f64> = try_with_capacity("inputs", rows.size_hint().0)?;
        let mut columns = None;
        for (number, row) in rows.enumerate() {
            let row = row.as_ref();
            same_length("inputs", number, row.len(), *columns.get_or_insert(row.len()))?;
            input.extend(row.iter().map(|value| Into::<f64>::into(*value)));
        }
        let targets = match targets.into().0 {
            Given::Indices(indices) => numbered_classes(&indices)?,
            Given::Names(names) => named_classes(&names),
            Given::Numbers(rows) => target_columns(&rows)?,
        };
        Self::checked(UNNAMED.into(), numbered("input", columns.unwrap_or(1)), Inputs::exact(input), targets)
    }

    /// Renames the data set, for messages and reports.
    ///
    /// # Examples
    /// ```
    /// assert_eq!(wgrad::data::xor().named("exclusive or").name(), "exclusive or");
    /// ```
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Class of each row as an index into [`Dataset::class_names`], with the shape \[rows\]; `None` if the targets are
    /// numbers.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Dataset;
    /// let data = Dataset::from_rows([[1.0], [2.0]], ["dog", "cat"])?;
    /// assert_eq!((data.class_indices(), data.target_values()), (Some(&[1, 0][..]), None));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn class_indices(&self) -> Option<&[u32]> {
        match &self.targets {
            Targets::Classes { indices, .. } => Some(indices),
            Targets::Numbers { .. } => None,
        }
    }

    /// Target values with the shape \[rows, outputs\], row-major; `None` if the targets are classes.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Dataset;
    /// let data = Dataset::from_rows([[1.0], [2.0]], [0.5, 1.5])?;
    /// assert_eq!((data.target_values(), data.class_indices()), (Some(&[0.5, 1.5][..]), None));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn target_values(&self) -> Option<&[f64]> {
        match &self.targets {
            Targets::Numbers { values, .. } => Some(values),
            Targets::Classes { .. } => None,
        }
    }
}

fn same_length(what: &str, row: usize, found: usize, wanted: usize) -> Result<()> {
    if found == wanted {
        return Ok(());
    }
    Err(Error::Shape {
        place: format!("{}, row {row}", place(UNNAMED)),
        found_what: format!("the number of {what} is"),
        found,
        wanted_what: format!("the number of {what} in row 0 is"),
        wanted,
        remedy: "give all rows the same length".into(),
    })
}

fn numbered_classes(rows: &[i64]) -> Result<Targets> {
    if let Some((row, index)) = rows.iter().enumerate().find(|(_, index)| !(0..MOST_CLASSES).contains(*index)) {
        let place = format!("{}, row {row}", place(UNNAMED));
        let wanted = format!("from 0 to {}", MOST_CLASSES - 1);
        return Err(Error::value(place, "the class index", index, &wanted));
    }
    let indices: Vec<u32> = rows.iter().map(|index| *index as u32).collect();
    let classes = indices.iter().max().map_or(0, |most| most + 1);
    Ok(Targets::Classes { indices, names: (0..classes).map(|class| class.to_string()).collect() })
}

fn named_classes(rows: &[String]) -> Targets {
    let mut names = rows.to_vec();
    names.sort_unstable();
    names.dedup();
    // The search always succeeds, since `names` has the name of every row.
    let index = |name: &String| names.partition_point(|known| known < name) as u32;
    Targets::Classes { indices: rows.iter().map(index).collect(), names }
}

fn target_columns(rows: &[Vec<f64>]) -> Result<Targets> {
    let columns = rows.first().map_or(1, Vec::len);
    rows.iter().enumerate().try_for_each(|(number, row)| same_length("targets", number, row.len(), columns))?;
    Ok(Targets::Numbers { values: rows.concat(), columns: numbered("target", columns) })
}
