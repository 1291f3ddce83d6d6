"""Named optimizers: each returns an `Optimizer`, a flow with a scheme and a step."""

from odeopt.optimizers.adam import adam, adamw, half_start_adam
from odeopt.optimizers.adaptive import adadelta, adagrad, rmsprop, strang_rmsprop
from odeopt.optimizers.base import Optimizer
from odeopt.optimizers.config import from_config
from odeopt.optimizers.gradient import gd
from odeopt.optimizers.momentum import heavy_ball, momentum, nesterov, nesterov_k
from odeopt.optimizers.relatives import adamax, amsgrad, nadam, radam
from odeopt.optimizers.sign import lion, normalized_gd, signsgd
from odeopt.optimizers.wrappers import clip_norm, clip_value, decoupled, l2, lookahead, scheduled

__all__ = [
    "Optimizer",
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "amsgrad",
    "clip_norm",
    "clip_value",
    "decoupled",
    "from_config",
    "gd",
    "half_start_adam",
    "heavy_ball",
    "l2",
    "lion",
    "lookahead",
    "momentum",
    "nadam",
    "nesterov",
    "nesterov_k",
    "normalized_gd",
    "radam",
    "rmsprop",
    "scheduled",
    "signsgd",
    "strang_rmsprop",
]
