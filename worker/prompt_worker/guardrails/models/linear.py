"""Linear models over hashed features: one row of small weights for each bucket, all models in one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from prompt_worker.guardrails.models.features import BUCKETS, extract

ModelName = Literal["toxicity", "injection"]
Scores = NDArray[np.float32]

_CHUNK = 256  # windows at a time: their arrays remain in the processor's cache
_SHIFT = 1 << 20  # more than twice what one model's weights can add up to in a window


@dataclass(frozen=True)
class Models:
    """Two models; the logit of a text is the sum of its features' weights times `scales[model]`, plus `biases[model]`.

    Both weights of a feature are in one number, `second * 2**20 + first`, so that one sum gives both.
    """

    packed: NDArray[np.int32]
    scales: NDArray[np.float32]
    biases: NDArray[np.float32]

    def scores(self, texts: Sequence[str]) -> Scores:
        """For each text (a window, no longer) the probability under each model, in the order of `ModelName`."""
        found = np.zeros((len(texts), len(self.scales)), np.float32)
        for start in range(0, len(texts), _CHUNK):
            found[start : start + _CHUNK] = self._chunk(texts[start : start + _CHUNK])
        return found

    def _chunk(self, texts: Sequence[str]) -> Scores:
        features = extract(texts)
        both = features.sums(self.packed)
        second = np.floor(both / _SHIFT + 0.5)
        sums = np.stack([both - second * _SHIFT, second], axis=1)
        logits = sums * self.scales / np.sqrt(features.counts)[:, None] + self.biases
        return (1 / (1 + np.exp(-logits))).astype(np.float32)


@cache
def load() -> Models:
    """The models that come with the package."""
    stored = [_read(name) for name in get_args(ModelName)]
    first, second = (weights.astype(np.int32) for weights, _, _ in stored)
    scales, biases = ([one[column] for one in stored] for column in (1, 2))
    return Models(second * _SHIFT + first, np.array(scales, np.float32), np.array(biases, np.float32))


def _read(name: str) -> tuple[NDArray[np.int8], float, float]:
    with (files("prompt_worker.guardrails.models") / f"{name}.npz").open("rb") as stored:
        loaded = np.load(stored, allow_pickle=False)
        weights: NDArray[np.int8] = loaded["weights"]
        if weights.shape != (BUCKETS,):
            raise ValueError(f"{name}.npz has {weights.shape} weights, not {BUCKETS}: train the models again")
        return weights, float(loaded["scale"]), float(loaded["bias"])


def column(name: ModelName) -> int:
    """The model's column in the scores."""
    return get_args(ModelName).index(name)
