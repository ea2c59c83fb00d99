//! Text of a confusion matrix, at most 100 characters wide.

use std::fmt;

use super::{ClassMetrics, Confusion};
use crate::text::{shown, table, table_with_gap};

/// Largest width in characters.
const WIDTH: usize = 100;
/// Largest number of classes that are all shown.
const MOST: usize = 20;
/// Number of classes that are shown if there are more than [`MOST`].
const FEW: usize = 10;
/// Largest length of a class name in characters.
const NAME: usize = 40;

impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.classes_table(f)?;
        writeln!(f)?;
        match self.matrix() {
            Some(matrix) => {
                writeln!(f, "confusion matrix: one row per actual class, one column per predicted class")?;
                f.write_str(&matrix)
            }
            None => self.most_frequent(f),
        }
    }
}

impl Confusion {
    fn classes_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut classes = self.per_class();
        if classes.len() > MOST {
            writeln!(f, "the {FEW} classes with the lowest F1, of {}", classes.len())?;
            // A class without rows and predictions says nothing about the model.
            let mut seen: Vec<usize> =
                (0..classes.len()).filter(|c| self.support[*c] + self.predicted[*c] > 0).collect();
            seen.sort_by(|a, b| classes[*a].f1.total_cmp(&classes[*b].f1));
            classes = seen.into_iter().take(FEW).map(|class| classes[class].clone()).collect();
        }
        let head = ["class", "precision", "recall", "F1", "rows", ""].map(String::from).to_vec();
        let rows: Vec<_> = classes.iter().chain([&self.macro_average()]).map(cells).collect();
        f.write_str(&table(&[vec![head], rows].concat(), 1))
    }

    /// Returns the table of counts; `None` if there are too many classes or no layout fits the width.
    fn matrix(&self) -> Option<String> {
        let fits = |text: &String| text.lines().all(|line| line.chars().count() <= WIDTH);
        let layouts = [(2, 24), (2, 12), (1, 16), (1, 12)];
        let mut layouts = layouts.into_iter().filter(|_| self.classes.len() <= MOST);
        layouts.find_map(|(gap, label)| Some(self.matrix_with(gap, label)).filter(fits))
    }

    /// Returns the table of counts with `gap` blanks between columns and names of at most `label` characters.
    fn matrix_with(&self, gap: usize, label: usize) -> String {
        let count = self.classes.len();
        let room = ((WIDTH - label) / count).saturating_sub(gap).min(label);
        let mut heads: Vec<String> = self.classes.iter().map(|name| shortened(name, room)).collect();
        let mut labels: Vec<String> = self.classes.iter().map(|name| shortened(name, label)).collect();
        // Numbers are clearer than shortened names that are equal or very short.
        let same = (1..count).any(|class| heads[..class].contains(&heads[class]));
        if same || (room < 4 && heads != self.classes) {
            heads = (0..count).map(|number| number.to_string()).collect();
            let numbered = |(number, name): (&String, &String)| shortened(&format!("{number} {name}"), label);
            labels = heads.iter().zip(&self.classes).map(numbered).collect();
        }
        // Columns of equal width are easier to read.
        let digits = self.counts.values().max().map_or(0, |most| most.to_string().len());
        let heads = heads.into_iter().map(|head| format!("{head:>digits$}"));
        let line = |class: usize| {
            let counts =
                self.row(class).into_iter().map(|count| if count == 0 { "·".into() } else { count.to_string() });
            std::iter::once(labels[class].clone()).chain(counts).chain([String::new()]).collect()
        };
        let head = std::iter::once(String::new()).chain(heads).chain([String::new()]).collect();
        let lines: Vec<Vec<String>> = std::iter::once(head).chain((0..count).map(line)).collect();
        table_with_gap(&lines, 1, gap)
    }

    fn most_frequent(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wrong = self.counts.iter().filter(|((actual, predicted), _)| actual != predicted);
        let mut wrong: Vec<((usize, usize), u64)> =
            wrong.map(|(&(actual, predicted), &rows)| ((actual as usize, predicted as usize), rows)).collect();
        if wrong.is_empty() {
            return writeln!(f, "no row was misclassified");
        }
        wrong.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
        wrong.truncate(FEW);
        writeln!(f, "the most frequent confusions")?;
        let cells = |((actual, predicted), rows): ((usize, usize), u64)| {
            let share = 100.0 * rows as f64 / self.support[actual] as f64;
            let name = |class: usize| shortened(&self.classes[class], NAME);
            let share = format!("{share:.1} % of its class");
            vec![name(actual), name(predicted), rows.to_string(), share]
        };
        let head = ["actual", "predicted", "rows", ""].map(String::from).to_vec();
        let lines: Vec<_> = std::iter::once(head).chain(wrong.into_iter().map(cells)).collect();
        f.write_str(&table(&lines, 2))
    }
}

fn cells(metrics: &ClassMetrics) -> Vec<String> {
    let ClassMetrics { class, precision, recall, f1, support } = metrics;
    let numbers = [precision, recall, f1].map(|number| format!("{number:.3}"));
    [&[shortened(class, NAME)], &numbers[..], &[support.to_string(), String::new()]].concat()
}

/// Returns a name for display, shortened to at most `most` characters.
fn shortened(name: &str, most: usize) -> String {
    let name = shown(name);
    if name.chars().count() <= most {
        return name.into();
    }
    name.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}
