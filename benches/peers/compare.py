"""Holds wgrad against its peers on the CPU: programs in turn, in one run, each time in a fresh process.

    python3 benches/peers/compare.py --threads 2 --rounds 3 --python VENV/bin/python --rust FOLDER --out OUT
    python3 benches/peers/compare.py --threads 1 --python VENV/bin/python mnist wide      two workloads, no Rust peers
    python3 benches/peers/compare.py --mnist FOLDER --threads 2 --python VENV/bin/python  whole commands, with start-up

README.md beside this file says how to install the peers, and what makes the comparison a fair one."""

import json
import pathlib
import re
import statistics
import tempfile

import runs

HERE = pathlib.Path(__file__).parent
WORKLOADS = list(json.loads((HERE.parent / "workloads.json").read_text()))
PYTHON = ["torch", "torch-compile", "jax", "sklearn"]
# As cargo names them, and the same built for this very processor.
RUST = ["flex", "flex_native", "candle", "candle_native"]
EPOCHS = 5


def arguments():
    parser = runs.options(__doc__)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help="of workloads.json; all if none is named")
    parser.add_argument("--threads", type=int, default=2, help="of every program [2]")
    parser.add_argument("--rounds", type=int, default=3, help="how often each program runs [3]")
    parser.add_argument("--seconds", type=float, default=3, help="that a program measures in a round [3]")
    parser.add_argument("--python", type=pathlib.Path, help="the Python that has the peers' packages")
    parser.add_argument("--rust", type=pathlib.Path, help=f"folder of the programs {', '.join(RUST)}")
    parser.add_argument("--peers", type=lambda text: text.split(","), help="only these, with commas")
    parser.add_argument("--mnist", type=pathlib.Path, help="folder of MNIST's files: whole trainings, against torch")
    parser.add_argument("--wgrad", type=pathlib.Path, help="the command, for --mnist [built]")
    given = parser.parse_intermixed_args()
    if given.threads < 1 or given.rounds < 1 or given.seconds <= 0:
        parser.error("--threads, --rounds and --seconds are larger than 0")
    for name in given.workloads:
        if name not in WORKLOADS:
            parser.error(f"no workload {name}: there are {', '.join(WORKLOADS)}")
    for peer in given.peers or []:
        if peer not in PYTHON + RUST:
            parser.error(f"no peer {peer}: there are {', '.join(PYTHON + RUST)}")
    if given.mnist and (given.workloads or not given.python):
        parser.error("--mnist needs --python, and takes no workloads")
    return given


def versions(given):
    """Of the packages that are there, and of the crates as `rust/Cargo.toml` pins them."""
    found = {}
    if given.python:
        found |= runs.last_line(runs.run([given.python, HERE / "python_peer.py", "versions"]))
    if given.rust:
        text = (HERE / "rust" / "Cargo.toml").read_text()
        found |= dict(re.findall(r'^(burn|candle-core) += \{ version = "=([^"]+)"', text, re.MULTILINE))
    return found


def programs(given):
    """Name and command of each, wgrad first; and why some are missing."""
    there = {"wgrad": [runs.build("--bench", "steps"), "--threads", given.threads, "--seconds", given.seconds]}
    missing = {}
    for peer in PYTHON:
        if given.python:
            there[peer] = [given.python, HERE / "python_peer.py", peer]
        else:
            missing[peer] = "no --python"
    for peer in RUST:
        if given.rust and (given.rust / peer).is_file():
            there[peer] = [(given.rust / peer).resolve()]
        else:
            missing[peer] = "not in the folder" if given.rust else "no --rust"
    wanted = lambda found: {n: v for n, v in found.items() if n == "wgrad" or not given.peers or n in given.peers}
    return wanted(there), wanted(missing)


def threads(given):
    return "1 CPU thread" if given.threads == 1 else f"{given.threads} CPU threads"


def steps(given):
    facts, (commands, missing) = runs.Facts(), programs(given)
    rows, failed, data = [], [], {}
    for workload in given.workloads or WORKLOADS:

        def once(name, number):
            print(f"{workload}, round {number + 1}: {name}", end=" ", flush=True)
            said = runs.last_line(runs.run([*commands[name], workload], given.threads, given.seconds))
            print(said.get("error") or f"{said['ms']} ms", flush=True)
            return said

        results = data[workload] = runs.in_turn(list(commands), given.rounds, once)
        bad = runs.errors(results)
        failed += [f"- {name} on {workload}: {error}" for name, error in bad.items()]
        times = {name: [said["ms"] for said in all_said] for name, all_said in results.items() if name not in bad}
        cells = [runs.spread(times[name]) if name in times else "failed" for name in commands]
        peers = {name: statistics.median(values) for name, values in times.items() if name != "wgrad"}
        best = min(peers, key=peers.get, default=None)
        against = f"{runs.ratio(times['wgrad'], times[best])} {best}" if best and "wgrad" in times else "—"
        rows.append([workload, *cells, against])
    ended = facts.ended(given, versions(given))
    lines = [f"# A training step beside peers, {threads(given)}, {ended['date']}", "", *runs.told(ended)]
    lines += [
        f"Milliseconds a step: the median of {given.rounds} rounds, and from the fastest round to the slowest.",
        "The ratio is the best peer's time by wgrad's, of the medians and from round to round; above 1, wgrad is faster.",
        "",
    ]
    lines += runs.table(["workload", *commands, "best peer / wgrad"], rows)
    if failed or missing:
        lines += ["", *failed, *[f"- {name} was not measured: {why}" for name, why in missing.items()]]
    runs.write(given.out, lines, {"facts": ended, "rounds": data, "missing": missing})


def mnist(given):
    facts = runs.Facts()
    wgrad = given.wgrad or runs.build("--bin", "wgrad", features=())
    folder = tempfile.TemporaryDirectory()
    model = pathlib.Path(folder.name) / "model"

    def once(name, number):
        seed = number + 1
        if name == "torch":
            words = [given.python, HERE / "mnist.py", given.mnist, "--epochs", EPOCHS, "--seed", seed, "--out", model]
            words += ["--threads", given.threads]
        else:
            words = [wgrad, "train", "mnist", "--data-dir", given.mnist, "--network", "512 relu 256 relu"]
            words += ["--optimizer", "adam", "--learning-rate", "1e-3", "--schedule", "constant", "--batch", 128]
            words += ["--epochs", EPOCHS, "--seed", seed, "--device", "cpu", "--threads", given.threads]
            words += ["--json", "--out", f"{model}.safetensors"]
        found = runs.run(words, given.threads)
        said = runs.last_line(found)
        if "error" not in said:
            said = {"seconds": round(found["seconds"], 2), "accuracy": said["accuracy"]}
        print(f"round {number + 1}: {name} {said}", flush=True)
        return said

    results = runs.in_turn(["wgrad", "torch"], given.rounds, once)
    bad, rows = runs.errors(results), []
    for name, all_said in results.items():
        if name in bad:
            rows.append([name, "failed", bad[name]])
            continue
        seconds, right = ([said[key] for said in all_said] for key in ("seconds", "accuracy"))
        cells = ", ".join(f"{100 * accuracy:.2f} %" for accuracy in right)
        rows.append([name, runs.spread(seconds), f"{100 * statistics.mean(right):.2f} % ({cells})"])
    ended = facts.ended(given, {name: version for name, version in versions(given).items() if name == "torch"})
    lines = [f"# MNIST from the first byte to the last, {threads(given)}, {ended['date']}", ""]
    lines += runs.told(ended)
    lines += [
        f"Wall time of the whole command: start-up, four gzipped files, {EPOCHS} epochs of 784-512-256-10 with ReLU in",
        "batches of 128 with Adam at 1e-3, validation after each on one image in twelve, the model of the best epoch",
        f"written and tested. {given.rounds} rounds in turn, a seed each: the median, and from the fastest to the slowest.",
        "",
    ]
    lines += runs.table(["program", "seconds", "test images right: mean, each seed"], rows)
    if not bad:
        mine, theirs = ([said["seconds"] for said in results[name]] for name in ("wgrad", "torch"))
        lines += ["", f"torch's time by wgrad's: {runs.ratio(mine, theirs)}."]
    runs.write(given.out, lines, {"facts": ended, "rounds": results})


if __name__ == "__main__":
    chosen = arguments()
    mnist(chosen) if chosen.mnist else steps(chosen)
