//! Confusion matrix and metrics of each class, in lines of 80 columns.

use wgrad::model::{ClassMetrics, Confusion};
use wgrad::{Dataset, Device, Evaluation, Model, Result};

use super::lines::{WIDTH, columns, cut, table};

/// Most classes of a matrix. Of more classes only the worst are shown.
const MOST_CLASSES: usize = 30;

/// Longest name of a class, in columns.
const NAME: usize = 24;

/// Fewest classes for which the most frequent errors are listed, and their number.
const MANY_CLASSES: usize = 11;
const MOST_ERRORS: usize = 5;

/// Confusion matrix of a model that predicts one class per row, on data with one class per row.
pub fn confusion(model: &Model, device: &Device, data: &Dataset, found: &Evaluation) -> Result<Option<Confusion>> {
    let has_classes = model.metadata.class_count().is_some() && found.accuracy.is_some();
    has_classes.then(|| model.confusion_on(device, data)).transpose()
}

/// Metrics of each class, the most frequent errors of many classes, and the matrix.
pub fn text(confusion: &Confusion) -> String {
    let count = confusion.classes().len();
    if count > MOST_CLASSES {
        return confusion.to_string();
    }
    let errors = if count < MANY_CLASSES { String::new() } else { frequent_errors(confusion) };
    let matrix = by_name(confusion).unwrap_or_else(|| by_number(confusion));
    let title = "confusion matrix: rows are true classes, columns are predicted";
    format!("{}\n{errors}{title}\n{matrix}", metrics(confusion))
}

fn metrics(confusion: &Confusion) -> String {
    let cells = |ClassMetrics { class, precision, recall, f1, support, .. }: ClassMetrics| {
        let numbers = [precision, recall, f1].map(|number| format!("{number:.3}"));
        [&[cut(&class, NAME)], &numbers[..], &[support.to_string()]].concat()
    };
    let head = ["class", "precision", "recall", "F1", "rows"].map(String::from).to_vec();
    let classes = confusion.per_class().into_iter().chain([confusion.macro_average()]);
    table(&std::iter::once(head).chain(classes.map(cells)).collect::<Vec<_>>(), 1, 2)
}

fn frequent_errors(confusion: &Confusion) -> String {
    let classes = 0..confusion.classes().len();
    let pairs = classes.clone().flat_map(|actual| classes.clone().map(move |predicted| (actual, predicted)));
    let wrong = pairs.filter(|(actual, predicted)| actual != predicted && confusion.count(*actual, *predicted) > 0);
    let mut wrong: Vec<_> = wrong.collect();
    wrong.sort_by_key(|(actual, predicted)| std::cmp::Reverse(confusion.count(*actual, *predicted)));
    let name = |class: usize| cut(&confusion.classes()[class], NAME);
    let cells = |(actual, predicted): (usize, usize)| {
        vec![name(actual), name(predicted), confusion.count(actual, predicted).to_string()]
    };
    let head = ["most frequent errors", "predicted as", "rows"].map(String::from).to_vec();
    let rows: Vec<_> = std::iter::once(head).chain(wrong.into_iter().take(MOST_ERRORS).map(cells)).collect();
    if rows.len() == 1 { String::new() } else { table(&rows, 2, 2) + "\n" }
}

/// The matrix with names above its columns, if they differ and fit.
fn by_name(confusion: &Confusion) -> Option<String> {
    let names: Vec<String> = confusion.classes().iter().map(|name| cut(name, NAME)).collect();
    let differ = (1..names.len()).all(|class| !names[..class].contains(&names[class]));
    let matrices = [2, 1].map(|gap| matrix(confusion, &names, &names, 0..names.len(), gap));
    let fits = |matrix: &String| differ && matrix.lines().all(|line| columns(line) <= WIDTH);
    matrices.into_iter().find(fits)
}

/// The matrix with numbers above its columns, in as many blocks of columns as it takes.
fn by_number(confusion: &Confusion) -> String {
    let count = confusion.classes().len();
    let numbers: Vec<String> = (0..count).map(|number| number.to_string()).collect();
    let digits = numbers.last().map_or(1, String::len);
    let label = |(number, name): (usize, &String)| cut(&format!("{number:>digits$} {name}"), NAME);
    let labels: Vec<String> = confusion.classes().iter().enumerate().map(label).collect();
    let cell = 1 + digits.max(most(confusion).to_string().len());
    let room = (WIDTH - labels.iter().map(|label| columns(label)).max().unwrap_or(0)) / cell;
    let each = count.div_ceil(count.div_ceil(room.max(1)));
    let block = |first: usize| matrix(confusion, &labels, &numbers, first..count.min(first + each), 1);
    (0..count).step_by(each).map(block).collect::<Vec<_>>().join("\n")
}

/// Some columns of the matrix.
fn matrix(c: &Confusion, labels: &[String], heads: &[String], shown: std::ops::Range<usize>, gap: usize) -> String {
    // All columns are as wide as the largest count.
    let digits = most(c).to_string().len();
    let head = std::iter::once(String::new()).chain(heads[shown.clone()].iter().map(|head| format!("{head:>digits$}")));
    let count = |actual: usize, predicted: usize| match c.count(actual, predicted) {
        0 => "·".into(),
        count => count.to_string(),
    };
    let row = |actual: usize| {
        std::iter::once(labels[actual].clone()).chain(shown.clone().map(|predicted| count(actual, predicted))).collect()
    };
    table(&std::iter::once(head.collect()).chain((0..labels.len()).map(row)).collect::<Vec<Vec<String>>>(), 1, gap)
}

/// Largest count of the matrix.
fn most(confusion: &Confusion) -> u64 {
    let classes = confusion.classes().len();
    (0..classes * classes).map(|pair| confusion.count(pair / classes, pair % classes)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A row of each class is right, and one is predicted as the next class.
    fn confusion(count: usize, name: impl Fn(usize) -> String) -> Confusion {
        let actual: Vec<u32> = (0..2 * count).map(|row| (row / 2) as u32).collect();
        let predicted: Vec<u32> = (0..2 * count).map(|row| ((row / 2 + row % 2) % count) as u32).collect();
        Confusion::new((0..count).map(name).collect(), &actual, &predicted).expect("rows")
    }

    #[test]
    fn a_matrix_of_up_to_30_classes_fits_80_columns() {
        for count in 2..=30 {
            for text in
                [text(&confusion(count, |n| n.to_string())), text(&confusion(count, |n| format!("class number {n}")))]
            {
                assert!(text.lines().all(|line| columns(line) <= WIDTH), "{text}");
                let (_, matrix) = text.split_once("columns are predicted\n").expect("a title");
                let ones = matrix.split_whitespace().filter(|cell| *cell == "1").count();
                assert!(ones >= 2 * count, "each class has two counts: {text}");
                assert_eq!(text.contains("most frequent errors"), count > 10, "{text}");
            }
        }
    }

    #[test]
    fn names_are_above_the_columns_if_they_fit() {
        let text = text(&confusion(3, |n| ["cat", "dog", "owl"][n].into()));
        assert!(
            text.ends_with("     cat  dog  owl\ncat    1    1    ·\ndog    ·    1    1\nowl    1    ·    1\n"),
            "{text}"
        );
    }
}
