"""What a batch says about a step: zeta, sharpness, batch sharpness and the noise scale, at the theta of the step."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from odeopt.diagnosis.noise_scale import noise_scale
from odeopt.diagnosis.ritz import Ritz, ritz
from odeopt.edge.gauge import zeta, zeta_2
from odeopt.frameworks.torch.monitor.probe import Batch, Loss, Probe, twice_differentiable
from odeopt.frameworks.torch.monitor.vectors import Step
from odeopt.frameworks.torch.monitor.weights import group_limits, preconditioned, second_moment, weights_of
from odeopt.util.check import Array

FIRST = 6  # products of the first search, which knows nothing
PARTS = 4  # of a batch, for its noise


class Gauge:
    """The record of a step, from the batch that it was taken on."""

    def __init__(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, loss: Loss, names: list[str], more: int
    ) -> None:
        self._optimizer, self._search = optimizer, Search(more)
        self._probe = Probe(model, loss, names)

    def of(self, step: Step, batch: Batch) -> dict[str, Any]:
        """zeta, the sharpness beside its limit, the batch sharpness, the noise scale and the second moments."""
        limits = group_limits(self._optimizer)
        try:
            found = curvature(self._probe, step, batch, weights_of(self._optimizer, limits), self._search)
            found["noise_scale"] = noise(self._probe, step.theta, batch)
        except (RuntimeError, NotImplementedError) as error:  # a model without second derivatives
            return {"sharpness": None, "reason": f"{type(error).__name__}: {error}"}
        group = self._optimizer.param_groups[0]
        lr, plain = float(group["lr"]), not preconditioned(self._optimizer)
        limit = limits[0].stable / lr if limits and lr > 0 else None
        if found["sharpness"]:
            found["sharpness"] |= {"limit": limit, "preconditioned": not plain}
        if found["batch_sharpness"]:
            small = limits[0].small_batch if limits else None
            found["batch_sharpness"] |= {
                "limit": limit if plain else None,
                "limit_small": small / lr if small and lr > 0 else None,
            }
        return found | self._memory(step)

    def _memory(self, step: Step) -> dict[str, Any]:
        """The share of zero gradients, and v as it is stored."""
        v = second_moment(self._optimizer)
        found: dict[str, Any] = {"dead": None if step.g is None else float((step.g == 0).double().mean())}
        if v is not None and step.g is not None:
            total = float(v.sum())
            ratio = float(step.g @ step.g) / total if total > 0 else None
            found["second_moment"] = {"median": float(v.median()), "least": float(v.min()), "ratio": ratio}
        return found


class Search:
    """The largest eigenvalue of W H, followed from one batch to the next.

    Each time the space is spanned by the last Ritz vector, its residual, the gradient and the update: three or four
    products also give zeta_2 and the batch sharpness.  The vectors wait on the CPU between two searches.
    """

    def __init__(self, more: int) -> None:
        self._more, self._kept = more, None  # type: int, Tensor | None

    def found(self, products: Any, W: Tensor, first: Tensor) -> tuple[Ritz | None, Tensor]:
        """The Ritz pair, and the products (m, d) of the rows `first` (m, d)."""
        known = self._kept is not None and self._kept.shape[1] == first.shape[1]
        X = torch.cat((first, self._kept.to(first))) if known and self._kept is not None else first
        X = X / _length(X)
        HX = products(X)
        pair = _ritz(X, HX, W)
        for _ in range(self._more if known else FIRST):
            if pair is None:
                break
            rest = _residual(pair, X, HX, W)
            rest = rest / _length(rest)
            X, HX = torch.cat((X, rest)), torch.cat((HX, products(rest)))
            pair = _ritz(X, HX, W)
        if pair is not None:
            s = torch.as_tensor(pair.s).to(X)
            self._kept = torch.cat(((s @ X)[None], _residual(pair, X, HX, W))).cpu()
        return pair, HX[: len(first)] * _length(first)


def curvature(probe: Probe, step: Step, batch: Batch, W: Tensor, search: Search) -> dict[str, Any]:
    """zeta, zeta_2, the sharpness and the batch sharpness with the residual of the search."""
    with twice_differentiable():
        loss, g, products = probe.hessian(step.theta, batch)
        with torch.no_grad():
            after = probe.value(step.theta + step.u, batch)
        pair, (Hu, Hg) = search.found(products, W, torch.stack((step.u, g)))
    slope = -float(g @ step.u)  # lr = 1: -u is the whole update
    moving, steep = slope != 0, float(g @ g)
    return {
        "loss_after": float(after),
        "zeta": zeta(float(loss), float(after), 1.0, slope) if moving else None,
        "zeta2": zeta_2(1.0, slope, float(step.u @ Hu)) if moving else None,
        "sharpness": None if pair is None else {"value": pair.value, "error": pair.error},
        "batch_sharpness": {"value": float(g @ Hg) / steep, "error": None} if steep else None,
    }


def noise(probe: Probe, theta: Tensor, batch: Batch) -> dict[str, Any] | None:
    """The noise scale from parts of a batch of equal size; None where it has fewer than 2 samples."""
    n = len(batch[0])
    k = min(PARTS, n)
    if k < 2:
        return None
    size = n // k
    parts = [tuple(part[i * size : (i + 1) * size] for part in batch) for i in range(k)]
    g = torch.stack([probe.gradient(theta, part) for part in parts])
    inner = (g @ g.T).double().cpu()
    return asdict(noise_scale(inner.numpy(), size)) if bool(inner.isfinite().all()) else None


def _ritz(X: Tensor, HX: Tensor, W: Tensor) -> Ritz | None:
    """Of W H on the span of the rows of X."""

    def inner(a: Tensor, b: Tensor) -> Array:
        found: Array = (a @ b.T).double().cpu().numpy()
        return found

    return ritz(inner(X / W, X), inner(X, HX), inner(HX * W, HX))


def _residual(pair: Ritz, X: Tensor, HX: Tensor, W: Tensor) -> Tensor:
    """W H x - theta x (1, d)."""
    s = torch.as_tensor(pair.s).to(X)
    return (W * (s @ HX) - pair.value * (s @ X))[None]


def _length(rows: Tensor) -> Tensor:
    length = rows.norm(dim=1, keepdim=True)
    return torch.where(length > 0, length, 1.0)
