"""MNIST with torch, as a script of one's own would do it: the job of `wgrad train mnist`, from the same gzipped files.

    VENV/bin/python mnist.py FOLDER --epochs 5 --threads 2

784-512-256-10 with ReLU, batches of 128, Adam at 1e-3; one image in twelve is for validation after each epoch, and the
model of the best one is kept, written and tested. All images lie in memory as numbers, and no DataLoader
stands between. The last line is JSON."""

import argparse
import copy
import gzip
import json
import pathlib

import torch

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--epochs", type=int, default=5)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("mnist.pt"))
given = parser.parse_args()
torch.set_num_threads(given.threads)
torch.manual_seed(given.seed)


def read(part):
    """Images as rows of pixels, and labels; the headers of the files are 16 and 8 bytes."""
    images, labels = (
        bytearray(gzip.decompress((given.folder / f"{part}-{kind}-ubyte.gz").read_bytes()))
        for kind in ("images-idx3", "labels-idx1")
    )
    images = torch.frombuffer(images, dtype=torch.uint8, offset=16).view(-1, 784).float()
    return images, torch.frombuffer(labels, dtype=torch.uint8, offset=8).long()


def evaluate(net, x, y):
    with torch.inference_mode():
        outputs = net(x)
        right = (outputs.argmax(1) == y).float().mean().item()
        return torch.nn.functional.cross_entropy(outputs, y).item(), right


x, y = read("train")
test_x, test_y = read("t10k")
held_out = len(x) // 12
order = torch.randperm(len(x))
validation_x, validation_y = x[order[:held_out]], y[order[:held_out]]
x, y = x[order[held_out:]], y[order[held_out:]]
mean, scale = x.mean(), x.std()
for images in (x, validation_x, test_x):
    images.sub_(mean).div_(scale)

sizes = [784, 512, 256, 10]
parts = []
for inputs, outputs in zip(sizes, sizes[1:]):
    parts += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
net = torch.nn.Sequential(*parts[:-1])
optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
best = None
for epoch in range(given.epochs):
    total = torch.zeros(())
    for rows in torch.randperm(len(x)).split(128):
        optimizer.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(net(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        total += loss.detach() * len(rows)
    validation, right = evaluate(net, validation_x, validation_y)
    told = f"epoch {epoch + 1}: loss {total.item() / len(x):.4f}, validation {validation:.4f}, {100 * right:.1f} %"
    print(told, flush=True)
    if best is None or validation < best[0]:
        best = validation, copy.deepcopy(net.state_dict())
net.load_state_dict(best[1])
torch.save(net.state_dict(), given.out)
loss, accuracy = evaluate(net, test_x, test_y)
print(json.dumps({"peer": "torch", "threads": given.threads, "loss": loss, "accuracy": round(accuracy, 4)}))
