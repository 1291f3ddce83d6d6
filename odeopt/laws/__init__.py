"""Distributions of noisy runs without sampling: exact moments, densities on a grid, escape times.

d theta = -grad L dt + sqrt(2 T) dW (Ito) has temperature T and stationary density exp(-L/T)/Z; written with sigma dW,
T = sigma^2/2 and the density is exp(-2 L/sigma^2)/Z.
"""

from odeopt.laws.escape import kramers_time, mean_first_passage
from odeopt.laws.fokker_planck import FokkerPlanck, fokker_planck
from odeopt.laws.langevin import kramers, langevin
from odeopt.laws.linear_noise import linear_noise
from odeopt.laws.moments import Moments, flow_moments, flow_stationary, moments, stationary
from odeopt.laws.of_flow import density_of
from odeopt.util.door import suggesting

__all__ = [
    "FokkerPlanck",
    "Moments",
    "density_of",
    "flow_moments",
    "flow_stationary",
    "fokker_planck",
    "kramers",
    "kramers_time",
    "langevin",
    "linear_noise",
    "mean_first_passage",
    "moments",
    "stationary",
]

suggesting(__name__, __all__)
