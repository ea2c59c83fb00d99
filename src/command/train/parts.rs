//! Which rows are trained on, which choose the epoch, and which are kept for the end.

use wgrad::data::{FEWEST_TO_SPLIT, Warning, listed};
use wgrad::{Dataset, Error, Result, Split, Targets};

use crate::command::data::Source;
use crate::command::report::Rows;

/// What is taken for validation where the test part is given: 5,000 of MNIST's 60,000.
const VALIDATION: f64 = 1.0 / 12.0;

/// The parts of a data set. Small sets have one part, for everything.
pub struct Parts {
    pub train: Dataset,
    /// To validate and to test.
    pub held_out: Option<(Dataset, Dataset)>,
}

impl Parts {
    /// Splits what is there, by a seed.
    pub fn of(source: Source, seed: u64, patience: Option<usize>) -> Result<Self> {
        let Source { rows, test, .. } = source;
        if let Some(test) = test {
            let (train, validation, _) = rows.split(Split::parts(1.0 - VALIDATION, VALIDATION).seed(seed))?;
            return Ok(Self { train, held_out: Some((validation, test)) });
        }
        if rows.len() >= FEWEST_TO_SPLIT {
            let (train, validation, test) = rows.split(Split::parts(0.7, 0.15).seed(seed))?;
            return Ok(Self { train, held_out: Some((validation, test)) });
        }
        if patience.is_some() {
            let problem = format!("patience needs a validation part, but {} rows are too few to split", rows.len());
            return Err(Error::conflict("`--patience`", problem, "leave it out, and set `--epochs`"));
        }
        Ok(Self { train: rows, held_out: None })
    }

    /// The part to test on.
    pub fn test(&self) -> &Dataset {
        self.held_out.as_ref().map_or(&self.train, |(_, test)| test)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Dataset> {
        [&self.train].into_iter().chain(self.held_out.iter().flat_map(|(validation, test)| [validation, test]))
    }

    /// What is wrong with classes of which no row is trained on: the model can never predict them.
    pub fn untrained_classes(&self) -> Option<Warning> {
        let Targets::Classes { indices, names } = self.train.targets() else { return None };
        let mut is_trained = vec![false; names.len()];
        indices.iter().for_each(|class| is_trained[*class as usize] = true);
        let untrained: Vec<&str> =
            names.iter().zip(is_trained).filter(|(_, trained)| !trained).map(|(name, _)| name.as_str()).collect();
        let message = format!(
            "{} of {} classes have no row in the training part, {}: they are never predicted; add rows, or use another \
             `--seed`",
            untrained.len(),
            names.len(),
            listed(&untrained)
        );
        (!untrained.is_empty()).then(|| Warning { kind: "untrained_class", columns: vec![], message })
    }

    /// Rows in all.
    pub fn len(&self) -> usize {
        self.all().map(Dataset::len).sum()
    }

    /// How many rows each has.
    pub fn rows(&self) -> Rows {
        let held_out = self.held_out.as_ref().map_or((0, 0), |(validation, test)| (validation.len(), test.len()));
        Rows { train: self.train.len(), validation: held_out.0, test: held_out.1 }
    }
}
