"""How fast `ensemble` is: 100,000 walkers in a double well, Euler-Maruyama, beside C, NumPy by hand and peers.

Nanoseconds per member and step.  Peers do fewer steps of the same; those that are not installed are left out.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import numpy as np
from rounds import c_library, main

import odeopt as oo

MEMBERS, STEPS, H, TEMPERATURE, X0 = 100_000, 1000, 0.01, 0.245, -1.0
S = (2 * TEMPERATURE * H) ** 0.5

Run = tuple[Callable[[], object], float]

# xoshiro256++ [Blackman and Vigna 2019] in 16 lanes, and Box and Muller by fdlibm's polynomials
C_SOURCE = r"""
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#define B 512
#define L 16
typedef union { double d; uint64_t u; int64_t i; } word;
typedef struct { uint64_t a[L], b[L], c[L], d[L]; } state;
static uint64_t split(uint64_t *z){ uint64_t x=(*z+=0x9e3779b97f4a7c15ULL);
  x=(x^(x>>30))*0xbf58476d1ce4e5b9ULL; x=(x^(x>>27))*0x94d049bb133111ebULL; return x^(x>>31); }
static inline void bits(state *r, uint64_t *o){ for(int j=0;j<B;j+=L) for(int i=0;i<L;i++){
  uint64_t p=r->a[i], q=r->b[i], s=r->c[i], t=r->d[i], e=p+t, f=q<<17; o[j+i]=((e<<23)|(e>>41))+p;
  s^=p; t^=q; q^=s; p^=t; s^=f; t=(t<<45)|(t>>19); r->a[i]=p; r->b[i]=q; r->c[i]=s; r->d[i]=t; } }
static inline double unit(uint64_t u){ word w; w.u=(u>>12)|0x3ff0000000000000ULL; return w.d; }
static inline void pair(uint64_t x, uint64_t y, double *z, double *w){
  word c; c.d=unit(x)-(1-0x1p-53); int64_t h=c.i-0x3fe6a09e00000000LL, k=h>>52;
  c.i=(h&0xfffffffffffffLL)+0x3fe6a09e00000000LL;
  double f=c.d-1, s=f/(2+f), q=s*s, t=q*q, e=.5*f*f;
  double R=q*(6.666666666666735130e-01+t*(2.857142874366239149e-01+t*(1.818357216161805012e-01
    +t*1.479819860511658591e-01)))
    +t*(3.999999999940941908e-01+t*(2.222219843214978396e-01+t*1.531383769920937332e-01));
  double r=sqrt(-2*((double)k*0.6931471805599453+(f-(e-s*(e+R)))));
  double p=1.5707963267948966*(unit(y)-1.5), g=p*p;
  double si=p+p*g*(-1.66666666666666324348e-01+g*(8.33333333332248946124e-03+g*(-1.98412698298579493134e-04
    +g*(2.75573137070700676789e-06+g*(-2.50507602534068634195e-08+g*1.58969099521155010221e-10)))));
  double co=1-.5*g+g*g*(4.16666666666666019037e-02+g*(-1.38888888888741095749e-03+g*(2.48015872894767294178e-05
    +g*(-2.75573143513906633035e-07+g*(2.08757232129817482790e-09+g*-1.13596475577881948265e-11)))));
  co=(y&1)?-co:co; double a=(y&2)?si:co, b=(y&2)?co:si; *z=r*a; *w=r*b; }
void walk(long members, long steps, double h, double sigma, double *x, uint64_t seed, double *moments){
  _Pragma("omp parallel") { double *sums=moments?calloc(2*steps,8):0; uint64_t u[B]; double z[B];
    _Pragma("omp for schedule(dynamic,1)") for(long b=0;b<members;b+=B){
      int n=members-b<B?members-b:B; state r; uint64_t s=seed*1000003u+b; double *y=x+b;
      for(int i=0;i<L;i++){ r.a[i]=split(&s); r.b[i]=split(&s); r.c[i]=split(&s); r.d[i]=split(&s); }
      for(long k=0;k<steps;k++){ bits(&r,u); for(int i=0;i<B/2;i++) pair(u[i],u[i+B/2],z+i,z+i+B/2);
        for(int i=0;i<n;i++) y[i]+=(y[i]-y[i]*y[i]*y[i])*h+sigma*z[i];
        if(sums){ double p=0,q=0; _Pragma("omp simd reduction(+:p,q)") for(int i=0;i<n;i++){ p+=y[i]; q+=y[i]*y[i]; }
          sums[2*k]+=p; sums[2*k+1]+=q; } } }
    if(sums){ _Pragma("omp critical") for(long k=0;k<2*steps;k++) moments[k]+=sums[k]; free(sums); } } }
"""


def c(moments: bool) -> Run:
    library, seeds, x, sums = c_library(C_SOURCE), count(), np.empty(MEMBERS), np.zeros(2 * STEPS)
    pointer = lambda array: array.ctypes.data_as(ctypes.c_void_p)

    def run() -> None:
        x[:] = X0
        library.walk(
            ctypes.c_long(MEMBERS), ctypes.c_long(STEPS), ctypes.c_double(H), ctypes.c_double(S), pointer(x),
            ctypes.c_uint64(next(seeds)), pointer(sums) if moments else None,
        )  # fmt: skip

    return run, MEMBERS * STEPS


def ours(moments: bool, backend: str, generator: str, steps: int) -> Run:
    opt = oo.Optimizer(oo.flows.langevin(TEMPERATURE), oo.schemes.euler_maruyama, H)
    well, seeds = oo.problems.double_well().at([X0]), count()
    every = 1 if moments else steps

    def run() -> None:
        oo.ensemble(opt, well, MEMBERS, steps, record_every=every, final=not moments, rng=next(seeds), backend=backend,
                    generator=generator, workers=2).check()  # fmt: skip

    return run, MEMBERS * steps


def numpy_by_hand(moments: bool) -> Run:
    """As one writes it down."""
    rng, steps = np.random.default_rng(0), STEPS // 20

    def run() -> None:
        x, found = np.full(MEMBERS, X0), []
        for _ in range(steps):
            x = x + (x - x**3) * H + S * rng.standard_normal(MEMBERS)
            if moments:
                found.append((x.mean(), x.var()))

    return run, MEMBERS * steps


def normals_alone() -> Run:
    """NumPy's fastest normals, on two threads, without a step."""
    streams = [np.random.Generator(np.random.SFC64(seed)) for seed in range(2)]
    room, calls = np.empty((2, 8192)), MEMBERS * STEPS // 5 // (2 * 8192)

    def draw(i: int) -> None:
        for _ in range(calls):
            streams[i].standard_normal(out=room[i])

    pool = ThreadPoolExecutor(2)
    return lambda: list(pool.map(draw, range(2))), 2 * 8192 * calls


def jax(moments: bool, x64: bool) -> Run:
    """One array in a compiled scan, its Threefry."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_platforms", "cpu")
    jax.config.update("jax_enable_x64", x64)
    dtype, seeds, steps = jnp.float64 if x64 else jnp.float32, count(), STEPS // 5

    def step(x, key):
        x = x + (x - x**3) * dtype(H) + dtype(S) * jax.random.normal(key, (MEMBERS,), dtype)
        return x, ((x.sum(), (x * x).sum()) if moments else None)

    scan = jax.jit(lambda key: jax.lax.scan(step, jnp.full(MEMBERS, X0, dtype), jax.random.split(key, steps)))
    return lambda: jax.block_until_ready(scan(jax.random.key(next(seeds)))), MEMBERS * steps


def torchsde(moments: bool) -> Run:
    import torch
    import torchsde

    class Well(torch.nn.Module):
        noise_type, sde_type = "diagonal", "ito"

        def f(self, t, y):
            return y - y**3

        def g(self, t, y):
            return torch.full_like(y, (2 * TEMPERATURE) ** 0.5)

    steps, well = STEPS // 20, Well()
    times = torch.linspace(0, steps * H, steps + 1 if moments else 2, dtype=torch.float64)
    start = torch.full((MEMBERS, 1), X0, dtype=torch.float64)

    def run() -> None:
        with torch.no_grad():
            found = torchsde.sdeint(well, start, times, dt=H, method="euler")
            found.mean(1), found.var(1)

    return run, MEMBERS * steps


def cases(moments: bool) -> dict[str, Callable[[], Run]]:
    return {
        "C": partial(c, moments),
        "NumPy's normals alone": normals_alone,
        "odeopt numba": partial(ours, moments, "numba", "threefry", STEPS),
        "odeopt NumPy": partial(ours, moments, "blocks", "sfc64", STEPS),
        "odeopt NumPy, threefry": partial(ours, moments, "blocks", "threefry", STEPS // 20),
        "NumPy by hand": partial(numpy_by_hand, moments),
        "JAX float32": partial(jax, moments, False),
        "JAX float64": partial(jax, moments, True),
        "torchsde": partial(torchsde, moments),
    }


if __name__ == "__main__":
    main(__file__, {"double well, final states": cases(False), "double well, moments at every step": cases(True)})
