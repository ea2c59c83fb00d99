"""Writes plateau.json: learning rates of PyTorch's ReduceLROnPlateau after each of a run of values.

    python plateau.py [OUTPUT]      (default: plateau.json beside this file)

Settings have wgrad's names.
"""

import json
import random
import sys
from pathlib import Path

import torch

LEARNING_RATE = 0.1

CASES = [
    {},
    {"patience": 2},
    {"patience": 0, "factor": 0.5},
    {"patience": 1, "factor": 0.3, "cooldown": 3},
    {"patience": 1, "factor": 0.5, "threshold": 0.05},
    {"patience": 1, "factor": 0.5, "threshold": 0.05, "absolute": True},
    {"patience": 0, "factor": 0.1, "least": 0.0005},
    {"patience": 0, "factor": 0.1},
    {"patience": 1, "factor": 0.5, "threshold": 0.02, "metric": "accuracy"},
    {"patience": 1, "factor": 0.5, "threshold": 0.02, "absolute": True, "metric": "accuracy"},
    {"patience": 2, "factor": 0.7, "cooldown": 1, "metric": "r2"},
]


def run(case, values):
    """Learning rates after each value."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=LEARNING_RATE)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer,
        mode="max" if "metric" in case else "min",
        factor=case.get("factor", 0.1),
        patience=case.get("patience", 10),
        threshold=case.get("threshold", 1e-4),
        threshold_mode="abs" if case.get("absolute") else "rel",
        cooldown=case.get("cooldown", 0),
        min_lr=case.get("least", 0.0),
    )
    rates = []
    for value in values:
        scheduler.step(value)
        rates.append(optimizer.param_groups[0]["lr"])
    return rates


def main():
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("plateau.json")
    numbers = random.Random(1)
    cases = []
    for case in CASES:
        rises = "metric" in case
        # Values that improve more and more slowly, then not at all, with noise; R² begins below 0.
        trend = [1.0 / (1.0 + 0.3 * min(step, 20)) for step in range(60)]
        values = [(0.9 - 1.4 * value if rises else value) + numbers.uniform(-0.05, 0.05) for value in trend]
        cases.append({"settings": case, "values": values, "learning_rates": run(case, values)})
    lines = ",\n".join(json.dumps(case) for case in cases)
    torch_version = torch.__version__.split("+")[0]
    output.write_text(f'{{"torch": "{torch_version}",\n"learning_rate": {LEARNING_RATE},\n"cases": [\n{lines}\n]}}\n')


main()
