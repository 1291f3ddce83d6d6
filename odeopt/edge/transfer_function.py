"""theta_{n+1} = theta_n - lr (Q g)_n: an optimizer as a filter of its gradients, from its settled step."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.analysis.linear import Matrices, as_optimizer, step_matrix
from odeopt.optimizers.base import Optimizer
from odeopt.schemes.base import Scheme
from odeopt.util import check

ROUNDING = 1e-12  # relative to the largest entry of the step matrix


def transfer_function(opt: Optimizer | Scheme, z: Any, t: float | None = None) -> Any:
    """Q(z) = sum_k w_k z^-k, where theta_{n+1} = theta_n - lr sum_k w_k g_{n-k}:   Q(z) = -(b_0 + c (z - A)^-1 b).

    The step matrix at lr lambda = k is [[1 + k b_0, c], [k b, A]].  Its eigenvalues solve z - 1 + k Q(z) = 0, so
    lr lambda = (1 - z)/Q(z) where one of them is at z on the unit circle.  `stability_limit` is the least of these
    numbers that is real and positive; it is 2/Q(-1) where the first eigenvalue to leave the circle does so at -1.

    z: a complex number or array, broadcast against the members of the optimizer; Q is infinite at a pole.  Q(1), the
    update under a constant gradient 1, is 1 for averages of gradients and 1/(1 - beta) for momentum.  As in
    `step_matrix` a preconditioner is held still at 1, and t is the time of the step, where the flow reads it.
    ValueError for a step that is no such filter: one with several gradients, or with weight decay.

    >>> from odeopt import optimizers
    >>> adam, nesterov = optimizers.adam(beta1=0.9), optimizers.nesterov(beta=0.5)
    >>> round(2 / transfer_function(adam, -1).real, 10), round(2 / transfer_function(nesterov, -1).real, 10)
    (38.0, 1.5)
    """
    opt, z = as_optimizer(opt), check.complex_numbers("z", z)
    still, *driven = (step_matrix(opt, k, t) for k in (0.0, 1.0, 2.0))
    gain = driven[0] - still
    _check_filter(opt, still, gain, driven[1] - driven[0])
    try:
        np.broadcast_shapes(z.shape, gain.shape[:-2])
    except ValueError:
        raise ValueError(
            f"z must broadcast against the members {gain.shape[:-2]} of opt, got shape {z.shape}"
        ) from None
    b, A, c = gain[..., 0], still[..., 1:, 1:], still[..., 0, 1:]
    resolvent = z[..., None, None] * np.eye(A.shape[-1]) - A
    pole = np.linalg.det(resolvent) == 0
    memory = np.linalg.solve(np.where(pole[..., None, None], np.nan, resolvent), b[..., 1:, None])[..., 0]
    Q = np.where(pole, np.inf, -(b[..., 0] + np.sum(c * memory, axis=-1)))
    return complex(Q) if Q.ndim == 0 else Q


def _check_filter(opt: Optimizer, still: Matrices, gain: Matrices, again: Matrices) -> None:
    """Without gradient theta must rest; the gradient must enter once, at theta, and linearly."""
    tolerance = ROUNDING * (np.abs(still).max() + np.abs(gain).max())
    if np.abs(still[..., 0] - np.eye(still.shape[-1])[0]).max() > tolerance:
        raise ValueError(f"opt must not move theta without a gradient to be a filter of gradients, {opt.name} does")
    if max(np.abs(gain[..., 1:]).max(initial=0.0), np.abs(again - gain).max()) > tolerance:
        raise ValueError(f"opt must use one gradient a step, at theta, to be a filter of gradients, not {opt.name}")
