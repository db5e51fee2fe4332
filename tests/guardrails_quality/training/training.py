"""Trains the models that come with the package. The same files give the same weights.

The folder holds toxicity.jsonl, injection.jsonl, benign.jsonl and pii.jsonl, which stay outside the repository. Needs
the dependency group `training`.
"""

from __future__ import annotations

import html
import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

import prompt_worker.guardrails.models
from prompt_worker.guardrails.models.features import BUCKETS, extract
from prompt_worker.guardrails.text.views import Text
from prompt_worker.guardrails.text.windows import windows
from tests.guardrails_quality.labelled import LabelledText, part, read
from tests.guardrails_quality.training import answers, synthetic

SEED = 20261123
_MODELS = Path(prompt_worker.guardrails.models.__file__).parent
_TWITTER = re.compile(r"\bRT\b|@\w+:?|https?://\S+")


@dataclass(frozen=True, slots=True, repr=False)
class Example:
    """A window of a text, as a detector would read it. `group` is the source, whose examples weigh `weight` in all."""

    text: str
    label: int
    weight: float = 1.0


def train(folder: Path) -> None:
    """Writes both models."""
    _train("toxicity", list(_toxicity(folder)), strength=4.0)
    _train("injection", list(_injection(folder)), strength=25.0, positives=0.8)


def _toxicity(folder: Path) -> Iterator[Example]:
    for row in _training_part(folder / "toxicity.jsonl"):
        text = re.sub(r"\s+", " ", _TWITTER.sub("", html.unescape(row.text))).strip(' "“”!:')
        yield from _examples(text, row.label or 0, 1.0)
    yield from _ordinary(folder)
    for row in _training_part(folder / "injection.jsonl"):
        if not row.label:
            yield from _examples(row.text, 0, 0.5)
    yield from _made(synthetic.toxic(SEED), 1, 2.0)


def _injection(folder: Path) -> Iterator[Example]:
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
    return (row for row in read(path) if part(row) == "train")


def _made(texts: Iterable[str], label: int, weight: float) -> Iterator[Example]:
    for text in texts:
        yield from _examples(text, label, weight)


def _examples(text: str, label: int, weight: float) -> Iterator[Example]:
    spelled = Text(text).spelled.text
    for start, end in windows(spelled):
        yield Example(spelled[start:end], label, weight)


def _train(name: str, examples: list[Example], strength: float, positives: float = 1.0) -> None:
    """`positives` below 1 holds a false alarm for worse than a miss."""
    features = extract([example.text for example in examples])
    buckets, texts = features.flat()
    values = 1 / np.sqrt(features.counts)[texts]
    matrix = csr_matrix((values, (texts, buckets.astype(np.int64))), (len(examples), BUCKETS))
    labels = np.array([example.label for example in examples])
    weights = np.array([example.weight * (positives if example.label else 1.0) for example in examples])
    model = LogisticRegression(C=strength, solver="liblinear", max_iter=1000, random_state=SEED)
    model.fit(matrix, labels, sample_weight=weights)
    stored, scale = _quantised(model.coef_[0])
    np.savez_compressed(
        _MODELS / f"{name}.npz", weights=stored, scale=np.float32(scale), bias=np.float32(model.intercept_[0])
    )
    print(
        f"{name}: {len(examples)} passages, {int(labels.sum())} positive, {np.count_nonzero(stored)} weights"
    )


def _quantised(weights: NDArray[np.float64]) -> tuple[NDArray[np.int8], float]:
    scale = float(np.quantile(np.abs(weights[weights != 0]), 0.9995)) / 127
    return np.clip(np.round(weights / scale), -127, 127).astype(np.int8), scale
