"""notebooks/*.py -> notebooks/*.ipynb, executed:   python notebooks/build.py [names]

A notebook fails when a cell raises or writes to stderr (warnings count).  Nothing is written for one that fails.  A
notebook that was not made here, or was edited since, is never overwritten.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import jupytext
import made
import nbformat
from ipykernel.kernelspec import make_ipkernel_cmd
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from traitlets import default

HERE = Path(__file__).resolve().parent
TIMEOUT = 120  # seconds a cell
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
ENVIRONMENT = {
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "PYTHONWARNINGS": "ignore:IProgress not found",  # tqdm without ipywidgets
}


class ThisInterpreter(KernelSpecManager):
    """The kernel `python3` is the Python that runs this script, whatever is installed elsewhere."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        argv = make_ipkernel_cmd(extra_arguments=["--log-level=ERROR"])
        return KernelSpec(argv=argv, display_name="Python 3", language="python")


class Manager(AsyncKernelManager):
    """Starts that kernel; nbclient makes one for each notebook and shuts it down, also after a failure."""

    @default("kernel_spec_manager")
    def _this_interpreter(self) -> KernelSpecManager:
        return ThisInterpreter()


class NotebookFailed(RuntimeError):
    """A cell raised, wrote to stderr, or took too long."""


def sources() -> list[Path]:
    """The notebooks, in the order of their numbers."""
    return sorted(HERE.glob("[0-9]*.py"))


def is_progress(output: nbformat.NotebookNode) -> bool:
    """A progress bar, whose width and moment depend on the machine."""
    return output.get("name") == "stderr" and "\r" in output.text


def execute(source: Path, timeout: float = TIMEOUT) -> nbformat.NotebookNode:
    """The notebook of a py:percent source with its outputs, or NotebookFailed with the failing cell."""
    notebook = jupytext.read(source)
    where = {"metadata": {"path": str(HERE)}}
    client = NotebookClient(
        notebook, kernel_name="python3", kernel_manager_class=Manager, timeout=timeout, resources=where
    )
    try:
        client.execute(env={**os.environ, **ENVIRONMENT})
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise NotebookFailed(f"{source.name}: {COLOUR.sub('', str(error))}") from None
    for cell in (cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.outputs = [output for output in cell.get("outputs", []) if not is_progress(output)]
        for output in cell.outputs:
            if output.get("name") == "stderr":
                raise NotebookFailed(f"{source.name}: stderr of the cell\n{cell.source}\n\n{output.text}")
    return notebook


def refuse_others(target: Path) -> None:
    """Raises NotebookFailed if there is a notebook at this path that was not made here, or was edited since."""
    if target.exists() and not made.is_made(target):
        raise NotebookFailed(
            f"{target.name} was not made here, or was edited since: rename it, or remove it, to make it anew"
        )


def write(notebook: nbformat.NotebookNode, target: Path) -> None:
    """Marks the notebook as made here and writes it atomically: a reader sees the old file or the new one."""
    refuse_others(target)
    notebook.metadata[made.MARK] = made.digest(notebook)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=target.parent, suffix=".tmp", delete=False) as file:
        try:
            nbformat.write(notebook, file)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def chosen(names: list[str]) -> list[Path]:
    """The sources whose names contain one of these; all for none."""
    found = {name: [path for path in sources() if Path(name).stem in path.stem] for name in names}
    if unknown := [name for name, paths in found.items() if not paths]:
        valid = ", ".join(path.stem for path in sources())
        raise SystemExit(f"no notebook is called {', '.join(unknown)}; there are {valid}")
    return sorted({path for paths in found.values() for path in paths}) if names else sources()


def main() -> int:
    parser = argparse.ArgumentParser(description="Execute the notebooks and write them as .ipynb.")
    parser.add_argument("names", nargs="*", help="notebooks by (part of) their name; all by default")
    parser.add_argument("--timeout", type=float, default=TIMEOUT, help="seconds a cell (%(default)s)")
    arguments = parser.parse_args()
    failed = 0
    for source in chosen(arguments.names):
        begin = time.perf_counter()
        try:
            refuse_others(target := source.with_suffix(".ipynb"))
            write(execute(source, arguments.timeout), target)
            outcome = "ok"
        except NotebookFailed as error:
            failed, outcome = failed + 1, "FAILED"
            print(error, file=sys.stderr)
        print(f"{source.stem:<45} {time.perf_counter() - begin:6.1f} s  {outcome}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
