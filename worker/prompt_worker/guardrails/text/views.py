"""A text as it was written, the text it looks like, and the way back from the one to the other.

Every view of a text knows where in the raw text each of its characters comes from, so that a finding in any view is a
span of the raw text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from prompt_worker.guardrails.text.concealed import Concealed
from prompt_worker.guardrails.text.confusables import LEET
from prompt_worker.guardrails.text.encoded import decoded_runs
from prompt_worker.guardrails.text.folding import Origin, fold
from prompt_worker.guardrails.text.lazy import lazy
from prompt_worker.guardrails.text.patterns import Pattern, PatternSet
from prompt_worker.guardrails.text.sieve import Hits, Sieve

_CONTROLS = bytes({*range(0x20), 0x7F} - set(b"\t\n\r"))
_SURROGATE = re.compile("[\ud800-\udfff]")
_LEET_SIGN = re.compile(r"[0134578@$!|][A-Za-z]|[A-Za-z][$@]")
_LEET_WORD = re.compile(
    rf"(?<![A-Za-z0134578@$!|])[A-Za-z0134578@$!|]*?(?:{_LEET_SIGN.pattern})[A-Za-z0134578@$!|]*"
)
_LEET_LIMIT = 100_000  # words of a text that are read as leet
_LEET_BEFORE = 30  # characters of a word that may stand before the first such sign
_LEET_TAIL = re.compile(r"[!|0-9]+$")  # "Stop!" and "covid19" are no leet
_SPACED = re.compile(
    r"(?<![^\W_])[^\W_](?:[ .\-_*·]{1,3}[^\W_]){3,}(?![^\W_])"
)  # single letters with something between them
_SPACED_LIMIT = 500_000  # characters of a text in which spaced letters are put together
_SEPARATORS = re.compile(r"([ .\-_*·]+)")

# Whether any of the three is worth looking for.
_LEET_SUSPECTED, _SPACED_SUSPECTED, _BASE64_SUSPECTED = range(3)
SUSPECT = PatternSet(
    (
        Pattern("leet", _LEET_SIGN.pattern),
        Pattern("spaced", r"[\pL\pN](?:[ .\-_*·]{1,3}[\pL\pN]){3,3}(?:[^\pL\pN]|$)"),
        Pattern("base64", r"[A-Za-z0-9+/_-]{16}"),
    )
)
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
    hits: Hits | None = None  # what the text's sieve found in it, once asked

    def raw_span(self, start: int, end: int) -> tuple[int, int]:
        """Where `text[start:end]` stands in the raw text; `start < end`."""
        if self.whole is not None:
            return self.whole
        if self.origin is None:
            return start, end
        return int(self.origin[start]), max(int(self.origin[end]), int(self.origin[end - 1]) + 1)


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
        text = _LEET_WORD.sub(_unleet, folded.text, count=_LEET_LIMIT)
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
        if view.hits is None:
            view.hits = self.sieve.hits(view.text)
        return view.hits

    @lazy
    def quiet(self) -> bool:
        """None of the patterns that the sieve knows of is in it; nor is there leet, nor anything hidden."""
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


def _unleet(word: re.Match[str]) -> str:
    text = word[0]
    sign = _LEET_SIGN.search(text)
    if sign is None or text.isalpha():
        return text
    before = text[: max(0, sign.start() - _LEET_BEFORE)]
    text = text[len(before) :]
    tail = _LEET_TAIL.search(text)
    body = text[: tail.start()] if tail else text
    return before + body.translate(LEET) + text[len(body) :]


def _join_spaced(run: str) -> str:
    # The shortest separator is noise between letters; a longer one is a space between words, or a sign with noise.
    parts = _SEPARATORS.split(run)
    usual = min(len(separator) for separator in parts[1::2])
    joined = [
        part if index % 2 == 0 else "" if len(part) == usual else part.strip() or " "
        for index, part in enumerate(parts)
    ]
    return _LEET_WORD.sub(_unleet, "".join(joined))
