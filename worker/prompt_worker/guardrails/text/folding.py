"""A text as it looks: look-alikes, wide and mathematical letters made plain, marks and the invisible removed."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from prompt_worker.guardrails.text.confusables import FOLD, TAG_FIRST, TAG_LAST

Origin = NDArray[np.int32]  # for each character of a text, and for its end, the index in the raw text

_PLAIN = bytes({*b"\t\n\r", *range(0x20, 0x7F)})  # never changed by folding: they look like what they are
_TAG_RUN = re.compile(f"[{chr(TAG_FIRST)}-{chr(TAG_LAST)}]{{4,}}")  # fewer are noise between letters
_LONG = 10_000  # characters from which numpy is faster
_PART = 500_000  # characters folded at a time, to bound the memory


def fold(raw: str) -> tuple[str, Origin | None]:
    """The folded text and its origin; `raw` itself where nothing changes.

    The origin is None where every character became one character.
    """
    odd = _odd(raw)
    if odd and max(odd) >= chr(TAG_FIRST):
        untagged = _TAG_RUN.sub(_untag, raw)
        odd = odd if untagged is raw else _odd(untagged)
    else:
        untagged = raw
    changed = {ord(character): FOLD[ord(character)] for character in odd}
    changed = {code: plain for code, plain in changed.items() if plain != chr(code)}
    if not changed:
        return untagged, None
    same_length = all(len(plain) == 1 for plain in changed.values())
    if len(untagged) < _LONG:
        return _translate(untagged, changed), None if same_length else _origin(untagged, changed)
    return _fold_long(untagged, changed, same_length=same_length)


def _odd(text: str) -> set[str]:
    odd = text.encode("utf-8", "surrogatepass").translate(None, _PLAIN).decode("utf-8", "surrogatepass")
    if len(odd) < _LONG:
        return set(odd)
    seen = np.zeros(0x110000, dtype=bool)
    seen[_codes(odd)] = True
    return set(map(chr, np.flatnonzero(seen).tolist()))


def _translate(text: str, changed: dict[int, str]) -> str:
    if len(changed) > 8 or any(
        ord(character) in changed for plain in changed.values() for character in plain
    ):
        return text.translate(changed)
    # For a few characters this is several times as fast.
    for code, plain in changed.items():
        text = text.replace(chr(code), plain)
    return text


def _origin(text: str, changed: dict[int, str]) -> Origin:
    codes = _codes(text)
    lengths = np.ones(int(codes.max()) + 1, dtype=np.uint8)
    lengths[list(changed)] = [len(plain) for plain in changed.values()]
    return np.repeat(np.arange(len(text) + 1, dtype=np.int32), np.append(lengths[codes], np.uint8(1)))


def _fold_long(text: str, changed: dict[int, str], *, same_length: bool) -> tuple[str, Origin | None]:
    origin = None if same_length else _origin(text, changed)
    # Each code's plain characters are in `plain` from `first[code]` on; unchanged codes follow after the changed ones.
    plain = _codes("".join(changed.values()))
    lengths = np.fromiter(map(len, changed.values()), np.int32, len(changed))
    first = np.arange(len(plain), len(plain) + 0x110000, dtype=np.int32)
    first[list(changed)] = np.cumsum(lengths) - lengths
    plain = np.concatenate([plain, np.arange(0x110000, dtype="<u4")])
    codes = _codes(text)
    parts = []
    for start in range(0, len(text), _PART):
        part = first[codes[start : start + _PART]]
        if origin is not None:
            begin, end = np.searchsorted(origin[:-1], (start, start + len(part)))
            owner = origin[begin:end] - np.int32(start)
            # For each character the first one from the same raw character.
            begins = np.searchsorted(owner, owner)
            part = part[owner] + (np.arange(len(owner), dtype=np.int32) - begins.astype(np.int32))
        parts.append(plain[part].tobytes().decode("utf-32-le", "surrogatepass"))
    return "".join(parts), origin


def _codes(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4")


def _untag(run: re.Match[str]) -> str:
    return "".join(chr(ord(character) - TAG_FIRST + 0x20) for character in run[0])
