"""RMSprop, Adagrad and Adadelta: splittings of preconditioned flows: exact relaxation, then a drift of theta."""

from __future__ import annotations

from typing import Any

from odeopt import flows, schemes
from odeopt.core import decay
from odeopt.core.flow import Flow, Speed
from odeopt.core.state import Grad, State, column
from odeopt.flows.roots import ROOTS
from odeopt.optimizers.base import Optimizer, drift_paced, named
from odeopt.optimizers.conventions import filled
from odeopt.optimizers.recipe import Facts
from odeopt.optimizers.sources import DUCHI, GRAVES, STRANG, TIELEMAN, ZEILER
from odeopt.optimizers.starts import rest, settled, singular_match
from odeopt.util import check
from odeopt.util.check import Array, Number


def rmsprop(
    lr: Number | None = None,
    rho: Number | None = None,
    eps: Number | None = None,
    map: str = "exact",
    start: str = "zero",
    *,
    momentum: Number | None = None,
    centred: bool | None = None,
    root: str | None = None,
    like: str = "torch",
) -> Optimizer:
    """G <- rho G + (1 - rho) g^2,   theta <- theta - lr g/(sqrt(G) + eps).     [torch.optim.RMSprop; claim II.8]

    h = lr, rho = R(-h/tau).  root="inside" (Keras, optax) uses sqrt(G + eps).  centred=True divides by the standard
    deviation sqrt(G - a^2).  With momentum the quotient enters a buffer, b <- momentum b + g/..., and
    h = lr/(1 - momentum).  start="zero" is G = 0 as in the libraries.  The flow is singular there, so it starts from
    the matched G(0) of `starts.singular_match`.  start="settled" starts both at G = g0^2, with order 1.

    >>> rmsprop(lr=0.01, rho=0.99)
    rmsprop(lr=0.01, rho=0.99, eps=1e-08): RMSprop by splitting 'memory drift', h = 0.01
    theta' = -grad L(theta)/(sqrt(G) + eps)
    G'     = (grad L(theta)^2 - G)/tau
    with tau = 0.994992, eps = 1e-08
    """
    given = {"lr": lr, "rho": rho, "eps": eps, "momentum": momentum, "centred": centred, "root": root}
    settings = {**_checked(filled("rmsprop", like, given)), "map": map, "start": start}
    lr, rho, mu = (settings[key] for key in ("lr", "rho", "momentum"))
    rule, starts = decay.of_map(map), {"zero": (rest, singular_match), "settled": (settled, settled)}
    begin, matched = starts[check.choice("start", start, starts)]
    h = lr / (1 - mu)
    tau, tau_m = h / rule.z_of(rho), h / rule.z_of(mu)
    plain = flows.centred_rmsprop if settings["centred"] else flows.rmsprop
    flow = plain(tau=tau, eps=settings["eps"], root=settings["root"])
    facts = Facts(
        1 if start == "settled" else 0.5,
        "lr/(1 - momentum)",
        f"h = lr/(1 - momentum), rho = R(-h/tau), momentum = R(-h/tau_m), {rule} R",
        "lr lambda/sqrt(G) < 2 (1 + momentum); from G = 0 the order is 1/2, the matched start's constant small",
        (TIELEMAN, GRAVES.at("(38)-(45)")),
    )

    def at(h: Any) -> dict[str, Any]:
        mu = rule.kept(h / tau_m) if settings["momentum"] else 0.0
        return {"lr": h * (1 - mu), "rho": rule.kept(h / tau), "momentum": mu}

    return named(
        rmsprop,
        settings,
        at,
        facts,
        flows.buffered(flow, tau_m) if mu else flow,
        schemes.Splitting("memory buffer drift" if mu else "memory drift", rule),
        h,
        start=begin,
        flow_start=matched,
        pace=buffer_paced if mu and like != "torch" else drift_paced,
    )


def strang_rmsprop(lr: Number = 0.01, rho: Number = 0.99, eps: Number = 1e-8) -> Optimizer:
    """A(h/2) B(h) A(h/2) with the midpoint rule for B: RMSprop of order 2, at two gradients per step, from G = g0^2.

    theta~ = theta - (lr/2) g/(sqrt(G) + eps),   theta <- theta - lr g(theta~)/(sqrt(G) + eps), G relaxed by h/2 before
    and after.  h = lr, rho = e^(-h/tau).  No library contains it.

    >>> strang_rmsprop().scheme
    Splitting('memory drift memory', exact decay, midpoint push)
    """
    settings = _checked({"lr": lr, "rho": rho, "eps": eps})
    lr, tau = settings["lr"], settings["lr"] / decay.exact.z_of(settings["rho"])
    return named(
        strang_rmsprop,
        settings,
        lambda h: {"lr": h, "rho": decay.exact.kept(h / tau)},
        Facts(2, "lr", "h = lr, rho = e^(-h/tau)", "lr lambda/sqrt(G) < 2", (STRANG, TIELEMAN)),
        flows.rmsprop(tau=tau, eps=settings["eps"]),
        schemes.Splitting("memory drift memory", push="midpoint", order=2),
        lr,
        start=settled,
        flow_start=settled,
    )


def buffer_paced(flow: Flow, speed: Speed) -> Flow:
    """tau_m m' = s(t) u - m: the learning rate is inside the buffer, as in Keras and optax."""
    return flow.driven("buffer", "m", speed)


def adagrad(
    lr: Number | None = None,
    eps: Number | None = None,
    accumulator: Number | None = None,
    *,
    root: str | None = None,
    like: str = "torch",
) -> Optimizer:
    """G <- G + g^2,   theta <- theta - lr g/(sqrt(G) + eps), G0 = accumulator.                 [torch.optim.Adagrad]

    h = lr^2, and the flow's G is lr^2 times the library's.  If accumulator = 0, the flow is singular and starts
    from the matched G(0) of `starts.singular_match`.

    >>> adagrad(lr=0.1, accumulator=0.1).h
    0.010000000000000002
    """
    given = {"lr": lr, "eps": eps, "accumulator": accumulator, "root": root}
    settings = _checked(filled("adagrad", like, given))
    lr, eps, accumulator, root = (settings[key] for key in given)
    scale = lr if root == "outside" else lr**2
    h, G0 = lr**2, lr**2 * accumulator
    facts = Facts(
        1 if accumulator else 0.5,
        "lr^2",
        "h = lr^2, G of the flow = lr^2 times the library's",
        "lr lambda/sqrt(G) < 2; from G = 0 the order is 1/2, the matched start's constant small",
        (DUCHI,),
    )

    def begin(flow: Flow, grad: Grad, theta0: Array, h: Any) -> State:
        return flow.start(theta0, G=column(G0))

    def at(h: Any) -> dict[str, Any]:
        lr = h**0.5
        return {"lr": lr, "eps": scale * eps / (lr if root == "outside" else h), "accumulator": G0 / h}

    return named(
        adagrad,
        settings,
        at,
        facts,
        flows.adagrad(eps=scale * eps, root=root),
        schemes.Splitting("memory drift"),
        h,
        start=begin,
        flow_start=begin if accumulator else singular_match,
        lr_time=lr,
    )


def adadelta(
    lr: Number | None = None,
    rho: Number | None = None,
    eps: Number | None = None,
    map: str = "exact",
    *,
    like: str = "torch",
) -> Optimizer:
    """d = sqrt((X + eps)/(G + eps)) g,   theta <- theta - lr d,   X <- rho X + (1 - rho) d^2,   G as in RMSprop.

    [torch.optim.Adadelta; Zeiler 2012, alg. 1]  h = lr.  The flow starts at rest; its speed grows from sqrt(eps/tau).

    >>> adadelta(lr=0.1).scheme.word
    'memory [drift delta]'
    """
    settings = {**_checked(filled("adadelta", like, {"lr": lr, "rho": rho, "eps": eps})), "map": map}
    rule, h = decay.of_map(map), settings["lr"]
    tau = h / rule.z_of(settings["rho"])
    facts = Facts(
        1,
        "lr",
        f"h = lr, rho = R(-h/tau), {rule} R",
        "h << eps tau/g0^2: before that the first steps are not resolved",
        (ZEILER.at("alg. 1"),),
    )
    return named(
        adadelta,
        settings,
        lambda h: {"lr": h, "rho": rule.kept(h / tau)},
        facts,
        flows.adadelta(tau=tau, eps=settings["eps"]),
        schemes.Splitting("memory [drift delta]", rule),
        h,
    )


def _checked(settings: dict[str, Any]) -> dict[str, Any]:
    """The given arguments, each checked for its range."""
    ranges: dict[str, Any] = {
        "lr": check.rate, "rho": check.fraction, "eps": check.nonnegative, "accumulator": _one_nonnegative,
        "momentum": _one_fraction, "centred": _switch, "root": _root,
    }  # fmt: skip
    found = {key: ranges[key](key, value) if key in ranges else value for key, value in settings.items()}
    check.together(**{key: found[key] for key in ("lr", "rho", "eps") if key in found})
    return found


def _root(name: str, value: Any) -> str:
    return check.choice(name, value, ROOTS)


def _one_nonnegative(name: str, value: Any) -> float:
    return check.scalar(name, check.nonnegative(name, value))


def _one_fraction(name: str, value: Any) -> float:
    return check.scalar(name, check.fraction(name, value))


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return value
