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


ACTIVATIONS = {"step": Step, "identity": nn.Identity, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}


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
        case "leaky_relu":
            return nn.LeakyReLU(float(arguments[0].removeprefix("slope=")) if arguments else 0.01), columns
        case "dropout":
            return nn.Dropout(float(arguments[0].removeprefix("rate="))), columns
        case _:
            return ACTIVATIONS[name](), columns


def sequential(columns, layers):
    """Returns a Sequential from a number of input columns and a list of layers as text."""
    modules = []
    for text in layers:
        layer, columns = module(text, columns)
        modules.append(layer)
    return nn.Sequential(*modules)


def parse(columns, text):
    """Returns a Sequential from a number of input columns and a network as text, such as `7 tanh dense(6, bias=false)`."""
    return sequential(columns, WORD.findall(text))
