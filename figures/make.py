"""Runs the scripts of this folder and writes their pictures and gallery/README.md: python figures/make.py [names ...]

Pictures are byte-stable: the same code gives the same files.
"""

from __future__ import annotations

import ast
import importlib.util
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Iterable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path

HERE = Path(__file__).parent
GALLERY = HERE / "gallery"
KINDS = ("png", "svg")
PROCESSES = 2  # figures drawn side by side
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")  # sums in a fixed order, and no crowding


def scripts() -> list[Path]:
    """Every figure script, in order."""
    return sorted(HERE.glob("[0-9][0-9]_*.py"))


def caption(script: Path) -> str:
    """The first sentence of its docstring: what the figure teaches."""
    text = " ".join((ast.get_docstring(ast.parse(script.read_text(encoding="utf-8"))) or "").split())
    if ". " not in text + " ":
        raise ValueError(f"{script.name} must have a docstring that begins with a sentence, got {text!r}")
    return (text + " ").split(". ")[0] + "."


def load(script: Path):
    """The module of a figure script."""
    spec = importlib.util.spec_from_file_location(f"figure_{script.stem}", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pictures(script: Path) -> dict[str, bytes]:
    """{"png": ..., "svg": ...} of a figure."""
    from odeopt.plots import saving, style

    with style.context():
        figure = load(script).draw()
    return {kind: saving.picture(figure, kind) for kind in KINDS}


def render(script: Path, folder: Path = GALLERY) -> float:
    """Writes the pictures of a script; returns the seconds that it took."""
    from odeopt.util import files

    began = time.perf_counter()
    print(f"{script.stem} ...\n", end="", flush=True)  # in one piece, as another process prints too
    for kind, data in pictures(script).items():
        files.write(folder / f"{script.stem}.{kind}", data)
    return time.perf_counter() - began


def gallery() -> str:
    """README.md: each picture with its sentence and its script."""
    lines = ["# Gallery", "", "Written by `make figures`. Every number in a title is computed by its script.", ""]
    for script in scripts():
        lines += [f"## {caption(script)}", "", f"![{caption(script)}]({script.stem}.png)", "",
                  f"[{script.name}](../{script.name}) ([svg]({script.stem}.svg))", ""]  # fmt: skip
    return "\n".join(lines)


def chosen(names: list[str]) -> list[Path]:
    """The scripts whose name begins with one of the names, or contains it; all if none is given."""
    for name in names:
        if not any(name in script.stem for script in scripts()):
            raise SystemExit(f"no figure {name!r}; there are {', '.join(script.stem for script in scripts())}")
    return [script for script in scripts() if not names or any(name in script.stem for name in names)]


def report(jobs: Iterable[tuple[Path, Future[float]]]) -> list[str]:
    """A line for each figure as it is done; the names of those that failed.  A job returns its seconds."""
    failed = []
    for script, job in jobs:
        try:
            print(f"{script.stem:<28} {job.result():6.1f} s", flush=True)
        except Exception:  # the other figures are still wanted
            traceback.print_exc()
            failed.append(script.stem)
    return failed


def main(names: list[str]) -> int:
    """Draws figures side by side; returns the number of failures."""
    paths = chosen(names)
    print(f"drawing {len(paths)} figures into {GALLERY}, {PROCESSES} at a time", flush=True)
    os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # before the workers import numpy
    from odeopt.util import files

    with ProcessPoolExecutor(PROCESSES, mp_context=multiprocessing.get_context("spawn")) as pool:
        jobs = {pool.submit(render, script): script for script in paths}
        failed = report((jobs[job], job) for job in as_completed(jobs))
    files.write(GALLERY / "README.md", gallery().encode())
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
