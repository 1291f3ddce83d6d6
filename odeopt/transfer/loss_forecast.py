"""The loss of a run that was never made, from recorded runs under other schedules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from odeopt.optimizers.schedules.base import Schedule, checked
from odeopt.transfer.cooldown import best_cooldown
from odeopt.transfer.law_fit import fitted
from odeopt.transfer.multi_power_law import PARAMETERS, annealing, values_and_slopes, warm_up_end
from odeopt.transfer.recorded_losses import RECORDS, rate, rated_steps, rates_of, recorded_curves
from odeopt.util import check
from odeopt.util.check import Array
from odeopt.util.plotted import plotted
from odeopt.util.saved import Saved
from odeopt.util.status import Status

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
    """The multi-power law fitted to recorded losses; `loss_forecast` makes it.

    parameters: L0, A, alpha, B, C, beta, gamma
    spread:     W (7, 7), where W W^T is the covariance of their logarithms
    noise:      standard deviation of the residuals;  freedom: their degrees of freedom
    rates:      of each curve, (n,);  records: indices of steps, (r,);  losses: after them, (r,)
    residuals:  of each curve, losses minus law, (r,)
    """

    parameters: Mapping[str, float]
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
        found = best_cooldown(self._p, steps, lr, warm, self._least())
        return self._predicted(found, lr, rates_of("schedule", found, steps, lr), (CHOSEN,))

    def __str__(self) -> str:
        numbers = ", ".join(f"{name} = {value:.4g}" for name, value in self.parameters.items())
        n = sum(map(len, self.losses))
        rows = [f"multi-power law: {numbers}", f"{n} losses of {len(self.losses)} curves"]
        rows[1] += f": standard deviation {self.noise:.2g}, worst residual {self.worst:.2g}"
        return "\n".join(rows if self.status is Status.DONE else [*rows, f"{self.status}: the fit has not converged"])

    __repr__ = __str__

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """The recorded losses and the law; returns the artists."""
        return plotted(self, ax=ax, **options)

    @property
    def _p(self) -> Array:
        return np.array([self.parameters[name] for name in PARAMETERS])

    def _least(self) -> float:
        """The least positive rate after the warm-up of a curve."""
        after = np.concatenate([eta[warm_up_end(eta) :] for eta in self.rates])
        return float(after[after > 0].min())

    def _predicted(self, made: Schedule, lr: float, eta: Array, warnings: tuple[str, ...]) -> LossPrediction:
        from scipy.stats import t

        at = np.unique(np.linspace(warm_up_end(eta), len(eta) - 1, RECORDS).astype(int))
        value, slopes = values_and_slopes(self._p, annealing(eta, at))
        variance = np.sum((slopes @ self.spread) ** 2, axis=-1)
        half = t.ppf((1 + LEVEL) / 2, self.freedom) * np.sqrt(self.noise**2 + variance)
        return LossPrediction(made, lr, at, value, value - half, value + half, (*self._beyond(eta), *warnings))

    def _beyond(self, eta: Array) -> tuple[str, ...]:
        """In what these rates go beyond those of the curves."""
        total, recorded = eta.sum(), max(float(each.sum()) for each in self.rates)
        last, least = eta[warm_up_end(eta) :].min(), self._least()
        cases = {
            f"the sum of the rates is {total:.3g}, at most {recorded:.3g} in the curves": total > 1.001 * recorded,
            f"the peak rate is {eta.max():.3g}, at most {self.lr:.3g} in the curves": eta.max() > 1.001 * self.lr,
            f"the least rate is {last:.3g}, at least {least:.3g} in the curves": last < 0.999 * least,
        }
        return tuple(text for text, holds in cases.items() if holds)


def loss_forecast(curves: Iterable[tuple[Any, Any]], lr: Any = 1.0) -> LossForecast:
    """L = L0 + A S^-alpha - B sum_k (eta_(k-1) - eta_k)[1 - (1 + C eta_k^-gamma S_k)^-beta], fitted to recorded losses.

    S is the sum of all rates eta so far, S_k that from step k on.  Which schedule comes next, and how long it is, can
    then be asked in advance.     [Luo et al. 2025, "A multi-power law for loss curve prediction across learning rate
    schedules"; least squares in the logarithms of the parameters, from several starts]

    curves: pairs (schedule, loss): the factors of the rate, and the loss (n,) after each of the n steps, NaN where it
            was not recorded.  At least one rate must fall.  The rise of the rate before its first fall is the warm-up,
            whose losses are left out; so should be the first losses of a run without one
    lr:     the peak rate, a number or one for each curve

    The law is an observation on language models.  The interval of a prediction has in it the noise and the doubt about
    the parameters, not that the law may fail.

    >>> from odeopt.optimizers.schedules import cosine, wsd
    >>> from odeopt.transfer.multi_power_law import loss
    >>> truth = dict(zip(PARAMETERS, (3.04, 0.525, 0.508, 363.8, 2.066, 0.583, 0.641)))
    >>> def recorded(s):  # a run that obeys the law
    ...     after = np.arange(200, 2000, 20)
    ...     found = np.full(2000, np.nan)
    ...     found[after] = loss(np.array([*truth.values()]), annealing(3e-4 * s(np.arange(2000)), after))
    ...     return s, found
    >>> forecast = loss_forecast([recorded(cosine(2000, 0.1)), recorded(wsd(2000, 500))], lr=3e-4)
    >>> all(abs(forecast.parameters[name] / truth[name] - 1) < 0.01 for name in truth)
    True
    """
    made = recorded_curves(curves, lr)
    rates, records, losses = (tuple(each) for each in zip(*made, strict=True))
    found = fitted([annealing(*each[:2]) for each in made], losses, max(float(eta.max()) for eta in rates))
    parameters = dict(zip(PARAMETERS, map(float, found.p), strict=True))
    return LossForecast(
        parameters, found.spread, found.noise, found.freedom, rates, records, losses, found.residuals, found.status
    )
