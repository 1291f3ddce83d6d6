"""Statistics of many runs of one noisy optimizer or stochastic flow, without their paths."""

from odeopt.ensembles.result import Ensemble
from odeopt.ensembles.run import ensemble

__all__ = ["Ensemble", "ensemble"]
