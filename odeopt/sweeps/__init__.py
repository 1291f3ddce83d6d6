"""Sweeps over hyperparameters: grids, samplers, and results that survive kills and restarts."""

from odeopt.sweeps.sampling import random, sobol
from odeopt.sweeps.study import Study, from_study
from odeopt.sweeps.views import Best, HeatMap, Marginal
from odeopt.util.door import suggesting

__all__ = ["Best", "HeatMap", "Marginal", "Study", "from_study", "random", "sobol"]

suggesting(__name__, __all__)
