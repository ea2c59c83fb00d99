"""Writes training.json: ten training steps of small networks, computed by PyTorch in float32.

    python training.py [OUTPUT]        (default: training.json beside this file)

Each case holds a network, its initial parameters, ten batches, and PyTorch's results. Networks, optimizers and schedules
have wgrad's names. The cases combine every optimizer with every schedule; losses and networks rotate, so that each optimizer
and each schedule is used with each loss. A few cases at the end clip the gradient norm, and some have residual blocks
and normalizations.

Every correct implementation must reproduce the numbers, for any order of summation. So each case is also computed in
float64, and random draws are rejected if

  * float32 and float64 differ by more than TOLERANCE (Adam and RMSprop divide gradients by their own
    size, which turns the rounding errors of a gradient that should vanish into full steps), or
  * a value comes within MARGIN of a kink of its activation or loss, where one rounding decides a derivative, or
  * the loss does not fall visibly, so that a wrong update might not be noticed.
"""

import itertools
import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.optim import lr_scheduler

from network import Step, parse

STEPS = 10
ROWS = 6  # in a batch
BATCHES = 5  # in a pass over the data, of which there are two
TOLERANCE = 2e-6  # of float32 against float64, relative to max(1, |value|)
MARGIN = 1e-4  # between any value and a kink
FALL = 0.05  # of the mean loss from the first pass to the second, relative

OPTIMIZERS = {
    "sgd": {"kind": "sgd", "learning_rate": 0.3},
    "sgd_momentum": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.9},
    "sgd_nesterov": {"kind": "sgd", "learning_rate": 0.1, "momentum": 0.8, "nesterov": True},
    "sgd_decay": {"kind": "sgd", "learning_rate": 0.3, "weight_decay": 0.1},
    "rmsprop": {"kind": "rmsprop", "learning_rate": 0.02, "alpha": 0.9},
    "rmsprop_decay": {"kind": "rmsprop", "learning_rate": 0.01, "epsilon": 0.001, "weight_decay": 0.1},
    "adam": {"kind": "adam", "learning_rate": 0.05},
    "adam_decay": {
        "kind": "adam",
        "learning_rate": 0.05,
        "beta1": 0.8,
        "beta2": 0.95,
        "epsilon": 0.001,
        "weight_decay": 0.1,
    },
    "adamw": {"kind": "adamw", "learning_rate": 0.05, "weight_decay": 0.2},
}

# Two of each kind, used in turn. The second cosine reaches its end at the last of the ten steps; within its `steps`,
# PyTorch's recursion equals the closed formula.
SCHEDULES = {
    "constant": [{"kind": "constant"}],
    "linear_warmup": [
        {"kind": "linear_warmup", "start": 0.25, "steps": 4},
        {"kind": "linear_warmup", "start": 0.1, "steps": 12},
    ],
    "cosine": [
        {"kind": "cosine", "steps": 14},
        {"kind": "cosine", "steps": 9, "end": 0.1},
    ],
    "cosine_warmup": [
        {"kind": "cosine", "start": 0.25, "warmup_steps": 3, "steps": 7},
        {"kind": "cosine", "start": 0.1, "warmup_steps": 4, "steps": 5, "end": 0.2},
    ],
}

# Input columns and layers, used in turn. Layers before a step function do not learn, but they decay.
NETWORKS = {
    "mean_squared_error": [
        (4, "8 tanh 2"),
        (3, "6 sigmoid 5 identity 1"),
        (5, "dense(7, bias=false) leaky_relu(0.1) dense(3, bias=false)"),
        (4, "9 step 5 tanh 2"),
        (5, "6 relu dropout(0) 2 tanh"),
    ],
    "binary_cross_entropy": [
        (4, "6 relu 1"),
        (5, "7 leaky_relu(0.1) 4 sigmoid 3"),
        (3, "dense(8, bias=false) tanh dropout(0) 1"),
        (4, "8 step 2"),
        (5, "5 identity 4 relu 2"),
    ],
    "softmax_cross_entropy": [
        (5, "7 tanh 6 relu 3"),
        (4, "8 sigmoid dense(4, bias=false)"),
        (4, "dropout(0) 6 leaky_relu(0.1) dropout(0) 3"),
        (6, "4"),
        (5, "9 step 6 relu 3"),
    ],
    "perceptron": [
        (5, "1"),
        (4, "8 step 3"),
        (4, "dense(7, bias=false) tanh 2"),
        (3, "6 identity sigmoid dense(1, bias=false)"),
        (4, "7 leaky_relu(0.1) 5 2"),
    ],
}
SHORT = {
    "mean_squared_error": "mse",
    "binary_cross_entropy": "bce",
    "softmax_cross_entropy": "softmax",
    "perceptron": "perceptron",
}

# Name, loss, network, optimizer, schedule and largest norm. The first two clip in every step, the others in some.
CLIPPED = [
    ("sgd", "mean_squared_error", (4, "8 tanh 3"), OPTIMIZERS["sgd"], SCHEDULES["constant"][0], 0.2),
    (
        "sgd_nesterov_decay",
        "softmax_cross_entropy",
        (5, "7 relu dense(4, bias=false)"),
        {"kind": "sgd", "learning_rate": 0.2, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        SCHEDULES["linear_warmup"][0],
        0.1,
    ),
    ("rmsprop", "perceptron", (4, "6 sigmoid 2"), OPTIMIZERS["rmsprop"], SCHEDULES["cosine"][0], 0.3),
    ("adamw", "binary_cross_entropy", (5, "6 tanh 1"), OPTIMIZERS["adamw"], SCHEDULES["cosine_warmup"][1], 0.4),
]

# Residual blocks and normalizations: name, loss, network, optimizer and schedule.
BLOCKS = [
    ("residual-identity", "mean_squared_error", (4, "6 tanh [5 relu dense(6, bias=false)] tanh 2"), OPTIMIZERS["sgd"], SCHEDULES["constant"][0]),
    ("residual-projected", "softmax_cross_entropy", (5, "[7 tanh] [[4 relu 7] tanh 3] 3"), OPTIMIZERS["sgd_momentum"], SCHEDULES["constant"][0]),
    ("layer-norm", "mean_squared_error", (5, "layer_norm 7 layer_norm relu 2"), OPTIMIZERS["sgd"], SCHEDULES["constant"][0]),
    ("rms-norm", "softmax_cross_entropy", (5, "8 rms_norm tanh [rms_norm 8] 3"), OPTIMIZERS["sgd"], SCHEDULES["constant"][0]),
]


def make_loss(name):
    """Returns the loss function of outputs and targets, a mean over all of them."""

    def perceptron(z, t):
        return (((z > 0).to(z.dtype) - t) * z).mean()

    return {
        "mean_squared_error": F.mse_loss,
        "binary_cross_entropy": F.binary_cross_entropy_with_logits,
        "softmax_cross_entropy": F.cross_entropy,
        "perceptron": perceptron,
    }[name]


def make_optimizer(settings, parameters):
    """Returns the optimizer with the given settings; wgrad's defaults are PyTorch's."""
    settings = dict(settings)
    kind = settings.pop("kind")
    settings["lr"] = settings.pop("learning_rate")
    if "epsilon" in settings:
        settings["eps"] = settings.pop("epsilon")
    if "beta1" in settings:
        settings["betas"] = (settings.pop("beta1"), settings.pop("beta2"))
    optimizers = {
        "sgd": torch.optim.SGD,
        "rmsprop": torch.optim.RMSprop,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
    }
    return optimizers[kind](parameters, **settings)


def make_scheduler(settings, optimizer):
    """Returns PyTorch's scheduler, to be stepped after each batch; None for a constant learning rate."""

    def linear(steps):
        return lr_scheduler.LinearLR(optimizer, start_factor=settings["start"], end_factor=1.0, total_iters=steps)

    def cosine():
        end = settings.get("end", 0.0) * optimizer.defaults["lr"]
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=settings["steps"], eta_min=end)

    match settings:
        case {"kind": "constant"}:
            return None
        case {"kind": "linear_warmup", "steps": steps}:
            return linear(steps)
        case {"kind": "cosine", "warmup_steps": steps}:
            return lr_scheduler.SequentialLR(optimizer, [linear(steps), cosine()], milestones=[steps])
        case {"kind": "cosine"}:
            return cosine()


def factor(settings, step):
    """Returns the factor on the learning rate by wgrad's formula."""
    start, end = settings.get("start", 0.0), settings.get("end", 0.0)
    warmup = settings["steps"] if settings["kind"] == "linear_warmup" else settings.get("warmup_steps", 0)
    if step < warmup:
        return start + (1 - start) * step / warmup
    if settings["kind"] != "cosine":
        return 1.0
    progress = min(step - warmup, settings["steps"]) / settings["steps"]
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * progress))


def draw(case, short):
    """Draws initial parameters and batches from PyTorch's random state: its default initialization, normal inputs, and
    targets of a random linear teacher. There are two passes over the batches; if `short`, the last batch of each is short."""
    model = parse(case["input"], case["network"])
    parameters = {name: value.clone() for name, value in model.state_dict().items()}
    rows = BATCHES * ROWS - (3 if short else 0)
    # Inputs and targets are rounded to be short in the file.
    inputs = torch.randn(rows, case["input"], dtype=torch.float64).round(decimals=2)
    with torch.no_grad():
        outputs = model(inputs.float()).shape[1]
    teacher = inputs @ torch.randn(case["input"], outputs, dtype=torch.float64)
    targets = {
        "mean_squared_error": lambda: teacher.sin().round(decimals=2),
        "binary_cross_entropy": lambda: (2 * teacher).sigmoid().round(decimals=1),  # 0, 1, and between
        "softmax_cross_entropy": lambda: teacher.argmax(1),
        "perceptron": lambda: (teacher > 0).double(),
    }[case["loss"]]()
    if targets.is_floating_point():
        targets = targets.float()
    once = list(zip(inputs.float().split(ROWS), targets.split(ROWS)))
    return parameters, once + once


def train(case, parameters, batches, dtype):
    """Trains ten steps in this type; also returns the smallest distance of a value from a kink."""
    model = parse(case["input"], case["network"]).to(dtype)
    model.load_state_dict(parameters)
    model.train()
    loss_function = make_loss(case["loss"])
    optimizer = make_optimizer(case["optimizer"], model.parameters())
    scheduler = make_scheduler(case["schedule"], optimizer)

    margin = math.inf

    def watch(_, values):
        nonlocal margin
        margin = min(margin, values[0].abs().min().item())

    for layer in model:
        if isinstance(layer, (Step, nn.ReLU, nn.LeakyReLU)):
            layer.register_forward_pre_hook(watch)

    losses, rates, norms = [], [], []
    for step, (inputs, targets) in enumerate(batches):
        optimizer.zero_grad()
        outputs = model(inputs.to(dtype))
        if case["loss"] == "perceptron":
            watch(None, [outputs])
        loss = loss_function(outputs, targets.to(dtype) if targets.is_floating_point() else targets)
        loss.backward()
        if step == 0:
            gradients = {name: value.grad.clone() for name, value in model.named_parameters()}
        # Without a limit, this only computes the norm.
        limit = math.inf if case["clip_norm"] is None else case["clip_norm"]
        norms.append(nn.utils.clip_grad_norm_(model.parameters(), limit).detach())
        losses.append(loss.detach())
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    return {
        "gradients": gradients,
        "norms": torch.stack(norms),
        "losses": torch.stack(losses),
        "learning_rates": rates,
        "final": model.state_dict(),
        "margin": margin,
    }


def deviation(run, exact):
    """Returns the largest difference of two runs, relative to max(1, |value|)."""

    def tensors(run):
        values = (*run["gradients"].values(), *run["final"].values(), run["losses"], run["norms"])
        return torch.cat([value.flatten().double() for value in values])

    a, b = tensors(run), tensors(exact)
    return ((a - b).abs() / b.abs().clamp(min=1)).max().item()


def numbers(value):
    """Returns nested lists of the shortest decimals that give the same float32, at most nine digits each."""
    if isinstance(value, torch.Tensor):
        value = value.numpy()
    if isinstance(value, np.ndarray) and value.ndim > 0:
        return [numbers(v) for v in value]
    if isinstance(value, dict):
        return {name: numbers(v) for name, v in value.items()}
    value = value[()]
    if isinstance(value, np.integer):
        return int(value)
    decimal = float(str(value))
    assert value.dtype == np.float32 and np.float32(decimal) == value
    return decimal


def solve(case, number):
    """Completes the case with the first seed that is accepted."""
    clip = case["clip_norm"]
    for attempt in itertools.count():
        torch.manual_seed(1000 * number + attempt)
        parameters, batches = draw(case, short=number % 3 == 1)
        run = train(case, parameters, batches, torch.float32)
        exact = train(case, parameters, batches, torch.float64)
        error = deviation(run, exact)
        first, second = run["losses"][:BATCHES].mean(), run["losses"][BATCHES:].mean()
        clipped = 0 if clip is None else int((run["norms"] > clip).sum())  # steps
        if (
            error <= TOLERANCE
            and min(run["margin"], exact["margin"]) >= MARGIN
            and second < (1 - FALL) * first
            and (clip is None or run["norms"][0] > clip)
        ):
            break

    for step, rate in enumerate(run["learning_rates"]):
        expected = case["optimizer"]["learning_rate"] * factor(case["schedule"], step)
        assert math.isclose(rate, expected, rel_tol=1e-12), (case["name"], step, rate, expected)
    print(
        f"{case['name']:42} seed {1000 * number + attempt:<6} error {error:.1e}  margin {run['margin']:.1e}  "
        f"loss {first:.3f} → {second:.3f}" + (f"  clipped {clipped}" if clip else "")
    )
    return case | {
        "parameters": numbers(parameters),
        "batches": [{"input": numbers(x), "target": numbers(t)} for x, t in batches],
        "gradients": numbers(run["gradients"]),
        "norm": numbers(run["norms"][0]),
        "losses": numbers(run["losses"]),
        "learning_rates": run["learning_rates"],
        "final": numbers(run["final"]),
    }


def cases():
    """Yields the cases without their numbers."""
    turns = {loss: itertools.cycle(networks) for loss, networks in NETWORKS.items()}

    def case(name, loss, network, optimizer, schedule, clip_norm):
        columns, text = network
        return {
            "name": name,
            "input": columns,
            "network": text,
            "loss": loss,
            "optimizer": optimizer,
            "schedule": schedule,
            "clip_norm": clip_norm,
        }

    for i, (optimizer_name, optimizer) in enumerate(OPTIMIZERS.items()):
        for j, (schedule_name, schedules) in enumerate(SCHEDULES.items()):
            loss = list(NETWORKS)[(i + j) % len(NETWORKS)]
            name = f"{optimizer_name}-{schedule_name}-{SHORT[loss]}"
            yield case(name, loss, next(turns[loss]), optimizer, schedules[i % len(schedules)], None)
    for name, loss, network, optimizer, schedule, clip_norm in CLIPPED:
        yield case(f"{name}-clipped-{SHORT[loss]}", loss, network, optimizer, schedule, clip_norm)
    for name, loss, network, optimizer, schedule in BLOCKS:
        yield case(f"{name}-{SHORT[loss]}", loss, network, optimizer, schedule, None)


def write(path, solved):
    """Writes JSON with a line for each entry of a case, and for each batch."""

    def line(key, value):
        if key == "batches":
            return '"batches": [\n  ' + ",\n  ".join(map(json.dumps, value)) + "\n ]"
        return f"{json.dumps(key)}: {json.dumps(value)}"

    texts = ["{\n " + ",\n ".join(line(k, v) for k, v in case.items()) + "\n}" for case in solved]
    # Without the build's suffix (`+cpu`, `+cu…`), which does not affect the numbers.
    version = json.dumps(torch.__version__.split("+")[0])
    path.write_text(f'{{"torch": {version}, "cases": [\n' + ",\n".join(texts) + "\n]}\n")


def main():
    torch.set_num_threads(1)
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("training.json")
    write(path, [solve(case, number) for number, case in enumerate(cases())])


if __name__ == "__main__":
    main()
