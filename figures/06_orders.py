"""Every scheme has its order on every smooth flow, and the young memory of Adam caps it at three.

Measured as the slope of log max|error| on log h over two halvings, on a mild Rosenbrock function up to T = 1.  Adam's
memory starts at the fixed age 0.1, at age h/2, or at rest; in the last row the iterates start at rest and the flow at
age h/2, as in the libraries.  A dash: the scheme has no meaning there.
The problem is mild enough for these steps to be asymptotic (with b = 5 they are not yet); Kutta's RK3 on young Adam is
still rising towards 3.
"""

import numpy as np

import odeopt as oo
from odeopt import schemes, starts
from odeopt.plots import style

T = 1.0
PROBLEM = oo.problems.rosenbrock(b=1).at((-1, 0.5))
AGE = 0.1


ADAM = oo.flows.adam(tau1=0.5, tau2=5.0)
FLOWS = {
    "gradient\nflow": (oo.flows.gradient_flow(), starts.rest),
    "heavy\nball": (oo.flows.heavy_ball(damping=1.0), starts.rest),
    "RMSprop\n$G_0=g_0^2$": (oo.flows.rmsprop(tau=1.0), starts.settled),
    f"Adam\nage {AGE:g}": (ADAM, starts.aged(AGE)),
    "Adam\nage h/2": (ADAM, starts.half_step()),
    "Adam\nat rest": (ADAM, starts.rest),
}
IMPLICIT = (schemes.implicit_euler, schemes.trapezoid, schemes.bdf2)
SCHEMES = (
    schemes.euler, schemes.heun, schemes.midpoint, schemes.rk3, schemes.bogacki_shampine, schemes.rk4, schemes.ab2,
    schemes.ab3, *IMPLICIT, schemes.exponential_euler, schemes.etd2rk,
    schemes.rkc1(5), schemes.rkc2(5),
)  # fmt: skip
WORDS = {
    "heavy\nball": ("friction kick drift", "drift kick friction kick drift", "kick drift friction drift kick"),
    "RMSprop\n$G_0=g_0^2$": ("memory drift", "drift memory drift", "memory drift memory"),
    **dict.fromkeys(list(FLOWS)[3:], ("memory drift", "drift memory drift", "memory drift memory")),
}
SPLITTINGS = ("Lie splitting", "Strang, drift outside", "Strang, drift inside")
LIBRARY = "Lie, flow at age h/2"


def order(flow, scheme, start, flow_start=None):
    """The measured order; NaN where the scheme refuses the flow."""
    steps = (100, 200, 400) if scheme.order == 4 or scheme in IMPLICIT else (200, 400, 800)
    try:
        fit = oo.convergence(flow, scheme, PROBLEM, T, steps, start=start, flow_start=flow_start, rtol=1e-12)
    except ValueError:
        return np.nan
    return fit.order


def matrix():
    """(row names, claimed orders, measured orders): schemes, then splittings, then the libraries' start."""
    rows = [(s.name, s.order, [order(flow, s, start) for flow, start in FLOWS.values()]) for s in SCHEMES]
    for k, name in enumerate(SPLITTINGS):
        rows.append((name, min(k, 1) + 1, [_split(column, k) for column in FLOWS]))
    first, _ = FLOWS["heavy\nball"]
    leapfrog = schemes.Splitting("kick friction kick drift", oo.decay.trapezoid)
    library = [np.nan] * len(FLOWS)
    library[1] = order(first, leapfrog, starts.rest, starts.half_step("kick", oo.decay.trapezoid))
    library[5] = order(ADAM, schemes.Splitting("memory drift"), starts.rest, starts.half_step())
    rows.append((LIBRARY, 2, library))
    return rows


def _split(column, k):
    if column not in WORDS:
        return np.nan
    flow, start = FLOWS[column]
    scheme = schemes.Splitting(WORDS[column][k], push="midpoint" if k else "euler", order=min(k, 1) + 1)
    return order(flow, scheme, start)


def draw():
    rows = matrix()
    measured = np.array([values for *_, values in rows])
    short = measured - np.array([[claimed] for _, claimed, _ in rows])
    figure, ax = style.canvas(height=5.2, width=5.2)
    ax.imshow(measured, cmap="YlGnBu", vmin=0.5, vmax=9, aspect="auto")
    for (i, j), value in np.ndenumerate(measured):
        low = short[i, j] < -0.25
        text = "–" if np.isnan(value) else f"{value:.2f}"
        ax.text(j, i, text, ha="center", va="center", fontsize=7, fontweight="bold" if low else "normal",
                color=style.VERMILLION if low else style.INK)  # fmt: skip
    ax.set_xticks(range(len(FLOWS)), list(FLOWS))
    ax.set_yticks(range(len(rows)), [f"{name}  [{claimed}]" for name, claimed, _ in rows])
    ax.tick_params(length=0)
    ax.xaxis.tick_top()
    ax.spines[:].set_visible(False)
    ax.axhline(len(SCHEMES) - 0.5, color="white", linewidth=2)
    rk4 = [measured[SCHEMES.index(schemes.rk4), k] for k in (3, 4)]
    style.headline(
        figure,
        f"Measured orders [claimed]: all within {np.nanmax(np.abs(short[:, :4])):.2f} where the start is smooth, "
        f"but Adam's young memory takes RK4 from {rk4[0]:.1f} to {rk4[1]:.1f}",
    )
    return figure
