//! Splitting the data into training, validation and test set: `--validation`, `--test`.

use std::path::{Path, PathBuf};

use wgrad::data::{
    FEWEST_TO_SPLIT, Inspection, Preparation, PreparedColumn, SplitKeys, Table, Warning, counted, listed,
};
use wgrad::{Dataset, Error, Result, Split, Targets};

use crate::command::columns::Columns;
use crate::command::data::{STANDARD, Source, like};
use crate::command::numbers::Amount;
use crate::command::report::Rows;

/// Default size of the validation set, and of the test set, of data with enough rows.
const HELD_OUT: Amount = Amount::Fraction(0.15);

/// Returns the number of rows that `train` trains on by default, of all used rows of a table.
pub fn usual_training_rows(rows: usize) -> usize {
    rows - 2 * default_held_out(rows).of(rows)
}

/// Returns the default size of the validation set, and of the test set.
fn default_held_out(rows: usize) -> Amount {
    if rows < FEWEST_TO_SPLIT { Amount::Count(0) } else { HELD_OUT }
}

/// Default size of the validation set if the data have their own test set: 5,000 of MNIST's 60,000 rows.
const BESIDE_OWN_TEST: Amount = Amount::Fraction(1.0 / 12.0);

/// Options for the sizes of the validation and the test set.
#[derive(clap::Args)]
#[command(next_help_heading = "Data")]
pub struct SplitOptions {
    /// Validation set: size or file [default: 0.15]
    ///
    /// A fraction below 1 of all rows, a number of rows, or the path of a table with the same columns; 0 for none. Rows
    /// are drawn at random, in proportion to the classes. The model keeps the parameters of the epoch with the lowest
    /// validation loss, or with the best value of --metric; without this set, those of the last epoch. By default,
    /// mnist uses a twelfth of its training rows, and data with fewer than 20 rows have no validation set.
    #[arg(long, value_name = "SIZE", value_parser = size, allow_negative_numbers = true)]
    validation: Option<Size>,
    /// Test set: size or file [default: 0.15]
    ///
    /// A fraction below 1 of all rows, a number of rows, or the path of a table with the same columns; 0 for none. The
    /// model is evaluated on the test set after training. Without a test set, it is evaluated on the validation set;
    /// without both sets, on the training set. By default, mnist uses its own test set, and data with fewer than 20
    /// rows have no test set.
    #[arg(long, value_name = "SIZE", value_parser = size, allow_negative_numbers = true)]
    test: Option<Size>,
    /// Splits by a column: dates by time, others by group
    ///
    /// Only for a table. With a column of dates or times, the test set has the latest rows, and the validation set
    /// those before. With any other column, such as a customer's id, all rows with the same text are in the same set,
    /// and groups are drawn at random. Use it if new rows will be later, or of other customers. The column may be one
    /// that is left out of the inputs. By default, rows are drawn at random.
    #[arg(long, value_name = "COLUMN", hide_short_help = true)]
    split_by: Option<String>,
}

/// Value of `--validation` or `--test`: a number or fraction of rows, or the path of a table.
#[derive(Clone)]
enum Size {
    Amount(Amount),
    File(PathBuf),
}

fn size(text: &str) -> std::result::Result<Size, String> {
    match text.parse() {
        Ok(amount) => Ok(Size::Amount(amount)),
        Err(_) if text == "-" => Err("standard input can only be the data; name a file, or give a number".into()),
        Err(_) if Path::new(text).exists() => Ok(Size::File(text.into())),
        Err(_) => {
            Err("it must be a fraction below 1, a number of rows, 0 for none, or the path of a table; there is no \
                       such file"
                .into())
        }
    }
}

impl Size {
    /// Returns the number or fraction of the data's rows that are drawn for a set; 0 if the set is read from a file.
    fn amount(size: Option<&Self>, default: Amount) -> Amount {
        match size {
            None => default,
            Some(Self::Amount(amount)) => *amount,
            Some(Self::File(_)) => Amount::Count(0),
        }
    }
}

impl SplitOptions {
    /// Returns the numbers or fractions of rows that are drawn for the validation and the test set. `validation` and
    /// `test` are the defaults.
    fn amounts(&self, [validation, test]: [Amount; 2]) -> [Amount; 2] {
        [Size::amount(self.validation.as_ref(), validation), Size::amount(self.test.as_ref(), test)]
    }

    /// Returns the column of `--split-by`, read from the table at this path.
    fn keys(&self, path: &str, columns: &Columns) -> Result<Option<SplitKeys>> {
        let Some(column) = &self.split_by else { return Ok(None) };
        if path == STANDARD {
            let problem = "standard input is read once, and `--split-by` reads the table again";
            return Err(Error::conflict("`--split-by`", problem, "name a file"));
        }
        SplitKeys::read(path, &columns.csv_options(), column).map(Some)
    }

    /// Returns a sentence on how `--split-by` has split the rows. The sets have row numbers of the table.
    fn note(&self, keys: &SplitKeys, [train, validation, test]: [&[usize]; 3]) -> String {
        let column = self.split_by.as_deref().unwrap_or_default();
        let part = |set: &[usize], purpose: &str| {
            (!set.is_empty()).then(|| match keys.earliest(set) {
                Some(first) => format!("from {first} {purpose}"),
                None => format!("{} {purpose}", counted(keys.groups(set), "group")),
            })
        };
        let parts = [part(train, "to train on"), part(validation, "to validate"), part(test, "to test")];
        let by = if keys.are_times() { "time" } else { "group" };
        format!("split by {by} of `{column}`: {}", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }

    /// Returns the settings `validation`, `test` and `split_by`, which are stored in the model. A file is described by
    /// its number of rows and its checksum. A default is an empty text.
    pub fn settings(&self, sets: &Sets) -> [(&'static str, String); 3] {
        let setting = |size: Option<&Size>, set: Option<&Set>| match size {
            None => String::new(),
            Some(Size::Amount(amount)) => amount.to_string(),
            Some(Size::File(_)) => set.map_or(String::new(), |set| {
                format!("{} rows with checksum {:08x}", set.rows.len(), set.rows.checksum())
            }),
        };
        [
            ("validation", setting(self.validation.as_ref(), sets.validation.as_ref())),
            ("test", setting(self.test.as_ref(), sets.test.as_ref())),
            ("split_by", self.split_by.clone().unwrap_or_default()),
        ]
    }
}

/// Rows of one set, with their origin.
pub struct Set {
    pub rows: Dataset,
    pub origin: Origin,
}

/// Origin of the rows of a set.
pub enum Origin {
    /// Rows drawn from the data, as indices from 0.
    Source(Vec<usize>),
    /// Test set that comes with the data.
    Own,
    /// Table in another file.
    File(PathBuf),
}

/// Training, validation and test set of a run.
pub struct Sets {
    pub train: Set,
    pub validation: Option<Set>,
    pub test: Option<Set>,
    /// Preparation of the table, fitted on the training set, with a summary of each column; `None` for built-in data
    /// sets.
    pub preparation: Option<(Preparation, Vec<PreparedColumn>)>,
    /// Sentence on the split, if it was by a column.
    pub split_note: Option<String>,
}

impl Sets {
    /// Splits the data at random by `seed`, or by a column. A set for which the options name a file is read from it.
    /// `name` is the name of the data set, or the path of the table.
    pub fn of(source: Source, name: &str, options: &SplitOptions, columns: &Columns, seed: u64) -> Result<Self> {
        match source {
            Source::Data { .. } if options.split_by.is_some() => {
                let problem = format!("it is for tables, but {name} is a data set");
                Err(Error::conflict("`--split-by`", problem, "leave it out"))
            }
            Source::Data { rows, test } => Self::of_data(&rows, test, options, columns, seed),
            Source::Table { table, rows, found } => {
                let keys = options.keys(name, columns)?;
                Self::of_table((&table, &rows, &found), keys.as_ref(), options, columns, seed)
            }
        }
    }

    /// Splits the rows of a table. The preparation is fitted on the training set, and then applied to all sets.
    fn of_table(
        (table, rows, found): (&Table, &[usize], &Inspection),
        keys: Option<&SplitKeys>,
        options: &SplitOptions,
        columns: &Columns,
        seed: u64,
    ) -> Result<Self> {
        let amounts = options.amounts([default_held_out(rows.len()); 2]);
        let Some(targets) = table.targets(rows) else {
            return Err(Error::data(table.name(), "it has no target", "name one with `--target`"));
        };
        let [train, validation, test] = match keys {
            Some(keys) => split_by(keys, rows, amounts, seed)?,
            None => {
                let in_table = |set: Vec<usize>| set.into_iter().map(|number| rows[number]).collect();
                split(table.name(), rows.len(), &targets, amounts, seed)?.map(in_table)
            }
        };
        let split_note = keys.map(|keys| options.note(keys, [&train, &validation, &test]));
        let preparation = columns.preparation(table, &train, train.len())?;
        let set = |numbers: Vec<usize>| -> Result<Set> {
            Ok(Set { rows: preparation.dataset(table, &numbers)?, origin: Origin::Source(numbers) })
        };
        let some = |numbers: Vec<usize>| (!numbers.is_empty()).then(|| set(numbers)).transpose();
        let train = set(train)?;
        let given = |size: Option<&Size>| file(size, &train.rows, Some((&preparation, found)), columns);
        let (given_validation, given_test) = (given(options.validation.as_ref())?, given(options.test.as_ref())?);
        let summary = preparation.summary(table);
        let (validation, test) = (given_validation.or(some(validation)?), given_test.or(some(test)?));
        Ok(Self { validation, test, train, preparation: Some((preparation, summary)), split_note })
    }

    /// Splits the rows of a built-in data set. `own` is the test set that comes with it.
    fn of_data(
        rows: &Dataset,
        own: Option<Dataset>,
        options: &SplitOptions,
        columns: &Columns,
        seed: u64,
    ) -> Result<Self> {
        let default = match own {
            Some(_) => [BESIDE_OWN_TEST, Amount::Count(0)],
            None => [default_held_out(rows.len()); 2],
        };
        let amounts = options.amounts(default);
        let [train, validation, test] = split(rows.name(), rows.len(), rows.targets(), amounts, seed)?;
        let chosen = |numbers: Vec<usize>| Set { rows: rows.select(&numbers), origin: Origin::Source(numbers) };
        let some = |numbers: Vec<usize>| (!numbers.is_empty()).then(|| chosen(numbers));
        let train = chosen(train);
        let given = |size: Option<&Size>| file(size, &train.rows, None, columns);
        let own = own.filter(|_| options.test.is_none()).map(|rows| Set { rows, origin: Origin::Own });
        Ok(Self {
            validation: given(options.validation.as_ref())?.or(some(validation)),
            test: given(options.test.as_ref())?.or(own).or(some(test)),
            train,
            preparation: None,
            split_note: None,
        })
    }

    /// Returns the set on which the model is evaluated after training, and its name. The name is `test`; `validation`
    /// if there is no test set; `all` (the training set) if there is neither.
    pub fn evaluated(&self) -> (&Dataset, &'static str) {
        match (&self.test, &self.validation) {
            (Some(test), _) => (&test.rows, "test"),
            (None, Some(validation)) => (&validation.rows, "validation"),
            (None, None) => (&self.train.rows, "all"),
        }
    }

    /// Sets with rows, each with its name: `train`, `validation` and `test`.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &Set)> {
        let held_out = [("validation", &self.validation), ("test", &self.test)];
        let held_out = held_out.into_iter().filter_map(|(name, set)| Some((name, set.as_ref()?)));
        std::iter::once(("train", &self.train)).chain(held_out)
    }

    /// Returns a warning about classes without rows in the training set, which the model never predicts; `None` if
    /// there are no such classes.
    pub fn untrained_classes(&self) -> Option<Warning> {
        let Targets::Classes { indices, names } = self.train.rows.targets() else { return None };
        let mut is_trained = vec![false; names.len()];
        indices.iter().for_each(|class| is_trained[*class as usize] = true);
        let untrained: Vec<&str> =
            names.iter().zip(is_trained).filter(|(_, trained)| !trained).map(|(name, _)| name.as_str()).collect();
        let message = format!(
            "{} of {} classes have no row in the training set, {}: they are never predicted; add rows, or use another \
             `--seed`",
            untrained.len(),
            names.len(),
            listed(&untrained)
        );
        (!untrained.is_empty()).then(|| Warning::new("untrained_class", message))
    }

    /// Number of rows in all sets together.
    pub fn len(&self) -> usize {
        self.all().map(|(_, set)| set.rows.len()).sum()
    }

    /// Number of rows of each set; 0 for a missing set.
    pub fn sizes(&self) -> Rows {
        let size = |set: &Option<Set>| set.as_ref().map_or(0, |set| set.rows.len());
        Rows { train: self.train.rows.len(), validation: size(&self.validation), test: size(&self.test) }
    }
}

/// Reads the set from its file; returns `None` if `size` is not a file. `prepared` is as in [`like`].
fn file(
    size: Option<&Size>,
    train: &Dataset,
    prepared: Option<(&Preparation, &Inspection)>,
    columns: &Columns,
) -> Result<Option<Set>> {
    let Some(Size::File(path)) = size else { return Ok(None) };
    Ok(Some(Set { rows: like(train, prepared, columns, path)?, origin: Origin::File(path.clone()) }))
}

/// Returns the indices of the rows of the training, validation and test set. `all` is the number of rows to split.
fn split(name: &str, all: usize, targets: &Targets, amounts: [Amount; 2], seed: u64) -> Result<[Vec<usize>; 3]> {
    let [validation, test] = amounts.map(|amount| amount.fraction(all));
    if validation == 0.0 && test == 0.0 {
        return Ok([(0..all).collect(), vec![], vec![]]);
    }
    let train = 1.0 - validation - test;
    if (train * all as f64).round() < 1.0 {
        let [validation, test] = amounts.map(|amount| amount.of(all));
        let problem = format!("{validation} rows to validate and {test} to test leave none of {all} to train on");
        return Err(Error::conflict("`--validation`, `--test`", problem, "make them smaller"));
    }
    // The split depends only on the number of rows and on their classes.
    let numbers = (0..all).map(|row| row as f64).collect();
    let numbered = Dataset::table(name, ["row"], numbers, targets.clone())?;
    let (train, validation, test) = numbered.split(Split::parts(train, validation).seed(seed))?;
    let numbers = |set: Dataset| (0..set.len()).map(|row| set.value(row, 0) as usize).collect();
    let mut sets = [train, validation, test].map(numbers);
    if let Targets::Classes { indices, names } = targets {
        train_each_class(&mut sets, indices, names.len());
    }
    Ok(sets)
}

/// Splits the rows of a table by a column.
fn split_by(keys: &SplitKeys, rows: &[usize], amounts: [Amount; 2], seed: u64) -> Result<[Vec<usize>; 3]> {
    let sets = keys.split(rows, amounts.map(|amount| amount.of(rows.len())), seed);
    if sets[0].is_empty() {
        let kept = "rows of the same time or group stay together, and none is left to train on";
        return Err(Error::conflict("`--split-by`", kept, "make `--validation` and `--test` smaller"));
    }
    Ok(sets)
}

/// Moves rows from the validation and the test set to the training set, so that it has at least one row of each class.
fn train_each_class([train, validation, test]: &mut [Vec<usize>; 3], indices: &[u32], classes: usize) {
    let mut is_trained = vec![false; classes];
    train.iter().for_each(|row| is_trained[indices[*row] as usize] = true);
    for held_out in [validation, test] {
        let mut take = |row: &usize| !std::mem::replace(&mut is_trained[indices[*row] as usize], true);
        train.extend(held_out.extract_if(.., |row| take(row)));
    }
}
