"""PyTorch as a peer, on the CPU and on CUDA; what `python_peer.py` measures."""

import functools
import itertools
import pathlib
import sys
import time

import torch

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden"))
import network

SUBMISSION = 0.02  # seconds that the repetitions of a matmul last which are handed over together

# Each gives: one call, how many steps or matmuls it has, and how to wait until all is done.


def prepared(given):
    """Sets torch as it is asked for; its device, and how to wait for that."""
    torch.set_num_threads(given.threads)
    torch.set_float32_matmul_precision("high" if given.tf32 else "highest")
    torch.manual_seed(0)
    on_cuda = given.torch_device == "cuda"
    return torch.device(given.torch_device), torch.cuda.synchronize if on_cuda else lambda: None


def steps(layers, batch, rows, given, compiled=False, graphs=False):
    """One step, on the next of the batches that the rows are cut into."""
    device, wait = prepared(given)
    if graphs and device.type != "cuda":
        raise ValueError("CUDA graphs need --torch-device cuda")
    words = f" {given.between} ".join(str(size) for size in layers[1:])
    net = network.parse(layers[0], words).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3, fused=True, capturable=graphs)
    x, y = (torch.from_numpy(part).to(device) for part in rows)
    loss = lambda x, y: torch.nn.functional.cross_entropy(net(x), y)
    if compiled:
        loss = torch.compile(loss)

    def step(x, y):
        optimizer.zero_grad(set_to_none=True)
        loss(x, y).backward()
        optimizer.step()

    steps = [functools.partial(step, *rows) for rows in zip(x.split(batch), y.split(batch))]
    endless = itertools.cycle(captured(steps) if graphs else steps)
    return lambda: next(endless)(), 1, wait


def captured(calls):
    """The same calls as CUDA graphs, which share their memory: they are replayed one after the other."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for call in calls[:3]:  # what is made once must not be made while a graph is captured
            call()
    torch.cuda.current_stream().wait_stream(side)
    graphs = []
    for call in calls:
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=graphs[0].pool() if graphs else None):
            call()
        graphs.append(graph)
    return [graph.replay for graph in graphs]


def matmul(form, sizes, given):
    """So many matmuls in one call that handing them over costs little: on CUDA as one graph."""
    device, wait = prepared(given)
    rows, columns, terms = sizes
    rand = lambda *shape: torch.rand(shape, device=device) * 2 - 1
    a = rand(terms, rows).T if form == "TN" else rand(rows, terms)
    b = rand(columns, terms).T if form == "NT" else rand(terms, columns)
    out = torch.empty(rows, columns, device=device)
    one = lambda: torch.mm(a, b, out=out)
    one(), wait()
    began = time.perf_counter()
    one(), wait()
    times = max(1, min(1000, round(SUBMISSION / (time.perf_counter() - began))))
    many = lambda: [one() for _ in range(times)]
    return captured([many])[0] if device.type == "cuda" else many, times, wait


def cuda():
    """Whether torch can use a GPU, and which; or why not."""
    if not torch.cuda.is_available():
        return {"error": f"torch {torch.__version__} finds no CUDA device"}
    return {"name": torch.cuda.get_device_name(), "cuda": torch.version.cuda, "torch": torch.__version__}
