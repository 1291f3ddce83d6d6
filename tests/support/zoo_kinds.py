"""Which optimizers differ in kind, by their flow, and which only in a setting: pairs for ZOO.md and their test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

import odeopt as oo
from odeopt import optimizers as opt

LR, STEPS, FINER = 0.01, 100, 16
ROUNDING = 1e-12  # of theta


@dataclass(frozen=True)
class Pair:
    """Two optimizers with names that say how they were made."""

    one: str
    other: str
    made: tuple[oo.Optimizer, oo.Optimizer]

    def distance(self, finer: int = 1) -> float:
        """The largest distance of theta over the time of STEPS steps, made in steps of h/finer along the same flows."""
        valley, made = oo.problems.rosenbrock(b=5).at([-0.5, 1.0]), self.made
        if finer > 1:
            made = tuple(each.with_step(each.h / finer) for each in made)
        a, b = (oo.simulate(each, valley, STEPS * finer).check().theta for each in made)
        return float(np.abs(a - b).max())

    def differ_in(self) -> str:
        """A setting if all steps are the same, the scheme if the flows are, else the flow."""
        if self.distance() < ROUNDING:
            return "setting"
        a, b = (str(each.flow).split("\nwith")[0] for each in self.made)
        return "scheme" if a == b else "flow"


RMSPROP, ADAM, MOMENTUM = opt.rmsprop(LR), opt.adam(LR), opt.momentum(LR)
PAIRS = (
    Pair("momentum(beta=0)", "gd", (opt.momentum(LR, 0.0), opt.gd(LR))),
    Pair("rmsprop(rho=r)", "adam(beta1=0, beta2=r, corrected=False)",
         (opt.rmsprop(LR, 0.99), opt.adam(LR, 0.0, 0.99, corrected=False))),
    Pair("lion(beta1=0, weight_decay=0)", "signsgd", (opt.lion(LR, 0.0, 0.99, 0.0), opt.signsgd(LR))),
    Pair("signum(beta=0)", "signsgd", (opt.signum(LR, 0.0), opt.signsgd(LR))),
    Pair("adamw(weight_decay=0)", "adam", (opt.adamw(LR, weight_decay=0.0), ADAM)),
    Pair("l2(gd, w)", "decoupled(gd, w)", (opt.l2(opt.gd(LR), 0.1), opt.decoupled(opt.gd(LR), 0.1))),
    Pair("heavy_ball", "momentum", (opt.heavy_ball(LR), MOMENTUM)),
    Pair("nesterov", "momentum", (opt.nesterov(LR), MOMENTUM)),
    Pair("half_start_adam", "adam", (opt.half_start_adam(LR), ADAM)),
    Pair("strang_rmsprop", "rmsprop(start='settled')", (opt.strang_rmsprop(LR), opt.rmsprop(LR, start="settled"))),
    Pair("rmsprop", "gd", (RMSPROP, opt.gd(LR))),
    Pair("adam", "rmsprop", (ADAM, RMSPROP)),
    Pair("adam", "momentum", (ADAM, MOMENTUM)),
    Pair("nadam", "adam", (opt.nadam(LR), ADAM)),
    Pair("l2(adam, w)", "adamw(weight_decay=w)", (opt.l2(ADAM, 0.1), opt.adamw(LR, weight_decay=0.1))),
    Pair("lion", "signsgd", (opt.lion(LR), opt.signsgd(LR))),
)  # fmt: skip
