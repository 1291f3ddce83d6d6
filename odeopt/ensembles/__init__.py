"""Many members of one noisy optimizer or stochastic flow: their statistics, without their paths."""

from odeopt.ensembles.result import Ensemble
from odeopt.ensembles.run import ensemble

__all__ = ["Ensemble", "ensemble"]
