"""What is compared with torch, Keras and optax: recorded gradients, cases, and the replay of an optimizer on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import odeopt as oo
from odeopt import optimizers, schedules
from odeopt.optimizers.conventions import CONVENTIONS

N, D = 1000, 5
PACKAGES = ("pytorch_optimizer",)
BFLOAT16 = 5 * 2.0**-8
MATRICES = ("muon",)  # which the libraries have for matrices only
SCHEDULES = {"constant": None, "cosine": schedules.cosine(1500, final=0.1), "step": schedules.step(300, 0.3)}


@dataclass(frozen=True)
class Case:
    """An optimizer as one library has it, with settings; wrapped, for what stands around it there."""

    name: str
    like: str
    settings: dict[str, Any]
    schedule: str = "constant"
    wrappers: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        given = ",".join(f"{key}={value}" for key, value in self.settings.items())
        around = "".join(f"+{name}" for name in self.wrappers)
        return f"{self.like}-{self.name}({given}){around}-{self.schedule}"

    def optimizer(self) -> oo.Optimizer:
        """Ours."""
        opt = self.alone()
        if self.schedule != "constant":
            opt = optimizers.scheduled(opt, SCHEDULES[self.schedule])
        for wrapper, arguments in self.wrappers.items():
            opt = getattr(optimizers, wrapper)(opt, **arguments)
        return opt

    @property
    def tolerance(self) -> float:
        """1e-12; torch's Muon makes 5 steps of Newton and Schulz in bfloat16, each off by 2^-8 (0.013 measured)."""
        return BFLOAT16 if (self.name, self.like) == ("muon", "torch") else 1e-12

    def inputs(self, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Recorded gradients and the first point, as long as a matrix of this shape."""
        d = int(np.prod(self.settings.get("shape", (D,))))
        return recorded(seed, d), first_point(seed, d)

    def filled(self) -> dict[str, Any]:
        """The settings with the library's defaults."""
        return dict(self.alone().settings)

    def alone(self) -> oo.Optimizer:
        """Ours without schedule and wrappers.  The packages have no defaults here."""
        like = {} if self.like in PACKAGES else {"like": self.like}
        return getattr(optimizers, self.name)(**self.settings, **like)


def _second(name: str, like: str) -> dict[str, Any]:
    """Settings far from the defaults."""
    other = {"lr": 0.2, "beta": 0.5, "rho": 0.7, "beta1": 0.6, "beta2": 0.9, "eps": 1e-3, "weight_decay": 0.1}
    other |= {
        "eta_minus": 0.3,
        "eta_plus": 1.5,
        "min_step": 1e-3,
        "max_step": 1.0,
        "lambd": 0.1,
        "alpha": 0.5,
        "t0": 10.0,
        "trust": 0.05,
        "decay": 0.6,
        "floor": 0.1,
        "clip": 2.0,
        "beta3": 0.95,
        "eps_root": 1e-3,
        "power": 0.5,
        "weight": 0.7,
    }
    unused = {("lamb", "keras"): ("weight_decay",)}.get((name, like), ())
    return {k: v for k, v in other.items() if k == "lr" or (k in CONVENTIONS[name][like] and k not in unused)}


VARIANTS = [
    *[("rmsprop", like, {"lr": 0.01, "centred": True}) for like in ("torch", "keras", "optax")],
    *[("rmsprop", like, {"lr": 0.01, "momentum": 0.9}) for like in ("torch", "keras", "optax")],
    *[("rmsprop", like, {"lr": 0.1, "momentum": 0.5, "centred": True, "eps": 1e-3}) for like in ("torch", "keras")],
    ("momentum", "torch", {"lr": 0.01, "dampening": 0.5}),
    ("momentum", "torch", {"lr": 0.1, "beta": 0.5, "dampening": 0.9}),
    ("nadam", "torch", {"lr": 0.01, "psi": 0.5}),
    ("ademamix", "optax", {"lr": 0.01, "warm_up": 300}),
    ("ademamix", "optax", {"lr": 0.1, "beta1": 0.5, "beta3": 0.99, "alpha": 2.0, "warm_up": 50.0}),
    ("mars", "pytorch_optimizer", {"lr": 0.01}),
    ("mars", "pytorch_optimizer", {"lr": 0.2, "beta1": 0.5, "beta2": 0.9, "gamma": 0.3, "eps": 1e-3}),
    ("qhm", "pytorch_optimizer", {"lr": 0.01}),
    ("qhm", "pytorch_optimizer", {"lr": 0.2, "beta": 0.5, "weight": 0.3}),
    *[("muon", like, {"lr": 0.01, "shape": (2, 3)}) for like in ("torch", "keras", "optax")],
    *[
        ("muon", like, {"lr": 0.1, "beta": 0.5, "weight_decay": 0.3, "shape": (3, 2)})
        for like in ("torch", "keras", "optax")
    ],
    *[("adafactor", like, {"lr": 0.01, "shape": (2, 3)}) for like in ("torch", "keras", "optax")],
    *[
        ("adafactor", like, {"lr": 0.2, "decay": 0.6, "eps": 1e-3, "shape": (3, 2)})
        for like in ("torch", "keras", "optax")
    ],
]
AROUND = [
    ("momentum", "torch", {"l2": {"weight_decay": 0.1}}),
    ("adam", "torch", {"l2": {"weight_decay": 0.1}}),
    ("rmsprop", "torch", {"l2": {"weight_decay": 0.1}}),
    ("adam", "torch", {"clip_norm": {"limit": 1.0, "eps": 1e-6}}),
    ("momentum", "torch", {"l2": {"weight_decay": 0.1}, "clip_norm": {"limit": 1.0, "eps": 1e-6}}),
    ("momentum", "torch", {"clip_value": {"limit": 0.5}}),
    ("momentum", "keras", {"decoupled": {"weight_decay": 0.1}}),
    ("adam", "keras", {"clip_norm": {"limit": 1.0}}),
    ("adam", "keras", {"clip_value": {"limit": 0.5}}),
    ("rmsprop", "optax", {"decoupled": {"weight_decay": 0.1}}),
    ("momentum", "optax", {"clip_norm": {"limit": 1.0}}),
    ("momentum", "optax", {"lookahead": {"alpha": 0.5, "every": 5}}),
]
UNSCHEDULED = ("rprop", "schedule_free_sgd", "schedule_free_adamw")  # constant rates
CASES = [
    Case(name, like, settings, schedule)
    for name, rows in CONVENTIONS.items()
    for like in rows
    for settings in ({"lr": 0.01}, _second(name, like))
    if name not in MATRICES
    for schedule in (("constant",) if name in UNSCHEDULED else ("constant", "cosine"))
]
CASES += [Case(*variant, schedule) for variant in VARIANTS for schedule in ("constant", "step")]
CASES += [Case(name, like, {"lr": 0.01}, schedule, around) for name, like, around in AROUND
          for schedule in ("constant", "cosine")]  # fmt: skip


def recorded(seed: int, d: int = D) -> np.ndarray:
    """Gradients as they come in practice: scales that differ by coordinate and change in time."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.uniform(-2, 2, d) * np.exp(np.cumsum(0.05 * rng.standard_normal((N, 1)), axis=0))
    return scale * (rng.standard_normal((N, d)) + 0.3)


def first_point(seed: int, d: int = D) -> np.ndarray:
    return np.random.default_rng(100 + seed).standard_normal(d)


def replay(opt: oo.Optimizer, gradients: np.ndarray, theta0: np.ndarray) -> np.ndarray:
    """The iterates of an optimizer that is fed recorded gradients, one per step."""
    now = {"k": 0}

    def grad(theta: Any) -> Any:
        return gradients[now["k"]]

    step = opt.scheme.bind(opt.flow, grad)
    path, memory = [theta0], ()
    with np.errstate(all="ignore"):
        y = opt.start(opt.flow, grad, theta0, opt.h)
        for k in range(len(gradients)):
            now["k"] = k
            y, _, memory = step(k * opt.h, y, memory, opt.h)
            path.append(y[0])
    return np.array(path)


def distance(ours: np.ndarray, path: np.ndarray) -> float:
    """max |ours - path| relative to the distance travelled: theta may pass through zero."""
    travelled = np.cumsum(np.abs(np.diff(path, axis=0, prepend=0 * path[:1])), axis=0)
    return float(np.max(np.abs(ours - path) / travelled))
