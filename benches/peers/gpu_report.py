"""The report of gpu.py: tables of steps, matmuls and ops, from what the programs said."""

import statistics

import runs

SMI = ["nvidia-smi", "--query-gpu=name,driver_version,clocks.sm,clocks.max.sm,power.limit", "--format=csv,noheader"]


def figures(rounds, kind, figure="ms"):
    """For each program its figures of each workload or matmul, from round to round; and what failed."""
    found, failed = {}, []
    for name, all_said in rounds.items():
        mine = found[name] = {}
        for line in [line for said in all_said for line in said["lines"] if kind in line]:
            if "error" in line:
                failed.append(f"- {name} on {line[kind]}: {line['error']}")
            elif figure in line:
                mine.setdefault(line[kind], []).append(line[figure])
    return found, list(dict.fromkeys(failed))


def events(rounds, event):
    """What wgrad said in its first round that said it."""
    return next((found for said in rounds["wgrad"] if (found := [e for e in said["lines"] if e["event"] == event])), [])


def floor(event, unit=1e3):
    """The least time that it could be, and what that is of what it was; nothing where no rate was given."""
    least = [unit * event[name] for name in ("arithmetic_seconds", "memory_seconds") if name in event]
    return [runs.number(max(least)), f"{event['roofline_percent']:.0f} %"] if least and "roofline_percent" in event else []


def beside(found, what, unit, more=lambda name: []):
    """Tables of all programs' figures, and of theirs by wgrad's."""
    mine = found["wgrad"]
    peers = [name for name in found if name != "wgrad" and found[name]]
    head = [what, f"wgrad, {unit}", *([] if not mine or not more(next(iter(mine))) else ["at least", "roofline"])]
    rows = [[name, runs.spread(times), *more(name)] for name, times in mine.items()]
    for row in rows:
        row += [runs.spread(found[peer][row[0]]) if row[0] in found[peer] else "—" for peer in peers]
    lines = runs.table([*head, *peers], rows)
    if peers:
        again = lambda name, peer: runs.ratio(mine[name], found[peer][name]) if name in found[peer] else "—"
        both = [name for name in mine if any(name in found[peer] for peer in peers)]
        ratios = [[name, *[again(name, peer) for peer in peers]] for name in both]
        lines += ["", "Their time by wgrad's, of the medians and from round to round; above 1, wgrad is faster:", ""]
        lines += runs.table([what, *peers], ratios)
    return lines


def starts(rounds):
    """What a step consists of, and what comes before the first."""
    said = [[e for e in one["lines"] if e["event"] == "step"] for one in rounds["wgrad"]]
    first, later = said[0] if said else [], [event for events in said[1:] for event in events]
    head = ["network", "first loss, s", "with kept shaders, s", "dispatches", "serial levels", "steps a submission"]
    rows = []
    for event in first:
        kept = [other["first_seconds"] for other in later if other["network"] == event["network"]]
        bytes_a_step = event.get("host_bytes_per_step")
        rows.append([event["network"], runs.number(event["first_seconds"]), runs.spread(kept) if kept else "—"])
        rows[-1] += [str(event["dispatches"]), str(event["levels"]), runs.number(event["steps_per_submission"])]
        rows[-1] += [runs.number(bytes_a_step) if bytes_a_step else "—", f"{event['flops']:,}", f"{event['bytes']:,}"]
    return runs.table([*head, "host bytes a step", "FLOP", "least bytes"], rows)


def ops(rounds):
    """Each op of wgrad's alone."""
    all_ops = events(rounds, "op")
    known = any(floor(event) for event in all_ops)
    head = ["network", "op", "shapes", "cut", "µs", "best µs", "GFLOP/s", *(["at least, µs", "roofline"] if known else [])]
    rows = []
    for event in all_ops:
        row = [event["network"], event["kernel"], event["shapes"], event.get("tile", "")]
        row += [runs.number(1e6 * event["seconds"]), runs.number(1e6 * event["best_seconds"])]
        rows.append([*row, runs.number(event["gflop_per_second"]), *((floor(event, 1e6) or ["", ""]) if known else [])])
    return runs.table(head, rows)


def tiles(all_events):
    """For each matmul the way to cut it that is taken, and the fastest."""
    ways = {}
    for event in all_events:
        ways.setdefault((event["form"], event["rows"], event["columns"], event["terms"]), []).append(event)
    rows = []
    for (form, *sizes), found in ways.items():
        taken = next((event for event in found if event["chosen"]), None)
        best = min(found, key=lambda event: event["seconds"])
        if taken:
            cells = [cell for event in (taken, best) for cell in (event["tile"], runs.number(1e6 * event["seconds"]))]
            by = taken["seconds"] / best["seconds"] if best["seconds"] else 1
            rows.append([f"{form} {'×'.join(map(str, sizes))}", *cells, f"{by:.2f}"])
    return runs.table(["matmul", "taken", "µs", "fastest", "µs", "times as fast"], rows)


def heading(facts):
    gpu, cuda = facts["gpu"], facts["cuda"]
    lines = [f"# wgrad on {gpu['device']}, {facts['date']}", "", *runs.told(facts)[:-1]]
    lines.append(f"- Device: {gpu['device']}; driver {gpu.get('driver', 'none')}; wgrad {gpu['wgrad']}.")
    if cuda and "name" in cuda:
        lines.append(f"- torch {cuda['torch']} on {cuda['name']}, CUDA {cuda['cuda']}.")
    if facts["nvidia_smi"]:
        lines.append(f"- nvidia-smi (name, driver, clock now and at most, power limit): {facts['nvidia_smi']}.")
    rates = [(gpu.get("peak_gflops"), "GFLOP/s"), (gpu.get("bandwidth_gbs"), "GB/s")]
    rates = ", ".join(f"{rate:,.0f} {unit}" for rate, unit in rates if rate)
    return [*lines, f"- Roofline: {f'from {rates}, as they were given' if rates else 'none, since no rates were given'}."]


def lines(data):
    """The whole report."""
    facts, rounds = data["facts"], data["rounds"]
    steps, failed_steps = figures(rounds, "workload")
    matmuls, failed_products = figures(rounds, "matmul")
    whole = {event["network"]: floor(event) for event in events(rounds, "step")}
    single = {event["matmul"]: floor(event) for event in events(rounds, "op") if "matmul" in event}
    text = heading(facts)
    if steps["wgrad"]:
        text += ["", "## Steps", "", "Milliseconds: the median over rounds, and from the fastest to the slowest.", ""]
        text += beside(steps, "network", "ms", whole.get) + ["", *starts(rounds)]
    if matmuls["wgrad"]:
        clock = "GPU" if facts["gpu"]["clock"] == "gpu" else "host"
        text += ["", "## Products", "", "Milliseconds of one, of many that were handed over together. wgrad's by the"]
        text += [f"{clock}'s clock, with bias, activation or its derivative, and the check that gradients are finite;"]
        text += ["torch's by the host's, and alone."]
        text += ["", *beside(matmuls, "form:rows×columns×terms", "ms", single.get)]
    if data["tiles"]:
        text += ["", "## Other tiles of matmuls", "", *tiles(data["tiles"])]
    text += ["", "## Ops of wgrad", "", *ops(rounds)]
    bad = [f"- {name}: {error}" for name, error in runs.errors(rounds).items()]
    bad += [f"- {name} had no time left" for name, said in rounds.items() if any("late" in one for one in said)]
    missing = [f"- {name} was not measured: {why}" for name, why in data["missing"].items()]
    left_out = failed_steps + failed_products + bad + missing
    return [*text, "", "## Not measured", "", *(left_out or ["Nothing was left out."])]
