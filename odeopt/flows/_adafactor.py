"""Adafactor: factored second moments (row and column means) with a memory time that grows with t."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from odeopt.core import ops
from odeopt.core.flow import Flow, Part, Push, Speed, flow, push, relax
from odeopt.core.formula import Formula, mapped
from odeopt.util import check
from odeopt.util.check import Number

Shape = tuple[int, int] | None


def adafactor(
    step: Number,
    decay: Number = 0.8,
    eps: Number = 1e-30,
    floor: Number = 1e-3,
    clip: Number = 1.0,
    *,
    shape: Shape = None,
    relative: bool = True,
    clamped: bool = False,
) -> Flow:
    """theta' = -rho max(floor, rms(theta)) u/max(1, rms(u)/clip),   u = g/sqrt(V),   V = R C/mean(R).

    [Shazeer and Stern 2018, alg. 4]  R and C relax at the rate n^(-decay)/step to the row and column means of g^2 + eps
    for a matrix of this shape.  For a vector (shape=None), V = G.  n = t/step + 1/2 is the step count.
    rho = 1, or min(1, n^(-1/2)/step) if relative.  clamped=True (torch) omits eps from g^2 and sets V >= eps^2.

    As step -> 0 the rate diverges, and the memory time, about step^(1-decay) t^decay, tends to 0.

    >>> adafactor(step=0.1, relative=False)
    theta' = -maximum(floor, rms(theta))*grad L(theta)/sqrt(G)/maximum(1, rms(grad L(theta)/sqrt(G))/clip)
    G'     = (t/step + 0.5)^(-decay)/step*(grad L(theta)^2 + eps - G)
    with step = 0.1, decay = 0.8, eps = 1e-30, floor = 0.001, clip = 1
    """
    check.shape("shape", shape)
    check.flag("relative", relative)
    check.flag("clamped", clamped)
    params = {
        "step": check.positive("step", step),
        "decay": check.positive("decay", decay),
        "eps": check.nonnegative("eps", eps),
        "floor": check.nonnegative("floor", floor),
        "clip": check.positive("clip", clip),
    }
    means: dict[str, Callable[[Any], Any]] = {"G": lambda x: x}
    if shape is not None:
        means = {"R": lambda x: ops.row_mean(x, shape), "C": lambda x: ops.column_mean(x, shape)}
    return flow(
        " ".join(("theta", *means)),
        params,
        name="Adafactor",
        preconditioner=" ".join(means),
        floors="eps",
        ages="memory",
        memory=tuple(_memory(slot, mean, clamped) for slot, mean in means.items()),
        drift=adafactor_drift(shape, clamped, (lambda t: 1.0) if relative else None),
    )


def adafactor_drift(shape: Shape, clamped: bool, speed: Speed | None) -> Push:
    """theta' = -rho max(floor, rms(theta)) u/max(1, rms(u)/clip), rho = min(s(t), n^(-1/2)/step) under a speed s."""
    velocity = mapped(_velocity, _variance(shape, clamped), "grad", "theta", "floor", "clip")
    if speed is None:
        return push("theta", velocity)

    def relative(t: Any, step: Any, F: Any) -> Any:
        return ops.minimum(speed(t), 1 / (step * ops.sqrt(_count(t, step)))) * F

    return push("theta", mapped(relative, velocity, "t", "step"))


def _velocity(grad: Any, theta: Any, floor: Any, clip: Any, V: Any) -> Any:
    u = grad(theta) / ops.sqrt(V)
    return -ops.maximum(floor, ops.rms(theta)) * u / ops.maximum(1.0, ops.rms(u) / clip)


def _variance(shape: Shape, clamped: bool) -> Formula:
    if shape is None:
        return (lambda G, eps: ops.maximum(G, eps**2)) if clamped else (lambda G: G)
    if clamped:
        return lambda R, C, eps: ops.maximum(R * C / ops.maximum(ops.column_mean(R, shape), eps), eps**2)
    return lambda R, C: R * C / ops.column_mean(R, shape)


def _memory(slot: str, mean: Callable[[Any], Any], clamped: bool) -> Part:
    """Relaxation to the mean of g^2 (+ eps) at the rate n^(-decay)/step."""
    square: Formula = lambda grad, theta, eps: mean(grad(theta) ** 2 + eps)
    if clamped:
        square = lambda grad, theta: mean(grad(theta) ** 2)
    return relax(slot, target=square, rate=lambda t, step, decay: _count(t, step) ** -decay / step)


def _count(t: Any, step: Any) -> Any:
    """The step count n, evaluated at the middle of step n."""
    return t / step + 0.5
