//! Metrics of a regression.

/// Metrics of outputs against targets, each the mean over the output columns.
pub(crate) struct Regression {
    /// R², as scikit-learn's `r2_score`: for a constant target column 1 if all outputs are exact, else 0.
    pub(crate) r2: f64,
    /// Mean absolute error, as scikit-learn's `mean_absolute_error`.
    pub(crate) mae: f64,
    /// Root mean squared error, as scikit-learn's `root_mean_squared_error`: the root is taken before the mean over columns.
    pub(crate) rmse: f64,
    /// Mean squared error, as scikit-learn's `mean_squared_error`.
    pub(crate) mse: f64,
}

impl Regression {
    /// Computes the metrics of outputs and targets, both of shape [rows, columns] with at least one row.
    pub(crate) fn of(outputs: &[f64], targets: &[f64], columns: usize) -> Self {
        let all: Vec<Self> = (0..columns).map(|column| Self::of_column(outputs, targets, columns, column)).collect();
        let mean = |metric: fn(&Self) -> f64| all.iter().map(metric).sum::<f64>() / columns as f64;
        Self {
            r2: mean(|found| found.r2),
            mae: mean(|found| found.mae),
            rmse: mean(|found| found.rmse),
            mse: mean(|found| found.mse),
        }
    }

    fn of_column(outputs: &[f64], targets: &[f64], columns: usize, column: usize) -> Self {
        let rows = targets.len() / columns;
        let at = |values: &[f64], row: usize| values[row * columns + column];
        let error = |row| at(outputs, row) - at(targets, row);
        let mean = (0..rows).map(|row| at(targets, row)).sum::<f64>() / rows as f64;
        let absolute: f64 = (0..rows).map(|row| error(row).abs()).sum();
        let residual: f64 = (0..rows).map(|row| error(row).powi(2)).sum();
        let total: f64 = (0..rows).map(|row| (at(targets, row) - mean).powi(2)).sum();
        let r2 = if total > 0.0 { 1.0 - residual / total } else { f64::from(residual == 0.0) };
        let mse = residual / rows as f64;
        Self { r2, mae: absolute / rows as f64, rmse: mse.sqrt(), mse }
    }
}
