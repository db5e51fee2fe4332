"""Where in a prompt the values of its variables are: many values in a long prompt at the cost of a few.

Short inputs are searched value by value. For long ones the beginnings of all values are hashed, and so is the prompt at
every position (as Rabin and Karp do): only where the hashes are equal are the texts compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

LEAST = 3  # characters of a value that is searched in the prompt: shorter ones are everywhere
MOST = 100_000  # places that are found: each is kept, and a prompt may hold millions of three characters

_AT_ONCE = 20_000_000  # characters times values up to which a search for each value is as fast
_VALUES_AT_ONCE = 50_000  # values that are searched in one pass over the prompt, to bound the memory
_WIDTHS = (32, 8, LEAST)  # characters of a value's beginning that are hashed
_PART = 500_000  # characters of the prompt at a time, to bound the memory
# Comparisons: a prompt that repeats the beginning of many values is not searched to its end.
_TRIES = 2_000_000
# The primes of FNV-1 and of Knuth's multiplicative hash.
_STEP, _MIX = np.uint32(0x01000193), np.uint32(0x9E3779B1)
_BITS = 20


def find_values(prompt: str, values: Iterable[str]) -> Iterator[tuple[int, int]]:
    """(start, end) wherever one of the values is in the prompt, in any order; of `MOST` places and more only those."""
    return islice(_find(prompt, values), MOST)


def _find(prompt: str, values: Iterable[str]) -> Iterator[tuple[int, int]]:
    tries = _TRIES
    for several in _different(value for value in values if LEAST <= len(value) <= len(prompt)):
        if len(prompt) * len(several) <= _AT_ONCE:
            for value in several:
                start = prompt.find(value)
                while start >= 0:
                    yield start, start + len(value)
                    start = prompt.find(value, start + len(value))
            continue
        longer = several
        for width in _WIDTHS:
            wanted = [value for value in longer if len(value) >= width]
            longer = [value for value in longer if len(value) < width]
            # By beginning, then by length; of each value, where the next one may begin.
            known: dict[str, dict[int, dict[str, int]]] = {}
            for value in wanted:
                known.setdefault(value[:width], {}).setdefault(len(value), {})[value] = 0
            for start in _candidates(prompt, list(known), width):
                for length, by_value in known.get(prompt[start : start + width], {}).items():
                    tries -= 1 + length // 64
                    found = prompt[start : start + length]
                    if start >= by_value.get(found, len(prompt)):
                        yield start, start + length
                        by_value[found] = start + length
                if tries < 0:
                    return


def _different(values: Iterable[str]) -> Iterator[list[str]]:
    """Each value once, so many at a time; of more than that, some perhaps again."""
    several: dict[str, None] = {}
    for value in values:
        several[value] = None
        if len(several) == _VALUES_AT_ONCE:
            yield list(several)
            several = {}
    yield list(several)


def _candidates(prompt: str, beginnings: Sequence[str], width: int) -> Iterator[int]:
    # Positions at which the hash of the next `width` characters is that of a beginning.
    known = np.zeros(1 << _BITS, dtype=bool)
    if not beginnings:
        return
    known[_hashes("".join(beginnings), width)[::width]] = True
    for first in range(0, len(prompt), _PART):
        part = prompt[first : first + _PART + width - 1]
        if len(part) >= width:
            yield from (np.flatnonzero(known[_hashes(part, width)]) + first).tolist()


def _hashes(text: str, width: int) -> NDArray[np.uint32]:
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint32)
    hashed, done = codes, 1
    # Doubled while it fits, then one by one.
    while done < width:
        more = min(done, width - done)
        if more == done:
            hashed = hashed[:-done] * np.uint32(pow(int(_STEP), done, 2**32)) + hashed[done:]
        else:
            hashed = hashed[:-1] * _STEP + codes[done:]
            more = 1
        done += more
    hashed = hashed * _MIX
    return hashed >> np.uint32(32 - _BITS)
