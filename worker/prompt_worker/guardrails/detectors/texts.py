"""The texts that detectors are given, with what several of them need of a text made only once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property

import msgspec

from prompt_worker.guardrails.models.linear import ModelName, Scores, column, load
from prompt_worker.guardrails.text.concealed import Concealed
from prompt_worker.guardrails.text.patterns import PatternSet
from prompt_worker.guardrails.text.sieve import sieve
from prompt_worker.guardrails.text.views import SUSPECT, Text, View
from prompt_worker.guardrails.text.windows import windows

_LETTER = re.compile(r"[^\W\d_]")


class Window(Concealed, msgspec.Struct, gc=False):
    """A piece of a view of the text at `index`."""

    index: int
    view: View
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.view.text[self.start : self.end]

    @property
    def cuts_a_word(self) -> bool:
        """Whether it begins or ends elsewhere than at white space."""
        text, start, end = self.view.text, self.start, self.end
        if end - start == len(text):
            return False
        return (start > 0 and not text[start - 1].isspace()) or (
            end < len(text) and not text[end - 1].isspace()
        )

    @property
    def raw_span(self) -> tuple[int, int]:
        """Its span in the raw text, without the white space around it."""
        text = self.text
        start = self.start + len(text) - len(text.lstrip())
        return self.view.raw_span(start, self.start + len(text.rstrip()))


class Texts:
    """Texts to detect in; `all` are those of `raw`, in their order.

    `sets` are the patterns that the detectors will search; a detector may stop after `enough` matches of one pattern
    in one text.
    """

    def __init__(
        self,
        raw: Sequence[str],
        text_type: type[Text] = Text,
        sets: Sequence[PatternSet] = (),
        enough: int = 2000,
    ) -> None:
        self.enough = enough
        self.sieve = sieve((SUSPECT, *sets))
        self.all = [text_type(text, self.sieve) for text in raw]

    def suspicious(self, *sets: PatternSet) -> Iterator[tuple[int, Text]]:
        """The index and text of each in which one of `sets` may be found."""
        known = self.sieve.sets.issuperset(sets)
        return ((index, text) for index, text in enumerate(self.all) if not (known and text.quiet))

    @cached_property
    def windows(self) -> list[Window]:
        """What the models read: the text as it is spelled, and what is hidden in it, where it has letters."""
        return [
            Window(index, view, start, end)
            for index, text in enumerate(self.all)
            for view in ((text.folded,) if text.quiet else (text.spelled, *text.hidden))
            for start, end in windows(view.text)
            if _LETTER.search(view.text, start, end)
        ]

    def may_hold(self, window: Window, patterns: PatternSet) -> bool:
        """Whether `patterns` may be in the window. A cut inside a word may make a match that its view does not have."""
        if patterns not in self.sieve.sets or window.view.squeezed or window.cuts_a_word:
            return True
        return patterns in self.all[window.index].hits(window.view)

    def scores(self, model: ModelName) -> list[float]:
        """The model's probability for each window."""
        scores: list[float] = self._scores[:, column(model)].tolist()
        return scores

    @cached_property
    def _scores(self) -> Scores:
        return load().scores([window.text for window in self.windows])
