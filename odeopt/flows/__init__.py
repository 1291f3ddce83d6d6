"""The continuous equations that optimizers discretise."""

from odeopt.flows.adaptive import adagrad, adam, rmsprop
from odeopt.flows.gradient import gradient_flow
from odeopt.flows.momentum import averaged_gradient, heavy_ball, hessian_damped, su_boyd_candes

__all__ = [
    "adagrad",
    "adam",
    "averaged_gradient",
    "gradient_flow",
    "heavy_ball",
    "hessian_damped",
    "rmsprop",
    "su_boyd_candes",
]
