"""Values and derivatives of PyTorch's activation functions in f64, for tests/activations.rs.

    python3 tests/golden/activations.py > tests/golden/activations.json

With torch 2.x. Parameters are exact in f32. Derivatives are autograd's; that of `step` is 0.
"""

import json

import torch

from network import ACTIVATIONS, module

PARAMETERS = {
    "leaky_relu": "(0.25)",
    "elu": "(0.75)",
    "celu": "(1.25)",
    "softplus": "(1.75)",
    "soft_shrink": "(0.375)",
    "hard_shrink": "(0.375)",
    "threshold": "(0.25, -2)",
}
INPUTS = [-30.0, -8.5, -6.0, -4.0, -3.5, -3.0, -2.0, -1.0, -0.75, -0.5, -0.125, -1e-3, 0.0,
          1e-3, 0.125, 0.5, 0.75, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0, 6.0, 6.5, 8.5, 30.0]


def rows(text):
    """Returns input, value and derivative at each input."""
    x = torch.tensor(INPUTS, dtype=torch.float64, requires_grad=True)
    y = module(text, 1)[0](x)
    y.sum().backward()
    return [list(row) for row in zip(INPUTS, y.tolist(), x.grad.tolist())]


texts = [name + PARAMETERS.get(name, "") for name in ACTIVATIONS]
lines = ",\n".join(f"  {json.dumps(text)}: {json.dumps(rows(text))}" for text in texts)
print("{\n" + lines + "\n}")
