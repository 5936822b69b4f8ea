"""Philox 4x32-10 for kernels: the words of `runner.seeding.philox`, for a row of units."""

import numpy as np
from numba import uint32, uint64

from runner.engine.cpu.jit import as_numpy
from runner.seeding import KEY_INCREMENTS, MULTIPLIERS, WORD

_M0, _M1 = (np.uint64(m) for m in MULTIPLIERS)
_K0, _K1 = (np.uint64(k) for k in KEY_INCREMENTS)
_WORD, _HALF = np.uint64(WORD), np.uint64(32)


@as_numpy
def fill(words, first_quad, counter1, counter2, counter3, key0, key1):  # type: ignore[no-untyped-def]
    """Fill `words` by the counters (first_quad + i, counter1, counter2, counter3).

    Parameters
    ----------
    words
        uint32, of shape (4 n,): word k of counter i is at 4 i + k.
    first_quad, counter1, counter2, counter3, key0, key1
        uint64 below 2**32.
    """
    for i in range(uint64(words.size // 4)):
        # The 32-bit words are kept as uint64: a product is one instruction, and a shift gives its
        # upper half.
        x0, x1, x2, x3 = first_quad + i, counter1, counter2, counter3
        k0, k1 = key0, key1
        for _ in range(10):
            product0, product1 = _M0 * x0, _M1 * x2
            x0, x1 = (product1 >> _HALF) ^ x1 ^ k0, product1 & _WORD
            x2, x3 = (product0 >> _HALF) ^ x3 ^ k1, product0 & _WORD
            k0, k1 = (k0 + _K0) & _WORD, (k1 + _K1) & _WORD
        at = uint64(4) * i
        words[at] = uint32(x0)
        words[at + uint64(1)] = uint32(x1)
        words[at + uint64(2)] = uint32(x2)
        words[at + uint64(3)] = uint32(x3)
