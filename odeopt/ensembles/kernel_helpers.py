"""The functions that the kernel of an ensemble calls, as source: drawing normals, and summing moments."""

HELPERS = '''
from typing import Any
import numpy as np

inlined = njit(error_model="numpy", fastmath={"contract"}, forceinline=True)


@njit(error_model="numpy", fastmath={"contract"})
def draw(z, first, width, member, size, pair, key):
    """Fills the rows of z from `first` on with the normals of steps 2 pair and 2 pair + 1, `width` for each."""
    k0, k1 = key
    words = z.view(np.uint64)
    for q in range(width):
        a, b, place = first + q, first + width + q, np.uint64(pair * width + q)
        for i in range(size):
            words[a, i], words[b, i] = threefry(np.uint64(member + i), place, k0, k1)
        for i in range(size):
            z[a, i], z[b, i] = normal_pair(words[a, i], words[b, i])


@njit(error_model="numpy", fastmath={"contract", "reassoc"})
def tally(z, first, k, size, count, mean, spread):
    """Adds the k rows from `first` on, which it overwrites, to a group of `odeopt.ensembles.statistics.Tally`.

    S = S_1 + S_2 + (m_2 - m_1) (m_2 - m_1)^T n_1 n_2/(n_1 + n_2)                [Chan, Golub and LeVeque 1979]
    """
    total = 0.0
    for a in range(first, first + k):
        for i in range(size):
            total += z[a, i]
    if not np.isfinite(total):
        size = finite_first(z, first, k, size)
    if size == 0:
        return
    here = z[first : first + k, 0].copy()
    for a in range(k):
        total = 0.0
        for i in range(size):
            total += z[first + a, i]
        here[a] = total / size
        for i in range(size):
            z[first + a, i] -= here[a]
    n, share = count[0] + size, count[0] * size / (count[0] + size)
    for a in range(k):
        for b in range(a + 1):
            total = (here[a] - mean[a]) * (here[b] - mean[b]) * share
            for i in range(size):
                total += z[first + a, i] * z[first + b, i]
            spread[a, b] += total
            spread[b, a] = spread[a, b]
    for a in range(k):
        mean[a] += (here[a] - mean[a]) * size / n
    count[0] = n


@njit
def finite_first(z, first, k, size):
    """Moves the members whose k numbers are all finite to the front, and counts them."""
    n = 0
    for i in range(size):
        alive = True
        for a in range(first, first + k):
            alive = alive and np.isfinite(z[a, i])
        if alive:
            for a in range(first, first + k):
                z[a, n] = z[a, i]
            n += 1
    return n
'''
