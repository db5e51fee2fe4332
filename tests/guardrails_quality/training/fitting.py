"""Trains the models that come with the package: logistic regression, its weights stored as signed bytes.

The same files give the same weights. Needs the dependency group `training`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression

import prompt_worker.guardrails.models
from prompt_worker.guardrails.models.features import BUCKETS, extract
from tests.guardrails_quality.training.examples import SEED, Example, injection_examples, toxicity_examples

_MODELS = Path(prompt_worker.guardrails.models.__file__).parent


def train(folder: Path) -> None:
    """Writes both models into the package. `folder` holds the files that `examples.py` names."""
    _train("toxicity", list(toxicity_examples(folder)), strength=4.0)
    _train("injection", list(injection_examples(folder)), strength=25.0, positives=0.8)


def _train(name: str, examples: list[Example], strength: float, positives: float = 1.0) -> None:
    """With `positives` below 1, a false alarm is worse than a miss."""
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
