"""Texts to hashed features: character n-grams, words and pairs of words, a whole batch of texts at once in numpy.

No vocabulary exists: a feature is a number below `BUCKETS`, from which its letters cannot be read back. Everything is
unsigned 32-bit arithmetic that wraps, so a text has the same features on every machine.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BITS = 18
BUCKETS = 1 << BITS
ORDERS = (3, 4, 5)

_GAP = "\0" * (max(ORDERS) - 1)  # between texts: so long that no n-gram sees two of them
_STEP = np.uint32(0x01000193)
_MIX = np.uint32(0x9E3779B1)
_WORD = np.uint32(0x85EBCA6B)
_PAIR = np.uint32(0xC2B2AE35)
_SHIFT = np.uint32(32 - BITS)

_ALNUM = np.zeros(0x180, dtype=bool)
_ALNUM[[code for code in range(0x180) if chr(code).isalnum()]] = True
_ALNUM[ord("'")] = True
_ZERO = np.uint32(ord("0"))


@dataclass(frozen=True, slots=True)
class Features:
    """Numbers below `BUCKETS`, of several texts; `counts[t]` is how many text `t` has.

    `grams` has an array for each order, in which those of text `t` begin at `starts[t]`; `others[i]`, a word or a pair
    of words, is a feature of the text `owners[i]`.
    """

    grams: Sequence[NDArray[np.uint32]]
    starts: NDArray[np.intp]
    others: NDArray[np.uint32]
    owners: NDArray[np.intp]
    counts: NDArray[np.intp]

    def sums(self, weights: NDArray[np.int32]) -> NDArray[np.int64]:
        """For each text the sum of its features' weights."""
        by_text = np.bincount(self.owners, weights=weights[self.others], minlength=len(self.starts))
        found = by_text.astype(np.int64)
        for grams in self.grams:
            found += np.add.reduceat(weights[grams], self.starts, dtype=np.int64)
        return found

    def flat(self) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
        """All features in one array, and the text of each."""
        sizes = np.diff(self.starts, append=len(self.grams[0]))
        owner = np.repeat(np.arange(len(self.starts)), sizes)
        return (
            np.concatenate([*self.grams, self.others]),
            np.concatenate([*[owner] * len(self.grams), self.owners]),
        )


def extract(texts: Sequence[str]) -> Features:
    """The features of each text, one at least; a text should be a few hundred characters, already normalised.

    White space of any length and kind counts as one space, so blanked words of a template leave no trace.
    """
    texts = [" ".join(text.lower().split()) for text in texts]
    joined = "".join([f"{_GAP} {text} " for text in texts]) + _GAP
    lengths = np.fromiter(map(len, texts), np.intp, len(texts)) + len(_GAP) + 2
    starts = np.cumsum(lengths) - lengths
    length = int(lengths.sum())
    codes = np.frombuffer(joined.encode("utf-32-le", "replace"), dtype="<u4").astype(np.uint32)
    codes[codes - _ZERO < 10] = _ZERO  # which digit it is says nothing
    word_starts, words = _words(codes[:length])
    owner = np.searchsorted(starts, word_starts, side="right") - 1
    neighbours = owner[:-1] == owner[1:]
    pairs = (words[:-1] * _STEP + words[1:])[neighbours]
    owners = np.concatenate([owner, owner[:-1][neighbours]])
    return Features(
        grams=_character_grams(codes, length),
        starts=starts,
        others=np.concatenate([_bucket(words, _WORD), _bucket(pairs, _PAIR)]),
        owners=owners,
        counts=lengths * len(ORDERS) + np.bincount(owners, minlength=len(texts)),
    )


def _character_grams(codes: NDArray[np.uint32], length: int) -> list[NDArray[np.uint32]]:
    found = []
    hashed = codes
    for order in range(2, max(ORDERS) + 1):
        hashed = hashed[:-1] * _STEP + codes[order - 1 :]
        if order in ORDERS:
            found.append(_bucket(hashed[:length], np.uint32(order)))
    return found


def _words(codes: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.uint32]]:
    # A word's hash is the sum of its letters, each mixed with its place in the word.
    inside = (codes >= len(_ALNUM)) | _ALNUM[np.minimum(codes, len(_ALNUM) - 1)]
    positions = np.flatnonzero(inside)
    if not len(positions):
        return positions, np.zeros(0, np.uint32)
    first = np.flatnonzero(np.diff(positions, prepend=-2) != 1)
    starts = positions[first]
    sizes = np.diff(first, append=len(positions))
    place = (positions - np.repeat(starts, sizes)).astype(np.uint32)
    mixed = codes[positions] * _MIX + place * _PAIR
    mixed = (mixed ^ (mixed >> np.uint32(15))) * _WORD
    return starts, np.add.reduceat(mixed, first, dtype=np.uint32)


def _bucket(hashed: NDArray[np.uint32], salt: np.uint32) -> NDArray[np.uint32]:
    mixed = hashed + salt
    mixed = (mixed ^ (mixed >> np.uint32(16))) * _MIX
    return mixed >> _SHIFT
