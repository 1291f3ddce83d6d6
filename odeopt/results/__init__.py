"""Results as files, tables and pickles; the methods of `odeopt.util.saved.Saved` call this package."""

from odeopt.results.files import load, save
from odeopt.results.frames import to_dataframe
from odeopt.results.pickles import reduced

__all__ = ["load", "reduced", "save", "to_dataframe"]
