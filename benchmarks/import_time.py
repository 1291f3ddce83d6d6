"""Seconds that `import odeopt` takes on top of `import numpy`, each in processes of their own, in turn: medians."""

import statistics
import subprocess
import sys

ROUNDS = 9
CODE = {
    "numpy": "import time; t = time.perf_counter(); import numpy; print(time.perf_counter() - t)",
    "numpy, then odeopt": "import numpy, time; t = time.perf_counter(); import odeopt; print(time.perf_counter() - t)",
}


def seconds(code: str) -> float:
    """What one fresh process prints."""
    return float(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def main() -> None:
    times = {name: [] for name in CODE}
    for _ in range(ROUNDS + 1):  # the first round warms the file cache
        for name, code in CODE.items():
            times[name].append(seconds(code))
    for name, found in times.items():
        found = found[1:]
        print(f"{name:<20} {statistics.median(found):.3f} s  ({min(found):.3f} .. {max(found):.3f})")


if __name__ == "__main__":
    main()
