//! Number of rows of a data set that were in a model's training set.

use std::path::Path;

use wgrad::data::{CsvOptions, KindChoice, ReadAs, Table};
use wgrad::model::Metadata;
use wgrad::{Dataset, Model};

use super::columns::Reading;
use super::data::{NAMES, STANDARD};

/// Returns the number of rows in the training set of a model, if `data` are the rows that were split for its training.
/// `None` if they are not, or if that is not known. `source` is the name of the data set, or the path of the table.
pub fn trained_on(model: &Model, source: &str, data: &Dataset, reading: &Reading) -> Option<usize> {
    let head = &model.metadata;
    let (origin, record) = (head.origin.as_ref()?, head.record.as_ref()?);
    let checksum = match NAMES.contains(&source) {
        true => data.checksum(),
        // Standard input cannot be read twice. A table with fewer rows is another one.
        false if source == STANDARD || data.len() < origin.rows => return None,
        false => Table::read(Path::new(source), &options(head, reading)).ok()?.checksum(),
    };
    let train = *record.sets.get("train")?;
    (checksum == origin.checksum).then_some(train)
}

/// Returns the options with which the table was read for training.
fn options(head: &Metadata, reading: &Reading) -> CsvOptions {
    let options = head.csv_options(reading.csv_options());
    let Some(table) = &head.table else { return options };
    let kinds = head.origin.as_ref().and_then(|origin| origin.settings.get("columns"));
    let kind = |text: &str| {
        let (column, kind) = text.rsplit_once('=')?;
        let (_, kind) = KindChoice::ALL.iter().find(|(name, _)| *name == kind)?;
        Some((column.to_string(), *kind))
    };
    CsvOptions {
        target: head.targets.first().cloned(),
        weights: table.weights.clone(),
        drop: table.dropped.iter().filter(|name| Some(*name) != table.weights.as_ref()).cloned().collect(),
        kinds: kinds.iter().flat_map(|kinds| kinds.split(", ")).filter_map(kind).collect(),
        read_as: Some(if head.classes.is_some() { ReadAs::Class } else { ReadAs::Number }),
        formats: Default::default(),
        names: vec![],
        ..options
    }
}
