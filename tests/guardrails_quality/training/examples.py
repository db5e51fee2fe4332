"""The examples that each model is trained on: from which files, with which labels and weights.

The files are toxicity.jsonl, injection.jsonl, benign.jsonl and pii.jsonl in one folder outside the repository.
"""

from __future__ import annotations

import html
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from prompt_worker.guardrails.text.views import Text
from prompt_worker.guardrails.text.windows import windows
from tests.guardrails_quality.labelled import LabelledText, part, read_labelled
from tests.guardrails_quality.training import answers, synthetic

SEED = 20261123
_TWITTER = re.compile(r"\bRT\b|@\w+:?|https?://\S+")


@dataclass(frozen=True, slots=True, repr=False)
class Example:
    """A window of a text, as a detector reads it; `weight` is how much a mistake in it costs."""

    text: str
    label: int
    weight: float = 1.0


def toxicity_examples(folder: Path) -> Iterator[Example]:
    """Tweets; innocent texts, harmless prompts among them; toxic sentences that the tweets lack."""
    for row in _training_part(folder / "toxicity.jsonl"):
        text = re.sub(r"\s+", " ", _TWITTER.sub("", html.unescape(row.text))).strip(' "“”!:')
        yield from _examples(text, row.label or 0, 1.0)
    yield from _ordinary(folder)
    for row in _training_part(folder / "injection.jsonl"):
        if not row.label:
            yield from _examples(row.text, 0, 0.5)
    yield from _made(synthetic.toxic(SEED), 1, 2.0)


def injection_examples(folder: Path) -> Iterator[Example]:
    """Prompts; innocent texts, a fifth of the tweets among them; injections and answers that the prompts lack."""
    for row in _training_part(folder / "injection.jsonl"):
        yield from _examples(row.text, row.label or 0, 4.0 if row.source.startswith("deepset") else 1.0)
    yield from _ordinary(folder)
    for row in _training_part(folder / "toxicity.jsonl"):
        if random.Random(row.text).random() < 0.2:
            yield from _examples(_TWITTER.sub("", html.unescape(row.text)), 0, 0.5)
    yield from _made(synthetic.injections(SEED), 1, 1.0)
    yield from _made(answers.answers(SEED), 0, 1.0)


def _ordinary(folder: Path) -> Iterator[Example]:
    for row in _training_part(folder / "benign.jsonl"):
        yield from _examples(row.text, 0, 2.0)
    for row in _training_part(folder / "pii.jsonl"):
        yield from _examples(row.text, 0, 1.0)
    yield from _made(synthetic.innocent(SEED), 0, 5.0)


def _training_part(path: Path) -> Iterator[LabelledText]:
    return (row for row in read_labelled(path) if part(row) == "train")


def _made(texts: Iterable[str], label: int, weight: float) -> Iterator[Example]:
    for text in texts:
        yield from _examples(text, label, weight)


def _examples(text: str, label: int, weight: float) -> Iterator[Example]:
    spelled = Text(text).spelled.text
    for start, end in windows(spelled):
        yield Example(spelled[start:end], label, weight)
