"""Named optimizers and flows, and what is made of them.

Every flow and every named optimizer has a row by itself.  A new name of a hyperparameter needs a kind in `HYPER`.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
from support.arguments.attack import Row, row
from support.arguments.kinds import (
    COUNT,
    FLAG,
    FRACTION,
    FRACTIONS,
    NONNEGATIVE,
    NONNEGATIVES,
    NOTHING,
    POSITIVE,
    POSITIVES,
)  # fmt: skip
from support.arguments.public import parameters
from support.arguments.samples import GD

import odeopt as oo
from odeopt import flows, optimizers

HYPER = {  # hyperparameters by name, one number or one for each member: kind, and a right value
    **dict.fromkeys(("lr", "step"), (POSITIVES, 0.1)),
    **dict.fromkeys(("beta", "beta1", "beta2", "beta3", "rho", "later", "weight"), (FRACTIONS, 0.9)),
    **dict.fromkeys(("tau", "tau1", "tau2", "tau3", "tau_m", "r", "clip", "trust", "scale", "decay"), (POSITIVES, 1.0)),
    **dict.fromkeys(("min_step", "max_step", "eta_plus"), (POSITIVES, 2.0)),
    **dict.fromkeys(
        ("eps", "weight_decay", "delta", "lambd", "alpha", "t0", "floor", "eps_root", "gamma", "gain"),
        (NONNEGATIVES, 0.1),
    ),
    **dict.fromkeys(("damping", "viscosity", "temperature"), (NONNEGATIVES, 0.1)),
    "eta_minus": (FRACTIONS, 0.5),
    **dict.fromkeys(("power", "warm_up", "ramp"), (NONNEGATIVE, 0.5)),
    **dict.fromkeys(("map", "like", "root", "start", "shape", "layers", "iterations"), (NOTHING, "")),
    **dict.fromkeys(("corrected", "centred", "relative", "clamped"), (FLAG, False)),
    "flow": (NOTHING, flows.averaged_gradient(1.0)),
}
REQUIRED = "huge shape none-"  # None is the default, and there is none
DIFFERENT = {  # where two arguments must go together, or only one number is allowed
    "optimizers.adadelta": {"eps": POSITIVES},
    "optimizers.adagrad": {"accumulator": NONNEGATIVE},
    "optimizers.adamw": {"lr": "shape", "weight_decay": "zero shape"},
    "optimizers.asgd": {"lr": "shape", "lambd": "zero shape"},
    "optimizers.lamb": {"weight_decay": FRACTION},
    "optimizers.lars": {"lr": REQUIRED},
    "optimizers.momentum": {"dampening": FRACTION},
    "optimizers.muon": {"iterations": "none"},
    "optimizers.nadam": {"psi": NOTHING},
    "optimizers.normalized_gd": {"lr": REQUIRED},
    "optimizers.rmsprop": {"momentum": FRACTION},
    "optimizers.rprop": {"lr": "shape", "eta_minus": "shape", "eta_plus": POSITIVE, "min_step": NOTHING},
    "optimizers.shampoo": {"eps": POSITIVES},
    **{
        f"optimizers.{name}": {"lr": REQUIRED}
        for name in ("signsgd", "signum", "adabelief", "ademamix", "adan", "adopt")
    },
    "optimizers.schedule_free_sgd": {"weight": "shape"},
    "optimizers.schedule_free_adamw": {"weight": "shape"},
    "flows.adan": {"weight": NONNEGATIVES},
    "flows.adopt": {"power": NONNEGATIVES},
    "flows.ademamix": {"ramp": NONNEGATIVES},
    "flows.adadelta": {"eps": POSITIVES},
}


def settings(name: str, f: Any) -> Row:
    """The row of a flow or a named optimizer."""
    different, known = DIFFERENT.get(name, {}), parameters(f)
    given = {key: HYPER[key][1] for key, p in known.items() if p.default is inspect.Parameter.empty or key == "lr"}
    return row(lambda: dict(given), **{key: different[key] if key in different else HYPER[key][0] for key in known})


def _named() -> dict[str, Any]:
    """The flows, and the optimizers that are not made of others."""
    makers = {f"optimizers.{name}": getattr(optimizers, name) for name in set(optimizers.__all__) - {"Optimizer"}}
    made_of_flows = {key: f for key, f in makers.items() if not {"opt", "config"} & set(parameters(f))}
    return made_of_flows | {f"flows.{name}": getattr(flows, name) for name in set(flows.__all__) - {"gradient_flow"}}


ROWS: dict[str, Row] = {
    "optimizers.clip_norm": row(lambda: dict(opt=GD, limit=1.0), opt=NOTHING, limit=POSITIVES, eps=NONNEGATIVE),
    "optimizers.clip_value": row(lambda: dict(opt=GD, limit=1.0), opt=NOTHING, limit=POSITIVES),
    "optimizers.decoupled": row(lambda: dict(opt=GD, weight_decay=0.1), opt=NOTHING, weight_decay=NONNEGATIVES),
    "optimizers.l2": row(lambda: dict(opt=GD, weight_decay=0.1), opt=NOTHING, weight_decay=NONNEGATIVES),
    "optimizers.ema": row(lambda: dict(opt=GD), opt=NOTHING, decay="shape"),
    "optimizers.lookahead": row(lambda: dict(opt=GD), opt=NOTHING, alpha=NOTHING, every=COUNT),
    "optimizers.lazy": row(lambda: dict(opt=GD), opt=NOTHING, clock=NOTHING),
    "optimizers.scheduled": row(lambda: dict(opt=GD, schedule=oo.schedules.constant()), opt=NOTHING, schedule=NOTHING),
    "optimizers.from_config": row(lambda: dict(config=GD.get_config()), config=NOTHING),
    "frameworks.numpy.in_place": row(lambda: dict(opt=GD, theta=np.ones(2)), opt=NOTHING, theta=NOTHING, nan=NOTHING),
    **{name: settings(name, f) for name, f in sorted(_named().items())},
}
