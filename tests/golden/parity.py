"""Writes parity.json: twenty training steps of ten networks, computed by PyTorch in float64.

    python parity.py [OUTPUT]        (default: parity.json beside this file)

The networks and their settings were drawn at random, together with 270 others of up to 64 layers that agree as well: 1 to
200 inputs, every optimizer, loss and schedule, gradient clipping, gradient accumulation, short batches and dropout. These
ten have a hundred to eight hundred parameters, and include every kind of layer.

A case in the file has its settings, the loss of each step, and the final parameters. The initial parameters and the rows
are not in the file: both sides draw them by Philox4x32-10 (Salmon et al. 2011), see `draw`. Dropout masks are wgrad's, a
function of seed, step, layer, row and column.

Only well-conditioned draws are accepted: PyTorch's own float32, and its float64 with initial weights that are perturbed by
one rounding each, must stay within TOLERANCE. A draw is also rejected if a schedule one step ahead, unless it is constant,
would change the parameters by less than a hundred times TOLERANCE.

The numbers in the repository were computed by torch 2.15.0 and numpy, on one thread of a CPU.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from network import parse

STEPS = 20
TOLERANCE = 1e-6  # of a loss relative to itself, of a tensor's numbers relative to its largest
ROUNDING = 6e-8  # relative, of one number to float32
KEY = 0x50617269  # with the number of the draw, the key of all random numbers

CASES = [
    {
        "network": "sigmoid dropout(0.1) dense(1, bias=false) identity dense(1) tanh dense(65) leaky_relu(0.2) dense(5)",
        "inputs": 30,
        "loss": "softmax_cross_entropy",
        "optimizer": {"kind": "adamw", "learning_rate": 0.001, "beta1": 0.5, "beta2": 0.9999, "epsilon": 1e-06, "weight_decay": 0.0001},
        "schedule": {"kind": "constant"},
        "clip_norm": 1.0,
        "batch": 32,
        "accumulate": 1,
    },
    {
        "network": "dense(7) leaky_relu(0.01) dense(1)",
        "inputs": 30,
        "loss": "binary_cross_entropy",
        "optimizer": {"kind": "adam", "learning_rate": 0.05, "beta1": 0.9, "beta2": 0.9999, "epsilon": 0.001, "weight_decay": 0.0001},
        "schedule": {"kind": "constant"},
        "clip_norm": None,
        "batch": 1,
        "accumulate": 2,
    },
    {
        "network": "dense(7) relu dense(2) identity dense(8) leaky_relu(0.01) dense(8) relu dropout(0.5) dense(1)",
        "inputs": 7,
        "loss": "mean_squared_error",
        "optimizer": {"kind": "rmsprop", "learning_rate": 0.0009, "alpha": 0.5, "epsilon": 1e-08},
        "schedule": {"kind": "cosine", "warmup_steps": 3, "steps": 17, "end": 0.1},
        "clip_norm": 0.1,
        "batch": 257,
        "accumulate": 1,
    },
    {
        "network": "dense(1) step dense(5) relu dense(4) tanh dropout(0.9) dense(100) leaky_relu(1.0) tanh dense(2)",
        "inputs": 30,
        "loss": "mean_squared_error",
        "optimizer": {"kind": "rmsprop", "learning_rate": 0.0009, "alpha": 0.9, "epsilon": 0.001},
        "schedule": {"kind": "cosine", "start": 0.2, "steps": 1},
        "clip_norm": None,
        "batch": 100,
        "accumulate": 1,
    },
    {
        "network": "dense(1) sigmoid dropout(0.5) dense(13) relu dense(1) sigmoid dropout(0.0) dense(17, bias=false)",
        "inputs": 4,
        "loss": "mean_squared_error",
        "optimizer": {"kind": "sgd", "learning_rate": 0.003, "momentum": 0.9, "nesterov": True},
        "schedule": {"kind": "constant"},
        "clip_norm": 0.01,
        "batch": 65,
        "accumulate": 2,
    },
    {
        "network": "dense(8) leaky_relu(0.01) dense(16) tanh dropout(0.9) dense(5) relu dropout(0.0) dense(1)",
        "inputs": 3,
        "loss": "binary_cross_entropy",
        "optimizer": {"kind": "adamw", "learning_rate": 0.01, "weight_decay": 0.0},
        "schedule": {"kind": "cosine", "steps": 1, "end": 0.1},
        "clip_norm": 1.0,
        "batch": 100,
        "accumulate": 1,
    },
    {
        "network": "dense(7) leaky_relu(0.01) dropout(0.2) dense(7) relu dense(3)",
        "inputs": 64,
        "loss": "softmax_cross_entropy",
        "optimizer": {"kind": "adam", "learning_rate": 0.001, "beta1": 0.0, "beta2": 0.9999, "epsilon": 1e-06, "weight_decay": 0.1},
        "schedule": {"kind": "linear_warmup", "start": 0.1, "steps": 30},
        "clip_norm": None,
        "batch": 65,
        "accumulate": 5,
    },
    {
        "network": "dense(8) sigmoid dense(7) tanh relu dropout(0.2) dense(1)",
        "inputs": 7,
        "loss": "mean_squared_error",
        "optimizer": {"kind": "sgd", "learning_rate": 0.05, "momentum": 0.9, "weight_decay": 0.01},
        "schedule": {"kind": "cosine", "start": 0.2, "warmup_steps": 3, "steps": 40},
        "clip_norm": None,
        "batch": 128,
        "accumulate": 5,
    },
    {
        "network": "dense(31) dropout(0.9) dense(2) leaky_relu(1.5) dense(7, bias=false) sigmoid dense(33)",
        "inputs": 1,
        "loss": "perceptron",
        "optimizer": {"kind": "adam", "learning_rate": 0.01, "beta2": 0.99, "epsilon": 0.001, "weight_decay": 0.0001},
        "schedule": {"kind": "cosine", "steps": 17},
        "clip_norm": None,
        "batch": 7,
        "accumulate": 1,
    },
    {
        "network": "dense(32) sigmoid tanh dense(3)",
        "inputs": 3,
        "loss": "perceptron",
        "optimizer": {"kind": "rmsprop", "learning_rate": 0.015, "alpha": 0.9, "epsilon": 1e-06, "weight_decay": 0.0001},
        "schedule": {"kind": "constant"},
        "clip_norm": None,
        "batch": 7,
        "accumulate": 3,
    },
]


def philox(counter, key):
    """Philox4x32-10 on arrays of counters."""
    c = [np.asarray(word, dtype=np.uint64) for word in counter]
    low, high = np.uint64(0xFFFFFFFF), np.uint64(32)
    for _ in range(10):
        a, b = np.uint64(0xD2511F53) * c[0], np.uint64(0xCD9E8D57) * c[2]
        c = [(b >> high) ^ c[1] ^ np.uint64(key[0]), b & low, (a >> high) ^ c[3] ^ np.uint64(key[1]), a & low]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return c


def draw(number, stream, count):
    """Returns the first words of a stream: 0 for parameters, 2t + 1 for the inputs of step t, 2t + 2 for its targets."""
    quads = np.arange((count + 3) // 4)
    zero = np.zeros_like(quads)
    words = philox([quads, zero, zero, zero + stream], [number, KEY])
    return np.stack(words, axis=-1).ravel()[:count]


def unit(words):
    """Converts words to numbers from 0 to below 1."""
    return words / 2.0**32


class Dropout(nn.Module):
    """wgrad's dropout, whose mask depends on seed, step, layer, row and column."""

    def __init__(self, rate, layer, case):
        super().__init__()
        self.rate, self.layer, self.case = float(np.float32(rate)), layer, case

    def forward(self, x):
        rows, columns = x.shape
        quad, row = np.meshgrid(np.arange((columns + 3) // 4), np.arange(rows))
        seed, step = self.case["seed"], self.case["step"]
        counter = [quad, row, np.full_like(quad, step), np.full_like(quad, self.layer << 8)]
        words = philox(counter, [seed & 0xFFFFFFFF, seed >> 32])
        words = np.stack(words, axis=-1).reshape(rows, -1)[:, :columns]
        kept = words >= min(round(self.rate * 2.0**32), 2**32 - 1)
        return x * torch.tensor(kept / (1.0 - self.rate), dtype=x.dtype)


def factor(schedule, step):
    """Returns the factor of LinearLR, then of CosineAnnealingLR, in closed form; after that, the last value."""
    start, warmup = schedule.get("start", 0.0), schedule.get("warmup_steps", 0)
    if schedule["kind"] == "constant":
        return 1.0
    if schedule["kind"] == "linear_warmup":
        return start + (1 - start) * min(step / schedule["steps"], 1.0)
    if step < warmup:
        return start + (1 - start) * step / warmup
    end, progress = schedule.get("end", 0.0), min((step - warmup) / schedule["steps"], 1.0)
    return end + (1 - end) * 0.5 * (1 + math.cos(math.pi * progress))


def optimizer(parameters, settings):
    settings = dict(settings)
    kind, rate = settings.pop("kind"), settings.pop("learning_rate")
    if kind in ("adam", "adamw"):
        settings["betas"] = settings.pop("beta1", 0.9), settings.pop("beta2", 0.999)
    if "epsilon" in settings:
        settings["eps"] = settings.pop("epsilon")
    made = {"sgd": torch.optim.SGD, "rmsprop": torch.optim.RMSprop, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}
    return made[kind](parameters, lr=rate, **settings), rate


def loss(case, output, target):
    match case["loss"]:
        case "softmax_cross_entropy":
            return F.cross_entropy(output, torch.tensor(target))
        case "mean_squared_error":
            return F.mse_loss(output, torch.tensor(target, dtype=output.dtype))
        case "binary_cross_entropy":
            return F.binary_cross_entropy_with_logits(output, torch.tensor(target, dtype=output.dtype))
        case "perceptron":
            target = torch.tensor(target, dtype=output.dtype)
            return (((output.detach() > 0).to(output.dtype) - target) * output).mean()


def first_parameters(model, number):
    """Returns initial parameters as float32: uniform in ±1.5 / √inputs for weights, in ±0.2 for biases."""
    sizes = [tuple(parameter.shape) for parameter in model.parameters()]
    numbers = 2 * unit(draw(number, 0, sum(math.prod(size) for size in sizes))) - 1
    tensors, at = [], 0
    for size in sizes:
        part = numbers[at : at + math.prod(size)].reshape(size)
        part = 1.5 * part / math.sqrt(size[1]) if len(size) == 2 else 0.2 * part
        tensors.append(part.astype(np.float32))
        at += part.size
    return tensors


def rows_of(case, number, step, outputs):
    """Returns inputs in ±2, and targets, as float32 or classes."""
    rows = case["rows"][step]
    inputs = (4 * unit(draw(number, 2 * step + 1, rows * case["inputs"])) - 2).astype(np.float32)
    inputs = inputs.reshape(rows, -1)
    if case["loss"] == "softmax_cross_entropy":
        return inputs, (draw(number, 2 * step + 2, rows) % np.uint64(outputs)).astype(np.int64)
    words = draw(number, 2 * step + 2, rows * outputs).reshape(rows, -1)
    if case["loss"] == "mean_squared_error":
        return inputs, (2 * unit(words) - 1).astype(np.float32)
    bits = case["loss"] == "perceptron" or step % 2 == 0
    return inputs, ((words >> np.uint64(31)) if bits else unit(words)).astype(np.float32)


def train(case, number, dtype, noise=None, ahead=0):
    """Returns losses and final parameters, with noise on the initial ones, or with a schedule that is steps ahead."""
    state = {"seed": case["seed"], "step": 0}
    model, outputs = parse(case["inputs"], case["network"]), case["outputs"]
    for layer, module in enumerate(model):
        if isinstance(module, nn.Dropout):
            model[layer] = Dropout(module.p, layer, state)
    model.to(dtype)
    with torch.no_grad():
        for parameter, first in zip(model.parameters(), first_parameters(model, number)):
            first = first.astype(np.float64)
            if noise is not None:
                first = first * (1 + ROUNDING * noise.standard_normal(first.shape))
            parameter.copy_(torch.tensor(first, dtype=dtype))
    update, rate = optimizer(model.parameters(), case["optimizer"])
    losses = []
    for step in range(STEPS):
        state["step"] = step
        inputs, target = rows_of(case, number, step, outputs)
        for group in update.param_groups:
            group["lr"] = rate * factor(case["schedule"], step + ahead)
        update.zero_grad()
        found = loss(case, model(torch.tensor(inputs, dtype=dtype)), target)
        found.backward()
        for parameter in model.parameters():
            if parameter.grad is None:  # The loss does not depend on it; it may still decay.
                parameter.grad = torch.zeros_like(parameter)
        if case["clip_norm"] is not None:
            nn.utils.clip_grad_norm_(model.parameters(), case["clip_norm"])
        update.step()
        losses.append(found.item())
    return np.array(losses), [parameter.detach().double().numpy() for parameter in model.parameters()]


def distance(one, other):
    """Returns the largest difference of a loss relative to itself, and of a tensor's numbers relative to its largest."""
    losses = np.max(np.abs(one[0] - other[0]) / np.abs(other[0]))
    return max(losses, *(np.max(np.abs(a - b)) / np.max(np.abs(b)) for a, b in zip(one[1], other[1])))


def numbers_of(case, index):
    """Draws the rows of each step, a seed, and the first accepted draw."""
    case = dict(case, outputs=[m.out_features for m in parse(case["inputs"], case["network"]) if isinstance(m, nn.Linear)][-1])
    most = case["batch"] * case["accumulate"]
    words = draw(index, 1 << 20, 2 * STEPS + 2).tolist()
    case["rows"] = [most if words[t] % 5 < 3 else 1 + words[STEPS + t] % most for t in range(STEPS)]
    case["seed"] = words[-1] << 32 | words[-2]
    for number in range(100):
        wanted = train(case, number, torch.float64)
        if np.min(np.abs(wanted[0])) < 1e-3:
            continue
        single = distance(train(case, number, torch.float32), wanted)
        noise = np.random.default_rng(number)
        moved = max(distance(train(case, number, torch.float64, noise), wanted) for _ in range(4))
        ahead = distance(train(case, number, torch.float64, ahead=1), wanted)
        visible = case["schedule"]["kind"] == "constant" or ahead > 100 * TOLERANCE
        if max(single, moved) <= TOLERANCE and visible:
            print(f"{index}: draw {number}, float32 {single:.1e}, perturbed {moved:.1e}, ahead {ahead:.1e}")
            return case, number, wanted
    raise SystemExit(f"{case['network']}: no draw is accepted")


def short(number):
    return float(f"{number:.9g}")


def main():
    torch.set_num_threads(1)
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("parity.json")
    lines = []
    for index, case in enumerate(CASES):
        case, number, (losses, parameters) = numbers_of(case, index)
        case["draw"] = number
        case["losses"] = [short(value) for value in losses]
        case["parameters"] = [[short(value) for value in tensor.ravel()] for tensor in parameters]
        lines.append(json.dumps(case, separators=(",", ":")))
    head = f'{{"torch":"{torch.__version__.split("+")[0]}","key":{KEY},"cases":[\n'
    output.write_text(head + ",\n".join(lines) + "\n]}\n")


if __name__ == "__main__":
    main()
