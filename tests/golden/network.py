"""Converts wgrad's text form of networks to a torch.nn.Sequential.

Module indices, and so the names of parameters (`0.weight`, `2.bias`, …), equal wgrad's layer indices.
"""

import re

import torch
from torch import nn

# A word and its parentheses, nested at most once, as in `init=normal(0.02)`.
WORD = re.compile(r"[^\s()]+(?:\((?:[^()]|\([^()]*\))*\))?")


class StepFunction(torch.autograd.Function):
    """1 for x > 0, otherwise 0, with derivative 0. torch.heaviside has no derivative."""

    @staticmethod
    def forward(ctx, x):
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return torch.zeros_like(gradient)


class Step(nn.Module):
    def forward(self, x):
        return StepFunction.apply(x)


# Modules by wgrad's names; they take the parameters of the text, in order.
ACTIVATIONS = {
    "step": Step,
    "identity": nn.Identity,
    "sigmoid": nn.Sigmoid,
    "hard_sigmoid": nn.Hardsigmoid,
    "log_sigmoid": nn.LogSigmoid,
    "tanh": nn.Tanh,
    "hard_tanh": nn.Hardtanh,
    "tanh_shrink": nn.Tanhshrink,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "celu": nn.CELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "gelu_tanh": lambda: nn.GELU(approximate="tanh"),
    "silu": nn.SiLU,
    "hard_swish": nn.Hardswish,
    "mish": nn.Mish,
    # PyTorch's default is the identity where beta times x is above a threshold of 20.
    "softplus": lambda beta=1.0: nn.Softplus(beta, threshold=1000.0),
    "softsign": nn.Softsign,
    "soft_shrink": nn.Softshrink,
    "hard_shrink": nn.Hardshrink,
    "threshold": lambda least=0.0, value=0.0: nn.Threshold(least, value),
}


def module(text, columns):
    """Returns the module of a layer with this number of input columns, and its number of output columns."""
    name, _, arguments = text.removesuffix(")").partition("(")
    arguments = [argument.strip() for argument in arguments.split(",") if argument.strip()]
    if name.isdigit():
        name, arguments = "dense", [name]
    match name:
        case "dense":
            # `init=…` is ignored, since the parameters are loaded.
            outputs = int(arguments[0].removeprefix("outputs="))
            return nn.Linear(columns, outputs, bias="bias=false" not in arguments), outputs
        case "batch_norm":
            return nn.BatchNorm1d(columns), columns
        case "layer_norm":
            return nn.LayerNorm(columns), columns
        case "rms_norm":
            return nn.RMSNorm(columns, eps=1e-5), columns
        case "prelu":
            return nn.PReLU(columns if "per_unit=true" in arguments else 1), columns
        case "scaling":
            return Scaling(columns), columns
        case "glu":
            return nn.GLU(dim=1), columns // 2
        case "swiglu":
            return Gated(nn.functional.silu), columns // 2
        case "geglu":
            return Gated(nn.functional.gelu), columns // 2
        case "dropout":
            return nn.Dropout(float(arguments[0].removeprefix("rate="))), columns
        case "alpha_dropout":
            return nn.AlphaDropout(float(arguments[0].removeprefix("rate="))), columns
        case "gaussian_noise":
            return GaussianNoise(float(arguments[0].removeprefix("std="))), columns
        case _:
            # `slope=0.1` or `0.1`; parameters are in order.
            parameters = [float(argument.rpartition("=")[2]) for argument in arguments]
            return ACTIVATIONS[name](*parameters), columns


class Gated(nn.Module):
    """The first half of the columns, times a function of the second half."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        a, b = x.chunk(2, dim=1)
        return a * self.function(b)


class GaussianNoise(nn.Module):
    """In training, adds a normal number to each element."""

    def __init__(self, std):
        super().__init__()
        self.std = std

    def forward(self, x):
        return x + self.std * torch.randn_like(x) if self.training else x


class Scaling(nn.Module):
    """A factor per column."""

    def __init__(self, columns):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(columns))

    def forward(self, x):
        return self.weight * x


class Start(nn.Identity):
    """Start of a residual block."""


class End(nn.Identity):
    """End of a residual block as wide as its input: the shortcut is the identity."""


class ProjectedEnd(nn.Linear):
    """End of a residual block of another width: the shortcut is a matrix."""


class Network(nn.Sequential):
    """A Sequential in which the end of a residual block adds the shortcut of the block's input."""

    def forward(self, x):
        inputs = []
        for layer in self:
            if isinstance(layer, Start):
                inputs.append(x)
            elif isinstance(layer, (End, ProjectedEnd)):
                x = x + layer(inputs.pop())
            else:
                x = layer(x)
        return x


def sequential(columns, layers):
    """Returns a Sequential from a number of input columns and a list of layers as text."""
    modules, starts = [], []
    for text in layers:
        if text == "[":
            starts.append(columns)
            layer = Start()
        elif text == "]":
            start = starts.pop()
            layer = End() if start == columns else ProjectedEnd(start, columns, bias=False)
        else:
            layer, columns = module(text, columns)
        modules.append(layer)
    return Network(*modules)


def parse(columns, text):
    """Returns a Sequential from a number of input columns and a network as text, such as `7 tanh [dense(7, bias=false) tanh]`."""
    return sequential(columns, WORD.findall(text.replace("[", " [ ").replace("]", " ] ")))
