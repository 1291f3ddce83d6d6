"""Densities of d theta = -grad L dt + sqrt(2 T) dW, and of theta' = v, dv = (-grad L - a v) dt + sqrt(2 a T) dW."""

from __future__ import annotations

from typing import Any

from odeopt import flows
from odeopt.laws.arguments import problem_of, temperature_of
from odeopt.laws.flux import potential_flux
from odeopt.laws.fokker_planck import FokkerPlanck
from odeopt.laws.grid import make_grid
from odeopt.laws.of_flow import density_of
from odeopt.problems import Problem
from odeopt.util import check


def langevin(problem: Problem, temperature: float, box: Any, cells: Any) -> FokkerPlanck:
    """p_t = div(p grad L) + T laplace(p), of d theta = -grad L dt + sqrt(2 T) dW; stationary exp(-L/T)/Z.

    The stationary density is exact at the centres of the cells.  With the noise written as sigma dW, T = sigma^2/2 and
    it is exp(-2 L/sigma^2)/Z.  Only the loss is evaluated.  `box` and `cells` are as in `fokker_planck`; d = 1 or 2.

    >>> import numpy as np
    >>> from odeopt import problems
    >>> well = langevin(problems.double_well(), temperature=0.1, box=(-2, 2), cells=5)
    >>> p, L = well.stationary(), well.grid.loss(problems.double_well().loss)
    >>> bool(np.ptp(np.log(p) + L / 0.1) < 1e-12)
    True
    """
    grid, T = make_grid(box, cells), temperature_of(temperature)
    problem_of(problem, grid.dim)
    L = grid.loss(problem.loss)
    return FokkerPlanck(grid, tuple(potential_flux(L, T, axis, h) for axis, h in enumerate(grid.widths)))


def kramers(problem: Problem, temperature: float, damping: float, box: Any, cells: Any) -> FokkerPlanck:
    """p_t = -v p_theta + div_v((L' + a v) p) + a T p_vv, of theta' = v, dv = (-L' - a v) dt + sqrt(2 a T) dW.

    The stationary density is exp(-(L + v^2/2)/T)/Z.  The plane is (theta, v), for problems with one parameter.  Only v
    has noise, so errors are O(h) in the width h of the cells of theta, like those of a diffusion abs(v) h/2.  Use many
    cells, and extrapolate 2 x(h/2) - x(h) from two grids.                                          [Kramers 1940]

    >>> import odeopt as oo
    >>> law = kramers(oo.problems.double_well(), 0.5, damping=1.0, box=((-2.5, 2.5), (-3, 3)), cells=(80, 40))
    >>> law.stationary().shape
    (80, 40)
    """
    problem_of(problem, 1)
    if make_grid(box, cells).dim != 2:
        raise ValueError(f"box must be ((lo, hi) of theta, (lo, hi) of v), got {box!r}")
    damping = check.scalar("damping", check.positive("damping", damping))
    return density_of(flows.kramers(damping, temperature_of(temperature)), problem, box, cells)
