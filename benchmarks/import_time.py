"""Seconds of `import numpy`, of `import odeopt` after it, and of the first run: a process each, in turn, medians.

Modules are compiled before, as an installed package's are.
"""

import os
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 9
CODE = """
from time import perf_counter as now
begin = now()
import numpy
first = now()
import odeopt as oo
second = now()
oo.simulate(oo.optimizers.adam(), oo.problems.quadratic(), steps=100)
print(first - begin, second - first, now() - second)
"""


def seconds(folder: str) -> list[float]:
    """What a fresh process prints."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment = own | {"PYTHONPYCACHEPREFIX": folder}
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True, env=environment)
    return [float(word) for word in run.stdout.split()]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        seconds(folder)  # compiles
        rounds = [seconds(folder) for _ in range(ROUNDS)]
    for name, found in zip(("numpy", "odeopt after it", "first simulate"), zip(*rounds, strict=True), strict=True):
        print(
            f"{name:<16} {1e3 * statistics.median(found):5.1f} ms  ({1e3 * min(found):.1f} .. {1e3 * max(found):.1f})"
        )
    print(f"numpy and odeopt / numpy: {statistics.median((a + b) / a for a, b, _ in rounds):.2f}")


if __name__ == "__main__":
    main()
