"""Small seeded training runs in torch with a known state, and what a monitor would write down of them.

A run is a model, an optimizer's settings, and what is done to its data.  Each takes a second or two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd import grad as derivative

import odeopt as oo

EVERY = 20  # steps between measurements of curvature and noise
PRODUCTS = 8  # Hessian-vector products of a power iteration


@dataclass(frozen=True)
class Setting:
    """An optimizer, `adamw` or `momentum`, and how the run is made."""

    model: str = "mlp"
    optimizer: str = "adamw"
    lr: float = 3e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    weight_decay: float = 0.0
    batch: int = 64
    steps: int = 300
    cooldown: float = 0.5  # the share of the steps in which lr falls to 0
    clip: float = np.inf
    bad_batches: float = 0.0  # how many times too large the inputs of some batches are
    bad_at: tuple[float, ...] = (0.45, 0.7)  # where in the run
    scale: float = 1.0  # of the initial weights
    seed: int = 0

    def opt(self) -> oo.Optimizer:
        """As odeopt knows it."""
        if self.optimizer == "momentum":
            return oo.optimizers.momentum(lr=self.lr, beta=self.beta1)
        return oo.optimizers.adamw(self.lr, self.beta1, self.beta2, self.eps, self.weight_decay)

    def rate(self, k: int) -> float:
        """lr until the cooldown, then a line to 0."""
        left = (self.steps - k) / (self.cooldown * self.steps) if self.cooldown else 1.0
        return self.lr * min(1.0, left)


class Sequence(nn.Module):
    """The rows of a digit, read one after another."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.head = nn.GRU(8, 24, batch_first=True), nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(x.view(-1, 8, 8))[0][:, -1])


MODELS: dict[str, Callable[[], nn.Module]] = {
    "mlp": lambda: nn.Sequential(nn.Linear(64, 32), nn.Tanh(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10)),
    "cnn": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(72, 10)
    ),
    "gru": Sequence,
    "embedding": lambda: nn.Sequential(
        nn.Embedding(64, 12), nn.Flatten(), nn.Linear(48, 32), nn.Tanh(), nn.Linear(32, 64)
    ),
}


def data(model: str) -> tuple[Tensor, Tensor]:
    """Digits; for the embedding model four letters of the Zen of Python's neighbours and the letter that follows."""
    if model == "embedding":
        text = (np.__doc__ + np.ndarray.__doc__ + np.einsum.__doc__).encode()
        codes = torch.tensor([max(0, min(63, letter - 60)) if letter >= 60 else letter % 8 for letter in text])
        windows = codes.unfold(0, 5, 1)
        return windows[:, :4], windows[:, 4]
    from sklearn.datasets import load_digits

    digits = load_digits()
    return torch.tensor(digits.data / 8 - 1, dtype=torch.float32), torch.tensor(digits.target)


@dataclass
class Run:
    """The log of a run, and its loss on all data at the end."""

    setting: Setting
    log: dict[str, list[float]] = field(default_factory=dict)
    final: float = np.inf
    parameters: int = 0
    samples: int = 0

    def write(self, **values: float) -> None:
        """One more record; NaN where a column has no value in this step."""
        for name, value in values.items():
            self.log.setdefault(name, []).append(float(value))


def train(setting: Setting) -> Run:
    """Trains, and records what a monitor would."""
    torch.manual_seed(setting.seed)
    torch.set_num_threads(1)
    x, y = data(setting.model)
    net, run = MODELS[setting.model](), Run(setting)
    p = list(net.parameters())
    with torch.no_grad():
        for u in p:
            u.mul_(setting.scale)
    run.parameters, run.samples, opt = sum(u.numel() for u in p), len(x), _torch(setting, p)
    order = np.random.default_rng(setting.seed)
    corrupted = {int(u * setting.steps) for u in setting.bad_at} if setting.bad_batches else set()
    for k in range(setting.steps):
        some = torch.tensor(order.integers(len(x), size=setting.batch))
        inputs, labels = x[some], y[some]
        if k in corrupted:
            inputs, labels = inputs * setting.bad_batches if inputs.is_floating_point() else inputs, labels.roll(1)
        opt.param_groups[0]["lr"] = lr = setting.rate(k)
        loss = nn.functional.cross_entropy(net(inputs), labels)
        opt.zero_grad()
        loss.backward()
        size = float(nn.utils.clip_grad_norm_(p, setting.clip))
        old = [u.detach().clone() for u in p]
        measured = _measured(net, p, opt, inputs, labels) if k % EVERY == 0 else (np.nan,) * 4
        opt.step()
        with torch.no_grad():
            moved = _norm([u - v for u, v in zip(p, old, strict=True)])
        run.write(
            step=k, loss=loss.detach(), lr=lr, grad_norm=size, update_norm=moved, weight_norm=_norm(old),
            batch=setting.batch, sharpness=measured[0], signal=measured[1], noise=measured[2], v_ratio=measured[3],
        )  # fmt: skip
        if not torch.isfinite(loss):
            break
    with torch.no_grad():
        run.final = float(nn.functional.cross_entropy(net(x), y))
    return run


def _torch(setting: Setting, p: list[Tensor]) -> torch.optim.Optimizer:
    if setting.optimizer == "momentum":
        return torch.optim.SGD(p, setting.lr, momentum=setting.beta1)
    betas = setting.beta1, setting.beta2
    return torch.optim.AdamW(p, setting.lr, betas, setting.eps, setting.weight_decay)


def _norm(tensors: list[Tensor]) -> float:
    return float(torch.sqrt(sum((u.detach().double() ** 2).sum() for u in tensors)))


def _measured(net, p, opt, x, y) -> tuple[float, float, float, float]:
    """lambda_max(P^-1 H) by power iteration, and |G|^2 and tr Sigma of one sample by two halves of the batch,
    and |g|^2 over the sum of v.
    """
    half = len(x) // 2
    parts = [derivative(nn.functional.cross_entropy(net(x[s]), y[s]), p) for s in (slice(half), slice(half, 2 * half))]
    both = [(u + v) / 2 for u, v in zip(*parts, strict=True)]
    small, large = np.mean([_norm(u) ** 2 for u in parts]), _norm(both) ** 2
    signal, noise = 2 * large - small, 2 * half * (small - large)
    roots = _preconditioner(opt, p)
    slopes = derivative(nn.functional.cross_entropy(net(x), y), p, create_graph=True)
    v = [torch.randn_like(u) for u in p]
    value = np.nan
    for _ in range(PRODUCTS):
        size = _norm(v)
        v = [u / (size * r) for u, r in zip(v, roots, strict=True)]
        v = [u / r for u, r in zip(derivative(slopes, p, v, retain_graph=True), roots, strict=True)]
        value = _norm(v)
    v = [r**2 for r in roots]  # sqrt(v) + eps
    return value, signal, noise, _norm([u.grad for u in p]) ** 2 / _norm(v) ** 2


def _preconditioner(opt, p) -> list[Tensor]:
    """P^(1/2), P = sqrt(G/c2) + eps of the step to come nearly; 1 without."""
    group = opt.param_groups[0]
    if "betas" not in group:
        return [torch.ones_like(u) for u in p]
    beta2, found = group["betas"][1], []
    for u in p:
        state = opt.state.get(u, {})
        n = float(state["step"]) + 1 if state else 1.0
        G = beta2 * state["exp_avg_sq"] if state else 0.0
        G = (G + (1 - beta2) * u.grad**2) / (1 - beta2**n)
        found.append(torch.sqrt(torch.sqrt(G) + group["eps"] + 1e-12))
    return found
