from ._adafactor import adafactor
from ._adam import adam, adam_hat, adam_uncorrected, adamw, adamw_hat, radam, radam_hat
from ._buffered import buffered
from ._muon import muon, muon_corrected
from ._nadam import nadam, nadam_scheduled
from ._rprop import rprop, rprop_late
from ._shampoo import shampoo
from .adaptive import adadelta, adagrad, centred_rmsprop, rmsprop
from .averaging import asgd
from .ceilings import adamax, adamax_outside, amsgrad, amsgrad_corrected, amsgrad_hat
from .differences import adan, mars
from .gradient import gradient_flow
from .layerwise import lamb, lars
from .momentum import (
    averaged_gradient,
    heavy_ball,
    hessian_damped,
    high_resolution_nesterov,
    quasi_hyperbolic,
    su_boyd_candes,
)
from .relatives.adopt import adopt
from .relatives.belief import adabelief
from .relatives.mixture import ademamix
from .relatives.schedule_free import schedule_free_adamw, schedule_free_sgd
from .sign import lion, normalized_flow, sign_flow, signum
from .stochastic import kramers, langevin, sgd_first_order, sgd_second_order

__all__ = [
    "adabelief",
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
    "adan",
    "ademamix",
    "adopt",
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
    "mars",
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
    "schedule_free_adamw",
    "schedule_free_sgd",
    "sgd_first_order",
    "sgd_second_order",
    "shampoo",
    "sign_flow",
    "signum",
    "su_boyd_candes",
]
