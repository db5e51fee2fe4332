"""Labelled texts in JSON lines: read, without duplicates, and divided by a hash of the text into three parts."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prompt_worker.platform.failures import SettingsError

Part = Literal["train", "development", "held-back"]

_TYPE_OF_FILE = {"toxic": "toxic_content", "inject": "prompt_injection", "pii": "pii_detection"}
_NOT_LETTERS = re.compile(r"[\W\d_]+")


@dataclass(frozen=True, slots=True, repr=False)
class LabelledText:
    """`label` 1: should be flagged; 0: should not. `spans` are (entity type, start, end), for personal data."""

    text: str
    label: int | None
    spans: tuple[tuple[str, int, int], ...] | None
    source: str


def read_labelled(path: Path) -> Iterator[LabelledText]:
    """One text for each line `{"text", "label" | "spans", "source"?}`, later duplicates dropped.

    A line with neither label nor spans is an ordinary text, in which nothing should be found. Raises `SettingsError`
    that names the file and the line.
    """
    seen = set()
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = json.loads(line)
                spans = row.get("spans")
                labelled = LabelledText(
                    row["text"],
                    row.get("label"),
                    None if spans is None else tuple((s["entity_type"], s["start"], s["end"]) for s in spans),
                    str(row.get("source") or row.get("kind") or path.stem),
                )
            except (ValueError, KeyError, TypeError, AttributeError):
                expected = '{"text": "…", "label": 0 or 1} or {"text": "…", "spans": […]}'
                raise SettingsError(f"{path.name}, line {number}: expected {expected}") from None
            if labelled.text not in seen:
                seen.add(labelled.text)
                yield labelled


def part(row: LabelledText) -> Part:
    """Which part a text belongs to: 70 % train, 10 % development, 20 % held back.

    Labelled texts that differ only in case, digits and punctuation are in the same part. (Personal data is made of
    digits, in few sentences: there the whole text decides.)
    """
    text = row.text if row.spans is not None else _NOT_LETTERS.sub(" ", row.text.lower()).strip()
    place = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4]) / 2**32
    return "train" if place < 0.7 else "development" if place < 0.8 else "held-back"


def read_part(path: Path, wanted: Part | str) -> list[LabelledText]:
    """The texts of one part of a file, or of `all` of it. Raises `SettingsError`."""
    try:
        return [text for text in read_labelled(path) if wanted in ("all", part(text))]
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from None


def labelled_type(path: Path, texts: Sequence[LabelledText], chosen: str | None) -> str | None:
    """The type of guardrail that the labels are for: `chosen`, or by the spans or the file's name; None without labels.

    Raises `SettingsError` where that is not clear.
    """
    if not any(text.label is not None or text.spans is not None for text in texts):
        return None
    if chosen is not None:
        return chosen
    if any(text.spans is not None for text in texts):
        return "pii_detection"
    for name, guardrail_type in _TYPE_OF_FILE.items():
        if name in path.stem:
            return guardrail_type
    raise SettingsError(f"{path.name}: what do its labels mean? Give --type")
