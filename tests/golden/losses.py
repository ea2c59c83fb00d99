"""Losses and gradients of PyTorch in f64, for tests/losses.rs.

    python3 tests/golden/losses.py > tests/golden/losses.json

With torch 2.x. Each row is output z, target t, loss l(z, t) and its gradient by z, which is autograd's. Parameters are exact
in f32. What torch.nn lacks is written from the named source, for autograd. No row lies on a kink.
"""

import json

import torch
from torch import nn
from torch.nn import functional as F


def sigmoid_focal_loss(z, t, gamma):
    """torchvision.ops.sigmoid_focal_loss with alpha = -1 (Lin et al., Focal Loss for Dense Object Detection, 2017)."""
    p = torch.sigmoid(z)
    p_t = p * t + (1 - p) * (1 - t)
    return F.binary_cross_entropy_with_logits(z, t, reduction="none") * (1 - p_t) ** gamma


def positive(t):
    """Targets of 0 and 1 as -1 and 1."""
    return 2 * t - 1


NUMBERS = [-30.0, -4.0, -1.0, -0.25, 0.0, 0.125, 1.0, 3.0]
COUNTS = [0.0, 0.5, 1.0, 7.0]
UNIT = [0.0, 0.25, 0.75, 1.0]
BITS = [0.0, 1.0]

# By wgrad's text: the targets, and the loss of each element.
LOSSES = {
    "mean_squared_error": (NUMBERS, nn.MSELoss(reduction="none")),
    "mean_absolute_error": (NUMBERS, nn.L1Loss(reduction="none")),
    "huber(delta=0.75)": (NUMBERS, nn.HuberLoss(reduction="none", delta=0.75)),
    "smooth_l1(beta=0.75)": (NUMBERS, nn.SmoothL1Loss(reduction="none", beta=0.75)),
    # Keras: keras.losses.LogCosh.
    "log_cosh": (NUMBERS, lambda z, t: torch.log(torch.cosh(z - t))),
    # scikit-learn: sklearn.metrics.mean_pinball_loss.
    "quantile(q=0.125)": (NUMBERS, lambda z, t: torch.maximum(0.125 * (t - z), (0.125 - 1) * (t - z))),
    "poisson": (COUNTS, nn.PoissonNLLLoss(reduction="none", log_input=True, full=False)),
    "binary_cross_entropy": (UNIT, nn.BCEWithLogitsLoss(reduction="none")),
    "binary_cross_entropy(positive_weight=2.5)": (
        UNIT, nn.BCEWithLogitsLoss(reduction="none", pos_weight=torch.tensor(2.5, dtype=torch.float64))),
    # Rosenblatt's criterion: max(0, -y·z).
    "perceptron": (BITS, lambda z, t: torch.relu(-positive(t) * z)),
    "focal(gamma=1.5)": (BITS, lambda z, t: sigmoid_focal_loss(z, t, 1.5)),
    # scikit-learn: sklearn.metrics.hinge_loss; Keras: keras.losses.Hinge and SquaredHinge.
    "hinge": (BITS, lambda z, t: torch.relu(1 - positive(t) * z)),
    # scikit-learn: SGDClassifier(loss="modified_huber").
    "modified_huber": (BITS, lambda z, t: torch.where(
        positive(t) * z > -1, torch.relu(1 - positive(t) * z) ** 2, -4 * positive(t) * z)),
    "squared_hinge": (BITS, lambda z, t: torch.relu(1 - positive(t) * z) ** 2),
}
# Losses that need the whole row: outputs, class, loss and gradient.
ROW_LOSSES = {
    "softmax_cross_entropy": nn.CrossEntropyLoss(),
    "softmax_cross_entropy(label_smoothing=0.125)": nn.CrossEntropyLoss(label_smoothing=0.125),
    "multi_margin(margin=0.75)": nn.MultiMarginLoss(margin=0.75),
}


def gaussian_nll(z, t):
    """torch.nn.GaussianNLLLoss of pairs of a mean and the logarithm of a variance. 1e-6 is added, so that eps is not used."""
    return nn.GaussianNLLLoss(eps=1e-12)(z[:, ::2], t, z[:, 1::2].exp() + 1e-6)


def quantiles(levels):
    """Mean of sklearn.metrics.mean_pinball_loss over levels; each target has an output per level."""
    def loss(z, t):
        q = torch.tensor(levels, dtype=torch.float64).repeat(t.shape[1])
        d = t.repeat_interleave(len(levels), 1) - z
        return torch.maximum(q * d, (q - 1) * d).mean()
    return loss


def soft(*rows):
    """Pairs of each row of logits with each row of probabilities of the same length."""
    return [(z, t) for z in SOFT_LOGITS for t in rows if len(z) == len(t)]


SOFT_LOGITS = [[0.5, -1.25, 3.0], [40.0, -40.0, 0.0], [0.25, -0.5]]
PROBABILITIES = [[0.25, 0.5, 0.25], [1.0, 0.0, 0.0], [0.0, 0.0625, 0.9375], [0.125, 0.875], [0.0, 1.0]]
# Losses whose targets are a row of numbers: outputs, targets, loss and gradient. Levels of quantiles are exact in f32.
VECTOR_LOSSES = {
    "soft_cross_entropy": (soft(*PROBABILITIES), nn.CrossEntropyLoss()),
    "kl_divergence": (soft(*PROBABILITIES), lambda z, t: nn.KLDivLoss(reduction="batchmean")(z.log_softmax(1), t)),
    "gaussian_nll": ([([0.5, -1.25], [0.75]), ([2.0, 40.0, -1.0, 0.0], [-30.0, -1.5]), ([1.0, -60.0], [1.125]),
                      ([0.0, -13.5, 0.25, 3.0, 1.0, -0.5], [0.0, 7.0, -2.0])], gaussian_nll),
    "quantiles(0.125, 0.5, 0.875)": ([([0.5, -1.25, 3.0], [0.75]), ([-1.0, 0.0, 1.0, 2.0, 3.0, 4.0], [7.5, 2.5])],
                                     quantiles([0.125, 0.5, 0.875])),
    "quantiles(0.0625)": ([([0.5], [0.75]), ([-1.0, 4.0], [-7.5, 2.5])], quantiles([0.0625])),
    # With reduction="mean" over one row, the loss of the row.
    "cosine": ([([0.5, -1.25, 3.0], [0.75, 2.0, -1.0]), ([40.0, -1.0], [-2.0, 1e-3]), ([1.0, 2.0, 4.0], [0.5, 1.0, 2.0]),
                ([3.0, 4.0], [0.0, 0.0])], lambda z, t: nn.CosineEmbeddingLoss()(z, t, torch.ones(1))),
}
LOGITS = [[0.5, -1.25, 3.0], [40.0, -40.0, 0.0], [2.0], [1.0, 1.0, 1.0, 1.0, -7.5]]
OUTPUTS = [-28.5, -8.5, -3.5, -1.75, -0.875, -0.5, -0.1, -1e-3, 1e-3, 0.1, 0.3, 0.5, 0.875, 1.75, 3.5, 8.5, 28.5]


def rows(targets, loss):
    """Returns output, target, loss and gradient for each pair."""
    pairs = [(z, t) for t in targets for z in OUTPUTS]
    z = torch.tensor([z for z, _ in pairs], dtype=torch.float64, requires_grad=True)
    t = torch.tensor([t for _, t in pairs], dtype=torch.float64)
    found = loss(z, t)
    found.sum().backward()
    return [list(row) for row in zip(z.tolist(), t.tolist(), found.tolist(), z.grad.tolist())]


def class_rows(loss):
    """Returns logits, class, loss and gradient for each class of each row of logits."""
    found = []
    for logits, t in [(logits, t) for logits in LOGITS for t in range(len(logits))]:
        z = torch.tensor([logits], dtype=torch.float64, requires_grad=True)
        value = loss(z, torch.tensor([t]))
        value.backward()
        found.append([logits, t, value.item(), z.grad[0].tolist()])
    return found


def vector_rows(pairs, loss):
    """Returns outputs, targets, loss and gradient of each pair of rows."""
    found = []
    for outputs, targets in pairs:
        z = torch.tensor([outputs], dtype=torch.float64, requires_grad=True)
        value = loss(z, torch.tensor([targets], dtype=torch.float64))
        value.backward()
        found.append([outputs, targets, value.item(), z.grad[0].tolist()])
    return found


table = {text: rows(*row) for text, row in LOSSES.items()} | {text: class_rows(l) for text, l in ROW_LOSSES.items()}
table |= {text: vector_rows(*row) for text, row in VECTOR_LOSSES.items()}
lines = ",\n".join(f"  {json.dumps(text)}: {json.dumps(row)}" for text, row in table.items())
print("{\n" + lines + "\n}")
