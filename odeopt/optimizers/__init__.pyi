from ._adafactor import adafactor
from ._adam import adam, adamw, half_start_adam
from ._lazy import lazy
from ._momentum import heavy_ball, momentum, nesterov, nesterov_k
from ._muon import muon
from ._rprop import rprop
from ._shampoo import shampoo
from .adaptive import adadelta, adagrad, rmsprop, strang_rmsprop
from .averaging import asgd
from .base import Optimizer
from .config import from_config
from .gradient import gd
from .layerwise import lamb, lars
from .relatives import adamax, amsgrad, nadam, radam
from .sign import lion, normalized_gd, signsgd
from .wrappers import clip_norm, clip_value, decoupled, ema, l2, lookahead, scheduled

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
