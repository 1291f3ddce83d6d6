"""L(theta) = loss(module(X), y) of a torch module as a Problem.                                   (extra `torch`)"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

try:
    import torch
except ImportError as error:
    raise ImportError("torch is needed here: install odeopt-toolkit[torch]") from error

from odeopt.frameworks.autodiff import Library, data_rows, pieces, problem_of
from odeopt.frameworks.flatten import joined
from odeopt.frameworks.torch.backward import by_backward, dense, holding
from odeopt.frameworks.torch.data import arrays_of, plain
from odeopt.problems import Problem
from odeopt.problems.members import Function
from odeopt.problems.parameters import Parameters
from odeopt.util import check
from odeopt.util.check import Array

HOW = (
    "The module is a copy in float64: if its code creates tensors in float32, give them dtype=x.dtype, or call "
    "torch.set_default_dtype(torch.float64) first"
)


def problem(module: torch.nn.Module, loss: Callable[..., Any], data: Any, name: str = "") -> Problem:
    """L(theta) = loss(module(X), y) for data = (X, y) or a DataLoader.

    module: it is copied, and the copy computes in float64, whatever the precision of the module; only `load` changes
            the module itself.  It must be in eval mode if dropout or batch normalisation change the loss in training
            mode.  theta is its parameters that require a gradient, by name, tied ones once; the others are constants
    loss:   a function of the output and y that returns one number, e.g. torch.nn.functional.cross_entropy
    data:   (X, y), or (X,), or more: tensors or arrays (n, ...) of one length n; numbers become float64, labels int64.
            From a DataLoader the whole dataset is read once, each sample once and in order

    Members are mapped by torch.func.vmap if it can handle the module, and looped over otherwise.  If torch has a
    gradient but no second derivative (attention, EmbeddingBag, sparse embeddings, checkpointing), H p is computed by
    differences of the gradient, and the problem says so.  Minibatches can be drawn (`odeopt.noise.minibatches`) if the
    loss is the mean of its values on single samples.

    >>> line, x = torch.nn.Linear(1, 1), np.arange(4.0)[:, None]
    >>> fit = problem(line, torch.nn.functional.mse_loss, (x, 2 * x + 1), name="line")
    >>> fit, fit.grad([1.0, 1.0]), fit.to_parameters([1.0, 2.0])["bias"]
    (Problem line: d = 2, gradient by torch, batched, array([-7., -3.]), array([2.]))
    >>> fit.load([2.0, 1.0])(torch.tensor([[10.0]])).item()
    21.0
    """
    check.label("name", name)
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"module must be a torch.nn.Module, got {module!r}")
    if not callable(loss):
        raise TypeError(f"loss must be a function of module(X) and y, got {loss!r}")
    rows = data_rows(arrays_of(data))
    ours = copy.deepcopy(module).double()
    loss = copy.deepcopy(loss).double() if isinstance(loss, torch.nn.Module) else loss
    trained = {key: p for key, p in ours.named_parameters() if p.requires_grad}
    if not trained:
        raise ValueError(f"module must have parameters that require a gradient, got none in {type(module).__name__}")
    if odd := [key for key, p in trained.items() if p.dtype != torch.float64]:
        raise ValueError(f"parameters must be real, got {odd[0]!r} of {trained[odd[0]].dtype}")
    shapes = {key: tuple(p.shape) for key, p in trained.items()}
    library = on(next(iter(trained.values())).device)
    _check_loss(ours, loss, [library.tensor(a) for a in rows])
    ours.eval()

    def of(parameters: Mapping[str, Any], X: Any, *others: Any) -> Any:
        return holding(ours, parameters, lambda: loss(ours(X), *others))

    def f(theta: Any, *arguments: Any) -> Any:
        return of(pieces(theta, shapes), *arguments)

    def f_densely(theta: Any, *arguments: Any) -> Any:
        return of(dense(pieces(theta, shapes)), *arguments)

    def put(arrays: dict[str, Array]) -> torch.nn.Module:
        with torch.no_grad():
            for key, p in module.named_parameters():
                if key in arrays:
                    p.copy_(torch.tensor(arrays[key]))
        return module

    theta0 = joined([plain(p) for p in trained.values()])
    backward = by_backward(library, ours, shapes), f_densely
    return problem_of(library, f, rows, theta0, Parameters(shapes, put), name or type(module).__name__, [backward])


def on(device: Any) -> Library:
    """The `Library` of torch on a device."""

    def tensor(value: Any) -> Any:
        if isinstance(value, np.ndarray) and not value.flags.writeable:
            value = value.copy()  # torch has no read-only tensors
        return torch.as_tensor(value, device=device)

    def hvp(f: Function) -> Function:
        def product(theta: Any, p: Any, *rows: Any) -> Any:
            return torch.func.grad(lambda at: torch.func.grad(f)(at, *rows) @ p)(theta)

        return product

    return Library(
        "torch",
        torch.func.grad,
        hvp,
        torch.func.vmap,
        lambda f: f,
        lambda several: torch.stack(list(several)),
        tensor,
        plain,
    )


def _check_loss(module: torch.nn.Module, loss: Callable[..., Any], rows: list[Any]) -> None:
    """Raises TypeError or ValueError unless the loss is one real number and is the same in eval mode."""
    modules = copy.deepcopy(module), copy.deepcopy(module).eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            before, value = (loss(m(rows[0]), *rows[1:]) for m in modules)
        except RuntimeError as error:
            kinds = ", ".join(f"{a.dtype} {tuple(a.shape)}" for a in rows)
            raise ValueError(
                f"loss(module(X), y) must be a number for data of {kinds}, but it raises: {error}. {HOW}"
            ) from error
    if not torch.is_tensor(value):
        raise TypeError(f"loss must return one number as a tensor, got {value!r}")
    if value.dtype != torch.float64:
        raise TypeError(f"loss must be float64 for a module in float64, got {value.dtype}. {HOW}")
    if value.ndim != 0:
        raise ValueError(f"loss must return one number, got shape {tuple(value.shape)}")
    if not torch.allclose(before, value, rtol=0, atol=0, equal_nan=True):
        raise ValueError(
            f"module must be in eval mode if dropout or batch normalisation change its loss, got {float(before)} in "
            f"training mode and {float(value)} in eval mode: call module.eval() first"
        )
