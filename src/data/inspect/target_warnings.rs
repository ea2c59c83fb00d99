//! What makes a target hard to learn, or to judge.

use super::warnings::{Warning, counted, listed, warning};
use super::{Column, Inspection, Kind, ReadAs, Role};
use crate::data::FEWEST_TO_SPLIT;

/// Of fewer rows a class may have none in the validation or the test part, of 15 % each.
const FEW_OF_A_CLASS: usize = 10;

/// Classes are strongly imbalanced where one has so many times the rows of another.
const IMBALANCED: usize = 10;

/// A target is an outlier so many standard deviations from the mean.
const FAR: f64 = 6.0;

pub(super) fn target(found: &Inspection) -> Vec<Warning> {
    // By its role: an input of a data set may have the name of the target. Of several targets, the last is told.
    let Some(column) = found.columns.iter().rfind(|column| column.role == Role::Target) else { return vec![] };
    let told = match found.target.read_as {
        ReadAs::Class => classes(found, column),
        ReadAs::Number => numbers(column, found.delimiter.is_some()),
    };
    told.into_iter().map(|(kind, message)| warning(kind, [column], message)).collect()
}

fn classes(found: &Inspection, column: &Column) -> Vec<(&'static str, String)> {
    let mut told = vec![];
    let classes = &found.target.classes;
    let (Some(most), Some(least)) =
        (classes.iter().max_by_key(|class| class.rows), classes.iter().min_by_key(|class| class.rows))
    else {
        return told;
    };
    if classes.len() == 1 {
        let message = format!("the target has one class, `{}`: there is nothing to tell apart", most.name);
        return vec![("one_class", message)];
    }
    let rare: Vec<&str> =
        classes.iter().filter(|class| class.rows < FEW_OF_A_CLASS).map(|class| class.name.as_str()).collect();
    if !rare.is_empty() && found.rows >= FEWEST_TO_SPLIT {
        let at_least = if column.different_or_more { "at least " } else { "" };
        let message = format!(
            "{at_least}{} of {} classes with fewer than {FEW_OF_A_CLASS} rows, {}: too few to be sure of one in each part",
            rare.len(),
            column.different,
            listed(&rare)
        );
        told.push(("rare_class", message));
    }
    if most.rows >= IMBALANCED * least.rows {
        let share = 100.0 * most.share;
        let message = format!(
            "classes are imbalanced, `{}` has {} and `{}` {}: {share:.1} % are right for whoever always says `{}`",
            most.name,
            counted(most.rows, "row"),
            least.name,
            least.rows,
            most.name
        );
        told.push(("imbalanced", message));
    }
    told
}

/// Only a table's target had to be guessed.
fn numbers(column: &Column, guessed: bool) -> Vec<(&'static str, String)> {
    let mut told = vec![];
    let Some(moments) = column.moments else { return told };
    let farthest = if moments.max - moments.mean > moments.mean - moments.min { moments.max } else { moments.min };
    let away = (farthest - moments.mean).abs() / moments.deviation;
    if away > FAR {
        let message = format!("a target of {farthest} is {away:.0} standard deviations from the mean: is it an error?");
        told.push(("outliers", message));
    }
    if guessed && column.kind == Kind::WholeNumber {
        let different = column.different;
        let message = format!(
            "whole numbers of {different} different values are read as a number; classes are at most 20 values, fewer than \
             half the rows"
        );
        told.push(("many_values", message));
    }
    told
}
