"""B_noise = tr Sigma/|G|^2, the batch size at which noise and signal are equal, from the parts of one batch.

|G|^2 = (B |g|^2 - b E|g_i|^2)/(B - b) and tr Sigma = (E|g_i|^2 - |g|^2)/(1/b - 1/B), for k parts g_i of b samples and
their mean g of B = k b.  Both are unbiased; their quotient is not.  [McCandlish et al. 2018, "An empirical model of
large-batch training", appendix A.1]
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from odeopt.util import check
from odeopt.util.check import Array


@dataclass(frozen=True)
class NoiseScale:
    """B_noise in samples with its jackknife `error`; `signal` |G|^2 and `noise` tr Sigma, to average over records.

    The value is inf where the estimate of |G|^2 is not positive: then the noise hides the signal.
    """

    value: float
    error: float
    signal: float
    noise: float


def noise_scale(inner: Array, size: int) -> NoiseScale:
    """From the inner products g_i.g_j (k, k) of the mean gradients of k >= 2 parts with `size` samples each.

    The error is that of the delete-one jackknife [Efron 1982], NaN for two parts.

    >>> parts = np.array([[1.0, 2.0], [1.0, -1.0], [1.0, -1.0]])
    >>> noise_scale(parts @ parts.T, size=4)
    NoiseScale(value=inf, error=nan, signal=0.0, noise=12.0)
    """
    inner = np.asarray(check.finite("inner", inner))
    k, size = len(inner), check.count("size", size, 1)
    if inner.shape != (k, k) or k < 2:
        raise ValueError(f"inner must be (k, k) with k >= 2, got shape {inner.shape}")
    signal, noise = _pieces(inner, size)
    without = [np.delete(np.delete(inner, i, 0), i, 1) for i in range(k)] if k > 2 else []
    values = np.array([_quotient(*_pieces(rest, size)) for rest in without])
    known = len(values) > 0 and bool(np.isfinite(values).all())
    error = float(np.sqrt((k - 1) * np.var(values))) if known else np.nan
    return NoiseScale(_quotient(signal, noise), error, signal, noise)


def _pieces(inner: Array, size: int) -> tuple[float, float]:
    """|G|^2 and tr Sigma."""
    k = len(inner)
    small, large = float(np.mean(np.diag(inner))), float(np.mean(inner))
    return (k * large - small) / (k - 1), (small - large) * size * k / (k - 1)


def _quotient(signal: float, noise: float) -> float:
    return noise / signal if signal > 0 else np.inf
