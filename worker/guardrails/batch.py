"""The texts of one evaluation: each different one once, with what several evaluators need of it made only once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from worker.guardrails.linear import ModelName, Scores, column, load
from worker.guardrails.text import Text, View
from worker.guardrails.windows import windows

_LETTER = re.compile(r"[^\W\d_]")


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of a view of the text at `index`."""

    index: int
    view: View
    start: int
    end: int

    @property
    def text(self) -> str:
        return self.view.text[self.start : self.end]

    @property
    def raw_span(self) -> tuple[int, int]:
        """Where it stands in the raw text, without the white space around it."""
        text = self.text
        start = self.start + len(text) - len(text.lstrip())
        return self.view.raw_span(start, self.start + len(text.rstrip()))


class Batch:
    """What a detector is given."""

    def __init__(self, raw: Sequence[str], kind: type[Text] = Text) -> None:
        self.texts = [kind(text) for text in raw]

    @cached_property
    def windows(self) -> list[Window]:
        """What the models read: the text as it is spelled, and what is hidden in it, where it has letters."""
        return [
            Window(index, view, start, end)
            for index, text in enumerate(self.texts)
            for view in (text.spelled, *text.hidden)
            for start, end in windows(view.text)
            if _LETTER.search(view.text, start, end)
        ]

    def scores(self, model: ModelName) -> list[float]:
        """The model's probability for each window."""
        scores: list[float] = self._scores[:, column(model)].tolist()
        return scores

    @cached_property
    def _scores(self) -> Scores:
        return load().scores([window.text for window in self.windows])
