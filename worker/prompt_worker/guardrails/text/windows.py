"""Long texts in pieces of a few sentences, the length that the models were trained on."""

from __future__ import annotations

from collections.abc import Iterator

LONGEST = 256  # characters
SHORTEST = 120
# Characters of a very long text that the models read at its ends; patterns read all of it.
HEAD, TAIL = 60_000, 40_000

_ENDS = ("\n", ". ", "? ", "! ", "; ", " ")


def windows(text: str) -> Iterator[tuple[int, int]]:
    """Spans that cover the text without overlap, cut after sentences where possible, each of some visible text."""
    if len(text) <= LONGEST:
        if text and not text.isspace():
            yield 0, len(text)
        return
    if len(text) > HEAD + TAIL:
        yield from _cut(text, 0, HEAD)
        yield from _cut(text, len(text) - TAIL, len(text))
    else:
        yield from _cut(text, 0, len(text))


def _cut(text: str, start: int, stop: int) -> Iterator[tuple[int, int]]:
    while start < stop:
        end = stop if stop - start <= LONGEST else _sentence_end(text, start)
        if not text[start:end].isspace():
            yield start, end
        start = end


def _sentence_end(text: str, start: int) -> int:
    for mark in _ENDS:
        found = text.rfind(mark, start + SHORTEST, start + LONGEST)
        if found >= 0:
            return found + len(mark)
    return start + LONGEST
