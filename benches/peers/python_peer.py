"""Times whole training steps (forward, softmax cross-entropy, backward, Adam at 1e-3) of a Python peer on the CPU, as
`../steps.rs` times those of wgrad. One JSON line a workload.

    VENV/bin/python python_peer.py torch --threads 2 --seconds 3 mnist wide    of workloads.json; without a name, all
    VENV/bin/python python_peer.py jax --layers 784,512,10 --batch 128 --name mine
    VENV/bin/python python_peer.py versions

Eight batches are at hand, cut before the clock starts, and cycled. Without the options, THREADS and BUDGET_S of the
environment say how many threads, and how many seconds a workload."""

import argparse
import json
import os
import pathlib
import statistics
import time

BATCHES = 8
BLOCK = 0.25  # seconds
WARM_UP = 5  # steps
WORKLOADS = pathlib.Path(__file__).parent.parent / "workloads.json"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peer", choices=[*PEERS, "versions"])
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("THREADS", "2")))
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("BUDGET_S", "3")))
    parser.add_argument("--layers", help="inputs,…,outputs", type=lambda text: [int(size) for size in text.split(",")])
    parser.add_argument("--batch", type=int)
    parser.add_argument("--name", default="own")
    given = parser.parse_intermixed_args()
    if (given.layers is None) != (given.batch is None) or (given.layers and given.workloads):
        parser.error("--layers and --batch go together, and without names")
    known = json.loads(WORKLOADS.read_text())
    for name in given.workloads:
        if name not in known:
            parser.error(f"no workload {name}: there are {', '.join(known)}")
    if given.layers:
        given.chosen = {given.name: (given.layers, given.batch)}
    else:
        given.chosen = {name: (known[name]["layers"], known[name]["batch"]) for name in given.workloads or known}
    return given


def data(layers, batch):
    """Rows, and classes that a line can tell apart."""
    import numpy as np

    random = np.random.default_rng(0)
    x = random.standard_normal((BATCHES * batch, layers[0]), dtype=np.float32)
    teacher = random.standard_normal((layers[0], layers[-1]), dtype=np.float32)
    return x, (x @ teacher).argmax(1)


# Each peer gives: one call, how many steps it takes, and how to wait until all is done.


def torch(layers, batch, threads, compiled=False):
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    parts = []
    for inputs, outputs in zip(layers, layers[1:]):
        parts += [torch.nn.Linear(inputs, outputs), torch.nn.ReLU()]
    net = torch.nn.Sequential(*parts[:-1])
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True)
    x, y = data(layers, batch)
    batches = list(zip(torch.from_numpy(x).split(batch), torch.from_numpy(y).split(batch)))
    loss = lambda x, y: torch.nn.functional.cross_entropy(net(x), y)
    if compiled:
        loss = torch.compile(loss)
    step_number = 0

    def step():
        nonlocal step_number
        x, y = batches[step_number % BATCHES]
        step_number += 1
        optimizer.zero_grad(set_to_none=True)
        loss(x, y).backward()
        optimizer.step()

    return step, 1, lambda: None


def torch_compile(layers, batch, threads):
    return torch(layers, batch, threads, compiled=True)


def jax(layers, batch, threads):
    import jax
    import jax.numpy as jnp
    import optax

    key = jax.random.PRNGKey(0)
    params = []
    for inputs, outputs in zip(layers, layers[1:]):
        key, used = jax.random.split(key)
        params.append((jax.random.normal(used, (inputs, outputs)) * (2.0 / inputs) ** 0.5, jnp.zeros(outputs)))
    optimizer = optax.adam(1e-3)

    def loss(params, x, y):
        for weight, bias in params[:-1]:
            x = jax.nn.relu(x @ weight + bias)
        weight, bias = params[-1]
        return optax.softmax_cross_entropy_with_integer_labels(x @ weight + bias, y).mean()

    # Donated: what the step replaces may be overwritten.
    @jax.jit(donate_argnums=(0, 1))
    def update(params, moments, x, y):
        gradients = jax.grad(loss)(params, x, y)
        changes, moments = optimizer.update(gradients, moments, params)
        return optax.apply_updates(params, changes), moments

    x, y = data(layers, batch)
    batches = [(jnp.asarray(x[i * batch :][:batch]), jnp.asarray(y[i * batch :][:batch])) for i in range(BATCHES)]
    state, step_number = (params, optimizer.init(params)), 0

    def step():
        nonlocal state, step_number
        state = update(*state, *batches[step_number % BATCHES])
        step_number += 1

    return step, 1, lambda: jax.block_until_ready(state)


def sklearn(layers, batch, threads):
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    x, y = data(layers, batch)
    classes = np.arange(layers[-1])
    y[: len(classes)] = classes[: len(y)]  # it asks to see each once
    model = MLPClassifier(tuple(layers[1:-1]), batch_size=batch, shuffle=False)
    model.partial_fit(x, y, classes=classes)
    # One call passes over all rows.
    return lambda: model.partial_fit(x, y), BATCHES, lambda: None


PEERS = {"torch": torch, "torch-compile": torch_compile, "jax": jax, "sklearn": sklearn}


def flops(layers, batch):
    """Products only: forward, weight gradients, and input gradients of all layers but the first."""
    products = [2 * batch * inputs * outputs for inputs, outputs in zip(layers, layers[1:])]
    return 3 * sum(products) - products[0]


def measure(step, per_call, wait, budget):
    """Seconds a step takes, of the median block and of the best."""
    for _ in range(-(-WARM_UP // per_call)):
        step()
    wait()
    began = time.perf_counter()
    step()
    wait()
    calls = max(1, round(BLOCK / (time.perf_counter() - began)))
    blocks, began = [], time.perf_counter()
    while not blocks or time.perf_counter() - began < budget:
        block = time.perf_counter()
        for _ in range(calls):
            step()
        wait()
        blocks.append((time.perf_counter() - block) / calls / per_call)
    return statistics.median(blocks), min(blocks)


def versions():
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in ("torch", "jax", "jaxlib", "optax", "scikit-learn", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            pass
    return found


def main():
    given = arguments()
    if given.peer == "versions":
        return print(json.dumps(versions()))
    # Read when the libraries are loaded; the last by XLA, under JAX.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"):
        os.environ.setdefault(name, str(given.threads))
    for name, (layers, batch) in given.chosen.items():
        line = {"peer": given.peer, "threads": given.threads, "workload": name}
        try:
            median, best = measure(*PEERS[given.peer](layers, batch, given.threads), given.seconds)
            line |= {"ms": round(median * 1e3, 4), "best_ms": round(best * 1e3, 4)}
            line |= {"gflops": round(flops(layers, batch) / median / 1e9, 2), "samples_per_s": round(batch / median)}
        except Exception as error:
            line["error"] = f"{type(error).__name__}: {error}"[:200]
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
