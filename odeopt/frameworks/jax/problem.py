"""L(theta) = fn(params) of a JAX function as a Problem.                                             (extra `jax`)"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import jax
except ImportError as error:
    raise ImportError("jax is needed here: install odeopt-toolkit[jax]") from error

from odeopt.frameworks.autodiff import Library, data_rows, pieces, problem_of
from odeopt.frameworks.flatten import joined
from odeopt.problems import Problem
from odeopt.problems.members import Function
from odeopt.problems.parameters import Parameters
from odeopt.util import check
from odeopt.util.check import Array


def problem(fn: Callable[..., Any], params: Any, data: Any = None, name: str = "") -> Problem:
    """L(theta) = fn(params), or fn(params, data).

    fn:     returns one number; pure, as jax.jit needs it
    params: any pytree of floating numbers; theta is all its leaves in float64, named by their paths
    data:   a pytree of arrays (n, ...) of one length n; fn sees all rows or a batch, numbers in float64 and labels
            in int64
    `load(theta)` returns a pytree like params, in its precision.  Members are mapped by jax.vmap if fn allows it, and
    looped over otherwise.  Minibatches can be drawn (`odeopt.noise.minibatches`) if fn is the mean of its values on
    single samples.

    >>> def loss(params, batch):
    ...     x, y = batch
    ...     return jax.numpy.mean((params["w"] * x + params["b"] - y) ** 2)
    >>> x = np.arange(4.0)
    >>> with jax.enable_x64(True):
    ...     fit = problem(loss, {"w": np.ones(1), "b": 1.0}, (x, 2 * x + 1), name="line")
    >>> fit, fit.grad([1.0, 1.0]), fit.to_parameters([1.0, 2.0])["w"]
    (Problem line: d = 2, gradient by jax, batched, array([-3., -7.]), array([2.]))
    """
    check.label("name", name)
    if not callable(fn):
        raise TypeError(f"fn must be a function of params, got {fn!r}")
    require_float64()
    paths, tree = jax.tree_util.tree_flatten_with_path(params)
    leaves = {_name(path): leaf for path, leaf in paths}
    check.distinct("params", [_name(path) for path, _ in paths])
    for key, leaf in leaves.items():
        if not isinstance(leaf, jax.Array | np.ndarray | np.floating | float) or np.ma.is_masked(leaf):
            raise TypeError(f"params must be floating numbers, got {key!r} = {check.shown(leaf)}")
        if not jax.numpy.issubdtype(jax.numpy.result_type(leaf), jax.numpy.floating):
            raise TypeError(f"params must be floating numbers, got {key!r} of {jax.numpy.result_type(leaf)}")
    if not leaves:
        raise ValueError(f"params must hold arrays, got {params!r}")
    for key, leaf in leaves.items():
        check.finite(f"params {key!r}", leaf)
    shapes = {key: np.shape(leaf) for key, leaf in leaves.items()}
    several, rows_tree = jax.tree_util.tree_flatten(data)
    rows = () if data is None else data_rows(tuple(several))

    def f(theta: Any, *rows: Any) -> Any:
        given = jax.tree_util.tree_unflatten(tree, pieces(theta, shapes).values())
        return fn(given, jax.tree_util.tree_unflatten(rows_tree, rows)) if rows else fn(given)

    def put(arrays: dict[str, Array]) -> Any:
        kept = [jax.numpy.asarray(arrays[key], jax.numpy.result_type(leaf)) for key, leaf in leaves.items()]
        return jax.tree_util.tree_unflatten(tree, kept)

    theta0 = joined(list(leaves.values()))
    check_loss("fn", jax.eval_shape(f, theta0, *rows))
    return problem_of(jax_library(), f, rows, theta0, Parameters(shapes, put), name or _title(fn))


def require_float64() -> None:
    """Raises ValueError unless JAX computes in float64; its default is float32."""
    if jax.dtypes.canonicalize_dtype(np.float64) != np.float64:
        raise ValueError(
            "JAX must compute in float64: set JAX_ENABLE_X64=1 before it is imported, "
            "or call jax.config.update('jax_enable_x64', True)"
        )


def check_loss(argument: str, value: Any) -> None:
    """Raises TypeError or ValueError unless the value is one float64 number."""
    if not isinstance(value, jax.ShapeDtypeStruct) or value.dtype != np.float64:
        raise TypeError(f"{argument} must return one number of float64 where params are, got {value!r}")
    if value.shape != ():
        raise ValueError(f"{argument} must return one number, got shape {value.shape}")


def jax_library() -> Library:
    """The `Library` of JAX.  Its functions are compiled and stay in float64 even if it is switched off later."""

    def hvp(f: Function) -> Function:
        return lambda theta, p, *rows: jax.jvp(lambda at: jax.grad(f)(at, *rows), (theta,), (p,))[1]

    def compiled(f: Function) -> Function:
        run = jax.jit(f)

        def exactly(*arguments: Any) -> Any:
            with jax.enable_x64(True):
                return run(*arguments)

        return exactly

    def tensor(value: Any) -> Any:
        if isinstance(value, jax.Array):
            return value
        with jax.enable_x64(True):
            return jax.numpy.asarray(value)

    return Library("jax", jax.grad, hvp, jax.vmap, compiled, jax.numpy.stack, tensor, np.asarray)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator=".") or "params"


def _title(fn: Any) -> str:
    return getattr(fn, "__name__", type(fn).__name__)
