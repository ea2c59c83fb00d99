//! Constructors of data sets from slices, and the checks of every new data set.

use std::collections::HashMap;
use std::fmt::Debug;

use super::inputs::Inputs;
use super::{Dataset, Targets};
use crate::error::{Error, Result, collected, copied};

impl Dataset {
    /// Creates a data set whose targets are classes.
    ///
    /// `input` has the shape \[rows, columns\], row-major. `classes` has the shape \[rows\]; each class is an index
    /// into `class_names`. The columns are named `input0`, `input1`, … Messages count rows from 0.
    ///
    /// # Errors
    /// There are no columns, no rows, or more than 2³² − 1 rows; the length of `input` is not a multiple of `columns`;
    /// an input is not finite; the number of classes differs from the number of rows; a class is out of range; two
    /// classes have the same name.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Dataset;
    /// let flowers = Dataset::classes("flowers", 2, &[5.1, 3.5, 7.0, 3.2], &[0, 1], ["setosa", "versicolor"])?;
    /// assert_eq!((flowers.len(), flowers.outputs()), (2, 2));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn classes(
        name: impl Into<String>,
        columns: usize,
        input: &[f32],
        classes: &[u32],
        class_names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self> {
        let name = name.into();
        check_rows(&place(&name), whole_rows(&place(&name), "columns", columns, "input", input.len())?)?;
        let names = class_names.into_iter().map(Into::into).collect();
        let targets = Targets::Classes { indices: copied(&place(&name), classes)?, names };
        let input = copied(&place(&name), input)?;
        Self::assemble(name, numbered("input", columns), input, targets)
    }

    /// Creates a data set whose targets are numbers.
    ///
    /// `input` has the shape \[rows, columns\], and `values` has the shape \[rows, outputs\]; both are row-major. The
    /// columns are named `input0`, `input1`, … and `target0`, `target1`, … Messages count rows from 0.
    ///
    /// # Errors
    /// There are no columns, no outputs, no rows, or more than 2³² − 1 rows; the length of `input` is not a multiple of
    /// `columns`; the length of `values` is not a multiple of `outputs`; a number is not finite; the number of target
    /// rows differs from the number of input rows.
    ///
    /// # Examples
    /// ```
    /// use wgrad::Dataset;
    /// let line = Dataset::numbers("line", 1, &[1.0, 2.0, 3.0], 1, &[3.0, 5.0, 7.0])?;
    /// assert_eq!((line.len(), line.target_values()), (3, Some(&[3.0, 5.0, 7.0][..])));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn numbers(
        name: impl Into<String>,
        columns: usize,
        input: &[f32],
        outputs: usize,
        values: &[f32],
    ) -> Result<Self> {
        let name = name.into();
        let rows = whole_rows(&place(&name), "columns", columns, "input", input.len())?;
        check_rows(&place(&name), rows)?;
        same_rows(
            &place(&name),
            "target",
            whole_rows(&place(&name), "outputs", outputs, "targets", values.len())?,
            rows,
        )?;
        let values = collected(&place(&name), values.len(), values.iter().map(|value| f64::from(*value)))?;
        let targets = Targets::Numbers { values, columns: numbered("target", outputs) };
        let input = copied(&place(&name), input)?;
        Self::assemble(name, numbered("input", columns), input, targets)
    }

    /// Creates a data set of images. Pixels are stored as bytes, which takes a quarter of the memory of f32.
    ///
    /// `columns` is the number of pixels of an image, height·width. `pixels` has the shape \[rows, height·width\],
    /// row-major, with values from 0 to 255. `classes` has the shape \[rows\]; each class is an index into
    /// `class_names`. The columns are named `pixel0`, `pixel1`, … Messages count rows from 0.
    ///
    /// # Errors
    /// See [`Dataset::classes`].
    ///
    /// # Examples
    /// ```
    /// use wgrad::Dataset;
    /// let images = Dataset::images("images", 4, vec![0, 0, 255, 255, 255, 0, 255, 0], vec![0, 1], ["bottom", "left"])?;
    /// assert_eq!(*images.input_row(0), [0.0, 0.0, 255.0, 255.0]);
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn images(
        name: impl Into<String>,
        columns: usize,
        pixels: Vec<u8>,
        classes: Vec<u32>,
        class_names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Result<Self> {
        let name = name.into();
        check_rows(&place(&name), whole_rows(&place(&name), "columns", columns, "input", pixels.len())?)?;
        let names = class_names.into_iter().map(Into::into).collect();
        let targets = Targets::Classes { indices: classes, names };
        Self::checked(name, numbered("pixel", columns), Inputs::Bytes(pixels), targets)
    }

    /// Creates a data set from f32 inputs and checks it. `input` has the shape \[rows, columns\].
    pub(super) fn assemble(name: String, columns: Vec<String>, input: Vec<f32>, targets: Targets) -> Result<Self> {
        Self::checked(name, columns, Inputs::Numbers(input), targets)
    }

    /// Creates a data set with named columns. Inputs are kept as f64. If the trainer has a
    /// [`Standardization`](crate::Standardization), it scales them in f64 before they become f32.
    ///
    /// `input` has the shape \[rows, columns\], row-major.
    ///
    /// # Errors
    /// See [`Dataset::classes`] and [`Dataset::numbers`]. It is also an error if a number is not finite as f32, or if
    /// two columns or two targets have the same name.
    ///
    /// # Examples
    /// ```
    /// use wgrad::{Dataset, Targets};
    /// let targets = Targets::Numbers { values: vec![1.5, 2.1], columns: vec!["price".into()] };
    /// let houses = Dataset::table("houses", ["area"], vec![50.0, 80.0], targets)?;
    /// assert_eq!((houses.columns(), houses.target_columns()), (&["area".into()][..], &["price".into()][..]));
    /// # Ok::<(), wgrad::Error>(())
    /// ```
    pub fn table(
        name: impl Into<String>,
        columns: impl IntoIterator<Item = impl Into<String>>,
        input: Vec<f64>,
        targets: Targets,
    ) -> Result<Self> {
        let columns = columns.into_iter().map(Into::into).collect();
        Self::checked(name.into(), columns, Inputs::exact(input), targets)
    }

    /// Creates a data set from its parts, after all checks. The errors are those of [`Dataset::table`].
    pub(super) fn checked(name: String, columns: Vec<String>, input: Inputs, targets: Targets) -> Result<Self> {
        let place = place(&name);
        let rows = whole_rows(&place, "columns", columns.len(), "input", input.len())?;
        check_rows(&place, rows)?;
        unique(&place, "column", &columns, RENAME)?;
        match &input {
            Inputs::Numbers(values) => finite(&place, &columns, values)?,
            Inputs::Doubles(values) => finite(&place, &columns, values)?,
            Inputs::Bytes(_) => {}
        }
        match &targets {
            Targets::Classes { indices, names } => check_classes(&place, rows, indices, names)?,
            Targets::Numbers { values, columns } => check_numbers(&place, rows, values, columns)?,
        }
        Ok(Self { name, columns, input, targets, class_column: None, weights: None })
    }
}

/// Returns `count` names: `input0`, `input1`, … for the prefix `input`. Callers first check `count` against the number
/// of values, so that a wrong `count` of a user allocates no memory.
pub(super) fn numbered(prefix: &str, count: usize) -> Vec<String> {
    (0..count).map(|column| format!("{prefix}{column}")).collect()
}

/// Place of an error in the data set `name`, for messages.
pub(super) fn place(name: &str) -> String {
    format!("data set `{name}`")
}

/// Returns the number of rows: `values` (the number of all values) divided by `width` (the number of values per row).
/// An incomplete row and a `width` of 0 are errors. `what` and `width_name` name the two numbers in messages.
fn whole_rows(place: &str, width_name: &str, width: usize, what: &str, values: usize) -> Result<usize> {
    if width == 0 {
        return Err(Error::value(place, width_name, 0, "at least 1"));
    }
    if !values.is_multiple_of(width) {
        let problem = format!("{what} holds {values} values, which is not a multiple of {width} {width_name}");
        return Err(Error::data(place, problem, "pass whole rows, row after row"));
    }
    Ok(values / width)
}

/// Refuses data without rows, and data with more rows than a u32 can count.
fn check_rows(place: &str, rows: usize) -> Result<()> {
    if rows == 0 {
        return Err(Error::data(place, "it has 0 rows", "pass at least 1 row"));
    }
    if u32::try_from(rows).is_err() {
        let problem = format!("it has {rows} rows, but rows are counted in 32 bits, up to {}", u32::MAX);
        return Err(Error::data(place, problem, "train on a subset of the rows"));
    }
    Ok(())
}

/// Refuses numbers that are not finite as f32. `values` has the shape \[rows, columns\].
pub(super) fn finite<T: Copy + Debug + Into<f64>>(place: &str, columns: &[String], values: &[T]) -> Result<()> {
    let is_finite = |value: &T| (Into::<f64>::into(*value) as f32).is_finite();
    let Some(index) = values.iter().position(|value| !is_finite(value)) else { return Ok(()) };
    let (row, column) = (index / columns.len(), &columns[index % columns.len()]);
    Err(Error::data(
        format!("{place}, row {row}, column `{column}`"),
        format!("{:?} is not a finite 32-bit number", values[index]),
        "replace it, or remove the row",
    ))
}

/// Refuses a number of targets or weights that differs from the number of rows. `what` is `target` or `weight`.
pub(super) fn same_rows(place: &str, what: &str, found: usize, rows: usize) -> Result<()> {
    if found == rows {
        return Ok(());
    }
    Err(Error::Shape {
        place: place.into(),
        found_what: format!("the number of {what}s is"),
        found,
        wanted_what: "the number of input rows is".into(),
        wanted: rows,
        remedy: format!("give every row one {what}"),
    })
}

fn check_classes(place: &str, rows: usize, indices: &[u32], names: &[String]) -> Result<()> {
    same_rows(place, "target", indices.len(), rows)?;
    unique(place, "class", names, RENAME)?;
    let Some(row) = indices.iter().position(|&class| class as usize >= names.len()) else { return Ok(()) };
    Err(Error::data(
        format!("{place}, row {row}"),
        format!("its class is {}, but there are {} class names, counted from 0", indices[row], names.len()),
        "correct the class, or name all classes",
    ))
}

fn check_numbers(place: &str, rows: usize, values: &[f64], columns: &[String]) -> Result<()> {
    same_rows(place, "target", whole_rows(place, "outputs", columns.len(), "targets", values.len())?, rows)?;
    unique(place, "target column", columns, RENAME)?;
    finite(place, columns, values)
}

/// Remedy for a duplicate name.
const RENAME: &str = "rename one of them";

/// Refuses duplicate names. `kind` is the kind of the names in messages, such as `column`.
pub(super) fn unique(place: &str, kind: &str, names: &[String], remedy: &str) -> Result<()> {
    let mut first = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        if let Some(earlier) = first.insert(name, index) {
            let problem = format!("{kind} name `{name}` appears at {earlier} and again at {index}, counted from 0");
            return Err(Error::data(place, problem, remedy));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_rows;

    /// This is a unit test because the public constructors would need 16 GiB of input.
    #[test]
    #[cfg(target_pointer_width = "64")]
    fn rows_are_counted_in_32_bits() {
        let most = u32::MAX as usize;
        assert!(check_rows("data set `big`", most).is_ok());
        let message = check_rows("data set `big`", most + 1).map_err(|error| error.to_string());
        assert!(message.is_err_and(|text| text.contains("4294967296 rows") && text.contains("up to 4294967295")));
    }
}
