"""Writes optimizers.json: fifty updates of eight parameters by every optimizer, computed in float64.

    python optimizers.py [OUTPUT]      (default: optimizers.json beside this file)

The gradients of each step are given, so that only the update is tested. PyTorch's optimizers are the references; LAMB, Lion
and Adan, which it does not have, are written out below from their papers, and schedule-free AdamW from its authors' program. Settings have wgrad's names.
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
    {"kind": "adamw_schedule_free"},
    {"kind": "adamw_schedule_free", "learning_rate": 0.02, "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.3},
    {"kind": "nadam"},
    {"kind": "nadam", "learning_rate": 0.01, "momentum_decay": 0.05, "weight_decay": 0.1},
    {"kind": "nadam", "learning_rate": 0.01, "beta1": 0.8, "weight_decay": 0.1, "decoupled": True},
    {"kind": "radam", "learning_rate": 0.01},
    {"kind": "radam", "learning_rate": 0.01, "beta2": 0.9, "weight_decay": 0.1},
    {"kind": "radam", "learning_rate": 0.01, "beta2": 0.98, "weight_decay": 0.1, "decoupled": True},
    {"kind": "adamax"},
    {"kind": "adamax", "learning_rate": 0.01, "beta2": 0.9, "weight_decay": 0.1},
    {"kind": "lamb", "learning_rate": 0.01},
    {"kind": "lamb", "learning_rate": 0.02, "beta1": 0.8, "beta2": 0.95, "epsilon": 0.001, "weight_decay": 0.1},
    {"kind": "lion", "learning_rate": 0.01},
    {"kind": "lion", "learning_rate": 0.01, "beta1": 0.5, "beta2": 0.8, "weight_decay": 0.3},
    {"kind": "adan", "learning_rate": 0.01},
    {"kind": "adan", "learning_rate": 0.01, "beta1": 0.9, "beta2": 0.8, "beta3": 0.95, "weight_decay": 0.3},
]

# Three tensors with settings of their own: a tenth of the learning rate, no weight decay, frozen.
GROUPS = [
    {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.1},
    {"kind": "adam", "learning_rate": 0.01, "weight_decay": 0.2},
    {"kind": "adamw", "learning_rate": 0.01, "weight_decay": 0.3},
]

# Three tensors with penalties: L1 0.05, L2 0.04, both; gradients are clipped to +-0.5 before the penalties are added.
PENALTIES = [
    {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9},
    {"kind": "adam", "learning_rate": 0.01, "weight_decay": 0.1},
]

# Three tensors with gradients and parameters of sizes of their own. Gradients of each are clipped to this norm.
TENSORS = [
    ({"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9}, 1.0),
    ({"kind": "adam", "learning_rate": 0.01, "weight_decay": 0.1}, 1.0),
    ({"kind": "lamb", "learning_rate": 0.01}, None),
    ({"kind": "lamb", "learning_rate": 0.01, "epsilon": 0.1, "weight_decay": 0.1}, 1.0),
]
SCALES = [(1.0, 1.0), (0.125, 0.5), (4.0, 0.0)]

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


def pytorch_groups(p, gradients, kind, settings):
    """The parameters after each step, of three tensors one after the other."""
    settings = {NAMES.get(name, name): value for name, value in settings.items()}
    tensors = [torch.nn.Parameter(torch.tensor(p), requires_grad=number < 2) for number in range(3)]
    groups = [{"params": [tensors[0]], "lr": 0.1 * settings["lr"]}, {"params": [tensors[1]], "weight_decay": 0.0}]
    kinds = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}
    optimizer = getattr(torch.optim, kinds[kind])(groups + [{"params": [tensors[2]]}], **settings)
    for g in gradients:
        for tensor in tensors[:2]:
            tensor.grad = torch.tensor(g)
        optimizer.step()
        yield np.concatenate([tensor.detach().numpy() for tensor in tensors])


def pytorch_penalties(p, gradients, kind, settings):
    """As for groups; the gradients of the penalties are autograd's."""
    settings = {NAMES.get(name, name): value for name, value in settings.items()}
    tensors = [torch.nn.Parameter(torch.tensor(p)) for _ in range(3)]
    optimizer = getattr(torch.optim, {"sgd": "SGD", "adam": "Adam"}[kind])(tensors, **settings)
    for g in gradients:
        for tensor in tensors:
            tensor.grad = torch.tensor(g)
        torch.nn.utils.clip_grad_value_(tensors, 0.5)
        l1, l2 = lambda tensor: 0.05 * tensor.abs().sum(), lambda tensor: 0.04 * tensor.square().sum()
        (l1(tensors[0]) + l2(tensors[1]) + l1(tensors[2]) + l2(tensors[2])).backward()
        optimizer.step()
        yield np.concatenate([tensor.detach().numpy() for tensor in tensors])


def lamb(p, gradients, learning_rate=1e-3, beta1=0.9, beta2=0.999, epsilon=1e-6, weight_decay=0.01):
    """You et al. 2020, Algorithm 2, for one tensor, with the identity for phi; apex's FusedLAMB with use_nvlamb=True."""
    m = v = np.zeros_like(p)
    for t, g in enumerate(gradients, 1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g * g
        update = m / (1 - beta1**t) / (np.sqrt(v / (1 - beta2**t)) + epsilon) + weight_decay * p
        norms = np.linalg.norm(p), np.linalg.norm(update)
        p = p - learning_rate * (norms[0] / norms[1] if min(norms) > 0 else 1.0) * update
        yield p


def schedule_free(p, gradients, learning_rate=2.5e-3, beta1=0.9, beta2=0.999, epsilon=1e-8, weight_decay=0.0, warmup=0):
    """Parameters y and average x; AdamWScheduleFreeReference of facebookresearch/schedule_free, with r=0."""
    x = y = z = p
    v, weights, largest = np.zeros_like(p), 0.0, -1.0
    for k, g in enumerate(gradients):
        rate = learning_rate * ((k + 1) / warmup if k < warmup else 1.0)
        largest = max(rate, largest)
        weights += largest**2
        c = largest**2 / weights
        v = beta2 * v + (1 - beta2) * g * g
        step = g / (np.sqrt(v / (1 - beta2 ** (k + 1))) + epsilon) + weight_decay * y
        z = z - rate * step
        x = (1 - c) * x + c * z
        y = beta1 * x + (1 - beta1) * z
        yield y, x


def parameters_of_schedule_free(p, gradients, **settings):
    return (y for y, _ in schedule_free(p, gradients, **settings))


def clipped(gradients, limit):
    for g in gradients:
        tensor = torch.nn.Parameter(torch.tensor(g))
        tensor.grad = torch.tensor(g)
        torch.nn.utils.clip_grad_norm_([tensor], math.inf if limit is None else limit)
        yield tensor.grad.numpy()


def tensors(p, gradients, kind, settings, limit):
    """The parameters after each step, of three tensors one after the other."""
    single = lamb if kind == "lamb" else lambda p, gradients, **settings: pytorch(p, gradients, kind, settings)
    runs = [single(size * p, list(clipped([scale * g for g in gradients], limit)), **settings) for scale, size in SCALES]
    return [np.concatenate(steps) for steps in zip(*runs)]


# Parameters and average of schedule-free AdamW after a warm-up of this number of steps.
SCHEDULE_FREE = [
    ({"kind": "adamw_schedule_free", "learning_rate": 0.01}, 0),
    ({"kind": "adamw_schedule_free", "learning_rate": 0.02, "beta1": 0.8, "beta2": 0.95, "weight_decay": 0.3}, 7),
]

# Averages of the parameters of plain SGD with a learning rate of 0.1.
AVERAGES = [
    {"kind": "ema", "decay": 0.9, "warm_up": False},
    {"kind": "ema", "decay": 0.99, "warm_up": True},
    {"kind": "swa", "start": 0, "every": 1},
    {"kind": "swa", "start": 4, "every": 3},
]


def averaged(p, gradients, case):
    """The average after each step. PyTorch has no warm-up of the decay: it is set before each step."""
    model = torch.nn.ParameterList([torch.nn.Parameter(torch.tensor(p))])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    average = torch.optim.swa_utils.AveragedModel(model)
    for t, g in enumerate(gradients, 1):
        model[0].grad = torch.tensor(g)
        optimizer.step()
        if case["kind"] == "ema":
            decay = min(case["decay"], (1 + t) / (10 + t)) if case["warm_up"] else case["decay"]
            average.multi_avg_fn = torch.optim.swa_utils.get_ema_multi_avg_fn(decay)
            average.update_parameters(model)
        elif t > case["start"] and (t - case["start"]) % case["every"] == 0:
            average.update_parameters(model)
        # Before the first one, the average is the model.
        shown = average.module if average.n_averaged > 0 else model
        yield shown[0].detach().numpy().copy()


def main():
    single = lambda x: np.float32(x).astype(np.float64)
    p = single([0.5, -0.25, 1.0, -1.5, 0.125, 0.75, -0.5, 2.0])
    sizes = np.array([1.0, 0.3, 3.0, 0.1, 1.0, 0.01, 0.5, 2.0])
    column = np.arange(8)
    gradients = [single(sizes * (np.sin(0.9 * t + column) + 0.2 * np.cos(0.1 * t * column))) for t in range(STEPS)]
    cases = []
    for case in CASES:
        settings = {name: value for name, value in case.items() if name != "kind"}
        own = {"lamb": lamb, "lion": lion, "adan": adan, "adamw_schedule_free": parameters_of_schedule_free}.get(case["kind"])
        run = own(p, gradients, **settings) if own else pytorch(p, gradients, case["kind"], settings)
        results = list(run)
        assert all(math.isfinite(x) for x in results[-1])
        cases.append({"optimizer": case, "parameters": [results[step - 1].tolist() for step in SHOWN]})
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("optimizers.json")
    grouped = []
    for case in GROUPS:
        settings = {name: value for name, value in case.items() if name != "kind"}
        results = list(pytorch_groups(p, gradients, case["kind"], settings))
        grouped.append({"optimizer": case, "parameters": [results[step - 1].tolist() for step in SHOWN]})
    penalties = []
    for case in PENALTIES:
        settings = {name: value for name, value in case.items() if name != "kind"}
        results = list(pytorch_penalties(p, gradients, case["kind"], settings))
        penalties.append({"optimizer": case, "parameters": [results[step - 1].tolist() for step in SHOWN]})
    by_tensor = []
    for case, limit in TENSORS:
        settings = {name: value for name, value in case.items() if name != "kind"}
        results = tensors(p, gradients, case["kind"], settings, limit)
        by_tensor.append({"optimizer": case, "clip_tensor_norm": limit})
        by_tensor[-1]["parameters"] = [results[step - 1].tolist() for step in SHOWN]
    averages = []
    for case in AVERAGES:
        results = list(averaged(p, gradients, case))
        averages.append({"average": case, "parameters": [results[step - 1].tolist() for step in SHOWN]})
    free = []
    for case, warmup in SCHEDULE_FREE:
        settings = {name: value for name, value in case.items() if name != "kind"}
        results = list(schedule_free(p, gradients, warmup=warmup, **settings))
        shown = {"optimizer": case, "warmup": warmup}
        for number, name in enumerate(["parameters", "average"]):
            shown[name] = [results[step - 1][number].tolist() for step in SHOWN]
        free.append(shown)
    sections = {"cases": cases, "grouped": grouped, "penalties": penalties, "tensors": by_tensor, "schedule_free": free, "averages": averages}
    head = {"torch": torch.__version__.split("+")[0], "steps": SHOWN, "first": p.tolist()}
    head["gradients"] = [g.tolist() for g in gradients]
    parts = [f'"{name}": [\n' + ",\n".join(map(json.dumps, cases)) + "\n]" for name, cases in sections.items()]
    path.write_text(json.dumps(head)[:-1] + ",\n" + ",\n".join(parts) + "}\n")


if __name__ == "__main__":
    main()
