"""Conventions of torch, Keras and optax: their defaults and their variants of the same optimizer.

A row gives the library's default for every argument.  An argument without a default in the row is required.  `root`
is the position of eps: "outside" sqrt(G) + eps, "inside" sqrt(G + eps), "hat" (sqrt(G) + eps)/sqrt(c2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from odeopt.util import check

LIBRARIES = ("torch", "keras", "optax")
_MOMENTS = {"beta1": 0.9, "beta2": 0.999}
_ADAM = {"lr": 1e-3, **_MOMENTS, "eps": 1e-8, "root": "outside"}
_KERAS_ADAM = {"lr": 1e-3, **_MOMENTS, "eps": 1e-7, "root": "hat"}
_OPTAX_ADAM = {**_MOMENTS, "eps": 1e-8, "root": "outside"}
_RPROP = {"eta_minus": 0.5, "eta_plus": 1.2, "min_step": 1e-6, "max_step": 50.0}

CONVENTIONS: dict[str, dict[str, dict[str, Any]]] = {
    "gd": {"torch": {"lr": 1e-3}, "keras": {"lr": 0.01}, "optax": {}},
    "momentum": {
        "torch": {"lr": 1e-3, "beta": 0.9, "dampening": 0.0},
        "keras": {"lr": 0.01, "beta": 0.9, "dampening": 0.0},  # lr is inside the buffer
        "optax": {"beta": 0.9, "dampening": 0.0},
    },
    "nesterov": {"torch": {"lr": 1e-3, "beta": 0.9}, "keras": {"lr": 0.01, "beta": 0.9}, "optax": {"beta": 0.9}},
    "rmsprop": {
        "torch": {"lr": 0.01, "rho": 0.99, "eps": 1e-8, "root": "outside", "momentum": 0.0, "centred": False},
        "keras": {"lr": 1e-3, "rho": 0.9, "eps": 1e-7, "root": "inside", "momentum": 0.0, "centred": False},
        "optax": {"rho": 0.9, "eps": 1e-8, "root": "inside", "momentum": 0.0, "centred": False},
    },
    "adagrad": {
        "torch": {"lr": 0.01, "eps": 1e-10, "accumulator": 0.0, "root": "outside"},
        "keras": {"lr": 1e-3, "eps": 1e-7, "accumulator": 0.1, "root": "inside"},
        "optax": {"eps": 1e-7, "accumulator": 0.1, "root": "inside"},
    },
    "adadelta": {
        "torch": {"lr": 1.0, "rho": 0.9, "eps": 1e-6},
        "keras": {"lr": 1e-3, "rho": 0.95, "eps": 1e-7},
        "optax": {"rho": 0.9, "eps": 1e-6},
    },
    "adam": {"torch": _ADAM, "keras": _KERAS_ADAM, "optax": _OPTAX_ADAM},
    "adamw": {
        "torch": {**_ADAM, "weight_decay": 0.01},
        "keras": {**_KERAS_ADAM, "weight_decay": 0.004},
        "optax": {**_OPTAX_ADAM, "weight_decay": 1e-4},
    },
    "amsgrad": {  # forms: maximum of G; of G, with eps hat; of G/c2
        "torch": {"lr": 1e-3, **_MOMENTS, "eps": 1e-8},
        "keras": {"lr": 1e-3, **_MOMENTS, "eps": 1e-7},
        "optax": {**_MOMENTS, "eps": 1e-8},
    },
    "nadam": {
        "torch": {"lr": 2e-3, **_MOMENTS, "eps": 1e-8, "psi": 0.004},
        "keras": {"lr": 1e-3, **_MOMENTS, "eps": 1e-7, "psi": 1.0},
        "optax": {**_MOMENTS, "eps": 1e-8, "psi": 0.0},  # no momentum schedule
    },
    "radam": {"torch": {"lr": 1e-3, **_MOMENTS, "eps": 1e-8}, "optax": {**_MOMENTS, "eps": 1e-8}},
    "adamax": {  # forms: max(beta2 u, |g| + eps); Keras max(beta2 u, |g|) + eps
        "torch": {"lr": 2e-3, **_MOMENTS, "eps": 1e-8},
        "keras": {"lr": 1e-3, **_MOMENTS, "eps": 1e-7},
        "optax": {**_MOMENTS, "eps": 1e-8},
    },
    "lion": {
        "keras": {"lr": 1e-3, "beta1": 0.9, "beta2": 0.99, "weight_decay": 0.0},
        "optax": {"beta1": 0.9, "beta2": 0.99, "weight_decay": 1e-3},
    },
    "rprop": {
        "torch": {"lr": 0.01, **_RPROP},
        "optax": _RPROP,
    },
    "adafactor": {  # eps: torch uses V >= eps^2, Keras and optax g^2 + eps
        "torch": {"lr": 0.01, "decay": 0.8, "eps": 2.0**-52, "floor": 1e-3, "clip": 1.0},
        "keras": {"lr": 1e-3, "decay": 0.8, "eps": 1e-30, "floor": 1e-3, "clip": 1.0},
        "optax": {"decay": 0.8, "eps": 1e-30, "floor": 1e-3, "clip": 1.0},
    },
    "muon": {  # each library scales lr by the shape differently
        "torch": {"lr": 1e-3, "beta": 0.95, "weight_decay": 0.1, "eps": 1e-7},
        "keras": {"lr": 1e-3, "beta": 0.95, "weight_decay": 0.004, "eps": 1e-7},
        "optax": {"beta": 0.95, "weight_decay": 0.0, "eps": 1e-8},
    },
    "asgd": {"torch": {"lr": 0.01, "lambd": 1e-4, "alpha": 0.75, "t0": 1e6}},
    "lamb": {
        "keras": {"lr": 1e-3, **_MOMENTS, "eps": 1e-7, "weight_decay": 0.0},
        "optax": {**_MOMENTS, "eps": 1e-6, "weight_decay": 0.0},
    },
    "lars": {"optax": {"beta": 0.9, "weight_decay": 0.0, "trust": 1e-3, "eps": 0.0}},
    "signsgd": {"optax": {}},
    "schedule_free_sgd": {"optax": {"lr": 1.0, "weight": 0.9}},
    "schedule_free_adamw": {
        "optax": {"lr": 0.0025, "weight": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 0.0},
    },
    "signum": {"optax": {"beta": 0.9}},
    "adabelief": {"optax": {**_MOMENTS, "eps": 1e-16, "eps_root": 1e-16}},
    "ademamix": {"optax": {**_MOMENTS, "beta3": 0.9999, "alpha": 5.0, "eps": 1e-8}},
    "adan": {"optax": {"beta1": 0.98, "beta2": 0.99, "beta3": 0.92, "eps": 1e-8, "eps_root": 1e-8}},
    "adopt": {"optax": {"beta1": 0.9, "beta2": 0.9999, "eps": 1e-6, "power": 0.25}},
    "normalized_gd": {"optax": {"eps": 1e-6}},
}


def filled(name: str, like: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given arguments, with the library's defaults for those that are None.

    >>> filled("rmsprop", "keras", {"lr": 0.1, "rho": None})["rho"]
    0.9
    >>> filled("lion", "torch", {"lr": 0.1})
    Traceback (most recent call last):
        ...
    ValueError: like must be one of keras, optax for lion, torch has none, got 'torch'
    """
    check.choice("like", like, LIBRARIES)
    rows = CONVENTIONS[name]
    if like not in rows:
        raise ValueError(f"like must be one of {', '.join(rows)} for {name}, {like} has none, got {like!r}")
    known = {**rows[like], **{key: value for key, value in given.items() if value is not None}}
    if missing := [key for key in given if key not in known]:
        raise ValueError(f"{missing[0]} must be given for {name}: there is no default with like={like!r}")
    return {**{key: known[key] for key in given}, "like": like}
