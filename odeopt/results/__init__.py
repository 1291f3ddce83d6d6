"""Every result as a file, as a table and as a pickle: the one door by which `Saved` does its work."""

from odeopt.results.files import load, save
from odeopt.results.frames import to_dataframe
from odeopt.results.pickles import reduced

__all__ = ["load", "reduced", "save", "to_dataframe"]
