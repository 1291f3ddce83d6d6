"""How fast `simulate` is on each backend, beside the same rules by hand: C with -O3, and NumPy.

One process a case, kept alive; the cases of a job take turns, round after round.  Printed: the median time of a step
(of a member), and the median of the ratios to C and to NumPy of the same round.
"""

from __future__ import annotations

import ctypes
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

import odeopt as oo

ROUNDS, STEPS, GRID, SWEEP = 9, 100_000, 256, 1000
X0 = (-1.5, 2.0)
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


def library() -> ctypes.CDLL:
    """The C rules, compiled."""
    folder = Path(tempfile.mkdtemp())
    (folder / "rules.c").write_text(C_SOURCE)
    flags = ["-O3", "-march=native", "-fopenmp", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, str(folder / "rules.c"), "-o", str(folder / "rules.so"), "-lm"], check=True)
    return ctypes.CDLL(str(folder / "rules.so"))


def c_path(rule: str) -> tuple[Callable[[], object], int]:
    numbers = {"gd": (1e-4,), "momentum": (1e-4, 0.9), "adam": (1e-3, 0.9, 0.999, 1e-8)}[rule]
    record, function = np.empty((STEPS + 1, 2)), getattr(library(), rule)
    record[0] = X0
    arguments = [ctypes.c_long(STEPS), *map(ctypes.c_double, numbers), record.ctypes.data_as(ctypes.c_void_p)]
    return lambda: function(*arguments), STEPS


def numpy_path(rule: str) -> tuple[Callable[[], object], int]:
    """As one writes it down: arrays of two numbers."""

    def run() -> None:
        theta, m, v = np.array(X0), np.zeros(2), np.zeros(2)
        for k in range(1, STEPS // 20 + 1):
            r = theta[1] - theta[0] ** 2
            g = np.array([-2 * (1 - theta[0]) - 400 * theta[0] * r, 200 * r])
            if rule == "gd":
                theta = theta - 1e-4 * g
            elif rule == "momentum":
                m = 0.9 * m + g
                theta = theta - 1e-4 * m
            else:
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
                theta = theta - 1e-3 * (m / (1 - 0.9**k)) / (np.sqrt(v / (1 - 0.999**k)) + 1e-8)

    return run, STEPS // 20


def our_path(rule: str, backend: str) -> tuple[Callable[[], object], int]:
    opt = {
        "gd": oo.optimizers.gd(1e-4),
        "momentum": oo.optimizers.momentum(1e-4, 0.9),
        "adam": oo.optimizers.adam(1e-3),
    }
    problem = oo.problems.rosenbrock()
    steps = STEPS if backend == "numba" else STEPS // 5
    return lambda: oo.simulate(opt[rule], problem, steps, backend=backend).check(), steps


def grid() -> tuple[np.ndarray, np.ndarray]:
    lr, beta = np.meshgrid(np.geomspace(1e-5, 10**-3.5, GRID), np.linspace(0, 0.99, GRID), indexing="ij")
    return lr.ravel(), beta.ravel()


def c_sweep() -> tuple[Callable[[], object], int]:
    lr, beta = grid()
    out, function = np.empty_like(lr), library().sweep
    pointers = [u.ctypes.data_as(ctypes.c_void_p) for u in (lr, beta, out)]
    return lambda: function(ctypes.c_long(lr.size), ctypes.c_long(SWEEP), *pointers), lr.size * SWEEP


def numpy_sweep() -> tuple[Callable[[], object], int]:
    """Without new arrays."""
    lr, beta = grid()
    mul, add, sub = np.multiply, np.add, np.subtract

    def run() -> None:
        x, y, a, b = np.full_like(lr, X0[0]), np.full_like(lr, X0[1]), np.zeros_like(lr), np.zeros_like(lr)
        r, t, u = np.empty_like(lr), np.empty_like(lr), np.empty_like(lr)
        with np.errstate(all="ignore"):
            for _ in range(SWEEP // 5):
                (
                    mul(x, x, r),
                    sub(y, r, r),
                    mul(x, r, t),
                    mul(t, -400.0, t),
                    sub(1.0, x, u),
                    mul(u, -2.0, u),
                    add(t, u, t),
                )
                mul(a, beta, a), add(a, t, a), mul(r, 200.0, r), mul(b, beta, b), add(b, r, b)
                mul(a, lr, t), sub(x, t, x), mul(b, lr, t), sub(y, t, y)

    return run, lr.size * (SWEEP // 5)


def our_sweep(backend: str) -> tuple[Callable[[], object], int]:
    opt, problem = oo.optimizers.momentum(*grid()), oo.problems.rosenbrock()
    steps = SWEEP if backend == "numba" else SWEEP // 5
    return lambda: oo.simulate(opt, problem, steps, record_every=steps, backend=backend), steps * GRID**2


JOBS: dict[str, dict[str, Callable[[], tuple[Callable[[], object], int]]]] = {
    **{
        f"one path, {rule}": {
            "C": lambda rule=rule: c_path(rule),
            "NumPy by hand": lambda rule=rule: numpy_path(rule),
            "odeopt numba": lambda rule=rule: our_path(rule, "numba"),
            "odeopt floats": lambda rule=rule: our_path(rule, "floats"),
        }
        for rule in ("gd", "momentum", "adam")
    },
    f"{GRID} x {GRID} (lr, beta)": {
        "C": c_sweep,
        "NumPy by hand": numpy_sweep,
        "odeopt numba": lambda: our_sweep("numba"),
        "odeopt blocks": lambda: our_sweep("blocks"),
    },
}


def serve(job: str, name: str) -> None:
    """Seconds per step, one line for each line that comes in."""
    run, work = JOBS[job][name]()
    run()
    print("ready", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        run()
        print((time.perf_counter() - start) / work, flush=True)


def measure(job: str) -> None:
    workers = {}
    for name in JOBS[job]:
        command = [sys.executable, __file__, job, name]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if worker.stdout.readline() == "ready\n":
            workers[name] = worker
        else:
            print(f"  {name}: not here")
    times: dict[str, list[float]] = {name: [] for name in workers}
    for _ in range(ROUNDS):
        for name, worker in workers.items():
            worker.stdin.write("go\n")
            worker.stdin.flush()
            times[name].append(float(worker.stdout.readline()))
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    print(f"{job:<26} {'ns/step':>10} {'x C':>8} {'x NumPy':>8}")
    for name, found in times.items():
        ratios = [
            f"{statistics.median(a / b for a, b in zip(found, times[base], strict=True)):8.3f}" if base in times else ""
            for base in ("C", "NumPy by hand")
        ]
        print(f"  {name:<24} {1e9 * statistics.median(found):10.2f} {' '.join(ratios)}")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        serve(*sys.argv[1:])
    else:
        for job in JOBS:
            measure(job)
