"""Logs of AdamW and momentum on a quadratic with noise, healthy or with a known disease; curvature is exact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

import odeopt as oo

D = 100
MINIMUM = 3.0  # each weight there
EIGENVALUES = np.geomspace(0.01, 1.0, D)


@dataclass(frozen=True)
class Log:
    """How a log is made; `bad` steps have a gradient and a loss that are `bad_size` times as large."""

    optimizer: str = "adamw"
    lr: float = 0.1
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    noise: float = 0.3
    steps: int = 400
    cooldown: float = 0.5
    bad: tuple[int, ...] = ()
    bad_size: float = 50.0
    seed: int = 0

    @lru_cache  # noqa: B019
    def opt(self) -> oo.Optimizer:
        """As odeopt knows it."""
        if self.optimizer == "momentum":
            return oo.optimizers.momentum(lr=self.lr, beta=self.beta1)
        return oo.optimizers.adamw(self.lr, self.beta1, self.beta2, self.eps, self.weight_decay)

    def columns(self) -> dict[str, np.ndarray]:
        """All that a monitor would write."""
        with np.errstate(all="ignore"):
            return self._columns()

    def _columns(self) -> dict[str, np.ndarray]:
        rng = np.random.default_rng(self.seed)
        theta, m, v, rows = np.ones(D), np.zeros(D), np.zeros(D), []
        for k in range(self.steps):
            lr = self.lr * min(1.0, (self.steps - k) / (self.cooldown * self.steps) if self.cooldown else 1.0)
            size = self.bad_size if k in self.bad else 1.0
            true = EIGENVALUES * theta
            grad = size * (true + self.noise * rng.standard_normal(D))
            loss = size * (theta @ true / 2 + 0.5 + 0.02 * rng.standard_normal())
            if self.optimizer == "momentum":
                m = self.beta1 * m + grad
                update, sharpness = lr * m, 1.0
            else:
                m = self.beta1 * m + (1 - self.beta1) * grad
                v = self.beta2 * v + (1 - self.beta2) * grad**2
                c1, c2 = 1 - self.beta1 ** (k + 1), 1 - self.beta2 ** (k + 1)
                P = np.sqrt(v / c2) + self.eps
                update, sharpness = lr * (m / c1 / P + self.weight_decay * (theta + MINIMUM)), np.max(EIGENVALUES / P)
            norms = (np.linalg.norm(u) for u in (grad, update, theta + MINIMUM))
            rows.append((k, loss, lr, *norms, 1, sharpness, true @ true, D * self.noise**2))
            theta = theta - update
        names = (
            "step",
            "loss",
            "lr",
            "grad_norm",
            "update_norm",
            "weight_norm",
            "batch",
            "sharpness",
            "signal",
            "noise",
        )
        return dict(zip(names, np.array(rows, dtype=float).T, strict=True))

    def diagnosis(self) -> oo.Diagnosis:
        """What `diagnose` says of it."""
        return oo.diagnose(self.columns(), self.opt(), parameters=D)


HEALTHY = [Log(), Log(seed=1, lr=0.2), Log(optimizer="momentum", lr=0.1, noise=0.1), Log(seed=2, beta2=0.99)]
SICK = {
    "overflow": [Log(optimizer="momentum", lr=5.0, steps=900), Log(optimizer="momentum", lr=50.0)],
    "bad batch": [Log(bad=(150, 260)), Log(bad=(150,), bad_size=1e4)],
    "lr too large": [Log(lr=5.0), Log(lr=50.0)],
    "eps too large": [Log(eps=1.0), Log(eps=100.0)],
    "decay-limited": [Log(weight_decay=3.0), Log(weight_decay=9.0)],
    "v out of date": [Log(bad=(20,), bad_size=1e3, beta2=0.9999), Log(bad=(20,), bad_size=1e5, beta2=0.9999)],
    "near the edge": [Log(optimizer="momentum", lr=2.5), Log(optimizer="momentum", lr=3.6)],
    "momentum too long": [Log(optimizer="momentum", lr=0.1, beta1=0.99), Log(optimizer="momentum", beta1=0.999)],
    "lr too small": [Log(lr=3e-4), Log(optimizer="momentum", lr=1e-3)],
    "noise-limited": [Log(lr=0.1, noise=3.0, cooldown=0.0), Log(lr=0.1, noise=30.0, cooldown=0.0)],
}
