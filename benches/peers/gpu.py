"""Measures wgrad on a GPU, beside its peers there: programs in turn, in one run, each time in a fresh process.

    python3 benches/peers/gpu.py --python VENV/bin/python
    python3 benches/peers/gpu.py --wgrad BINARY --peak-gflops 20000 --bandwidth-gbs 500 --tiles --peers none
    python3 benches/peers/gpu.py --device llvmpipe --torch-device cpu --python VENV/bin/python --out try moons

The last is for trying the script where there is no GPU. wgrad needs nothing but its binary, which has its shaders in
it: `--wgrad` names it, else cargo builds it. README.md beside this file says what is measured, and how."""

import json
import pathlib
import re
import sys
import tempfile
import time

import gpu_report
import runs

HERE = pathlib.Path(__file__).parent
TRAINED = list(json.loads((HERE.parent / "workloads.json").read_text()))
NETWORKS = [*TRAINED, "layer", "square"]
TORCH = ["torch", "torch-graphs", "torch-compile", "torch-matmuls"]
BURN = ["burn_wgpu"]
# Smaller matmuls say how long it takes to hand them over.
LEAST_FLOPS = 1e6
# Drivers are to keep no shaders: only what wgrad keeps itself makes a later start faster than the first.
UNKEPT = {"__GL_SHADER_DISK_CACHE": "0", "MESA_SHADER_CACHE_DISABLE": "true"}


def arguments():
    parser = runs.options(__doc__)
    results = HERE.parent / "results" / f"{time.strftime('%Y-%m-%d')}-gpu"
    parser.set_defaults(out=results)
    networks = f"of {', '.join(NETWORKS)}; all if none is named"
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help=networks)
    parser.add_argument("--wgrad", type=pathlib.Path, help="the command [built]")
    parser.add_argument("--device", default="gpu", help="a name that wgrad knows [gpu]")
    parser.add_argument("--peak-gflops", type=float, help="what the device can do: shows the share that is reached")
    parser.add_argument("--bandwidth-gbs", type=float, help="what its memory can do")
    parser.add_argument("--tiles", action="store_true", help="wgrad's matmuls with all tiles, at the end")
    parser.add_argument("--fused-step", metavar="WHEN", help="wgrad's own option: auto, never or always [auto]")
    parser.add_argument("--autotune", type=pathlib.Path, help="wgrad's own option: a file that `wgrad tune` wrote [none]")
    parser.add_argument("--python", type=pathlib.Path, help="the Python that has torch")
    parser.add_argument("--torch-device", choices=["cuda", "cpu"], default="cuda", help="cpu for trials [cuda]")
    parser.add_argument("--rust", type=pathlib.Path, help=f"folder of the programs {', '.join(BURN)}")
    parser.add_argument("--peers", type=lambda text: text.split(","), help="only these, with commas; or none")
    parser.add_argument("--rounds", type=int, default=2, help="how often each program runs [2]")
    parser.add_argument("--seconds", type=float, default=1, help="that a program measures a network in a round [1]")
    parser.add_argument("--minutes", type=float, default=8, help="for everything: what is left then is not begun [8]")
    parser.add_argument("--commit", help="of wgrad, where git cannot tell it")
    given = parser.parse_intermixed_args()
    if given.rounds < 1 or given.seconds < 0.01 or given.minutes <= 0:
        parser.error("--rounds is at least 1, --seconds at least 0.01, and --minutes larger than 0")
    for name in given.networks:
        if name not in NETWORKS:
            parser.error(f"no network {name}: there are {', '.join(NETWORKS)}")
    for peer in given.peers or []:
        if peer not in [*TORCH, *BURN, "none"]:
            parser.error(f"no peer {peer}: there are {', '.join([*TORCH, *BURN])}, and none")
    given.networks = given.networks or NETWORKS
    return given


class Programs:
    """What is run in turn: for each name what it says in a round, lines with `ms` of a `workload` or a `matmul`."""

    def __init__(self, given):
        self.given, self.until = given, time.monotonic() + 60 * given.minutes
        self.folder = tempfile.TemporaryDirectory()
        self.wgrad = given.wgrad.resolve() if given.wgrad else runs.build("--bin", "wgrad", features=())
        self.matmuls, self.start, self.cuda = [], None, None
        self.all, self.missing = {"wgrad": self.of_wgrad}, {}
        self.trained = [name for name in given.networks if name in TRAINED]
        self.add_torch()
        self.add_burn()

    def wanted(self, peers):
        """Those that are asked for."""
        chosen = [peer for peer in peers if not self.given.peers or peer in self.given.peers]
        self.missing |= {peer: "it was not asked for" for peer in peers if peer not in chosen}
        return chosen

    def add_torch(self):
        given = self.given
        peers = self.wanted(TORCH if self.trained else ["torch-matmuls"])
        why = None if given.python else "no --python"
        if peers and not why and given.torch_device == "cuda":
            self.cuda = runs.last_line(runs.run([given.python, HERE / "python_peer.py", "cuda"]))
            why = self.cuda.get("error")
        for peer in peers:
            for tf32 in (False, True):
                name = peer + (", TF32" if tf32 else "")
                refused = why or (given.torch_device == "cpu" and needs_cuda(peer, tf32))
                if refused:
                    self.missing[name] = refused
                else:
                    self.all[name] = lambda number, peer=peer, tf32=tf32: self.of_torch(peer, tf32)

    def add_burn(self):
        for peer in self.wanted(BURN if self.trained else []):
            program = self.given.rust and (self.given.rust / peer).resolve()
            if program and program.is_file():
                self.all[peer] = lambda number, program=program: self.said([program, *self.trained])
            else:
                self.missing[peer] = "not in the folder" if self.given.rust else "no --rust"

    def said(self, command, variables={}):
        """The objects that a program prints; none, and why, where the time is over."""
        left = self.until - time.monotonic()
        if left < 1:
            return {"lines": [], "late": True}
        found = runs.run(command, seconds=self.given.seconds, longest=left, variables=variables)
        return {"lines": runs.objects(found)} | {key: found[key] for key in ("error",) if key in found}

    def suite(self, network, *more):
        given = self.given
        variables = UNKEPT | {"WGRAD_PIPELINE_CACHE": f"{self.folder.name}/{network}"}
        words = [self.wgrad, "bench", "--suite", "--json", "--only", network, "--device", given.device]
        words += ["--seconds", given.seconds, *more]
        rates = [("--peak-gflops", given.peak_gflops), ("--bandwidth-gbs", given.bandwidth_gbs)]
        for option, value in [*rates, ("--fused-step", given.fused_step), ("--autotune", given.autotune)]:
            words += [option, value] if value else []
        found = self.said(words, variables)
        starts = [event for event in found["lines"] if event["event"] == "start"]
        self.start = self.start or (starts[0] if starts else None)
        return found

    def of_wgrad(self, number):
        """A process for each network, so that the time to its first loss is that of a program which has just begun."""
        all_said = [self.suite(name) for name in self.given.networks]
        lines = [line for said in all_said for line in map(named, said["lines"]) if line]
        self.matmuls = sorted({line["matmul"] for line in lines if "matmul" in line}) or self.matmuls
        return {"lines": lines} | next(({"error": said["error"]} for said in all_said if "error" in said), {})

    def of_torch(self, peer, tf32):
        given = self.given
        words = [given.python, HERE / "python_peer.py", peer, "--torch-device", given.torch_device]
        words += ["--tf32"] if tf32 else []
        if peer == "torch-matmuls":
            words += ["--seconds", 0.1 * given.seconds, "--matmuls", ",".join(self.matmuls)]
            return self.said(words) if self.matmuls else {"lines": []}
        return self.said([*words, "--seconds", given.seconds, *self.trained])

    def in_all_tiles(self):
        """Every way to cut each matmul; those of large networks first."""
        all_said = {name: self.suite(name, "--tiles") for name in reversed(self.given.networks)}
        for name, said in all_said.items():
            if "late" in said or "error" in said:
                self.missing[f"wgrad, other tiles of {name},"] = said.get("error", "no time was left")
        found = [event for said in all_said.values() for event in said["lines"]]
        return [event for event in found if event["event"] == "op" and "form" in event]


def needs_cuda(peer, tf32):
    """Why that cannot be on the CPU, if it cannot."""
    return "the CPU has none" if tf32 else "CUDA graphs need CUDA" if peer == "torch-graphs" else None


def named(event):
    """An event of wgrad's as a line."""
    if event["event"] == "step":
        return event | {"workload": event["network"], "ms": 1e3 * event["step_seconds"]}
    if event["event"] == "op" and event["chosen"]:
        line = event | {"ms": 1e3 * event["seconds"]}
        if "form" in event and event["flops"] >= LEAST_FLOPS:
            line["matmul"] = f"{event['form']}:{event['rows']}x{event['columns']}x{event['terms']}"
        return line
    return None


def versions(given):
    found = {}
    if given.python:
        said = runs.last_line(runs.run([given.python, HERE / "python_peer.py", "versions"]))
        found |= {name: said[name] for name in ("torch", "triton") if name in said}
    if given.rust:
        text = (HERE / "rust" / "Cargo.toml").read_text()
        found |= dict(re.findall(r'^(burn) += \{ version = "=([^"]+)"', text, re.MULTILINE))
    return found


def main():
    given = arguments()
    facts, programs = runs.Facts(), Programs(given)

    def once(name, number):
        print(f"round {number + 1}: {name} …", flush=True, file=sys.stderr)
        return programs.all[name](number)

    rounds = runs.in_turn(list(programs.all), given.rounds, once)
    if programs.start is None:
        sys.exit(f"error: wgrad measured nothing: {rounds['wgrad'][0].get('error', 'the time was over')}")
    tiles = programs.in_all_tiles() if given.tiles else []
    ended = facts.ended(given, versions(given))
    ended["commit"] = given.commit or ended["commit"]
    ended |= {"gpu": programs.start, "cuda": programs.cuda, "nvidia_smi": runs.says(*gpu_report.SMI)}
    data = {"facts": ended, "rounds": rounds, "tiles": tiles, "missing": programs.missing}
    runs.write(given.out, gpu_report.lines(data), data)


if __name__ == "__main__":
    main()
