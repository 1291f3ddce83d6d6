"""Pictures of result objects: compute first, then plot.

Every function takes results, and `ax=None`; it returns its artists, shows nothing and leaves rcParams alone.
"""

from odeopt.plots.landscapes import landscape, path
from odeopt.plots.orders import convergence, work_precision
from odeopt.plots.runs import comparison, trajectory

__all__ = ["comparison", "convergence", "landscape", "path", "trajectory", "work_precision"]
