"""Peers with their default settings, on the same rows, with the preparation that their documentation recommends."""

import time

import numpy
import pandas

# Levels of a text column beyond which a peer gets no such column: names and ids.
MOST_LEVELS = 1000


def inputs(train, test):
    """Training and test inputs of all peers: numbers, categories, and the parts of dates as numbers."""
    train, test = train.iloc[:, :-1].copy(), test.iloc[:, :-1].copy()
    for column in list(train.columns):
        if train[column].dtype == bool:
            train[column], test[column] = train[column].astype(int), test[column].astype(int)
        if pandas.api.types.is_numeric_dtype(train[column]):
            continue
        known = train[column].dropna().astype(str)
        if known.str.match(r"\d{4}-\d\d-\d\d").mean() > 0.99:
            for rows in (train, test):
                date = pandas.to_datetime(rows[column], errors="coerce")
                for part in ("year", "month", "day", "dayofweek", "hour"):
                    rows[f"{column}_{part}"] = getattr(date.dt, part)
        if known.nunique() > MOST_LEVELS or f"{column}_year" in train:
            train, test = train.drop(columns=column), test.drop(columns=column)
            continue
        levels = pandas.CategoricalDtype(sorted(known.unique()))
        text = [rows[column].where(rows[column].isna(), rows[column].astype(str)) for rows in (train, test)]
        train[column], test[column] = (rows.astype(levels) for rows in text)
    return train, test


def columns(train):
    """Preparation for linear models and networks: medians and indicators, scaled; one-hot categories."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers = make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler())
    categories = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5, sparse_output=False)
    return make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        (categories, make_column_selector(dtype_include="category")),
    )


def linear(task, train):
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.pipeline import make_pipeline

    model = LogisticRegression(max_iter=500) if task == "classification" else RidgeCV(numpy.logspace(-3, 3, 13))
    return make_pipeline(columns(train), model)


def mlp(task, train, seed):
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if task == "classification":
        return make_pipeline(columns(train), MLPClassifier(random_state=seed))
    # Without scaled targets, its regressor is far behind on targets such as prices.
    model = TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler())
    return make_pipeline(columns(train), model)


def hist_gradient_boosting(task, train, seed):
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    kind = HistGradientBoostingClassifier if task == "classification" else HistGradientBoostingRegressor
    large = [column for column in train if train[column].dtype == "category" and len(train[column].cat.categories) > 250]
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=numpy.nan)
    prepared = make_column_transformer((codes, large), remainder="passthrough", verbose_feature_names_out=False)
    return make_pipeline(prepared.set_output(transform="pandas"), kind(categorical_features="from_dtype", random_state=seed))


def light_gbm(task, train, seed):
    import lightgbm

    kind = lightgbm.LGBMClassifier if task == "classification" else lightgbm.LGBMRegressor
    return kind(random_state=seed, n_jobs=1, verbose=-1)


def real_mlp(task, train, seed):
    import pytabkit

    kind = pytabkit.RealMLP_TD_Classifier if task == "classification" else pytabkit.RealMLP_TD_Regressor
    return kind(device="cpu", random_state=seed, n_threads=1, verbosity=0)


PEERS = {
    "linear": lambda task, train, seed: linear(task, train),
    "sklearn_mlp": mlp,
    "hist_gradient_boosting": hist_gradient_boosting,
    "lightgbm": light_gbm,
    "realmlp": real_mlp,
}


def measure(peer, set, seed, train, test):
    """Score (accuracy or R²) on the test rows, and seconds for preparation, training and prediction."""
    import warnings

    from sklearn.metrics import accuracy_score, r2_score

    warnings.simplefilter("ignore")
    began = time.perf_counter()
    known, unknown = inputs(train, test)
    target = train.iloc[:, -1]
    if set.task == "classification":
        target = target.astype(str)
    if peer == "lightgbm":
        for rows in (known, unknown):
            rows.columns = [f"c{number}" for number in range(len(rows.columns))]
    predicted = PEERS[peer](set.task, known, seed).fit(known, target).predict(unknown)
    seconds = time.perf_counter() - began
    actual = test.iloc[:, -1]
    score = accuracy_score(actual.astype(str), predicted) if set.task == "classification" else r2_score(actual, predicted)
    return {"score": float(score), "seconds": seconds}
