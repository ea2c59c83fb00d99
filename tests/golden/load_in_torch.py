"""Checks that PyTorch and wgrad make the same predictions from a model file of wgrad.

    python load_in_torch.py MODEL ROWS PREDICTIONS

MODEL        safetensors file with tensors `0.weight` [outputs, inputs], `0.bias`, … and, as JSON in its metadata under
             `wgrad`, the network, the preprocessing of inputs and the names of the classes
ROWS         CSV of the inputs: a header; columns of features, then the target, which is not used
PREDICTIONS  CSV printed by `wgrad predict`: a header; the predicted class, then a probability for each class

Prints `N rows, M agree` and exits with 1 unless all rows agree in the class, and in each probability up to TOLERANCE.
"""

import csv
import json
import sys

import torch
from safetensors import safe_open

from network import sequential

TOLERANCE = 1e-5


def read_model(path):
    """Returns the model in evaluation mode, and the description in its metadata."""
    with safe_open(path, framework="pt") as file:
        description = json.loads(file.metadata()["wgrad"])
        parameters = {name: file.get_tensor(name) for name in file.keys()}
    network = description["network"]
    model = sequential(network["input"], network["layers"])
    model.load_state_dict(parameters, strict=True)
    return model.eval(), description


def read_csv(path):
    """Returns the rows after the header."""
    with open(path, newline="", encoding="utf-8") as file:
        return [row for row in csv.reader(file) if row][1:]


def preprocess(inputs, preprocessing):
    """Scales columns in float64, x' = (x − mean) / scale; without preprocessing, inputs stay as they are."""
    if preprocessing is not None:
        mean, scale = (torch.tensor(preprocessing[key], dtype=torch.float64) for key in ["mean", "scale"])
        inputs = (inputs - mean) / scale
    return inputs.float()


def probabilities(logits):
    """Returns one column per class; a single logit is that of the second of two classes."""
    if logits.shape[1] == 1:
        return torch.cat([torch.sigmoid(-logits), torch.sigmoid(logits)], dim=1)
    return torch.softmax(logits, dim=1)


def main(model_path, rows_path, predictions_path):
    torch.set_num_threads(1)
    model, description = read_model(model_path)
    rows = [[float(value) for value in row[:-1]] for row in read_csv(rows_path)]
    inputs = torch.tensor(rows, dtype=torch.float64)
    with torch.no_grad():
        expected = probabilities(model(preprocess(inputs, description.get("preprocessing"))))

    # Classes without names are printed as numbers.
    classes = [str(name) for name in description.get("classes") or range(expected.shape[1])]
    predictions = read_csv(predictions_path)
    if len(predictions) != len(inputs) or len(classes) != expected.shape[1]:
        sys.exit(
            f"{len(inputs)} rows, but {len(predictions)} predictions; "
            f"{expected.shape[1]} probabilities, but {len(classes)} classes"
        )

    agree = 0
    for number, (row, (predicted, *printed)) in enumerate(zip(expected, predictions), start=1):
        name = classes[row.argmax()]
        printed = torch.tensor([float(value) for value in printed])
        # This form fails for NaN.
        if predicted == name and printed.shape == row.shape and bool(((printed - row).abs() <= TOLERANCE).all()):
            agree += 1
        else:
            print(f"row {number}: PyTorch predicts {name} {row.tolist()}, wgrad {predicted} {printed.tolist()}")
    print(f"{len(inputs)} rows, {agree} agree")
    return 0 if agree == len(inputs) else 1


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
