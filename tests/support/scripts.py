"""The scripts of the gallery as modules."""

import importlib.util
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "figures"
SCRIPTS = sorted(FOLDER.glob("[0-9][0-9]_*.py"))


def load(path):
    spec = importlib.util.spec_from_file_location(f"tested_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def script(number):
    return next(path for path in SCRIPTS if path.name.startswith(number))
