"""Writes schedules.json: the factors of the first eighty steps of every schedule, by PyTorch's schedulers.

    python schedules.py [OUTPUT]       (default: schedules.json beside this file)

PyTorch has neither the inverse square root (Vaswani et al. 2017, section 5.3, without their warm-up) nor coslog (Holzmueller et
al. 2024, RealMLP); these follow the papers.
"""

import json
import math
import sys
from pathlib import Path

import torch
from torch.optim import lr_scheduler as lr

STEPS = 80


def factors(make, count=STEPS):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True, dtype=torch.float64)], lr=1.0)
    scheduler, values = make(optimizer), []
    for _ in range(count):
        values.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        scheduler.step()
    return values


CASES = {
    "constant": [1.0] * STEPS,
    "step(steps=7, factor=0.5)": factors(lambda o: lr.StepLR(o, 7, gamma=0.5)),
    "multi_step(5 12 40, factor=0.3)": factors(lambda o: lr.MultiStepLR(o, [5, 12, 40], gamma=0.3)),
    "exponential(factor=0.95)": factors(lambda o: lr.ExponentialLR(o, 0.95)),
    "polynomial(steps=50, power=2)": factors(lambda o: lr.PolynomialLR(o, 50, power=2)),
    "polynomial(steps=80)": factors(lambda o: lr.PolynomialLR(o, 80)),
    # PyTorch's cosine increases again after its end.
    "cosine(steps=80, end=0.1)": factors(lambda o: lr.CosineAnnealingLR(o, 80, eta_min=0.1)),
    "cosine_restarts(steps=10, growth=2, end=0.05)": factors(lambda o: lr.CosineAnnealingWarmRestarts(o, 10, 2, 0.05)),
    "cosine_restarts(steps=13)": factors(lambda o: lr.CosineAnnealingWarmRestarts(o, 13)),
    "one_cycle(steps=80)": factors(lambda o: lr.OneCycleLR(o, 1.0, 80, cycle_momentum=False))[:80],
    "one_cycle(steps=80, rise=0.5, start=0.2, end=0.01)": factors(
        lambda o: lr.OneCycleLR(o, 1.0, 80, pct_start=0.5, div_factor=5, final_div_factor=20, cycle_momentum=False)
    ),
    "inverse_square_root(steps=9)": [math.sqrt(9 / max(step, 9)) for step in range(STEPS)],
    "cosine_log(steps=80)": [0.5 * (1 - math.cos(2 * math.pi * math.log2(1 + 15 * step / 80))) for step in range(STEPS)],
}


def warmed(make):
    return lambda o: lr.SequentialLR(o, [lr.LinearLR(o, 0.25, 1.0, 6), make(o)], [6])


WARMED = {
    "step(steps=7, factor=0.5)": factors(warmed(lambda o: lr.StepLR(o, 7, gamma=0.5))),
    "cosine(steps=74)": factors(warmed(lambda o: lr.CosineAnnealingLR(o, 74))),
    "constant": factors(warmed(lambda o: lr.ConstantLR(o, 1.0))),
}

# Twenty steps of the first, then the second.
CHAINED = factors(lambda o: lr.SequentialLR(o, [lr.StepLR(o, 7, gamma=0.5), lr.ExponentialLR(o, 0.9)], [20]))


def main():
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("schedules.json")
    version = torch.__version__.split("+")[0]
    lines = [f"{json.dumps(name)}: {json.dumps(values)}" for name, values in CASES.items()]
    warm = [f"{json.dumps(name)}: {json.dumps(values)}" for name, values in WARMED.items()]
    path.write_text(
        f'{{"torch": "{version}",\n"cases": {{\n' + ",\n".join(lines) + '\n},\n"warmed": {\n' + ",\n".join(warm)
        + '\n},\n"chained": ' + json.dumps(CHAINED) + "}\n"
    )


if __name__ == "__main__":
    main()
