"""Schemes, decay, starts, schedules."""

from __future__ import annotations

from support.arguments.attack import Row, row
from support.arguments.kinds import COUNT, COUNT_0, FINITE, NAME, NONNEGATIVE, NOTHING, POSITIVE, WORK

import odeopt as oo
from odeopt import schemes

ROWS: dict[str, Row] = {
    "schemes.AdamsBashforth": row(
        lambda: dict(name="AB2", weights=(1.5, -0.5), starter=schemes.heun), name=NAME, weights=NOTHING, starter=NOTHING
    ),
    "schemes.BDF2": row(solve=NOTHING),
    "schemes.Theta": row(lambda: dict(weight=0.5), weight=NOTHING, solve=NOTHING),
    "schemes.Chebyshev": row(lambda: dict(order=1, stages=3), order=NOTHING, stages=WORK),
    "schemes.rkc1": row(lambda: dict(stages=3), stages=WORK),
    "schemes.rkc2": row(lambda: dict(stages=3), stages=WORK),
    "schemes.Exponential": row(lambda: dict(name="a", order=1), name=NAME, order=NOTHING),
    "schemes.RungeKutta": row(
        lambda: dict(name="a", A=[[0.0]], b=[1.0], order=1),
        name=NAME,
        A=NOTHING,
        b=NOTHING,
        order=NOTHING,
        b_hat=NOTHING,
    ),
    "schemes.Splitting": row(lambda: dict(word="kick drift"), word=NAME, decay=NOTHING, push=NOTHING, order=COUNT),
    "schemes.StochasticRungeKutta": row(
        lambda: dict(name="a", order=1, strong_order=0.5, weak_order=1, rule=lambda *a: a),
        name=NAME,
        order=COUNT,
        strong_order=POSITIVE,
        weak_order=COUNT,
        rule=NOTHING,
        additive=NOTHING,
        halves=NOTHING,
        refuse=NOTHING,
    ),
    "optimizers.starts.aged": row(lambda: dict(age=1.0), age="zero inf huge shape", word=NAME, decay=NOTHING),
    "optimizers.starts.aged_steps": row(lambda: dict(steps=1.0), steps=FINITE, word=NAME, decay=NOTHING),
    "optimizers.starts.halfway": row(lambda: dict(word="memory", decay=oo.decay.exact), word=NAME, decay=NOTHING),
    "optimizers.starts.half_step": row(word=NAME, decay=NOTHING),
    "optimizers.schedules.schedule": row(lambda: dict(value=lambda k: 1.0), value=NOTHING),
    "optimizers.schedules.constant": row(value=POSITIVE),
    "optimizers.schedules.step": row(lambda: dict(every=2), every=COUNT, factor=POSITIVE),
    "optimizers.schedules.exponential": row(lambda: dict(rate=0.5), rate=POSITIVE),
    "optimizers.schedules.inverse_time": row(lambda: dict(shift=2.0), shift=POSITIVE),
    "optimizers.schedules.inverse_sqrt": row(lambda: dict(shift=2.0), shift=POSITIVE),
    "optimizers.schedules.optimal": row(lambda: dict(lr=0.1, weight_decay=0.1), lr=NOTHING, weight_decay=NOTHING),
    "optimizers.schedules.cosine": row(lambda: dict(steps=2), steps=COUNT, final=NONNEGATIVE),
    "optimizers.schedules.linear": row(lambda: dict(steps=2), steps=COUNT, final=NONNEGATIVE),
    "optimizers.schedules.one_minus_sqrt": row(lambda: dict(steps=2), steps=COUNT, final=NONNEGATIVE),
    "optimizers.schedules.polynomial": row(
        lambda: dict(steps=2, power=2), steps=COUNT, power=POSITIVE, final=NONNEGATIVE
    ),
    "optimizers.schedules.one_cycle": row(
        lambda: dict(steps=4, peak=2), steps=COUNT, peak=NOTHING, first=NONNEGATIVE, final=NONNEGATIVE
    ),
    "optimizers.schedules.table": row(lambda: dict(values=[1.0, 0.5]), values=NOTHING),
    "optimizers.schedules.sequence": row(
        lambda: dict(first=abs, steps=2, then=abs), first=NOTHING, steps=COUNT, then=NOTHING
    ),
    "optimizers.schedules.hold": row(lambda: dict(steps=2, then=abs), steps=COUNT_0, then=NOTHING),
    "optimizers.schedules.warm_up": row(lambda: dict(steps=2), steps=COUNT, then=NOTHING),
    "optimizers.schedules.wsd": row(lambda: dict(steps=4, cooldown=2), steps=COUNT, cooldown=NOTHING, shape=NOTHING),
    "optimizers.schedules.trapezoid": row(
        lambda: dict(steps=9, warm=2, cooldown=2), steps=COUNT, warm=NOTHING, cooldown=NOTHING
    ),
    "optimizers.schedules.restarts": row(lambda: dict(cycle=abs, steps=2), cycle=NOTHING, steps=COUNT, factor=POSITIVE),
    "optimizers.schedules.of_config": row(lambda: dict(config={"schedule": "constant"}), config=NOTHING),
    "optimizers.schedules.of_name": row(lambda: dict(name="constant", settings={}), name=NOTHING, settings="none"),
    "optimizers.schedules.Rate.stretched": row(
        lambda: dict(ratio=2.0), call=oo.schedules.constant().stretched, ratio=POSITIVE
    ),
}
