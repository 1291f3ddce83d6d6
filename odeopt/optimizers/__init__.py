"""Named optimizers: each returns an `Optimizer`, a flow with a scheme and a step."""

from odeopt.optimizers.adafactor import adafactor
from odeopt.optimizers.adam import adam, adamw, half_start_adam
from odeopt.optimizers.adaptive import adadelta, adagrad, rmsprop, strang_rmsprop
from odeopt.optimizers.averaging import asgd
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.config import from_config
from odeopt.optimizers.gradient import gd
from odeopt.optimizers.layerwise import lamb, lars
from odeopt.optimizers.momentum import heavy_ball, momentum, nesterov, nesterov_k
from odeopt.optimizers.muon import muon
from odeopt.optimizers.relatives import adamax, amsgrad, nadam, radam
from odeopt.optimizers.rows import lazy
from odeopt.optimizers.rprop import rprop
from odeopt.optimizers.shampoo import shampoo
from odeopt.optimizers.sign import lion, normalized_gd, signsgd
from odeopt.optimizers.wrappers import clip_norm, clip_value, decoupled, ema, l2, lookahead, scheduled

__all__ = [
    "Optimizer",
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "amsgrad",
    "asgd",
    "clip_norm",
    "clip_value",
    "decoupled",
    "ema",
    "from_config",
    "gd",
    "half_start_adam",
    "heavy_ball",
    "l2",
    "lamb",
    "lars",
    "lazy",
    "lion",
    "lookahead",
    "momentum",
    "muon",
    "nadam",
    "nesterov",
    "nesterov_k",
    "normalized_gd",
    "radam",
    "rmsprop",
    "rprop",
    "scheduled",
    "shampoo",
    "signsgd",
    "strang_rmsprop",
]
