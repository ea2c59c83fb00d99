//! Text of a confusion matrix, in lines of at most 80 characters.

use std::fmt;
use std::ops::Range;

use super::{ClassMetrics, Confusion};
use crate::metrics::ClassCounts;
use crate::text::{columns, shortened, shown, table, table_with_gap};

/// Largest width in characters.
const WIDTH: usize = 80;
/// Largest number of classes for which the matrix is shown. With more, only the classes with the lowest F1 are shown.
const MOST_CLASSES: usize = 30;
/// Smallest number of classes for which the most frequent errors are listed.
const MANY_CLASSES: usize = 11;
/// Number of classes shown, and of errors listed, if there are more than [`MOST_CLASSES`] classes.
const FEW: usize = 10;
/// Number of errors listed if there is a matrix as well.
const ERRORS: usize = 5;
/// Largest length of a class name in characters.
const NAME: usize = 24;

impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.classes.len();
        if count > MOST_CLASSES {
            writeln!(f, "the {FEW} classes with the lowest F1, of {count}")?;
            writeln!(f, "{}", self.metrics(self.worst_classes()))?;
            return match self.errors(FEW) {
                Some(errors) => f.write_str(&errors),
                None => writeln!(f, "no row was misclassified"),
            };
        }
        writeln!(f, "{}", self.metrics(self.per_class()))?;
        if let Some(errors) = (count >= MANY_CLASSES).then(|| self.errors(ERRORS)).flatten() {
            writeln!(f, "{errors}")?;
        }
        writeln!(f, "confusion matrix: rows are true classes, columns are predicted")?;
        f.write_str(&self.by_name().unwrap_or_else(|| self.by_number()))
    }
}

impl Confusion {
    /// Returns the table of the metrics of these classes, and of the mean over all classes.
    fn metrics(&self, classes: Vec<ClassMetrics>) -> String {
        let cells = |ClassMetrics { class, precision, recall, f1, support }: ClassMetrics| {
            let numbers = [precision, recall, f1].map(|number| format!("{number:.3}"));
            [&[shortened(&class, NAME)], &numbers[..], &[support.to_string(), String::new()]].concat()
        };
        let head = ["class", "precision", "recall", "F1", "rows", ""].map(String::from).to_vec();
        let rows = classes.into_iter().chain([self.macro_average()]).map(cells);
        table(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), 1)
    }

    /// Returns the classes with the lowest F1. Leaves out classes that have no rows and are never predicted, since they
    /// say nothing about the model.
    fn worst_classes(&self) -> Vec<ClassMetrics> {
        let occurs = |(_, found): &(usize, ClassCounts)| found.support + found.predicted > 0.0;
        let classes = self.counts.classes().enumerate().filter(occurs);
        let mut classes: Vec<_> = classes.map(|(class, _)| self.class(class)).collect();
        classes.sort_by(|a, b| a.f1.total_cmp(&b.f1));
        classes.truncate(FEW);
        classes
    }

    /// Returns the table of the most frequent errors; `None` if there are none.
    fn errors(&self, most: usize) -> Option<String> {
        let wrong = self.counts.pairs().filter(|((actual, predicted), _)| actual != predicted);
        let mut wrong: Vec<((usize, usize), f64)> = wrong.collect();
        wrong.sort_by(|one, two| two.1.total_cmp(&one.1));
        wrong.truncate(most);
        let name = |class: usize| shortened(&shown(&self.classes[class]), NAME);
        let cells = |((actual, predicted), rows): ((usize, usize), f64)| {
            let share = format!("{:.1} %", 100.0 * rows / self.counts.class(actual).support);
            vec![name(actual), name(predicted), rows.to_string(), share, String::new()]
        };
        let head = ["most frequent errors", "predicted as", "rows", "of class", ""].map(String::from).to_vec();
        let rows: Vec<_> = std::iter::once(head).chain(wrong.into_iter().map(cells)).collect();
        (rows.len() > 1).then(|| table(&rows, 2))
    }

    /// Returns the matrix with class names above its columns; `None` if shortened names are not unique, or if it is too
    /// wide.
    fn by_name(&self) -> Option<String> {
        let names: Vec<String> = self.classes.iter().map(|name| shortened(&shown(name), NAME)).collect();
        let differ = (1..names.len()).all(|class| !names[..class].contains(&names[class]));
        let matrices = [2, 1].map(|gap| self.matrix(&names, &names, 0..names.len(), gap));
        let fits = |matrix: &String| differ && matrix.lines().all(|line| columns(line) <= WIDTH);
        matrices.into_iter().find(fits)
    }

    /// Returns the matrix with class numbers above its columns, split into as many blocks of columns as are needed to
    /// fit.
    fn by_number(&self) -> String {
        let count = self.classes.len();
        let numbers: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        let digits = numbers.last().map_or(1, String::len);
        let label = |(number, name): (usize, &String)| shortened(&shown(&format!("{number:>digits$} {name}")), NAME);
        let labels: Vec<String> = self.classes.iter().enumerate().map(label).collect();
        let cell = 1 + digits.max(self.digits());
        let room = (WIDTH - labels.iter().map(|label| columns(label)).max().unwrap_or(0)) / cell;
        let each = count.div_ceil(count.div_ceil(room.max(1)));
        let block = |first: usize| self.matrix(&labels, &numbers, first..count.min(first + each), 1);
        (0..count).step_by(each).map(block).collect::<Vec<_>>().join("\n")
    }

    /// Returns some columns of the matrix, `gap` spaces apart.
    fn matrix(&self, labels: &[String], heads: &[String], columns: Range<usize>, gap: usize) -> String {
        // Columns of equal width are easier to read.
        let digits = self.digits();
        let heads = heads[columns.clone()].iter().map(|head| format!("{head:>digits$}"));
        let count = |count: &u64| if *count == 0 { "·".into() } else { count.to_string() };
        let line = |class: usize| {
            let counts = self.row(class);
            let counts = counts[columns.clone()].iter().map(count);
            std::iter::once(labels[class].clone()).chain(counts).chain([String::new()]).collect()
        };
        let head = std::iter::once(String::new()).chain(heads).chain([String::new()]).collect();
        let lines: Vec<Vec<String>> = std::iter::once(head).chain((0..labels.len()).map(line)).collect();
        table_with_gap(&lines, 1, gap)
    }

    /// Returns the number of digits of the largest count.
    fn digits(&self) -> usize {
        self.counts.pairs().map(|(_, rows)| rows.to_string().len()).max().unwrap_or(0)
    }
}
