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
# Odd constants that mix well: the prime of FNV-1, the one of Knuth's multiplicative hash, and MurmurHash3's two.
_STEP = np.uint32(0x01000193)
_MIX = np.uint32(0x9E3779B1)
_WORD = np.uint32(0x85EBCA6B)
_PAIR = np.uint32(0xC2B2AE35)
_SHIFT = np.uint32(32 - BITS)

_ALNUM = np.zeros(0x181, dtype=bool)
_ALNUM[[code for code in range(0x180) if chr(code).isalnum()]] = True
_ALNUM[0x180] = True  # and every letter above
_ALNUM[ord("'")] = True
_SPACE = np.array([chr(code).isspace() for code in range(0x3002)])  # none is above the ideographic one
# In lower case, all white space a space, all digits 0: which digit it is carries no meaning.
_ASCII = bytes(
    ord(" ") if chr(code).isspace() else ord("0") if chr(code).isdigit() else ord(chr(code).lower())
    for code in range(0x80)
) + bytes(0x80)
_ZERO = np.uint32(ord("0"))


@dataclass(frozen=True, slots=True)
class Features:
    """The features of several texts, numbers below `BUCKETS`; text `t` has `counts[t]` of them.

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
        # Buckets are in range: "clip" only spares numpy the check.
        of_others = weights.take(self.others, mode="clip")
        found = np.bincount(self.owners, weights=of_others, minlength=len(self.starts)).astype(np.int64)
        for grams in self.grams:
            found += np.add.reduceat(weights.take(grams, mode="clip"), self.starts, dtype=np.int64)
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
    codes, lengths = _codes(texts)
    starts = np.cumsum(lengths) - lengths
    length = int(lengths.sum())
    word_starts, words = _words(codes[:length])
    words_before = np.searchsorted(word_starts, np.append(starts, length))
    owner = np.repeat(np.arange(len(texts)), np.diff(words_before))
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


def _codes(texts: Sequence[str]) -> tuple[NDArray[np.uint32], NDArray[np.intp]]:
    # The texts' characters, each text after a gap and between spaces, and how many each text then has.
    parts = [f"{_GAP} {text} " for text in texts]
    parts.append(_GAP)
    joined = "".join(parts)
    codes: NDArray[np.uint8] | NDArray[np.uint32]
    if joined.isascii():
        codes = np.frombuffer(joined.encode().translate(_ASCII), np.uint8)
    else:
        parts = [part.lower() for part in parts]
        codes = np.frombuffer("".join(parts).encode("utf-32-le", "replace"), "<u4").astype(np.uint32)
        codes[_SPACE.take(codes, mode="clip")] = ord(" ")
        codes[codes - _ZERO < 10] = _ZERO
    lengths = np.fromiter(map(len, parts), np.intp, len(parts))
    space = codes == ord(" ")
    again = space[1:] & space[:-1]
    if again.any():
        kept = np.append(True, ~again)
        codes = codes[kept]
        lengths = np.add.reduceat(kept, np.cumsum(lengths) - lengths, dtype=np.intp)
    return codes.astype(np.uint32), lengths[:-1]


def _character_grams(codes: NDArray[np.uint32], length: int) -> list[NDArray[np.uint32]]:
    found = []
    hashed = codes
    for order in range(2, max(ORDERS) + 1):
        hashed = hashed[:-1] * _STEP
        hashed += codes[order - 1 :]
        if order in ORDERS:
            found.append(_bucket(hashed[:length], np.uint32(order)))
    return found


def _words(codes: NDArray[np.uint32]) -> tuple[NDArray[np.intp], NDArray[np.uint32]]:
    # A word's hash is the sum of its letters, each mixed with its position in the word.
    inside = _ALNUM.take(codes, mode="clip")
    edges = np.flatnonzero(inside[1:] != inside[:-1]) + 1  # a gap precedes all words, a space follows
    starts = edges[::2]
    if not len(starts):
        return starts, np.zeros(0, np.uint32)
    sizes = edges[1::2] - starts
    first = np.cumsum(sizes) - sizes
    letters = codes[inside]
    place = np.arange(len(letters), dtype=np.uint32) - np.repeat(first.astype(np.uint32), sizes)
    mixed = letters * _MIX
    mixed += place * _PAIR
    mixed ^= mixed >> np.uint32(15)
    mixed *= _WORD
    return starts, np.add.reduceat(mixed, first, dtype=np.uint32)


def _bucket(hashed: NDArray[np.uint32], salt: np.uint32) -> NDArray[np.uint32]:
    mixed = hashed + salt
    mixed ^= mixed >> np.uint32(16)
    mixed *= _MIX
    mixed >>= _SHIFT
    return mixed
