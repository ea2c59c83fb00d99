//! Declarations of all metrics. In formulas, t is the actual class or target, p the predicted class, q a probability, s
//! a score, and y an output.

use super::declare::Compute::{Averaged, Bins, Columns, Counts, Labels, Ranking, Rows};
use super::declare::metrics;
use super::undefined;
use super::{Average, ClassCounts};

const INFINITE: f64 = f64::INFINITY;

/// Number of bins of [`expected_calibration_error`].
const BINS: u32 = 15;

metrics! {
    /// Accuracy: fraction of the rows whose predicted class is the actual one (scikit-learn's `accuracy_score`). With
    /// several labels per row, it is the fraction of correct labels (1 − `hamming_loss`); for fully correct rows, see
    /// [`exact_match`].
    pub fn accuracy();
    formula "mean of [p = t]", from Classes, larger is better, range [0.0, 1.0];
    example ("&Predictions::classes(&[0, 1, 1, 0], &[0, 1, 0, 0])") = "0.75";
    Rows(|row, _| f64::from(row.actual == row.predicted));

    /// Fraction of the rows whose actual class is among the `k` classes with the highest scores
    /// (`top_k_accuracy_score`). `k` is at least 1. Among equal scores, the class with the larger index ranks first.
    /// With two classes, k = 1 is the accuracy. The result is 1 if k is at least the number of classes.
    pub fn top_k_accuracy(k: usize = Whole 2.0);
    formula "mean of [t is among the k highest scores]", from Scores, larger is better, range [0.0, 1.0];
    example ("&Predictions::scores(&[2, 0], &[0.5, 0.2, 0.3, 0.1, 0.4, 0.5]), 2") = "0.5";
    Rows(|row, [k, _]| f64::from(row.rank() <= k));

    /// Balanced accuracy: unweighted mean of the recall of each class that has rows (`balanced_accuracy_score`).
    pub fn balanced_accuracy();
    formula "mean recall of the classes that have rows", from Classes, larger is better, range [0.0, 1.0];
    example ("&Predictions::classes(&[0, 0, 0, 1], &[0, 0, 0, 0])") = "0.5";
    Counts(|counts, _| Ok(counts.balanced_accuracy()));

    /// Precision: fraction of the rows predicted as a class that are of this class, averaged over classes
    /// (`precision_score` with `zero_division=0`).
    pub fn precision(average: Average = Average 0.0);
    formula "right rows / rows predicted as the class", from Classes, larger is better, range [0.0, 1.0];
    example ("&Predictions::classes(&[0, 0, 1, 1], &[0, 1, 1, 1]), Average::Macro") = "(1.0 + 2.0 / 3.0) / 2.0";
    Averaged(|class, _| class.precision());

    /// Recall: fraction of the rows of a class that are predicted as this class, averaged over classes (`recall_score`
    /// with `zero_division=0`).
    pub fn recall(average: Average = Average 0.0);
    formula "right rows / rows of the class", from Classes, larger is better, range [0.0, 1.0];
    example ("&Predictions::classes(&[0, 0, 1, 1], &[0, 1, 1, 1]), Average::Binary") = "1.0";
    Averaged(|class, _| class.recall());

    /// F-score: weighted harmonic mean of precision P and recall R, averaged over classes (`fbeta_score` with
    /// `zero_division=0`). `beta` is at least 0. With 1, it is the F1 score; a larger `beta` gives recall more weight.
    pub fn f_beta(beta: f64 = NotNegative 1.0, average: Average = Average 0.0);
    formula "(1 + beta^2)·P·R / (beta^2·P + R)", from Classes, larger is better, range [0.0, 1.0];
    example ("&Predictions::classes(&[0, 0, 1, 1], &[0, 1, 1, 1]), 2.0, Average::Binary") = "5.0 * 2.0 / (4.0 * 2.0 + 3.0)";
    Averaged(|class, [beta, _]| class.f_beta(beta));

    /// Area under the ROC curve (`roc_auc_score`). For more than two classes, it is the mean over classes of the area
    /// for the class against all others (`multi_class="ovr"`). A class without rows is an error, where scikit-learn
    /// returns NaN.
    pub fn roc_auc();
    formula "mean of [s of a row of the class > s of another]", from Scores, larger is better, range [0.0, 1.0];
    example ("&Predictions::scores(&[0, 0, 1, 1], &[0.1, 0.4, 0.35, 0.8])") = "0.75";
    Ranking(|ranking| ranking.roc_auc());

    /// Area under the precision-recall curve, as average precision without interpolation (`average_precision_score`).
    /// For more than two classes, it is the mean over classes of the area for the class against all others. The area of
    /// a class without rows is 0.
    pub fn pr_auc();
    formula "sum of (R_i - R_(i-1))·P_i over thresholds i", from Scores, larger is better, range [0.0, 1.0];
    example ("&Predictions::scores(&[0, 0, 1, 1], &[0.1, 0.4, 0.35, 0.8])") = "0.5 * 1.0 + 0.5 * 2.0 / 3.0";
    Ranking(|ranking| Some(ranking.average_precision()));

    /// Cross-entropy of the predicted probabilities (`log_loss`), with the natural logarithm. Probabilities are clipped
    /// to \[ε, 1 − ε\] with ε = 2⁻⁵².
    pub fn log_loss();
    formula "mean of -ln q_t", from Probabilities, smaller is better, range [0.0, INFINITE];
    example ("&Predictions::probabilities(&[1, 0], &[0.5, 0.75])") = "(2f64.ln() + 4f64.ln()) / 2.0";
    Rows(|row, _| -row.scores[row.actual as usize].clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln());

    /// Brier score (`brier_score_loss`): squared error of the probabilities, summed over classes, averaged over rows.
    /// For two classes, it is half of that: the mean squared error of the probability of class 1.
    pub fn brier_score();
    formula "mean of sum_k (q_k - [k = t])^2", from Probabilities, smaller is better, range [0.0, 2.0];
    example ("&Predictions::probabilities(&[1, 0], &[0.5, 0.75])") = "(0.25 + 0.5625) / 2.0";
    Rows(|row, _| row.brier_score());

    /// Matthews correlation coefficient (`matthews_corrcoef`): correlation of actual and predicted classes. It is 0 if
    /// all actual or all predicted classes are equal.
    pub fn matthews_correlation();
    formula "cov(t, p) / sqrt(cov(t, t)·cov(p, p))", from Classes, larger is better, range [-1.0, 1.0];
    example ("&Predictions::classes(&[1, 1, 1, 0], &[1, 0, 1, 1])") = "-1.0 / 3.0";
    Counts(|counts, _| Ok(counts.matthews_correlation()));

    /// Cohen's kappa (`cohen_kappa_score`): agreement of actual and predicted classes, corrected for chance. It is an
    /// error if all rows are of one class and predicted as it, where scikit-learn returns NaN.
    pub fn cohen_kappa();
    formula "1 - (1 - accuracy) / (1 - accuracy by chance)", from Classes, larger is better, range [-1.0, 1.0];
    example ("&Predictions::classes(&[0, 0, 1, 1], &[0, 1, 1, 1])") = "0.5";
    Counts(|counts, _| counts.cohen_kappa().ok_or_else(|| undefined("cohen_kappa", "all rows are of one class and predicted as it")));

    /// Expected calibration error (Guo et al., *On Calibration of Modern Neural Networks*, 2017): absolute difference
    /// between confidence and accuracy, averaged over 15 bins of equal width, weighted by rows. The confidence is the
    /// highest probability of a row. A bin includes its upper limit. Among equal probabilities, the class with the
    /// smallest index is the predicted one. scikit-learn has no such metric.
    pub fn expected_calibration_error();
    formula "mean |accuracy - confidence| of 15 bins, by rows", from Probabilities, smaller is better, range [0.0, 1.0];
    example ("&Predictions::probabilities(&[1, 0, 0], &[0.9, 0.9, 0.25])") = "0.8 / 3.0 + 0.25 / 3.0";
    Bins(|row| {
        let confidence = row.scores[row.predicted as usize];
        let bin = (1..BINS).filter(|bin| confidence > f64::from(*bin) / f64::from(BINS)).count();
        (bin, f64::from(row.actual == row.predicted) - confidence)
    });

    /// Fraction of the rows with all labels predicted correctly (`accuracy_score` of several labels per row).
    pub fn exact_match();
    formula "mean of [all labels of the row are right]", from Labels, larger is better, range [0.0, 1.0];
    example ("&Predictions::labels(&[1, 0, 0, 1], &[0.5, -1.0, 2.0, 3.0], 2)") = "0.5";
    Labels(|labels| labels.mean(|row| f64::from(row.iter().all(|(actual, predicted)| actual == predicted))));

    /// F1 score over all labels of all rows (`f1_score` with `average="micro"`). It is 0 if there are neither actual
    /// nor predicted labels. Unlike the accuracy, it is not high merely because most labels are absent. For other
    /// averages, and for classes, see [`f_beta`].
    pub fn f1();
    formula "2·right / (actual + predicted labels)", from Labels, larger is better, range [0.0, 1.0];
    example ("&Predictions::labels(&[1, 0, 0, 1], &[0.5, -1.0, 2.0, 3.0], 2)") = "0.8";
    Labels(|labels| ClassCounts::total(&labels.counts()).f_beta(1.0));

    /// Coefficient of determination R² (`r2_score`), averaged over target columns. For constant targets, including a
    /// single row, it is 1 if all outputs are exact, otherwise 0. (scikit-learn returns NaN for a single row.)
    pub fn r2();
    formula "1 - mean (y - t)^2 / variance of t", from Numbers, larger is better, range [-INFINITE, 1.0];
    example ("&Predictions::numbers(&[1.0, 2.0, 3.0], &[1.0, 2.0, 4.0])") = "0.5";
    Columns(|column, _| column.explained(column.mean(|t, y| (y - t).powi(2))));

    /// Explained variance (`explained_variance_score`), averaged over target columns. It is R² after the mean error is
    /// subtracted from the outputs. For constant targets, it is 1 if all errors are equal, otherwise 0.
    pub fn explained_variance();
    formula "1 - variance of (y - t) / variance of t", from Numbers, larger is better, range [-INFINITE, 1.0];
    example ("&Predictions::numbers(&[1.0, 2.0, 3.0], &[2.0, 3.0, 4.0])") = "1.0";
    Columns(|column, _| column.explained(column.variance(|t, y| y - t)));

    /// Mean absolute error (`mean_absolute_error`) in the unit of the target, averaged over target columns.
    pub fn mae();
    formula "mean of |y - t|", from Numbers, smaller is better, range [0.0, INFINITE];
    example ("&Predictions::numbers(&[1.0, 2.0], &[2.0, 5.0])") = "2.0";
    Columns(|column, _| column.mean(|t, y| (y - t).abs()));

    /// Mean squared error (`mean_squared_error`) in the squared unit of the target, averaged over target columns.
    pub fn mse();
    formula "mean of (y - t)^2", from Numbers, smaller is better, range [0.0, INFINITE];
    example ("&Predictions::numbers(&[1.0, 2.0], &[2.0, 5.0])") = "5.0";
    Columns(|column, _| column.mean(|t, y| (y - t).powi(2)));

    /// Root mean squared error (`root_mean_squared_error`) in the unit of the target. The root is taken for each target
    /// column, and then averaged.
    pub fn rmse();
    formula "sqrt(mean of (y - t)^2)", from Numbers, smaller is better, range [0.0, INFINITE];
    example ("&Predictions::numbers(&[1.0, 2.0, 0.0, 0.0], &[2.0, 5.0, 1.0, 1.0]).columns(2)") = "(1.0 + 5f64.sqrt()) / 2.0";
    Columns(|column, _| column.mean(|t, y| (y - t).powi(2)).sqrt());

    /// Mean absolute percentage error (`mean_absolute_percentage_error`) as a fraction: 0.1 is 10 %. It is averaged
    /// over target columns. |t| is taken as at least 2⁻⁵², so a target of 0 gives a very large but finite error.
    pub fn mape();
    formula "mean of |y - t| / |t|", from Numbers, smaller is better, range [0.0, INFINITE];
    example ("&Predictions::numbers(&[10.0, -2.0], &[11.0, -1.0])") = "0.3";
    Columns(|column, _| column.mean(|t, y| (y - t).abs() / t.abs().max(f64::EPSILON)));

    /// Median of the absolute error (`median_absolute_error`) in the unit of the target, averaged over target columns.
    /// It is robust to outliers.
    pub fn median_absolute_error();
    formula "median of |y - t|", from Numbers, smaller is better, range [0.0, INFINITE];
    example ("&Predictions::numbers(&[1.0, 2.0, 3.0], &[2.0, 5.0, 900.0])") = "3.0";
    Columns(|column, _| column.median(|t, y| (y - t).abs()));

    /// Pinball loss (`mean_pinball_loss` with `alpha` = `quantile`), averaged over target columns. It is smallest if
    /// the outputs are this quantile of the targets, from 0 to 1. With 0.5, it is half the mean absolute error.
    pub fn pinball(quantile: f64 = Fraction 0.5);
    formula "mean of max(quantile·e, quantile·e - e), e = t-y", from Numbers, smaller is better, range [0.0, INFINITE];
    example ("&Predictions::numbers(&[1.0, 2.0], &[2.0, 0.0]), 0.75") = "(0.25 * 1.0 + 0.75 * 2.0) / 2.0";
    Columns(|column, [quantile, _]| column.mean(|t, y| (quantile * (t - y)).max((1.0 - quantile) * (y - t))));
}
