"""What each compiler pass, and each kernel that a library could replace, buys: the time without it over that with it.

Each job is a row of README's table.  "without" replaces the part by what is there without it: the program as traced,
the optimizer's own step in NumPy, work arrays that are never used twice, C's logarithm and sine, LSODA.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import ensembles
import in_place
import solve
import speed
from rounds import main

from odeopt.compiler import elementwise_program, fused_update
from odeopt.compiler.codegen import numpy_blocks
from odeopt.compiler.ir import Untraceable
from odeopt.ensembles import kernel
from odeopt.simulation.engines import arrays
from odeopt.solvers import strategy

Change = Callable[[], None]


def without_chain() -> None:
    arrays.shortened = lambda program: program


def without_factors() -> None:
    elementwise_program.folded = lambda program, positive: program


def without_proof() -> None:
    """Signs and magnitudes are not known, so the optimizer's own step runs."""

    def refuse(*_: Any) -> Any:
        raise Untraceable("no proof")

    elementwise_program.positive_divisors = refuse


def without_magnitudes() -> None:
    """Nothing bounds the numbers, so each step is refused and the optimizer's own runs."""
    fused_update.bounds = lambda program, constants, sizes: ([float("inf")] * len(sizes), float("inf"))


def without_reuse() -> None:
    numpy_blocks._release = lambda ends, spare: None


def without_polynomials() -> None:
    drawing = kernel._drawing()
    for ours, theirs in {"logarithm(u)": "np.log(u)", "cosine(phi)": "np.cos(phi)", "sine(phi)": "np.sin(phi)"}.items():
        drawing = drawing.replace(ours, theirs)
    kernel._drawing = lambda: drawing


def without_rodas() -> None:
    implicit = strategy._implicit
    strategy._implicit = lambda asked, why, evaluations, _: implicit(asked, why, evaluations, None)


def case(make: Callable[[], Any], change: Change = lambda: None) -> Callable[[], Any]:
    """A case whose process makes the change before anything is compiled."""

    def build() -> Any:
        change()
        return make()

    return build


def pair(name: str, make: Callable[[], Any], *changes: Change) -> dict[str, dict[str, Callable[[], Any]]]:
    return {name: {"with": case(make), **{each.__name__.replace("_", " "): case(make, each) for each in changes}}}


JOBS = {
    **pair("one path, gd, Numba", partial(speed.our_path, "gd", "numba", speed.STEPS), without_chain),
    **pair("one path, momentum, Numba", partial(speed.our_path, "momentum", "numba", speed.STEPS), without_chain),
    **pair("one path, Adam, Numba", partial(speed.our_path, "adam", "numba", speed.STEPS), without_chain),
    **pair("65,536 runs, NumPy", partial(speed.our_sweep, "blocks", speed.SWEEP // 4), without_reuse),
    **pair("Adam on 1e7, Numba", in_place.our_case, without_factors, without_proof, without_magnitudes),
    **pair("Adam on 1e7, NumPy", partial(in_place.our_case, False), without_factors, without_proof, without_reuse),
    **pair(
        "noisy members, Numba", partial(ensembles.ours, False, "numba", "threefry", ensembles.STEPS),
        without_polynomials,
    ),
    **pair(
        "noisy members, NumPy", partial(ensembles.ours, False, "blocks", "sfc64", ensembles.STEPS // 4),
        without_reuse,
    ),
    **pair("one stiff flow", partial(solve.our_one, "numba"), without_rodas),
    **pair("1,000 stiff flows", partial(solve.our_many, "numba"), without_rodas),
}  # fmt: skip

if __name__ == "__main__":
    main(__file__, JOBS, rounds=7, bases=("with",))
