"""How fast `simulate` is on each backend, beside the same rules in C, in NumPy by hand, in optax and in torch.

Nanoseconds per step (of a member).  Slow cases do fewer steps of the same; peers that are not installed are left out.
"cold" is a whole process, from its start to its end: 10,000 steps of Adam, imports and compilers included.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from peers import X0, Run, network, numpy_path, numpy_sweep, optax_network, optax_path, optax_sweep, torch_path
from rounds import c_library, main

import odeopt as oo

STEPS, GRID, SWEEP, COLD = 100_000, 256, 1000, 10_000
C_SOURCE = r"""
#include <math.h>
#define ROSEN double r=y-x*x, g=-2*(1-x)-400*x*r, f=200*r;
void gd(long n, double lr, double *rec){ double x=rec[0], y=rec[1];
  for(long k=1;k<=n;k++){ ROSEN x-=lr*g; y-=lr*f; rec[2*k]=x; rec[2*k+1]=y; } }
void momentum(long n, double lr, double beta, double *rec){ double x=rec[0], y=rec[1], a=0, b=0;
  for(long k=1;k<=n;k++){ ROSEN a=beta*a+g; b=beta*b+f; x-=lr*a; y-=lr*b; rec[2*k]=x; rec[2*k+1]=y; } }
void adam(long n, double lr, double b1, double b2, double eps, double *rec){
  double x=rec[0], y=rec[1], m=0, v=0, s=0, u=0, p=1, q=1;
  for(long k=1;k<=n;k++){ ROSEN p*=b1; q*=b2; double c=1/(1-p), d=1/(1-q);
    m=b1*m+(1-b1)*g; v=b1*v+(1-b1)*f; s=b2*s+(1-b2)*g*g; u=b2*u+(1-b2)*f*f;
    x-=lr*(m*c)/(sqrt(s*d)+eps); y-=lr*(v*c)/(sqrt(u*d)+eps); rec[2*k]=x; rec[2*k+1]=y; } }
void sweep(long members, long n, const double *lr, const double *beta, double *out){
  _Pragma("omp parallel for schedule(static)") for(long j=0;j<members;j+=64){
    double X[64],Y[64],A[64],B[64]; for(int i=0;i<64;i++){X[i]=-1.5;Y[i]=2;A[i]=B[i]=0;}
    for(long k=0;k<n;k++) _Pragma("omp simd") for(int i=0;i<64;i++){ double x=X[i], y=Y[i]; ROSEN
      A[i]=beta[j+i]*A[i]+g; B[i]=beta[j+i]*B[i]+f; X[i]=x-lr[j+i]*A[i]; Y[i]=y-lr[j+i]*B[i]; }
    for(int i=0;i<64;i++) out[j+i]=X[i]; } }
"""


def c_path(rule: str) -> Run:
    numbers = {"gd": (1e-4,), "momentum": (1e-4, 0.9), "adam": (1e-3, 0.9, 0.999, 1e-8)}[rule]
    record, function = np.empty((STEPS + 1, 2)), getattr(c_library(C_SOURCE), rule)
    record[0] = X0
    arguments = [ctypes.c_long(STEPS), *map(ctypes.c_double, numbers), record.ctypes.data_as(ctypes.c_void_p)]
    return lambda: function(*arguments), STEPS


OPTIMIZERS = {
    "gd": oo.optimizers.gd(1e-4),
    "momentum": oo.optimizers.momentum(1e-4, 0.9),
    "adam": oo.optimizers.adam(1e-3),
}


def our_path(rule: str, backend: str, steps: int) -> Run:
    opt, problem = OPTIMIZERS[rule], oo.problems.rosenbrock()
    return lambda: oo.simulate(opt, problem, steps, backend=backend).check(), steps


def grid() -> tuple[np.ndarray, np.ndarray]:
    lr, beta = np.meshgrid(np.geomspace(1e-5, 10**-3.5, GRID), np.linspace(0, 0.99, GRID), indexing="ij")
    return lr.ravel(), beta.ravel()


def c_sweep() -> Run:
    lr, beta = grid()
    out, function = np.empty_like(lr), c_library(C_SOURCE).sweep
    pointers = [u.ctypes.data_as(ctypes.c_void_p) for u in (lr, beta, out)]
    return lambda: function(ctypes.c_long(lr.size), ctypes.c_long(SWEEP), *pointers), lr.size * SWEEP


def our_sweep(backend: str, steps: int) -> Run:
    opt, problem = oo.optimizers.momentum(*grid()), oo.problems.rosenbrock()
    return lambda: oo.simulate(opt, problem, steps, record_every=steps, backend=backend), steps * GRID**2


def our_network(backend: str, steps: int) -> Run:
    loss, weights, data = network()
    from odeopt.frameworks.jax import problem as problem_of

    problem, opt = problem_of(loss, weights, data), oo.optimizers.adam(1e-3)
    return lambda: oo.simulate(opt, problem, steps, record_every=steps, backend=backend).check(), steps


class Valley:
    """The gradient of Rosenbrock's function as an object, which may hold anything: it is called, not traced."""

    def __call__(self, theta: np.ndarray) -> np.ndarray:
        x, y = theta[0], theta[1]
        r = y - x * x
        return np.array([-2 * (1 - x) - 400 * x * r, 200 * r])


def bare_calls() -> Run:
    grad, theta, steps = Valley(), np.array(X0), STEPS // 5
    return lambda: [grad(theta) for _ in range(steps)], steps


def our_calls(rule: str) -> Run:
    loss, steps = lambda theta: (1 - theta[..., 0]) ** 2 + 100 * (theta[..., 1] - theta[..., 0] ** 2) ** 2, STEPS // 5
    opt, problem = OPTIMIZERS[rule], oo.Problem(loss, Valley(), theta0=X0)
    return lambda: oo.simulate(opt, problem, steps, backend="floats").check(), steps


OURS = """
import odeopt as oo
oo.simulate(oo.optimizers.adam(1e-3), oo.problems.rosenbrock(), {steps}, backend={backend!r}).check()
"""
THEIRS = "import peers; run, _ = peers.{path}('adam', {steps}); run()"


def cold(code: str) -> Run:
    """A process of its own, whose cache of kernels is empty; Python's own of modules is not, as after any install."""
    here = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            environment = {**here, "ODEOPT_CACHE": folder}
            subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent, env=environment, check=True)

    run()  # an ImportError, where a peer is missing
    return run, COLD


JOBS: dict[str, dict[str, Callable[[], Run]]] = {
    **{
        f"one path, {rule}": {
            "C": partial(c_path, rule),
            "NumPy by hand": partial(numpy_path, rule, STEPS // 20),
            "odeopt numba": partial(our_path, rule, "numba", STEPS),
            "odeopt floats": partial(our_path, rule, "floats", STEPS // 5),
            "odeopt jax": partial(our_path, rule, "jax", STEPS),
            "optax, jit(scan)": partial(optax_path, rule, STEPS),
            "torch, fused": partial(torch_path, rule, STEPS // 50),
        }
        for rule in OPTIMIZERS
    },
    "a gradient that is no formula": {
        "bare calls": bare_calls,
        **{f"odeopt floats, {rule}": partial(our_calls, rule) for rule in OPTIMIZERS},
    },
    f"{GRID} x {GRID} (lr, beta)": {
        "C": c_sweep,
        "NumPy by hand": lambda: numpy_sweep(*grid(), SWEEP),
        "odeopt numba": partial(our_sweep, "numba", SWEEP),
        "odeopt blocks": partial(our_sweep, "blocks", SWEEP),
        "odeopt jax": partial(our_sweep, "jax", SWEEP // 2),
        "optax, vmap(scan)": lambda: optax_sweep(*grid(), SWEEP // 2),
    },
    "a network in JAX, Adam": {
        "optax, jit(scan)": partial(optax_network, SWEEP),
        "odeopt jax": partial(our_network, "jax", SWEEP),
        "odeopt numpy": partial(our_network, "numpy", SWEEP // 5),
    },
    "cold": {
        "NumPy by hand": partial(cold, THEIRS.format(path="numpy_path", steps=COLD)),
        "odeopt auto": partial(cold, OURS.format(backend="auto", steps=COLD)),
        "odeopt numba": partial(cold, OURS.format(backend="numba", steps=COLD)),
        "odeopt jax": partial(cold, OURS.format(backend="jax", steps=COLD)),
        "optax, jit(scan)": partial(cold, THEIRS.format(path="optax_path", steps=COLD)),
    },
}


if __name__ == "__main__":
    main(__file__, JOBS)
