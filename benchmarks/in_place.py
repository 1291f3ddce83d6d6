"""One step of Adam on 1e7 parameters in float64, in place: how near the machine's limit, which is its memory.

The limit: three arrays read and written, one read, by all cores; it grows where the gradient is looked at first, so
that nothing moves where it is not finite.  Printed: ns a coordinate; one process a case, in turns.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import numpy as np
from rounds import Jobs, c_library, main

import odeopt as oo
from odeopt.compiler import fused_update
from odeopt.frameworks.numpy import in_place

SIZE, LR, EPS = 10_000_000, 1e-3, 1e-8
C_SOURCE = r"""
#include <math.h>
#define EACH _Pragma("omp parallel for simd schedule(static)") for(long i=0;i<n;i++)
void limit(long n, double *restrict p, const double *restrict g, double *restrict m, double *restrict v){
  EACH { double t=g[i]; p[i]+=t; m[i]+=t; v[i]+=t; } }
double looked(long n, double *restrict p, const double *restrict g, double *restrict m, double *restrict v){
  double s=0; _Pragma("omp parallel for simd schedule(static) reduction(+:s)") for(long i=0;i<n;i++) s+=g[i]*g[i];
  if(s*0==0) limit(n,p,g,m,v); return s; }
void adam(long n, double *restrict p, const double *restrict g, double *restrict m, double *restrict v,
          double lr, double b1, double b2, double eps, double c1, double c2){
  double scale=lr/c1, root=1/sqrt(c2);
  EACH { double t=g[i], a=b1*m[i]+(1-b1)*t, b=b2*v[i]+(1-b2)*t*t; m[i]=a; v[i]=b;
    p[i]-=scale*a/(sqrt(b)*root+eps); } }
"""


def start() -> tuple[np.ndarray, np.ndarray]:
    """theta and a gradient."""
    rng = np.random.default_rng(0)
    return rng.standard_normal(SIZE), rng.standard_normal(SIZE)


def c_case(name: str) -> tuple[Callable[[], object], float]:
    theta, g = start()
    function, memory, k = getattr(c_library(C_SOURCE), name), np.zeros((2, SIZE)), 0
    pointers = [u.ctypes.data_as(ctypes.c_void_p) for u in (theta, g, *memory)]

    def run() -> None:
        nonlocal k
        k += 1
        rest = (LR, 0.9, 0.999, EPS, 1 - 0.9**k, 1 - 0.999**k) if name == "adam" else ()
        function(ctypes.c_long(SIZE), *pointers, *map(ctypes.c_double, rest))

    return run, SIZE


def our_case(compiler: bool = True, nan: str = "raise") -> tuple[Callable[[], object], float]:
    theta, g = start()
    if not compiler:
        fused_update.find_spec = lambda name: None
    moving = in_place(oo.optimizers.adam(LR, eps=EPS), theta, nan=nan)
    return lambda: moving.step(g), SIZE


def by_hand() -> tuple[Callable[[], object], float]:
    """As one writes it down."""
    theta, g = start()
    m, v, k = np.zeros(SIZE), np.zeros(SIZE), 0

    def run() -> None:
        nonlocal theta, m, v, k
        k += 1
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        theta = theta - LR * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + EPS)

    return run, SIZE


def torch_case(make: str) -> tuple[Callable[[], object], float]:
    import torch

    from odeopt.frameworks.torch import to_torch

    theta, g = start()
    p = torch.nn.Parameter(torch.from_numpy(theta))
    p.grad = torch.from_numpy(g)
    ours = lambda **how: to_torch(oo.optimizers.adam(LR, eps=EPS), [p], **how)
    theirs = lambda **how: torch.optim.Adam([p], LR, eps=EPS, **how)
    makers = {"fused": lambda: theirs(fused=True), "default": theirs, "ours": ours}
    optimizer = (makers | {"ours, nan ignored": lambda: ours(nan="ignore")})[make]()
    optimizer.step()
    return optimizer.step, SIZE


def optax_case() -> tuple[Callable[[], object], float]:
    """With its arguments donated, so that it can work in place."""
    import jax
    import optax

    jax.config.update("jax_enable_x64", True)
    theta, g = map(jax.numpy.asarray, start())
    transform = optax.adam(LR, eps=EPS)

    def step(theta, state, g):
        changes, state = transform.update(g, state, theta)
        return optax.apply_updates(theta, changes), state

    step, now = jax.jit(step, donate_argnums=(0, 1)), (theta, transform.init(theta))

    def run() -> None:
        nonlocal now
        now = jax.block_until_ready(step(*now, g))

    return run, SIZE


JOBS: Jobs = {
    f"Adam on {SIZE:.0e} parameters": {
        "limit in C": lambda: c_case("limit"),
        "limit, gradient looked at": lambda: c_case("looked"),
        "Adam in C": lambda: c_case("adam"),
        "odeopt numba": our_case,
        "odeopt numba, nan ignored": lambda: our_case(nan="ignore"),
        "odeopt NumPy": lambda: our_case(False),
        "NumPy by hand": by_hand,
        "torch fused": lambda: torch_case("fused"),
        "torch default": lambda: torch_case("default"),
        "odeopt to_torch": lambda: torch_case("ours"),
        "odeopt to_torch, nan ignored": lambda: torch_case("ours, nan ignored"),
        "optax donated": optax_case,
    },
}

if __name__ == "__main__":
    main(__file__, JOBS, least=0.1)
