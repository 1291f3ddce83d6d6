"""Writes down what the steps of a torch optimizer do, and changes nothing in the run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from odeopt.diagnosis.writer import Writer, last_step
from odeopt.frameworks.torch.monitor.gauge import Gauge
from odeopt.frameworks.torch.monitor.lines import header, of_step
from odeopt.frameworks.torch.monitor.probe import Batch, Loss
from odeopt.frameworks.torch.monitor.vectors import Watch, names_of
from odeopt.util import check


class Monitor:
    """Records of a run: what each step did, and every `every` steps how near the edge it was and how noisy.

    loss:    loss(model, *batch), the mean over the samples of a batch; None: the steps alone are recorded
    every:   a gauge is due at the steps 0, every, 2 every, ...
    budget:  the share of the time that gauges may take.  One that is due too early is left out, except the first, so
             the clock decides which there are; 1 takes all
    path:    the file, JSON lines that are appended; a run that is resumed goes on in it.  None: no file
    samples: how many there are in an epoch, where this is known
    more:    Hessian-vector products a gauge takes beyond those it needs, for a smaller error of the sharpness

    `last` is the last record of a step, `gauge` the last gauge, and `cost` the share of the time that the monitor took.
    Each process but the first of torch.distributed only takes the steps.  The format of the
    file is in docs/guides/monitor.md.

    >>> _ = torch.manual_seed(0)
    >>> model = nn.Linear(2, 1)
    >>> sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    >>> squares = lambda model, x, y: ((model(x) - y) ** 2).mean()
    >>> x, y = torch.randn(16, 2), torch.randn(16, 1)
    >>> with Monitor(model, sgd, squares, every=10, budget=1) as monitor:
    ...     for _ in range(21):
    ...         sgd.zero_grad()
    ...         loss = squares(model, x, y)
    ...         loss.backward()
    ...         monitor.step(loss, (x, y))
    >>> monitor.last["step"], monitor.gauge["step"], round(monitor.gauge["sharpness"]["limit"], 9)
    (20, 20, 20.0)
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        loss: Loss | None = None,
        *,
        every: int = 50,
        path: str | Path | None = None,
        samples: int | None = None,
        more: int = 0,
        budget: float = 0.04,
    ) -> None:
        check.instance("model", model, nn.Module, "a torch.nn.Module")
        check.instance("optimizer", optimizer, torch.optim.Optimizer, "a torch.optim.Optimizer")
        if loss is not None:
            check.function("loss", loss, "a model and a batch")
        self.every = check.count("every", every, 1)
        self._budget = check.scalar("budget", check.positive("budget", budget))
        self._samples = None if samples is None else check.count("samples", samples, 1)
        inner = model.module if isinstance(model, DistributedDataParallel) else model
        names = names_of(inner, optimizer)
        self._gauge = None if loss is None else Gauge(inner, optimizer, loss, names, check.count("more", more, 0))
        self._optimizer, self._watch = optimizer, Watch(optimizer)
        self._asleep = torch.distributed.is_available() and torch.distributed.is_initialized()
        self._asleep = self._asleep and torch.distributed.get_rank() != 0
        where = None if path is None or self._asleep else check.path("path", path)
        before = None if where is None else last_step(where)
        self._next = 0 if before is None else before + 1
        self._writer = Writer(where)
        self._begun = False
        self._started, self._own, self._gauging = time.perf_counter(), 0.0, 0.0
        self.last: Mapping[str, Any] = {}
        self.gauge: Mapping[str, Any] = {}

    @property
    def cost(self) -> float:
        """The share of the time since the beginning that the monitor took."""
        return self._own / max(time.perf_counter() - self._started, 1e-9)

    def __repr__(self) -> str:
        name, steps = type(self._optimizer).__name__, self._next
        return f"Monitor of {name}: {steps} steps, a gauge every {self.every}; it took {self.cost:.1%} of the time"

    def step(
        self,
        loss: Any,
        batch: Batch | int | None = None,
        *,
        norm: Any = None,
        scaler: torch.amp.GradScaler | None = None,
        take: Callable[[], Any] | None = None,
    ) -> None:
        """Takes the optimizer's step, after loss.backward(), and writes it down.

        loss:   the value of the loss, a number or a tensor
        batch:  its tensors (n, ...) as `loss(model, *batch)` takes them; or only how many samples there were
        norm:   what clip_grad_norm_ returned, |g| before clipping
        scaler: takes the step by scaler.step(optimizer); its update() stays yours
        take:   takes the step otherwise: lambda: optimizer.step(closure)
        """
        move = take or (self._optimizer.step if scaler is None else lambda: scaler.step(self._optimizer))
        if self._asleep:
            move()
            return
        tensors = _tensors(batch)
        with self._watch.watching():
            move()
        begun = time.perf_counter()
        size = batch if isinstance(batch, int) else None if tensors is None else len(tensors[0])
        if not self._begun:
            self._begun = True
            rest = {"every": self.every, "batch": size, "samples": self._samples}
            self._writer.write("header", **header(self._optimizer), **rest)
        seen = self._watch.seen
        about = {"step": self._next, "loss": _number(loss), "batch": size}
        self.last = about | of_step(self._optimizer, seen, norm, scaler)
        self._writer.write("step", **self.last)
        if self._gauge is not None and tensors is not None and seen is not None and self._due():
            first = time.perf_counter()
            found = self._gauge.of(seen, tensors)
            seconds = time.perf_counter() - first
            self.gauge, self._gauging = {"step": self._next, **found, "seconds": seconds}, self._gauging + seconds
            self._writer.write("gauge", **self.gauge)
        self._next += 1
        self._own += time.perf_counter() - begun + self._watch.seconds

    def close(self) -> None:
        """Writes the last line, with the time that the run and the monitor took."""
        if self._begun:
            whole = time.perf_counter() - self._started
            self._writer.write("end", step=self._next - 1, seconds=whole, own_seconds=self._own)
        self._writer.close()
        self._watch.close()
        self._begun = False

    def __enter__(self) -> Monitor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _due(self) -> bool:
        affordable = self._gauging <= self._budget * (time.perf_counter() - self._started)
        return self._next % self.every == 0 and affordable


def _tensors(batch: Any) -> Sequence[Any] | None:
    """The tensors of a batch; None where only its size is given, or nothing."""
    if batch is None:
        return None
    if isinstance(batch, int):
        check.count("batch", batch, 1)
        return None
    if isinstance(batch, Tensor):
        batch = (batch,)
    if not isinstance(batch, Sequence) or not batch or not all(isinstance(part, Tensor) for part in batch):
        raise TypeError(f"batch must be tensors (X, y, ...) or their number of samples, got {check.shown(batch)}")
    if any(part.ndim == 0 for part in batch) or len({len(part) for part in batch}) > 1:
        raise ValueError(f"batch must have tensors (n, ...), got shapes {[tuple(part.shape) for part in batch]}")
    return batch


def _number(value: Any) -> float:
    return float(value.item() if isinstance(value, Tensor) else value)
