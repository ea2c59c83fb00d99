//! Computation of several metrics from rows that are added one after another.

use crate::error::{Result, collected, try_with_capacity};
use crate::metrics::column::Column;
use crate::metrics::counts::Counts;
use crate::metrics::declare::Compute;
use crate::metrics::ranking::Ranking;
use crate::metrics::sum::Sum;
use crate::metrics::{Metric, Row, undefined};

/// Computation of the metrics of a classification, row by row. Memory does not grow with the number of rows, unless a
/// metric needs the ranking of all rows by score.
pub(crate) struct Scorer {
    /// Metrics, each with the sum of every bin. A mean over rows has a single bin.
    metrics: Vec<(Metric, Vec<Sum>)>,
    counts: Counts,
    weight: Sum,
    kept: Option<Kept>,
}

/// Rows that are stored for metrics of the ranking.
#[derive(Default)]
struct Kept {
    actual: Vec<u32>,
    weights: Vec<f64>,
    /// Scores of class 1 if there are two classes, otherwise of each class.
    scores: Vec<f64>,
}

/// Returns the class with the highest score, or the first of several equal ones.
fn highest(scores: &[f64]) -> u32 {
    (1..scores.len()).fold(0, |best, class| if scores[class] > scores[best] { class } else { best }) as u32
}

impl Scorer {
    /// Creates a scorer for the classes 0 to `class_count` − 1. `rows` is the expected number of rows.
    pub(crate) fn new(metrics: &[Metric], class_count: usize, rows: usize) -> Result<Self> {
        let mut scorer = Self::with_labels(metrics, collected("classes", class_count, 0..class_count as u32)?)?;
        if let Some(kept) = &mut scorer.kept {
            let columns = if class_count == 2 { 1 } else { class_count };
            kept.scores = try_with_capacity("scores of all rows", rows.saturating_mul(columns))?;
        }
        Ok(scorer)
    }

    /// Creates a scorer for these classes, in ascending order.
    pub(crate) fn with_labels(metrics: &[Metric], labels: Vec<u32>) -> Result<Self> {
        Ok(Self {
            counts: Counts::new(labels)?,
            weight: Sum::default(),
            kept: metrics.iter().any(Metric::is_of_ranking).then(Kept::default),
            metrics: metrics.iter().map(|metric| (*metric, Vec::new())).collect(),
        })
    }

    /// Adds a row without scores.
    pub(crate) fn add_class(&mut self, actual: u32, predicted: u32, weight: f64) {
        self.add_row(&Row { actual, predicted, scores: &[] }, weight);
    }

    /// Adds a row with one score per class. There are at least two classes. Without a predicted class, it is that of
    /// the highest score.
    pub(crate) fn add(&mut self, actual: u32, predicted: Option<u32>, scores: &[f64], weight: f64) {
        if let Some(kept) = &mut self.kept {
            kept.actual.push(actual);
            kept.weights.push(weight);
            kept.scores.extend_from_slice(if scores.len() == 2 { &scores[1..] } else { scores });
        }
        let predicted = predicted.unwrap_or_else(|| highest(scores));
        self.add_row(&Row { actual, predicted, scores }, weight);
    }

    fn add_row(&mut self, row: &Row<'_>, weight: f64) {
        // Rows of weight 0 do not count.
        if weight == 0.0 {
            return;
        }
        self.weight.add(weight);
        self.counts.add(row.actual, row.predicted, weight);
        for (metric, sums) in &mut self.metrics {
            let (bin, term) = match metric.compute_kind() {
                Compute::Rows(term) => (0, term(row, metric.values)),
                Compute::Bins(term) => term(row),
                Compute::Averaged(_)
                | Compute::Counts(_)
                | Compute::Ranking(_)
                | Compute::Columns(_)
                | Compute::Labels(_) => continue,
            };
            if sums.len() <= bin {
                sums.resize(bin + 1, Sum::default());
            }
            sums[bin].add(weight * term);
        }
    }

    /// Returns the value of each metric, in the order in which the metrics were given.
    pub(crate) fn finish(self) -> Vec<Result<f64>> {
        let weight = self.weight.value();
        let areas = self.kept.map(|kept| kept.areas(&self.metrics, self.counts.len()));
        let mut areas = areas.into_iter().flatten();
        let value = |(metric, sums): &(Metric, Vec<Sum>)| match metric.compute_kind() {
            Compute::Rows(_) | Compute::Bins(_) => {
                Ok(sums.iter().map(|sum| sum.value().abs()).collect::<Sum>().value() / weight)
            }
            Compute::Counts(compute) => compute(&self.counts, metric.values),
            Compute::Averaged(of_class) => {
                self.counts.average(metric.average(), |class| of_class(class, metric.values))
            }
            Compute::Ranking(_) | Compute::Columns(_) | Compute::Labels(_) => {
                areas.next().unwrap_or_else(|| no_scores(metric))
            }
        };
        self.metrics.iter().map(value).collect()
    }
}

/// Returns the error for a metric that needs scores, if the rows have none. [`Metric::compute`] reports other errors
/// first, so users never see this one.
pub(super) fn no_scores(metric: &Metric) -> Result<f64> {
    Err(undefined(metric.name(), "there are no scores"))
}

impl Kept {
    /// Returns the value of each metric that needs the ranking, in order.
    fn areas(&self, metrics: &[(Metric, Vec<Sum>)], class_count: usize) -> Vec<Result<f64>> {
        let columns = self.scores.len() / self.actual.len().max(1);
        let classes = if columns == 1 { 1..2 } else { 0..class_count as u32 };
        let rankings = classes.clone().map(|class| {
            let score = |row: usize| self.scores[row * columns + if columns == 1 { 0 } else { class as usize }];
            Ranking::new((0..self.actual.len()).map(|row| (score(row), self.actual[row] == class, self.weights[row])))
        });
        let rankings: Vec<_> = rankings.collect();
        let area = |(metric, _): &(Metric, Vec<Sum>)| match metric.compute_kind() {
            Compute::Ranking(of_one) => {
                let of = |(class, ranking): (u32, &Ranking)| {
                    let undefined = || undefined(metric.name(), &format!("no row, or every row, is of class {class}"));
                    of_one(ranking).ok_or_else(undefined)
                };
                let areas = classes.clone().zip(&rankings).map(of).collect::<Result<Vec<f64>>>();
                Some(areas.map(|areas| areas.iter().copied().collect::<Sum>().value() / areas.len() as f64))
            }
            _ => None,
        };
        metrics.iter().filter_map(area).collect()
    }
}

/// Computes metrics of numbers, averaged over target columns. `targets` and `outputs` have the shape [rows, columns],
/// row-major, with at least one row.
pub(crate) fn of_numbers(
    metrics: &[Metric],
    targets: &[f64],
    outputs: &[f64],
    columns: usize,
    weights: Option<&[f64]>,
) -> Vec<Result<f64>> {
    let weight = |row: usize| weights.map_or(1.0, |weights| weights[row]);
    let column = |first: usize| {
        let places = (first..targets.len()).step_by(columns);
        Column::new(places.map(|at| [targets[at], outputs[at], weight(at / columns)]))
    };
    let all: Vec<Column> = if metrics.is_empty() { Vec::new() } else { (0..columns).map(column).collect() };
    let of_one = |metric: &Metric| {
        let Compute::Columns(compute) = metric.compute_kind() else { return no_scores(metric) };
        let sum = all.iter().map(|column| compute(column, metric.values)).collect::<Sum>();
        match sum.value() / columns as f64 {
            value if value.is_finite() => Ok(value),
            value => Err(undefined(metric.name(), &format!("the numbers are so large that it is {value}"))),
        }
    };
    metrics.iter().map(of_one).collect()
}
