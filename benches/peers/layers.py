"""Holds other layers against ReLU alone, in wgrad and in PyTorch: all in turn, in one run, each time in a fresh process.

    python3 benches/peers/layers.py --python VENV/bin/python --threads 2 --rounds 5 --out benches/results/NAME.md

The network is 784-512-256-10 with these layers between its dense layers, the batch size 128, the optimizer Adam. Both programs
say the median time of a step; a ratio is that of two medians over all rounds, with its range over the rounds."""

import argparse
import pathlib
import statistics

import runs

HERE = pathlib.Path(__file__).parent
LAYERS = ["relu", "layer_norm relu", "batch_norm relu", "gelu", "silu"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", type=pathlib.Path, required=True, help="the Python that has torch")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1)
    parser.add_argument("--out", type=pathlib.Path)
    given = parser.parse_args()
    sizes = ["--layers", "784,512,256,10", "--batch", 128, "--threads", given.threads, "--seconds", given.seconds]
    programs = {
        "wgrad": [runs.build("--bench", "steps")],
        "torch": [given.python, HERE / "python_peer.py", "torch"],
    }
    names = [(program, layers) for layers in LAYERS for program in programs]

    def once(name, _):
        program, layers = name
        return runs.last_line(runs.run([*programs[program], *sizes, "--between", layers], given.threads))

    results = runs.in_turn(names, given.rounds, once)
    if failed := runs.errors(results):
        raise SystemExit(f"error: {failed}")
    ms = {name: [said["ms"] for said in all_said] for name, all_said in results.items()}
    median = {name: statistics.median(times) for name, times in ms.items()}
    lines = [
        f"{runs.processor()}, {given.threads} threads, {given.rounds} rounds of {given.seconds:g} s, load {runs.load()}",
        "",
        "| between | wgrad, ms | of relu | PyTorch, ms | of relu | PyTorch / wgrad |",
        "|---|---|---|---|---|---|",
    ]
    for layers in LAYERS:
        wgrad, torch = ("wgrad", layers), ("torch", layers)
        of_relu = [runs.ratio(ms[program, "relu"], ms[program, layers]) for program in programs]
        lines.append(
            f"| {layers} | {median[wgrad]:.3f} | {of_relu[0]} | {median[torch]:.3f} | {of_relu[1]} "
            f"| {runs.ratio(ms[wgrad], ms[torch])} |"
        )
    text = "\n".join(lines) + "\n"
    print(text)
    if given.out:
        given.out.write_text(text)


if __name__ == "__main__":
    main()
