"""Times whole training steps (forward, softmax cross-entropy, backward, Adam at 1e-3) of a Python peer, as
`../steps.rs` times those of wgrad: on the CPU, PyTorch on CUDA as well. One JSON line a workload.

    VENV/bin/python python_peer.py torch --threads 2 --seconds 3 mnist wide    of workloads.json; without a name, all
    VENV/bin/python python_peer.py jax --layers 784,512,10 --batch 128 --name mine
    VENV/bin/python python_peer.py torch-graphs --torch-device cuda --tf32 mnist
    VENV/bin/python python_peer.py torch-matmuls --torch-device cuda --matmuls NT:512x1024x1024,TN:1024x1024x512
    VENV/bin/python python_peer.py versions                                    of all packages
    VENV/bin/python python_peer.py cuda                                        whether torch has a GPU, and which

Eight batches are at hand, cut before the clock starts, and cycled. Without the options, THREADS and BUDGET_S of the
environment say how many threads, and how many seconds a workload."""

import argparse
import functools
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
    parser.add_argument("peer", choices=[*PEERS, "torch-matmuls", "versions", "cuda"])
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD")
    parser.add_argument("--threads", type=int, default=int(os.environ.get("THREADS", "2")))
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("BUDGET_S", "3")))
    parser.add_argument("--layers", help="inputs,…,outputs", type=lambda text: [int(size) for size in text.split(",")])
    parser.add_argument("--batch", type=int)
    parser.add_argument("--name", default="own")
    parser.add_argument("--between", default="relu", help="layers between dense layers, in wgrad's words; torch [relu]")
    parser.add_argument("--torch-device", choices=["cpu", "cuda"], default="cpu", help="where torch computes [cpu]")
    parser.add_argument("--tf32", action="store_true", help="lets torch round factors of matmuls to TensorFloat-32")
    parser.add_argument("--matmuls", type=matmuls, default=[], help="FORM:ROWSxCOLUMNSxTERMS,… with NT, NN or TN")
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


def matmuls(text):
    """Name, form and sizes of each."""
    found = [(name, *name.split(":")) for name in text.split(",")]
    return [(name, form, [int(size) for size in sizes.split("x")]) for name, form, sizes in found]


# Each peer gives: one call, how many steps it takes, and how to wait until all is done.


def torch(layers, batch, given, **how):
    import torch_peer

    return torch_peer.steps(layers, batch, data(layers, batch), given, **how)


def jax(layers, batch, given):
    import jax
    import jax.numpy as jnp

    # With one CPU it is faster to compute than to ask another thread to; with two it is not.
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    jax.config.update("jax_cpu_enable_async_dispatch", cpus > 1)
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


def sklearn(layers, batch, given):
    import numpy as np
    from sklearn.neural_network import MLPClassifier

    x, y = data(layers, batch)
    classes = np.arange(layers[-1])
    y[: len(classes)] = classes[: len(y)]  # it asks to see each once
    model = MLPClassifier(tuple(layers[1:-1]), batch_size=batch, shuffle=False)
    model.partial_fit(x, y, classes=classes)
    # One call passes over all rows.
    return lambda: model.partial_fit(x, y), BATCHES, lambda: None


PEERS = {
    "torch": torch,
    "torch-compile": functools.partial(torch, compiled=True),
    "torch-graphs": functools.partial(torch, graphs=True),
    "jax": jax,
    "sklearn": sklearn,
}


def flops(layers, batch):
    """Products only: forward, weight gradients, and input gradients of all layers but the first."""
    matmuls = [2 * batch * inputs * outputs for inputs, outputs in zip(layers, layers[1:])]
    return 3 * sum(matmuls) - matmuls[0]


def measure(step, per_call, wait, budget, block_seconds=BLOCK):
    """Seconds a step takes, of the median block and of the best."""
    for _ in range(-(-WARM_UP // per_call)):
        step()
    wait()
    began = time.perf_counter()
    step()
    wait()
    calls = max(1, round(block_seconds / (time.perf_counter() - began)))
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
    for package in ("torch", "triton", "jax", "jaxlib", "optax", "scikit-learn", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            pass
    return found


def timed(given):
    """What is measured: what it is called, its operations, and the measurement; rows of a step, if it is one."""
    if given.peer == "torch-matmuls":
        from torch_peer import SUBMISSION, matmul

        for name, form, sizes in given.matmuls:
            measured = lambda: measure(*matmul(form, sizes, given), given.seconds, SUBMISSION)
            yield {"matmul": name}, 2 * sizes[0] * sizes[1] * sizes[2], measured, None
        return
    for name, (layers, batch) in given.chosen.items():
        measured = lambda: measure(*PEERS[given.peer](layers, batch, given), given.seconds)
        yield {"workload": name}, flops(layers, batch), measured, batch


def main():
    given = arguments()
    if given.peer == "versions":
        return print(json.dumps(versions()))
    if given.peer == "cuda":
        from torch_peer import cuda

        return print(json.dumps(cuda()))
    # Read when the libraries are loaded; the last by XLA, under JAX.
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"):
        os.environ.setdefault(name, str(given.threads))
    torch_only = {"device": given.torch_device, "tf32": given.tf32} if given.peer.startswith("torch") else {}
    for what, work, measured, rows in timed(given):
        line = {"peer": given.peer, "threads": given.threads, **torch_only, **what}
        try:
            median, best = measured()
            line |= {"ms": round(median * 1e3, 6), "best_ms": round(best * 1e3, 6)}
            line |= {"gflops": round(work / median / 1e9, 2)}
            line |= {"samples_per_s": round(rows / median)} if rows else {}
        except Exception as error:
            line["error"] = f"{type(error).__name__}: {error}"[:200]
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
