"""Metrics by scikit-learn, for tests/metrics_golden.rs.

    python3 tests/golden/metrics.py > tests/golden/metrics.json

With scikit-learn 1.9. A case has the arguments of `Predictions`; `metrics` has values by the text of each metric. null is
scikit-learn's NaN. scikit-learn has no expected calibration error: it is computed here from its definition.
"""

import json
import math
import warnings

import numpy as np
from sklearn import metrics as sk

warnings.simplefilter("ignore")
generator = np.random.default_rng(20261130)
AVERAGES = ["macro", "micro", "weighted"]


def calibration_error(actual, probabilities, weights):
    """Guo et al. 2017, with 15 bins (a, b] of equal width."""
    predicted = probabilities.argmax(axis=1)
    confidence = probabilities.max(axis=1)
    weights = np.ones(len(actual)) if weights is None else weights
    error = 0.0
    for low, high in [(bin / 15, (bin + 1) / 15) for bin in range(15)]:
        inside = (confidence > low) & (confidence <= high)
        right, weight = (predicted == actual)[inside], weights[inside]
        if weight.sum() > 0:
            error += abs((weight * right).sum() - (weight * confidence[inside]).sum())
    return error / weights.sum()


def of_classes(actual, predicted, labels, w):
    """Metrics of predicted classes. Without `labels`, those that occur."""
    every = dict(labels=labels, zero_division=0, sample_weight=w)
    values = {
        "accuracy": sk.accuracy_score(actual, predicted, sample_weight=w),
        "balanced_accuracy": sk.balanced_accuracy_score(actual, predicted, sample_weight=w),
        "matthews_correlation": sk.matthews_corrcoef(actual, predicted, sample_weight=w),
        "cohen_kappa": sk.cohen_kappa_score(actual, predicted, sample_weight=w),
    }
    binary = ["binary"] if max(actual.max(), predicted.max()) < 2 and labels in (None, [0, 1]) else []
    for average in AVERAGES + binary:
        options = dict(every, average=average)
        values[f"precision(average={average})"] = sk.precision_score(actual, predicted, **options)
        values[f"recall(average={average})"] = sk.recall_score(actual, predicted, **options)
        for beta in [1, 0.5, 2]:
            found = sk.fbeta_score(actual, predicted, beta=beta, **options)
            values[f"f_beta(beta={beta}, average={average})"] = found
    return values


def of_scores(actual, scores, w):
    """Metrics of the ranking. One column is the score of class 1."""
    columns = scores.shape[1]
    values = {}
    if columns == 1:
        values["roc_auc"] = sk.roc_auc_score(actual, scores[:, 0], sample_weight=w)
        values["pr_auc"] = sk.average_precision_score(actual, scores[:, 0], sample_weight=w)
        return values
    labels = list(range(columns))
    rest = np.array([[int(class_ == label) for label in labels] for class_ in actual])
    # As `multi_class="ovr"`, without its condition that scores sum to 1.
    values["roc_auc"] = sk.roc_auc_score(rest, scores, average="macro", sample_weight=w)
    if np.allclose(scores.sum(axis=1), 1) and len(set(actual)) == columns:
        ovr = sk.roc_auc_score(actual, scores, multi_class="ovr", average="macro", labels=labels, sample_weight=w)
        assert math.isclose(ovr, values["roc_auc"], rel_tol=1e-12)
    values["pr_auc"] = sk.average_precision_score(rest, scores, average="macro", sample_weight=w)
    for k in [1, 2, columns]:
        found = sk.top_k_accuracy_score(actual, scores, k=k, labels=labels, sample_weight=w)
        values[f"top_k_accuracy(k={k})"] = found
    return values


def of_probabilities(actual, q, w):
    columns = q.shape[1]
    both = np.hstack([1 - q, q]) if columns == 1 else q
    labels = list(range(both.shape[1]))
    values = of_classes(actual, both.argmax(axis=1), labels, w) | of_scores(actual, q, w)
    if columns == 1:
        for k in [1, 2]:
            found = sk.top_k_accuracy_score(actual, q[:, 0], k=k, labels=labels, sample_weight=w)
            values[f"top_k_accuracy(k={k})"] = found
        values["brier_score"] = sk.brier_score_loss(actual, q[:, 0], pos_label=1, labels=labels, sample_weight=w)
    else:
        values["brier_score"] = sk.brier_score_loss(actual, q, labels=labels, sample_weight=w)
    values["log_loss"] = sk.log_loss(actual, both, labels=labels, sample_weight=w)
    values["expected_calibration_error"] = calibration_error(actual, both, w)
    return values


def of_numbers(t, y, w):
    values = {
        "explained_variance": sk.explained_variance_score(t, y, sample_weight=w),
        "mae": sk.mean_absolute_error(t, y, sample_weight=w),
        "mse": sk.mean_squared_error(t, y, sample_weight=w),
        "rmse": sk.root_mean_squared_error(t, y, sample_weight=w),
        "mape": sk.mean_absolute_percentage_error(t, y, sample_weight=w),
        "median_absolute_error": sk.median_absolute_error(t, y, sample_weight=w),
    }
    if len(t) > 1:  # NaN for one row, where wgrad takes it as a constant target.
        values["r2"] = sk.r2_score(t, y, sample_weight=w)
    for quantile in [0.5, 0.1, 0.9]:
        found = sk.mean_pinball_loss(t, y, alpha=quantile, sample_weight=w)
        values[f"pinball(quantile={quantile})"] = found
    return values


def of_labels(actual, scores, w):
    """Metrics of several labels per row. wgrad's accuracy is that of single labels."""
    predicted = (scores > 0).astype(int)
    values = {
        "accuracy": 1 - sk.hamming_loss(actual, predicted, sample_weight=w),
        "exact_match": sk.accuracy_score(actual, predicted, sample_weight=w),
        "f1": sk.f1_score(actual, predicted, average="micro", zero_division=0, sample_weight=w),
        "roc_auc": sk.roc_auc_score(actual, scores, average="macro", sample_weight=w),
        "pr_auc": sk.average_precision_score(actual, scores, average="macro", sample_weight=w),
    }
    for average in AVERAGES:
        options = dict(average=average, zero_division=0, sample_weight=w)
        values[f"precision(average={average})"] = sk.precision_score(actual, predicted, **options)
        values[f"recall(average={average})"] = sk.recall_score(actual, predicted, **options)
        values[f"f_beta(beta=2, average={average})"] = sk.fbeta_score(actual, predicted, beta=2, **options)
    return values


def case(name, kind, weights=None, columns=1, labels=None, **data):
    data = {key: np.array(value) for key, value in data.items()}
    w = None if weights is None else np.array(weights, dtype=float)
    if kind == "classes":
        values = of_classes(data["actual"], data["predicted"], labels, w)
    elif kind == "scores":
        values = of_scores(data["actual"], data["scores"], w)
    elif kind == "labels":
        values = of_labels(data["actual"].reshape(-1, columns), data["scores"].reshape(-1, columns), w)
    elif kind == "probabilities":
        values = of_probabilities(data["actual"], data["scores"], w)
    else:
        values = of_numbers(data["targets"].reshape(-1, columns), data["outputs"].reshape(-1, columns), w)
    clean = {text: None if math.isnan(value) else float(value) for text, value in values.items()}
    lists = {key: value.ravel().tolist() for key, value in data.items()}
    return dict(name=name, kind=kind, **lists, weights=None if w is None else w.tolist(), columns=columns,
                class_count=None if labels is None else len(labels), metrics=clean)


def classes(name, actual, predicted, **options):
    return case(name, "classes", actual=actual, predicted=predicted, **options)


def softmax(z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def draw(count, rows):
    return generator.integers(count, size=rows)


def weights(rows):
    return generator.choice([0.0, 0.25, 0.7, 1.0, 3.3], size=rows)


quarters = np.array([[0.5, 0.25, 0.25], [0.25, 0.5, 0.25], [0.25, 0.25, 0.5], [0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
normal = generator.normal
logits, logits5 = normal(size=(60, 3)), normal(size=(80, 5))
numbers, errors = normal(size=100) * 50 + 7, normal(size=100) * 9
whole = generator.integers(-3, 4, size=(2, 30)).astype(float)

cases = [
    classes("binary", draw(2, 50), draw(2, 50)),
    classes("binary with weights", draw(2, 50), draw(2, 50), weights=weights(50)),
    classes("imbalanced", [0] * 97 + [1] * 3, [0] * 95 + [1] * 5),
    classes("perfect", [0, 1, 1, 0, 1], [0, 1, 1, 0, 1]),
    classes("worst", [0, 1, 1, 0, 1], [1, 0, 0, 1, 0]),
    classes("one row, right", [1], [1]),
    classes("one row, wrong", [1], [0]),
    classes("one class is actual", [1, 1, 1], [1, 0, 1]),
    classes("one class is predicted", [1, 0, 1], [1, 1, 1]),
    classes("all of class 0", [0, 0], [0, 0]),
    classes("constant and different", [0, 0, 0], [1, 1, 1]),
    classes("five classes", draw(5, 80), draw(5, 80)),
    classes("five classes with weights", draw(5, 80), draw(5, 80), weights=weights(80)),
    classes("gaps between classes", [0, 7, 7, 3, 900000], [7, 7, 0, 3, 3]),
    classes("a class is never actual", [0, 0, 1, 1], [0, 2, 1, 2]),
    classes("a class is never predicted", [0, 2, 1, 1, 2], [0, 0, 1, 1, 0]),
    classes("labels that do not occur", [0, 2, 1, 1, 2], [0, 0, 1, 1, 0], labels=[0, 1, 2, 3, 4]),
    case("binary scores", "scores", actual=draw(2, 60), scores=normal(size=(60, 1))),
    case("binary scores with ties and weights", "scores", actual=draw(2, 60),
         scores=generator.integers(-2, 3, size=(60, 1)).astype(float), weights=weights(60)),
    case("all scores are equal", "scores", actual=[0, 1, 1, 0, 1], scores=np.zeros((5, 1))),
    case("zeros of both signs", "scores", actual=[0, 1, 1, 0], scores=[[-0.0], [0.0], [-0.0], [0.0]]),
    case("perfect scores", "scores", actual=[0, 0, 1, 1], scores=[[-5.0], [-4.0], [3.0], [1e300]]),
    case("worst scores", "scores", actual=[1, 1, 0, 0], scores=[[-5.0], [-4.0], [3.0], [4.0]]),
    case("no positive row", "scores", actual=[0, 0], scores=[[1.0], [2.0]]),
    case("no negative row", "scores", actual=[1, 1], scores=[[1.0], [2.0]]),
    case("scores of five classes", "scores", actual=np.r_[draw(5, 75), 0:5], scores=logits5),
    case("scores with many ties", "scores", actual=np.r_[draw(5, 75), 0:5], scores=logits5.round(0), weights=weights(75).tolist() + [1.0] * 5),
    case("scores, one row", "scores", actual=[1], scores=[[0.5, 0.5, 0.5]]),
    case("probabilities of class 1", "probabilities", actual=draw(2, 60), scores=generator.random((60, 1))),
    case("probabilities of class 1 with weights", "probabilities", actual=draw(2, 60), scores=generator.random((60, 1)),
         weights=weights(60)),
    case("sure and right, sure and wrong", "probabilities", actual=[0, 1, 1, 0], scores=[[0.0], [1.0], [0.0], [1.0]]),
    case("all sure and right", "probabilities", actual=[0, 1, 1], scores=[[0.0], [1.0], [1.0]]),
    case("all one half", "probabilities", actual=[0, 1, 1], scores=[[0.5], [0.5], [0.5]]),
    case("probabilities of two classes", "probabilities", actual=np.r_[draw(2, 58), 0:2],
         scores=softmax(normal(size=(60, 2)))[:, 1:]),
    case("probabilities of three classes", "probabilities", actual=np.r_[draw(3, 57), 0:3], scores=softmax(logits)),
    case("with weights", "probabilities", actual=np.r_[draw(3, 57), 0:3], scores=softmax(logits),
         weights=np.r_[weights(57), 1, 1, 1]),
    case("equal probabilities", "probabilities", actual=[2, 1, 0, 1, 2], scores=quarters),
    case("a class without rows", "probabilities", actual=[0, 1, 0, 1, 1], scores=quarters),
    case("sharp probabilities", "probabilities", actual=np.r_[draw(3, 57), 0:3], scores=softmax(logits * 40)),
    case("limits of bins", "probabilities", actual=draw(2, 16), scores=(np.arange(16) / 15)[:, None]),
    case("numbers", "numbers", targets=numbers, outputs=numbers + errors),
    case("numbers with weights", "numbers", targets=numbers, outputs=numbers + errors, weights=weights(100)),
    case("two columns", "numbers", columns=2, targets=numbers, outputs=numbers + errors),
    case("four columns with weights", "numbers", columns=4, targets=numbers, outputs=numbers - errors, weights=weights(25)),
    case("whole numbers and zeros", "numbers", targets=whole[0], outputs=whole[1]),
    case("whole numbers with weights", "numbers", targets=whole[0], outputs=whole[1], weights=weights(30)),
    case("half of the weight on either side", "numbers", targets=[0.0] * 4, outputs=[1.0, 2.0, 4.0, 8.0],
         weights=[1.0, 2.0, 0.0, 3.0]),
    case("perfect numbers", "numbers", targets=numbers, outputs=numbers),
    case("far away", "numbers", targets=numbers, outputs=-1000 * numbers),
    case("constant targets, right", "numbers", targets=[4.0] * 3, outputs=[4.0] * 3),
    case("constant targets, shifted", "numbers", targets=[4.0] * 3, outputs=[5.0] * 3),
    case("constant targets, wrong", "numbers", targets=[4.0] * 3, outputs=[4.0, 5.0, 6.5]),
    case("one constant column", "numbers", columns=2, targets=[4.0, 1.0, 4.0, 2.0], outputs=[5.0, 1.0, 4.0, 3.0]),
    case("shifted", "numbers", targets=[1.0, 2.0, 3.0], outputs=[2.0, 3.0, 4.0]),
    case("one row of numbers", "numbers", targets=[2.0], outputs=[3.5]),
    case("labels", "labels", columns=3, actual=draw(2, 120), scores=normal(size=120)),
    case("labels with weights", "labels", columns=4, actual=draw(2, 160), scores=normal(size=160).round(1),
         weights=weights(40)),
    case("labels that are never predicted or never actual", "labels", columns=3, actual=[0, 1, 0, 0, 0, 0, 0, 1, 0],
         scores=[1.0, -1.0, -2.0, -1.0, -3.0, -0.5, 2.0, -0.25, -4.0]),
    case("large offset", "numbers", targets=1e9 + np.arange(50.0), outputs=1e9 + np.arange(50.0)[::-1]),
]
print("[\n" + ",\n".join("  " + json.dumps(one) for one in cases) + "\n]")
