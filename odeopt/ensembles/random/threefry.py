"""(c0, c1) -> two random words under the key (k0, k1): Threefry-2x64 with 13 rounds.        [Salmon et al. 2011, 4.2]

Random numbers with an address: no state passes from one to the next, so that they are the same in any order and for
any number of threads.  13 rounds are the fewest that pass all tests of TestU01's BigCrush.  The functions take arrays
of uint64, and single numbers where Numba compiles them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

PARITY = np.uint64(0x1BD11BDAA9FC1A22)  # Skein's, so that no key has three equal words

ONE, TWO, THREE, WORD = np.uint64(1), np.uint64(2), np.uint64(3), np.uint64(64)
R0, R1, R2, R3 = np.uint64(16), np.uint64(42), np.uint64(12), np.uint64(31)  # rotations, in bits: table 2
R4, R5, R6, R7 = np.uint64(16), np.uint64(32), np.uint64(24), np.uint64(21)


def threefry(c0: Any, c1: Any, k0: Any, k1: Any) -> tuple[Any, Any]:
    """Two words of 64 random bits at the address (c0, c1).

    >>> words = threefry(*np.zeros((4, 1), dtype=np.uint64))
    >>> [f"{word[0]:016x}" for word in words]
    ['f167b032c3b480bd', 'e91f9fee4b7a6fb5']
    """
    k2 = PARITY ^ k0 ^ k1
    x, y = four_rounds(c0 + k0, c1 + k1, R0, R1, R2, R3)
    x, y = four_rounds(x + k1, y + k2 + ONE, R4, R5, R6, R7)
    x, y = four_rounds(x + k2, y + k0 + TWO, R0, R1, R2, R3)
    return mixed(x + k0, y + k1 + THREE, R4)


def four_rounds(x: Any, y: Any, r0: Any, r1: Any, r2: Any, r3: Any) -> tuple[Any, Any]:
    """Four rounds of mixing, between two injections of the key."""
    x, y = mixed(x, y, r0)
    x, y = mixed(x, y, r1)
    x, y = mixed(x, y, r2)
    return mixed(x, y, r3)


def mixed(x: Any, y: Any, bits: Any) -> tuple[Any, Any]:
    """One round: x + y, and y rotated to the left xor x + y."""
    x = x + y
    return x, ((y << bits) | (y >> (WORD - bits))) ^ x
