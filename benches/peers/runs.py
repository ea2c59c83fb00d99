"""What the scripts of this folder share: building, running one program at a time, and telling what was seen where."""

import argparse
import json
import os
import pathlib
import platform
import shlex
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LONGEST = 900  # seconds that a program may take


def build(*target, features=("--no-default-features",)):
    """The program that cargo made of a target, such as `--bench steps`."""
    command = ["cargo", "build", "--release", "--message-format=json", *features, *target]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit("error: it does not build")
    made = [json.loads(line).get("executable") for line in done.stdout.splitlines() if line.startswith("{")]
    return [program for program in made if program][-1]


def core(cpu):
    """What CPUs that share a core have in common."""
    try:
        return pathlib.Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text()
    except OSError:
        return cpu


def bound(threads):
    """The CPUs that a process with so many threads is bound to, as many, one of each core first; none where it could not
    have more, or the system cannot. What a program computes beside its threads, as JAX's Python does, would else get
    another CPU."""
    if threads is None or not hasattr(os, "sched_setaffinity"):
        return []
    cpus = sorted(os.sched_getaffinity(0))
    first = sorted({core(cpu): cpu for cpu in reversed(cpus)}.values())
    ordered = first + [cpu for cpu in cpus if cpu not in first]
    return ordered[:threads] if threads < len(cpus) else []


def run(command, threads=None, seconds=None, longest=LONGEST, variables={}):
    """Runs a program in a process of its own, with so many threads on so many CPUs; what it printed, or why not."""
    environment, cpus = dict(os.environ) | variables, bound(threads)
    if threads:
        environment |= {"THREADS": str(threads)}
    if seconds:
        environment |= {"BUDGET_S": str(seconds)}
    began = time.perf_counter()
    found = {}
    try:
        done = subprocess.run(
            [str(word) for word in command],
            env=environment,
            preexec_fn=(lambda: os.sched_setaffinity(0, cpus)) if cpus else None,
            capture_output=True,
            text=True,
            timeout=longest,
        )
        found["stdout"] = done.stdout
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or ["it said nothing"]
            found["error"] = f"ended with {done.returncode}: {last[0][:200]}"
    except subprocess.TimeoutExpired as late:
        said = late.stdout or ""
        found["stdout"] = said if isinstance(said, str) else said.decode(errors="replace")
        found["error"] = f"no answer in {longest:.0f} s"
    except OSError as error:
        found["error"] = f"does not start: {error.strerror}"
    except subprocess.SubprocessError as error:
        found["error"] = f"does not start: {error}"
    return found | {"seconds": time.perf_counter() - began}


def objects(found):
    """The JSON objects of what a program printed, each on a line of its own and whole."""
    lines = [line for line in found.get("stdout", "").splitlines() if line.startswith("{") and line.endswith("}")]
    return [json.loads(line) for line in lines]


def last_line(found):
    """The last JSON object of what a program printed, or its error."""
    if "error" in found:
        return {"error": found["error"]}
    return (objects(found) or [{"error": "it printed no result"}])[-1]


def in_turn(names, rounds, once):
    """What each program said in each round. Every other round goes backwards, so that no program always follows the
    same one; one that failed is not asked again."""
    results = {name: [] for name in names}
    for number in range(rounds):
        for name in reversed(names) if number % 2 else names:
            if not any("error" in said for said in results[name]):
                results[name].append(once(name, number))
    return results


def errors(results):
    """What a program said when it failed, if it did."""
    return {name: said["error"] for name, all_said in results.items() for said in all_said if "error" in said}


def ratio(mine, theirs):
    """Theirs by mine: of the medians, and from round to round."""
    each = [their / my for my, their in zip(mine, theirs)]
    middle = statistics.median(theirs) / statistics.median(mine)
    return f"{middle:.2f}" + (f" ({min(each):.2f}–{max(each):.2f})" if len(each) > 1 else "")


def says(*command):
    """One line that a program says, if it is there."""
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def load():
    """Programs that wanted to run, mean of the last minute: near 0 before, if the machine was quiet."""
    return round(os.getloadavg()[0], 2)


class Facts:
    """Where and how a measurement was made."""

    def __init__(self):
        self.before = load()
        self.date = time.strftime("%Y-%m-%d")

    def ended(self, given, versions):
        """`given` are the options, whose paths are left out: they say nothing to others."""
        return {
            "date": self.date,
            "processor": processor(),
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "load_before": self.before,
            "load_after": load(),
            "bound_to": bound(getattr(given, "threads", None)),
            "commit": says("git", "describe", "--always", "--dirty", "--abbrev=10"),
            "rustc": says("rustc", "--version"),
            "versions": versions,
            "command": command(given),
        }


def command(given):
    """What was typed, with the names of paths in place of the paths."""
    paths = {path: name.upper() for name, path in vars(given).items() if isinstance(path, pathlib.Path)}
    words = []
    for word in sys.argv[1:]:
        option, equals, value = word.rpartition("=")
        words.append(option + equals + paths.get(pathlib.Path(value), value))
    return shlex.join(["python3", f"benches/peers/{pathlib.Path(sys.argv[0]).name}", *words])


def told(facts):
    """The same as a list in Markdown."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    wgrad = f"wgrad at {facts['commit'] or 'a commit that is not known here'}"
    return [
        f"- Machine: {facts['processor']}, {facts['cores']} cores, {facts['system']}; "
        f"load {facts['load_before']} before and {facts['load_after']} after, with our own; programs bound to "
        f"{', '.join(f'CPU {cpu}' for cpu in facts['bound_to']) or 'no CPU'}.",
        f"- {', '.join(filter(None, [wgrad, facts['rustc']]))}" + (f"; {versions}." if versions else "."),
        f"- Command: `{facts['command']}`",
        "",
    ]


def table(head, rows):
    rule = ["---"] * len(head)
    return ["| " + " | ".join(row) + " |" for row in [head, rule, *rows]]


def number(value):
    """Three digits that count."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def spread(values):
    """Median, and from the least to the most."""
    middle = number(statistics.median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))}–{number(max(values))})"


def write(out, lines, data):
    """Prints a report, and writes it with its numbers where that is asked for."""
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if out:
        out.parent.mkdir(parents=True, exist_ok=True)
        pathlib.Path(f"{out}.md").write_text(text)
        pathlib.Path(f"{out}.json").write_text(json.dumps(data, indent=1) + "\n")


def options(description):
    """A parser of what all scripts take."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, help="writes OUT.md and OUT.json, too")
    return parser
