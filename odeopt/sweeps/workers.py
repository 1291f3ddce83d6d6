"""Tasks in other processes or on other machines, by joblib; a worker that dies costs only the tasks that it had."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")
STRIKES = 3  # times that the workers may die in a row without a finished task
Task = Callable[[], T]


def as_finished(tasks: Mapping[int, Task[T]], jobs: int | None) -> Iterator[tuple[int, T | Exception]]:
    """(number, result) of each task, in the order in which they finish.

    jobs: as n_jobs of joblib; None for what joblib.parallel_config says, and one process otherwise

    A task must not raise.  If the workers die, the tasks that they had are run again.  A task that STRIKES times was
    alone with a worker when it died has that exception as its result.
    """
    library = _joblib(jobs)
    if library is None:
        yield from ((number, task()) for number, task in tasks.items())
        return
    left, strikes, ever = dict(tasks), 0, False
    while left and strikes < STRIKES:
        try:
            for number, result in _results(library, left, jobs):
                del left[number]
                strikes, ever = 0, True
                yield number, result
        except Exception as error:  # of the workers: a task does not raise
            strikes += 1
            if strikes == STRIKES and not ever:
                raise RuntimeError(f"jobs must be workers that run: {type(error).__name__}: {error}") from error
    for number, task in left.items():
        yield number, _alone(library, number, task)


def _results(library: Any, tasks: Mapping[int, Task[T]], jobs: int | None) -> Iterator[tuple[int, T]]:
    """What the tasks return, as they finish; in rounds where a backend of joblib cannot say when one has."""
    calls = [library.delayed(_numbered)(number, task) for number, task in tasks.items()]
    common = {"n_jobs": jobs, "batch_size": 1}
    try:
        parallel = library.Parallel(return_as="generator_unordered", **common)
    except ValueError:  # as for Ray
        parallel = library.Parallel(**common)
        at_once = 4 * max(1, library.effective_n_jobs(jobs))
        for i in range(0, len(calls), at_once):
            yield from parallel(calls[i : i + at_once])
        return
    yield from parallel(calls)


def _numbered(number: int, task: Task[T]) -> tuple[int, T]:
    with one_thread():
        return number, task()


def _alone(library: Any, number: int, task: Task[T]) -> T | Exception:
    """The result of a task in a process of its own, or the exception that its death is."""
    found: Exception = RuntimeError("its worker died")
    for _ in range(STRIKES):
        try:
            # two jobs, as joblib runs one in this process
            (_, result), *_ = library.Parallel(n_jobs=2, batch_size=1)([library.delayed(_numbered)(number, task)])
        except Exception as error:
            found = error
        else:
            return result
    return found


def _joblib(jobs: int | None) -> Any:
    """The library, or None where it is missing and one process was asked for."""
    try:
        import joblib
    except ImportError as error:
        if jobs in (None, 1):
            return None
        raise ImportError("joblib is needed for more than one job: install odeopt-toolkit[scale]") from error
    return joblib


def effective(jobs: int | None) -> int:
    """The number of tasks that run at once."""
    library = _joblib(jobs)
    return 1 if library is None else max(1, int(library.effective_n_jobs(jobs)))


def one_thread() -> AbstractContextManager[Any]:
    """BLAS on one thread, the share of a job: with more, a matrix product may have other digits."""
    found = _controller()
    return nullcontext() if found is None else found.limit(limits=1)


@lru_cache(maxsize=1)
def _controller() -> Any:
    try:
        from threadpoolctl import ThreadpoolController
    except ImportError:
        return None
    return ThreadpoolController()


def parts(runs: Sequence[T], size: int) -> list[Sequence[T]]:
    """Consecutive pieces of at most this size."""
    return [runs[i : i + size] for i in range(0, len(runs), size)]
