"""The continuous equations that optimizers discretise."""

from odeopt.flows.adafactor import adafactor
from odeopt.flows.adam import adam, adam_hat, adam_uncorrected, adamw, adamw_hat, radam, radam_hat
from odeopt.flows.adaptive import adadelta, adagrad, centred_rmsprop, rmsprop
from odeopt.flows.averaging import asgd
from odeopt.flows.buffered import buffered
from odeopt.flows.ceilings import adamax, adamax_outside, amsgrad, amsgrad_corrected, amsgrad_hat
from odeopt.flows.gradient import gradient_flow
from odeopt.flows.layerwise import lamb, lars
from odeopt.flows.momentum import (
    averaged_gradient,
    heavy_ball,
    hessian_damped,
    high_resolution_nesterov,
    quasi_hyperbolic,
    su_boyd_candes,
)
from odeopt.flows.muon import muon, muon_corrected
from odeopt.flows.nadam import nadam, nadam_scheduled
from odeopt.flows.rprop import rprop, rprop_late
from odeopt.flows.shampoo import shampoo
from odeopt.flows.sign import lion, normalized_flow, sign_flow
from odeopt.flows.stochastic import kramers, langevin, sgd_first_order, sgd_second_order

__all__ = [
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adam_hat",
    "adam_uncorrected",
    "adamax",
    "adamax_outside",
    "adamw",
    "adamw_hat",
    "amsgrad",
    "amsgrad_corrected",
    "amsgrad_hat",
    "asgd",
    "averaged_gradient",
    "buffered",
    "centred_rmsprop",
    "gradient_flow",
    "heavy_ball",
    "hessian_damped",
    "high_resolution_nesterov",
    "kramers",
    "lamb",
    "langevin",
    "lars",
    "lion",
    "muon",
    "muon_corrected",
    "nadam",
    "nadam_scheduled",
    "normalized_flow",
    "quasi_hyperbolic",
    "radam",
    "radam_hat",
    "rmsprop",
    "rprop",
    "rprop_late",
    "sgd_first_order",
    "sgd_second_order",
    "shampoo",
    "sign_flow",
    "su_boyd_candes",
]
