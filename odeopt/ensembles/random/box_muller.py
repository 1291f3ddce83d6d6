"""sqrt(-2 log u) (cos phi, sin phi): two normals from two random words.                       [Box and Muller 1958]

Logarithm, sine and cosine are the polynomials of fdlibm [Sun Microsystems 1993], without its branches: in plain
arithmetic they run on arrays and on single numbers alike, give the same bits everywhere, and compilers vectorise them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

UNIT = np.uint64(0x3FF0000000000000)  # the bits of 1.0
FRACTION = np.uint64(12)  # bits that a word has more than the fraction of a number
SIGN, ONE, ALL = np.uint64(63), np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF)
HALF_OF_LAST = 2.0**-53

ROOT_HALF = np.int64(0x3FE6A09E00000000)  # the bits of sqrt(1/2)
MANTISSA, EXPONENT = np.int64(0x000FFFFFFFFFFFFF), np.int64(52)
WHOLE, WHOLE_BITS = 6755399441055744.0, np.int64(0x4338000000000000)  # 1.5 2^52: its last bit is worth 1

LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10  # e_log.c
L1, L2, L3, L4 = 6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01, 2.222219843214978396e-01
L5, L6, L7 = 1.818357216161805012e-01, 1.531383769920937332e-01, 1.479819860511658591e-01

S1, S2, S3 = -1.66666666666666324348e-01, 8.33333333332248946124e-03, -1.98412698298579493134e-04  # k_sin.c
S4, S5, S6 = 2.75573137070700676789e-06, -2.50507602534068634195e-08, 1.58969099521155010221e-10
C1, C2, C3 = 4.16666666666666019037e-02, -1.38888888888741095749e-03, 2.48015872894767294178e-05  # k_cos.c
C4, C5, C6 = -2.75573143513906633035e-07, 2.08757232129817482790e-09, -1.13596475577881948265e-11

QUARTER_TURN = 1.5707963267948966


def normal_pair(x: Any, y: Any) -> tuple[Any, Any]:
    """Two independent standard normals, |z| < 8.6, from two random words.

    >>> [z.round(6).tolist() for z in normal_pair(np.array([0, 2**63], np.uint64), np.array([1, 2**63], np.uint64))]
    [[-6.061089, 1.17741], [-6.061089, 0.0]]
    """
    u = uniform(x) - (1.0 - HALF_OF_LAST)  # the middles of 2^52 intervals of (0, 1)
    radius = np.sqrt(-2.0 * logarithm(u))
    phi = QUARTER_TURN * (uniform(y) - 1.5)
    a, b = exchanged(signed(cosine(phi), y), sine(phi), y)
    return radius * a, radius * b


def uniform(word: Any) -> Any:
    """A number in [1, 2), from the upper bits."""
    return np.uint64((word >> FRACTION) | UNIT).view(np.float64)


def signed(x: Any, word: Any) -> Any:
    """x > 0 with the last bit of the word as its sign, which reaches both halves of the circle."""
    return np.uint64(np.float64(x).view(np.uint64) | (word << SIGN)).view(np.float64)


def exchanged(a: Any, b: Any, word: Any) -> tuple[Any, Any]:
    """(a, b), or (b, a) if the second to last bit of the word is set."""
    first, second = np.float64(a).view(np.uint64), np.float64(b).view(np.uint64)
    change = (first ^ second) & (((word >> ONE) & ONE) * ALL)
    return np.uint64(first ^ change).view(np.float64), np.uint64(second ^ change).view(np.float64)


def logarithm(x: Any) -> Any:
    """log(2^k (1 + f)) = k log 2 + log(1 + f), sqrt(1/2) < 1 + f < sqrt(2), for normal positive x."""
    above = np.float64(x).view(np.int64) - ROOT_HALF
    f = np.int64((above & MANTISSA) + ROOT_HALF).view(np.float64) - 1.0
    k = np.int64((above >> EXPONENT) + WHOLE_BITS).view(np.float64) - WHOLE
    s = f / (2.0 + f)
    z = s * s
    w = z * z
    R = z * (L1 + w * (L3 + w * (L5 + w * L7))) + w * (L2 + w * (L4 + w * L6))
    half = 0.5 * f * f
    return k * LN2_HIGH - ((half - (s * (half + R) + k * LN2_LOW)) - f)


def sine(x: Any) -> Any:
    """sin(x), |x| <= pi/4."""
    z = x * x
    return x + z * x * (S1 + z * (S2 + z * (S3 + z * (S4 + z * (S5 + z * S6)))))


def cosine(x: Any) -> Any:
    """cos(x), |x| <= pi/4, with a correction for the rounding of 1 - z/2."""
    z = x * x
    half = 0.5 * z
    w = 1.0 - half
    return w + (((1.0 - w) - half) + z * z * (C1 + z * (C2 + z * (C3 + z * (C4 + z * (C5 + z * C6))))))
