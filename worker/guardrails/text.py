"""A text as it was written, the text it looks like, and the way back from the one to the other.

Every view of a text knows where in the raw text each of its characters comes from, so that a finding in any view is a
span of the raw text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import re2
from numpy.typing import NDArray

from worker.guardrails.confusables import FOLD, LEET, TAG_FIRST, TAG_LAST
from worker.guardrails.encoded import decoded_runs
from worker.guardrails.lazy import lazy

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ODD = re.compile("[^\t\n\r -~]+")  # what folding may change: all others look like what they are
_SURROGATE = re.compile("[\ud800-\udfff]")
_TAG_RUN = re.compile(f"[{chr(TAG_FIRST)}-{chr(TAG_LAST)}]{{4,}}")  # fewer are noise between letters
_TAG_BYTES = chr(TAG_FIRST).encode()[:2]  # with which each of them begins
_LEET_SIGN = re.compile(r"[0134578@$!|][A-Za-z]|[A-Za-z][$@]")
_LEET_WORD = re.compile(rf"[A-Za-z0134578@$!|]{{0,30}}?(?:{_LEET_SIGN.pattern})[A-Za-z0134578@$!|]*")
_LEET_TAIL = re.compile(r"[!|0-9]+$")  # "Stop!" and "covid19" are no leet
_SPACED = re.compile(
    r"(?<![^\W_])[^\W_](?:[ .\-_*·]{1,3}[^\W_]){3,}(?![^\W_])"
)  # single letters with something between them
_SPACED_LIMIT = 500_000  # characters of a text in which spaced letters are put together
_SEPARATORS = re.compile(r"([ .\-_*·]+)")

# One pass in RE2 says whether any of the three is worth looking for.
_LEET_SUSPECTED, _SPACED_SUSPECTED, _BASE64_SUSPECTED = range(3)
_SUSPECT = re2.Set.SearchSet()
_SUSPECT.Add(_LEET_SIGN.pattern)
_SUSPECT.Add(r"[\pL\pN](?:[ .\-_*·]{1,3}[\pL\pN]){3,3}(?:[^\pL\pN]|$)")
_SUSPECT.Add(r"[A-Za-z0-9+/_-]{16}")
_SUSPECT.Compile()


@dataclass(frozen=True, slots=True)
class View:
    """A text to match on. `origin[i]` is the raw index of character i (and of the end); None: the same as here.

    In a `squeezed` view the spaces between words are lost; a view with a `whole` span is evidence hidden in that
    span of the raw text, and every match in it is reported there.
    """

    text: str
    origin: NDArray[np.int32] | None = None
    whole: tuple[int, int] | None = None
    squeezed: bool = False

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]` stands in the raw text; `start < end`."""
        if self.whole is not None:
            return self.whole
        if self.origin is None:
            return start, end
        return int(self.origin[start]), max(int(self.origin[end]), int(self.origin[end - 1]) + 1)


class Text:
    """One text and its views, each made when first asked for."""

    def __init__(self, raw: str) -> None:
        self.raw = raw

    def __repr__(self) -> str:
        return f"<text of {len(self.raw)} characters>"

    @lazy
    def written(self) -> View:
        """As it was written (a lone surrogate, which nothing can encode, is replaced)."""
        try:
            self.raw.encode()
        except UnicodeEncodeError:
            return View(_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", self.raw))
        return View(self.raw)

    @lazy
    def folded(self) -> View:
        """As it looks: look-alikes, wide and mathematical letters made plain, marks and the invisible removed."""
        raw = self.raw
        if raw.isascii() and not _CONTROL.search(raw):
            return self.written
        tagged = _TAG_BYTES in raw.encode("utf-8", "surrogatepass")  # a search of bytes costs a tenth
        visible = _TAG_RUN.sub(_untag, raw) if tagged else raw
        folded = _ODD.sub(_fold, visible)
        if folded == raw:
            return self.written
        origin = _origin(visible)
        return View(folded) if origin is None else View(folded, origin)

    @lazy
    def spelled(self) -> View:
        """The folded text with leet read as letters: the same view where there is none."""
        folded = self.folded
        if _LEET_SUSPECTED not in self._suspected:
            return folded
        text = _LEET_WORD.sub(_unleet, folded.text)
        return folded if text == folded.text else View(text, folded.origin)

    @lazy
    def hidden(self) -> tuple[View, ...]:
        """Texts inside this one: base64 decoded, and letters spaced out put together."""
        folded = self.folded
        found = []
        if _BASE64_SUSPECTED in self._suspected:
            for start, end, decoded in decoded_runs(folded.text):
                found.append(View(Text(decoded).folded.text, whole=folded.raw_span(start, end)))
        if _SPACED_SUSPECTED in self._suspected:
            for run in _SPACED.finditer(folded.text, 0, _SPACED_LIMIT):
                found.append(View(_join_spaced(run[0]), whole=folded.raw_span(*run.span()), squeezed=True))
        return tuple(found)

    @lazy
    def _suspected(self) -> tuple[int, ...]:
        return tuple(_SUSPECT.Match(self.folded.text) or ())

    @lazy
    def views(self) -> tuple[View, ...]:
        """All of them, each once, for matching words and phrases."""
        own = [self.written]
        for view in (self.folded, self.spelled):
            if view is not own[-1]:
                own.append(view)
        return (*own, *self.hidden)


class WrittenText(Text):
    """A text of which only the written view exists: to measure what the others are worth."""

    @lazy
    def folded(self) -> View:
        return self.written

    @lazy
    def spelled(self) -> View:
        return self.written

    @lazy
    def hidden(self) -> tuple[View, ...]:
        return ()


def _fold(odd: re.Match[str]) -> str:
    return odd[0].translate(FOLD)


def _untag(run: re.Match[str]) -> str:
    return "".join(chr(ord(character) - TAG_FIRST + 0x20) for character in run[0])


def _origin(visible: str) -> NDArray[np.int32] | None:
    # For each character of the folded text the index it comes from; None where every character became one character.
    lengths = {character: len(FOLD[ord(character)]) for character in set("".join(_ODD.findall(visible)))}
    if all(length == 1 for length in lengths.values()):
        return None
    codes = np.frombuffer(visible.encode("utf-32-le", "surrogatepass"), dtype="<u4")
    table = np.ones(int(codes.max()) + 1, dtype=np.uint8)
    for character, length in lengths.items():
        table[ord(character)] = length
    indexes = np.arange(len(visible) + 1, dtype=np.int32)
    return np.repeat(indexes, np.append(table[codes], np.uint8(1)))


def _unleet(word: re.Match[str]) -> str:
    text = word[0]
    if text.isalpha():
        return text
    tail = _LEET_TAIL.search(text)
    body = text[: tail.start()] if tail else text
    return body.translate(LEET) + text[len(body) :]


def _join_spaced(run: str) -> str:
    # The shortest separator is noise between letters; a longer one is a space between words, or a sign with noise.
    parts = _SEPARATORS.split(run)
    usual = min(len(separator) for separator in parts[1::2])
    joined = [
        part if index % 2 == 0 else "" if len(part) == usual else part.strip() or " "
        for index, part in enumerate(parts)
    ]
    return _LEET_WORD.sub(_unleet, "".join(joined))
