"""J = D/h (B(-P) p_i - B(P) p_j),  P = w h/D,  B(x) = x/(e^x - 1).                    [Scharfetter & Gummel 1969]

J is the flux w p - D p_x between two cells at distance h, and is exact for constant w and D.  It is stable for any
drift, and becomes the upwind flux for D -> 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from odeopt.util.check import Array

STEEP = 700.0  # exp(P) is finite up to here; exp(-P) is below rounding long before


@dataclass(frozen=True, eq=False)
class Flux:
    """w = a - D' and D at the inner faces of one axis, so that J = w p - D p_x is Ito's a p - (D p)_x."""

    velocity: Array
    diffusion: Array

    def speeds(self, distance: Any) -> tuple[Array, Array]:
        """The rates (up, down) in J = up p_i - down p_j, cell j above cell i; both >= 0."""
        return _speed(self.velocity, self.diffusion, distance), _speed(-self.velocity, self.diffusion, distance)


def ito_flux(drift: Array, diffusion: Array, axis: int, h: float) -> Flux:
    """The flux from the drift a at the faces and D at the centres.

    D at a face is the logarithmic mean (D_j - D_i)/log(D_j/D_i).  With it the density of J = 0, p = C/D exp(int a/D),
    is exact up to the midpoint rule in the integral.
    """
    low, high = sides(diffusion, axis)
    return Flux(drift - (high - low) / h, _logarithmic_mean(low, high))


def potential_flux(potential: Array, temperature: float, axis: int, h: float) -> Flux:
    """The flux from L at the centres; its differences make exp(-L/T) at the centres exactly stationary."""
    low, high = sides(potential, axis)
    return Flux((low - high) / h, np.full(low.shape, temperature))


def sides(values: Any, axis: int) -> tuple[Any, Any]:
    """Views of the values below and above each inner face of this axis."""
    first = np.moveaxis(values, axis, 0)
    return np.moveaxis(first[:-1], 0, axis), np.moveaxis(first[1:], 0, axis)


def _speed(w: Array, D: Array, h: Any) -> Array:
    """D/h B(-w h/D)."""
    from scipy.special import exprel

    steep = np.abs(w) * h >= STEEP * D
    P = np.where(steep, 0.0, w * h) / np.where(steep, 1.0, D)
    return np.where(steep, np.maximum(w, 0.0), D / h / exprel(-P))


def _logarithmic_mean(a: Array, b: Array) -> Array:
    """(b - a)/log(b/a); a where b = a, and 0 where a or b is 0."""
    low, high = np.minimum(a, b), np.maximum(a, b)
    x = np.where(low > 0, (high - low) / np.where(low > 0, low, 1.0), 0.0)
    return np.where(x > 0, (high - low) / np.log1p(np.where(x > 0, x, 1.0)), low)
