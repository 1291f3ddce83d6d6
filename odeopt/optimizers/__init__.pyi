from ._lazy import lazy
from .base import Optimizer
from .config import from_config
from .named.adafactor import adafactor
from .named.adam import adam, adamw, half_start_adam
from .named.adaptive import adadelta, adagrad, rmsprop, strang_rmsprop
from .named.averaging import asgd
from .named.gradient import gd
from .named.layerwise import lamb, lars
from .named.mars import mars
from .named.memories import adabelief, adan, ademamix, adopt
from .named.momentum import heavy_ball, momentum, nesterov, nesterov_k
from .named.muon import muon
from .named.quasi_hyperbolic import qhm
from .named.relatives import adamax, amsgrad, nadam, radam
from .named.rprop import rprop
from .named.schedule_free import schedule_free_adamw, schedule_free_sgd
from .named.shampoo import shampoo
from .named.sign import lion, normalized_gd, signsgd, signum
from .wrappers import clip_norm, clip_value, decoupled, ema, l2, lookahead, scheduled

__all__ = [
    "Optimizer",
    "adabelief",
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "adan",
    "ademamix",
    "adopt",
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
    "mars",
    "momentum",
    "muon",
    "nadam",
    "nesterov",
    "nesterov_k",
    "normalized_gd",
    "qhm",
    "radam",
    "rmsprop",
    "rprop",
    "schedule_free_adamw",
    "schedule_free_sgd",
    "scheduled",
    "shampoo",
    "signsgd",
    "signum",
    "strang_rmsprop",
]
