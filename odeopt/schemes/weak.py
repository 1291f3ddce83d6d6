"""Platen's explicit scheme of weak order 2 for general noise."""

from __future__ import annotations

from typing import Any

import numpy as np

from odeopt.core import ops
from odeopt.core.state import Rhs, State, plus
from odeopt.schemes.stochastic import Noise, StochasticRungeKutta, combined


def _additive(f: Rhs, b: Noise, t: Any, y: State, h: Any, dW: Any, S: Any) -> State:
    """h (f + f(Y))/2 + (b + b(Y)) dW/2,   Y = y + h f + b dW."""
    drift, noise = f(t, y), b(t, y, dW)
    Y = plus(y, combined((h, drift), (1.0, noise)))
    return combined((h / 2, drift), (h / 2, f(t + h, Y)), (0.5, noise), (0.5, b(t + h, Y, dW)))


def _platen(f: Rhs, b: Noise, t: Any, y: State, h: Any, dW: Any, S: Any) -> State:
    """h (f + f(Y))/2 + b dW + sum_r [b(R+) (p + q) + b(R-) (p - q) + b(U+) (u + v) + b(U-) (u - v) - 2 b (p + u)]/4.

    e_r is the r-th channel.  U+- = y +- sqrt(h) b e_r, R+- = U+- + h f; p = e_r dW_r and u = dW - p;
    sqrt(h) (q + v)_j = dW_r dW_j + V_rj, q its component j = r, V_rr = -h, V_rj = -V_jr = +-h.
    All channels r are evaluated together, along a new first axis.
    """
    m, root, drift, noise = dW.shape[-1], ops.sqrt(h), f(t, y), b(t, y, dW)
    own = np.eye(m).reshape(m, *(1,) * (dW.ndim - 1), m) * np.ones_like(dW)
    p, u = own * dW, (1 - own) * dW
    products = (_channels(dW) * dW + h * _areas(S)) / root
    q, v = own * (products - root), (1 - own) * products

    stacked = tuple(np.broadcast_to(x, (m, *x.shape)) for x in y)
    aside, ahead = b(t, stacked, root * own), combined((h, drift))
    up, down = plus(stacked, aside), plus(stacked, combined((-1.0, aside)))
    far = [b(t + h, plus(up, ahead), p + q), b(t + h, plus(down, ahead), p - q)]
    near = [b(t, up, u + v), b(t, down, u - v)]
    correction = combined(*[(0.25, tuple(x.sum(axis=0) for x in k)) for k in (*far, *near)], (-m / 2, noise))
    Y = plus(y, combined((h, drift), (1.0, noise)))
    return combined((h / 2, drift), (h / 2, f(t + h, Y)), (1.0, noise), (1.0, correction))


def _channels(w: Any) -> Any:
    """w_r along a new first axis, (m, ..., 1)."""
    return np.moveaxis(w, -1, 0)[..., None]


def _areas(S: Any) -> Any:
    """S_r S_j sign(j - r), (m, ..., m): antisymmetric, and uncorrelated in pairs, which weak order 2 needs."""
    r = np.arange(S.shape[-1])
    order = np.sign(r - r[:, None]).reshape(r.size, *(1,) * (S.ndim - 1), r.size)
    return order * _channels(S) * S


platen = StochasticRungeKutta("Platen", 2, 0.5, 2, _platen, _additive, halves=2)
"""Weak order 2 for general noise.                                        [Kloeden and Platen 1992, 15.1, eq. (1.3)]

The two-point variables V_rj are products of the channels' signs.  State-dependent noise with m channels takes 4 m + 1
noise evaluations per step and the memory of as many states; additive noise costs as much as in Heun's scheme.
"""
