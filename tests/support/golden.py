"""Writes golden.json, a few iterates of every case of equality.py by the library itself: python tests/golden.py

With them the default tests compare with torch, Keras and optax where none of them is installed.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

from support import equality, oracles

FILE = Path(__file__).with_name("golden.json")
SEED, STEPS = 0, (1, 30, 1000)


def main() -> None:
    traces = {}
    for case in equality.CASES:
        gradients, theta0 = case.inputs(SEED)
        schedule = equality.SCHEDULES[case.schedule]
        path = oracles.path(case.like, case.name, case.filled(), gradients, theta0, schedule, case.wrappers)
        traces[str(case)] = [path[k].tolist() for k in STEPS]
    rows = [f"{json.dumps(name)}: {json.dumps(trace)}" for name, trace in sorted(traces.items())]
    FILE.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
