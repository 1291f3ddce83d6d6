"""g <- g + sqrt(h) Sigma^(1/2) xi in every formula: the SDE of a flow whose gradient noise is redrawn every h.

A formula affine in g passes the noise on.  A formula c g^2 contributes only its mean c (g^2 + diag Sigma): the
fluctuation changes expectations at the order of the discretisation error in h.            [Malladi et al. 2022]
A sign of a + b g contributes its mean over the noise, and white noise with the variance that it has and the covariance
with the noise of g.  For Gaussian noise the mean is erf(g/(sqrt(2) sigma)).               [Compagnoni et al. 2025]
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np

from odeopt.core import ops
from odeopt.core.affine import Affine
from odeopt.core.flow import Flow, Part, Project, Push
from odeopt.core.formula import Formula, Placed, mapped, reading, reads
from odeopt.core.state import State
from odeopt.util import check
from odeopt.util.check import Array, Number


def with_gradient_noise(flow: Flow, h: Number) -> Flow:
    """The flow with noise in its parts, from gradients of covariance Sigma drawn independently every h.

    >>> from odeopt.flows import rmsprop
    >>> with_gradient_noise(rmsprop(tau=1.0), 0.1)
    theta' = -grad L(theta)/(sqrt(G) + eps) - sqrt(h)*noise(theta)/(sqrt(G) + eps)
    G'     = (grad L(theta)^2 + diag Sigma(theta) - G)/tau
    with tau = 1, eps = 1e-08, h = 0.1
    """
    check.distinct("params", ("h", *flow.params, *flow.variables))
    if flow.noisy:
        raise ValueError(f"flow must be without noise, {flow.name} has noise in {', '.join(flow.noisy)}")
    if flow.filters:
        raise ValueError(f"flow must be without filters, {flow.name} has {len(flow.filters)}: put decay into the loss")
    parts = {name: tuple(_noisy(flow, name, part) for part in group) for name, group in flow.parts.items()}
    return flow.altered(
        params=MappingProxyType({**flow.params, "h": check.positive("h", h)}),
        parts=MappingProxyType(parts),
        name=f"{flow.name} with gradient noise",
    )


def _noisy(flow: Flow, name: str, part: Part) -> Part:
    """The part with its mean and noise terms; its rate must not read the gradient."""
    driving, *rest = part.formulas()
    if any(_response(flow, formula) != "none" for formula in rest):
        raise ValueError(f"the rate of part {name!r} of {flow.name} reads the gradient: no SDE is known")
    kind = _response(flow, driving)
    if kind == "other" or (kind != "none" and isinstance(part, Project)):
        raise ValueError(
            f"part {name!r} of {flow.name} must read the gradient as a + b g, c g^2 or the sign of a + b g, coordinate "
            "by coordinate: no SDE is known for a norm, a maximum or a smoothed sign (delta > 0)"
        )
    if kind == "none" or isinstance(part, Project):
        return part
    mean = {"square": _mean_of_square, "sign": _mean_of_sign}.get(kind, lambda same: same)(driving)
    averaged = replace(part, force=mean) if isinstance(part, Push) else replace(part, target=mean)
    if kind == "square":
        return averaged
    change = _noise_of_sign(driving) if kind == "sign" else _change(driving, kind)
    noise = mapped(lambda h, change: ops.sqrt(h) * change, change, "h")
    if isinstance(averaged, Push):
        return replace(averaged, noise=noise)
    return replace(averaged, noise=mapped(lambda *v: v[-1] * noise(*v[:-1]), averaged.rate, *reads(noise)))


def _change(formula: Formula, kind: str) -> Formula:
    """F[noise] if F is linear, F[noise] - F[0] if it mixes coordinates, else the coefficient of zeta in F[zeta]."""
    names = reads(formula)
    where = names.index("grad")
    renamed = tuple("noise" if name == "grad" else name for name in names)
    if kind == "linear":
        return reading(renamed, formula)
    if kind == "mixing":
        still = lambda theta: 0.0 * theta
        return reading(renamed, lambda *v: formula(*v) - formula(*v[:where], still, *v[where + 1 :]))
    random = lambda noise, theta: Affine(0.0 * theta, noise(theta), None)
    return reading(renamed, lambda *v: formula(*v[:where], partial(random, v[where]), *v[where + 1 :]).b)


def _mean_of_square(formula: Formula) -> Formula:
    """F[g] + F[sqrt(diag Sigma)]."""
    names = reads(formula)
    where = names.index("grad")

    def mean(*v: Any) -> Any:
        return formula(*v) + formula(*v[:where], partial(_deviation, v[where]), *v[where + 1 :])

    return reading(names, mean)


def _deviation(grad: Any, theta: Any) -> Any:
    return ops.sqrt(grad.variance(theta))


def _mean_of_sign(formula: Formula) -> Formula:
    """E F[g + zeta] for a formula that reads g under signs alone."""
    where = reads(formula).index("grad")

    def mean(*v: Any) -> Any:
        of_sign = lambda a, b: Affine(v[where].mean_sign(a, b), 0.0, None)
        return formula(*v[:where], partial(_noisy_gradient, v[where], of_sign), *v[where + 1 :]).a

    return reading(reads(formula), mean)


def _noise_of_sign(formula: Formula) -> Formula:
    """What F[g + zeta] fluctuates by, for the same formulas."""
    where = reads(formula).index("grad")

    def noise(sign_noise: Any, *v: Any) -> Any:
        of_sign = lambda a, b: Affine(0.0, sign_noise(a, b), None)
        return formula(*v[:where], partial(_noisy_gradient, v[where], of_sign), *v[where + 1 :]).b

    return reading(("sign_noise", *reads(formula)), noise)


def _noisy_gradient(grad: Any, of_sign: Any, theta: Any) -> Affine:
    """g + zeta = g + scale Z."""
    return Affine(grad(theta), grad.scale(theta), of_sign)


def _response(flow: Flow, formula: Formula) -> str:
    """How a formula depends on the gradient, found by evaluation.

    none, linear, affine, mixing (affine, but not coordinate by coordinate), square, sign or other.
    """
    if "grad" not in reads(formula):
        return "none"
    rng, size = np.random.default_rng(0), 8
    state = tuple(rng.uniform(0.5, 0.7, 1 if name in flow.clocks else size) for name in flow.variables)  # G > a^2
    a, b = rng.standard_normal((2, size))
    placed = flow.placed(formula)

    def at(g: Array) -> Any:
        return placed(1.0, lambda theta: g, state)

    try:
        with np.errstate(all="ignore"):
            zero, F, K, sum_, twice = at(0 * a), at(a), at(b), at(200 * a - 300 * b), at(200 * a)
    except ValueError as error:
        raise ValueError(f"the formulas of {flow.name} act on matrices: no SDE is known") from error
    if np.allclose(F, zero, rtol=1e-12) and np.allclose(twice, zero, rtol=1e-12):
        return "none"
    if np.allclose(sum_ - zero, 200 * (F - zero) - 300 * (K - zero), rtol=1e-9):
        if not np.any(zero):
            return "linear"
        return "affine" if _on_random_gradient(placed, state, a) is not None else "mixing"
    if np.allclose(F * b**2, K * a**2, rtol=1e-9) and np.allclose(twice, 4e4 * F, rtol=1e-9) and not np.any(zero):
        return "square"
    found = _on_random_gradient(placed, state, a)
    return "sign" if found is not None and found.of_sign is None else "other"


def _on_random_gradient(placed: Placed, state: State, g: Array) -> Affine | None:
    """The formula's value for g + zeta, with of_sign = None if it reads zeta under signs alone; None if it has none."""
    signed = Affine(0.0 * g, 1.0, None)
    try:
        found = placed(1.0, lambda theta: Affine(g, 1.0, lambda a, b: signed), state)
    except (AttributeError, TypeError, ValueError):
        return None
    return found if isinstance(found, Affine) else None
