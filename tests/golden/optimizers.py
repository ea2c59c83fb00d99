"""Writes optimizers.json: fifty updates of eight parameters by every optimizer, computed in float64.

    python optimizers.py [OUTPUT]      (default: optimizers.json beside this file)

The gradients of each step are given, so that only the update is tested. PyTorch's optimizers are the references; Lion and
Adan, which it does not have, are written out below from their papers. Settings have wgrad's names.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch

STEPS = 50
SHOWN = [1, 2, 3, 6, 10, 25, 50]  # steps after which the parameters are compared

CASES = [
    {"kind": "sgd", "learning_rate": 0.1},
    {"kind": "sgd", "learning_rate": 0.1, "weight_decay": 0.1},
    {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9, "dampening": 0.5},
    {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.01},
    {"kind": "rmsprop", "learning_rate": 0.01},
    {"kind": "rmsprop", "learning_rate": 0.01, "alpha": 0.9, "momentum": 0.5, "weight_decay": 0.1},
    {"kind": "rmsprop", "learning_rate": 0.01, "centered": True, "epsilon": 0.01},
    {"kind": "rmsprop", "learning_rate": 0.01, "alpha": 0.9, "centered": True, "momentum": 0.9},
    {"kind": "adagrad", "learning_rate": 0.1},
    {"kind": "adagrad", "learning_rate": 0.1, "rate_decay": 0.1, "initial": 0.5, "weight_decay": 0.1},
    {"kind": "adadelta"},
    {"kind": "adadelta", "learning_rate": 0.5, "rho": 0.8, "epsilon": 0.001, "weight_decay": 0.1},
    {"kind": "adam", "learning_rate": 0.01},
    {"kind": "adam", "learning_rate": 0.01, "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.1},
    {"kind": "adam", "learning_rate": 0.01, "amsgrad": True},
    {"kind": "adamw", "learning_rate": 0.01},
    {"kind": "adamw", "learning_rate": 0.01, "amsgrad": True, "weight_decay": 0.3},
    {"kind": "nadam"},
    {"kind": "nadam", "learning_rate": 0.01, "momentum_decay": 0.05, "weight_decay": 0.1},
    {"kind": "nadam", "learning_rate": 0.01, "beta1": 0.8, "weight_decay": 0.1, "decoupled": True},
    {"kind": "radam", "learning_rate": 0.01},
    {"kind": "radam", "learning_rate": 0.01, "beta2": 0.9, "weight_decay": 0.1},
    {"kind": "radam", "learning_rate": 0.01, "beta2": 0.98, "weight_decay": 0.1, "decoupled": True},
    {"kind": "adamax"},
    {"kind": "adamax", "learning_rate": 0.01, "beta2": 0.9, "weight_decay": 0.1},
    {"kind": "lion", "learning_rate": 0.01},
    {"kind": "lion", "learning_rate": 0.01, "beta1": 0.5, "beta2": 0.8, "weight_decay": 0.3},
    {"kind": "adan", "learning_rate": 0.01},
    {"kind": "adan", "learning_rate": 0.01, "beta1": 0.9, "beta2": 0.8, "beta3": 0.95, "weight_decay": 0.3},
]

NAMES = {
    "learning_rate": "lr",
    "epsilon": "eps",
    "decoupled": "decoupled_weight_decay",
    "rate_decay": "lr_decay",
    "initial": "initial_accumulator_value",
}


def lion(p, gradients, learning_rate=1e-4, beta1=0.9, beta2=0.99, weight_decay=0.0):
    """Chen et al. 2023, Algorithm 2."""
    m = np.zeros_like(p)
    for g in gradients:
        direction = beta1 * m + (1 - beta1) * g
        assert np.abs(direction).min() > 1e-6, "a rounding would decide on the sign"
        p = p - learning_rate * (np.sign(direction) + weight_decay * p)
        m = beta2 * m + (1 - beta2) * g
        yield p


def adan(p, gradients, learning_rate=1e-3, beta1=0.98, beta2=0.92, beta3=0.99, epsilon=1e-8, weight_decay=0.0):
    """Xie et al. 2022, Algorithm 1, with 1 - beta for the paper's beta, and bias corrections as in the authors' program."""
    m = v = n = np.zeros_like(p)
    before = gradients[0]
    for t, g in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * (g - before)
        n = beta3 * n + (1 - beta3) * (g + beta2 * (g - before)) ** 2
        root = np.sqrt(n / (1 - beta3**t)) + epsilon
        change = (m / (1 - beta1**t) + beta2 * v / (1 - beta2**t)) / root
        p = (p - learning_rate * change) / (1 + learning_rate * weight_decay)
        before = g
        yield p


def pytorch(p, gradients, kind, settings):
    settings = {NAMES.get(name, name): value for name, value in settings.items()}
    if "beta1" in settings or "beta2" in settings:
        settings["betas"] = (settings.pop("beta1", 0.9), settings.pop("beta2", 0.999))
    kinds = {"sgd": "SGD", "rmsprop": "RMSprop", "adagrad": "Adagrad", "adadelta": "Adadelta", "adam": "Adam"}
    kinds |= {"adamw": "AdamW", "nadam": "NAdam", "radam": "RAdam", "adamax": "Adamax"}
    parameter = torch.nn.Parameter(torch.tensor(p))
    optimizer = getattr(torch.optim, kinds[kind])([parameter], **({"lr": 0.01} if kind == "sgd" else {}) | settings)
    for g in gradients:
        parameter.grad = torch.tensor(g)
        optimizer.step()
        yield parameter.detach().numpy().copy()


def main():
    single = lambda x: np.float32(x).astype(np.float64)
    p = single([0.5, -0.25, 1.0, -1.5, 0.125, 0.75, -0.5, 2.0])
    sizes = np.array([1.0, 0.3, 3.0, 0.1, 1.0, 0.01, 0.5, 2.0])
    column = np.arange(8)
    gradients = [single(sizes * (np.sin(0.9 * t + column) + 0.2 * np.cos(0.1 * t * column))) for t in range(STEPS)]
    cases = []
    for case in CASES:
        settings = {name: value for name, value in case.items() if name != "kind"}
        own = {"lion": lion, "adan": adan}.get(case["kind"])
        run = own(p, gradients, **settings) if own else pytorch(p, gradients, case["kind"], settings)
        results = list(run)
        assert all(math.isfinite(x) for x in results[-1])
        cases.append({"optimizer": case, "parameters": [results[step - 1].tolist() for step in SHOWN]})
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("optimizers.json")
    lines = ",\n".join(json.dumps(case) for case in cases)
    head = {"torch": torch.__version__.split("+")[0], "steps": SHOWN, "first": p.tolist()}
    head["gradients"] = [g.tolist() for g in gradients]
    path.write_text(json.dumps(head)[:-1] + ',\n"cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
