"""How the time of a training step grows with width, batch and depth, beside what the processor allows at most.

    python3 benches/peers/growth.py --out benches/results/DATE-growth

Writes OUT.svg, OUT.md and OUT.json; takes some minutes, and one with --coarse --seconds 0.3. The bound is the time that
the matmuls of a step take at the peak: the most multiply-adds on numbers in registers that `steps --peak` saw in this
run, on as many threads. What a step does besides, such as Adam's work on each parameter, is not in the bound."""

import html
import json
import math
import pathlib

import runs

# Threads, and the color of each: apart for all eyes, also in print.
COLORS = {1: "#0072b2", 2: "#d55e00"}
WORDS = {1: "1 thread", 2: "2 threads"}

SWEEPS = [
    # Name and what stands below the axis; then the sizes and the batch for each point.
    ("width", "width of 3 layers, batch 128", [2**n for n in range(4, 13)], lambda width: ([width] * 4, 128)),
    ("batch", "batch, network 64-64-10", [2**n for n in range(17)], lambda batch: ([64, 64, 10], batch)),
    ("depth", "layers of width 64, batch 128", [2**n for n in range(7)], lambda depth: ([64] * (depth + 1), 128)),
]

ODD = [
    ("odd widths: 17-33-129-7, batch 128", [17, 33, 129, 7], 128),
    ("wide and odd: 1001-999-1003-11, batch 101", [1001, 999, 1003, 11], 101),
    ("batch of 1: 784-512-256-10", [784, 512, 256, 10], 1),
    ("batch of 100,000: 64-64-10", [64, 64, 10], 100_000),
    ("1 output, squared error: 64-128-64-1, batch 128", [64, 128, 64, 1], 128),
    ("1,000 classes: 256-512-1000, batch 128", [256, 512, 1000], 128),
    ("12 layers: 128, eleven times 128, 10, batch 128", [128] * 12 + [10], 128),
]


def flops(layers, batch):
    """Products only: forward, weight gradients, and input gradients of all layers but the first."""
    matmuls = [2 * batch * inputs * outputs for inputs, outputs in zip(layers, layers[1:])]
    return 3 * sum(matmuls) - matmuls[0]


class Steps:
    """The program that measures."""

    def __init__(self, seconds):
        self.program, self.seconds = runs.build("--bench", "steps"), seconds

    def ask(self, threads, *words):
        command = [self.program, "--threads", threads, "--seconds", self.seconds, *words]
        said = runs.last_line(runs.run(command))
        print(said.get("error") or json.dumps(said), flush=True)
        return said

    def peak(self, threads):
        return self.ask(threads, "--peak")["gflops"]

    def point(self, threads, name, layers, batch):
        sizes = ",".join(str(size) for size in layers)
        said = self.ask(threads, "--layers", sizes, "--batch", batch, "--name", name)
        return said | {"layers": layers, "batch": batch, "threads": threads, "flops": flops(layers, batch)}


# The picture: three panels side by side, both axes by powers.

WIDTH, HEIGHT = 1200, 520
PANEL = (70, 320, 96, 310)  # left of the first, width, top, height
PITCH = 385


def told_time(ms):
    """A power of ten of milliseconds, in the unit that is read most easily."""
    for factor, unit in ((1e-3, "s"), (1, "ms"), (1e3, "µs"), (1e6, "ns")):
        if ms * factor >= 0.999:
            return f"{ms * factor:,.0f} {unit}"
    return f"{ms:g} ms"


def text(x, y, words, size=12, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"{more}>{html.escape(words)}</text>'


def line(points, color, more=""):
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{joined}" fill="none" stroke="{color}"{more}/>'


def panel(number, sweep, points, peaks):
    _, below, at, _ = sweep
    left, width, top, height = PANEL
    left += number * PITCH
    bounds = {(p["threads"], p["at"]): p["flops"] / peaks[p["threads"]] / 1e6 for p in points}
    all_ms = [p["ms"] for p in points] + list(bounds.values())
    low, high = math.floor(math.log10(min(all_ms))), math.ceil(math.log10(max(all_ms)))
    across = lambda value: left + width * math.log(value / at[0]) / math.log(at[-1] / at[0])
    up = lambda ms: top + height * (1 - (math.log10(ms) - low) / (high - low))
    drawn = []
    for power in range(low, high + 1):
        y = up(10**power)
        drawn.append(line([(left, y), (left + width, y)], "#ddd"))
        drawn.append(text(left - 8, y + 4, told_time(10**power), anchor="end"))
    every = 1 if len(at) < 10 else 4
    for value in at[::every]:
        x = across(value)
        drawn.append(line([(x, top + height), (x, top + height + 5)], "#555"))
        drawn.append(text(x, top + height + 20, f"{value:,}"))
    drawn.append(line([(left, top), (left, top + height), (left + width, top + height)], "#555"))
    drawn.append(text(left + width / 2, top + height + 44, below, 13))
    for threads, color in COLORS.items():
        mine = [p for p in points if p["threads"] == threads]
        bound = [(across(p["at"]), up(bounds[threads, p["at"]])) for p in mine]
        drawn.append(line(bound, color, ' stroke-width="1.5" stroke-dasharray="6 4"'))
        seen = [(across(p["at"]), up(p["ms"])) for p in mine]
        drawn.append(line(seen, color, ' stroke-width="2"'))
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{color}"/>' for x, y in seen]
    return drawn


def picture(facts, sweeps, peaks):
    where = f"{facts['processor']}, {facts['cores']} cores; wgrad {facts['commit']}, {facts['date']}"
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
        ' font-family="Helvetica, Arial, sans-serif" fill="#222">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        text(20, 34, "Time of one training step of wgrad on the CPU", 20, "start", ' font-weight="bold"'),
        text(20, 56, where, 13, "start"),
        text(20, 82, "time of a step", 12, "start", ' font-style="italic"'),
    ]
    for number, (sweep, points) in enumerate(sweeps):
        drawn += panel(number, sweep, points, peaks)
    x, y = 70, HEIGHT - 26
    for threads, color in COLORS.items():
        drawn.append(line([(x, y), (x + 36, y)], color, ' stroke-width="2"'))
        drawn.append(f'<circle cx="{x + 18}" cy="{y}" r="3" fill="{color}"/>')
        drawn.append(text(x + 44, y + 4, f"{WORDS[threads]}, measured", 13, "start"))
        drawn.append(line([(x + 220, y), (x + 256, y)], color, ' stroke-width="1.5" stroke-dasharray="6 4"'))
        words = f"its matmuls at the peak, {peaks[threads]:.0f} GFLOP/s"
        drawn.append(text(x + 264, y + 4, words, 13, "start"))
        x += 565
    return "\n".join([*drawn, "</svg>", ""])


def table(first, points, peaks):
    """A row for each network, and three columns for each number of threads."""
    heads = [f"{what}, {WORDS[threads]}" for threads in COLORS for what in ("ms", "GFLOP/s", "of the peak")]
    rows = {}
    for point in points:
        row = rows.setdefault(str(point["at"]), [])
        if "error" in point:
            row += [point["error"], "—", "—"]
        else:
            share = 100 * point["gflops"] / peaks[point["threads"]]
            row += [runs.number(point["ms"]), runs.number(point["gflops"]), f"{runs.number(share)} %"]
    return runs.table([first, *heads], [[at, *row] for at, row in rows.items()])


def main():
    parser = runs.options(__doc__)
    parser.add_argument("--seconds", type=float, default=1, help="that a point is measured [1]")
    parser.add_argument("--coarse", action="store_true", help="every third point only, to try it")
    given = parser.parse_args()
    facts, steps = runs.Facts(), Steps(given.seconds)
    peaks = {threads: 0 for threads in COLORS}

    def look_for_peaks():
        """Between all else, since a bound is the most that was ever seen."""
        for threads in peaks:
            peaks[threads] = max(peaks[threads], steps.peak(threads))

    look_for_peaks()
    sweeps = []
    for sweep in SWEEPS:
        name, below, at, network = sweep
        at = at[::3] if given.coarse else at
        sweep = (name, below, at, network)
        points = [steps.point(threads, name, *network(x)) | {"at": x} for x in at for threads in COLORS]
        sweeps.append((sweep, points))
        look_for_peaks()
    odd = [
        steps.point(threads, name, layers, batch) | {"at": name}
        for name, layers, batch in ODD
        for threads in COLORS
    ]
    look_for_peaks()
    ended = facts.ended(given, {})
    lines = [f"# How the time of a step grows, {ended['date']}", "", *runs.told(ended)]
    lines += [
        "Products of a step, as GFLOP/s and as a share of the peak: "
        + ", ".join(f"{peaks[threads]:.0f} GFLOP/s on {WORDS[threads]}" for threads in COLORS)
        + ", the most multiply-adds on numbers in registers that this run saw.",
        "ReLU between layers, softmax cross-entropy, Adam.",
    ]
    if given.out:
        lines += ["", f"![Three panels: time against width, batch and depth]({given.out.name}.svg)"]
    for (name, below, _, _), points in sweeps:
        lines += ["", f"## By {name}", "", *table(below, points, peaks)]
    lines += ["", "## Odd shapes", "", *table("network", odd, peaks)]
    data = {"facts": ended, "peaks": peaks, "sweeps": {sweep[0]: points for sweep, points in sweeps}, "odd": odd}
    runs.write(given.out, lines, data)
    if given.out:
        good = [(sweep, [point for point in points if "error" not in point]) for sweep, points in sweeps]
        pathlib.Path(f"{given.out}.svg").write_text(picture(ended, good, peaks))


if __name__ == "__main__":
    main()
