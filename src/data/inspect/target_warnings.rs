//! Warnings about targets that are hard to learn or to evaluate.

use super::warnings::{Warning, counted, listed, short, warning};
use super::{Column, Inspection, Kind, ReadAs, Role};
use crate::data::FEWEST_TO_SPLIT;
use crate::data::table::MOST_CLASSES;

/// Number of rows below which a class may be missing in the validation or the test set, each 15 % of all rows.
const FEW_OF_A_CLASS: usize = 10;

/// Ratio between the largest and the smallest class from which the classes are imbalanced.
const IMBALANCED: usize = 10;

/// Number of standard deviations from the mean beyond which a target is an outlier.
const FAR: f64 = 6.0;

pub(super) fn target(found: &Inspection) -> Vec<Warning> {
    // The column is found by its role, since an input may have the same name. If there are several targets, the last
    // one is inspected.
    let Some(column) = found.columns.iter().rfind(|column| column.role == Role::Target) else { return vec![] };
    let warnings = match found.target.read_as {
        ReadAs::Class => classes(found, column),
        ReadAs::Number => numbers(column, found.delimiter.is_some()),
    };
    warnings.into_iter().map(|(kind, message)| warning(kind, [column], message)).collect()
}

fn classes(found: &Inspection, column: &Column) -> Vec<(&'static str, String)> {
    let mut warnings = vec![];
    let classes = &found.target.classes;
    let (Some(most), Some(least)) =
        (classes.iter().max_by_key(|class| class.rows), classes.iter().min_by_key(|class| class.rows))
    else {
        return warnings;
    };
    if classes.len() == 1 {
        let message = format!("the target has only one class, `{}`, so there is nothing to learn", short(&most.name));
        return vec![("one_class", message)];
    }
    let single = classes.iter().filter(|class| class.rows == 1).count();
    let is_counted = !column.different_or_more;
    if is_counted && 2 * single > classes.len() && classes.len() > MOST_CLASSES {
        let message = format!(
            "{single} of {} classes have 1 row each, so that they cannot be learned; choose another `--target`, or \
             `--task regression` for numbers",
            classes.len()
        );
        return vec![("single_rows", message)];
    }
    let rare: Vec<&str> =
        classes.iter().filter(|class| class.rows < FEW_OF_A_CLASS).map(|class| class.name.as_str()).collect();
    if !rare.is_empty() && found.rows >= FEWEST_TO_SPLIT {
        let at_least = if column.different_or_more { "at least " } else { "" };
        let message = format!(
            "{at_least}{} of {} classes with fewer than {FEW_OF_A_CLASS} rows, {}: the validation or test set may get none",
            rare.len(),
            column.different,
            listed(&rare)
        );
        warnings.push(("rare_class", message));
    }
    if most.rows >= IMBALANCED * least.rows {
        let share = 100.0 * most.share;
        let message = format!(
            "classes are imbalanced, `{}` has {} and `{}` {}: accuracy is {share:.1} % if `{}` is always predicted",
            short(&most.name),
            counted(most.rows, "row"),
            short(&least.name),
            least.rows,
            short(&most.name)
        );
        warnings.push(("imbalanced", message));
    }
    warnings
}

/// Returns warnings about a target of numbers. `guessed` is true if its values decided that it is a number, as in a
/// table.
fn numbers(column: &Column, guessed: bool) -> Vec<(&'static str, String)> {
    let mut warnings = vec![];
    let Some(moments) = column.moments else { return warnings };
    let farthest = if moments.max - moments.mean > moments.mean - moments.min { moments.max } else { moments.min };
    let away = (farthest - moments.mean).abs() / moments.deviation;
    if away > FAR {
        let message = format!(
            "a target of {farthest} is {away:.0} standard deviations from the mean; check whether it is an error"
        );
        warnings.push(("outliers", message));
    }
    if guessed && column.different > 1 && column.kind == Kind::WholeNumber {
        let different = counted(column.different, "different whole number");
        let message = format!(
            "the target is read as a number, since it has {different}; classes are at most \
             {MOST_CLASSES}, and fewer than half as many as rows"
        );
        warnings.push(("many_values", message));
    }
    warnings
}
