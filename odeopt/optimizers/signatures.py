"""Named optimizers as people call them: signatures with the defaults of a library, and the names of other libraries."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from odeopt.optimizers.conventions import CONVENTIONS
from odeopt.util.door import explaining
from odeopt.util.names import Elsewhere

SAME_DEFAULTS = {"half_start_adam": ("adam", "torch")}  # recipes that take them from another row

ELSEWHERE: Elsewhere = MappingProxyType(
    {
        **dict.fromkeys(("sgd", "gradient_descent", "steepest_descent"), ("gd", "momentum")),
        **dict.fromkeys(("nag", "nesterov_momentum", "sgd_nesterov"), ("nesterov",)),
        **dict.fromkeys(("sgdm", "sgd_momentum", "trace", "classical_momentum"), ("momentum",)),
        "polyak": ("heavy_ball", "momentum"),
        "sparseadam": ("lazy",),
        "sparse_adam": ("lazy",),
        "sign_sgd": ("signsgd",),
        "normalized_sgd": ("normalized_gd",),
        "normalised_gd": ("normalized_gd",),
        **dict.fromkeys(("clip_grad_norm", "clip_grad_norm_", "clip_by_global_norm", "clipnorm"), ("clip_norm",)),
        **dict.fromkeys(("clip_grad_value", "clip_grad_value_", "clip", "clipvalue"), ("clip_value",)),
        **dict.fromkeys(("add_decayed_weights", "sgdw"), ("decoupled", "l2")),
        **dict.fromkeys(("averagedmodel", "swa", "params_ema"), ("ema",)),
        **dict.fromkeys(("lr_scheduler", "learning_rate_schedule", "scale_by_schedule"), ("scheduled",)),
    }
)

ARGUMENTS: Elsewhere = MappingProxyType(
    {
        **dict.fromkeys(("learning_rate", "eta", "step_size", "stepsize", "rate"), ("lr",)),
        "betas": ("beta", "beta1", "beta2"),
        "momentum": ("beta", "beta1"),
        **dict.fromkeys(("beta_1", "b1"), ("beta1",)),
        **dict.fromkeys(("beta_2", "b2"), ("beta2",)),
        **dict.fromkeys(("rho", "beta2", "decay", "alpha"), ("rho", "beta2")),
        "epsilon": ("eps",),
        "centered": ("centred",),
        "initial_accumulator_value": ("accumulator",),
        "momentum_decay": ("psi",),
        "etas": ("eta_minus", "eta_plus"),
        "step_sizes": ("min_step", "max_step"),
        "trust_coefficient": ("trust",),
        **dict.fromkeys(("clip_threshold", "clipping_threshold"), ("clip",)),
    }
)
WRAPPERS: Elsewhere = MappingProxyType(
    {
        "weight_decay": ("optimizers.l2(opt, weight_decay)", "optimizers.decoupled(opt, weight_decay)"),
        "amsgrad": ("optimizers.amsgrad",),
        "nesterov": ("optimizers.nesterov",),
        **dict.fromkeys(("clipnorm", "global_clipnorm", "max_norm"), ("optimizers.clip_norm(opt, limit)",)),
        "clipvalue": ("optimizers.clip_value(opt, limit)",),
        **dict.fromkeys(("use_ema", "ema_momentum"), ("optimizers.ema(opt, decay)",)),
        **dict.fromkeys(("schedule", "lr_schedule"), ("optimizers.scheduled(opt, schedule)",)),
        "decoupled_weight_decay": ("optimizers.decoupled(opt, weight_decay)",),
    }
)


def public(make: Callable[..., Any]) -> Callable[..., Any]:
    """The recipe with its defaults in the signature, and with errors that know the arguments of other libraries."""
    signature = inspect.signature(make)
    here = {name: tuple(key for key in keys if key in signature.parameters) for name, keys in ARGUMENTS.items()}
    made = explaining(make, {**WRAPPERS, **{name: keys for name, keys in here.items() if keys}})
    made.__signature__ = _with_defaults(make.__name__, signature)
    return made


def _with_defaults(name: str, signature: inspect.Signature) -> inspect.Signature:
    """The signature with the defaults of the library `like`; what has none there is required."""
    parameters = signature.parameters
    row, library = SAME_DEFAULTS.get(name, (name, parameters["like"].default if "like" in parameters else ""))
    if library not in CONVENTIONS.get(row, {}):
        return signature
    known = CONVENTIONS[row][library]
    defaults = {key: known.get(key, p.empty if key == "lr" else p.default) for key, p in parameters.items()}
    unset = {key: value for key, value in defaults.items() if parameters[key].default is None}
    return signature.replace(parameters=[p.replace(default=unset.get(key, p.default)) for key, p in parameters.items()])
