"""A text as it was written, as it looks and as it is meant, each with the way back to the raw text.

Every view of a text knows where in the raw text each of its characters comes from, so that a match in any view is a
span of the raw text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from prompt_worker.guardrails.text.concealed import Concealed
from prompt_worker.guardrails.text.encoded import decoded_runs
from prompt_worker.guardrails.text.escaped import ESCAPED_SIGN, unescape
from prompt_worker.guardrails.text.folding import Origin, fold
from prompt_worker.guardrails.text.lazy import lazy
from prompt_worker.guardrails.text.leet import LEET_LIMIT, LEET_SIGN, LEET_WORD, unleet
from prompt_worker.guardrails.text.patterns import Pattern, PatternSet
from prompt_worker.guardrails.text.sieve import Hits, Sieve
from prompt_worker.guardrails.text.spaced import SPACED, SPACED_LIMIT, join_spaced

_CONTROLS = bytes({*range(0x20), 0x7F} - set(b"\t\n\r"))
_SURROGATE = re.compile("[\ud800-\udfff]")

# What makes a text worth searching for each of the four; the numbers are their indexes in `SUSPECT`.
_LEET_SUSPECTED, _SPACED_SUSPECTED, _BASE64_SUSPECTED, _ESCAPED_SUSPECTED = range(4)
SUSPECT = PatternSet(
    (
        Pattern("leet", LEET_SIGN),
        Pattern("spaced", r"[\pL\pN](?:[ .\-_*·]{1,3}[\pL\pN]){3,3}(?:[^\pL\pN]|$)"),
        Pattern("base64", r"[A-Za-z0-9+/_-]{16}"),
        Pattern("escaped", ESCAPED_SIGN),
    )
)
# A space of `%20[at]%20` is read before its [at].
_ESCAPED_TWICE = 2
_PLAIN = Sieve([SUSPECT])


class View(Concealed, msgspec.Struct, gc=False):
    """A text to match on. `origin[i]` is the raw index of character i (and of the end); None: the same as here.

    In a `squeezed` view the spaces between words are lost; a view with a `whole` span is evidence hidden in that
    span of the raw text, and every match in it is reported there.
    """

    text: str
    origin: Origin | None = None
    whole: tuple[int, int] | None = None
    squeezed: bool = False
    hits: Hits | None = None  # what the text's sieve found in it; None until asked

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """The span of `text[start:end]` in the raw text; `start < end`."""
        if self.whole is not None:
            return self.whole
        if self.origin is None:
            return start, end
        return int(self.origin[start]), max(int(self.origin[end]), int(self.origin[end - 1]) + 1)


def _within(view: View, text: str, origin: Origin | None) -> View:
    """The view `text`, whose characters come from those of `view` at `origin`."""
    if origin is None:
        return View(text, view.origin)
    return View(text, origin if view.origin is None else view.origin[origin])


class Text:
    """One text and its views, each made when first asked for. What `sieve` knows of is searched in one pass."""

    def __init__(self, raw: str, sieve: Sieve = _PLAIN) -> None:
        self.raw = raw
        self.sieve = sieve
        self.is_plain = raw.isascii() and len(raw.encode().translate(None, _CONTROLS)) == len(raw)

    def __repr__(self) -> str:
        return f"<text of {len(self.raw)} characters>"

    @lazy
    def written(self) -> View:
        """As it was written (a lone surrogate, which nothing can encode, is replaced)."""
        if self.is_plain:
            return View(self.raw)
        try:
            self.raw.encode()
        except UnicodeEncodeError:
            return View(_SURROGATE.sub("\N{REPLACEMENT CHARACTER}", self.raw))
        return View(self.raw)

    @lazy
    def folded(self) -> View:
        """As it looks: look-alikes, wide and mathematical letters made plain, marks and the invisible removed."""
        if self.is_plain:
            return self.written
        folded, origin = fold(self.raw)
        return self.written if folded is self.raw else View(folded, origin)

    @lazy
    def spelled(self) -> View:
        """The folded text with leet read as letters: the same view where there is none."""
        folded = self.folded
        if _LEET_SUSPECTED not in self._suspected:
            return folded
        text = LEET_WORD.sub(unleet, folded.text, count=LEET_LIMIT)
        return folded if text == folded.text else View(text, folded.origin)

    @lazy
    def unescaped(self) -> View:
        """The folded text with `%40`, `\\u0040`, `&#64;` and [at] read as @: the same view where there are none."""
        view = self.folded
        if _ESCAPED_SUSPECTED not in self._suspected:
            return view
        for _ in range(_ESCAPED_TWICE):
            found = unescape(view.text)
            if found is None:
                break
            view = _within(view, *found)
            view = _within(view, *fold(view.text))
        return view

    @lazy
    def hidden(self) -> tuple[View, ...]:
        """Texts inside this one: base64 decoded, and letters spaced out put together."""
        folded = self.folded
        found = []
        if _BASE64_SUSPECTED in self._suspected:
            for start, end, decoded in decoded_runs(folded.text):
                found.append(View(Text(decoded).folded.text, whole=folded.raw_span(start, end)))
        if _SPACED_SUSPECTED in self._suspected:
            for run in SPACED.finditer(folded.text, 0, SPACED_LIMIT):
                found.append(View(join_spaced(run[0]), whole=folded.raw_span(*run.span()), squeezed=True))
        return tuple(found)

    @lazy
    def _suspected(self) -> Sequence[int]:
        return self.hits(self.folded).get(SUSPECT, ())

    @lazy
    def views(self) -> tuple[View, ...]:
        """All of them, each once, for matching words and phrases."""
        own = [self.written]
        for view in (self.folded, self.spelled):
            if view is not own[-1]:
                own.append(view)
        return (*own, *self.hidden)

    def hits(self, view: View) -> Hits:
        """What the sieve finds in a view of this text, searched once."""
        if view.hits is None:
            view.hits = self.sieve.hits(view.text)
        return view.hits

    @lazy
    def quiet(self) -> bool:
        """None of the patterns that the sieve knows of is in it; nor is there leet, nor anything escaped or hidden."""
        if self.hits(self.folded):
            return False
        return self.folded is self.written or not self.hits(self.written)

    def find(self, patterns: PatternSet, view: View) -> Iterator[tuple[Pattern, int, int]]:
        """As `PatternSet.find`, in a view of this text."""
        among = self._among(patterns, view)
        return iter(()) if among == () else patterns.find(view.text, among)

    def each(self, patterns: PatternSet, view: View) -> Iterator[tuple[Pattern, Iterator[tuple[int, int]]]]:
        """As `PatternSet.each`, in a view of this text."""
        among = self._among(patterns, view)
        return iter(()) if among == () else patterns.each(view.text, among)

    def _among(self, patterns: PatternSet, view: View) -> Sequence[int] | None:
        return self.hits(view).get(patterns, ()) if patterns in self.sieve.sets else None
