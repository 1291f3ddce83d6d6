"""The style of all pictures: a colour per optimizer, a colour and a marker per scheme, and sizes.

The colours are safe for colour-blind readers: Okabe and Ito's palette, then Paul Tol's muted scheme.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from odeopt.util import check

SINGLE, DOUBLE = 3.4, 7.0  # column widths in inches
SCREEN = 5.0, 3.4  # size in inches of a picture that is not made for a column
WIDE = DOUBLE, 3.0  # and of one with several panels side by side

BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
INK, GREY = "#1a1a1a", "#8c8c8c"

OPTIMIZERS = {
    "gd": BLUE,
    "momentum": VERMILLION,
    "heavy_ball": ORANGE,
    "nesterov": GREEN,
    "nesterov_k": "#117733",
    "rmsprop": SKY,
    "strang_rmsprop": "#99DDFF",
    "adagrad": PURPLE,
    "adam": "#882255",
    "half_start_adam": "#EE8866",
    "adamw": "#AA4499",
    "adadelta": "#44AA99",
    "amsgrad": "#999933",
    "radam": "#CC6677",
    "nadam": "#332288",
    "adamax": "#DDCC77",
    "lion": "#661100",
    "signsgd": "#6699CC",
    "normalized_gd": "#AA4466",
    "rprop": "#4477AA",
    "asgd": "#BBBB33",
    "lamb": "#EE3377",
    "lars": "#77AADD",
    "adafactor": "#225555",
    "muon": "#994F00",
    "shampoo": "#555577",
    "qhm": "#B2560D",
    "signum": "#336699",
    "adabelief": "#C08497",
    "ademamix": "#7A1F5C",
    "adan": "#2F6F4F",
    "adopt": "#B58900",
    "mars": "#C1440E",
    "schedule_free_sgd": "#1B7FBD",
    "schedule_free_adamw": "#6B2D73",
}
LABELS = {
    "gd": "Gradient descent", "heavy_ball": "Heavy ball", "nesterov_k": "Nesterov k/(k+3)", "rmsprop": "RMSprop",
    "adamw": "AdamW", "amsgrad": "AMSGrad", "nadam": "NAdam", "radam": "RAdam", "signsgd": "SignSGD",
    "normalized_gd": "Normalised GD", "half_start_adam": "Half-start Adam", "strang_rmsprop": "Strang RMSprop",
    "asgd": "ASGD", "lamb": "LAMB", "lars": "LARS", "qhm": "QHM",
    "adabelief": "AdaBelief", "ademamix": "AdEMAMix", "adopt": "ADOPT", "mars": "MARS",
    "schedule_free_sgd": "Schedule-free SGD", "schedule_free_adamw": "Schedule-free AdamW",
}  # fmt: skip
SCHEMES = {
    "Euler": (BLUE, "o"),
    "Heun": (VERMILLION, "s"),
    "midpoint": (ORANGE, "D"),
    "RK3": (PURPLE, "^"),
    "RK4": (GREEN, "v"),
    "Bogacki-Shampine": ("#AA4499", "<"),
    "AB2": (SKY, "P"),
    "AB3": ("#6699CC", "X"),
    "implicit Euler": ("#332288", "o"),
    "trapezoid": ("#44AA99", "s"),
    "BDF2": ("#117733", "D"),
    "exponential Euler": ("#999933", "p"),
    "ETD2RK": ("#661100", "h"),
    "RKC1": (INK, "d"),
    "RKC2": ("#882255", "*"),
    "splitting": ("#AA4466", ">"),
    "Euler-Maruyama": ("#77AADD", "o"),
    "Milstein": ("#EE8866", "s"),
    "stochastic Heun": ("#DDCC77", "D"),
    "Platen": ("#225555", "^"),
}
FLOW = {"color": INK, "linestyle": "-", "linewidth": 1.2}
GRADIENT_FLOW = {"color": GREY, "linestyle": "--", "linewidth": 1.0}

TITLE = 9.0
RC: dict[str, Any] = {
    "font.size": 8.0,
    **dict.fromkeys(("axes.titlesize", "axes.labelsize"), 8.0),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), 7.0),
    "figure.titlesize": TITLE,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.6),
    **dict.fromkeys(("xtick.minor.width", "ytick.minor.width"), 0.4),
    "lines.linewidth": 1.1,
    "lines.markersize": 3.0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "figure.dpi": 100.0,
    "savefig.dpi": 220.0,
    "svg.hashsalt": "odeopt",
}


def context() -> AbstractContextManager[None]:
    """A context with the rcParams of this style; they are restored afterwards."""
    settings: Any = {**{key: value for key, value in mpl.rcParamsDefault.items() if "backend" not in key}, **RC}
    return mpl.rc_context(settings)


def colour(name: str) -> str:
    """The colour of an optimizer by its name in any case, the same in every picture; INK for an unknown name."""
    return OPTIMIZERS.get(name.lower(), INK)


def label(name: str) -> str:
    """The name of an optimizer for display, such as RMSprop for 'rmsprop'."""
    return LABELS.get(name, name[:1].upper() + name[1:].replace("_", " "))


def scheme_style(name: str) -> tuple[str, str]:
    """(colour, marker) of a scheme by its name, without stage numbers and words of splittings.

    >>> scheme_style("RKC2(10)") == scheme_style("RKC2(5)")
    True
    """
    family = re.split(r"\(| '", name)[0]
    return SCHEMES.get(family, (GREY, "."))


def axes(ax: Axes | None) -> Axes:
    """The given axes, or the axes of a new pyplot figure if None."""
    if ax is not None:
        return check.instance("ax", ax, Axes, "the axes of a matplotlib figure, or None")
    from matplotlib import pyplot

    return pyplot.subplots(figsize=SCREEN, layout="constrained")[1]


def panels(columns: int) -> tuple[Figure, list[Axes]]:
    """A new pyplot figure and its axes side by side."""
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, columns, figsize=WIDE, layout="constrained")
    return figure, list(axes)


def bar(ax: Axes, shades: Any, text: str) -> None:
    """The colour bar of shades, beside axes that were made for them."""
    ax.figure.colorbar(shades, ax=ax, label=text)


def windowed(drawing: Callable[..., Any]) -> Callable[..., Any]:
    """The drawing with the options `xlim` and `ylim`, each (low, high)."""

    @wraps(drawing)
    def drawn(*arguments: Any, xlim: Any = None, ylim: Any = None, **options: Any) -> Any:
        artists = drawing(*arguments, **options)
        window = {name: limits for name, limits in (("xlim", xlim), ("ylim", ylim)) if limits is not None}
        if artists:  # an energy may have no quantity to draw
            artists[0].axes.set(**window)
        return artists

    return drawn


def canvas(rows: int = 1, columns: int = 1, width: float = DOUBLE, height: float = 2.6, **kwargs: Any) -> Any:
    """(figure, axes) without pyplot, so without a window or global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(rows, columns, **kwargs)


def headline(figure: Figure, text: str) -> None:
    """Sets the title of the whole figure, wrapped to its width."""
    characters = int(figure.get_figwidth() * 72 / (TITLE * 0.62))  # 0.62 em: the mean width of a bold letter
    wrapped = re.sub(r"\$(.+?)\$", r"$\\mathbf{\1}$", textwrap.fill(text, characters))
    figure.suptitle(wrapped, x=0.01, ha="left", fontweight="bold")


def letters(panels: Any) -> None:
    """Puts (a), (b), ... before the titles of the panels."""
    for letter, ax in zip("abcdefghijkl", panels, strict=False):
        ax.set_title(f"({letter}) {ax.get_title(loc='left')}", loc="left")


def sci(x: float) -> str:
    """A number in print, 4.2e-05 as $4.2\\cdot10^{-5}$.

    >>> sci(4.2e-5), sci(0.02)
    ('$4.2\\\\cdot10^{-5}$', '0.020')
    """
    if x == 0 or 1e-2 <= abs(x) < 1e3:
        return f"{x:#.2g}".rstrip(".") if abs(x) < 100 else f"{x:.0f}"
    mantissa, exponent = f"{x:.1e}".split("e")
    return rf"${mantissa}\cdot10^{{{int(exponent)}}}$"
