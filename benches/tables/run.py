"""Measures wgrad's default recipe for tables beside other libraries. README.md beside this file has the details."""

import argparse
import datetime
import json
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

# One thread for every library; it has to be set before they are loaded.
os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")})

import sets  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
STANDARD = ["linear", "sklearn_mlp", "hist_gradient_boosting", "lightgbm"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="sets [default: all]")
    parser.add_argument("--half", choices=["choosing", "reporting"], help="only the sets of one half")
    parser.add_argument("--peers", default=",".join(STANDARD), help=f"of {', '.join(STANDARD)}, realmlp; none")
    parser.add_argument("--seeds", type=int, default=len(sets.SEEDS), help="number of seeds")
    parser.add_argument("--wgrad", type=Path, default=ROOT / "target/release/wgrad", help="program to measure")
    parser.add_argument("--options", default="", help="further options of `wgrad train`; a recipe has none")
    parser.add_argument("--cache", type=Path, default=ROOT / "target/tables", help="folder of tables and peers' results")
    parser.add_argument("--out", type=Path, help="writes OUT.json and OUT.md [default: benches/results/DATE-tables-peers]")
    return parser.parse_args()


def wgrad(given, set, seed, folder):
    """Trains on the raw table. The program itself takes its validation set from the training rows."""
    train, test = (path.resolve() for path in sets.files(set, seed, folder))
    with tempfile.TemporaryDirectory() as place:
        command = [given.wgrad.resolve(), "train", train, "--test", test, "--seed", str(seed), "--threads", "1"]
        command += ["--device", "cpu", "--json", *shlex.split(given.options)]
        began = time.perf_counter()
        done = subprocess.run(command, cwd=place, capture_output=True, text=True)
        seconds = time.perf_counter() - began
    if done.returncode != 0:
        sys.exit(f"{set.name}, seed {seed}: {done.stderr}")
    summary = json.loads(done.stdout.splitlines()[-1])
    kind = "accuracy" if set.task == "classification" else "r2"
    if summary.get(kind) is None:
        sys.exit(f"{set.name}: its target was not read for {set.task}")
    return {"score": summary[kind], "seconds": seconds}


def measured(given, chosen):
    """Results as {set: {peer: [one per seed]}}. Those of peers are kept in the cache, wgrad's are measured each time."""
    kept = given.cache / "peers.json"
    cache = json.loads(kept.read_text()) if kept.exists() else {}
    peers = [peer for peer in given.peers.split(",") if peer != "none"]
    results = {}
    for set in chosen:
        of_set = results[set.name] = {}
        for seed in range(given.seeds):
            of_set.setdefault("wgrad", []).append(wgrad(given, set, seed, given.cache))
            for peer in peers:
                key = f"{peer}/{set.name}/{seed}"
                if key not in cache:
                    import peers as library

                    cache[key] = library.measure(peer, set, seed, *sets.split(set, seed))
                    kept.write_text(json.dumps(cache, indent=1, sort_keys=True))
                of_set.setdefault(peer, []).append(cache[key])
        means = "  ".join(f"{peer} {mean(runs, 'score'):.4f}" for peer, runs in of_set.items())
        print(f"{set.name:14} {means}", flush=True)
    return results


def mean(runs, key):
    return statistics.fmean(run[key] for run in runs)


def ranks(results):
    """Mean rank of each peer over the sets; equal scores share a rank."""
    found = {}
    for of_set in results.values():
        scores = {peer: mean(runs, "score") for peer, runs in of_set.items()}
        for peer, score in scores.items():
            better = sum(other > score for other in scores.values())
            equal = sum(other == score for other in scores.values())
            found.setdefault(peer, []).append(better + (equal + 1) / 2)
    return {peer: statistics.fmean(of_peer) for peer, of_peer in found.items()}


def report(results):
    """Tables in Markdown: one row per set, and the means of each half and task."""
    peers = list(next(iter(results.values())))
    lines = []
    for half, names in zip(("choosing", "reporting"), sets.halves()):
        part = {name: results[name] for name in names if name in results}
        if not part:
            continue
        lines += [f"## Half for {half}", "", f"| set | rows | score | {' | '.join(peers)} |", "|---" * (len(peers) + 3) + "|"]
        for set in sets.SETS:
            if set.name not in part:
                continue
            scores = [mean(part[set.name][peer], "score") for peer in peers]
            texts = [f"**{score:.4f}**" if score == max(scores) else f"{score:.4f}" for score in scores]
            kind = "R²" if set.task == "regression" else "accuracy"
            lines.append(f"| {set.name} | {len(sets.frame(set)):,} | {kind} | {' | '.join(texts)} |")
        for task in ("regression", "classification"):
            of_task = {set.name: part[set.name] for set in sets.SETS if set.name in part and set.task == task}
            if of_task:
                means = (statistics.fmean(mean(runs[peer], "score") for runs in of_task.values()) for peer in peers)
                lines.append(f"| mean, {task} | | | {' | '.join(f'{value:.4f}' for value in means)} |")
        of_part = ranks(part)
        lines.append(f"| **mean rank** | | | {' | '.join(f'{of_part[peer]:.2f}' for peer in peers)} |")
        seconds = (statistics.fmean(mean(runs[peer], "seconds") for runs in part.values()) for peer in peers)
        lines += [f"| seconds per run | | | {' | '.join(f'{value:.2f}' for value in seconds)} |", ""]
    return "\n".join(lines)


def main():
    given = arguments()
    halves = dict(zip(("choosing", "reporting"), sets.halves()))
    wanted = given.names or halves.get(given.half, [set.name for set in sets.SETS])
    chosen = [set for set in sets.SETS if set.name in wanted]
    given.cache.mkdir(parents=True, exist_ok=True)
    results = measured(given, chosen)
    text = report(results)
    print(f"\n{text}")
    out = given.out or ROOT / f"benches/results/{datetime.date.today()}-tables-peers"
    out.with_suffix(".json").write_text(json.dumps(results, indent=1) + "\n")
    out.with_suffix(".md").write_text(f"# wgrad beside other libraries on real tables\n\nMean of {given.seeds} seeds, one thread.\n\n{text}")


if __name__ == "__main__":
    main()
