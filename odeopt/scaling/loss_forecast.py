"""The loss of a run that was never made, from recorded runs under other schedules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt.optimizers.schedules.base import Schedule, checked
from odeopt.scaling.cooldown import best_cooldown
from odeopt.scaling.functional_law import FUNCTIONAL
from odeopt.scaling.law_fit import fitted
from odeopt.scaling.multi_power_law import MULTI_POWER
from odeopt.scaling.recorded_losses import RECORDS, rate, rated_steps, rates_of, recorded_curves
from odeopt.scaling.schedule_law import ScheduleLaw, warm_up_end
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved
from odeopt.util.status import Status

LAWS = {law.name: law for law in (MULTI_POWER, FUNCTIONAL)}
LEVEL = 0.95  # of the interval
CHOSEN = "the schedule was chosen because the law likes it: no run has tried it"


@dataclass(frozen=True, eq=False)
class LossPrediction(Saved):
    """The predicted `loss` (r,) after the steps `at` (r,) of a run, and its interval from `low` to `high`, (r,).

    A recorded loss lies in the interval with probability 0.95 if the law holds.
    warnings: in what the run goes beyond the recorded ones
    """

    schedule: Schedule
    lr: float
    at: Array = field(repr=False)
    loss: Array = field(repr=False)
    low: Array = field(repr=False)
    high: Array = field(repr=False)
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        title = f"{self.lr:g} {self.schedule}: loss {self.loss[-1]:.4g} after {self.at[-1] + 1} steps"
        interval = f", {self.low[-1]:.4g} to {self.high[-1]:.4g}"
        return "\n".join([title + interval, *(f"warning: {text}" for text in self.warnings)])

    __repr__ = __str__

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The loss with its interval; returns the artists."""
        return plotted(self, ax=ax, **options)


@dataclass(frozen=True, eq=False)
class LossForecast(Saved):
    """A law of the loss under a schedule, fitted to recorded losses; `loss_forecast` makes it.

    law:        its name;  parameters: their values, by name
    at_limit:   the exponents that ended at a limit of their range: these curves do not resolve them
    spread:     W (p, p), where W W^T is the covariance of the logarithms of the parameters
    noise:      standard deviation of the residuals;  freedom: their degrees of freedom
    rates:      of each curve, (n,);  records: indices of steps, (r,);  losses: after them, (r,)
    residuals:  of each curve, losses minus law, (r,)
    """

    law: str
    parameters: Mapping[str, float]
    at_limit: tuple[str, ...]
    spread: Array = field(repr=False)
    noise: float
    freedom: float
    rates: tuple[Array, ...] = field(repr=False)
    records: tuple[Array, ...] = field(repr=False)
    losses: tuple[Array, ...] = field(repr=False)
    residuals: tuple[Array, ...] = field(repr=False)
    status: Status

    @property
    def lr(self) -> float:
        """The largest rate of the curves."""
        return max(float(eta.max()) for eta in self.rates)

    @property
    def worst(self) -> float:
        """The largest residual."""
        return max(float(np.abs(r).max()) for r in self.residuals)

    def predict(self, schedule: Any, steps: int, lr: float | None = None) -> LossPrediction:
        """The loss of a run of `steps` steps with the rates lr s(k), at up to 200 of them; by default lr = self.lr."""
        made, steps = checked("schedule", schedule), rated_steps(steps)
        lr = self.lr if lr is None else rate("lr", lr)
        return self._predicted(made, lr, rates_of("schedule", made, steps, lr), ())

    def propose(self, steps: int, lr: float | None = None, warm: int = 0) -> LossPrediction:
        """The least loss after `steps` steps that the law predicts for holding the peak rate and a polynomial cooldown.

        warm: steps of a linear warm-up in front, which are part of `steps`
        The cooldown, its power from 1/2 to 4 and the last rate are free; the last rate is not below the least rate of
        the curves' cooldowns.  This extrapolates, as its warnings say: run it before you believe it.
        """
        steps, warm = rated_steps(steps), check.count("warm", warm)
        if warm > steps - 2:
            raise ValueError(f"warm must be at most steps - 2 = {steps - 2}, got {warm}")
        lr = self.lr if lr is None else rate("lr", lr)
        found = best_cooldown(self._law, self._p, steps, lr, warm, self._least())
        return self._predicted(found, lr, rates_of("schedule", found, steps, lr), (CHOSEN,))

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} = {value:.4g}" for name, value in self.parameters.items())
        n = sum(map(len, self.losses))
        residuals = f"standard deviation {self.noise:.2g}, worst residual {self.worst:.2g}"
        rows = [f"{self.law} law: {numbers}", f"{n} losses of {len(self.losses)} curves: {residuals}"]
        if self.at_limit:
            rows.append(f"not resolved by these curves: {', '.join(self.at_limit)}")
        if self.status is not Status.DONE:
            rows.append(f"{self.status}: the fit has not converged")
        return "\n".join(rows)

    __repr__ = __str__

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The recorded losses and the law; returns the artists."""
        return plotted(self, ax=ax, **options)

    @property
    def _law(self) -> ScheduleLaw:
        return LAWS[self.law]

    @property
    def _p(self) -> Array:
        return np.array([self.parameters[name] for name in self._law.parameters])

    def _least(self) -> float:
        """The least positive rate after the warm-up of a curve."""
        after = np.concatenate([eta[warm_up_end(eta) :] for eta in self.rates])
        return float(after[after > 0].min())

    def _predicted(self, made: Schedule, lr: float, eta: Array, warnings: tuple[str, ...]) -> LossPrediction:
        from scipy.stats import t

        at = np.unique(np.linspace(warm_up_end(eta), len(eta) - 1, RECORDS).astype(int))
        value, slopes = self._law.values_and_slopes(self._p, self._law.reads(eta, at))
        variance = np.sum((slopes @ self.spread) ** 2, axis=-1)
        half = t.ppf((1 + LEVEL) / 2, self.freedom) * np.sqrt(self.noise**2 + variance)
        return LossPrediction(made, lr, at, value, value - half, value + half, (*self._beyond(eta), *warnings))

    def _beyond(self, eta: Array) -> tuple[str, ...]:
        """In what these rates go beyond those of the curves."""
        total, recorded = eta.sum(), max(float(each.sum()) for each in self.rates)
        first = min(float(each[: at[0] + 1].sum()) for each, at in zip(self.rates, self.records, strict=True))
        last, least = eta[warm_up_end(eta) :].min(), self._least()
        cases = {
            f"all {len(eta)} steps are a warm-up, which the law leaves out": warm_up_end(eta) == len(eta) - 1,
            f"the sum of the rates is {total:.3g}, at least {first:.3g} in the curves": total < 0.999 * first,
            f"the sum of the rates is {total:.3g}, at most {recorded:.3g} in the curves": total > 1.001 * recorded,
            f"the peak rate is {eta.max():.3g}, at most {self.lr:.3g} in the curves": eta.max() > 1.001 * self.lr,
            f"the least rate is {last:.3g}, at least {least:.3g} in the curves": last < 0.999 * least,
        }
        return tuple(text for text, holds in cases.items() if holds)


def loss_forecast(curves: Iterable[tuple[Any, Any]], lr: Any = 1.0, law: str = "multi-power") -> LossForecast:
    """L = L0 + A S^-alpha + noise of the schedule, fitted to recorded losses, with S the sum of all rates eta so far.

    law="multi-power": the noise is -B sum_k (eta_(k-1) - eta_k)[1 - (1 + C eta_k^-gamma S_k)^-beta], what the falls of
                       the rate have saved, with S_k the sum of the rates from step k on          [Luo et al. 2025]
    law="functional":  the noise is B sum_k eta_k^2 (1 + C S_k)^-delta, what the steps have added and not yet
                       forgotten, with S_k the sum of the rates after step k                      [Li et al. 2025]

    Which schedule comes next, and how long it is, can then be asked in advance.  The fit is by least squares in the
    logarithms of the parameters, from several starts.

    curves: pairs (schedule, loss): the factors of the rate, and the loss (n,) after each of the n steps, NaN where it
            was not recorded.  At least one rate must fall.  The rise of the rate before its first fall is the warm-up,
            whose losses are left out; so should be the first losses of a run without one
    lr:     the peak rate, a number or one for each curve

    The first law is an observation on language models, the second holds for SGD on quadratics with power laws.  The
    interval of a prediction has in it the noise and the doubt about the parameters, not that the law may fail.

    >>> from odeopt.optimizers.schedules import cosine, wsd
    >>> truth = np.array([3.04, 0.525, 0.508, 363.8, 2.066, 0.583, 0.641])
    >>> def recorded(s):  # a run that obeys the law
    ...     after, found = np.arange(200, 2000, 20), np.full(2000, np.nan)
    ...     found[after] = MULTI_POWER.loss(truth, MULTI_POWER.reads(3e-4 * s(np.arange(2000)), after))
    ...     return s, found
    >>> forecast = loss_forecast([recorded(cosine(2000, 0.1)), recorded(wsd(2000, 500))], lr=3e-4)
    >>> bool(np.allclose([*forecast.parameters.values()], truth, rtol=0.01))
    True
    """
    chosen = LAWS[check.choice("law", law, LAWS)]
    made = recorded_curves(curves, lr, len(chosen.parameters))
    rates, records, losses = (tuple(each) for each in zip(*made, strict=True))
    largest = max(float(eta.max()) for eta in rates)
    found = fitted(chosen, [chosen.reads(*each[:2]) for each in made], losses, largest)
    parameters = dict(zip(chosen.parameters, map(float, found.p), strict=True))
    shown = (law, parameters, found.at_limit, found.spread, found.noise, found.freedom)
    return LossForecast(*shown, rates, records, losses, found.residuals, found.status)
