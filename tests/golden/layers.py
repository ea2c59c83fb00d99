"""Writes layers.json: fifty training steps of networks with every kind of layer, computed by PyTorch in float64.

    python layers.py [OUTPUT]        (default: layers.json beside this file)

Steps are gradient descent on the mean squared error, some of several micro-batches, the last one short. A case in the
file has its losses, the final tensors (among them running statistics), and predictions in evaluation mode. Initial tensors
and rows are not in the file: both sides draw them by Philox4x32-10, see `draw` in parity.py.

Only well-conditioned draws are accepted: PyTorch's own float32 must stay within TOLERANCE.

The numbers in the repository were computed by torch 2.15.0 and numpy, on one thread of a CPU.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from network import parse
from parity import KEY, distance, draw, short, unit

STEPS = 50
TOLERANCE = 1e-6  # of a loss relative to itself, of a tensor's numbers relative to its largest

# Network, input columns, rows of each micro-batch of a step, and learning rate.
CASES = [
    ("8 batch_norm relu 2", 3, [16], 0.1),
    ("batch_norm 6 tanh [5 batch_norm tanh 6] batch_norm 2", 4, [9, 9, 6], 0.02),
    ("8 prelu 7 prelu(per_unit=true) 2", 3, [16], 0.05),
    ("12 glu 10 swiglu 8 geglu 2", 4, [16, 5], 0.05),
    ("scaling 7 tanh scaling 2", 3, [16], 0.05),
]


def tensors_of(model):
    """Returns the model's tensors by name, without the count of batches, which wgrad does not store."""
    return {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}


def first_tensors(model, number):
    """Returns initial tensors: uniform in ±1.5 / √inputs for matrices, 0.5 to 1 for vectors."""
    tensors, stream = {}, unit(draw(number, 0, sum(tensor.numel() for tensor in tensors_of(model).values())))
    at = 0
    for name, tensor in tensors_of(model).items():
        part = stream[at : at + tensor.numel()].reshape(tensor.shape)
        matrix = len(tensor.shape) == 2
        part = 1.5 * (2 * part - 1) / math.sqrt(tensor.shape[1]) if matrix else 0.5 + 0.5 * part
        tensors[name] = torch.tensor(part.astype(np.float32))
        at += tensor.numel()
    return tensors


def rows_of(number, stream, rows, columns, dtype):
    """Returns numbers in ±2."""
    numbers = (4 * unit(draw(number, stream, rows * columns)) - 2).astype(np.float32).reshape(rows, columns)
    return torch.tensor(numbers, dtype=dtype)


def train(case, number, dtype):
    """Returns losses, and the final tensors with the predictions."""
    network, inputs, batches, rate = case
    model = parse(inputs, network)
    with torch.no_grad():
        outputs = model.eval()(torch.zeros(1, inputs)).shape[1]
    model.load_state_dict(first_tensors(model, number), strict=False)
    model.to(dtype).train()
    update, losses, rows = torch.optim.SGD(model.parameters(), lr=rate), [], sum(batches)
    for step in range(STEPS):
        x = rows_of(number, 2 * step + 1, rows, inputs, dtype).split(batches)
        t = rows_of(number, 2 * step + 2, rows, outputs, dtype).split(batches)
        update.zero_grad()
        parts = [F.mse_loss(model(x), t) * len(x) / rows for x, t in zip(x, t)]
        sum(parts).backward()
        update.step()
        losses.append(sum(parts).item())
    with torch.no_grad():
        predictions = model.eval()(rows_of(number, 2 * STEPS + 1, 5, inputs, dtype))
    tensors = [*tensors_of(model).values(), predictions]
    return np.array(losses), [tensor.detach().double().numpy() for tensor in tensors]


def solve(case):
    """Returns the first accepted draw, with its results."""
    for number in range(200):
        wanted = train(case, number, torch.float64)
        single = distance(train(case, number, torch.float32), wanted)
        if single <= TOLERANCE:
            print(f"{case[0]}: draw {number}, float32 {single:.1e}")
            return number, wanted
    raise SystemExit(f"{case[0]}: no draw is accepted")


def main():
    torch.set_num_threads(1)
    output = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("layers.json")
    lines = []
    for case in CASES:
        number, (losses, tensors) = solve(case)
        network, inputs, batches, rate = case
        tensors = [[short(value) for value in tensor.ravel()] for tensor in tensors]
        settings = {"network": network, "inputs": inputs, "batches": batches, "learning_rate": rate, "draw": number}
        results = {"losses": [short(value) for value in losses], "predictions": tensors.pop(), "tensors": tensors}
        lines.append(json.dumps(settings | results, separators=(",", ":")))
    head = f'{{"torch":"{torch.__version__.split("+")[0]}","key":{KEY},"cases":[\n'
    output.write_text(head + ",\n".join(lines) + "\n]}\n")


if __name__ == "__main__":
    main()
