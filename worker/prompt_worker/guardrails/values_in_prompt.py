"""Where in a prompt the values of its variables stand: many values in a long prompt at the cost of a few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

LEAST = 3  # characters of a value that is looked for in the prompt: shorter ones stand everywhere

_AT_ONCE = 20_000_000  # characters times values that are as soon searched one by one
_WIDTHS = (32, 8, LEAST)  # characters of a value's beginning that are looked up in the prompt
_PART = 500_000  # characters of the prompt at a time, for the sake of memory
_TRIES = (
    2_000_000  # comparisons: a prompt that repeats the beginning of many values is not searched to its end
)
_STEP, _MIX = np.uint32(0x01000193), np.uint32(0x9E3779B1)
_BITS = 20


def places(prompt: str, values: Sequence[str]) -> Iterator[tuple[int, int]]:
    """(place in `values`, start) wherever one of the values, all different, stands in the prompt."""
    longer = [place for place, value in enumerate(values) if LEAST <= len(value) <= len(prompt)]
    if len(prompt) * len(longer) <= _AT_ONCE:
        for place in longer:
            start = prompt.find(values[place])
            while start >= 0:
                yield place, start
                start = prompt.find(values[place], start + len(values[place]))
        return
    tries = _TRIES
    for width in _WIDTHS:
        wanted = [place for place in longer if len(values[place]) >= width]
        longer = [place for place in longer if len(values[place]) < width]
        known: dict[str, dict[int, dict[str, int]]] = {}  # by beginning, by length
        for place in wanted:
            value = values[place]
            known.setdefault(value[:width], {}).setdefault(len(value), {})[value] = place
        free = dict.fromkeys(wanted, 0)  # where the next of each may begin
        for start in _candidates(prompt, list(known), width):
            for length, by_value in known.get(prompt[start : start + width], {}).items():
                tries -= 1 + length // 64
                found = by_value.get(prompt[start : start + length])
                if found is not None and start >= free[found]:
                    yield found, start
                    free[found] = start + length
            if tries < 0:
                return


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
    while done < width:  # doubled while it fits, then one by one
        more = min(done, width - done)
        if more == done:
            hashed = hashed[:-done] * np.uint32(pow(int(_STEP), done, 2**32)) + hashed[done:]
        else:
            hashed = hashed[:-1] * _STEP + codes[done:]
            more = 1
        done += more
    hashed = hashed * _MIX
    return hashed >> np.uint32(32 - _BITS)
